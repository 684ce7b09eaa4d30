#include "tests/crash/crew.hpp"
#include "tests/crash/history.hpp"
#include "tests/support/job_runs.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <fmt/format.h>

namespace {

using namespace rowlock::test;
namespace json = boost::json;

const std::vector<std::string> none;

const std::vector<std::string> steps = {"schedule.before_fire:1", "schedule.after_fire:1", "schedule.before_fire:4", "schedule.after_fire:4"};

// Times that lie between the first and the last that were decided, and are in no record, or in two.
constexpr const char* holes = R"sql(
    select count(*) from (
        select t.tick_at, lag(t.last_tick_at) over (partition by t.job_key order by t.tick_at) as before from rowlock.schedule_ticks t) x
    where x.tick_at <> x.before + interval '1 second')sql";

}

TEST_CASE("servers that fire schedules may be killed at any step: each time is decided once, and none is left out", "[crash][schedules]")
{
    const test_database database;
    crew servers(database.url());
    const auto& steady = servers.start("one");
    servers.start("two");
    constexpr int jobs = 20;
    const json::object schedule{{"schedule_type", "INTERVAL"}, {"interval_seconds", 1}, {"tolerance_seconds", 60}};
    for (int i = 0; i < jobs; ++i) steady.define(fmt::format("tick-{}", i), {{"type", "noop"}}, {{"schedule", schedule}});
    const auto fired = [&] { return std::stoi(value_of(database.url(), "select count(*) from rowlock.executions where trigger_type = 1")); };
    for (const auto& step : steps) {
        INFO(step);
        CHECK(servers.run_until_crash(step) == -SIGKILL);
    }
    // All of them together: the times of a moment without any server are late, and not lost.
    servers.kill_hard("two");
    servers.kill_hard("one");
    const auto before = fired();
    servers.start("three");
    servers.start("four");
    eventually("the schedules go on", [&] { return fired() >= before + 2 * jobs; });
    for (int i = 0; i < jobs; ++i) servers.at("three").post(fmt::format("/v1/schedules/tick-{}/pause", i), json::object{});
    await_idle(database.url());
    CHECK(value_of(database.url(), holes) == "0");
    CHECK(value_of(database.url(), "select count(*) from rowlock.v_schedule_ticks where outcome <> 'FIRED'") == "0");
    CHECK(value_of(database.url(), "select count(*) - (select count(*) from rowlock.schedule_ticks) from rowlock.executions where trigger_type = 1 and attempt_number = 1") == "0");
    CHECK(violations(database.url()) == none);
}
