#include "runtime/plan/plan_checks.hpp"
#include "runtime/plan/plan_runs.hpp"
#include "storage/model/json_fields.hpp"

#include <boost/json/serialize.hpp>
#include <memory>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

std::vector<storage::plan_change> changes_of(const std::vector<plan_to_store>& plans)
{
    std::vector<storage::plan_change> changes;
    for (const auto& one : plans) changes.push_back({one.plan.plan_id, json::serialize(one.plan.document), one.reason, one.if_match});
    return changes;
}

}

// A job that is disabled may be enabled again before the plan runs. It is not compiled: what a run says may stand in for a parameter that has no
// default.
awaitable<result<void>> plan_runs::check(tenant_key tenant, plan_definition& plan)
{
    const auto jobs = co_await find_jobs(jobs_, tenant, plan);
    if (!jobs && jobs.error().code != errc::job_disabled) co_return jobs.error();
    if (!plan.paths.empty()) {
        const auto good = co_await db_.read([&paths = plan.paths](storage::session& s) { return check_paths(s, paths); });
        if (!good) co_return good.error();
    }
    co_return check_gates(plan);
}

awaitable<result<storage::put_plan_answer>> plan_runs::put(principal who, plan_to_store plan, bool dry_run)
{
    if (const auto good = co_await check(who.tenant, plan.plan); !good) co_return good.error();
    std::vector<plan_to_store> only;
    only.push_back(std::move(plan));
    co_return co_await db_.write([who = std::move(who), only = std::move(only), dry_run](storage::session& s) {
        return storage::put_plan(s, who, changes_of(only).front(), dry_run);
    });
}

awaitable<result<std::vector<storage::put_plan_answer>>> plan_runs::put_all(principal who, std::vector<plan_to_store> plans, bool dry_run)
{
    field_errors errors;
    for (std::size_t i = 0; i < plans.size(); ++i) {
        const auto good = co_await check(who.tenant, plans[i].plan);
        if (good) continue;
        // Without fields it is not this plan that is wrong.
        if (good.error().fields.empty()) co_return good.error();
        errors.add_all(good.error(), path_of("plans", i));
    }
    if (!errors.empty()) co_return std::move(errors).take("What is to be applied");
    co_return co_await db_.write([who = std::move(who), plans = std::move(plans), dry_run](storage::session& s) {
        return storage::put_plans(s, who, changes_of(plans), dry_run);
    });
}

}
