#include "runtime/handlers/composite.hpp"

#include "runtime/handlers/failure.hpp"
#include "runtime/handlers/http_stop.hpp"
#include "runtime/handlers/stopped.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>

namespace rowlock::runtime {

namespace {

// So long it may take until a stop is noticed.
constexpr std::chrono::milliseconds one_wait{250};
constexpr std::chrono::milliseconds database_pause{250};
// A plan that nobody waits for any more is to be cancelled, whatever the grace: the end of the attempt cannot be stored either while the database
// is away. What is not cancelled by then is found by plan_steps.
constexpr std::chrono::seconds longest_cancel{60};

bool may_pass(const error& e)
{
    return e.code == errc::database_unavailable || e.code == errc::overloaded;
}

failure why_not(const error& e)
{
    switch (e.code) {
    case errc::internal:
    case errc::stopping: return {"HANDLER_FAILED", "the plan could not be run: " + with_fields(e)};
    default: return invalid_config("the plan cannot be run: " + with_fields(e));
    }
}

// nullopt: the attempt is to stop.
awaitable<std::optional<result<child_plan>>> begin(attempt& a, const child_plan_functions& plans)
{
    for (;;) {
        if (a.stopped() != stop_reason::none) co_return std::nullopt;
        auto begun = co_await plans.begin(a.work());
        if (begun || !may_pass(begun.error())) co_return begun;
        co_await wait_until(interruption(a), steady_clock::now() + database_pause);
    }
}

// Waits for the end of the plan run; nullopt: it has not ended by then, or `by` came before.
awaitable<std::optional<child_plan_end>> await_end(attempt& a, interruption by, const child_plan_functions& plans, uuid plan_run, deadline until)
{
    while (!by.came()) {
        const auto now = steady_clock::now();
        if (now >= until) break;
        const auto ended = co_await plans.wait(plan_run, std::min(until, now + one_wait));
        co_await end_if_cancelled();
        if (ended) a.alive();
        if (ended && !*ended) continue;
        // Too many may wait for plans to be told of this one: whoever looks for himself learns it, too.
        const auto end = co_await plans.look(plan_run);
        if (end && end->status != "RUNNING") co_return *end;
        co_await wait_until(by, std::min(until, steady_clock::now() + database_pause));
    }
    co_return std::nullopt;
}

const char* reason_of(stop_reason why)
{
    switch (why) {
    case stop_reason::timeout: return "the composite job ran longer than its timeout";
    case stop_reason::heartbeat_lost: return "the composite job gave no sign of life";
    case stop_reason::none:
    case stop_reason::cancelled:
    case stop_reason::handed_back:
    case stop_reason::lease_lost: break;
    }
    return "the composite job was cancelled";
}

// True: the plan run has ended within the grace.
awaitable<bool> end_plan(attempt& a, const composite_options& options, uuid plan_run)
{
    const auto by = steady_clock::now() + options.grace;
    const auto last_try = steady_clock::now() + longest_cancel;
    // Where the lease is lost meanwhile, the attempt is somebody else's, and the plan run with it.
    while (ends_the_work(a.stopped())) {
        const auto asked = co_await options.plans.cancel(a.work(), plan_run, reason_of(a.stopped()));
        if (asked || !may_pass(asked.error()) || steady_clock::now() >= last_try) break;
        co_await wait_until(interruption(), steady_clock::now() + database_pause);
    }
    co_return (co_await await_end(a, interruption(), options.plans, plan_run, by)).has_value();
}

}

outcome outcome_of(uuid plan_run, const child_plan_end& end)
{
    outcome o;
    o.outputs = to_text(boost::json::object{{"plan_run_id", plan_run.str()}, {"nodes", end.nodes}, {"nodes_failed", end.failed}});
    if (end.status == "COMPLETED") return o;
    o.status = execution_status::failed;
    if (end.status == "CANCELLED") {
        o.error_code = "PLAN_CANCELLED";
        o.error_message = fmt::format("the plan run {} was cancelled", plan_run.str());
        return o;
    }
    o.error_code = "PLAN_FAILED";
    o.error_message = fmt::format("{} of {} nodes of the plan run {} failed", end.failed, end.nodes, plan_run.str());
    if (!end.first_failed.empty()) {
        o.error_message += fmt::format(": {}{}", fmt::join(end.first_failed, ", "), static_cast<std::size_t>(end.failed) > end.first_failed.size() ? ", ..." : "");
    }
    return o;
}

awaitable<outcome> run_plan(attempt& a, const composite_options& options)
{
    const auto begun = co_await begin(a, options.plans);
    if (!begun) co_return stopped_outcome(a.stopped());
    if (!*begun) co_return failed(why_not(begun->error()));
    const auto plan_run = (*begun)->id;
    if (const auto end = co_await await_end(a, interruption(a), options.plans, plan_run, no_deadline)) co_return outcome_of(plan_run, *end);
    if (!ends_the_work(a.stopped())) co_return stopped_outcome(a.stopped());
    co_return stopped_outcome(a.stopped(), !co_await end_plan(a, options, plan_run));
}

}
