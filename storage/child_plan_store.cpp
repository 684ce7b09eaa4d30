#include "storage/child_plan_store.hpp"

#include "storage/rows.hpp"

#include <algorithm>

namespace rowlock::storage {

constexpr statement plan_run_of_statement{"plan_run_of", "select plan_run_id from executions where execution_id = $1 and plan_run_id is not null"};

std::optional<uuid> plan_run_of(session& s, const execution_id& id)
{
    const auto rows = s.exec(plan_run_of_statement, id.str());
    if (rows.empty()) return std::nullopt;
    return id_of(rows[0][0]).value;
}

// A run has the id of its first attempt.
constexpr statement plans_around_statement{"plans_around", R"sql(
    with recursive around (plan_run_id, n) as (
        select e.plan_run_id, 1 from executions e where e.execution_id = $1 and e.plan_run_id is not null
        union all
        select e.plan_run_id, a.n + 1 from around a join plan_runs r on r.plan_run_id = a.plan_run_id join executions e on e.execution_id = r.parent_run_id
        where e.plan_run_id is not null and a.n < $2)
    select count(*) from around)sql"};

int plans_around(session& s, const execution_id& id, int most)
{
    return s.exec(plans_around_statement, id.str(), most)[0][0].as<int>();
}

constexpr statement plan_run_end_statement{"plan_run_end", "select status, nodes, nodes_failed from v_plan_runs where plan_run_id = $1"};
// Those with a fallback come last: it may have stood in for them, which then are not counted.
constexpr statement failed_nodes_statement{"failed_nodes", R"sql(
    select v.node_id, coalesce(v.error_code, v.status) from v_plan_nodes v
    cross join lateral (select n.fallback_no from plan_nodes n where n.plan_run_id = v.plan_run_id and n.node_no = v.node_no limit 1) n
    where v.plan_run_id = $1 and v.status in ('FAILED', 'TIMEOUT') order by n.fallback_no is not null, v.node_no limit $2)sql"};

std::optional<plan_run_end> find_plan_run_end(session& s, const uuid& id)
{
    constexpr int most_named = 3;
    const auto rows = s.exec(plan_run_end_statement, id.str());
    if (rows.empty()) return std::nullopt;
    plan_run_end end{rows[0][0].c_str(), rows[0][1].as<int>(), rows[0][2].as<int>()};
    if (end.failed == 0) return end;
    for (const auto& row : s.exec(failed_nodes_statement, id.str(), std::min(end.failed, most_named))) {
        end.first_failed.push_back(std::string(row[0].c_str()) + " (" + row[1].c_str() + ")");
    }
    return end;
}

constexpr statement orphaned_plan_runs_statement{"orphaned_plan_runs", R"sql(
    select r.plan_run_id, r.tenant_key from plan_progress g join plan_runs r using (plan_run_id)
    where g.status = 3 and g.cancelled_at is null and r.parent_run_id is not null and run_is_over(r.parent_run_id) limit $1)sql"};

std::vector<orphaned_plan_run> orphaned_plan_runs(session& s, int most)
{
    std::vector<orphaned_plan_run> orphans;
    for (const auto& row : s.exec(orphaned_plan_runs_statement, most)) orphans.push_back({id_of(row[0]).value, {row[1].as<int>()}});
    return orphans;
}

}
