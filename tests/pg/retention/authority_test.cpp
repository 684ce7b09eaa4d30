#include "tests/pg/retention/past.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <latch>
#include <thread>

using namespace rowlock;
using namespace rowlock::test;
using deed = storage::history_step::deed;

TEST_CASE("the service deletes history through the functions of retention only", "[pg][retention]")
{
    past p;
    const auto job = p.job("a");
    const auto id = p.ended(job, 6).str();
    p.leave_records(*execution_id::parse(id));
    auto& service = p.db().service();
    REQUIRE(service.run("select current_user")[0][0].as<std::string>() == "rowlock_app");
    // What the functions set for themselves permits nothing to somebody who is not the owner.
    service.run("set rowlock.retention = 'on'");
    for (const char* table : {"executions", "results", "checkpoints", "artifacts", "extra_transitions", "manual_retries", "logs", "job_versions", "retention_log", "plan_runs", "plan_nodes", "plan_added_edges",
                              "plan_blocks", "plan_progress"}) {
        INFO(table);
        CHECK_THROWS_AS(service.run(fmt::format("delete from {}", table)), pqxx::insufficient_privilege);
    }
    CHECK_THROWS_AS(service.run(fmt::format("delete from executions_{}", p.day(6))), pqxx::insufficient_privilege);
    // Nor do their parts, which work in the name of whoever calls them.
    CHECK_THROWS_AS(service.run(fmt::format("select forget_runs(array['{}']::uuid[], interval '1 day')", id)), pqxx::insufficient_privilege);
    p.db().rows("insert into history_days (day, from_id, to_id, ends_at, surveyed_to) select x.d, first_id_at(x.d), first_id_at(x.d + interval '1 day'), x.d, first_id_at(x.d) from "
                "(select date_trunc('day', now()) - interval '6 days' as d) x");
    CHECK_THROWS_AS(service.run("select clear_day(d, 10) from history_days d"), pqxx::insufficient_privilege);
    p.db().rows("insert into plan_progress (plan_run_id, status, nodes, unended, ended_at) values (gen_random_uuid(), 5, 1, 0, clock())");
    CHECK_THROWS_AS(service.run("select clear_plan(plan_run_id, 10) from plan_progress"), pqxx::insufficient_privilege);
    CHECK_THROWS_AS(service.run("select drop_day(d) from history_days d"), pqxx::insufficient_privilege);
    CHECK_THROWS_AS(service.run("insert into retention_log (what, reason, from_id, to_id, row_count) values ('day', '', gen_random_uuid(), gen_random_uuid(), 1)"), pqxx::insufficient_privilege);
    CHECK(p.has(*execution_id::parse(id)));
    CHECK(p.records_of(*execution_id::parse(id)) == 9);
}

TEST_CASE("what was deleted is recorded for good", "[pg][retention]")
{
    past p;
    p.ended(p.job("a"), 6);
    p.drop(2);
    REQUIRE(p.db().value("select count(*) > 0 from retention_log") == "t");
    CHECK(p.db().sqlstate("delete from retention_log") == "42501");
    CHECK(p.db().sqlstate("update retention_log set row_count = 0") == "42501");
    CHECK(p.db().sqlstate("truncate retention_log") == "42501");
    // Also for the owner who says that this is retention: nothing outlives its time there.
    CHECK(p.db().sqlstate("begin; set local rowlock.retention = 'on'; delete from retention_log") == "42501");
    pqxx::connection auditor(p.db().url());
    pqxx::nontransaction(auditor).exec("set role rowlock_auditor");
    CHECK_FALSE(pqxx::nontransaction(auditor).exec("select * from rowlock.v_retention").empty());
    CHECK_FALSE(pqxx::nontransaction(auditor).exec("select * from rowlock.v_history_days").empty());
}

TEST_CASE("each step of retention is bounded", "[pg][retention]")
{
    past p;
    const auto job = p.job("a");
    const auto for_ever = p.job("b", 0);
    p.ended(for_ever, 6);
    std::vector<execution_id> old;
    for (int i = 0; i < 25; ++i) {
        old.push_back(p.ended(job, 6));
        p.leave_records(p.ended(job, 5));
    }
    const auto steps = p.drop(2, 10);
    for (const auto& step : steps) {
        INFO(step.day << " " << static_cast<int>(step.did));
        CHECK(step.rows <= (step.did == deed::surveyed ? 100 : step.did == deed::day ? 25 : 10));
    }
    CHECK(count(steps, deed::runs) >= 3);
    CHECK(count(steps, deed::records) >= 3 * 6);
    CHECK_FALSE(p.has(old.back()));
    CHECK(p.has_day(6));
    CHECK_FALSE(p.has_day(5));
}

TEST_CASE("a survey that needs several steps forgets nothing between them", "[pg][retention]")
{
    past p;
    const auto job = p.job("a");
    std::vector<std::vector<execution_id>> over;
    for (int i = 0; i < 12; ++i) {
        p.ended(job, 7);
        if (i % 3 == 0) over.push_back(p.run(job, {7, 6}));
    }
    const auto steps = p.drop(2, 1);
    CHECK(count(steps, deed::surveyed) >= 2);
    CHECK_FALSE(p.has_day(7));
    CHECK_FALSE(p.has_day(6));
    for (const auto& run : over) CHECK_FALSE(p.has(run.front()));
    // The runs over midnight by themselves, the others with their day; none twice.
    CHECK(p.db().value("select sum(row_count) from v_retention where what = 'runs'") == "8");
    CHECK(p.db().value("select sum(row_count) from v_retention where what = 'day'") == "12");
    CHECK(p.db().value("select sum(executions_dropped) from v_history_days") == "20");
}

TEST_CASE("several that drop history at once do each step once, and never wait for each other", "[pg][retention]")
{
    past p;
    const auto job = p.job("a");
    const auto for_ever = p.job("b", 0);
    for (int day = 3; day <= 9; ++day) {
        p.ended(for_ever, day);
        for (int i = 0; i < 6; ++i) p.ended(job, day);
        p.run(job, {day, day - 1});
    }
    {
        pqxx::connection other(p.db().url());
        pqxx::work at_it(other);
        at_it.exec("set local search_path = rowlock; select drop_history_1(interval '1 day', 10)");
        CHECK(storage::drop_history(p.db().service(), one_day, 10).did == deed::busy);
    }
    constexpr int sweepers = 4;
    std::latch start(sweepers);
    std::atomic<std::int64_t> dropped{0};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < sweepers; ++t) {
            threads.emplace_back([&] {
                storage::session mine({.url = p.db().url()});
                start.arrive_and_wait();
                for (;;) {
                    const auto step = storage::drop_history(mine, one_day, 3);
                    if (step.did == deed::runs || step.did == deed::day) dropped += step.rows;
                    if (step.did == deed::nothing) break;
                }
            });
        }
    }
    CHECK(dropped == 7 * 6 + 7 * 2 - std::stoi(p.db().value("select count(*) from executions where job_key = 1")));
    CHECK(p.db().value("select sum(row_count) from v_retention where what in ('runs', 'day')") == std::to_string(dropped));
    CHECK(p.db().violations() == "");
}
