#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <map>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

queue_job guarded(queue_database& db, std::string_view job_id, std::string_view figures = R"("failure_threshold": 3, "half_open_max": 1)", std::string_view key = {})
{
    return db.job(job_id, {.rules = fmt::format(R"({{"breaker": {{"key": "{}", "window_ms": 60000, "open_ms": 30000, {}}}}})", key.empty() ? job_id : key, figures)});
}

std::string state(queue_database& db, std::string_view key)
{
    return db.value(fmt::format("select state from v_breakers where key = '{}'", key));
}

int total(const std::vector<storage::claimed_extent>& extents)
{
    int n = 0;
    for (const auto& x : extents) n += x.remaining;
    return n;
}

// Ends all of an extent, one after the other, with these letters: f fails for good, s succeeds.
void end_all(queue_database& db, instance_id owner, const storage::claimed_extent& x, std::string_view how)
{
    const auto ids = ids_in(x.lo, x.hi);
    REQUIRE(ids.size() == how.size());
    ends done(x);
    for (std::size_t i = 0; i < how.size(); ++i) done.end(ids[i], how[i] == 's' ? execution_status::completed : execution_status::failed).watched();
    REQUIRE(done.commit(db.service(), owner).empty());
}

// Submits, claims and ends so many.
void run(queue_database& db, instance_id owner, const queue_job& job, std::string_view how)
{
    submission sent;
    sent.extent(job, static_cast<int>(how.size())).commit(db.service());
    const auto got = claim(db.service(), owner);
    REQUIRE(got.size() == 1);
    end_all(db, owner, got[0], how);
}

}

TEST_CASE("a breaker opens at failures in a row, in the transaction that ends the last of them", "[pg][breakers]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto job = guarded(db, "a");
    run(db, me, job, "ff");
    CHECK(state(db, "a") == "CLOSED");
    CHECK(db.value("select failures from v_breakers") == "2");
    run(db, me, job, "sff");
    CHECK(state(db, "a") == "CLOSED");
    run(db, me, job, "f");
    CHECK(state(db, "a") == "OPEN");
    CHECK(db.value("select failures from v_breakers") == "3");

    submission waiting;
    waiting.extent(job, 5).commit(db.service());
    CHECK(claim(db.service(), me).empty());
    CHECK(db.value(fmt::format("select waiting_on ->> 'rule' from v_executions where execution_id = '{}'", waiting.id().str())) == "breaker");
    CHECK(db.value("select string_agg(from_state || '>' || to_state, ' ' order by fence) from v_breaker_changes") == "CLOSED>OPEN");
    CHECK(db.violations() == "");
}

TEST_CASE("an open breaker keeps its own job back, and no other", "[pg][breakers]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto job = guarded(db, "a");
    const auto other = db.job("b");
    run(db, me, job, "fff");
    submission waiting;
    waiting.extent(job, 5).extent(other, 2).commit(db.service());
    CHECK(total(claim(db.service(), me)) == 2);
    submission eager;
    CHECK(eager.extent(job, 1).extent(other, 1).commit(db.service(), me, 10).owned == std::vector<int>{2});
    CHECK(db.violations() == "");
}

TEST_CASE("failures that lie further apart than the window open nothing", "[pg][breakers]")
{
    queue_database db;
    const auto me = db.instance(24h);
    const auto job = guarded(db, "a");
    for (int i = 0; i < 5; ++i) {
        run(db, me, job, "f");
        db.move_clock((i + 1) * 31s);
        CHECK(state(db, "a") == "CLOSED");
    }
}

TEST_CASE("a half-open breaker lets so many probes through at a time, over all instances, and the first success closes it", "[pg][breakers]")
{
    queue_database db;
    const auto me = db.instance(24h);
    const auto other = db.instance(24h);
    const auto job = guarded(db, "a", R"("failure_threshold": 3, "half_open_max": 2)");
    run(db, me, job, "fff");
    submission waiting;
    waiting.extent(job, 10).commit(db.service());
    db.move_clock(29s);
    CHECK(claim(db.service(), me).empty());
    db.move_clock(31s);
    CHECK(state(db, "a") == "HALF_OPEN");
    const auto first = claim(db.service(), me, 1);
    const auto second = claim(db.service(), other);
    CHECK(total(first) == 1);
    CHECK(total(second) == 1);
    CHECK(claim(db.service(), me).empty());
    CHECK(db.value("select probes from v_breakers") == "2");
    CHECK(db.violations() == "");

    end_all(db, me, first[0], "s");
    CHECK(state(db, "a") == "CLOSED");
    CHECK(total(claim(db.service(), me)) == 8);
    // What was still under way counts like any other now.
    end_all(db, other, second[0], "f");
    CHECK(state(db, "a") == "CLOSED");
    CHECK(db.value("select failures from v_breakers") == "1");
    CHECK(db.value("select in_use from limits where scope = 'breaker'") == "0");
    CHECK(db.violations() == "");
}

TEST_CASE("a probe that fails opens the breaker anew", "[pg][breakers]")
{
    queue_database db;
    const auto me = db.instance(24h);
    const auto job = guarded(db, "a");
    run(db, me, job, "fff");
    submission waiting;
    waiting.extent(job, 3).commit(db.service());
    db.move_clock(31s);
    end_all(db, me, claim_one(db.service(), me), "f");
    CHECK(state(db, "a") == "OPEN");
    CHECK(claim(db.service(), me).empty());
    db.move_clock(60s);
    CHECK(claim(db.service(), me).empty());
    db.move_clock(62s);
    CHECK(total(claim(db.service(), me)) == 1);
    CHECK(db.violations() == "");
}

