#pragma once

#include "bench/load/receive_buffer.hpp"
#include "runtime/async/types.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <string>
#include <string_view>

namespace rowlock::bench {

struct reply {
    int status = 0;
    std::string_view body;                   // until the next exchange
};

// One keep-alive connection of HTTP/1.1, without pipelining. Understands what Rowlock answers: bodies with a Content-Length, or none.
class http_connection {
public:
    http_connection(boost::asio::io_context& context, boost::asio::ip::tcp::endpoint server) : socket_(context), server_(std::move(server)) {}

    // Both throw system_error, exchange() also runtime_error for an answer that it does not understand. They have no time limit of their
    // own: whoever runs the context does.
    runtime::awaitable<void> connect();
    runtime::awaitable<reply> exchange(std::string_view request);

private:
    runtime::awaitable<void> read_more();

    runtime::tcp_socket socket_;
    boost::asio::ip::tcp::endpoint server_;
    receive_buffer in_{};
    std::size_t used_ = 0;                   // bytes of `in_` that belong to the last reply
};

}
