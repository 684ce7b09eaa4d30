#include "runtime/limits/slot_keeper.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::runtime;

namespace {

constexpr limit_id wide{7};
constexpr limit_id other{8};

execution_id id(std::uint32_t ordinal)
{
    return execution_id::make(1, 1, ordinal);
}

storage::claimed_extent extent(std::uint32_t lo, int n, std::vector<limit_id> kept)
{
    return {id(lo), id(lo + static_cast<std::uint32_t>(n) - 1), lane_id{1}, fence{1}, n, {}, std::move(kept)};
}

std::int64_t of(const std::vector<storage::kept_slots>& slots, limit_id limit)
{
    const auto at = std::find_if(slots.begin(), slots.end(), [limit](const auto& each) { return each.limit == limit; });
    return at == slots.end() ? 0 : at->n;
}

// The ledger and the keeper as the claimer goes about with them.
struct kept_books {
    ledger owned;
    slot_keeper keeper{owned};
    instance_id me{1};

    std::int64_t offered(limit_id limit) { return of(keeper.offer(me).free, limit); }
    // The database says how many it keeps then.
    void claim(const storage::claimed_extent& x)
    {
        for (const auto limit : x.kept) {
            const auto before = of(keeper.offered()->free, limit);
            const auto used = owned.kept();
            const auto at = used.find(limit.value);
            if (x.remaining > before) keeper.offered()->kept.push_back({limit, (at == used.end() ? 0 : at->second) + x.remaining});
        }
        keeper.claimed({x});
        owned.add(x.lo, x.fence, x.remaining, tenant_key{1}, x.kept);
    }
};

}

TEST_CASE("slots that end are offered to the next claim", "[unit][kept_slots]")
{
    kept_books b;
    CHECK(b.offered(wide) == 0);
    b.claim(extent(0, 10, {wide, other}));
    CHECK(b.offered(wide) == 0);
    b.owned.settled(id(0), fence{1}, 4);
    CHECK(b.offered(wide) == 4);
    CHECK(b.offered(other) == 4);
    // Six of these were not covered, and have been taken.
    b.claim(extent(100, 10, {wide}));
    CHECK(b.offered(wide) == 0);
    b.owned.settled(id(0), fence{1}, 6);
    b.owned.settled(id(100), fence{1}, 10);
    CHECK(b.offered(wide) == 16);
    CHECK(b.offered(other) == 10);
}

TEST_CASE("what no claim uses for a while is stale, and what is given up is not offered again", "[unit][kept_slots]")
{
    kept_books b;
    const auto start = steady_clock::now();
    const auto later = start + slot_keeper::longest_kept;
    CHECK(b.offered(wide) == 0);
    b.claim(extent(0, 10, {wide, other}));
    CHECK_FALSE(b.keeper.stale_at(start).has_value());
    b.owned.settled(id(0), fence{1}, 10);
    CHECK(b.keeper.stale_at(start) == later);
    CHECK(b.keeper.stale(start).empty());
    // A claim uses some of one of them: what nobody has used all the time is stale, though it has been freed again meanwhile.
    CHECK(b.offered(wide) == 10);
    b.claim(extent(100, 3, {wide}));
    b.owned.settled(id(100), fence{1}, 3);
    CHECK(b.keeper.stale_at(later) == later);
    CHECK(of(b.keeper.stale(later), wide) == 7);
    CHECK(of(b.keeper.stale(later), other) == 10);
    b.keeper.given_up(b.keeper.stale(later));
    CHECK(b.offered(other) == 0);
    CHECK(of(b.keeper.idle(), wide) == 3);
    CHECK(b.keeper.stale_at(later) == later + slot_keeper::longest_kept);
    // All of it is used within the while: another begins.
    CHECK(b.offered(wide) == 3);
    b.claim(extent(200, 3, {wide}));
    b.owned.settled(id(200), fence{1}, 3);
    CHECK(b.keeper.stale_at(later + slot_keeper::longest_kept) == later + 2 * slot_keeper::longest_kept);
    b.keeper.given_up(b.keeper.idle());
    CHECK_FALSE(b.keeper.keeps_some());
    CHECK_FALSE(b.keeper.stale_at(later).has_value());
}

TEST_CASE("slots of strays stay used until the database has none of them", "[unit][kept_slots]")
{
    kept_books b;
    b.offered(wide);
    b.claim(extent(0, 10, {wide}));
    b.owned.forget(id(0), fence{1}, 4);
    b.owned.settled(id(0), fence{1}, 6);
    CHECK(b.offered(wide) == 6);
    REQUIRE(b.owned.has_strays());
    b.owned.find_strays({{id(0), id(9), fence{1}, 4}});
    CHECK(b.offered(wide) == 6);
    b.owned.find_strays({{id(0), id(9), fence{2}, 4}});
    CHECK(b.offered(wide) == 10);
    CHECK_FALSE(b.owned.has_strays());
}

TEST_CASE("after a claim without an answer the database says what is kept, and another incarnation keeps nothing", "[unit][kept_slots]")
{
    kept_books b;
    b.offered(wide);
    b.claim(extent(0, 10, {wide}));
    b.keeper.recount(b.me, 3, {{wide, 25}});
    CHECK(b.keeper.offer(b.me).epoch == 3);
    CHECK(b.offered(wide) == 15);
    b.owned.clear();
    b.me = {2};
    CHECK(b.offered(wide) == 0);
    CHECK_FALSE(b.keeper.keeps_some());
}
