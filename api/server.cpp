#include "api/server.hpp"

#include "api/auth.hpp"
#include "api/routes.hpp"
#include "api/session.hpp"
#include "runtime/async/task_group.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detail/socket_option.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>
#include <condition_variable>
#include <cstring>
#include <future>
#include <linux/filter.h>
#include <mutex>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

namespace rowlock::api {

namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;
using reuse_port = boost::asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

constexpr int backlog = 1024;
// For so long nobody must have asked for anything before a server that winds down believes that nobody will.
constexpr auto quiet = 1s;
// A handshake that has begun is over after this long; its connection can then be accepted.
constexpr auto handshake = 50ms;
// So many are told that they are one too many; more are closed without a word.
constexpr std::size_t most_turned_away = 256;

error cannot_listen(const std::string& where, std::string_view why)
{
    return {errc::invalid_request, fmt::format("Cannot listen on {}: {}.", where, why)};
}

result<tcp::endpoint> resolve(const server_options& options, boost::asio::io_context& any)
{
    boost::system::error_code ec;
    if (const auto address = boost::asio::ip::make_address(options.host, ec); !ec) return tcp::endpoint(address, options.port);
    tcp::resolver resolver(any);
    const auto found = resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, ec);
    if (ec || found.empty()) return cannot_listen(options.host, "the name has no address");
    // A name like localhost may have several: the one of IPv4 first, as clients try it too.
    for (const auto& entry : found) {
        if (entry.endpoint().address().is_v4()) return entry.endpoint();
    }
    return found.begin()->endpoint();
}

std::string text_of(const tcp::endpoint& at)
{
    const auto address = at.address().to_string();
    return at.address().is_v6() ? fmt::format("[{}]:{}", address, at.port()) : fmt::format("{}:{}", address, at.port());
}

// With SO_REUSEPORT a second server of the same user would bind without an error and take a share of the connections. A socket without it
// finds out whether somebody listens.
result<void> check_free(const tcp::endpoint& at, boost::asio::io_context& any)
{
    boost::system::error_code ec;
    tcp::acceptor probe(any);
    probe.open(at.protocol(), ec);
    if (!ec) probe.set_option(tcp::acceptor::reuse_address(true), ec);
    if (!ec) probe.bind(at, ec);
    if (!ec) return {};
    if (ec == boost::asio::error::address_in_use) return cannot_listen(text_of(at), "the address is in use. Stop what uses it, or choose another with --listen");
    return cannot_listen(text_of(at), ec.message());
}

// From now on the kernel drops SYN segments to this socket, and only those: no new connection begins, and those that have begun are
// completed and can be accepted. (Closing the socket would reset them, with the requests that they may carry already.) Who sent a
// dropped one repeats it after a second, and is then refused: nothing listens any more.
void turn_away_new(runtime::tcp_acceptor& acceptor)
{
    constexpr std::uint32_t flags_offset = 13;       // within the TCP header, where a socket's filter begins
    constexpr std::uint32_t syn = 0x02;
    constexpr std::uint32_t ack = 0x10;
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, flags_offset),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, syn | ack),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, syn, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
    };
    const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
    if (::setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0) {
        spdlog::warn("new connections cannot be turned away before the last are accepted: {}", std::strerror(errno));
    }
}

// Sets `at` to the port that was picked.
result<runtime::tcp_acceptor> open(const runtime::io_executor& executor, tcp::endpoint& at)
{
    runtime::tcp_acceptor acceptor(executor);
    boost::system::error_code ec;
    acceptor.open(at.protocol(), ec);
    if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
    if (!ec) acceptor.set_option(reuse_port(true), ec);
    if (!ec) acceptor.bind(at, ec);
    if (!ec) acceptor.listen(backlog, ec);
    if (!ec) at = acceptor.local_endpoint(ec);
    if (ec) return cannot_listen(text_of(at), ec.message());
    return acceptor;
}

}

// What one core has of the server. Used on that core.
class server::shard {
public:
    shard(server& owner, runtime::tcp_acceptor acceptor)
        : owner_(owner), executor_(acceptor.get_executor()), acceptor_(std::move(acceptor)), services_(executor_), sessions_(executor_),
          callers_(owner.instance_.db(), owner.options_.auth_none),
          app_{owner.instance_, owner.options_, callers_, figures_, {}, owner.stopping_, owner.winding_down_, owner.limits_}
    {
    }

    const http_figures& figures() const { return figures_; }
    void show_all(std::span<const http_figures* const> all) { app_.all_figures = all; }
    const runtime::io_executor& executor() const { return executor_; }

    runtime::awaitable<void> start()
    {
        services_.spawn(connections_.watch());
        services_.spawn(accept());
        co_return;
    }

    // What has connected is accepted, and nothing after it.
    runtime::awaitable<void> shut_door()
    {
        turn_away_new(acceptor_);
        co_await runtime::sleep_until(runtime::steady_clock::now() + handshake);
        boost::system::error_code ec;
        acceptor_.non_blocking(true, ec);
        while (!ec) {
            runtime::tcp_socket socket(executor_);
            acceptor_.accept(socket, ec);
            if (!ec) welcome(std::move(socket));
        }
        acceptor_.close(ec);
    }

