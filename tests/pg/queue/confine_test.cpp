#include "tests/pg/queue/queue_traffic.hpp"

#include "storage/instance_store.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

const char* const process_rules = R"({"limits": {"handler": "process"}})";

int total(const std::vector<storage::claimed_extent>& extents)
{
    int n = 0;
    for (const auto& x : extents) n += x.remaining;
    return n;
}

// An instance that runs at most so many executions with process handlers.
instance_id runs_few(queue_database& db, int most)
{
    return storage::join_cluster(db.service(), {.lease = 1h, .by_handler = {{"process", most}}});
}

std::string state_of(queue_database& db, instance_id id)
{
    return db.value(fmt::format("select instance_json_1(i) ->> 'state' from instances i where instance_id = {}", id.value));
}

std::string in_use(queue_database& db)
{
    return db.value("select coalesce(sum(in_use), 0) from limits");
}

void end_all(queue_database& db, const std::vector<storage::claimed_extent>& extents, instance_id of)
{
    for (const auto& x : extents) CHECK(ends(x).all(ids_in(x.lo, x.hi)).commit(db.service(), of).empty());
}

}

TEST_CASE("an instance takes no more of a type of handler than it may, and others are not held by that", "[pg][queue][confine]")
{
    queue_database db;
    const auto programs = db.job("programs", {.rules = process_rules});
    const auto others = db.job("others", {.rules = R"({"limits": {"handler": "noop"}})"});
    const auto few = runs_few(db, 3);
    const auto any = db.instance(1h);
    submission sent;
    sent.extent(programs, 10).extent(others, 10).commit(db.service());

    const auto got = claim(db.service(), few);
    CHECK(total(got) == 13);
    CHECK(in_use(db) == "3");
    CHECK(claim(db.service(), few).empty());
    CHECK(db.violations() == "");
    CHECK(total(claim(db.service(), any)) == 7);
    CHECK(in_use(db) == "3");

    end_all(db, got, few);
    CHECK(in_use(db) == "0");
    CHECK(db.violations() == "");
}

TEST_CASE("an eager start goes by what the instance may, whole or not at all", "[pg][queue][confine]")
{
    queue_database db;
    const auto job = db.job("a", {.rules = process_rules});
    const auto few = runs_few(db, 3);
    submission first;
    CHECK(first.extent(job, 2).commit(db.service(), few, 100).owned.size() == 1);
    submission second;
    CHECK(second.extent(job, 2).commit(db.service(), few, 100).owned.empty());
    CHECK(in_use(db) == "2");
    CHECK(total(claim(db.service(), few)) == 1);
    CHECK(db.violations() == "");
}

TEST_CASE("what has to wait is not started at once where the instance is confined", "[pg][queue][confine]")
{
    queue_database db;
    const auto job = db.job("a", {.rules = process_rules});
    const auto waits = db.job("b");
    const auto few = runs_few(db, 3);
    submission sent;
    CHECK(sent.extent(job, 1).extent(waits, 1).hold(1).commit(db.service(), few, 100).owned.empty());
    CHECK(db.violations() == "");
}

TEST_CASE("an instance has no more resources than it says, beside the limits of the lane", "[pg][queue][confine]")
{
    queue_database db;
    const auto fat = db.job("fat", {.rules = R"({"limits": {"handler": "noop", "request": [1500, 100, 0, 0]}})"});
    const auto thin = db.job("thin", {.rules = R"({"limits": {"handler": "noop"}})"});
    const auto too_fat = db.job("too-fat", {.rules = R"({"limits": {"handler": "noop", "request": [5000, 0, 0, 0]}})"});
    const int limit = db.limit(5, {fat, thin});
    const auto small = storage::join_cluster(db.service(), {.lease = 1h, .capacity = {{4000, 1000, std::nullopt, std::nullopt}}});
    submission sent;
    sent.extent(fat, 10).extent(too_fat, 1).commit(db.service());
    const auto got = claim(db.service(), small);
    CHECK(total(got) == 2);
    CHECK(db.value(fmt::format("select in_use from limits where limit_id = {}", limit)) == "2");
    CHECK(db.value("select in_use from limits where scope = 'instance_cpu_cores'") == "3000");
    CHECK(db.value("select in_use from limits where scope = 'instance_memory_mb'") == "200");
    CHECK(db.violations() == "");
    submission more;
    more.extent(thin, 10).commit(db.service());
    CHECK(total(claim(db.service(), small)) == 3);
    CHECK(db.value("select count(*) from instances i where can_run(i, null, '{5000,0,0,0}')") == "0");
    CHECK(db.value("select count(*) from instances i where can_run(i, null, '{4000,0,0,0}')") == "1");
    end_all(db, got, small);
    CHECK(db.value("select in_use from limits where scope = 'instance_cpu_cores'") == "0");
    CHECK(db.violations() == "");
}

TEST_CASE("what is placed is started, by claim and at once, only where all of its labels are", "[pg][queue][confine]")
{
    queue_database db;
    const auto job = db.job("a", {.rules = R"({"limits": {"handler": "noop", "placement": {"region": "eu", "gpu": "true"}}})"});
    const auto anywhere = db.job("b");
    const auto none = db.instance(1h);
    const auto half = storage::join_cluster(db.service(), {.lease = 1h, .labels = {{"region", "eu"}}});
    const auto whole = storage::join_cluster(db.service(), {.lease = 1h, .labels = {{"region", "eu"}, {"gpu", "true"}, {"rack", "7"}}});
    for (const auto& id : {none, half}) {
        submission sent;
        CHECK(sent.extent(job, 1).commit(db.service(), id, 100).owned.empty());
        submission free;
        CHECK(free.extent(anywhere, 1).commit(db.service(), id, 100).owned.size() == 1);
        CHECK(claim(db.service(), id).empty());
    }
    CHECK(db.value("select distinct waiting_on ->> 'matching' from v_executions where status = 'QUEUED'") == "1");
    CHECK(total(claim(db.service(), whole)) == 2);
    submission sent;
    CHECK(sent.extent(job, 1).commit(db.service(), whole, 100).owned.size() == 1);
    CHECK(db.violations() == "");
}

