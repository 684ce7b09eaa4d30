#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <map>
#include <set>

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
    const auto seen = storage::see_lanes(db.service(), me, {lane_id{}}, 16);
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
    const auto first = storage::see_lanes(db.service(), me, {lane_id{}}, 2);
    REQUIRE(first.lanes.size() == 2);
    CHECK(first.lanes[0].lane == paused.lane);
    CHECK_FALSE(first.lanes[0].open);
    CHECK(first.lanes[1].open);
    CHECK(first.lanes[1].waiting == 2);
    REQUIRE(first.next);
    CHECK(first.next->after == a.lane);
    const auto second = storage::see_lanes(db.service(), me, *first.next, 2);
    REQUIRE(second.lanes.size() == 1);
    CHECK(second.lanes[0].weight == 3);
    CHECK(second.lanes[0].waiting == 7);
    CHECK_FALSE(second.next);
}

TEST_CASE("a rank in microseconds is exact: what it is a floor for begins there", "[pg][queue][fairness]")
{
    queue_database db;
    CHECK(db.value("select count(*) from (select '1990-01-01 UTC'::timestamptz + k * interval '10957 seconds' + (k * 7919 % 1000000) * interval '1 microsecond' as at from generate_series(1, 200000) k) x "
                   "where micros(at) <> extract(epoch from at) * 1000000") == "0");
}

TEST_CASE("each instance begins to look at another place, and goes round", "[pg][queue][fairness]")
{
    queue_database db;
    submission work;
    std::set<int> all;
    for (int i = 0; i < 40; ++i) {
        const auto job = db.job(fmt::format("job-{}", i));
        work.extent(job, 1);
        all.insert(job.lane.value);
    }
    work.commit(db.service());
    std::set<int> places;
    const std::vector instances{db.instance(), db.instance(), db.instance(), db.instance()};
    for (const auto me : instances) {
        auto page = storage::see_lanes(db.service(), me, {}, 7);
        REQUIRE(page.next);
        CHECK(places.insert(page.next->began.value).second);
        std::vector<int> seen;
        for (;;) {
            for (const auto& each : page.lanes) seen.push_back(each.lane.value);
            if (!page.next) break;
            page = storage::see_lanes(db.service(), me, *page.next, 7);
        }
        CHECK(seen.size() == all.size());
        CHECK(std::set<int>(seen.begin(), seen.end()) == all);
    }
    int last = *places.begin() - 10;
    for (const int place : places) {
        CHECK(place - last == 10);
        last = place;
    }
}

TEST_CASE("the lanes with work are found whether they have little each or much", "[pg][queue][fairness]")
{
    queue_database db;
    const auto made = db.job("first");
    // 300 lanes with little, one with much among them, and then 40 of which each has much.
    for (int i = 1; i <= 340; ++i) db.job(fmt::format("job-{}", i));
    db.rows(fmt::format("insert into extents (lo, hi, lane_id, rank, eligible_at, priority, ready, remaining) "
                        "select x.id, x.id, l.lane_id, clock() - x.k * interval '1 second', clock(), 500, true, l.lane_id % 3 + 1 "
                        "from lanes l, lateral (select gen_random_uuid() as id, k from generate_series(1, case when l.lane_id = {0} + 150 or l.lane_id > {0} + 300 then 50 else l.lane_id % 2 end) k) x",
                        made.lane.value));
    const std::string expected = "select string_agg(x.lane_id || ' ' || x.rank || ' ' || x.remaining, ',' order by x.lane_id) from (select * from (select distinct on (lane_id) * from extents where "
                                 "lane_id > {0} and lane_id <= {1} order by lane_id, rank) y order by lane_id limit {2}) x";
    const std::string found = "select string_agg(u.l || ' ' || u.r || ' ' || u.n, ',' order by k) from lanes_with_work({0}, {1}, {2}) w, unnest(w.lanes, w.ranks, w.fronts) with ordinality u (l, r, n, k)";
    for (const auto& [after, until, lanes] : {std::tuple{0, 1'000'000, 1000}, {0, 1'000'000, 20}, {0, 100, 1000}, {120, 1'000'000, 60}, {made.lane.value + 300, 1'000'000, 1000}, {250, 251, 5}, {5000, 6000, 5}}) {
        CAPTURE(after, until, lanes);
        CHECK(db.value(fmt::format(fmt::runtime(found), after, until, lanes)) == db.value(fmt::format(fmt::runtime(expected), after, until, lanes)));
    }
}