TEST_CASE("what was started before the breaker opened neither closes it nor opens it anew", "[pg][breakers]")
{
    queue_database db;
    const auto me = db.instance(24h);
    const auto job = guarded(db, "a");
    submission early;
    early.extent(job, 1).extent(job, 1).commit(db.service());
    const auto before = claim(db.service(), me);
    REQUIRE(before.size() == 2);
    run(db, me, job, "fff");
    db.move_clock(31s);
    end_all(db, me, before[0], "s");
    CHECK(state(db, "a") == "HALF_OPEN");
    end_all(db, me, before[1], "f");
    CHECK(state(db, "a") == "HALF_OPEN");
}

TEST_CASE("a probe of an earlier opening says nothing about this one", "[pg][breakers]")
{
    queue_database db;
    const auto me = db.instance(24h);
    const auto job = guarded(db, "a", R"("failure_threshold": 3, "half_open_max": 2)");
    run(db, me, job, "fff");
    submission waiting;
    waiting.extent(job, 1).extent(job, 1).commit(db.service());
    db.move_clock(31s);
    const auto probes = claim(db.service(), me);
    REQUIRE(probes.size() == 2);
    end_all(db, me, probes[0], "f");
    REQUIRE(state(db, "a") == "OPEN");
    end_all(db, me, probes[1], "s");
    CHECK(state(db, "a") == "OPEN");
    CHECK(db.violations() == "");
}

TEST_CASE("the probes of an instance that died are given back", "[pg][breakers]")
{
    queue_database db;
    const auto me = db.instance(24h);
    const auto victim = db.instance(40s);
    const auto job = guarded(db, "a");
    run(db, me, job, "fff");
    submission waiting;
    waiting.extent(job, 3).commit(db.service());
    db.move_clock(31s);
    REQUIRE(total(claim(db.service(), victim)) == 1);
    REQUIRE(claim(db.service(), me).empty());
    db.move_clock(60s);
    REQUIRE(storage::tick(db.service(), me, true).dead == 1);
    REQUIRE(storage::takeover(db.service(), me, priority_age, 10) == 1);
    CHECK(state(db, "a") == "HALF_OPEN");
    CHECK(total(claim(db.service(), me)) == 1);
    CHECK(db.violations() == "");
}

TEST_CASE("a breaker with a failure rate waits for enough ends", "[pg][breakers]")
{
    queue_database db;
    const auto me = db.instance(24h);
    const auto job = guarded(db, "a", R"("failure_threshold": 10, "failure_rate": 0.5, "half_open_max": 1)");
    run(db, me, job, "ffff");
    CHECK(state(db, "a") == "CLOSED");
    run(db, me, job, "sssss");
    CHECK(state(db, "a") == "CLOSED");
    run(db, me, job, "f");
    CHECK(state(db, "a") == "OPEN");
    CHECK(db.value("select reason from v_breaker_changes") == "5 of 10 failed");
}

TEST_CASE("jobs share the breaker of their target", "[pg][breakers]")
{
    queue_database db;
    const auto me = db.instance(24h);
    const auto a = guarded(db, "a", R"("failure_threshold": 3, "half_open_max": 1)", "api.example.com:443");
    const auto b = guarded(db, "b", R"("failure_threshold": 3, "half_open_max": 1)", "api.example.com:443");
    run(db, me, a, "ff");
    run(db, me, b, "f");
    CHECK(state(db, "api.example.com:443") == "OPEN");
    submission waiting;
    waiting.extent(a, 1).extent(b, 1).commit(db.service());
    CHECK(claim(db.service(), me).empty());
    db.move_clock(31s);
    CHECK(total(claim(db.service(), me)) == 1);
    CHECK(db.violations() == "");
}

TEST_CASE("a reset closes a breaker, and its probes count no more", "[pg][breakers]")
{
    queue_database db;
    const auto me = db.instance(24h);
    const auto job = guarded(db, "a");
    run(db, me, job, "fff");
    submission waiting;
    waiting.extent(job, 3).commit(db.service());
    db.move_clock(31s);
    const auto probe = claim_one(db.service(), me);
    CHECK(db.value("select reset_breaker_1(1, 'a', 'token:me')") == "t");
    CHECK(db.value("select reset_breaker_1(1, 'b', 'token:me')") == "f");
    CHECK(state(db, "a") == "CLOSED");
    CHECK(total(claim(db.service(), me)) == 2);
    end_all(db, me, probe, "f");
    CHECK(db.value("select in_use from limits where scope = 'breaker'") == "0");
    CHECK(db.violations() == "");
}

TEST_CASE("cancelled and lost attempts are no failures of what the breaker guards", "[pg][breakers]")
{
    queue_database db;
    const auto me = db.instance(24h);
    const auto job = guarded(db, "a", R"("failure_threshold": 1, "half_open_max": 1)");
    submission sent;
    sent.extent(job, 2).commit(db.service());
    const auto x = claim_one(db.service(), me);
    ends(x).end(sent.id(0), execution_status::cancelled).watched().end(sent.id(1)).watched().commit(db.service(), me);
    CHECK(state(db, "a") == "CLOSED");
    CHECK(db.value("select failures from v_breakers") == "0");
}
