#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

namespace rowlock::runtime {

// Executors are typed throughout: an any_io_executor costs an indirect call and an allocation for every operation.
using io_executor = boost::asio::io_context::executor_type;

template <class T = void>
using awaitable = boost::asio::awaitable<T, io_executor>;

inline constexpr boost::asio::use_awaitable_t<io_executor> use_awaitable{};

using steady_clock = std::chrono::steady_clock;
using steady_timer = boost::asio::basic_waitable_timer<steady_clock, boost::asio::wait_traits<steady_clock>, io_executor>;
using tcp_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, io_executor>;
using tcp_acceptor = boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, io_executor>;

// An absolute point at which a wait ends. Passed down, never restarted.
using deadline = steady_clock::time_point;
inline constexpr deadline no_deadline = deadline::max();

}