TEST_CASE("of a share so many extents of each lane are taken as it says, the best, and no more executions than it has", "[pg][queue][fairness]")
{
    queue_database db;
    const auto a = db.job("a");
    const auto b = db.job("b", {.tenant = db.tenant("acme")});
    const auto me = db.instance();
    submission work;
    for (int i = 0; i < 5; ++i) work.extent(a, 3, {.priority = static_cast<std::int16_t>(500 + i)}).extent(b, 3);
    work.commit(db.service());
    auto some = share({a}, 100);
    some.extents = 2;
    CHECK(by_lane(storage::claim_shares(db.service(), me, {some, share({b}, 8)}, 100)) == std::map<int, int>{{a.lane.value, 6}, {b.lane.value, 8}});
    CHECK(db.value(fmt::format("select min(priority) from extents where owner = {} and lane_id = {}", me.value, a.lane.value)) == "503");
    some.most = 4;
    CHECK(by_lane(storage::claim_shares(db.service(), me, {some}, 100)) == std::map<int, int>{{a.lane.value, 4}});
    CHECK(by_lane(storage::claim_shares(db.service(), me, {some}, 3)) == std::map<int, int>{{a.lane.value, 3}});
    CHECK(db.violations() == "");
}

TEST_CASE("what all can be started at once is claimed on sight, and nothing of it where it has to be shared out", "[pg][queue][fairness][limits]")
{
    queue_database db;
    std::vector<queue_job> jobs;
    for (int i = 0; i < 12; ++i) jobs.push_back(db.job(fmt::format("job-{}", i), {.tenant = db.tenant(fmt::format("tenant-{}", i))}));
    const auto me = db.instance();
    const storage::lane_span all{lane_id{}};
    const auto see = [&](int budget) { return storage::see_lanes(db.service(), me, all, 100, nullptr, budget); };
    submission work;
    for (const auto& each : jobs) work.extent(each, 2);
    work.commit(db.service());
    // Where neither is, the rows of the lanes say all.
    const bool weighted = GENERATE(false, true);
    const bool paused = GENERATE(false, true);
    if (weighted) db.rows(fmt::format("update tenants set weight = 5 where tenant_key = {}", jobs[3].tenant.value));
    if (paused) db.rows(fmt::format("update lanes set paused = true where lane_id = {}", jobs[5].lane.value));

    SECTION("all of it")
    {
        const auto seen = see(1000);
        REQUIRE(seen.lanes.size() == jobs.size());
        CHECK(seen.extents.size() == jobs.size() - (paused ? 1 : 0));
        for (const auto& each : seen.lanes) {
            const auto job = std::find_if(jobs.begin(), jobs.end(), [&](const auto& one) { return one.lane == each.lane; });
            REQUIRE(job != jobs.end());
            const bool rests = paused && job == jobs.begin() + 5;
            CHECK(each.open == !rests);
            CHECK(each.tenant == (rests ? tenant_key{} : job->tenant));
            CHECK(each.weight == (weighted && job == jobs.begin() + 3 ? 5 : 1));
            CHECK(each.waiting == 2);
        }
        for (const auto& x : seen.extents) {
            CHECK(x.remaining == 2);
            CHECK(x.fence == rowlock::fence{1});
        }
        CHECK(seen.on_sight);
        CHECK(db.value(fmt::format("select count(*) from extents where owner = {}", me.value)) == std::to_string(seen.extents.size()));
        CHECK(see(1000).extents.empty());
    }
    SECTION("nothing without a budget, or with too small a one")
    {
        CHECK(see(0).extents.empty());
        CHECK(see(20).extents.empty());
    }
    SECTION("nothing where a tenant would get more than one in 256 of the budget") { CHECK(see(511).extents.empty()); }
    SECTION("nothing after its doubts")
    {
        storage::begin_epoch(db.service(), me);
        CHECK(see(1000).extents.empty());
    }
    SECTION("nothing where a lane has more than one extent")
    {
        submission().extent(jobs[0], 1).commit(db.service());
        CHECK(see(1000).extents.empty());
    }
    SECTION("nothing where a limit has to be asked")
    {
        db.limit(100, {jobs[7]});
        CHECK(see(1000).extents.empty());
    }
    SECTION("nothing for an instance that is drained")
    {
        db.rows(fmt::format("select drain_1({}, true, 'test', 'test')", me.value));
        CHECK(see(1000).extents.empty());
    }
    SECTION("nothing for one without a lease")
    {
        db.rows(fmt::format("update instances set lease_until = clock() - interval '1 s' where instance_id = {}", me.value));
        CHECK_THROWS_AS(see(1000), storage::lease_lost_error);
    }
    SECTION("what another holds is left to it")
    {
        pqxx::connection other(db.url());
        pqxx::work holds(other);
        holds.exec(fmt::format("select from rowlock.extents where lane_id = {} for update", jobs[2].lane.value));
        const auto seen = see(1000);
        CHECK(seen.extents.size() == jobs.size() - (paused ? 2 : 1));
        CHECK(seen.lanes.size() == jobs.size());
    }
    CHECK(db.violations() == "");
}
