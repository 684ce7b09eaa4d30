#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

std::string state_of(queue_database& db, instance_id id)
{
    return db.value(fmt::format("select state from instances where instance_id = {}", id.value));
}

}

TEST_CASE("an instance is declared dead when its lease has ended, and not before", "[pg][queue]")
{
    queue_database db;
    const auto me = db.instance(1h);
    const auto other = db.instance(10s);
    db.move_clock(8s);
    CHECK(storage::declare_dead(db.service(), me, false) == 0);
    CHECK(storage::renew_lease(db.service(), other, 10s));
    db.move_clock(15s);
    CHECK(storage::declare_dead(db.service(), me, false) == 0);
    CHECK(state_of(db, other) == "ALIVE");

    db.move_clock(30s);
    SECTION("by whoever asks")
    {
        CHECK(storage::declare_dead(db.service(), me, false) == 1);
    }
    SECTION("by a tick that may")
    {
        CHECK(storage::tick(db.service(), me, false).dead == 0);
        CHECK(storage::tick(db.service(), me, true).dead == 1);
    }
    CHECK(state_of(db, other) == "DEAD");
    CHECK_FALSE(storage::renew_lease(db.service(), other, 10s));
    CHECK(storage::takeover(db.service(), me, priority_age, 100) == 0);
    CHECK(state_of(db, other) == "GONE");
    CHECK(storage::tick(db.service(), me, true).dead == 0);
    CHECK(db.violations() == "");
}

TEST_CASE("nobody declares itself dead, and the only instance of a database buries all others", "[pg][queue]")
{
    queue_database db;
    const auto me = db.instance(1s);
    const auto former = db.instance(1h);
    db.move_clock(10s);
    CHECK(storage::declare_dead(db.service(), me, false) == 0);
    CHECK(storage::declare_dead(db.service(), me, true) == 1);
    CHECK(state_of(db, me) == "ALIVE");
    CHECK(state_of(db, former) == "DEAD");
    CHECK(db.violations() == "");
}

TEST_CASE("an instance with a claim under way is not declared dead", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance(1h);
    const auto slow = db.instance(10s);
    submission().extent(job, 3).commit(db.service());
    storage::session claiming(db.service_options());
    claiming.run("begin");
    claiming.run(fmt::format("select * from claim_next_1({}, 0, 16, 2)", slow.value));

    db.move_clock(1min);
    CHECK(storage::declare_dead(db.service(), me, false) == 0);
    claiming.run("commit");
    CHECK(storage::declare_dead(db.service(), me, false) == 1);
    CHECK(storage::takeover(db.service(), me, priority_age, 100) == 2);
    CHECK(db.violations() == "");
}

TEST_CASE("an instance leaves when it owns nothing, and not while a claim of its own is under way", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    submission sent;
    sent.extent(job, 1).commit(db.service());

    // A claim whose caller has gone away goes on in the server for a while.
    storage::session forgotten(db.service_options());
    forgotten.run("begin");
    forgotten.run(fmt::format("select * from claim_next_1({}, 0, 16, 10)", me.value));
    storage::session leaving(db.service_options());
    leaving.run("set lock_timeout = '100ms'");
    CHECK_THROWS_AS(storage::leave_cluster(leaving, me), pqxx::sql_error);
    forgotten.run("commit");
    CHECK_FALSE(storage::leave_cluster(leaving, me));
    CHECK(state_of(db, me) == "ALIVE");

    REQUIRE(ends().from(sent.id(), {1}).end(sent.id()).commit(db.service(), me).empty());
    CHECK(storage::leave_cluster(leaving, me));
    CHECK(state_of(db, me) == "GONE");
    CHECK_FALSE(storage::leave_cluster(leaving, me));
    CHECK(db.violations() == "");
}
