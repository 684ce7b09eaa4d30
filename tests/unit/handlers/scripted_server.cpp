#include "tests/unit/handlers/scripted_server.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cstdio>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace rowlock::test {

namespace {

// One connection, in the clear or over TLS.
class channel {
public:
    channel(int fd, SSL_CTX* tls) : fd_(fd)
    {
        if (tls == nullptr) return;
        ssl_ = SSL_new(tls);
        SSL_set_fd(ssl_, fd);
        open_ = SSL_accept(ssl_) == 1;
    }
    ~channel()
    {
        if (ssl_ != nullptr) {
            if (open_) SSL_shutdown(ssl_);
            SSL_free(ssl_);
        }
    }
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;

    bool open() const { return open_; }
    bool read_more(std::string& into)
    {
        char piece[4096];
        const auto n = ssl_ != nullptr ? SSL_read(ssl_, piece, sizeof piece) : static_cast<int>(::recv(fd_, piece, sizeof piece, 0));
        if (n <= 0) return open_ = false;
        into.append(piece, static_cast<std::size_t>(n));
        return true;
    }
    bool write(std::string_view bytes)
    {
        while (!bytes.empty()) {
            const auto n = ssl_ != nullptr ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) : static_cast<int>(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
            if (n <= 0) return open_ = false;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }

private:
    int fd_;
    SSL* ssl_ = nullptr;
    bool open_ = true;
};

std::size_t content_length(const std::string& head)
{
    const auto at = head.find("Content-Length: ");
    return at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
}

}

scripted_reply reply_with(int status, std::string_view headers, std::string_view body)
{
    return {"HTTP/1.1 " + std::to_string(status) + " Said\r\n" + std::string(headers) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body)};
}

self_signed::self_signed(const std::string& name, const std::string& file)
{
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    auto* subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    auto* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("DNS:" + name).c_str());
    X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(certificate, key, EVP_sha256());

    std::FILE* out = std::fopen(file.c_str(), "w");
    if (out == nullptr) throw std::runtime_error("cannot write " + file);
    PEM_write_X509(out, certificate);
    std::fclose(out);
    context.reset(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    SSL_CTX_use_certificate(context.get(), certificate);
    SSL_CTX_use_PrivateKey(context.get(), key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

scripted_server::scripted_server(answerer answer, std::shared_ptr<ssl_ctx_st> tls) : answer_(std::move(answer)), tls_(std::move(tls))
{
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    auto* address = reinterpret_cast<sockaddr*>(&at);
    if (::bind(listener_, address, size) != 0 || ::listen(listener_, 16) != 0 || ::getsockname(listener_, address, &size) != 0) throw std::runtime_error("cannot listen");
    port_ = ntohs(at.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
}

scripted_server::~scripted_server()
{
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    {
        const std::lock_guard lock(mutex_);
        for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    for (auto& each : sessions_) each.join();
}

std::string scripted_server::url(std::string_view path) const
{
    return (tls_ ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(port_) + std::string(path);
}

std::vector<std::string> scripted_server::requests() const
{
    const std::lock_guard lock(mutex_);
    return requests_;
}

void scripted_server::accept_all()
{
    for (;;) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        ++connections_;
        const std::lock_guard lock(mutex_);
        open_.push_back(fd);
        sessions_.emplace_back([this, fd] { serve(fd); });
    }
}

void scripted_server::serve(int fd)
{
    {
        channel with(fd, tls_.get());
        std::string input;
        while (with.open()) {
            auto head = input.find("\r\n\r\n");
            if (head == std::string::npos || input.size() < head + 4 + content_length(input.substr(0, head))) {
                with.read_more(input);
                continue;
            }
            const auto size = head + 4 + content_length(input.substr(0, head));
            const auto request = input.substr(0, size);
            input.erase(0, size);
            {
                const std::lock_guard lock(mutex_);
                requests_.push_back(request);
            }
            const auto reply = answer_(request);
            with.write(reply.bytes);
            if (reply.close) break;
        }
    }
    const std::lock_guard lock(mutex_);
    std::erase(open_, fd);
    ::shutdown(fd, SHUT_RDWR);
    ::close(fd);
}

}
