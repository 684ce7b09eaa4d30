#include "storage/limit_store.hpp"
#include "tests/pg/queue/queue_traffic.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

constexpr tenant_key everybody = storage::no_tenant;

limit_to_put at_most(int n)
{
    limit_to_put limit;
    limit.max_running = n;
    return limit;
}

void put(queue_database& db, limit_kind kind, tenant_key of, const std::string& key, const limit_to_put& limit)
{
    storage::put_limit(db.service(), kind, of, key, limit, "test");
}

std::string in_use(queue_database& db, std::string_view kind, std::string_view key)
{
    return db.value(fmt::format("select in_use from v_limits where kind = '{}' and key = '{}'", kind, key));
}

int total(const std::vector<storage::claimed_extent>& extents)
{
    int n = 0;
    for (const auto& x : extents) n += x.remaining;
    return n;
}

std::string waiting_on(queue_database& db, const execution_id& id, const char* member)
{
    return db.value(fmt::format("select waiting_on ->> '{}' from v_executions where execution_id = '{}'", member, id.str()));
}

// What put_job_1 is told of limits.
queue_job job_with(queue_database& db, std::string_view job_id, const std::string& limits, tenant_key tenant = default_tenant)
{
    const auto job = db.job(job_id, {.tenant = tenant, .rules = fmt::format(R"({{"limits": {}}})", limits)});
    storage::enforce_due_limits(db.service());
    return job;
}

}

TEST_CASE("a limit that is set while work runs counts what runs, and lets no more start", "[pg][limits]")
{
    queue_database db;
    const auto a = db.job("a");
    const auto b = db.job("b");
    const auto other = db.job("c", {.tenant = db.tenant("other")});
    const auto me = db.instance();
    submission sent;
    sent.extent(a, 4).extent(b, 4).extent(other, 4).commit(db.service(), me, 100);

    put(db, limit_kind::global, everybody, "all", at_most(20));
    put(db, limit_kind::tenant, default_tenant, "default", at_most(9));
    put(db, limit_kind::job, default_tenant, "a", at_most(2));
    CHECK(in_use(db, "global", "all") == "12");
    CHECK(in_use(db, "tenant", "default") == "8");
    CHECK(in_use(db, "job", "a") == "4");
    CHECK(db.violations() == "");

    submission more;
    more.extent(a, 3).extent(b, 3).extent(other, 30).commit(db.service());
    CHECK(total(claim(db.service(), me)) == 8);
    CHECK(in_use(db, "tenant", "default") <= "9");
    CHECK(in_use(db, "global", "all") == "20");
    CHECK(in_use(db, "job", "a") == "4");
    CHECK(db.violations() == "");
    CHECK(waiting_on(db, more.id(0), "rule") == "global_limit");
    put(db, limit_kind::global, everybody, "all", at_most(100));
    CHECK(waiting_on(db, more.id(0), "rule") == "tenant_limit");
    put(db, limit_kind::tenant, default_tenant, "default", at_most(100));
    CHECK(waiting_on(db, more.id(0), "rule") == "job_limit");
    CHECK(waiting_on(db, more.id(0), "in_use") == "4");
    CHECK(waiting_on(db, more.id(0), "max_running") == "2");

    // Everything comes back.
    for (const auto& x : storage::owned_extents(db.service(), me)) ends().from(x.lo, x.fence).all(ids_in(x.lo, x.hi)).commit(db.service(), me);
    CHECK(in_use(db, "global", "all") == "0");
    CHECK(in_use(db, "tenant", "default") == "0");
    CHECK(total(claim(db.service(), me)) > 0);
    CHECK(db.violations() == "");
}

TEST_CASE("a limit that is lowered drains, one that is raised or removed lets more in at once", "[pg][limits]")
{
    queue_database db;
    const auto a = db.job("a");
    const auto me = db.instance();
    put(db, limit_kind::job, default_tenant, "a", at_most(5));
    submission sent;
    sent.extent(a, 20).commit(db.service());
    const auto first = claim(db.service(), me);
    CHECK(total(first) == 5);

    put(db, limit_kind::job, default_tenant, "a", at_most(2));
    CHECK(in_use(db, "job", "a") == "5");
    CHECK(db.violations() == "");
    CHECK(ends(first.at(0)).end(sent.id(0)).end(sent.id(1)).end(sent.id(2)).commit(db.service(), me).empty());
    CHECK(claim(db.service(), me).empty());
    CHECK(ends(first.at(0)).end(sent.id(3)).commit(db.service(), me).empty());
    CHECK(total(claim(db.service(), me)) == 1);
    CHECK(in_use(db, "job", "a") == "2");
    CHECK(db.violations() == "");

    put(db, limit_kind::job, default_tenant, "a", at_most(6));
    CHECK(total(claim(db.service(), me)) == 4);
    CHECK(storage::delete_limit(db.service(), limit_kind::job, default_tenant, "a", "test"));
    CHECK_FALSE(storage::delete_limit(db.service(), limit_kind::job, default_tenant, "a", "test"));
    CHECK(total(claim(db.service(), me)) == 10);
    CHECK(db.violations() == "");
    // What holds slots of a limit that is gone ends as usual.
    for (const auto& x : storage::owned_extents(db.service(), me)) ends().from(x.lo, x.fence).all(ids_in(std::max(x.lo, sent.id(4)), x.hi)).commit(db.service(), me);
    CHECK(db.value("select count(*) from extents") == "0");
    CHECK(db.violations() == "");
    CHECK(db.value("select string_agg(coalesce(max_running::text, '-'), ' ' order by at) from v_limit_changes") == "5 2 6 -");
}