    runtime::awaitable<void> stop()
    {
        const auto until = runtime::steady_clock::now() + owner_.options_.stop_timeout;
        while (sessions_.size() > 0 && runtime::steady_clock::now() < until) {
            // A connection becomes idle when its last answer is out.
            connections_.wind_up();
            if (!co_await runtime::sleep_until(runtime::steady_clock::now() + 10ms)) break;
        }
        sessions_.cancel();
        services_.cancel();
        co_await sessions_.join();
        co_await services_.join();
    }

private:
    runtime::awaitable<void> accept()
    {
        for (;;) {
            boost::system::error_code ec;
            runtime::tcp_socket socket = co_await acceptor_.async_accept(boost::asio::redirect_error(runtime::use_awaitable, ec));
            if (ec == boost::asio::error::operation_aborted) co_return;
            if (ec) {
                // Mostly: no more file descriptors. The client waits in the backlog until there are some.
                if (!std::exchange(cannot_accept_, true)) spdlog::warn("no connection can be accepted: {}; tried again ten times a second", ec.message());
                if (!co_await runtime::sleep_until(runtime::steady_clock::now() + 100ms)) co_return;
                continue;
            }
            if (std::exchange(cannot_accept_, false)) spdlog::info("connections are accepted again");
            welcome(std::move(socket));
            if (!acceptor_.is_open()) co_return;
        }
    }

    void welcome(runtime::tcp_socket socket)
    {
        share place(owner_.limits_.connections);
        if (place.resize(1)) {
            http_figures::add(figures_.connections_accepted, std::uint64_t{1});
            sessions_.spawn(serve_in(std::move(place), std::move(socket)));
        } else {
            http_figures::add(figures_.connections_refused, std::uint64_t{1});
            if (turned_away_ < most_turned_away) sessions_.spawn(refuse(std::move(socket)));
        }
    }

    runtime::awaitable<void> serve_in(share, runtime::tcp_socket socket) { co_await serve(std::move(socket), app_, connections_); }

    runtime::awaitable<void> refuse(runtime::tcp_socket socket)
    {
        ++turned_away_;
        co_await turn_away(std::move(socket), connections_);
        --turned_away_;
    }

    server& owner_;
    runtime::io_executor executor_;
    runtime::tcp_acceptor acceptor_;
    connection_list connections_;
    http_figures figures_;
    runtime::task_group services_;
    runtime::task_group sessions_;
    authenticator callers_;
    services app_;
    std::size_t turned_away_ = 0;
    bool cannot_accept_ = false;                     // said once, not ten times a second
};

server::server(runtime::core_group& cores, runtime::instance& instance, server_options options)
    : cores_(cores), instance_(instance), options_(std::move(options)),
      limits_{budget(options_.max_connections), budget(options_.max_streams), budget(options_.max_body_memory_bytes)}
{
}

server::~server()
{
    stop();
}

result<void> server::listen()
{
    auto at = resolve(options_, cores_[0]);
    if (!at) return std::move(at).error();
    if (options_.auth_none && !at->address().is_loopback()) {
        return cannot_listen(text_of(*at), "without tokens only a loopback address may be used. Listen on 127.0.0.1, or use tokens");
    }
    if (at->port() != 0) {
        if (auto free = check_free(*at, cores_[0]); !free) return free;
    }
    std::vector<runtime::tcp_acceptor> opened;
    for (std::size_t i = 0; i < cores_.size(); ++i) {
        // The first one picks the port; the others share it.
        auto acceptor = open(cores_[i].executor(), *at);
        if (!acceptor) return std::move(acceptor).error();
        opened.push_back(std::move(*acceptor));
    }
    acceptors_ = std::move(opened);
    address_ = text_of(*at);
    return {};
}

result<void> server::start()
{
    if (acceptors_.empty()) {
        if (auto listening = listen(); !listening) return listening;
    }
    for (auto& acceptor : acceptors_) shards_.push_back(std::make_unique<shard>(*this, std::move(acceptor)));
    acceptors_.clear();
    for (const auto& each : shards_) figures_.push_back(&each->figures());
    for (const auto& each : shards_) {
        each->show_all(figures_);
        boost::asio::co_spawn(each->executor(), each->start(), boost::asio::use_future).get();
    }
    return {};
}

std::string server::address() const
{
    return address_;
}

void server::wind_down()
{
    if (winding_down_.exchange(true)) return;
    wound_down_at_ = runtime::steady_clock::now();
    answered_by_then_ = answered();
}

std::uint64_t server::answered() const
{
    std::uint64_t n = 0;
    const auto routes = all_routes();
    for (const auto* figures : figures_) {
        for (std::size_t i = 0; i < routes.size(); ++i) {
            if (routes[i].needs == permission::none) continue;
            for (const auto& of_class : figures->requests[i]) n += of_class.load(std::memory_order_relaxed);
        }
    }
    return n;
}

void server::drain(runtime::deadline until, const std::atomic<bool>& hurry)
{
    auto seen = answered_by_then_;
    auto last = wound_down_at_;
    const auto over = [&] {
        const auto now = runtime::steady_clock::now();
        if (const auto n = answered(); n != seen) {
            seen = n;
            last = now;
        }
        return hurry.load() || now >= until || (limits_.connections.taken() == 0 && now - last >= quiet);
    };
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    while (!over()) never.wait_for(lock, 10ms);
}

void server::stop()
{
    if (std::exchange(stopped_, true)) return;
    wind_down();
    acceptors_.clear();
    const auto on_all = [this](runtime::awaitable<void> (shard::*step)()) {
        std::vector<std::future<void>> ended;
        for (const auto& each : shards_) ended.push_back(boost::asio::co_spawn(each->executor(), (each.get()->*step)(), boost::asio::use_future));
        for (auto& each : ended) each.get();
    };
    on_all(&shard::shut_door);
    stopping_.store(true);
    on_all(&shard::stop);
}

}
