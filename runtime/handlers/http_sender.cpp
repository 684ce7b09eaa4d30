#include "runtime/handlers/http_sender.hpp"

#include "runtime/handlers/address_rules.hpp"
#include "runtime/handlers/name_lookup.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

namespace rowlock::runtime {

namespace {

constexpr std::chrono::seconds idle_time{60};

// What a wait comes to once it was interrupted. The caller says what really became of it.
failure given_up()
{
    return {"CANCELLED", "the attempt was stopped"};
}

}

awaitable<void> end_if_cancelled()
{
    const auto cancellation = co_await boost::asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != boost::asio::cancellation_type::none) throw boost::system::system_error(boost::asio::error::operation_aborted);
}

awaitable<bool> wait_until(interruption by, deadline until)
{
    steady_timer timer(co_await boost::asio::this_coro::executor, until);
    {
        const interruption::of_wait<steady_timer> while_waiting(by, timer);
        boost::system::error_code ec;
        // The request may have come before the wait, where it had nothing to cancel.
        if (!by.came()) co_await timer.async_wait(boost::asio::redirect_error(use_awaitable, ec));
    }
    co_await end_if_cancelled();
    co_return !by.came();
}

http_sender::http_sender(io_executor executor, const http_options& options)
    : executor_(executor), allow_private_addresses_(options.allow_private_addresses), pool_(executor, options.max_idle_connections, idle_time)
{
}

awaitable<attempted<http_answer>> http_sender::send(interruption by, const http_handler& handler, http_call call, deadline until)
{
    for (int redirects = 0;; ++redirects) {
        auto reply = co_await ask(by, handler, call, until);
        co_await end_if_cancelled();
        if (!reply) co_return reply.error();
        auto next = redirected(call, *reply, handler);
        if (!next) co_return next.error();
        // One redirect too many is the answer: HTTP_3xx, which says where it wanted to lead.
        if (!*next || redirects >= handler.max_redirects) co_return http_answer{std::move(*reply), std::move(call.to)};
        call = std::move(**next);
    }
}

awaitable<attempted<http_reply>> http_sender::ask(interruption by, const http_handler& handler, const http_call& call, deadline until)
{
    const http_origin origin{.host = call.to.host, .port = call.to.port, .tls = call.to.tls, .verify = handler.verify_tls, .ca_file = handler.ca_file};
    auto connection = pool_.take(origin);
    for (bool kept = connection != nullptr;; kept = false) {
        if (!kept) {
            auto fresh = co_await connected(by, origin, call.to, until);
            if (!fresh) co_return fresh.error();
            connection = std::move(*fresh);
        }
        if (by.came()) co_return given_up();
        const interruption::of_wait<http_connection> while_waiting(by, *connection);
        auto exchange = co_await connection->exchange(call.to, call.request, handler.response_limit_bytes, until);
        if (exchange.stale && kept && !by.came()) continue;
        if (exchange.reply && connection->reusable()) pool_.put(origin, std::move(connection));
        co_return std::move(exchange.reply);
    }
}

awaitable<attempted<std::unique_ptr<http_connection>>> http_sender::connected(interruption by, const http_origin& origin, const url& to, deadline until)
{
    const auto context = pool_.context(origin);
    if (!context) co_return context.error();

    std::vector<boost::asio::ip::address> addresses;
    if (by.came()) co_return given_up();
    {
        name_lookup lookup(executor_);
        const interruption::of_wait<name_lookup> while_waiting(by, lookup);
        auto found = co_await lookup.find(to.host, until);
        if (!found) co_return found.error();
        addresses = std::move(*found);
    }
    // The addresses that are checked here are the ones connected to: a name that means something else a moment later changes nothing.
    if (!allow_private_addresses_) std::erase_if(addresses, [](const auto& each) { return !is_public(each); });
    if (addresses.empty()) {
        co_return permission_denied(fmt::format("{} is an address within a private network or of this host, which HTTP_ALLOW_PRIVATE_ADDRESSES does not allow", to.host));
    }
    if (by.came()) co_return given_up();
    auto connection = std::make_unique<http_connection>(executor_, *context);
    const interruption::of_wait<http_connection> while_waiting(by, *connection);
    auto open = co_await connection->connect(to, std::move(addresses), until);
    if (!open) co_return open.error();
    co_return connection;
}

}
