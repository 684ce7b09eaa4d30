#pragma once

#include "ops/cli/base_url.hpp"

#include <boost/system/result.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rowlock::ops {

struct http_request {
    std::string method;
    std::string target;                                  // path and query, below the base URL's prefix
    std::string body{};                                  // JSON; empty: none
    std::vector<std::pair<std::string, std::string>> headers{};
    std::chrono::milliseconds time_limit{30'000};        // for connecting, sending and the whole reply; of a stream: until its headers
    bool repeatable = false;                             // sending it twice does what sending it once does
};

struct http_reply {
    int status = 0;
    std::string content_type{};
    std::string retry_after{};                           // as it came; empty: none
    std::string date{};                                  // the same
    std::string body{};
};

// Why there is no reply, as a sentence for people. Nothing is known about what the server has done.
struct transport_error {
    std::string message;
};

// A blocking HTTP/1.1 client of one server, http or https (certificates and host names are verified). The connection is kept and used
// again; one that the server has closed in the meantime is replaced, and what had been sent on it is sent again only if it is repeatable. Not for
// more than one thread. Every wait ends with the request's time limit.
class http_client {
public:
    // `headers` go with every request.
    http_client(base_url server, std::vector<std::pair<std::string, std::string>> headers);
    ~http_client();
    http_client(const http_client&) = delete;
    http_client& operator=(const http_client&) = delete;

    // Replies of any status are replies.
    boost::system::result<http_reply, transport_error> send(const http_request& request);

    // A reply of status 200 goes to `sink` in pieces as they come, without a time limit, and leaves `body` empty; others are as from
    // send(). The connection is closed afterwards.
    using piece_sink = std::function<void(std::string_view)>;
    boost::system::result<http_reply, transport_error> stream(const http_request& request, const piece_sink& sink);

    const base_url& server() const;

private:
    struct state;
    std::unique_ptr<state> state_;
};

}