TEST_CASE("a drained instance is given nothing, keeps what it runs, and takes over what the dead have left", "[pg][queue][confine]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance(1h);
    const auto victim = db.instance(1h);
    submission sent;
    REQUIRE(sent.extent(job, 2).commit(db.service(), me, 100).owned.size() == 1);
    submission other;
    REQUIRE(other.extent(job, 3).commit(db.service(), victim, 100).owned.size() == 1);

    CHECK(storage::drain(db.service(), me, true, "tester", "a reason") == storage::drain_answer::done);
    storage::await_statements_of(db.service(), me);
    CHECK(state_of(db, me) == "DRAINING");
    CHECK(storage::tick(db.service(), me, false).draining);
    CHECK_FALSE(storage::tick(db.service(), victim, false).draining);
    submission late;
    CHECK(late.extent(job, 1).commit(db.service(), me, 100).owned.empty());
    CHECK(claim(db.service(), me).empty());

    db.rows(fmt::format("update instances set lease_until = clock() - interval '1 second' where instance_id = {}", victim.value));
    CHECK(storage::declare_dead(db.service(), me, false) == 1);
    CHECK(storage::takeover(db.service(), me, priority_age, 100) == 3);
    CHECK(claim(db.service(), me).empty());
    CHECK(ends().from(sent.id(), fence{1}).all({sent.id(0), sent.id(1)}).commit(db.service(), me).empty());
    CHECK(state_of(db, me) == "DRAINED");

    // Asked for again it stays as it was first asked for.
    CHECK(storage::drain(db.service(), me, true, "another", "") == storage::drain_answer::done);
    CHECK(db.value("select drained_by || ': ' || drain_reason from instances where draining_at is not null") == "tester: a reason");
    CHECK(storage::drain(db.service(), me, false, "another", "") == storage::drain_answer::done);
    CHECK(state_of(db, me) == "ALIVE");
    CHECK(total(claim(db.service(), me)) == 4);
    CHECK(db.value("select string_agg(action || ' by ' || actor, ', ' order by at) from v_instance_actions") == "DRAIN by tester, RESUME by another");
    CHECK(storage::drain(db.service(), {9999}, true, "tester", "") == storage::drain_answer::no_such_instance);
    CHECK(storage::drain(db.service(), victim, true, "tester", "") == storage::drain_answer::not_alive);
    CHECK(db.violations() == "");
}

TEST_CASE("the limits of an instance go with it, however it goes", "[pg][queue][confine]")
{
    queue_database db;
    const auto job = db.job("a", {.rules = process_rules});
    const auto leaves = runs_few(db, 1);
    const auto dies = runs_few(db, 2);
    const auto me = db.instance(1h);
    CHECK(db.value("select count(*) from limits") == "2");
    CHECK(storage::tick(db.service(), me, false).uneven);
    CHECK(storage::leave_cluster(db.service(), leaves));
    CHECK(db.value("select max_running from limits") == "2");

    submission sent;
    sent.extent(job, 5).commit(db.service());
    CHECK(total(claim(db.service(), dies)) == 2);
    db.rows(fmt::format("update instances set lease_until = clock() - interval '1 second' where instance_id = {}", dies.value));
    CHECK(storage::declare_dead(db.service(), me, false) == 1);
    CHECK(storage::takeover(db.service(), me, priority_age, 1) == 1);
    CHECK(in_use(db) == "1");
    CHECK(db.violations() == "");
    while (storage::takeover(db.service(), me, priority_age, 100) > 0) {}
    CHECK(db.value("select count(*) from limits") == "0");
    CHECK_FALSE(storage::tick(db.service(), me, false).uneven);
    CHECK(db.violations() == "");
}

TEST_CASE("a process that joins again, as it was declared dead, is still drained; one that is started anew is not", "[pg][queue][confine]")
{
    queue_database db;
    const auto first = db.instance(1h);
    CHECK(storage::drain(db.service(), first, true, "tester", "why") == storage::drain_answer::done);
    const auto again = storage::join_cluster(db.service(), {.lease = 1h, .was = first});
    CHECK(state_of(db, again) == "DRAINED");
    CHECK(state_of(db, db.instance(1h)) == "ALIVE");
}

TEST_CASE("a limit of an instance is none that lanes have, and no user sees it among those", "[pg][queue][confine]")
{
    queue_database db;
    const auto job = db.job("a", {.rules = process_rules});
    const auto few = runs_few(db, 1);
    submission sent;
    sent.extent(job, 2).commit(db.service());
    CHECK(total(claim(db.service(), few)) == 1);
    CHECK(db.value("select count(*) from v_limits") == "0");
    // One that is put meanwhile holds what runs as well, and is given back with it.
    db.rows(fmt::format("select put_limit_1('job', {}, 'a', 5, false, null, null, null, 'tester')", job.tenant.value));
    CHECK(in_use(db) == "2");
    CHECK(db.violations() == "");
    CHECK(db.value("select reached_confines('process', null, null) -> 0 ->> 'in_use'") == "1");
    CHECK(db.value("select reached_confines('noop', null, null)") == "");
    for (const auto& x : storage::owned_extents(db.service(), few)) CHECK(ends().from(x.lo, x.fence).all(ids_in(x.lo, x.hi)).commit(db.service(), few).empty());
    CHECK(in_use(db) == "0");
    CHECK(db.violations() == "");
}
