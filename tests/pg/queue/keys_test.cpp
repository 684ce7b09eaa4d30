#include "tests/pg/queue/queue_traffic.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <latch>
#include <thread>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

std::string executions(queue_database& db)
{
    return db.value("select count(*) from executions");
}

}

TEST_CASE("a key with the same request names the execution that it made first", "[pg][queue]")
{
    struct row {
        const char* why;
        const char* first;
        const char* second;
        bool same;
    };
    const auto r = GENERATE(values<row>({
        {"the same text", R"({"a": 1})", R"({"a": 1})", true},
        {"1 is 1.0", R"({"a": 1})", R"({"a": 1.0})", true},
        {"100 is 1e2", R"({"a": 100})", R"({"a": 1e2})", true},
        {"members have no order", R"({"a": 1, "b": {"c": 2, "d": 3}})", R"({"b":{"d":3,"c":2},"a":1})", true},
        {"an escaped character is the character", R"({"a": "\u0041"})", R"({"a": "A"})", true},
        {"elements have an order", R"({"a": [1, 2]})", R"({"a": [2, 1]})", false},
        {"a number is not a text", R"({"a": 1})", R"({"a": "1"})", false},
        {"null is not nothing", R"({"a": null})", R"({})", false},
        {"another value", R"({"a": 1})", R"({"a": 2})", false},
    }));
    INFO(r.why);
    queue_database db;
    const auto job = db.job("a");
    submission first;
    CHECK(first.extent(job, 1, {.unit = 1}).key(job.tenant, "k", r.first, 1).commit(db.service()).keys.empty());
    submission second;
    const auto reply = second.extent(job, 1, {.unit = 1}).key(job.tenant, "k", r.second, 1).commit(db.service());
    REQUIRE(reply.keys.size() == 1);
    CHECK(reply.keys[0].key == 1);
    CHECK(reply.keys[0].same_request == r.same);
    CHECK(reply.keys[0].execution == first.id());
    CHECK(reply.keys[0].executions.empty());
    CHECK(executions(db) == "1");

    const auto read = storage::read_key(db.service(), job.tenant, "k", r.second);
    REQUIRE(read);
    CHECK(read->same_request == r.same);
    CHECK(read->execution == first.id());
    CHECK_FALSE(storage::read_key(db.service(), job.tenant, "other", r.second));
    CHECK(db.violations() == "");
}

TEST_CASE("the same key of another tenant is another key", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto tenant = db.tenant("other");
    const auto theirs = db.job("a", {.tenant = tenant});
    submission first;
    submission second;
    CHECK(first.extent(job, 1, {.unit = 1}).key(job.tenant, "k", "{}", 1).commit(db.service()).keys.empty());
    CHECK(second.extent(theirs, 1, {.unit = 1}).key(tenant, "k", "{}", 1).commit(db.service()).keys.empty());
    CHECK(executions(db) == "2");
    CHECK(db.violations() == "");
}

TEST_CASE("within one commit, replays and conflicts leave out just what they concern", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    const auto me = db.instance();
    submission first;
    first.extent(job, 1, {.unit = 1}).key(job.tenant, "used", R"({"n": 1})", 1).commit(db.service());

    // Unit 1: no key. Unit 2: a replay. Unit 3: one new key and one that conflicts. Unit 4: a new key among executions without.
    submission sent;
    sent.extent(job, 1, {.unit = 1});
    sent.extent(job, 1, {.unit = 2}).key(job.tenant, "used", R"({"n": 1})", 2);
    sent.extent(job, 1, {.unit = 3}).key(job.tenant, "fresh", "{}", 3);
    sent.extent(job, 1, {.unit = 3}).key(job.tenant, "used", R"({"n": 2})", 3);
    sent.extent(job, 1, {.unit = 4}).key(job.tenant, "new", "{}", 4);
    sent.extent(job, 3, {.unit = 4});
    auto reply = sent.commit(db.service(), me, 100);
    CHECK(reply.owned.empty());
    std::ranges::sort(reply.keys, {}, &storage::submit_reply::key_in_use::key);
    REQUIRE(reply.keys.size() == 2);
    CHECK(reply.keys[0].key == 1);
    CHECK(reply.keys[0].same_request);
    CHECK(reply.keys[0].execution == first.id());
    CHECK(reply.keys[1].key == 3);
    CHECK_FALSE(reply.keys[1].same_request);

    storage::array asked(storage::array::element::uuid);
    for (const auto& id : sent.ids()) asked.add(id);
    auto stored = storage::stored_of(db.service(), asked);
    std::sort(stored.begin(), stored.end());
    CHECK(stored == std::vector{sent.id(0), sent.id(4), sent.id(5), sent.id(6), sent.id(7)});
    CHECK_FALSE(storage::read_key(db.service(), job.tenant, "fresh", "{}"));
    CHECK(storage::read_key(db.service(), job.tenant, "new", "{}")->execution == sent.id(4));
    CHECK(db.violations() == "");
}

