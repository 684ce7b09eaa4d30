#include "storage/limit_store.hpp"
#include "storage/policy_store.hpp"
#include "tests/pg/queue/queue_traffic.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

policy policy_of(const std::string& text)
{
    auto read = parse_policy(boost::json::parse(text).as_object());
    REQUIRE(read.has_value());
    return std::move(*read);
}

policy daily(int attempts, const char* level)
{
    return policy_of(fmt::format(R"({{"type":"BUDGET","scope":{{"kind":"global"}},"enforcement_level":"{}","payload":{{"attempts":{},"per":"tenant_day"}},"reason":"a test"}})", level, attempts));
}

storage::put_outcome put(queue_database& db, const policy& p, const char* name = "p")
{
    return storage::put_policy(db.service(), storage::no_tenant, storage::no_tenant, name, p, "test", {default_tenant, true});
}

// As an instance does once a second, and its tick after it.
storage::policy_look look(queue_database& db)
{
    auto seen = storage::policy_tick(db.service());
    storage::enforce_due_limits(db.service());
    return seen;
}

int total(const std::vector<storage::claimed_extent>& extents)
{
    int n = 0;
    for (const auto& x : extents) n += x.remaining;
    return n;
}

std::string used(queue_database& db, tenant_key tenant)
{
    return db.value(fmt::format("select attempts || ' ' || (seconds >= 0) from policy_usage where tenant_key = {}", tenant.value));
}

}

TEST_CASE("each change of a policy is kept, and nobody can alter what is", "[pg][policies]")
{
    queue_database db;
    CHECK(storage::policy_tick(db.service()).changes == 0);
    CHECK(put(db, daily(5, "warn")) == storage::put_outcome::created);
    CHECK(put(db, daily(5, "warn")) == storage::put_outcome::unchanged);
    CHECK(put(db, daily(6, "warn")) == storage::put_outcome::changed);
    CHECK(storage::policy_tick(db.service()).changes == 2);
    CHECK(storage::delete_policy(db.service(), storage::no_tenant, "p", "test", "over"));
    CHECK(!storage::delete_policy(db.service(), storage::no_tenant, "p", "test", "over"));
    CHECK(storage::load_policies(db.service()).empty());
    CHECK(db.value("select string_agg(version || coalesce(document #>> '{payload,attempts}', '-') || reason, ' ' order by version) from v_policy_changes") == "15a test 26a test 3-over");
    for (const char* table : {"policy_changes", "policy_violations"}) {
        INFO(table);
        storage::note_violations(db.service(), {{storage::no_tenant, "p", 1, default_tenant, "a", 1, {}, {}, storage::policy_stage::start, true, "why", 3}});
        CHECK(db.sqlstate(fmt::format("delete from {}", table)) == "42501");
        CHECK(db.sqlstate(fmt::format("update {} set policy_id = 'x'", table)) == "42501");
    }
    CHECK(db.value("select sum(occurrences) from v_policy_violations where policy_id = 'p' and stage = 'START' and blocked") == "6");
    db.move_clock(48h);
    CHECK(storage::sweep_policy_violations(db.service(), 72h, 10) == 0);
    CHECK(storage::sweep_policy_violations(db.service(), 24h, 1) == 1);
    CHECK(storage::sweep_policy_violations(db.service(), 24h, 10) == 1);
}

TEST_CASE("ends are counted by tenant and day while a policy asks for it", "[pg][policies]")
{
    queue_database db;
    const auto beta = db.tenant("beta");
    const auto a = db.job("a");
    const auto b = db.job("b", {.tenant = beta});
    const auto me = db.instance(1h);
    const auto run = [&](const queue_job& job, int n) {
        submission sent;
        sent.extent(job, n).commit(db.service());
        const auto x = claim_one(db.service(), me);
        CHECK(ends(x).all(ids_in(x.lo, x.hi)).commit(db.service(), me).empty());
    };
    run(a, 3);
    CHECK(db.value("select count(*) from policy_usage") == "0");
    put(db, daily(100, "warn"));
    run(a, 3);
    run(b, 2);
    run(a, 1);
    CHECK(used(db, default_tenant) == "4 true");
    CHECK(used(db, beta) == "2 true");

    // What dies with its instance has been used as well.
    submission lost;
    lost.extent(a, 2).commit(db.service());
    const auto dying = db.instance(1s);
    CHECK(total(claim(db.service(), dying)) == 2);
    db.move_clock(10s);
    CHECK(storage::declare_dead(db.service(), me, false) == 1);
    CHECK(storage::takeover(db.service(), me, 1s, 100) == 2);
    CHECK(used(db, default_tenant) == "6 true");
    CHECK(db.value("select seconds >= 20 from policy_usage where tenant_key = 1") == "t");
    CHECK(db.violations() == "");
}

