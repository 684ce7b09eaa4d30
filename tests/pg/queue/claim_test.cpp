#include "tests/pg/queue/queue_traffic.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <map>
#include <set>
#include <thread>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

// What claims of one execution each hand out, in their order.
std::vector<execution_id> one_by_one(queue_database& db, instance_id me)
{
    std::vector<execution_id> order;
    for (;;) {
        const auto got = storage::claim_next(db.service(), me, {}, 16, 1).extents;
        if (got.empty()) return order;
        REQUIRE(got.size() == 1);
        order.push_back(got.front().lo);
    }
}

}

TEST_CASE("claims go by priority, and within one priority by age", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    submission sent;
    sent.extent(job, 1, {.priority = -5}).extent(job, 1, {.priority = 0}).extent(job, 1, {.priority = 1000});
    sent.commit(db.service());
    submission after;
    after.extent(job, 1, {.priority = 0}).commit(db.service());
    CHECK(one_by_one(db, me) == std::vector{sent.id(2), sent.id(1), after.id(), sent.id(0)});
    CHECK(db.violations() == "");
}

TEST_CASE("what has waited long enough overtakes what is more urgent", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance(1h);
    submission old;
    old.extent(job).commit(db.service());
    db.move_clock(10s);
    submission fresh;
    fresh.extent(job, 1, {.priority = 5}).extent(job, 1, {.priority = 20}).commit(db.service());
    CHECK(one_by_one(db, me) == std::vector{fresh.id(1), old.id(), fresh.id(0)});
    CHECK(db.violations() == "");
}

TEST_CASE("a claim that wants less than an extent splits it, and the rest can be claimed", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    const auto other = db.instance();
    submission sent;
    sent.extent(job, 10).commit(db.service());

    const auto first = claim_one(db.service(), me, 3);
    CHECK(first.lo == sent.id(0));
    CHECK(first.hi == sent.id(2));
    CHECK(first.remaining == 3);
    CHECK(first.fence == fence{1});
    CHECK(db.status(sent.id(2)) == "RUNNING");
    CHECK(db.status(sent.id(3)) == "QUEUED");

    const auto rest = claim_one(db.service(), other);
    CHECK(rest.lo == sent.id(3));
    CHECK(rest.hi == sent.id(9));
    CHECK(rest.remaining == 7);
    CHECK(db.violations() == "");

    const auto read = storage::read_executions(db.service(), {first, rest});
    REQUIRE(read.size() == 10);
    CHECK(std::count_if(read.begin(), read.end(), [](const auto& e) { return e.extent == 0; }) == 3);
    CHECK(read.front().parameters == R"({"n": 1})");
    CHECK(read.front().attempt_number == 1);
}

TEST_CASE("what was claimed is read, single or not, however far apart it was made", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    const auto today = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
    const auto on = [](auto day) { return execution_id::make(static_cast<std::uint64_t>(std::chrono::milliseconds(day.time_since_epoch()).count()), 77, 0); };
    std::map<execution_id, execution_id> extent_of;
    const auto send = [&](submission one, int n) {
        one.extent(job, n).commit(db.service());
        for (const auto& id : one.ids()) extent_of[id] = one.id();
    };
    // Each in a partition of its own.
    send(submission(on(today - std::chrono::days(1))), 1);
    send(submission(on(today)), 1);
    send(submission(on(today + std::chrono::days(1))), 1);
    send(submission(), 3);
    send(submission(), 1);
    auto extents = claim(db.service(), me);
    REQUIRE(extents.size() == 5);
    std::reverse(extents.begin(), extents.end());

    const auto read = storage::read_executions(db.service(), extents);
    CHECK(read.size() == extent_of.size());
    for (const auto& e : read) {
        CHECK(extents.at(static_cast<std::size_t>(e.extent)).lo == extent_of.at(e.id));
        extent_of.erase(e.id);
    }
    CHECK(extent_of.empty());
    CHECK(storage::read_executions(db.service(), {}).empty());
}

