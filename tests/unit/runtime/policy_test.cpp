#include "runtime/policy/policy_set.hpp"
#include "runtime/policy/run_budget.hpp"
#include "storage/limit_store.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::runtime;
using namespace std::chrono_literals;

namespace {

constexpr tenant_key acme{7};
constexpr tenant_key beta{8};

policy_in_force allows(std::string id, policy_type type, std::vector<std::string> allow, bool blocks = true)
{
    policy_in_force p{std::move(id), 1, storage::no_tenant, storage::no_tenant, {}};
    p.what.type = type;
    p.what.blocks = blocks;
    p.what.allow = std::move(allow);
    return p;
}

policy_in_force budget(std::string id, budget_amounts amounts, bool blocks = true)
{
    policy_in_force p{std::move(id), 1, storage::no_tenant, storage::no_tenant, {}};
    p.what.blocks = blocks;
    p.what.budget = amounts;
    return p;
}

job_definition job(std::string job_id, handler_spec handler, std::string job_type = "", std::string lifecycle = "")
{
    job_definition d;
    d.job_id = std::move(job_id);
    d.handler = std::move(handler);
    d.limits.job_type = std::move(job_type);
    if (!lifecycle.empty()) d.document["lifecycle"] = lifecycle;
    return d;
}

std::string found_in(const policy_set& set, tenant_key tenant, const job_definition& definition)
{
    std::string all;
    for (const auto& each : set.judge(tenant, definition)) all += (all.empty() ? "" : "; ") + each.policy->policy_id + ": " + each.detail;
    return all;
}

run_budgets with(const policy_set& set, run_usage before = {})
{
    run_budgets budgets;
    budgets.all = set.budgets(acme, job("x", noop_handler{}));
    budgets.before = before;
    return budgets;
}

}

TEST_CASE("a handler or a lifecycle that a policy does not name is found, what blocks first", "[unit][policies]")
{
    std::vector<policy_in_force> all;
    all.push_back(allows("soft", policy_type::allowed_handlers, {"noop"}, false));
    all.push_back(allows("hard", policy_type::allowed_handlers, {"noop", "sleep"}));
    all.push_back(allows("ripe", policy_type::allowed_lifecycles, {"stable"}));
    const policy_set set(std::move(all));
    CHECK(found_in(set, acme, job("x", noop_handler{}, "", "stable")) == "");
    CHECK(found_in(set, acme, job("x", sleep_handler{}, "", "stable")) == "soft: the handler sleep is not allowed (noop is)");
    CHECK(found_in(set, acme, job("x", fail_handler{}, "", "canary"))
          == "hard: the handler fail is not allowed (noop, sleep are); ripe: the lifecycle canary is not allowed (stable is); soft: the handler fail is not allowed (noop is)");
    CHECK(found_in(set, acme, job("x", noop_handler{})) == "ripe: a definition without a lifecycle is not allowed (stable is)");
}

TEST_CASE("a policy holds for its scope alone", "[unit][policies]")
{
    auto of_tenant = allows("of-tenant", policy_type::allowed_handlers, {});
    of_tenant.what.scope = policy_scope::tenant;
    of_tenant.subject = acme;
    auto of_job = allows("of-job", policy_type::allowed_handlers, {});
    of_job.what.scope = policy_scope::job;
    of_job.what.key = "x";
    of_job.owner = of_job.subject = beta;
    auto of_type = allows("of-type", policy_type::allowed_handlers, {});
    of_type.what.scope = policy_scope::job_type;
    of_type.what.key = "INGESTION";
    of_type.owner = of_type.subject = beta;
    std::vector<policy_in_force> all{of_tenant, of_job, of_type};
    const policy_set set(std::move(all));
    const std::string none = ": the handler noop is not allowed (none is)";
    CHECK(found_in(set, acme, job("x", noop_handler{}, "INGESTION")) == "of-tenant" + none);
    CHECK(found_in(set, beta, job("x", noop_handler{})) == "of-job" + none);
    CHECK(found_in(set, beta, job("y", noop_handler{}, "INGESTION")) == "of-type" + none);
    CHECK(found_in(set, beta, job("y", noop_handler{}, "OUTPUT")) == "");
    CHECK(found_in(set, tenant_key{9}, job("x", noop_handler{}, "INGESTION")) == "");
}