TEST_CASE("an extent is cut around what a replay leaves out", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    submission first;
    first.extent(job, 1, {.unit = 1}).key(job.tenant, "used", "{}", 1).commit(db.service());

    // Five executions of one extent; the second of them carries the key.
    const auto lo = first_of_new_block();
    storage::submit_batch b;
    for (std::uint32_t i = 0; i < 5; ++i) {
        b.id.add(lo.with_ordinal(i));
        b.extent.add(static_cast<std::int32_t>(1));
        b.unit.add(static_cast<std::int32_t>(i + 1));
        b.parameters.add_null();
    }
    b.lo.add(lo);
    b.hi.add(lo.with_ordinal(4));
    b.n.add(static_cast<std::int32_t>(5));
    b.tenant.add(job.tenant.value);
    b.lane.add(job.lane.value);
    b.job.add(job.key.value);
    b.version.add(static_cast<std::int32_t>(1));
    b.priority.add(static_cast<std::int16_t>(0));
    b.trigger.add(static_cast<std::int16_t>(trigger_type::manual));
    b.eligible.add_null();
    b.submitter.add_null();
    b.key_tenant.add(job.tenant.value);
    b.key.add(std::string_view("used"));
    b.key_request.add(std::string_view("{}"));
    b.key_unit.add(static_cast<std::int32_t>(2));
    b.key_execution.add(lo.with_ordinal(1));
    b.key_executions.add_null();
    const auto reply = storage::submit(db.service(), {}, 0, priority_age, 1h, b);
    REQUIRE(reply.keys.size() == 1);
    CHECK(reply.keys[0].execution == first.id());
    CHECK(db.value(fmt::format("select string_agg(executions::text, ',' order by first_execution_id) from v_queue where first_execution_id >= '{}'", lo.str())) == "1,3");
    CHECK(executions(db) == "5");
    CHECK(db.violations() == "");
}

TEST_CASE("a key of a whole batch gives all of its executions back in their order", "[pg][queue]")
{
    queue_database db;
    const auto a = db.job("a");
    const auto b = db.job("b");
    submission first;
    first.extent(a, 3, {.unit = 1}).extent(b, 2, {.unit = 1}).batch_key(a.tenant, "all", R"([1,2])", 1).commit(db.service());
    submission again;
    const auto reply = again.extent(a, 3, {.unit = 1}).extent(b, 2, {.unit = 1}).batch_key(a.tenant, "all", "[1, 2.0]", 1).commit(db.service());
    REQUIRE(reply.keys.size() == 1);
    CHECK(reply.keys[0].same_request);
    CHECK(reply.keys[0].executions == first.ids());
    CHECK(executions(db) == "5");

    storage::array asked(storage::array::element::uuid);
    for (const auto& id : reply.keys[0].executions) asked.add(id);
    const auto now = storage::read_replayed(db.service(), asked);
    REQUIRE(now.size() == 5);
    CHECK(now[4].id == first.id(4));
    CHECK(now[4].job_id == "b");
    CHECK(now[4].status == execution_status::queued);
    CHECK(db.violations() == "");
}

TEST_CASE("an expired key is free again, and is swept away if nobody uses it", "[pg][queue]")
{
    queue_database db;
    const auto job = db.job("a");
    submission first;
    first.extent(job, 1, {.unit = 1}).key(job.tenant, "k", "{}", 1).commit(db.service(), {}, 0, 1h);
    submission unused;
    unused.extent(job, 1, {.unit = 1}).key(job.tenant, "unused", "{}", 1).commit(db.service(), {}, 0, 1h);
    CHECK(storage::sweep(db.service(), 100) == 0);

    db.move_clock(61min);
    submission second;
    CHECK(second.extent(job, 1, {.unit = 1}).key(job.tenant, "k", R"({"other": true})", 1).commit(db.service(), {}, 0, 1h).keys.empty());
    CHECK(storage::read_key(db.service(), job.tenant, "k", R"({"other": true})")->execution == second.id());
    CHECK(storage::sweep(db.service(), 100) == 1);
    CHECK_FALSE(storage::read_key(db.service(), job.tenant, "unused", "{}"));
    CHECK(storage::read_key(db.service(), job.tenant, "k", "{}"));
    CHECK(db.violations() == "");
}

TEST_CASE("fifty callers at once with one key make one execution", "[pg][queue]")
{
    constexpr std::ptrdiff_t callers = 50;
    queue_database db;
    const auto job = db.job("a");
    struct caller {
        submission sent{};
        storage::submit_reply reply{};
        std::string failure{};
    };
    std::vector<caller> all(callers);
    std::latch start(callers);
    {
        std::vector<std::jthread> threads;
        for (auto& c : all) {
            threads.emplace_back([&db, &c, &start, job] {
                try {
                    storage::session s(db.service_options());
                    s.connect();
                    c.sent.extent(job, 1, {.unit = 1}).key(job.tenant, "k", R"({"n": 1})", 1);
                    start.arrive_and_wait();
                    c.reply = c.sent.commit(s);
                } catch (const std::exception& e) {
                    c.failure = e.what();
                }
            });
        }
    }
    CHECK(executions(db) == "1");
    const auto made = execution_id::parse(db.value("select execution_id from executions"));
    int first = 0;
    for (const auto& c : all) {
        CHECK(c.failure == "");
        if (c.reply.keys.empty()) {
            ++first;
            CHECK(c.sent.id() == made);
        } else {
            CHECK(c.reply.keys[0].same_request);
            CHECK(c.reply.keys[0].execution == made);
        }
    }
    CHECK(first == 1);
    CHECK(db.violations() == "");
}
