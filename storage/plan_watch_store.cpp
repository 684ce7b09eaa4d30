#include "storage/plan_watch_store.hpp"

#include "storage/plan_run_members.hpp"
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

#define ROWLOCK_PLAN_RUN_FIGURES "concat_ws(' ', g.status, g.nodes, g.unended, g.failed, g.cancelled, g.stopping), g.status <> 3"

constexpr statement plan_run_states_statement{"plan_run_states", "select u.id, " ROWLOCK_PLAN_RUN_FIGURES
    " from unnest($1::uuid[]) u (id) cross join lateral (select * from plan_progress g where g.plan_run_id = u.id) g"};

std::vector<state_of_plan_run> read_plan_run_states(session& s, array& ids)
{
    std::vector<state_of_plan_run> all;
    for (const auto& row : s.exec(plan_run_states_statement, ids.parameter())) all.push_back({id_of(row[0]).value, {row[1].c_str(), row[2].as<bool>()}});
    return all;
}

constexpr statement shown_plan_runs_statement{"shown_plan_runs", "select r.plan_run_id, r.tenant_key, " ROWLOCK_PLAN_RUN_FIGURES ", json_build_object(" ROWLOCK_PLAN_RUN_MEMBERS ")"
    " from unnest($1::uuid[]) u (id) cross join lateral (select * from plan_runs r where r.plan_run_id = u.id) r"
    " cross join lateral (select * from plan_progress g where g.plan_run_id = u.id) g cross join lateral (select * from v_plan_runs v where v.plan_run_id = u.id) v"};

std::vector<shown_plan_run> read_shown_plan_runs(session& s, array& ids)
{
    std::vector<shown_plan_run> all;
    for (const auto& row : s.exec(shown_plan_runs_statement, ids.parameter())) {
        all.push_back({id_of(row[0]).value, {row[1].as<int>()}, {row[2].c_str(), row[3].as<bool>()}, row[4].c_str()});
    }
    return all;
}

}