TEST_CASE("no attempt follows where a budget that blocks is used up", "[unit][policies]")
{
    const budget_amounts amounts{3, 10s, 5.0};
    struct row { const char* why; run_usage usage; bool again; bool stops; std::size_t found; };
    const auto& r = GENERATE(values<row>({
        {"something is left of all", {2, 9.9, 4.9}, true, false, 0},
        {"the attempts are used", {3, 1, 1}, true, true, 1},
        {"the seconds are, to the microsecond", {1, 9.9996, 1}, true, true, 1},
        {"the cost units are", {1, 1, 5}, true, true, 1},
        {"all of them is one finding", {4, 11, 6}, true, true, 1},
        {"nothing would follow, and nothing is overdrawn", {3, 10, 5}, false, false, 0},
        {"nothing would follow, and more was used than there was", {1, 1, 6}, false, false, 1},
    }));
    INFO(r.why);
    std::vector<policy_in_force> all{budget("b", amounts)};
    const policy_set set(std::move(all));
    const auto verdict = judge_end(with(set), r.usage, r.again);
    CHECK(verdict.stops == r.stops);
    CHECK(verdict.found.size() == r.found);
    CHECK(verdict.why.empty() == !r.stops);
}

TEST_CASE("a budget that warns is found beside one that blocks, and stops nothing", "[unit][policies]")
{
    std::vector<policy_in_force> all{budget("warns", {1, {}, {}}, false), budget("blocks", {2, {}, {}})};
    const policy_set set(std::move(all));
    const auto first = judge_end(with(set), {1, 0, 0}, true);
    CHECK(!first.stops);
    REQUIRE(first.found.size() == 1);
    CHECK(first.found[0].policy->policy_id == "warns");
    CHECK(first.found[0].detail == "the run has used 1 of 1 attempts");
    const auto second = judge_end(with(set), {2, 0, 0}, true);
    CHECK(second.stops);
    REQUIRE(second.found.size() == 2);
    CHECK(second.found[0].policy->policy_id == "blocks");
    CHECK(second.why == "the budget of the policy blocks is used up (2 of 2 attempts)");
}

TEST_CASE("a budget of a day is no budget of a run", "[unit][policies]")
{
    auto day = budget("day", {1, {}, {}});
    day.what.per = budget_period::tenant_day;
    std::vector<policy_in_force> all{day};
    const policy_set set(std::move(all));
    CHECK(with(set).empty());
}

TEST_CASE("an attempt runs no longer than what is left, and not at all where nothing is", "[unit][policies]")
{
    std::vector<policy_in_force> all{budget("long", {{}, 60s, {}}), budget("short", {{}, 10s, {}}), budget("warns", {{}, 1s, {}}, false)};
    const policy_set set(std::move(all));
    CHECK(time_left(with(set)) == 10s);
    CHECK(time_left(with(set, {1, 7.5, 0})) == 2500ms);
    CHECK(!refuses_start(with(set, {1, 9.5, 0})));
    const auto refused = refuses_start(with(set, {1, 10, 0}));
    REQUIRE(refused.has_value());
    CHECK(refused->policy->policy_id == "short");
    CHECK(refused->detail == "the run has used 10 of 10 seconds");
    CHECK(!time_left(run_budgets{}));
    // Of a budget of nothing the first attempt is let start: what it costs is known at its end.
    std::vector<policy_in_force> nothing{budget("nothing", {{}, {}, 0.0})};
    const policy_set of_nothing(std::move(nothing));
    CHECK(!refuses_start(with(of_nothing)));
    CHECK(refuses_start(with(of_nothing, {1, 0, 0})).has_value());
}

TEST_CASE("cost units are a metric that is a number and not negative", "[unit][policies]")
{
    outcome o;
    CHECK(cost_units_of(o) == 0);
    for (const auto& [metrics, cost] : std::vector<std::pair<const char*, double>>{{R"({"cost_units":2.5})", 2.5}, {R"({"cost_units":3,"x":1})", 3}, {R"({"cost_units":-1})", 0}, {R"({"cost_units":"9"})", 0}, {R"({"x":9})", 0}}) {
        o.metrics = metrics;
        CHECK(cost_units_of(o) == cost);
    }
}
