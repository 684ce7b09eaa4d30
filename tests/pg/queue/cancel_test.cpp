#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

TEST_CASE("cancelling what waits ends it and leaves its neighbours in the queue", "[pg][queue]")
{
    const bool delayed = GENERATE(false, true);
    INFO((delayed ? "PENDING" : "QUEUED"));
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance(1h);
    submission sent;
    sent.extent(job, 5, {.eligible = delayed ? std::optional(wall_clock() + 60s) : std::nullopt}).commit(db.service());

    for (const std::size_t i : {2u, 0u, 4u}) {
        const auto answer = storage::cancel(db.service(), job.tenant, sent.id(i), "token:t", "not needed");
        CHECK(answer.found);
        CHECK(answer.ended);
        CHECK(db.violations() == "");
        CHECK_FALSE(storage::cancel(db.service(), job.tenant, sent.id(i), "token:t", "again").found);
    }
    const auto row = db.rows(fmt::format("select * from v_executions where execution_id = '{}'", sent.id(2).str())).at(0);
    CHECK(row["status"].as<std::string>() == "CANCELLED");
    CHECK(row["error_code"].as<std::string>() == "CANCELLED");
    CHECK(row["error_message"].as<std::string>() == "not needed");
    CHECK(row["started_time"].is_null());
    CHECK(row["queued_time"].is_null() == delayed);
    CHECK(row["instance_id"].is_null());

    if (delayed) {
        db.move_clock(61s);
        storage::tick(db.service(), me, false);
    }
    const auto left = claim(db.service(), me);
    REQUIRE(left.size() == 2);
    for (const auto& x : left) {
        CHECK((x.lo == sent.id(1) || x.lo == sent.id(3)));
        CHECK(x.hi == x.lo);
    }
    CHECK(db.violations() == "");
}

TEST_CASE("cancelling what runs asks its owner, as often as one likes", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    submission sent;
    sent.extent(job, 2).commit(db.service());
    const auto mine = claim_one(db.service(), me);
    for (int i = 0; i < 3; ++i) {
        const auto answer = storage::cancel(db.service(), job.tenant, sent.id(0), "token:t", "enough");
        CHECK(answer.found);
        CHECK_FALSE(answer.ended);
        CHECK(answer.owner == me);
    }
    CHECK(db.status(sent.id(0)) == "RUNNING");
    CHECK(storage::tick(db.service(), me, false).cancels == 1);
    const auto requests = storage::cancel_requests(db.service(), me);
    REQUIRE(requests.size() == 1);
    CHECK(requests[0].id == sent.id(0));
    CHECK(requests[0].actor == "token:t");
    CHECK(requests[0].reason == "enough");
    CHECK(db.value("select count(*) from v_transitions where reason like 'cancel requested%'") == "1");

    CHECK(ends(mine).end(sent.id(0), execution_status::cancelled).clean().end(sent.id(1)).commit(db.service(), me).empty());
    CHECK(storage::tick(db.service(), me, false).cancels == 0);
    CHECK_FALSE(storage::cancel(db.service(), job.tenant, sent.id(0), "token:t", "late").found);
    CHECK(db.violations() == "");
}

TEST_CASE("an accepted cancel ends the run: a failure after it is not tried again", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    submission sent;
    sent.extent(job, 2).commit(db.service());
    const auto mine = claim_one(db.service(), me);
    REQUIRE(storage::cancel(db.service(), job.tenant, sent.id(0), "test", "enough").found);
    // The owner has not heard of the request yet, so it asks for a next attempt, and cleans nothing.
    CHECK(ends(mine).fail(sent.id(0), first_of_new_block()).fail(sent.id(1), first_of_new_block()).commit(db.service(), me).empty());
    CHECK(db.value("select count(*) from executions") == "3");
    CHECK(db.value(fmt::format("select next_execution_id from v_executions where execution_id = '{}'", sent.id(0).str())) == "");
    CHECK(storage::ended_of(db.service(), {sent.id(0)}).size() == 1);
    CHECK(storage::ended_of(db.service(), {sent.id(1)}).empty());
    // Nobody obeys the request any more: the sweep removes it.
    CHECK(storage::sweep(db.service(), 100) == 1);
    CHECK(storage::cancel_requests(db.service(), me).empty());
    CHECK(db.violations() == "");
}

TEST_CASE("a tenant cannot cancel what belongs to another", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto other = db.tenant("other");
    submission sent;
    sent.extent(job, 1).commit(db.service());
    CHECK_FALSE(storage::cancel(db.service(), other, sent.id(), "test", "").found);
    CHECK_FALSE(storage::cancel(db.service(), job.tenant, first_of_new_block(), "test", "").found);
    CHECK(db.status(sent.id()) == "QUEUED");
    CHECK(db.violations() == "");
}
