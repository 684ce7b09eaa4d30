#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

// One job under one limit, and an instance that keeps slots of however small a limit.
struct kept_fixture {
    explicit kept_fixture(int max_running) : limit(db.limit(max_running, {job})) {}

    // What one statement claims within the offer.
    std::vector<storage::claimed_extent> claim_within(std::int64_t free, instance_id who, int budget = 100)
    {
        storage::slot_offer offer{1};
        if (free > 0) offer.free.push_back({{limit}, free});
        return storage::claim_next(db.service(), who, {}, 16, budget, false, &offer).extents;
    }
    std::vector<storage::claimed_extent> claim_within(std::int64_t free, int budget = 100) { return claim_within(free, me, budget); }
    void submit(int n) { submission().extent(job, n).commit(db.service()); }
    void end(const std::vector<storage::claimed_extent>& extents, instance_id who)
    {
        for (const auto& x : extents) REQUIRE(ends(x).all(ids_in(x.lo, x.hi)).commit(db.service(), who).empty());
    }
    std::string of_limit(std::string_view what) { return db.value(fmt::format("select {} from limits where limit_id = {}", what, limit)); }
    // Does it note that it lacks what others keep?
    bool wants(instance_id who)
    {
        storage::want_slots(db.service(), who);
        return !of_limit("wanted_at").empty();
    }
    std::string kept_by(instance_id who) { return db.value(fmt::format("select sum(n) from kept_slots where instance_id = {} and limit_id = {}", who.value, limit)); }

    queue_database db;
    queue_job job = db.job("a");
    int limit;
    instance_id me = db.instance(1h);
};

int total(const std::vector<storage::claimed_extent>& extents)
{
    int n = 0;
    for (const auto& x : extents) n += x.remaining;
    return n;
}

}

TEST_CASE("slots that are kept go from what has ended to what is claimed next, and their limit is not written", "[pg][limits][kept_slots]")
{
    kept_fixture f(5);
    f.submit(20);
    const auto first = f.claim_within(0);
    CHECK(total(first) == 5);
    REQUIRE(first.size() == 1);
    REQUIRE(first[0].kept.size() == 1);
    CHECK(first[0].kept[0].value == f.limit);
    CHECK(f.of_limit("in_use") == "5");
    CHECK(f.kept_by(f.me) == "5");
    const auto written = f.of_limit("xmin");

    f.end(first, f.me);
    const auto second = f.claim_within(5);
    CHECK(total(second) == 5);
    CHECK(f.claim_within(0).empty());
    f.end(second, f.me);
    CHECK(total(f.claim_within(5, 3)) == 3);
    CHECK(f.of_limit("xmin") == written);
    CHECK(f.of_limit("in_use") == "5");
    CHECK(f.db.violations() == "");
}

TEST_CASE("what an offer does not cover is taken, and kept as well", "[pg][limits][kept_slots]")
{
    kept_fixture f(8);
    f.submit(20);
    const auto first = f.claim_within(0, 3);
    f.end(first, f.me);
    CHECK(total(f.claim_within(3)) == 8);
    CHECK(f.of_limit("in_use") == "8");
    CHECK(f.kept_by(f.me) == "8");
    CHECK(f.db.violations() == "");
}

TEST_CASE("what may not use slots that are kept does not wait behind what may: they are kept no more", "[pg][limits][kept_slots]")
{
    kept_fixture f(10);
    f.submit(30);
    f.end(f.claim_within(0), f.me);
    const auto small = f.db.job("small");
    f.db.rows(fmt::format("update lanes set limit_ids = array[{}, {}] where lane_id = {}", f.limit, f.db.limit(3, {small}), small.lane.value));
    f.db.rows("update limits set rejects = true where max_running = 3");
    submission sent;
    sent.extent(small, 5, {.priority = 100}).commit(f.db.service());
    storage::slot_offer offer{1, 0, {{{f.limit}, 10}}};
    const auto got = storage::claim_next(f.db.service(), f.me, {}, 16, 100, false, &offer).extents;
    CHECK(total(got) == 10);
    int of_small = 0;
    for (const auto& x : got) {
        CHECK(x.kept.empty() == (x.lane == small.lane));
        if (x.lane == small.lane) of_small += x.remaining;
    }
    CHECK(of_small == 3);
    CHECK(f.of_limit("in_use") == "10");
    CHECK(f.kept_by(f.me) == "7");
    REQUIRE(offer.kept.size() == 1);
    CHECK(offer.kept[0].n == 7);
    CHECK(f.db.violations() == "");
    f.end(got, f.me);
    CHECK(f.of_limit("in_use") == "7");
    CHECK(f.db.violations() == "");
}

