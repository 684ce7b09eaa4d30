#include "storage/limit_store.hpp"
#include "storage/policy_store.hpp"
#include "tests/pg/plans/plan_bench.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace rowlock;
using namespace rowlock::test;
using namespace std::chrono_literals;

namespace {

const auto all_well = [](const std::string&) { return execution_status::completed; };

void allow(plan_bench& bench, int attempts, const char* level, const char* scope = R"({"kind":"global"})", tenant_key subject = storage::no_tenant)
{
    auto read = parse_policy(boost::json::parse(fmt::format(R"({{"type":"BUDGET","scope":{},"enforcement_level":"{}","payload":{{"attempts":{},"per":"plan"}}}})", scope, level, attempts)).as_object());
    REQUIRE(read.has_value());
    storage::put_policy(bench.db.service(), subject, subject, "p", *read, "test", {default_tenant, true});
}

// a and b in parallel, c after a, d after c.
uuid start(plan_bench& bench)
{
    return bench.start(R"({"nodes":[{"node_id":"a","job_id":"j"},{"node_id":"b","job_id":"late"},{"node_id":"c","job_id":"j","needs":["a"]},{"node_id":"d","job_id":"j","needs":["c"]}]})");
}

std::vector<storage::claimed_extent> of(plan_bench& bench, const std::vector<storage::claimed_extent>& extents, const char* node)
{
    std::vector<storage::claimed_extent> some;
    for (const auto& x : extents) {
        if (bench.db.value(fmt::format("select node_id from v_executions where execution_id = '{}'", x.lo.str())) == node) some.push_back(x);
    }
    REQUIRE(!some.empty());
    return some;
}

std::string violations(plan_bench& bench)
{
    return bench.db.value("select string_agg(stage || ' ' || case when blocked then 'blocked' else 'passed' end || ': ' || detail, ', ' order by violation_id) from v_policy_violations");
}

// Of each of them, why it may not start.
std::string refusals(plan_bench& bench, const std::vector<storage::claimed_extent>& extents)
{
    std::string all;
    for (const auto& e : storage::read_executions(bench.db.service(), extents)) all += e.refusal;
    return all;
}

}

TEST_CASE("a budget of a plan that is used up ends what has not started, and lets what runs end", "[pg][plan][policies]")
{
    plan_bench bench;
    allow(bench, 1, "block");
    const auto run = start(bench);
    const auto extents = bench.take();
    REQUIRE(extents.size() == 2);
    CHECK(refusals(bench, extents).empty());
    bench.settle(of(bench, extents, "a"), all_well);
    // c was made in the same transaction. Whoever is quicker than plan_step_1 is refused.
    const auto c = bench.take();
    REQUIRE(c.size() == 1);
    CHECK(refusals(bench, c) == "The budget of the policy p is used up: the plan has used 1 of 1 attempts.");
    bench.step();
    CHECK(bench.nodes(run) == "a:COMPLETED b:RUNNING c:RUNNING d:SKIPPED");
    CHECK(violations(bench) == "PLAN blocked: the plan has used 1 of 1 attempts");
    CHECK(bench.db.value("select cancelled_by || ': ' || cancel_reason from v_plan_runs") == "policy:p: the budget of the policy p is used up: the plan has used 1 of 1 attempts");
    bench.settle(c, [](const std::string&) { return execution_status::failed; });
    bench.settle(of(bench, extents, "b"), all_well);
    bench.step();
    CHECK(bench.nodes(run) == "a:COMPLETED b:COMPLETED c:FAILED d:SKIPPED");
    CHECK(bench.status(run) == "FAILED");
    CHECK(bench.db.violations() == "");

    // One instance is told, once.
    const auto told = storage::policy_tick(bench.db.service()).plans;
    REQUIRE(told.size() == 1);
    CHECK(told[0].plan_run_id == run.str());
    CHECK(told[0].stops);
    CHECK(storage::policy_tick(bench.db.service()).plans.empty());
}

