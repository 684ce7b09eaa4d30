#include "runtime/handlers/composite.hpp"
#include "tests/unit/handlers/recorded_attempt.hpp"

#include <catch2/catch.hpp>
#include <utility>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

const uuid some_run = execution_id::make(1'700'000'000'000, 9, 1).value;

// A plan run that ends when it is told to, or is cancelled.
struct scripted_plan {
    result<child_plan> begun = child_plan{some_run, "RUNNING"};
    int database_is_away = 0;                        // for so many calls of `begin`
    bool cancel_ends_it = true;
    std::function<void()> on_wait{};
    child_plan_end end{"RUNNING", 3, 0};
    std::vector<std::string> cancelled{};

    awaitable<result<child_plan>> begin()
    {
        if (database_is_away-- > 0) co_return error{errc::database_unavailable, "away"};
        co_return begun;
    }
    awaitable<result<bool>> wait(deadline until)
    {
        if (on_wait) on_wait();
        if (end.status != "RUNNING") co_return true;
        steady_timer timer(co_await boost::asio::this_coro::executor, std::min(until, steady_clock::now() + 10ms));
        co_await timer.async_wait(use_awaitable);
        co_return end.status != "RUNNING";
    }
    awaitable<result<child_plan_end>> look() { co_return end; }
    awaitable<result<void>> cancel(std::string reason)
    {
        cancelled.push_back(std::move(reason));
        if (cancel_ends_it) end.status = "CANCELLED";
        co_return result<void>();
    }

    child_plan_functions functions()
    {
        child_plan_functions f;
        f.begin = [this](const assignment&) { return begin(); };
        f.wait = [this](uuid, deadline until) { return wait(until); };
        f.look = [this](uuid) { return look(); };
        f.cancel = [this](const assignment&, uuid, std::string reason) { return cancel(std::move(reason)); };
        return f;
    }
};

outcome perform(recorded_attempt& it, scripted_plan& plan)
{
    it.handler = composite_handler{.plan_id = "a-plan"};
    it.composite = {.grace = 50ms, .plans = plan.functions()};
    return it.perform();
}

}

TEST_CASE("a composite job ends as its plan does", "[unit][composite]")
{
    struct row {
        const char* why;
        child_plan_end end;
        const char* code;
        const char* message;
    };
    const auto r = GENERATE(values<row>({
        {"completed", {"COMPLETED", 3, 0}, "", ""},
        {"failed", {"FAILED", 3, 1, {"load (EXIT_1)"}}, "PLAN_FAILED", "1 of 3 nodes of the plan run"},
        {"with more than are named", {"FAILED", 9, 4, {"a (X)", "b (TIMEOUT)", "c (X)"}}, "PLAN_FAILED", ": a (X), b (TIMEOUT), c (X), ..."},
        {"cancelled", {"CANCELLED", 3, 0}, "PLAN_CANCELLED", "was cancelled"},
    }));
    INFO(r.why);
    recorded_attempt it;
    scripted_plan plan{.database_is_away = 1, .end = r.end};
    const auto end = perform(it, plan);
    CHECK((end.status == execution_status::completed) == (*r.code == '\0'));
    CHECK(end.error_code == r.code);
    CHECK_THAT(end.error_message, Catch::Contains(r.message));
    CHECK_THAT(end.outputs, Catch::Contains(some_run.str()));
    CHECK_THAT(end.outputs, Catch::Contains("\"nodes_failed\":" + std::to_string(r.end.failed)));
    CHECK(plan.cancelled.empty());
}

TEST_CASE("a plan that cannot be run fails its composite job with the fields", "[unit][composite]")
{
    recorded_attempt it;
    scripted_plan plan{.begun = error{errc::invalid_request, "The plan names jobs that cannot be run.", {{"plan.nodes[0].job_id", "\"gone\"", "names no job"}}}};
    const auto end = perform(it, plan);
    CHECK(end.status == execution_status::failed);
    CHECK(end.error_code == "INVALID_CONFIG");
    CHECK_THAT(end.error_message, Catch::Contains("plan.nodes[0].job_id names no job (given: \"gone\")"));
}

TEST_CASE("the end of a composite job cancels its plan; one that goes on elsewhere leaves it alone", "[unit][composite]")
{
    struct row {
        stop_reason why;
        bool plan_ends;
        const char* cancelled;                           // "" = the plan goes on
        const char* termination;
    };
    const auto r = GENERATE(values<row>({
        {stop_reason::cancelled, true, "the composite job was cancelled", "GRACEFUL"},
        {stop_reason::timeout, true, "the composite job ran longer than its timeout", "GRACEFUL"},
        {stop_reason::cancelled, false, "the composite job was cancelled", "FORCED"},
        {stop_reason::handed_back, true, "", "GRACEFUL"},
        {stop_reason::lease_lost, true, "", "GRACEFUL"},
    }));
    recorded_attempt it;
    scripted_plan plan{.cancel_ends_it = r.plan_ends};
    plan.on_wait = [&] {
        if (it.running->stopped() == stop_reason::none) it.running->request_stop(r.why);
    };
    const auto end = perform(it, plan);
    CHECK(it.running_stopped == r.why);
    CHECK(end.termination == r.termination);
    CHECK(plan.cancelled == (*r.cancelled ? std::vector<std::string>{r.cancelled} : std::vector<std::string>{}));
}