TEST_CASE("a limit that is set lower than what is kept lets nothing start until it has drained", "[pg][limits][kept_slots]")
{
    kept_fixture f(8);
    f.submit(30);
    f.end(f.claim_within(0), f.me);
    f.db.rows(fmt::format("update limits set max_running = 3, drains_from = in_use where limit_id = {}", f.limit));
    CHECK(f.claim_within(8).empty());
    storage::give_up_kept_slots(f.db.service(), f.me, 0, {{{f.limit}, 8}});
    CHECK(f.of_limit("in_use") == "0");
    CHECK(f.of_limit("drains_from") == "");
    CHECK(total(f.claim_within(0)) == 3);
    CHECK(f.db.violations() == "");
}

TEST_CASE("what one instance keeps another may want, and for a while nobody uses what he keeps", "[pg][limits][kept_slots]")
{
    kept_fixture f(4);
    const auto other = f.db.instance(1h);
    f.submit(30);
    f.end(f.claim_within(0), f.me);
    CHECK(f.claim_within(0, other).empty());
    storage::want_slots(f.db.service(), other);
    // What it uses now is kept no more, and free for all at its end.
    const auto mine = f.claim_within(4, 1);
    REQUIRE(total(mine) == 1);
    CHECK(mine[0].kept.empty());
    CHECK(f.kept_by(f.me) == "3");
    CHECK(f.of_limit("in_use") == "4");
    f.end(mine, f.me);
    storage::give_up_kept_slots(f.db.service(), f.me, 0, {{{f.limit}, 3}});
    const auto theirs = f.claim_within(0, other, 2);
    REQUIRE(total(theirs) == 2);
    CHECK(theirs[0].kept.empty());
    f.db.move_clock(2s);
    CHECK_FALSE(f.claim_within(0)[0].kept.empty());
    CHECK(f.of_limit("in_use") == "4");
    CHECK(f.db.violations() == "");

    // Nobody has to give up what he uses, or what nobody else keeps.
    storage::want_slots(f.db.service(), f.me);
    CHECK(f.of_limit("wanted_at < clock() - interval '1 second'") == "t");
}

TEST_CASE("who keeps an equal part of a limit does not want what another keeps", "[pg][limits][kept_slots]")
{
    kept_fixture f(10);
    const auto other = f.db.instance(1h);
    f.submit(30);
    REQUIRE(total(f.claim_within(0, 6)) == 6);
    REQUIRE(total(f.claim_within(0, other)) == 4);
    CHECK_FALSE(f.wants(f.me));
    CHECK(f.wants(other));
}

TEST_CASE("of a limit that is smaller than its instances are many, who keeps nothing wants one", "[pg][limits][kept_slots]")
{
    kept_fixture f(2);
    const auto second = f.db.instance(1h);
    const auto third = f.db.instance(1h);
    f.submit(30);
    REQUIRE(total(f.claim_within(0, 1)) == 1);
    REQUIRE(total(f.claim_within(0, second, 1)) == 1);
    CHECK_FALSE(f.wants(second));
    CHECK(f.wants(third));
}

TEST_CASE("what a dead instance kept is kept until the last of its work has been taken over", "[pg][limits][kept_slots]")
{
    kept_fixture f(6);
    const auto victim = f.db.instance(10s);
    f.submit(6);
    CHECK(total(f.claim_within(0, victim)) == 6);
    f.db.move_clock(1min);
    REQUIRE(storage::declare_dead(f.db.service(), f.me, false) == 1);
    // It knows nothing any more of what runs in its name.
    storage::give_up_kept_slots(f.db.service(), victim, 0, {{{f.limit}, 6}});
    CHECK(storage::takeover(f.db.service(), f.me, priority_age, 4) == 4);
    CHECK(f.of_limit("in_use") == "6");
    CHECK(f.claim_within(0).empty());
    CHECK(f.db.violations() == "");
    CHECK(storage::takeover(f.db.service(), f.me, priority_age, 4) == 2);
    CHECK(storage::takeover(f.db.service(), f.me, priority_age, 4) == 0);
    CHECK(f.of_limit("in_use") == "0");
    CHECK(f.kept_by(victim) == "");
    CHECK(total(f.claim_within(0)) == 6);
    // It has been taken from him: giving it up once more changes nothing.
    storage::give_up_kept_slots(f.db.service(), victim, 0, {{{f.limit}, 6}});
    CHECK(f.of_limit("in_use") == "6");
    CHECK(f.db.violations() == "");
}

