#pragma once

#include "runtime/async/types.hpp"
#include "runtime/handlers/failure.hpp"
#include "runtime/handlers/http_message.hpp"
#include "runtime/handlers/url.hpp"

#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <memory>
#include <vector>

namespace rowlock::runtime {

// What comes of one exchange. `stale`: the connection had been closed before any byte of the reply came, so a kept one is to be
// exchanged for a fresh one and the request sent again.
struct http_exchange {
    attempted<http_reply> reply;
    bool stale = false;
};

// One connection to one origin. Used by one request at a time, on one core. Beast stays behind it.
class http_connection {
public:
    http_connection(io_executor executor, std::shared_ptr<boost::asio::ssl::context> tls);   // no context: plain
    ~http_connection();

    // Tries the addresses in turn; shares the time that is left among them. Over TLS, the name of the host is sent and, if the context
    // verifies at all, held against the certificate. Fails with CONNECTION_FAILED.
    awaitable<attempted<void>> connect(const url& to, std::vector<boost::asio::ip::address> addresses, deadline until);

    // Sends the request and reads the reply, of at most `limit` bytes of body: OUTPUT_LIMIT beyond, else CONNECTION_FAILED.
    awaitable<http_exchange> exchange(const url& to, const http_request& request, std::int64_t limit, deadline until);

    // Closes it, and ends the wait of the coroutine that is in one of the above with CONNECTION_FAILED.
    void cancel();
    // Whether both sides keep it open after the last exchange.
    bool reusable() const;
    // Looks whether the peer has closed it, or said something unasked, since. Does not wait.
    bool still_open();

private:
    struct state;
    std::unique_ptr<state> state_;
};

}
