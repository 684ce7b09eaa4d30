#include "storage/dependency_store.hpp"

#include "storage/rows.hpp"

namespace rowlock::storage {

constexpr statement upstream_statement{"parameters_with_upstream", R"sql(
    select e.execution_id, coalesce(e.parameters::jsonb, '{}') || jsonb_build_object('upstream', x.upstream)
    from unnest($1::uuid[]) u (id) cross join lateral (select * from executions e where e.execution_id = u.id limit 1) e
    cross join lateral (
        select jsonb_object_agg(d.upstream_job_id, jsonb_build_object('execution_id', d.upstream_execution_id, 'status', result_status_name(r.status),
                                                                     'outputs', coalesce(r.outputs::jsonb, '{}'))) as upstream
        from dependency_uses d left join results r on r.execution_id = d.upstream_execution_id where d.run_id = e.run_id) x
    where x.upstream is not null and not coalesce(e.parameters::jsonb ? 'upstream', false))sql"};

std::unordered_map<execution_id, std::string> parameters_with_upstream(session& s, array& ids)
{
    std::unordered_map<execution_id, std::string> given;
    for (const auto& row : s.exec(upstream_statement, ids.parameter())) given.emplace(id_of(row[0]), row[1].c_str());
    return given;
}

constexpr statement sweep_statement{"sweep_dependencies", "select sweep_dependencies_1()"};

int sweep_dependencies(session& s)
{
    return s.exec(sweep_statement)[0][0].as<int>();
}

// What waits for dependencies is the first attempt of its run, and so has its id.
constexpr statement timeouts_statement{"dependency_timeouts_of", R"sql(
    select count(*) from unnest($1::uuid[]) u (id) cross join lateral (
        select from errors e where e.error_id = u.id and e.queue = 2 and e.error_code = 'DEP_003_UPSTREAM_TIMEOUT' limit 1) e)sql"};

int dependency_timeouts_of(session& s, const std::vector<execution_id>& runs)
{
    array asked(array::element::uuid);
    for (const auto& run : runs) asked.add(run);
    return s.exec(timeouts_statement, asked.parameter())[0][0].as<int>();
}

}
