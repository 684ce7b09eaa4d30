#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

// An instance claims `budget` executions and is then declared dead.
std::vector<storage::claimed_extent> claim_and_die(queue_database& db, instance_id by, int budget = 1'000'000, instance_id* who = nullptr)
{
    const auto victim = db.instance(1h);
    if (who) *who = victim;
    auto claimed = claim(db.service(), victim, budget);
    db.rows(fmt::format("update instances set lease_until = clock() - interval '1 second' where instance_id = {}", victim.value));
    REQUIRE(storage::declare_dead(db.service(), by, false) == 1);
    return claimed;
}

}

TEST_CASE("what a dead instance ran ends as lost and is tried again at once", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance(1h);
    submission sent;
    sent.extent(job, 3, {.priority = 4}).extent(job, 2, {.priority = 9}).commit(db.service());
    instance_id victim;
    const auto claimed = claim_and_die(db, me, 1000, &victim);
    REQUIRE(claimed.size() == 2);
    CHECK(storage::takeover(db.service(), me, priority_age, 100) == 5);
    CHECK(db.violations() == "");

    const auto lost = db.rows(fmt::format("select status, error_code, error_message, instance_id, attempt_number, next_execution_id is not null"
                                          " from v_executions where execution_id = '{}'", sent.id(0).str())).at(0);
    CHECK(lost[0].as<std::string>() == "FAILED");
    CHECK(lost[1].as<std::string>() == "LEASE_LOST");
    CHECK(lost[2].as<std::string>() == fmt::format("instance {} was lost while this ran", victim.value));
    CHECK(lost[3].as<int>() == victim.value);
    CHECK(lost[5].as<bool>());
    CHECK(db.value("select string_agg(distinct status || attempt_number || lost_count || (parent_execution_id = run_id)::text, ',') from v_executions v"
                   " join executions e using (execution_id, attempt_number, run_id, parent_execution_id) where attempt_number > 1") == "QUEUED21true");
    // What was lost together waits together.
    CHECK(db.value("select string_agg(executions || ':' || priority, ',' order by priority) from v_queue") == "3:4,2:9");

    // A late completion changes nothing.
    for (const auto& x : claimed) CHECK(ends(x).all(ids_in(x.lo, x.hi)).commit(db.service(), victim) == std::vector{x.lo});
    CHECK(db.value("select count(*) from results where status = 5") == "0");

    CHECK(storage::takeover(db.service(), me, priority_age, 100) == 0);
    CHECK(db.value(fmt::format("select state from instances where instance_id = {}", victim.value)) == "GONE");
    CHECK(db.violations() == "");
}

TEST_CASE("a takeover goes on in bounded steps, and the dead one's ends are lost from the first of them", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance(1h);
    submission sent;
    sent.extent(job, 10).extent(job, 3).commit(db.service());
    instance_id victim;
    const auto claimed = claim_and_die(db, me, 1000, &victim);
    std::vector<int> steps;
    for (int n = 1; n > 0;) {
        steps.push_back(n = storage::takeover(db.service(), me, priority_age, 4));
        CHECK(db.violations() == "");
        if (steps.size() == 1) CHECK(ends().from(sent.id(0), {1}).end(sent.id(9)).commit(db.service(), victim) == std::vector{sent.id(0)});
    }
    CHECK(steps == std::vector{4, 4, 4, 1, 0});
    CHECK(db.value("select count(*) from v_executions where error_code = 'LEASE_LOST'") == "13");
    CHECK(db.value("select sum(executions) from v_queue") == "13");
}

TEST_CASE("a takeover passes over what had ended before", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance(1h);
    const auto victim = db.instance(10s);
    submission sent;
    sent.extent(job, 4).commit(db.service());
    const auto x = claim_one(db.service(), victim);
    REQUIRE(ends(x).end(sent.id(1)).end(sent.id(3)).commit(db.service(), victim).empty());
    db.move_clock(1min);
    REQUIRE(storage::declare_dead(db.service(), me, false) == 1);
    CHECK(storage::takeover(db.service(), me, priority_age, 100) == 2);
    CHECK(db.status(sent.id(1)) == "COMPLETED");
    CHECK(db.status(sent.id(0)) == "FAILED");
    CHECK(db.violations() == "");
}

TEST_CASE("lost attempts count, and the last one that a job allows ends its run", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a", {.max_attempts = 3});
    const auto me = db.instance(1h);
    submission sent;
    sent.extent(job).commit(db.service());
    for (int attempt = 1; attempt <= 3; ++attempt) {
        REQUIRE(claim_and_die(db, me).size() == 1);
        CHECK(storage::takeover(db.service(), me, priority_age, 100) == 1);
        CHECK(db.value("select count(*) from executions") == std::to_string(std::min(attempt + 1, 3)));
    }
    CHECK(db.value("select status || ' ' || attempts from v_runs") == "FAILED 3");
    CHECK(storage::ended_of(db.service(), {sent.id()}).size() == 1);
    CHECK(db.violations() == "");
}

TEST_CASE("up to twenty lost attempts of an idempotent job do not count", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a", {.max_attempts = 1, .idempotent = true});
    const auto me = db.instance(1h);
    submission sent;
    sent.extent(job).commit(db.service());
    for (int losses = 1; losses <= 21; ++losses) {
        REQUIRE(claim_and_die(db, me).size() == 1);
        CHECK(storage::takeover(db.service(), me, priority_age, 100) == 1);
    }
    CHECK(claim(db.service(), me).empty());
    CHECK(db.value("select status || ' ' || attempts from v_runs") == "FAILED 21");
    CHECK(db.value("select max(lost_count) from executions") == "20");
    CHECK(db.violations() == "");
}

TEST_CASE("a takeover honours a request to cancel: the run is over", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance(1h);
    const auto victim = db.instance(10s);
    submission sent;
    sent.extent(job, 2).commit(db.service());
    claim_one(db.service(), victim);
    REQUIRE(storage::cancel(db.service(), job.tenant, sent.id(0), "token:t", "enough").owner == victim);
    db.move_clock(1min);
    REQUIRE(storage::declare_dead(db.service(), me, false) == 1);
    CHECK(storage::takeover(db.service(), me, priority_age, 100) == 2);
    const auto row = db.rows(fmt::format("select status, error_code, error_message, next_execution_id from v_executions where execution_id = '{}'", sent.id(0).str())).at(0);
    CHECK(row[0].as<std::string>() == "CANCELLED");
    CHECK(row[1].as<std::string>() == "CANCELLED");
    CHECK(row[2].as<std::string>() == "enough");
    CHECK(row[3].is_null());
    CHECK(db.value("select count(*) from executions") == "3");
    CHECK(db.value("select count(*) from cancel_requests") == "0");
    CHECK(db.violations() == "");
}
