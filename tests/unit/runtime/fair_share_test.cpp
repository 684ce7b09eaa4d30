#include "runtime/limits/fair_share.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>
#include <random>

using namespace rowlock;
using namespace rowlock::runtime;

namespace {

constexpr std::size_t many_lanes = 256;

timestamp at(int second) { return timestamp{std::chrono::seconds{1'000'000 + second}}; }

void see(fair_share& fair, const std::vector<storage::waiting_lane>& lanes)
{
    fair.begin_round();
    fair.seen(lanes);
    fair.end_round();
}

// A queue beside the core: what waits in each lane, and what runs. A lane holds one extent.
struct toy_queue {
    struct lane {
        tenant_key tenant;
        int weight = 1;
        int waiting = 0;
        int rank = 0;
    };
    std::vector<lane> lanes{};
    std::unordered_map<tenant_key, int> running{};
    std::unordered_map<tenant_key, int> started{};

    std::vector<storage::waiting_lane> seen() const
    {
        std::vector<storage::waiting_lane> found;
        for (std::size_t i = 0; i < lanes.size(); ++i) {
            if (lanes[i].waiting > 0) found.push_back({{static_cast<int>(i) + 1}, lanes[i].tenant, lanes[i].weight, at(lanes[i].rank), lanes[i].waiting});
        }
        return found;
    }
    int running_of(tenant_key tenant) const
    {
        const auto found = running.find(tenant);
        return found == running.end() ? 0 : found->second;
    }
    // What the statement does: tenant by tenant, the best ranks first, until the budget is used up.
    std::vector<storage::claimed_extent> claim(const std::vector<tenant_share>& shares, int budget)
    {
        std::vector<storage::claimed_extent> got;
        for (const auto& share : shares) {
            int most = share.most;
            for (const auto& each : share.lanes) {
                lane& from = lanes[static_cast<std::size_t>(each.lane.value) - 1];
                const int n = std::min({most, budget, from.waiting});
                if (n == 0) continue;
                from.waiting -= n;
                most -= n;
                budget -= n;
                running[from.tenant] += n;
                started[from.tenant] += n;
                got.push_back({{}, {}, each.lane, {1}, n, {}});
            }
        }
        return got;
    }
    int claim(fair_share& fair, int budget)
    {
        const auto asked = fair.choose(budget, many_lanes, [this](tenant_key tenant) { return running_of(tenant); });
        const auto got = claim(asked, budget);
        fair.claimed(asked, got, budget);
        return std::accumulate(got.begin(), got.end(), 0, [](int n, const auto& each) { return n + each.remaining; });
    }
};

}

TEST_CASE("a tenant with much work leaves one with little its share", "[unit][fairness]")
{
    toy_queue queue{{{{1}, 1, 1'000'000, 0}, {{2}, 1, 10, 5}}};
    fair_share fair;
    see(fair, queue.seen());
    CHECK(queue.claim(fair, 8) == 8);
    CHECK(queue.started[tenant_key{1}] == 4);
    CHECK(queue.started[tenant_key{2}] == 4);
    queue.running.clear();
    // What the second does not use is the first's.
    CHECK(queue.claim(fair, 100) + queue.claim(fair, 34) == 90);
    CHECK(queue.started[tenant_key{2}] == 10);
}

TEST_CASE("of two tenants the one with less running goes first, by weight", "[unit][fairness]")
{
    toy_queue queue{{{{1}, 3, 1000, 0}, {{2}, 1, 1000, 0}}, {{{1}, 6}, {{2}, 0}}};
    fair_share fair;
    see(fair, queue.seen());
    // 6 run already: of 12 a tenant of weight 3 gets 9, so three more.
    CHECK(queue.claim(fair, 6) == 6);
    CHECK(queue.running[tenant_key{1}] == 9);
    CHECK(queue.running[tenant_key{2}] == 3);
}

TEST_CASE("one slot at a time goes round by weight", "[unit][fairness]")
{
    toy_queue queue{{{{1}, 2, 1000, 0}, {{2}, 1, 1000, 0}, {{3}, 1, 1000, 0}}};
    fair_share fair;
    see(fair, queue.seen());
    for (int i = 0; i < 400; ++i) {
        queue.running.clear();                       // each ends before the next begins
        CHECK(queue.claim(fair, 1) == 1);
    }
    CHECK(std::abs(queue.started[tenant_key{1}] - 200) <= 2);
    CHECK(std::abs(queue.started[tenant_key{2}] - 100) <= 2);
    CHECK(std::abs(queue.started[tenant_key{3}] - 100) <= 2);
}

