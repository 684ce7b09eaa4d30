#include "runtime/handlers/http.hpp"

#include "runtime/handlers/address_rules.hpp"
#include "runtime/handlers/http_reply.hpp"
#include "runtime/handlers/name_lookup.hpp"
#include "runtime/handlers/stopped.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

namespace rowlock::runtime {

namespace {

constexpr std::chrono::seconds longest_call{300};    // of a job without a timeout
// The runtime stops an attempt at its deadline and says TIMEOUT; our own bound comes after it, for the case that it does not.
constexpr std::chrono::seconds after_the_deadline{2};
constexpr std::chrono::seconds idle_time{60};

deadline bound(deadline until)
{
    return until == no_deadline ? steady_clock::now() + longest_call : until + after_the_deadline;
}

// What a wait comes to once the attempt is to stop. The caller says what really became of it.
failure given_up()
{
    return {"CANCELLED", "the attempt was stopped"};
}

// While it lives, a stop request cancels `what`, which is being waited for.
template <class Waiting>
class stops {
public:
    stops(attempt& a, Waiting& what) : attempt_(a)
    {
        attempt_.on_stop([&what] { what.cancel(); });
    }
    ~stops() { attempt_.on_stop({}); }
    stops(const stops&) = delete;
    stops& operator=(const stops&) = delete;

private:
    attempt& attempt_;
};

}

http_caller::http_caller(io_executor executor, http_options options)
    : executor_(executor), options_(options), pool_(executor, options.max_idle_connections, idle_time)
{
}

awaitable<outcome> http_caller::call(attempt& a, const http_handler& handler)
{
    std::optional<checkpoint_data> checkpoint;
    if (a.work().attempt_number > 1 && !handler.body) {
        auto last = co_await a.records().last_checkpoint();
        if (!last) co_return failed({"STATE_CORRUPTION", "the run's last checkpoint could not be read: " + last.error().detail});
        checkpoint = std::move(*last);
    }
    auto call = make_call(handler, a.work(), told_deadline(a.until()), checkpoint);
    if (!call) co_return failed(call.error());

    auto reply = co_await follow(a, handler, std::move(*call), bound(a.until()));
    if (a.stopped() != stop_reason::none) co_return stopped_outcome(a.stopped());
    // A cancelled coroutine sees its connection fail; that says nothing about the job.
    const auto cancellation = co_await boost::asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != boost::asio::cancellation_type::none) throw boost::system::system_error(boost::asio::error::operation_aborted);
    if (!reply) co_return failed(reply.error());
    auto end = conclude(*reply, wall_clock());
    if (!end.log.empty()) co_await a.records().log(log_stream::out, std::move(end.log));
    co_return std::move(end.outcome);
}

awaitable<attempted<http_reply>> http_caller::follow(attempt& a, const http_handler& handler, http_call call, deadline until)
{
    for (int redirects = 0;; ++redirects) {
        auto reply = co_await ask(a, handler, call, until);
        if (!reply) co_return reply.error();
        auto next = redirected(call, *reply, handler);
        if (!next) co_return next.error();
        // One redirect too many is the answer: HTTP_3xx, which says where it wanted to lead.
        if (!*next || redirects >= handler.max_redirects) co_return std::move(*reply);
        call = std::move(**next);
    }
}

awaitable<attempted<http_reply>> http_caller::ask(attempt& a, const http_handler& handler, const http_call& call, deadline until)
{
    const http_origin origin{.host = call.to.host, .port = call.to.port, .tls = call.to.tls, .verify = handler.verify_tls, .ca_file = handler.ca_file};
    auto connection = pool_.take(origin);
    for (bool kept = connection != nullptr;; kept = false) {
        if (!kept) {
            auto fresh = co_await connected(a, origin, call.to, until);
            if (!fresh) co_return fresh.error();
            connection = std::move(*fresh);
        }
        if (a.stopped() != stop_reason::none) co_return given_up();
        const stops<http_connection> while_waiting(a, *connection);
        auto exchange = co_await connection->exchange(call.to, call.request, handler.response_limit_bytes, until);
        if (exchange.stale && kept && a.stopped() == stop_reason::none) continue;
        if (exchange.reply && connection->reusable()) pool_.put(origin, std::move(connection));
        co_return std::move(exchange.reply);
    }
}

awaitable<attempted<std::unique_ptr<http_connection>>> http_caller::connected(attempt& a, const http_origin& origin, const url& to, deadline until)
{
    const auto context = pool_.context(origin);
    if (!context) co_return context.error();

    std::vector<boost::asio::ip::address> addresses;
    if (a.stopped() != stop_reason::none) co_return given_up();
    {
        name_lookup lookup(executor_);
        const stops<name_lookup> while_waiting(a, lookup);
        auto found = co_await lookup.find(to.host, until);
        if (!found) co_return found.error();
        addresses = std::move(*found);
    }
    // The addresses that are checked here are the ones connected to: a name that means something else a moment later changes nothing.
    if (!options_.allow_private_addresses) std::erase_if(addresses, [](const auto& each) { return !is_public(each); });
    if (addresses.empty()) {
        co_return permission_denied(fmt::format("{} is an address within a private network or of this host, which HTTP_ALLOW_PRIVATE_ADDRESSES does not allow", to.host));
    }
    if (a.stopped() != stop_reason::none) co_return given_up();
    auto connection = std::make_unique<http_connection>(executor_, *context);
    const stops<http_connection> while_waiting(a, *connection);
    auto open = co_await connection->connect(to, std::move(addresses), until);
    if (!open) co_return open.error();
    co_return connection;
}

}
