#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <set>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

TEST_CASE("work that is handed back waits again in its old place, whole", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    const auto other = db.instance();
    submission sent;
    sent.extent(job, 7, {.priority = 2}).commit(db.service());
    const auto rank = db.value("select rank from extents");
    const auto mine = claim_one(db.service(), me);
    REQUIRE(ends(mine).end(sent.id(0)).end(sent.id(3)).end(sent.id(4)).commit(db.service(), me).empty());
    REQUIRE(storage::cancel(db.service(), job.tenant, sent.id(5), "token:t", "enough").owner == me);

    CHECK(hand_back(db.service(), me, mine) == 3);
    CHECK(db.violations() == "");
    CHECK(db.status(sent.id(5)) == "CANCELLED");
    CHECK(db.value(fmt::format("select error_message from v_executions where execution_id = '{}'", sent.id(5).str())) == "enough");
    for (const std::size_t i : {1u, 2u, 6u}) CHECK(db.status(sent.id(i)) == "QUEUED");
    CHECK(db.value("select count(*) from extents where rank = '" + rank + "'") == "2");
    CHECK(storage::cancel_requests(db.service(), me).empty());

    // The same attempts, under a higher fence; the old one is worth nothing.
    std::set<execution_id> again;
    for (const auto& x : claim(db.service(), other)) {
        CHECK(x.fence == fence{2});
        for (const auto& id : ids_in(x.lo, x.hi)) again.insert(id);
    }
    CHECK(again == std::set{sent.id(1), sent.id(2), sent.id(6)});
    CHECK(ends(mine).end(sent.id(1)).commit(db.service(), me) == std::vector{mine.lo});
    CHECK(db.value("select count(*) from executions") == "7");
    CHECK(db.violations() == "");
}

TEST_CASE("only the owner hands back, once, and under the fence of its claim", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    const auto other = db.instance();
    submission sent;
    sent.extent(job, 2).commit(db.service());
    auto mine = claim_one(db.service(), me);
    CHECK(hand_back(db.service(), other, mine) == 0);
    CHECK(db.status(sent.id()) == "RUNNING");
    CHECK(hand_back(db.service(), me, mine) == 2);
    CHECK(hand_back(db.service(), me, mine) == 0);
    const auto again = claim_one(db.service(), me);
    CHECK(hand_back(db.service(), me, mine) == 0);
    CHECK(db.status(sent.id()) == "RUNNING");
    CHECK(hand_back(db.service(), me, again) == 2);
    CHECK(db.violations() == "");
}

TEST_CASE("an extent that was cancelled whole leaves nothing to hand back", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    db.limit(9, {job});
    const auto me = db.instance();
    submission sent;
    sent.extent(job, 2).commit(db.service());
    const auto mine = claim_one(db.service(), me);
    for (const auto& id : sent.ids()) REQUIRE(storage::cancel(db.service(), job.tenant, id, "test", "").found);
    CHECK(hand_back(db.service(), me, mine) == 0);
    CHECK(db.value("select count(*) from extents") == "0");
    CHECK(db.value("select sum(in_use) from limits") == "0");
    CHECK(db.value("select count(*) from v_executions where status = 'CANCELLED'") == "2");
    CHECK(db.violations() == "");
}
