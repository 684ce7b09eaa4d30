#pragma once

#include "tests/support/eventually.hpp"

#include <boost/json/value.hpp>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rowlock::test {

using http_fields = std::vector<std::pair<std::string, std::string>>;

struct http_reply {
    int status = 0;
    http_fields fields{};
    std::string body{};

    // Of the first field of this name, whatever its case; empty where there is none.
    std::string field(std::string_view name) const;
    // The body. Throws where it is not JSON, and shows it.
    boost::json::value json() const;
};

// A connection on which any bytes can be sent, at any time. Blocking, for one thread. Everything throws std::runtime_error when the
// peer is gone or the time is up.
class http_connection {
public:
    // ADDR:PORT
    explicit http_connection(const std::string& address);
    http_connection(const http_connection&) = delete;
    http_connection& operator=(const http_connection&) = delete;
    http_connection(http_connection&& other) noexcept;
    ~http_connection();

    void send(std::string_view bytes);
    // Says that nothing more comes, and goes on listening.
    void finish_sending();
    // The next reply; `to_head` for those that have no body whatever their head says.
    http_reply receive(bool to_head = false, std::chrono::milliseconds within = patience);
    // Has anything come, or has the peer closed? Waits no longer than `time`.
    bool is_readable(std::chrono::milliseconds time = {}) const;
    // Waits for any bytes and returns what is there now; "" when the peer has closed.
    std::string receive_some(std::chrono::milliseconds within = patience);
    // Whether the peer closes, or resets, before the time is up. Bytes that come first are dropped.
    bool is_closed_within(std::chrono::milliseconds time);

private:
    bool fill(std::chrono::steady_clock::time_point until);
    std::string take_line(std::chrono::steady_clock::time_point until);
    std::string take(std::size_t bytes, std::chrono::steady_clock::time_point until);

    int fd_ = -1;
    std::string buffer_;
};

// The text of one request, with Host, and with Content-Length where there is a body or the method wants one.
std::string request_text(std::string_view method, std::string_view target, std::string_view body = {}, const http_fields& fields = {});

// One request on a connection of its own. A body goes as application/json unless `fields` say otherwise.
http_reply http_request(const std::string& address, std::string_view method, std::string_view target, std::string_view body = {},
                        const http_fields& fields = {}, std::chrono::milliseconds within = patience);

}
