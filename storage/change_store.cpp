#include "storage/change_store.hpp"

#include "storage/rows.hpp"

namespace rowlock::storage {

namespace {

execution_state state_of(const pqxx::field& status, const pqxx::field& fence, const pqxx::field& progress)
{
    return {static_cast<execution_status>(status.as<int>()), fence.is_null() ? 0 : fence.as<int>(), progress.is_null() ? "" : progress.c_str()};
}

}

constexpr statement read_states_statement{"read_states", R"sql(
    select u.id, coalesce(r.status, case when not s.ready then 1 when s.owner is null then 2 else 3 end::smallint), coalesce(r.fence, s.fence), n.progress
    from unnest($1::uuid[]) u (id)
    left join lateral (select r.status, r.fence from results r where r.execution_id = u.id) r on true
    left join lateral (select x.* from (select x.* from extents x where x.lo <= u.id order by x.lo desc limit 1) x where r.status is null and x.hi >= u.id) s on true
    left join lateral (select n.progress from live_notes n where n.execution_id = u.id) n on true
    where r.status is not null or s.lo is not null)sql"};

std::vector<state_of_execution> read_states(session& s, array& ids)
{
    std::vector<state_of_execution> all;
    for (const auto& row : s.exec(read_states_statement, ids.parameter())) all.push_back({id_of(row[0]), state_of(row[1], row[2], row[3])});
    return all;
}

constexpr statement read_shown_statement{"read_shown", R"sql(
    select v.execution_id, v.status, v.fence, v.progress, v.next_execution_id, execution_json_1(v)
    from unnest($1::uuid[]) u (id) cross join lateral (select * from v_executions v where v.execution_id = u.id limit 1) v)sql"};

std::vector<shown_execution> read_shown(session& s, array& ids)
{
    std::vector<shown_execution> all;
    for (const auto& row : s.exec(read_shown_statement, ids.parameter())) {
        const auto status = parse_execution_status(row[1].c_str());
        if (!status) throw std::logic_error(std::string("not a status: ") + row[1].c_str());
        shown_execution one{id_of(row[0]), {*status, row[2].is_null() ? 0 : row[2].as<int>(), row[3].is_null() ? "" : row[3].c_str()}, std::nullopt, row[5].c_str()};
        if (!row[4].is_null()) one.next = id_of(row[4]);
        all.push_back(std::move(one));
    }
    return all;
}

constexpr statement executions_of_statement{"executions_of", R"sql(
    select e.execution_id from unnest($2::uuid[]) u (id)
    cross join lateral (select e.execution_id, e.tenant_key from executions e where e.execution_id = u.id) e where e.tenant_key = $1)sql"};

std::vector<execution_id> executions_of(session& s, tenant_key tenant, array& ids)
{
    std::vector<execution_id> all;
    for (const auto& row : s.exec(executions_of_statement, tenant.value, ids.parameter())) all.push_back(id_of(row[0]));
    return all;
}

constexpr statement last_attempts_statement{"last_attempts", R"sql(
    select u.run, last.execution_id from unnest($2::uuid[]) u (run)
    cross join lateral (select e.tenant_key, e.attempt_number from executions e where e.execution_id = u.run) e
    cross join lateral (select a.execution_id from attempts_of(u.run) a order by a.attempt_number desc limit 1) last
    where e.tenant_key = $1 and e.attempt_number = 1)sql"};

std::vector<last_of_run> last_attempts(session& s, tenant_key tenant, array& runs)
{
    std::vector<last_of_run> all;
    for (const auto& row : s.exec(last_attempts_statement, tenant.value, runs.parameter())) all.push_back({id_of(row[0]), id_of(row[1])});
    return all;
}

constexpr statement find_jobs_statement{"find_jobs", "select job_id, job_key from jobs where tenant_key = $1 and job_id = any ($2::text[])"};

std::vector<job_of_tenant> find_jobs(session& s, tenant_key tenant, array& job_ids)
{
    std::vector<job_of_tenant> all;
    for (const auto& row : s.exec(find_jobs_statement, tenant.value, job_ids.parameter())) all.push_back({row[0].c_str(), {row[1].as<int>()}});
    return all;
}

constexpr statement database_clock_statement{"database_clock", "select clock()"};

timestamp database_clock(session& s)
{
    return time_of(s.exec(database_clock_statement)[0][0]);
}

// Ids carry the time of the instance that made them, which follows the database's clock closely; the exact time is checked too.
constexpr statement executions_since_statement{"executions_since", R"sql(
    select e.execution_id, w.job, e.submitted_at from unnest($1::int[], $2::timestamptz[]) w (job, since)
    cross join lateral (
        select e.execution_id, e.submitted_at from executions e
        where e.job_key = w.job and e.execution_id >= first_id_at(w.since - interval '5 s') and e.submitted_at >= w.since
        order by e.execution_id limit $3) e)sql"};

std::vector<new_execution> executions_since(session& s, array& jobs, array& since, int most)
{
    std::vector<new_execution> all;
    for (const auto& row : s.exec(executions_since_statement, jobs.parameter(), since.parameter(), most)) {
        all.push_back({id_of(row[0]), {row[1].as<int>()}, time_of(row[2])});
    }
    return all;
}

}
