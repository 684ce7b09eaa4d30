#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rowlock::test {

struct stub_request {
    std::string method;
    std::string target;
    std::string authorization;
    std::string tenant;
    std::string idempotency_key;
    std::string body;
};

struct stub_reply {
    int status = 200;
    std::string body = "{}";
    std::string content_type = "application/json";
    std::string retry_after{};
    std::string location{};
    bool close = false;                      // say keep-alive, and close nevertheless
    bool silent = false;                     // read the request, and close without an answer
};

// An HTTP server on a loopback port of its own, on a thread of its own, with keep-alive. Every request goes to `answer`, on that
// thread, and is remembered.
class stub_http {
public:
    using answerer = std::function<stub_reply(const stub_request&)>;
    explicit stub_http(answerer answer);
    ~stub_http();
    stub_http(const stub_http&) = delete;
    stub_http& operator=(const stub_http&) = delete;

    std::string url() const;
    std::vector<stub_request> requests() const;
    // How many connections there have been.
    std::size_t connections() const;

private:
    struct state;
    std::unique_ptr<state> state_;
};

}
