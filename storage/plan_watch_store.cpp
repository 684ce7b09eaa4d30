#include "storage/plan_watch_store.hpp"

#include "storage/rows.hpp"

namespace rowlock::storage {

constexpr statement ended_plan_runs_statement{"ended_plan_runs", R"sql(
    select u.id from unnest($1::uuid[]) u (id) cross join lateral (select g.status from plan_progress g where g.plan_run_id = u.id) g where g.status <> 3)sql"};

std::vector<execution_id> ended_plan_runs(session& s, const std::vector<execution_id>& ids)
{
    array asked(array::element::uuid);
    for (const auto& id : ids) asked.add(id);
    std::vector<execution_id> ended;
    for (const auto& row : s.exec(ended_plan_runs_statement, asked.parameter())) ended.push_back(id_of(row[0]));
    return ended;
}

}
