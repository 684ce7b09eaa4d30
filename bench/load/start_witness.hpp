#pragma once

#include "bench/load/run_all.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <vector>

namespace rowlock::bench {

// Sees executions start, with this program's own clock: they are calls of http jobs to a port on loopback, GET /0, GET /1, ... What the
// database notes as the start is a moment before the commit that hands the execution over, so it says too little. Used by one thread.
class start_witness {
public:
    // Sees `count` starts and then closes, which lets `among` end.
    start_witness(boost::asio::io_context& context, run_all& among, std::size_t count);

    std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
    // Accepts until all have been seen.
    runtime::awaitable<void> listen();
    // One of them will not come.
    void forget_one();
    // When the call /n arrived; nullopt if it did not.
    std::optional<std::chrono::steady_clock::time_point> seen(std::size_t n) const { return seen_[n]; }

private:
    using socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

    runtime::awaitable<void> serve(socket& from);
    void close_if_all();

    boost::asio::io_context& context_;
    run_all& among_;
    boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, boost::asio::io_context::executor_type> acceptor_;
    std::list<socket> sockets_{};
    std::vector<std::optional<std::chrono::steady_clock::time_point>> seen_;
    std::size_t missing_;
};

}
