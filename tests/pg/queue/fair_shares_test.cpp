#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <map>

using namespace rowlock;
using namespace rowlock::test;

namespace {

std::map<int, int> by_lane(const std::vector<storage::claimed_extent>& extents)
{
    std::map<int, int> n;
    for (const auto& x : extents) n[x.lane.value] += x.remaining;
    return n;
}

storage::claim_share share(std::vector<queue_job> jobs, int most)
{
    storage::claim_share made{{}, most};
    for (const auto& each : jobs) made.lanes.emplace_back(each.lane, std::nullopt);
    return made;
}

}

TEST_CASE("a fair claim takes nothing where several tenants have work, and says whose the lanes are", "[pg][queue][fairness]")
{
    queue_database db;
    const auto a = db.job("a");
    const auto b = db.job("b", {.tenant = db.tenant("acme")});
    const auto me = db.instance();
    submission().extent(a, 3).commit(db.service());
    CHECK(storage::claim_next(db.service(), me, {}, 16, 1, true).extents.size() == 1);
    submission().extent(b, 3).commit(db.service());
    const auto answer = storage::claim_next(db.service(), me, {}, 16, 100, true);
    CHECK(answer.extents.empty());
    REQUIRE(answer.lanes.size() == 2);
    CHECK(answer.lanes[0].tenant == a.tenant);
    CHECK(answer.lanes[1].tenant == b.tenant);
    // Who does not share takes the best ranks.
    CHECK(storage::claim_next(db.service(), me, {}, 16, 100).extents.size() == 2);
}

TEST_CASE("each tenant gets its share, the best ranks of its lanes first, and extents are cut where shares end", "[pg][queue][fairness]")
{
    queue_database db;
    const auto acme = db.tenant("acme");
    const auto a = db.job("a");
    const auto urgent = db.job("urgent");
    const auto b = db.job("b", {.tenant = acme});
    const auto me = db.instance();
    submission().extent(a, 1000).extent(urgent, 3, {.priority = 900}).extent(b, 4).commit(db.service());
    auto got = by_lane(storage::claim_shares(db.service(), me, {share({a, urgent}, 10), share({b}, 10)}, 100));
    CHECK(got == std::map<int, int>{{urgent.lane.value, 3}, {a.lane.value, 7}, {b.lane.value, 4}});
    CHECK(db.violations() == "");
    // The budget ends it, whatever the shares.
    got = by_lane(storage::claim_shares(db.service(), me, {share({b}, 10), share({a}, 10), share({urgent}, 10)}, 5));
    CHECK(got == std::map<int, int>{{a.lane.value, 5}});
    CHECK(db.violations() == "");
}

TEST_CASE("shares are within limits, and what a limit keeps back is not taken", "[pg][queue][fairness][limits]")
{
    queue_database db;
    const auto a = db.job("a");
    const auto b = db.job("b", {.tenant = db.tenant("acme")});
    const int both = db.limit(6, {a, b});
    const int only_a = db.limit(2, {a});
    const auto me = db.instance();
    submission().extent(a, 100).extent(b, 100).commit(db.service());
    const auto got = by_lane(storage::claim_shares(db.service(), me, {share({a}, 10), share({b}, 10)}, 100));
    CHECK(got == std::map<int, int>{{a.lane.value, 2}, {b.lane.value, 4}});
    CHECK(db.value(fmt::format("select in_use from limits where limit_id = {}", both)) == "6");
    CHECK(db.value(fmt::format("select in_use from limits where limit_id = {}", only_a)) == "2");
    CHECK(db.violations() == "");
    const auto seen = storage::see_lanes(db.service(), me, {}, 16);
    REQUIRE(seen.lanes.size() == 2);
    CHECK_FALSE(seen.lanes[0].open);
    CHECK_FALSE(seen.lanes[1].open);
}

TEST_CASE("a look at the lanes says what may start, by weight and front, in pages", "[pg][queue][fairness]")
{
    queue_database db;
    const auto acme = db.tenant("acme");
    db.rows(fmt::format("update tenants set weight = 3 where tenant_key = {}", acme.value));
    const auto paused = db.job("paused");
    const auto a = db.job("a");
    const auto b = db.job("b", {.tenant = acme});
    db.rows(fmt::format("update lanes set paused = true where lane_id = {}", paused.lane.value));
    const auto me = db.instance();
    submission().extent(paused, 5).extent(a, 2).extent(b, 7).commit(db.service());
    const auto first = storage::see_lanes(db.service(), me, {}, 2);
    REQUIRE(first.lanes.size() == 2);
    CHECK(first.lanes[0].lane == paused.lane);
    CHECK_FALSE(first.lanes[0].open);
    CHECK(first.lanes[1].open);
    CHECK(first.lanes[1].waiting == 2);
    CHECK(first.next_after == a.lane);
    const auto second = storage::see_lanes(db.service(), me, first.next_after, 2);
    REQUIRE(second.lanes.size() == 1);
    CHECK(second.lanes[0].weight == 3);
    CHECK(second.lanes[0].waiting == 7);
    CHECK(second.next_after == lane_id{});
}