TEST_CASE("of what a definition and an operator ask for the smaller holds", "[pg][limits]")
{
    queue_database db;
    job_with(db, "a", R"({"set": [{"scope": "job", "max_running": 3, "rejects": false}]})");
    const auto max_running = [&] { return db.value("select max_running from v_limits where kind = 'job' and key = 'a'"); };
    CHECK(max_running() == "3");
    put(db, limit_kind::job, default_tenant, "a", at_most(5));
    CHECK(max_running() == "3");
    put(db, limit_kind::job, default_tenant, "a", at_most(2));
    CHECK(max_running() == "2");
    CHECK(storage::delete_limit(db.service(), limit_kind::job, default_tenant, "a", "test"));
    CHECK(max_running() == "3");
    // A new version asks for nothing.
    db.rows("select put_job_1(1, 'a', '{\"v\": 2}', '{\"max_attempts\": 3}', true, 'test', '', null)");
    storage::enforce_due_limits(db.service());
    CHECK(db.value("select count(*) from v_limits") == "0");
    CHECK(db.violations() == "");
}

TEST_CASE("a definition limits its own tenant, never another", "[pg][limits]")
{
    queue_database db;
    const auto tenant = db.tenant("other");
    const auto a = job_with(db, "a", R"({"pool": "p", "set": [{"scope": "pool", "key": "p", "max_running": 1}, {"scope": "global", "key": "all", "max_running": 2}]})");
    const auto b = job_with(db, "b", R"({"pool": "p"})", tenant);
    const auto c = db.job("c");
    const auto me = db.instance();
    submission sent;
    sent.extent(a, 5).extent(b, 5).extent(c, 5).commit(db.service());
    CHECK(total(claim(db.service(), me)) == 7);
    CHECK(db.value("select count(*) from extents where owner is not null and lane_id = " + std::to_string(b.lane.value)) == "1");
    CHECK(db.violations() == "");
    // With the job goes what it asked for.
    db.rows("select delete_job_1(1, 'a', 'test', '', null)");
    storage::enforce_due_limits(db.service());
    CHECK(total(claim(db.service(), me)) == 8);
    CHECK(db.violations() == "");
}

TEST_CASE("lanes that are made later have the limits that hold them, and a job that changes its pool changes its limits", "[pg][limits]")
{
    queue_database db;
    put(db, limit_kind::pool, everybody, "p", at_most(2));
    put(db, limit_kind::job_type, default_tenant, "load", at_most(3));
    const auto a = job_with(db, "a", R"({"pool": "p", "job_type": "load"})");
    const auto b = job_with(db, "b", R"({"job_type": "load"})");
    const auto me = db.instance();
    submission sent;
    sent.extent(a, 5).extent(b, 5).commit(db.service());
    CHECK(total(claim(db.service(), me)) == 3);
    CHECK(in_use(db, "pool", "p") <= "2");
    CHECK(in_use(db, "job_type", "load") == "3");
    CHECK(db.violations() == "");
    db.rows("select put_job_1(1, 'a', '{\"v\": 2}', '{\"max_attempts\": 3, \"limits\": {\"pool\": \"q\"}}', true, 'test', '', null)");
    storage::tick(db.service(), me, false);              // whoever ticks first brings it into force
    CHECK(db.value("select count(*) from limits_due") == "0");
    CHECK(total(claim(db.service(), me)) > 0);
    CHECK(db.violations() == "");
}