TEST_CASE("a day that is used up lets nothing of its tenant start until it is over, or the budget is raised", "[pg][policies]")
{
    queue_database db;
    const auto other = db.job("other", {.tenant = db.tenant("other")});
    const auto a = db.job("a");
    const auto me = db.instance(48h);
    put(db, daily(3, "block"));
    submission sent;
    sent.extent(a, 4).commit(db.service());
    const auto x = claim_one(db.service(), me, 3);
    CHECK(look(db).closed.empty());
    CHECK(ends(x).all(ids_in(x.lo, x.hi)).commit(db.service(), me).empty());
    const auto closed = look(db);
    REQUIRE(closed.closed.size() == 1);
    CHECK(closed.closed[0].tenant == default_tenant);
    CHECK(closed.closed[0].used == "3 of 3 attempts");
    CHECK(closed.day_left > 0ms);
    CHECK(closed.day_left <= 24h);
    CHECK(claim(db.service(), me).empty());
    const auto waits = [&](const char* member) { return db.value(fmt::format("select waiting_on ->> '{}' from v_executions where execution_id = '{}'", member, sent.id(3).str())); };
    CHECK(waits("rule") == "budget");
    CHECK(waits("key") == "p");
    CHECK(waits("used") == "3 of 3 attempts");
    CHECK(waits("opens_at") != "");
    // A job that is new waits, too; another tenant's does not.
    const auto late = db.job("late");
    submission more;
    more.extent(late).extent(other).commit(db.service());
    CHECK(total(claim(db.service(), me)) == 1);
    CHECK(look(db).closed.size() == 1);
    CHECK(db.value("select count(*) from v_policy_violations where stage = 'DAY'") == "1");
    CHECK(db.value("select count(*) from v_limits") == "0");
    CHECK(db.violations() == "");

    SECTION("it is raised")
    {
        put(db, daily(4, "block"));
        CHECK(look(db).closed.empty());
        CHECK(total(claim(db.service(), me)) == 2);
    }
    SECTION("it only warns")
    {
        put(db, daily(3, "warn"));
        CHECK(look(db).closed.empty());
        CHECK(total(claim(db.service(), me)) == 2);
        CHECK(db.value("select count(*) from v_policy_violations where stage = 'DAY' and not blocked") == "1");
    }
    SECTION("it is deleted")
    {
        CHECK(storage::delete_policy(db.service(), storage::no_tenant, "p", "test", ""));
        CHECK(look(db).closed.empty());
        CHECK(total(claim(db.service(), me)) == 2);
    }
    SECTION("the day is over")
    {
        db.move_clock(24h);
        CHECK(look(db).closed.empty());
        CHECK(total(claim(db.service(), me)) == 2);
    }
    CHECK(db.violations() == "");
}

TEST_CASE("the usage of a run is that of its ended attempts", "[pg][policies]")
{
    queue_database db;
    const auto me = db.instance(1h);
    submission sent;
    sent.extent(db.job("a")).commit(db.service());
    const auto next = first_of_new_block();
    ends(claim_one(db.service(), me)).fail(sent.id(), next, 0ms).commit(db.service(), me);
    const auto first = storage::usage_of_run(db.service(), sent.id());
    CHECK(first.attempts == 1);
    CHECK(first.seconds >= 0);
    CHECK(first.cost_units == 0);
    ends(claim_one(db.service(), me)).end(next).commit(db.service(), me);
    CHECK(storage::usage_of_run(db.service(), sent.id()).attempts == 2);
    struct row { const char* metrics; const char* cost; };
    const auto& r = GENERATE(values<row>({{R"({"cost_units": 2.5})", "2.5"}, {R"({"cost_units": -1})", "0"}, {R"({"cost_units": 1e308})", "1e+15"}, {R"({"cost_units": "3"})", "0"}, {R"({"x": 1})", "0"}}));
    CHECK(db.value(fmt::format("select cost_units_in('{}')", r.metrics)) == r.cost);
    CHECK(db.value("select cost_units_in(null)") == "0");
}
