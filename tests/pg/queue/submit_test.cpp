#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

TEST_CASE("executions that are admitted alike wait in one extent", "[pg][queue]")
{
    queue_database db;
    const auto a = db.job("a");
    const auto b = db.job("b");
    submission sent;
    sent.extent(a, 500, {.correlation = "c", .submitter = "token:t"}).extent(b, 2, {.priority = 7});
    CHECK(sent.commit(db.service()).owned.empty());

    const auto queue = db.rows("select job_id, executions, status, priority, instance_id from v_queue order by 1");
    REQUIRE(queue.size() == 2);
    CHECK(queue[0]["executions"].as<int>() == 500);
    CHECK(queue[0]["status"].as<std::string>() == "QUEUED");
    CHECK(queue[0]["instance_id"].is_null());
    CHECK(queue[1]["executions"].as<int>() == 2);
    CHECK(queue[1]["priority"].as<int>() == 7);

    const auto row = db.rows(fmt::format("select * from v_executions where execution_id = '{}'", sent.id(0).str())).at(0);
    CHECK(row["run_id"].as<std::string>() == sent.id(0).str());
    CHECK(row["parent_execution_id"].is_null());
    CHECK(row["attempt_number"].as<int>() == 1);
    CHECK(row["parameters"].as<std::string>() == R"({"n": 1})");
    CHECK(row["correlation_id"].as<std::string>() == "c");
    CHECK(row["submitter"].as<std::string>() == "token:t");
    CHECK(row["trigger_type"].as<std::string>() == "MANUAL");
    CHECK(row["tags"].as<std::string>() == "{}");
    CHECK(db.violations() == "");
}

TEST_CASE("an instance starts at once what it submits, unless something stands in the way", "[pg][queue]")
{
    struct row {
        const char* why;
        bool started;
        int waiting = 0;                 // executions that wait in the lane beforehand
        int waiting_priority = 0;
        std::chrono::seconds waiting_delay{0};
        int slots = 3;
        std::chrono::seconds delay{0};
        const char* before = "select 1";
    };
    const auto r = GENERATE(values<row>({
        {.why = "nothing waits, and the slots suffice", .started = true},
        {.why = "something of equal rank waits", .started = false, .waiting = 1},
        {.why = "something of better rank waits", .started = false, .waiting = 1, .waiting_priority = 5},
        {.why = "what waits is of worse rank", .started = true, .waiting = 1, .waiting_priority = -10},
        {.why = "what waits is not eligible yet", .started = true, .waiting = 1, .waiting_priority = 900, .waiting_delay = 60s},
        {.why = "the slots do not suffice for all of it", .started = false, .slots = 2},
        {.why = "it is to start later itself", .started = false, .delay = 60s},
        {.why = "the lane is paused", .started = false, .before = "update lanes set paused = true"},
    }));
    INFO(r.why);
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    const auto later = [](std::chrono::seconds delay) { return delay == 0s ? std::nullopt : std::optional(wall_clock() + delay); };
    if (r.waiting > 0) {
        submission first;
        first.extent(job, r.waiting, {.priority = r.waiting_priority, .eligible = later(r.waiting_delay)}).commit(db.service());
    }
    db.rows(r.before);

    submission sent;
    const auto reply = sent.extent(job, 3, {.eligible = later(r.delay)}).commit(db.service(), me, r.slots);
    CHECK(reply.owned == (r.started ? std::vector{1} : std::vector<int>{}));
    CHECK(db.status(sent.id(2)) == (r.started ? "RUNNING" : r.delay > 0s ? "PENDING" : "QUEUED"));
    if (r.started) {
        const auto x = db.rows(fmt::format("select owner, fence, remaining, claimed_at = eligible_at from extents where lo = '{}'", sent.id(0).str())).at(0);
        CHECK(x[0].as<int>() == me.value);
        CHECK(x[1].as<int>() == 1);
        CHECK(x[2].as<int>() == 3);
        CHECK(x[3].as<bool>());
        CHECK(ends().from(sent.id(0), {1}).all(sent.ids()).commit(db.service(), me).empty());
    }
    CHECK(db.violations() == "");
}

TEST_CASE("of one commit, the extents that fit into the free slots are started and the others wait", "[pg][queue]")
{
    queue_database db;
    const auto a = db.job("a");
    const auto b = db.job("b");
    const auto c = db.job("c");
    const auto me = db.instance();
    submission sent;
    sent.extent(a, 2).extent(b, 3).extent(c, 1);
    CHECK(sent.commit(db.service(), me, 4).owned == std::vector{1});
    CHECK(db.status(sent.id(0)) == "RUNNING");
    CHECK(db.status(sent.id(2)) == "QUEUED");
    CHECK(db.status(sent.id(5)) == "QUEUED");
    CHECK(db.violations() == "");
}

TEST_CASE("a delayed execution is pending, and cannot be claimed before a tick has promoted it", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance(1h);
    submission sent;
    sent.extent(job, 2, {.priority = 1000, .eligible = wall_clock() + 10min}).commit(db.service());
    CHECK(db.status(sent.id()) == "PENDING");
    CHECK(claim(db.service(), me).empty());
    const auto early = storage::tick(db.service(), me, false);
    CHECK_FALSE(early.queued);
    REQUIRE(early.next_eligible_in);
    CHECK(*early.next_eligible_in > 9min);
    CHECK(*early.next_eligible_in <= 10min);
    CHECK(claim(db.service(), me).empty());

    db.move_clock(11min);
    CHECK(claim(db.service(), me).empty());
    CHECK(storage::tick(db.service(), me, false).queued);
    CHECK(db.status(sent.id()) == "QUEUED");
    CHECK(claim_one(db.service(), me).remaining == 2);
    CHECK(db.violations() == "");
}

TEST_CASE("an instance without a lease is given nothing", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    submission().extent(job).commit(db.service());
    const auto lapsed = db.instance(1s);
    const auto dead = db.instance(1s);
    const auto gone = db.instance(1h);
    REQUIRE(storage::leave_cluster(db.service(), gone));
    db.move_clock(2s);
    const auto living = db.instance(1h);
    db.rows(fmt::format("update instances set state = 'DEAD' where instance_id = {}", dead.value));

    for (const auto id : {lapsed, dead, gone, instance_id{999}}) {
        INFO("instance " << id.value);
        CHECK_THROWS_AS(claim(db.service(), id), storage::lease_lost_error);
        submission sent;
        CHECK_THROWS_AS(sent.extent(job).commit(db.service(), id, 10), storage::lease_lost_error);
        CHECK(db.value(fmt::format("select count(*) from executions where execution_id = '{}'", sent.id().str())) == "0");
    }
    // A lease that ran out, but was not missed by anybody, can be renewed; a death cannot be undone.
    CHECK(storage::renew_lease(db.service(), lapsed, 30s));
    CHECK_FALSE(storage::renew_lease(db.service(), dead, 30s));
    CHECK(claim_one(db.service(), lapsed).remaining == 1);
    CHECK(claim(db.service(), living).empty());
    CHECK(db.violations() == "");
}