TEST_CASE("an instance that leaves keeps nothing", "[pg][limits][kept_slots]")
{
    kept_fixture f(6);
    f.submit(6);
    f.end(f.claim_within(0), f.me);
    REQUIRE(f.of_limit("in_use") == "6");
    REQUIRE(f.db.value(fmt::format("select leave_cluster_1({})", f.me.value)) == "t");
    CHECK(f.of_limit("in_use") == "0");
    CHECK(f.db.value("select count(*) from kept_slots") == "0");
    CHECK(f.db.violations() == "");
}

TEST_CASE("what is handed back within slots that are kept leaves them to its owner", "[pg][limits][kept_slots]")
{
    kept_fixture f(6);
    f.submit(6);
    const auto got = f.claim_within(0);
    CHECK(hand_back(f.db.service(), f.me, got.at(0)) == 6);
    CHECK(f.of_limit("in_use") == "6");
    CHECK(total(f.claim_within(6)) == 6);
    CHECK(f.of_limit("in_use") == "6");
    CHECK(f.db.violations() == "");
}

TEST_CASE("nothing is kept of a small limit, nor of one that refuses, counts starts or shares out a resource", "[pg][limits][kept_slots]")
{
    kept_fixture f(50);
    const auto set = [&f](std::string_view what) { f.db.rows(fmt::format("update limits set {} where limit_id = {}", what, f.limit)); };
    storage::slot_offer offer{1};
    SECTION("small") { offer.least = 51; }
    SECTION("it refuses") { set("rejects = true"); }
    SECTION("it counts starts") { set("rate_starts = 50, rate_period = '1 minute'"); }
    SECTION("a resource") { set("scope = 'pool_cpu_cores'"); }
    SECTION("another limit of the lane is such") { f.db.rows(fmt::format("update limits set rejects = true where limit_id = {}", f.db.limit(60, {f.job}))); }
    f.submit(10);
    const auto got = storage::claim_next(f.db.service(), f.me, {}, 16, 100, false, &offer).extents;
    REQUIRE(total(got) == 10);
    CHECK(got[0].kept.empty());
    CHECK(f.of_limit("in_use") == "10");
    f.end(got, f.me);
    CHECK(f.of_limit("in_use") == "0");
    CHECK(f.db.value("select count(*) from kept_slots") == "0");
    CHECK(f.db.value("select count(*) from violations() where rule <> 'a lane has other limits than are set'") == "0");
}

TEST_CASE("a limit that comes counts what runs within slots that are kept, and one that goes is forgotten", "[pg][limits][kept_slots]")
{
    kept_fixture f(50);
    f.submit(10);
    const auto got = f.claim_within(0);
    f.db.rows("select put_limit_1('global', 0, 'all', 100, false, null, null, null, 'test')");
    CHECK(f.db.value("select in_use from limits where scope = 'global'") == "10");
    CHECK(f.of_limit("in_use") == "10");
    f.end(got, f.me);
    CHECK(f.db.value("select in_use from limits where scope = 'global'") == "0");
    CHECK(f.of_limit("in_use") == "10");
    CHECK(f.db.violations() == "");

    f.submit(5);
    CHECK(total(f.claim_within(0)) == 5);
    CHECK(f.db.value("select count(*) from kept_slots k join limits using (limit_id) where scope = 'global' and n = 5") == "1");
    f.db.rows("select delete_limit_1('global', 0, 'all', 'test')");
    CHECK(f.db.value("select count(*) from kept_slots") == "1");
    CHECK(f.db.violations() == "");
}

TEST_CASE("a claim, or what is given up, that comes through after its doubt was resolved does nothing", "[pg][limits][kept_slots]")
{
    kept_fixture f(6);
    f.submit(20);
    f.end(f.claim_within(0, 4), f.me);
    const int epoch = storage::begin_epoch(f.db.service(), f.me);
    CHECK(epoch == 1);
    CHECK(f.claim_within(4).empty());
    storage::give_up_kept_slots(f.db.service(), f.me, 0, {{{f.limit}, 4}});
    CHECK(f.kept_by(f.me) == "4");
    storage::slot_offer offer{1, epoch, {{{f.limit}, 4}}};
    CHECK(total(storage::claim_next(f.db.service(), f.me, {}, 16, 3, false, &offer).extents) == 3);
    storage::give_up_kept_slots(f.db.service(), f.me, epoch, {{{f.limit}, 1}});
    CHECK(f.kept_by(f.me) == "3");
    CHECK(f.of_limit("in_use") == "3");
    CHECK(f.db.violations() == "");
}
