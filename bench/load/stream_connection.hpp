#pragma once

#include "bench/load/receive_buffer.hpp"
#include "runtime/async/types.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <string>
#include <string_view>

namespace rowlock::bench {

// One WebSocket of /v1/stream. Frames are built once and sent many times, with a mask of zeroes, which changes nothing: the load program must
// cost less than the server it measures.
class stream_connection {
public:
    stream_connection(boost::asio::io_context& context, boost::asio::ip::tcp::endpoint server) : socket_(context), server_(std::move(server)) {}

    // All throw system_error, and runtime_error for an answer that they do not understand. They have no time limit of their own: whoever runs the
    // context does.
    //
    // Connects, shakes hands, with header lines of the caller, and reads the welcome: how many frames may be in flight.
    runtime::awaitable<std::size_t> open(const std::string& credentials);
    runtime::awaitable<void> send(std::string_view frames);
    // The next message, until the next call.
    runtime::awaitable<std::string_view> receive();
    // Has a whole message come already?
    bool has_message() const { return message_size() > 0; }

private:
    runtime::awaitable<void> read_more();
    // Of the first message with its header; 0: it has not come whole.
    std::size_t message_size() const;
    std::size_t header_size() const;
    std::string_view rest() const { return in_.bytes().substr(used_); }

    runtime::tcp_socket socket_;
    boost::asio::ip::tcp::endpoint server_;
    receive_buffer in_{};
    std::size_t used_ = 0;
};

// A text frame of a client.
std::string frame_bytes(std::string_view text);

}