TEST_CASE("who comes back begins where the others are, and makes nothing up", "[unit][fairness]")
{
    toy_queue queue{{{{1}, 1, 10'000, 0}, {{2}, 1, 0, 0}}};
    fair_share fair;
    see(fair, queue.seen());
    for (int i = 0; i < 1000; ++i) {
        queue.running.clear();
        queue.claim(fair, 1);
    }
    queue.lanes[1].waiting = 1000;
    see(fair, queue.seen());
    for (int i = 0; i < 100; ++i) {
        queue.running.clear();
        queue.claim(fair, 1);
    }
    CHECK(std::abs(queue.started[tenant_key{2}] - 50) <= 2);
}

TEST_CASE("the best ranks of a tenant come first, in whichever of its lanes", "[unit][fairness]")
{
    fair_share fair;
    see(fair, {{{1}, {1}, 1, at(9), 1}, {{2}, {1}, 1, at(1), 1}, {{3}, {1}, 1, at(5), 1}, {{4}, {2}, 1, at(0), 1}});
    const auto chosen = fair.choose(4, many_lanes, [](tenant_key) { return 0; });
    REQUIRE(chosen.size() == 2);
    const auto& first = chosen[0].tenant == tenant_key{1} ? chosen[0] : chosen[1];
    REQUIRE(first.lanes.size() == 2);
    CHECK(first.lanes[0].lane == lane_id{2});
    CHECK(first.lanes[1].lane == lane_id{3});
}

TEST_CASE("what may not start now is passed over, and so is a tenant that got nothing until it is seen again", "[unit][fairness]")
{
    fair_share fair;
    see(fair, {{{1}, {1}, 1, at(0), 5, false}, {{2}, {2}, 1, at(1), 5}, {{3}, {3}, 1, at(2), 5}});
    CHECK(fair.tenants() == 2);
    const auto asked = fair.choose(10, many_lanes, [](tenant_key) { return 0; });
    fair.claimed(asked, {{{}, {}, {3}, {1}, 5, {}}}, 10);
    CHECK(fair.tenants() == 1);
    const auto next = fair.choose(10, many_lanes, [](tenant_key) { return 0; });
    REQUIRE(next.size() == 1);
    CHECK(next[0].tenant == tenant_key{3});
}

TEST_CASE("few executions of each of many tenants are gathered until the budget is reached, or the lanes are too many", "[unit][fairness]")
{
    std::vector<storage::waiting_lane> lanes;
    for (int i = 1; i <= 1000; ++i) lanes.push_back({{i}, {i}, 1, at(i), 1});
    fair_share fair;
    see(fair, lanes);
    CHECK(fair.choose(100, many_lanes, [](tenant_key) { return 0; }).size() == 100);
    CHECK(fair.choose(2000, many_lanes, [](tenant_key) { return 0; }).size() == many_lanes);
}

TEST_CASE("between the pages of a round what is known is claimed, and its end leaves what was claimed away", "[unit][fairness]")
{
    const auto nothing_runs = [](tenant_key) { return 0; };
    fair_share fair;
    fair.begin_round();
    fair.seen({{{1}, {1}, 1, at(0), 1}, {{2}, {2}, 1, at(1), 5}});
    CHECK(fair.tenants() == 2);
    const auto asked = fair.choose(10, many_lanes, nothing_runs);
    REQUIRE(asked.size() == 2);
    fair.claimed(asked, {{{}, {}, {1}, {1}, 1, {}}, {{}, {}, {2}, {1}, 5, {}}}, 10);
    CHECK(fair.tenants() == 1);                      // the second has got all of its share, and may have more
    fair.seen({{{3}, {2}, 1, at(-1), 5}, {{4}, {3}, 1, at(2), 1}, {{5}, {4}, 1, at(2), 1, false}});
    fair.end_round();
    CHECK(fair.tenants() == 2);
    CHECK(fair.tenants_seen() == 3);
    const auto next = fair.choose(10, many_lanes, nothing_runs);
    REQUIRE(next.size() == 2);
    CHECK(next[0].tenant == tenant_key{3});          // less served
    CHECK(next[1].tenant == tenant_key{2});
    CHECK(next[1].lanes.front().lane == lane_id{3}); // the best of its ranks, in whichever page
    fair.begin_round();
    fair.end_round();
    CHECK(fair.empty());
    CHECK(fair.tenants_seen() == 0);
}

TEST_CASE("who is equal is served in the order in which he was seen", "[unit][fairness]")
{
    fair_share fair;
    see(fair, {{{7}, {7}, 1, at(0), 1}, {{8}, {2}, 1, at(1), 1}, {{1}, {9}, 1, at(2), 1}});
    std::vector<int> order;
    for (const auto& each : fair.choose(3, many_lanes, [](tenant_key) { return 0; })) order.push_back(each.tenant.value);
    CHECK(order == std::vector{7, 2, 9});
}

TEST_CASE("beside those between whom the budget is shared each gets few extents, and who had so many may have more", "[unit][fairness]")
{
    std::vector<storage::waiting_lane> lanes;
    for (int i = 1; i <= 30; ++i) lanes.push_back({{i}, {i}, 1, at(i), 1});
    fair_share fair;
    see(fair, lanes);
    const auto asked = fair.choose(100, many_lanes, [](tenant_key) { return 0; });
    REQUIRE(asked.size() == 30);
    CHECK_FALSE(asked.front().extents);
    REQUIRE(asked.back().extents);
    const int few = *asked.back().extents;
    std::vector<storage::claimed_extent> got;
    for (const auto& one : asked) {
        const int n = one.tenant == tenant_key{30} ? few : 1;
        for (int i = 0; i < n; ++i) got.push_back({{}, {}, one.lanes.front().lane, {1}, 1, {}});
    }
    fair.claimed(asked, got, 100);
    const auto next = fair.choose(100, many_lanes, [](tenant_key) { return 0; });
    REQUIRE(next.size() == 1);
    CHECK(next[0].tenant == tenant_key{30});
}

// The promise as a distribution: 10,000 tenants of different weights with all kinds of amounts of work, and jobs of all kinds of lengths.
TEST_CASE("ten thousand tenants get their shares while they have work", "[unit][fairness]")
{
    constexpr int tenants = 10'000;
    constexpr int slots = 2000;
    const unsigned seed = GENERATE(1U, 2U);
    const std::size_t page = GENERATE(std::size_t{tenants}, std::size_t{2048});      // lanes
    CAPTURE(seed, page);
    std::mt19937 dice(seed);
    toy_queue queue;
    for (int i = 1; i <= tenants; ++i) {
        const int weight = i % 10 == 0 ? 4 : 1;
        // One in a hundred has a million, the others have up to ten.
        queue.lanes.push_back({{i}, weight, i % 100 == 1 ? 1'000'000 : std::uniform_int_distribution<int>(1, 10)(dice), std::uniform_int_distribution<int>(0, 1000)(dice)});
    }
    const auto all = queue.lanes;
    fair_share fair;
    std::vector<storage::waiting_lane> lanes;        // still to be seen in this round
    int free = slots;
    std::int64_t served = 0;
    double last_small_done = 0;
    for (int step = 0; step < 300; ++step) {
        // As the claimer does: it looks on until enough tenants are known.
        if (step % 10 == 0) {
            if (step > 0) fair.end_round();
            fair.begin_round();
            lanes = queue.seen();
        }
        while (!lanes.empty() && fair.tenants() < many_lanes) {
            const auto first = lanes.begin();
            const auto last = first + static_cast<std::ptrdiff_t>(std::min(page, lanes.size()));
            fair.seen({first, last});
            lanes.erase(first, last);
        }
        const int got = free > 0 ? queue.claim(fair, free) : 0;
        free -= got;
        served += got;
        // Some of what runs ends.
        for (auto& [tenant, n] : queue.running) {
            const int ended = std::binomial_distribution<int>(n, 0.3)(dice);
            n -= ended;
            free += ended;
        }
        std::erase_if(queue.running, [](const auto& each) { return each.second == 0; });
        const bool small_left = std::any_of(queue.lanes.begin(), queue.lanes.end(), [](const auto& each) { return each.waiting > 0 && each.waiting <= 10; });
        if (small_left) last_small_done = static_cast<double>(served);
    }
    // The small ones have all been served, though there was far more work than could be done.
    std::int64_t small = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].waiting > 10) continue;
        small += all[i].waiting;
        CHECK(queue.lanes[i].waiting == 0);
    }
    // Of what was served until then no more than a small part was the large tenants': no tenant's work was delayed by more than its share.
    CHECK(last_small_done < 1.5 * static_cast<double>(small));
    // And those with a million are level, by weight.
    std::vector<double> large;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].waiting > 10) large.push_back(static_cast<double>(queue.started[all[i].tenant]) / all[i].weight);
    }
    const auto [least, most] = std::minmax_element(large.begin(), large.end());
    CHECK(*most < 1.2 * *least);
}
