#include "runtime/handlers/handlers.hpp"

#include "runtime/handlers/composite.hpp"
#include "runtime/handlers/failure.hpp"
#include "runtime/handlers/http.hpp"
#include "runtime/handlers/http_stop.hpp"
#include "runtime/handlers/process.hpp"
#include "runtime/handlers/sql.hpp"
#include "runtime/handlers/stopped.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

namespace rowlock::runtime {

namespace {

outcome outcome_of(const fail_handler& handler, int attempt_number)
{
    if (handler.times && attempt_number > *handler.times) return {};
    return failed({handler.error_code, handler.error_message.empty() ? fmt::format("attempt {} failed, as the job says", attempt_number) : handler.error_message});
}

awaitable<outcome> sleep_for(attempt& a, milliseconds duration)
{
    steady_timer timer(co_await boost::asio::this_coro::executor, duration);
    a.on_stop([&timer] { timer.cancel(); });
    boost::system::error_code ec;
    // A stop request may have come before the wait, where it had nothing to cancel.
    if (a.stopped() == stop_reason::none) co_await timer.async_wait(boost::asio::redirect_error(use_awaitable, ec));
    a.on_stop({});
    if (a.stopped() != stop_reason::none) co_return stopped_outcome(a.stopped());
    if (ec) throw boost::system::system_error(ec);   // the coroutine itself was cancelled
    co_return outcome{};
}

struct instant {
    int attempt_number;

    std::optional<outcome> operator()(const noop_handler&) const { return outcome{}; }
    std::optional<outcome> operator()(const fail_handler& h) const { return outcome_of(h, attempt_number); }
    std::optional<outcome> operator()(const sleep_handler&) const { return std::nullopt; }
    std::optional<outcome> operator()(const process_handler&) const { return std::nullopt; }
    std::optional<outcome> operator()(const http_handler&) const { return std::nullopt; }
    std::optional<outcome> operator()(const sql_handler&) const { return std::nullopt; }
    std::optional<outcome> operator()(const composite_handler&) const { return std::nullopt; }
};

std::optional<outcome> instant_outcome(const assignment& work)
{
    return std::visit(instant{work.attempt_number}, work.job->definition.handler);
}

// Picks what performs each form. The parameters outlive the coroutine that it returns: they are the attempt's.
struct performer {
    attempt& a;
    process_runner& process;
    http_caller& http;
    sql_runner& sql;
    const composite_options& composite;

    awaitable<outcome> operator()(const noop_handler&) const { return at_once(); }
    awaitable<outcome> operator()(const fail_handler&) const { return at_once(); }
    awaitable<outcome> operator()(const sleep_handler& h) const { return sleep_for(a, h.duration); }
    awaitable<outcome> operator()(const process_handler& h) const { return process.run(a, h); }
    awaitable<outcome> operator()(const http_handler& h) const { return http.call(a, h); }
    awaitable<outcome> operator()(const sql_handler& h) const { return sql.run(a, h); }
    awaitable<outcome> operator()(const composite_handler&) const { return run_plan(a, composite); }

private:
    awaitable<outcome> at_once() const { return ready(*instant_outcome(a.work())); }
    static awaitable<outcome> ready(outcome o) { co_return o; }
};

}

handlers::handlers(io_executor executor, const process_options& process, const http_options& http, const composite_options& composite, sql_pool& sql)
    : process_(std::make_unique<process_runner>(executor, process)), http_(std::make_unique<http_caller>(executor, http)),
      sql_(std::make_unique<sql_runner>(executor, sql)), composite_(composite), executor_(executor)
{
}

handlers::~handlers() = default;

awaitable<outcome> handlers::perform(attempt& a)
{
    const auto& definition = a.work().job->definition;
    return definition.before || definition.after ? perform_between_hooks(a) : work(a);
}

awaitable<outcome> handlers::perform_between_hooks(attempt& a)
{
    const auto& definition = a.work().job->definition;
    if (definition.before) {
        if (auto refused = co_await http_->before(a, *definition.before)) co_return std::move(*refused);
    }
    auto result = co_await work(a);
    // What goes on elsewhere has not ended.
    const bool has_ended = a.stopped() == stop_reason::none || ends_the_work(a.stopped());
    if (definition.after && has_ended) {
        co_await http_->after(a, *definition.after, a.stopped() == stop_reason::none ? result.status : stopped_outcome(a.stopped()).status);
    }
    co_return result;
}

awaitable<outcome> handlers::work(attempt& a)
{
    return std::visit(performer{a, *process_, *http_, *sql_, composite_}, a.work().job->definition.handler);
}

bool only_waits(const assignment& work)
{
    return std::holds_alternative<composite_handler>(work.job->definition.handler);
}

std::optional<outcome> outcome_at_once(const assignment& work)
{
    const auto& definition = work.job->definition;
    if (definition.before || definition.after) return std::nullopt;
    return instant_outcome(work);
}

}
