#include "bench/load/start_witness.hpp"

#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>
#include <charconv>
#include <string_view>

namespace rowlock::bench {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::size_t read_size = 16 * 1024;
constexpr std::string_view first_words = "GET /";
constexpr std::string_view end_of_head = "\r\n\r\n";     // nothing follows it: a GET has no body
constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

}

start_witness::start_witness(asio::io_context& context, run_all& among, std::size_t count)
    : context_(context), among_(among), acceptor_(context.get_executor(), tcp::endpoint(asio::ip::address_v4::loopback(), 0)), seen_(count), missing_(count)
{
}

void start_witness::forget_one()
{
    --missing_;
    close_if_all();
}

void start_witness::close_if_all()
{
    if (missing_ > 0) return;
    acceptor_.close();
    for (socket& each : sockets_) each.close();
}

runtime::awaitable<void> start_witness::listen()
{
    try {
        while (missing_ > 0) {
            socket from(context_.get_executor());
            co_await acceptor_.async_accept(from, runtime::use_awaitable);
            among_.add(serve(sockets_.emplace_back(std::move(from))));
        }
    } catch (const boost::system::system_error&) {
        if (missing_ > 0) throw;
    }
}

runtime::awaitable<void> start_witness::serve(socket& from)
{
    try {
        from.set_option(tcp::no_delay{true});
        std::string in;
        while (missing_ > 0) {
            std::size_t head_size = std::string::npos;
            while ((head_size = in.find(end_of_head)) == std::string::npos) {
                const std::size_t before = in.size();
                in.resize(before + read_size);
                in.resize(before + co_await from.async_read_some(asio::buffer(in.data() + before, read_size), runtime::use_awaitable));
            }
            const auto now = std::chrono::steady_clock::now();
            std::size_t n = seen_.size();
            if (in.starts_with(first_words)) std::from_chars(in.data() + first_words.size(), in.data() + head_size, n);
            in.erase(0, head_size + end_of_head.size());
            co_await asio::async_write(from, asio::buffer(answer), runtime::use_awaitable);
            if (n >= seen_.size() || seen_[n]) continue;
            seen_[n] = now;
            --missing_;
            close_if_all();
        }
    } catch (const boost::system::system_error& e) {
        // The server ends connections that it keeps for nothing; all are ended when everything has been seen.
        if (missing_ > 0 && e.code() != asio::error::eof) throw;
    }
}

}
