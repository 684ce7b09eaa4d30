#include "runtime/handlers/handlers.hpp"

#include "tests/unit/handlers/recorded_attempt.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace rowlock::test;

namespace {

std::optional<outcome> at_once(handler_spec handler, int attempt_number)
{
    auto job = std::make_shared<job_version>();
    job->definition.handler = std::move(handler);
    return outcome_at_once({.job = job, .attempt_number = attempt_number});
}

}

TEST_CASE("noop and fail need no waiting, everything else does", "[unit][handlers]")
{
    CHECK(at_once(noop_handler{}, 1)->status == execution_status::completed);
    CHECK(at_once(fail_handler{}, 1)->status == execution_status::failed);
    CHECK_FALSE(at_once(sleep_handler{}, 1));
    CHECK_FALSE(at_once(process_handler{}, 1));
    CHECK_FALSE(at_once(http_handler{}, 1));
}

TEST_CASE("a failing job fails as often as it says", "[unit][handlers]")
{
    const fail_handler twice{.error_code = "ODD", .error_message = "as told", .times = 2};
    CHECK(at_once(twice, 1)->error_code == "ODD");
    CHECK(at_once(twice, 2)->error_message == "as told");
    CHECK(at_once(twice, 3)->status == execution_status::completed);
    CHECK(at_once(fail_handler{.error_code = "ODD"}, 1000)->status == execution_status::failed);
    CHECK(at_once(fail_handler{.times = 0}, 1)->status == execution_status::completed);
}

TEST_CASE("what is performed at once is performed the same", "[unit][handlers]")
{
    recorded_attempt a{.handler = fail_handler{.error_code = "ODD", .times = 1}};
    CHECK(a.perform().error_code == "ODD");
    a.attempt_number = 2;
    CHECK(a.perform().status == execution_status::completed);
    a.handler = noop_handler{};
    CHECK(a.perform().status == execution_status::completed);
}

TEST_CASE("a sleeping job wakes after its time", "[unit][handlers]")
{
    recorded_attempt a{.handler = sleep_handler{std::chrono::milliseconds{20}}};
    const auto before = steady_clock::now();
    CHECK(a.perform().status == execution_status::completed);
    CHECK(steady_clock::now() - before >= std::chrono::milliseconds{20});
}

TEST_CASE("a sleeping job stops at once, also where the request came first", "[unit][handlers]")
{
    const bool before = GENERATE(true, false);
    runtime::core core{0};
    auto job = std::make_shared<job_version>();
    job->definition.handler = sleep_handler{std::chrono::hours{1}};
    attempt a({.job = job}, no_deadline, {});
    if (before) a.request_stop(stop_reason::cancelled);
    else boost::asio::post(core.executor(), [&a] { a.request_stop(stop_reason::cancelled); });
    sql_pool databases{{}};
    handlers with(core.executor(), {}, {}, {}, databases);
    const auto o = run_on_core(core, with.perform(a));
    CHECK(o.status == execution_status::cancelled);
    CHECK(o.termination == "GRACEFUL");
}