TEST_CASE("what executions ask for is admitted against the capacity of their pool", "[pg][limits]")
{
    queue_database db;
    const auto large = job_with(db, "large", R"({"pool": "p", "request": [2000, 600, 0, 0]})");
    const auto small = job_with(db, "small", R"({"pool": "p", "request": [0, 100, 0, 0]})");
    limit_to_put capacity;
    capacity.resources.amounts = {4000, 1000, std::nullopt, std::nullopt};
    put(db, limit_kind::pool, everybody, "p", capacity);
    const auto me = db.instance();
    submission sent;
    sent.extent(large, 3).extent(small, 10).commit(db.service());
    CHECK(total(claim(db.service(), me)) >= 5);
    CHECK(db.value("select in_use from limits where scope = 'pool_memory_mb'") == "1000");
    CHECK(db.violations() == "");
    // Nothing more fits, and who asks learns why.
    CHECK(claim(db.service(), me).empty());
    const auto waits = db.value("select execution_id from v_executions where status = 'QUEUED' and job_id = 'large' limit 1");
    CHECK(db.value("select waiting_on ->> 'rule' || ' ' || (waiting_on ->> 'resource') || ' ' || (waiting_on ->> 'capacity') from v_executions where execution_id = '" + waits + "'") ==
          "capacity memory_mb 1000");
    for (const auto& x : storage::owned_extents(db.service(), me)) ends().from(x.lo, x.fence).all(ids_in(x.lo, x.hi)).commit(db.service(), me);
    CHECK(db.value("select sum(in_use) from limits") == "0");
    CHECK(db.violations() == "");
}

TEST_CASE("a rate lets no more start in any span of its length, over all instances", "[pg][limits]")
{
    queue_database db;
    const auto job = db.job("a");
    limit_to_put limit;
    limit.rate = start_rate{3, 10s};
    put(db, limit_kind::job, default_tenant, "a", limit);
    const auto me = db.instance(1h);
    const auto you = db.instance(1h);
    submission sent;
    sent.extent(job, 20).commit(db.service());
    db.move_clock(0ms);
    CHECK(total(claim(db.service(), me, 2)) == 2);
    db.move_clock(6s);
    CHECK(total(claim(db.service(), you)) == 1);
    CHECK(claim(db.service(), me).empty());
    CHECK(waiting_on(db, sent.id(19), "rule") == "rate_limit");
    CHECK(storage::tick(db.service(), me, false).next_start_in.has_value());
    CHECK(db.violations() == "");
    // Two of them are ten seconds old; the third is not.
    db.move_clock(11s);
    CHECK(total(claim(db.service(), me)) == 2);
    CHECK(claim(db.service(), you).empty());
    db.move_clock(17s);
    CHECK(total(claim(db.service(), you)) == 1);
    // Ends give no starts back.
    for (const auto& x : storage::owned_extents(db.service(), you)) ends().from(x.lo, x.fence).all(ids_in(x.lo, x.hi)).commit(db.service(), you);
    CHECK(claim(db.service(), you).empty());
    CHECK(db.violations() == "");
    // An eager start is a start.
    db.move_clock(60s);
    const auto quick = db.job("b");
    put(db, limit_kind::job, default_tenant, "b", limit);
    submission now;
    CHECK(now.extent(quick, 2).commit(db.service(), me, 10).owned.size() == 1);
    submission then;
    CHECK(then.extent(quick, 2).commit(db.service(), me, 10).owned.empty());
    CHECK(db.violations() == "");
}

TEST_CASE("a limit that rejects refuses submissions when it is reached, and nothing of them is stored", "[pg][limits]")
{
    queue_database db;
    const auto a = db.job("a");
    const auto b = db.job("b");
    auto limit = at_most(2);
    limit.rejects = true;
    put(db, limit_kind::job, default_tenant, "a", limit);
    const auto me = db.instance();
    submission first;
    REQUIRE(first.extent(a, 1).commit(db.service(), me, 10).owned.size() == 1);
    // There is room for one more, and three come: who judges them is asked.
    storage::submit_batch unused;
    submission second;
    second.extent(a, 1).commit(db.service(), me, 10);
    submission third;
    try {
        third.extent(b, 1).extent(a, 1).commit(db.service(), me, 10);
        FAIL_CHECK("it was taken in");
    } catch (const storage::limits_reached_error& e) {
        REQUIRE(e.limits().size() == 1);
        CHECK(e.limits()[0].kind == "job");
        CHECK(e.limits()[0].key == "a");
        CHECK(e.limits()[0].in_use == 2);
        CHECK(e.limits()[0].room == 0);
        CHECK(e.limits()[0].lanes == std::vector<lane_id>{a.lane});
    }
    CHECK(db.value("select count(*) from executions") == "2");
    // What is for later is taken, and so is what others ask for.
    submission later;
    later.extent(a, 1, {.eligible = parse_rfc3339("2999-01-01T00:00:00Z").value()}).commit(db.service());
    submission of_b;
    of_b.extent(b, 1).commit(db.service());
    CHECK(db.violations() == "");
}
