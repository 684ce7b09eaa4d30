#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

struct ssl_ctx_st;

namespace rowlock::test {

// Bytes to answer a request with; `close` ends the connection after them.
struct scripted_reply {
    std::string bytes;
    bool close = false;
};

// "HTTP/1.1 STATUS", the headers given (each with its line break) and a body with its length.
scripted_reply reply_with(int status, std::string_view headers, std::string_view body);

// A certificate for one name, signed by itself, and the file that holds it for those who are to trust it.
struct self_signed {
    explicit self_signed(const std::string& name, const std::string& file);
    std::shared_ptr<ssl_ctx_st> context;
};

// A server on a loopback port that answers each request, byte for byte, as it is told. Blocking, a thread for each connection.
class scripted_server {
public:
    using answerer = std::function<scripted_reply(const std::string& request)>;

    explicit scripted_server(answerer answer, std::shared_ptr<ssl_ctx_st> tls = nullptr);
    ~scripted_server();

    scripted_server(const scripted_server&) = delete;
    scripted_server& operator=(const scripted_server&) = delete;

    std::string url(std::string_view path = "/") const;
    std::uint16_t port() const { return port_; }
    int connections() const { return connections_; }
    std::vector<std::string> requests() const;

private:
    void accept_all();
    void serve(int fd);

    answerer answer_;
    std::shared_ptr<ssl_ctx_st> tls_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<int> connections_{0};
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;
    std::vector<int> open_;
    std::vector<std::thread> sessions_;
    std::thread acceptor_;
};

}
