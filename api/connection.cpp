#include "api/connection.hpp"

#include "runtime/async/task_group.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <ctime>
#include <poll.h>

namespace rowlock::api {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t first_room = 4 * 1024;
// What an output buffer may keep from one answer to the next.
constexpr std::size_t memory_kept = 8 * 1024;
constexpr std::size_t largest_input_kept = 64 * 1024;
constexpr auto watch_pause = 250ms;
constexpr unsigned rounds_between_peers = 2;
// A request that was sent when its connection became idle has arrived after this long.
constexpr auto on_its_way = 250ms;

}

runtime::deadline transfer_deadline(runtime::deadline started, std::size_t bytes, std::chrono::milliseconds grace)
{
    return started + grace + std::chrono::seconds(static_cast<std::int64_t>(bytes / transfer_bytes_per_second));
}

connection::connection(runtime::tcp_socket socket) : socket_(std::move(socket))
{
    boost::system::error_code ignored;
    socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
}

void connection::consume(std::size_t bytes)
{
    begin_ += bytes;
    if (begin_ < end_) return;
    begin_ = end_ = 0;
    if (input_.size() > largest_input_kept) std::vector<char>().swap(input_);
}

runtime::awaitable<bool> connection::receive(std::size_t room, runtime::deadline until)
{
    if (timed_out_) co_return false;
    // A buffer that the last read has filled is too small for what comes: bodies are taken in larger pieces.
    const bool filled = std::exchange(filled_, false);
    if (end_ == input_.size() || (filled && end_ == 0)) {
        if (begin_ > 0) {
            std::memmove(input_.data(), input_.data() + begin_, end_ - begin_);
            end_ -= begin_;
            begin_ = 0;
        }
        const std::size_t wanted = std::min(std::max(first_room, input_.size() * 2), std::max(room, first_room));
        if ((end_ == input_.size() || filled) && wanted > input_.size()) input_.resize(wanted);
    }
    if (end_ == input_.size()) co_return false;
    receive_until_ = until;
    boost::system::error_code ec;
    const std::size_t n = co_await socket_.async_read_some(boost::asio::buffer(input_.data() + end_, input_.size() - end_),
                                                           boost::asio::redirect_error(runtime::use_awaitable, ec));
    receive_until_ = runtime::no_deadline;
    end_ += n;
    filled_ = end_ == input_.size();
    co_return !ec && n > 0;
}

runtime::awaitable<bool> connection::receive_when_idle(std::size_t room, runtime::deadline until)
{
    if (timed_out_) co_return false;
    if (begin_ < end_) co_return co_await receive(room, until);
    std::vector<char>().swap(input_);
    receive_until_ = until;
    boost::system::error_code ec;
    co_await socket_.async_wait(boost::asio::ip::tcp::socket::wait_read, boost::asio::redirect_error(runtime::use_awaitable, ec));
    receive_until_ = runtime::no_deadline;
    if (ec) co_return false;
    co_return co_await receive(room, until);
}

runtime::awaitable<bool> connection::flush()
{
    std::size_t sent = 0;
    boost::system::error_code ec;
    // Most replies fit into the socket's buffer: then there is nothing to wait for.
    if (!output_.empty()) sent = socket_.write_some(boost::asio::buffer(output_), ec);
    if (ec == boost::asio::error::would_block) ec.clear();
    if (!ec && sent < output_.size()) {
        send_until_ = transfer_deadline(runtime::steady_clock::now(), output_.size() - sent);
        co_await boost::asio::async_write(socket_, boost::asio::buffer(output_.data() + sent, output_.size() - sent),
                                          boost::asio::redirect_error(runtime::use_awaitable, ec));
        send_until_ = runtime::no_deadline;
    }
    if (output_.capacity() > memory_kept) {
        std::string().swap(output_);
    } else {
        output_.clear();
    }
    co_return !ec;
}

runtime::awaitable<void> connection::linger(runtime::deadline until)
{
    boost::system::error_code ec;
    socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send, ec);
    timed_out_ = false;
    do {
        begin_ = end_ = 0;
    } while (runtime::steady_clock::now() < until && co_await receive(largest_input_kept, until));
}

bool connection::peer_gone()
{
    pollfd p{socket_.native_handle(), POLLRDHUP, 0};
    return ::poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

void connection::check_peer()
{
    if (attended_ && peer_gone()) gone_.emit(boost::asio::cancellation_type::terminal);
}

void connection::check(runtime::deadline now)
{
    if (now >= receive_until_ || now >= send_until_) abort();
}

void connection::abort()
{
    timed_out_ = true;
    receive_until_ = send_until_ = runtime::no_deadline;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
}

runtime::awaitable<void> connection_list::watch()
{
    for (unsigned round = 0;; ++round) {
        const auto now = runtime::steady_clock::now();
        const bool peers_too = round % rounds_between_peers == 0;
        // What is cancelled goes on later, from the core's loop: the list does not change meanwhile.
        for (connection* each : all_) {
            each->check(now);
            if (peers_too) each->check_peer();
            if (each->look_) each->look_(now);
        }
        if (!co_await runtime::sleep_until(now + watch_pause)) co_return;
    }
}

void connection_list::wind_up()
{
    const auto now = runtime::steady_clock::now();
    for (connection* each : all_) {
        boost::system::error_code ignored;
        if (each->idle_ && now - each->idle_since_ >= on_its_way) each->socket_.cancel(ignored);
        if (each->attended_) each->gone_.emit(boost::asio::cancellation_type::terminal);
        if (each->look_) each->look_(now);
    }
}

std::string_view connection_list::date()
{
    const auto now = runtime::steady_clock::now();
    if (now >= date_until_) {
        const std::time_t seconds = std::time(nullptr);
        std::tm parts{};
        gmtime_r(&seconds, &parts);
        char text[40];
        date_.assign(text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts));
        date_until_ = now + 1s;
    }
    return date_;
}

}