TEST_CASE("a claim takes no more than its budget, whatever the lanes hold", "[pg][queue]")
{
    queue_database db;
    const auto me = db.instance();
    submission sent;
    for (int i = 0; i < 6; ++i) {
        const auto job = db.job(fmt::format("job-{}", i));
        for (int k = 0; k < 4; ++k) sent.extent(job, 1 + (i * k) % 5);
    }
    sent.commit(db.service());
    int claimed = 0;
    for (const int budget : {1, 2, 5, 7, 11, 1, 3}) {
        int got = 0;
        for (const auto& x : storage::claim_next(db.service(), me, {}, 16, budget).extents) got += x.remaining;
        CHECK(got == budget);
        claimed += got;
        CHECK(db.violations() == "");
    }
    CHECK(db.value("select sum(remaining) from extents where owner is not null") == std::to_string(claimed));
}

TEST_CASE("looks at a few lanes at a time come past all of them, also past paused ones", "[pg][queue]")
{
    queue_database db;
    const auto me = db.instance();
    submission sent;
    for (int i = 0; i < 7; ++i) sent.extent(db.job(fmt::format("job-{}", i)));
    sent.commit(db.service());
    db.rows("update lanes set paused = true from jobs j where j.job_key = lanes.job_key and job_id in ('job-0', 'job-3')");

    std::set<lane_id> seen;
    lane_id cursor{};
    int looks = 0;
    do {
        const auto answer = storage::claim_next(db.service(), me, cursor, 1, 100);
        for (const auto& x : answer.extents) seen.insert(x.lane);
        cursor = answer.next_after;
    } while (cursor.value > 0 && ++looks < 100);
    CHECK(seen.size() == 5);
    CHECK(looks == 7);
    CHECK(claim(db.service(), me).empty());

    db.rows("update lanes set paused = false");
    CHECK(claim(db.service(), me).size() == 2);
    CHECK(db.violations() == "");
}

TEST_CASE("claimers at once never get the same execution", "[pg][queue]")
{
    queue_database db;
    submission sent;
    for (int i = 0; i < 5; ++i) {
        const auto job = db.job(fmt::format("job-{}", i));
        for (int k = 0; k < 8; ++k) sent.extent(job, 1 + 7 * k, {.priority = k % 3});
    }
    sent.commit(db.service());

    struct claimer {
        instance_id id{};
        std::vector<storage::claimed_extent> got{};
        std::string failure{};
    };
    std::vector<claimer> claimers(4);
    for (auto& c : claimers) c.id = db.instance();
    {
        std::vector<std::jthread> threads;
        for (auto& c : claimers) {
            threads.emplace_back([&db, &c] {
                try {
                    storage::session s(db.service_options());
                    // Another claimer may hold all that is left for a moment: done is who finds nothing queued.
                    do {
                        for (const auto& x : storage::claim_next(s, c.id, {}, 16, 9).extents) c.got.push_back(x);
                    } while (storage::tick(s, c.id, false).queued);
                } catch (const std::exception& e) {
                    c.failure = e.what();
                }
            });
        }
    }
    std::set<execution_id> handed;
    std::size_t n = 0;
    for (const auto& c : claimers) {
        CHECK(c.failure == "");
        for (const auto& x : c.got) {
            const auto ids = ids_in(x.lo, x.hi);
            CHECK(static_cast<int>(ids.size()) == x.remaining);
            n += ids.size();
            handed.insert(ids.begin(), ids.end());
        }
    }
    CHECK(n == sent.ids().size());
    CHECK(handed == std::set(sent.ids().begin(), sent.ids().end()));
    CHECK(db.violations() == "");
}

TEST_CASE("nothing is claimed before the time at which it became eligible", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    // The claim's transaction is older than the submission: as if the claim had waited for a change of the rules.
    storage::session claimer(db.service_options());
    claimer.run("begin");
    claimer.run("select now()");
    submission sent;
    sent.extent(job).commit(db.service());
    claimer.run(fmt::format("select * from claim_next_1({}, 0, 16, 10)", me.value));
    claimer.run("commit");
    CHECK(db.value("select started_time >= queued_time from v_executions") == "t");
    CHECK(db.violations() == "");
}
