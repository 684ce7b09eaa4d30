#include "tests/pg/schedules/schedule_bench.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::test;

namespace {

// 13:00 to 14:00, every day.
constexpr std::string_view afternoon = R"("windows": [{"start": 46800, "end": 50400, "days": 127, "timezone": "UTC"}])";

std::string rules(std::string_view more = "")
{
    return fmt::format("{{{}{}}}", afternoon, more);
}

std::size_t claimable(schedule_bench& b)
{
    return storage::claim_next(b.db.service(), b.me, {}, 100, 100).extents.size();
}

}

TEST_CASE("what waits for a window is claimed while it is open, and at no other time, whether a server keeps it or not", "[pg][schedules][windows]")
{
    schedule_bench b;
    const auto a = b.db.job("a", {.rules = rules()});
    submission sent;
    sent.extent(a).commit(b.db.service());
    // Nobody has looked at it yet: it is closed.
    CHECK(claimable(b) == 0);
    b.round();
    CHECK(claimable(b) == 0);
    CHECK(b.db.value("select concat_ws(' ', status, waiting_on ->> 'rule', waiting_on ->> 'opens_at') from v_executions") ==
          fmt::format("QUEUED window {}", to_rfc3339(b.start + 1h)));
    b.go_to(1h - 1ms);
    CHECK(claimable(b) == 0);
    b.go_to(1h);
    CHECK(claimable(b) == 1);
    submission second;
    second.extent(a).commit(b.db.service());
    b.go_to(2h);
    CHECK(claimable(b) == 0);
    b.round();
    CHECK(b.db.value("select window_from = clock() + interval '23 hours' from lanes") == "t");
    CHECK(b.db.violations() == "");
}

TEST_CASE("nothing starts with its submission outside the windows", "[pg][schedules][windows]")
{
    schedule_bench b;
    const auto a = b.db.job("a", {.rules = rules()});
    b.round();
    submission early;
    early.extent(a);
    CHECK(early.commit(b.db.service(), b.me, 10).owned.empty());
    b.go(90min);
    b.db.rows("delete from extents");
    submission inside;
    inside.extent(a);
    CHECK(inside.commit(b.db.service(), b.me, 10).owned.size() == 1);
}

TEST_CASE("with skip_outside_window what would start outside ends SKIPPED, in the transaction of its submission", "[pg][schedules][windows]")
{
    schedule_bench b;
    const auto a = b.db.job("a", {.rules = rules(R"(, "skip_outside_window": true)")});
    b.round();
    submission sent;
    sent.extent(a, 3).hold(4);
    CHECK(sent.commit(b.db.service(), b.me, 10).skipped == std::vector<int>{1});
    CHECK(b.db.value("select string_agg(distinct status || ': ' || error_message, ', ') from v_executions") ==
          fmt::format("SKIPPED: outside the execution windows of the job, which open at {}", to_rfc3339(b.start + 1h)));
    b.go(1h);
    submission inside;
    inside.extent(a).hold(4);
    CHECK(inside.commit(b.db.service(), b.me, 10).skipped.empty());
    while (b.db.value("select plan_step_1()") == "t") {}
    CHECK(b.db.violations() == "");
}

TEST_CASE("with skip_outside_window what still waits when the window closes is skipped, and what has begun is not", "[pg][schedules][windows]")
{
    schedule_bench b;
    const auto a = b.db.job("a", {.rules = rules(R"(, "skip_outside_window": true)")});
    b.round();
    b.go(90min);
    submission begun;
    begun.extent(a).hold(4).commit(b.db.service());
    const auto claimed = claim_one(b.db.service(), b.me);
    hand_back(b.db.service(), b.me, claimed);
    submission waiting;
    waiting.extent(a, 5).hold(4).commit(b.db.service());
    b.go(2h);
    // Until a server has looked, it is not known when it opens again.
    CHECK(storage::skip_outside_windows(b.db.service(), {}, 100).executions.empty());
    b.round();
    CHECK(storage::skip_outside_windows(b.db.service(), {}, 100).executions.size() == 5);
    CHECK(b.db.value("select string_agg(status || ' ' || n, ', ' order by status) from (select status, count(*) as n from v_executions group by status) x") == "QUEUED 1, SKIPPED 5");
    while (b.db.value("select plan_step_1()") == "t") {}
    CHECK(b.db.violations() == "");
}

TEST_CASE("a tick outside the windows of a job that skips is an execution that was skipped", "[pg][schedules][windows]")
{
    schedule_bench b;
    b.scheduled("a", R"("schedule_type": "CRON", "cron_expression": "*/30 * * * *")", fmt::format(R"(, {}, "skip_outside_window": true)", afternoon));
    b.round();
    b.go_to(30min);
    b.round();
    b.go_to(1h);
    b.round();
    CHECK(b.ticks_of("a") == "SKIPPED OUTSIDE_WINDOW, FIRED");
    CHECK(b.db.value("select string_agg(status, ', ' order by scheduled_time) from v_executions") == "SKIPPED, QUEUED");
    while (b.db.value("select plan_step_1()") == "t") {}
    CHECK(b.db.violations() == "");
}

TEST_CASE("windows go with the version that has them", "[pg][schedules][windows]")
{
    schedule_bench b;
    const auto a = b.db.job("a", {.rules = rules(R"(, "skip_outside_window": true)")});
    b.round();
    b.db.rows(R"(select put_job_1(1, 'a', '{"x": 1}', '{"max_attempts": 1}', null, 'me', '', null))");
    submission sent;
    sent.extent(a).hold(4).commit(b.db.service());
    CHECK(claimable(b) == 1);
    CHECK(b.db.value("select count(*) from lane_windows") == "0");
    CHECK(b.db.violations() == "");
}

TEST_CASE("windows that cannot be evaluated are in scheduling_errors, and stay closed", "[pg][schedules][windows]")
{
    schedule_bench b;
    const auto a = b.db.job("a", {.rules = R"({"windows": [{"start": 0, "end": 86400, "days": 127, "timezone": "Atlantis/Capital"}]})"});
    b.round();
    submission sent;
    sent.extent(a).commit(b.db.service());
    CHECK(claimable(b) == 0);
    CHECK(b.db.value("select error_code || ' ' || job_id from v_errors") == "SCHED_002_INVALID_TIMEZONE a");
}
