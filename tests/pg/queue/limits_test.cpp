#include "tests/pg/queue/queue_traffic.hpp"
#include "tests/support/sql_user.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

int in_use(queue_database& db, int limit)
{
    return std::stoi(db.value(fmt::format("select in_use from limits where limit_id = {}", limit)));
}

int total(const std::vector<storage::claimed_extent>& extents)
{
    int n = 0;
    for (const auto& x : extents) n += x.remaining;
    return n;
}

}

// Every look at the row would otherwise go through all versions that there were since.
TEST_CASE("while somebody holds a snapshot, the row of a limit is found among a few of its versions", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const int limit = db.limit(5, {job});
    sql_user somebody(db.url());
    somebody.run("begin isolation level repeatable read; select 1");
    for (int i = 0; i < 4; ++i) {
        db.rows(fmt::format("do $$ begin for i in 1 .. 1000 loop perform give_back(array[{}], array[0]); end loop; end $$", limit));
        submission().extent(job, 1).commit(db.service());
        const auto got = claim(db.service(), db.instance());
        REQUIRE(total(got) == 1);
        CHECK(in_use(db, limit) == i + 1);
    }
    REQUIRE(db.value(fmt::format("select generation > 100 from limits where limit_id = {}", limit)) == "t");
    const auto pages_read = [&db](const std::string& from) {
        for (const auto& row : db.rows(fmt::format("set enable_seqscan = off; set enable_bitmapscan = off; explain (analyze, buffers, costs off, timing off, summary off) select max_running from {}", from))) {
            const auto line = row[0].as<std::string>();
            if (const auto at = line.find("shared hit="); at != std::string::npos) return std::stoi(line.substr(at + 11));
        }
        return 0;
    };
    CHECK(pages_read(fmt::format("limits where limit_id = {}", limit)) > 40);
    CHECK(pages_read(fmt::format("newest_limit({})", limit)) < 12);
    CHECK(db.violations() == "");
}

TEST_CASE("claims fill a limit and do not go beyond it", "[pg][queue]")
{
    queue_database db;
    const auto a = db.job("a");
    const auto b = db.job("b");
    const auto free = db.job("free");
    const int both = db.limit(5, {a, b});
    const int only_b = db.limit(2, {b});
    const auto me = db.instance();
    submission sent;
    sent.extent(a, 10).extent(b, 10).extent(b, 10).extent(free, 10).commit(db.service());

    const auto got = claim(db.service(), me);
    CHECK(total(got) == 15);
    CHECK(in_use(db, both) == 5);
    CHECK(in_use(db, only_b) <= 2);
    CHECK(db.violations() == "");
    CHECK(claim(db.service(), me).empty());

    // A limit that is raised lets more in.
    db.rows(fmt::format("update limits set max_running = 7 where limit_id = {}", both));
    CHECK(total(claim(db.service(), me)) == 2);
    CHECK(in_use(db, both) == 7);
    CHECK(in_use(db, only_b) <= 2);
    CHECK(db.violations() == "");
}

TEST_CASE("an eager start takes all its slots or none", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const int limit = db.limit(5, {job});
    const auto me = db.instance();
    submission first;
    CHECK(first.extent(job, 3).commit(db.service(), me, 100).owned.size() == 1);
    CHECK(in_use(db, limit) == 3);
    submission second;
    CHECK(second.extent(job, 3).commit(db.service(), me, 100).owned.empty());
    CHECK(in_use(db, limit) == 3);
    CHECK(db.status(second.id()) == "QUEUED");
    CHECK(db.violations() == "");
}

TEST_CASE("slots are given back by whatever ends or returns the work that holds them", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const int one = db.limit(6, {job});
    const int two = db.limit(100, {job});
    const auto me = db.instance(1h);
    const auto victim = db.instance(10s);
    submission sent;
    sent.extent(job, 6).commit(db.service());
    const auto mine = claim_one(db.service(), victim);
    REQUIRE(in_use(db, one) == 6);
    REQUIRE(in_use(db, two) == 6);

    SECTION("settle, as much as it ends")
    {
        REQUIRE(ends(mine).end(sent.id(0)).end(sent.id(5)).commit(db.service(), victim).empty());
        CHECK(in_use(db, one) == 4);
        CHECK(db.violations() == "");
        REQUIRE(ends(mine).all({sent.ids().begin() + 1, sent.ids().begin() + 5}).commit(db.service(), victim).empty());
    }
    SECTION("settle, though the limit is not the lane's any more")
    {
        db.rows("update lanes set limit_ids = null");
        REQUIRE(ends(mine).all(sent.ids()).commit(db.service(), victim).empty());
    }
    SECTION("hand_back")
    {
        REQUIRE(ends(mine).end(sent.id(2)).commit(db.service(), victim).empty());
        REQUIRE(storage::cancel(db.service(), job.tenant, sent.id(3), "test", "").found);
        CHECK(hand_back(db.service(), victim, mine) == 4);
    }
    SECTION("takeover, as much as it ends")
    {
        db.move_clock(1min);
        REQUIRE(storage::declare_dead(db.service(), me, false) == 1);
        CHECK(storage::takeover(db.service(), me, priority_age, 4) == 4);
        CHECK(in_use(db, one) == 2);
        CHECK(db.violations() == "");
        CHECK(storage::takeover(db.service(), me, priority_age, 4) == 2);
    }
    CHECK(in_use(db, one) == 0);
    CHECK(in_use(db, two) == 0);
    CHECK(db.violations() == "");
}

TEST_CASE("the database refuses a slot above the limit, whoever asks", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const int limit = db.limit(3, {job});
    CHECK(db.sqlstate(fmt::format("update limits set in_use = 4 where limit_id = {}", limit)) == "23514");
    CHECK(db.sqlstate(fmt::format("update limits set in_use = -1 where limit_id = {}", limit)) == "23514");
    CHECK(db.sqlstate(fmt::format("update limits set in_use = 3 where limit_id = {}", limit)) == "");
    CHECK(db.sqlstate(fmt::format("update limits set max_running = 1 where limit_id = {}", limit)) == "");
    CHECK(db.sqlstate(fmt::format("update limits set in_use = 2 where limit_id = {}", limit)) == "");
}
