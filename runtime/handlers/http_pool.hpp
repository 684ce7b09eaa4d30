#pragma once

#include "runtime/async/types.hpp"
#include "runtime/handlers/failure.hpp"
#include "runtime/handlers/http_connection.hpp"

#include <boost/asio/ssl/context.hpp>
#include <list>
#include <map>
#include <memory>
#include <string>

namespace rowlock::runtime {

// What connections may be exchanged for each other by: the origin and how it is verified.
struct http_origin {
    std::string host;
    std::uint16_t port = 0;
    bool tls = false;
    bool verify = true;
    std::string ca_file{};

    auto operator<=>(const http_origin&) const = default;
};

// Connections between two requests, of one core. Used on it.
class http_pool {
public:
    http_pool(io_executor executor, int most_idle, std::chrono::milliseconds idle_time);
    ~http_pool();

    http_pool(const http_pool&) = delete;
    http_pool& operator=(const http_pool&) = delete;

    // The one used last, since it is the likeliest to be open still; nullptr: there is none.
    std::unique_ptr<http_connection> take(const http_origin& origin);
    // Closes the one that has been idle longest, if there are too many.
    void put(http_origin origin, std::unique_ptr<http_connection> connection);
    std::size_t size() const;

    // The context that connections to `origin` are made with; its file of authorities is read again when it has changed. nullptr where
    // the origin is plain. Fails with INVALID_CONFIG.
    attempted<std::shared_ptr<boost::asio::ssl::context>> context(const http_origin& origin);

private:
    struct idle {
        http_origin origin;
        std::unique_ptr<http_connection> connection;
        deadline until;
    };
    // What the timer's handler looks at: it may be called once more after the pool has gone.
    struct shelf {
        std::list<idle> connections;                 // the oldest first
        steady_timer expiry;
    };
    static void expire(const std::shared_ptr<shelf>& what);

    std::shared_ptr<shelf> shelf_;
    std::size_t most_idle_;
    std::chrono::milliseconds idle_time_;
    std::map<std::string, std::shared_ptr<boost::asio::ssl::context>> contexts_;
};

}