TEST_CASE("a node that a budget of its plan did not let start has used nothing, and is what the budget has blocked", "[pg][plan][policies]")
{
    plan_bench bench;
    allow(bench, 1, "block");
    const auto run = bench.start(R"({"nodes":[{"node_id":"a","job_id":"j"},{"node_id":"b","job_id":"j","needs":["a"]}]})");
    bench.settle(bench.take(), all_well);
    const auto b = bench.take();
    REQUIRE(b.size() == 1);
    ends refused(b.front());
    refused.end(b.front().lo, execution_status::failed).followed();
    refused.columns().error_code.add("BUDGET_EXCEEDED");
    refused.columns().actor.add("policy");
    refused.commit(bench.db.service(), bench.me);
    bench.step();
    CHECK(bench.status(run) == "FAILED");
    CHECK(bench.db.value("select attempts from plan_usage") == "1");
    CHECK(violations(bench) == "PLAN blocked: the plan has used 1 of 1 attempts");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("a node whose job says itself that a budget is used up counts as any other", "[pg][plan][policies]")
{
    plan_bench bench;
    allow(bench, 1, "block");
    const auto run = bench.start(R"({"nodes":[{"node_id":"a","job_id":"j"}]})");
    const auto a = bench.take();
    REQUIRE(a.size() == 1);
    ends says_so(a.front());
    says_so.end(a.front().lo, execution_status::failed).followed();
    says_so.columns().error_code.add("BUDGET_EXCEEDED");
    says_so.commit(bench.db.service(), bench.me);
    CHECK(bench.status(run) == "FAILED");
    CHECK(bench.db.value("select attempts from plan_usage") == "1");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("a plan of which a budget had nothing to stop is not looked at by every end, and its next attempts are stopped", "[pg][plan][policies]")
{
    plan_bench bench;
    allow(bench, 1, "block");
    const auto run = bench.start(R"({"nodes":[{"node_id":"a","job_id":"j"},{"node_id":"b","job_id":"k"},{"node_id":"c","job_id":"l"},{"node_id":"d","job_id":"m"}]})");
    const auto extents = bench.take();
    REQUIRE(extents.size() == 4);
    bench.settle(of(bench, extents, "a"), all_well);
    CHECK(bench.db.value("select count(*) from plan_work") == "1");
    bench.step();
    CHECK(bench.nodes(run) == "a:COMPLETED b:RUNNING c:RUNNING d:RUNNING");
    CHECK(violations(bench).empty());
    bench.settle(of(bench, extents, "b"), all_well);
    CHECK(bench.db.value("select count(*) from plan_work") == "0");
    for (const char* node : {"c", "d"}) {
        const auto x = of(bench, extents, node).front();
        ends(x).fail(x.lo, first_of_new_block(), 1h).followed().commit(bench.db.service(), bench.me);
        CHECK(bench.db.value("select count(*) from plan_work where kind = 8 and cardinality(ids) = 1") == "1");
        bench.step();
    }
    CHECK(bench.nodes(run) == "a:COMPLETED b:COMPLETED c:CANCELLED d:CANCELLED");
    CHECK(bench.status(run) == "FAILED");
    CHECK(violations(bench) == "PLAN blocked: the plan has used 3 of 1 attempts");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("after a pause a budget of a plan counts anew, and goes on where only the amount changes", "[pg][plan][policies]")
{
    plan_bench bench;
    allow(bench, 10, "warn");
    start(bench);
    const auto first = bench.take();
    bench.settle(of(bench, first, "a"), all_well);
    allow(bench, 11, "warn");
    bench.db.move_clock(1min);
    bench.settle(bench.take(), all_well);
    CHECK(bench.db.value("select attempts from plan_usage") == "2");
    REQUIRE(storage::delete_policy(bench.db.service(), storage::no_tenant, "p", "test", ""));
    bench.settle(of(bench, first, "b"), all_well);
    bench.db.move_clock(1min);
    allow(bench, 10, "warn");
    bench.settle(bench.take(), all_well);
    CHECK(bench.db.value("select attempts from plan_usage") == "1");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("a budget of a plan cancels nodes that are queued, and attempts that would follow", "[pg][plan][policies]")
{
    plan_bench bench;
    allow(bench, 1, "block");
    const auto run = start(bench);
    const auto extents = bench.take();
    bench.settle(of(bench, extents, "a"), all_well);
    bench.step();
    CHECK(bench.nodes(run) == "a:COMPLETED b:RUNNING c:CANCELLED d:SKIPPED");
    CHECK(bench.db.value("select error_message from v_executions where node_id = 'c'") == "the budget of the policy p is used up: the plan has used 1 of 1 attempts");
    const auto b = of(bench, extents, "b").front();
    ends(b).fail(b.lo, first_of_new_block(), 1h).followed().commit(bench.db.service(), bench.me);
    bench.step();
    CHECK(bench.nodes(run) == "a:COMPLETED b:CANCELLED c:CANCELLED d:SKIPPED");
    CHECK(bench.status(run) == "FAILED");
    CHECK(bench.db.value("select attempts from plan_usage") == "2");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("a budget of a plan counts from the making of the policy on, and what was lost, too", "[pg][plan][policies]")
{
    plan_bench bench;
    const auto run = start(bench);
    const auto first = bench.take();
    bench.settle(of(bench, first, "a"), all_well);
    allow(bench, 2, "block");
    bench.db.move_clock(2h);
    const auto other = bench.db.instance(1h);
    CHECK(storage::declare_dead(bench.db.service(), other, false) == 1);
    CHECK(storage::takeover(bench.db.service(), other, 1s, 100) == 1);
    CHECK(bench.db.value("select attempts || ' ' || (seconds >= 7200) from plan_usage") == "1 true");
    CHECK(violations(bench).empty());
    bench.me = other;
    bench.settle(of(bench, bench.take(), "c"), all_well);
    bench.step();
    CHECK(bench.status(run) == "RUNNING");           // b's second attempt runs
    CHECK(violations(bench) == "PLAN blocked: the plan has used 2 of 2 attempts");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("a budget of a plan that only warns is recorded once, and one that is enough never", "[pg][plan][policies]")
{
    struct row { const char* why; int attempts; const char* level; const char* recorded; };
    const auto& r = GENERATE(values<row>({
        {"it warns", 2, "warn", "PLAN passed: the plan has used 2 of 2 attempts"},
        {"the last attempt uses it up", 4, "block", ""},
        {"there is more", 5, "block", ""},
        {"the same as a warning", 4, "warn", ""}}));
    INFO(r.why);
    plan_bench bench;
    allow(bench, r.attempts, r.level);
    const auto run = start(bench);
    bench.run(all_well, 1);
    CHECK(bench.status(run) == "COMPLETED");
    CHECK(violations(bench) == r.recorded);
    CHECK(bench.db.value("select attempts from plan_usage") == "4");
    CHECK(bench.db.violations() == "");
}

TEST_CASE("a budget that is raised in time lets a plan go on, and one of another plan does not hold", "[pg][plan][policies]")
{
    plan_bench bench;
    SECTION("it is raised before anything has ended by it")
    {
        allow(bench, 1, "block");
        const auto run = start(bench);
        bench.settle(of(bench, bench.take(), "a"), all_well);
        allow(bench, 10, "block");
        CHECK(refusals(bench, bench.take()).empty());
        bench.step();
        CHECK(bench.status(run) == "RUNNING");
        CHECK(violations(bench).empty());
    }
    SECTION("another plan")
    {
        allow(bench, 1, "block", R"({"kind":"plan","key":"other"})", default_tenant);
        const auto run = start(bench);
        bench.run(all_well);
        CHECK(bench.status(run) == "COMPLETED");
        CHECK(bench.db.value("select count(*) from plan_usage") == "0");
    }
    CHECK(bench.db.violations() == "");
}

TEST_CASE("items of a list that have not been made end with the budget of their plan", "[pg][plan][policies]")
{
    plan_bench bench;
    allow(bench, 5, "block");
    std::string items;
    for (int k = 0; k < 1500; ++k) items += fmt::format("{}{}", k ? "," : "", k);
    const auto run = bench.start(R"({"nodes":[{"node_id":"each","job_id":"j","for_each":[)" + items + "]}]}");
    bench.settle(bench.take(10), all_well);
    bench.step();
    CHECK(bench.nodes(run) == "each:CANCELLED");
    CHECK(bench.status(run) == "FAILED");
    CHECK(bench.db.value("select attempts from plan_usage") == "10");
    CHECK(bench.db.violations() == "");
}
