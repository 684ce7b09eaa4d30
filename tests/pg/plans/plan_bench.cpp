#include "tests/pg/plans/plan_bench.hpp"

#include "runtime/plan/plan_columns.hpp"
#include "storage/model/json_text.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace rowlock::test {

namespace json = boost::json;

plan_bench::plan_bench() : me(db.instance(std::chrono::hours{1})) {}

uuid plan_bench::start(std::string_view text, const storage::new_plan_run& like, const std::map<std::string, std::pair<uuid, int>>& kept)
{
    const auto body = parse_json(text).value();
    auto plan = parse_plan(body.as_object(), {}, {}).value();
    std::vector<job_version_ptr> jobs;
    for (auto& node : plan.nodes) {
        const auto at = jobs_.try_emplace(node.job_id).first;
        // More attempts than instances die.
        if (at->second.version == 1 && at->second.key.value == 0) at->second = db.job(node.job_id, {.max_attempts = 100});
        auto version = std::make_shared<job_version>();
        version->tenant = at->second.tenant;
        version->job = at->second.key;
        version->lane = at->second.lane;
        version->version = at->second.version;
        jobs.push_back(std::move(version));
    }
    const auto compiled = runtime::compile(plan, plan.parameters).value();
    storage::plan_node_columns columns;
    runtime::fill(columns, plan, compiled, jobs, {});
    for (const auto& node : compiled.nodes) {
        const auto at = kept.find(plan.nodes[node.index].node_id);
        if (at == kept.end()) columns.kept_run.add_null();
        else columns.kept_run.add(execution_id{at->second.first});
        columns.kept_no.add(at == kept.end() ? std::nullopt : std::optional<std::int32_t>(at->second.second));
    }
    auto run = like;
    run.id = first_of_new_block().value;
    run.tenant = default_tenant;
    run.definition = json::serialize(plan.document);
    run.fail_fast = plan.fail_fast;
    return storage::create_plan_run(db.service(), run, priority_age, std::chrono::hours{1}, columns).value().id;
}

void plan_bench::settle(const std::vector<storage::claimed_extent>& extents, const std::function<execution_status(const std::string&)>& how, const std::string& outputs)
{
    if (extents.empty()) return;
    std::map<std::string, std::string> names;
    for (const auto& row : db.rows("select e.execution_id, n.node_id from executions e join plan_nodes n using (plan_run_id, node_no) where e.execution_id in"
                                   " (select x.execution_id from extents s join executions x on x.execution_id between s.lo and s.hi where s.owner is not null)")) {
        names[row[0].as<std::string>()] = row[1].as<std::string>();
    }
    ends all;
    auto& columns = all.columns();
    for (const auto& x : extents) {
        all.from(x.lo, x.fence);
        for (const auto& id : ids_in(x.lo, x.hi)) {
            const auto status = how(names.at(id.str()));
            all.end(id, status);
            columns.outputs.add(outputs);
            columns.planned.add(columns.id.size());
        }
    }
    all.commit(db.service(), me);
}

void plan_bench::step()
{
    while (storage::plan_step(db.service())) {}
}

void plan_bench::run(const std::function<execution_status(const std::string&)>& how, int budget)
{
    for (;;) {
        step();
        const auto extents = take(budget);
        if (extents.empty()) return;
        settle(extents, how);
    }
}

std::string plan_bench::nodes(const uuid& run)
{
    return db.value(fmt::format("select string_agg(node_id || ':' || status, ' ' order by node_id) from v_plan_nodes where plan_run_id = '{}'", run.str()));
}

std::string plan_bench::status(const uuid& run)
{
    return db.value(fmt::format("select status from v_plan_runs where plan_run_id = '{}'", run.str()));
}

}
