#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

TEST_CASE("v_executions shows the state of every execution", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto paused = db.job("paused");
    db.rows(fmt::format("update lanes set paused = true where lane_id = {}", paused.lane.value));
    const auto me = db.instance(1h);
    submission sent;
    sent.extent(job, 6).commit(db.service());
    const auto x = claim_one(db.service(), me);
    REQUIRE(ends(x)
                .end(sent.id(0), execution_status::completed)
                .end(sent.id(1), execution_status::failed)
                .end(sent.id(2), execution_status::timeout)
                .end(sent.id(3), execution_status::cancelled)
                .end(sent.id(4), execution_status::skipped)
                .commit(db.service(), me)
                .empty());
    submission waiting;
    waiting.extent(job).extent(paused).extent(job, 1, {.eligible = wall_clock() + 1h}).commit(db.service());

    struct row {
        execution_id id;
        const char* status;
        const char* result;
        const char* rule;
        bool queued, started, ended;
    };
    for (const row& r : {row{sent.id(0), "COMPLETED", "SUCCESS", "", true, true, true}, row{sent.id(1), "FAILED", "FAILED", "", true, true, true},
                         row{sent.id(2), "TIMEOUT", "TIMEOUT", "", true, true, true}, row{sent.id(3), "CANCELLED", "CANCELLED", "", true, true, true},
                         row{sent.id(4), "SKIPPED", "SKIPPED", "", true, true, true}, row{sent.id(5), "RUNNING", "", "", true, true, false},
                         row{waiting.id(0), "QUEUED", "", "capacity", true, false, false}, row{waiting.id(1), "QUEUED", "", "paused", true, false, false},
                         row{waiting.id(2), "PENDING", "", "schedule", false, false, false}}) {
        INFO(r.status << ' ' << r.rule);
        const auto v = db.rows(fmt::format("select *, waiting_on->>'rule' as rule from v_executions where execution_id = '{}'", r.id.str())).at(0);
        CHECK(v["status"].as<std::string>() == r.status);
        CHECK(std::string(v["result_status"].c_str()) == r.result);
        CHECK(std::string(v["rule"].c_str()) == r.rule);
        CHECK(v["queued_time"].is_null() == !r.queued);
        CHECK(v["started_time"].is_null() == !r.started);
        CHECK(v["completed_time"].is_null() == !r.ended);
        CHECK(v["instance_id"].is_null() == !r.started);
        CHECK(v["fingerprint"].as<std::string>().size() == 64);
    }
    CHECK(db.value("select count(distinct fingerprint) from v_executions where job_id = 'a'") == "1");
    CHECK(db.violations() == "");
}

TEST_CASE("v_queue shows what waits and what runs, a row for each extent", "[pg][queue]")
{
    queue_database db;
    const auto a = db.job("a");
    const auto b = db.job("b");
    const auto me = db.instance();
    submission sent;
    sent.extent(a, 3).extent(b, 2, {.priority = 4}).extent(b, 1, {.eligible = wall_clock() + 1h}).commit(db.service());
    const auto first = storage::claim_next(db.service(), me, {}, 1, 2).extents;
    REQUIRE(first.size() == 1);
    REQUIRE(ends(first[0]).end(first[0].lo).commit(db.service(), me).empty());
    const auto rows = db.rows("select job_id || ' ' || status || ' ' || executions || ' ' || priority || ' ' || coalesce(instance_id::text, '-') from v_queue order by 1");
    REQUIRE(rows.size() == 4);
    CHECK(rows[0][0].as<std::string>() == "a QUEUED 1 0 -");
    CHECK(rows[1][0].as<std::string>() == fmt::format("a RUNNING 1 0 {}", me.value));
    CHECK(rows[2][0].as<std::string>() == "b PENDING 1 0 -");
    CHECK(rows[3][0].as<std::string>() == "b QUEUED 2 4 -");
    CHECK(db.violations() == "");
}

TEST_CASE("every column of every view says what it means", "[pg][queue]")
{
    queue_database db;
    const auto silent = db.rows("select v.relname || '.' || a.attname from pg_class v join pg_namespace n on n.oid = v.relnamespace"
                                " join pg_attribute a on a.attrelid = v.oid and a.attnum > 0 where n.nspname = 'rowlock' and v.relkind = 'v'"
                                " and coalesce(col_description(v.oid, a.attnum), '') = ''"
                                " union all select v.relname from pg_class v join pg_namespace n on n.oid = v.relnamespace"
                                " where n.nspname = 'rowlock' and v.relkind = 'v' and coalesce(obj_description(v.oid), '') = ''");
    for (const auto& row : silent) UNSCOPED_INFO(row[0].as<std::string>());
    CHECK(silent.empty());
    CHECK(db.value("select count(*) >= 8 from pg_views where schemaname = 'rowlock' and viewname like 'v\\_%'") == "t");
}
