#include "tests/support/http_client.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <boost/json/parse.hpp>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace rowlock::test {

using clock = std::chrono::steady_clock;

namespace {

bool same_name(std::string_view a, std::string_view b)
{
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

[[noreturn]] void broken(const std::string& what)
{
    throw std::runtime_error("http: " + what);
}

int milliseconds_until(clock::time_point until)
{
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, 600'000));
}

sockaddr_in socket_address(const std::string& address)
{
    const auto colon = address.rfind(':');
    if (colon == std::string::npos) broken("no port in " + address);
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
    if (inet_pton(AF_INET, address.substr(0, colon).c_str(), &out.sin_addr) != 1) broken("not an IPv4 address: " + address);
    return out;
}

}

std::string http_reply::field(std::string_view name) const
{
    for (const auto& [given, value] : fields) {
        if (same_name(given, name)) return value;
    }
    return {};
}

boost::json::value http_reply::json() const
{
    boost::system::error_code ec;
    auto out = boost::json::parse(body, ec);
    if (ec) broken("status " + std::to_string(status) + ", and a body that is not JSON: " + body.substr(0, 500));
    return out;
}

http_connection::http_connection(const std::string& address)
{
    const auto peer = socket_address(address);
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&peer), sizeof peer) != 0) {
        const std::string why = std::strerror(errno);
        if (fd_ >= 0) ::close(fd_);
        broken("cannot connect to " + address + ": " + why);
    }
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

http_connection::http_connection(http_connection&& other) noexcept : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}

http_connection::~http_connection()
{
    if (fd_ >= 0) ::close(fd_);
}

void http_connection::send(std::string_view bytes)
{
    const auto until = clock::now() + patience;
    while (!bytes.empty()) {
        pollfd writable{fd_, POLLOUT, 0};
        if (::poll(&writable, 1, milliseconds_until(until)) == 0) broken("the peer does not read");
        const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (n < 0) broken(std::string("cannot send: ") + std::strerror(errno));
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

void http_connection::finish_sending()
{
    ::shutdown(fd_, SHUT_WR);
}

// False when the peer has closed. Throws when the time is up.
bool http_connection::fill(clock::time_point until)
{
    char piece[65536];
    for (;;) {
        pollfd readable{fd_, POLLIN, 0};
        const int ready = ::poll(&readable, 1, milliseconds_until(until));
        if (ready < 0 && errno == EINTR) continue;
        if (ready == 0) broken("nothing more came in time; so far: " + buffer_.substr(0, 500));
        const auto n = ::recv(fd_, piece, sizeof piece, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        buffer_.append(piece, static_cast<std::size_t>(n));
        return true;
    }
}

std::string http_connection::take_line(clock::time_point until)
{
    std::size_t end;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
        if (!fill(until)) broken("the peer closed within a line: " + buffer_.substr(0, 500));
    }
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return line;
}

std::string http_connection::take(std::size_t bytes, clock::time_point until)
{
    while (buffer_.size() < bytes) {
        if (!fill(until)) broken("the peer closed within a body: " + buffer_.substr(0, 500));
    }
    std::string out = buffer_.substr(0, bytes);
    buffer_.erase(0, bytes);
    return out;
}

http_reply http_connection::receive(bool to_head, std::chrono::milliseconds within)
{
    const auto until = clock::now() + within;
    http_reply reply;
    do {
        const auto first = take_line(until);
        if (first.rfind("HTTP/1.1 ", 0) != 0 && first.rfind("HTTP/1.0 ", 0) != 0) broken("not a status line: " + first);
        reply = {.status = std::stoi(first.substr(9, 3))};
        for (auto line = take_line(until); !line.empty(); line = take_line(until)) {
            const auto colon = line.find(':');
            if (colon == std::string::npos) broken("not a header: " + line);
            auto from = line.find_first_not_of(" \t", colon + 1);
            reply.fields.emplace_back(line.substr(0, colon), from == std::string::npos ? "" : line.substr(from));
        }
    } while (reply.status == 100);

    if (to_head || reply.status == 204 || reply.status == 304) return reply;
    if (same_name(reply.field("Transfer-Encoding"), "chunked")) {
        for (;;) {
            const auto size = std::stoull(take_line(until), nullptr, 16);
            if (size > 0) reply.body += take(size, until);
            if (!take_line(until).empty()) broken("a chunk is longer than it says");
            if (size == 0) return reply;
        }
    }
    if (const auto length = reply.field("Content-Length"); !length.empty()) {
        reply.body = take(std::stoull(length), until);
        return reply;
    }
    while (fill(until)) {}
    reply.body = std::exchange(buffer_, {});
    return reply;
}

bool http_connection::is_readable(std::chrono::milliseconds time) const
{
    pollfd readable{fd_, POLLIN, 0};
    return !buffer_.empty() || ::poll(&readable, 1, static_cast<int>(time.count())) > 0;
}

std::string http_connection::receive_some(std::chrono::milliseconds within)
{
    if (buffer_.empty()) fill(clock::now() + within);
    return std::exchange(buffer_, {});
}

bool http_connection::is_closed_within(std::chrono::milliseconds time)
{
    const auto until = clock::now() + time;
    try {
        while (fill(until)) buffer_.clear();
        return true;
    } catch (const std::runtime_error&) {
        return false;
    }
}

std::string request_text(std::string_view method, std::string_view target, std::string_view body, const http_fields& fields)
{
    std::string out;
    out.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: rowlock.test\r\n");
    bool typed = false;
    for (const auto& [name, value] : fields) {
        out.append(name).append(": ").append(value).append("\r\n");
        typed = typed || same_name(name, "Content-Type");
    }
    if (!body.empty() && !typed) out += "Content-Type: application/json\r\n";
    if (!body.empty() || method == "POST" || method == "PUT") out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return out.append("\r\n").append(body);
}

http_reply http_request(const std::string& address, std::string_view method, std::string_view target, std::string_view body, const http_fields& fields,
                        std::chrono::milliseconds within)
{
    http_connection connection(address);
    connection.send(request_text(method, target, body, fields));
    return connection.receive(method == "HEAD", within);
}

}
