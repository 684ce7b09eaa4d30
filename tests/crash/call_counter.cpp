#include "tests/crash/call_counter.hpp"

#include "runtime/async/types.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>
#include <mutex>
#include <random>
#include <thread>

namespace rowlock::test {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr int shortest_call_ms = 2;
constexpr int longest_call_ms = 30;

}

struct call_counter::state {
    state(std::map<std::string, int> limits, std::uint64_t seed) : random(seed)
    {
        for (const auto& [name, limit] : limits) counted[name] = {.limit = limit, .allowed = limit};
    }

    void accept();
    void arrived(const std::string& name);
    void ended(const std::string& name);
    void count(const std::string& name, void (*how)(const std::string&, figures&))
    {
        const std::lock_guard lock(mutex);
        for (const auto& each : {name, std::string("all")}) {
            if (const auto at = counted.find(each); at != counted.end()) how(each, at->second);
        }
    }

    asio::io_context context{1};
    runtime::tcp_acceptor acceptor{context, {asio::ip::address_v4::loopback(), 0}};
    std::mt19937_64 random;
    mutable std::mutex mutex;
    std::map<std::string, figures> counted;
    std::thread thread;
};

void call_counter::state::arrived(const std::string& name)
{
    count(name, [](const std::string& of, figures& f) {
        f.most = std::max(f.most, ++f.running);
        if (f.running == f.allowed) ++f.full;
        if (f.running > f.allowed && f.exceeded.empty()) f.exceeded = fmt::format("{} of {} run, {} are allowed, the limit is {}", f.running, of, f.allowed, f.limit);
    });
}

void call_counter::state::ended(const std::string& name)
{
    count(name, [](const std::string&, figures& f) {
        --f.running;
        ++f.ended;
        f.allowed = std::max(f.limit, f.allowed - 1);
    });
}

namespace {

// One connection: a call after the other until the client goes. While a call lasts it is listened to whether the client goes. Lives in its own handlers.
class connection : public std::enable_shared_from_this<connection> {
public:
    connection(runtime::tcp_socket socket, std::function<void(const std::string&)> arrived, std::function<void(const std::string&)> ended, std::function<int()> length_ms)
        : socket_(std::move(socket)), timer_(socket_.get_executor()), arrived_(std::move(arrived)), ended_(std::move(ended)), length_ms_(std::move(length_ms))
    {
    }

    void read()
    {
        request_ = {};
        http::async_read(socket_, buffer_, request_, [self = shared_from_this()](error_code ec, std::size_t) {
            if (!ec) self->hold();
        });
    }

private:
    void hold()
    {
        name_ = std::string{request_.target()}.substr(1);
        arrived_(name_);
        timer_.expires_after(std::chrono::milliseconds{length_ms_()});
        timer_.async_wait([self = shared_from_this()](error_code) {
            self->ended_(self->name_);
            self->socket_.cancel();
        });
        // Nothing comes before the answer, so what is readable is the end.
        socket_.async_wait(runtime::tcp_socket::wait_read, [self = shared_from_this()](error_code ec) {
            if (!ec) self->timer_.cancel();
            else self->answer();
        });
    }

    void answer()
    {
        reply_ = {};
        reply_.result(http::status::ok);
        reply_.version(11);
        reply_.keep_alive(true);
        reply_.set(http::field::content_type, "application/json");
        reply_.body() = "{}";
        reply_.prepare_payload();
        http::async_write(socket_, reply_, [self = shared_from_this()](error_code ec, std::size_t) {
            if (!ec) self->read();
        });
    }

    runtime::tcp_socket socket_;
    runtime::steady_timer timer_;
    std::function<void(const std::string&)> arrived_;
    std::function<void(const std::string&)> ended_;
    std::function<int()> length_ms_;
    beast::flat_buffer buffer_;
    http::request<http::string_body> request_;
    http::response<http::string_body> reply_;
    std::string name_;
};

}

void call_counter::state::accept()
{
    acceptor.async_accept([this](error_code ec, runtime::tcp_socket socket) {
        if (ec) return;
        std::make_shared<connection>(std::move(socket), [this](const std::string& name) { arrived(name); }, [this](const std::string& name) { ended(name); },
                                     [this] { return std::uniform_int_distribution(shortest_call_ms, longest_call_ms)(random); })->read();
        accept();
    });
}

call_counter::call_counter(std::map<std::string, int> limits, std::uint64_t seed) : state_(std::make_unique<state>(std::move(limits), seed))
{
    state_->accept();
    state_->thread = std::thread([s = state_.get()] { s->context.run(); });
}

call_counter::~call_counter()
{
    state_->context.stop();
    state_->thread.join();
}

std::string call_counter::url() const
{
    return "http://127.0.0.1:" + std::to_string(state_->acceptor.local_endpoint().port());
}

call_counter::figures call_counter::of(const std::string& name) const
{
    const std::lock_guard lock(state_->mutex);
    return state_->counted.at(name);
}

void call_counter::change(const std::string& name, int limit, const std::function<void()>& put)
{
    const auto set = [&](auto how) {
        const std::lock_guard lock(state_->mutex);
        how(state_->counted.at(name));
    };
    // It may be in force from the moment at which it is asked for.
    set([limit](figures& f) {
        f.limit = std::max(f.limit, limit);
        f.allowed = std::max(f.allowed, limit);
    });
    put();
    set([limit](figures& f) { f.limit = limit; });
}

}
