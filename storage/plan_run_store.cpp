#include "storage/plan_run_store.hpp"

#include "storage/model/json_text.hpp"
#include "storage/plan_run_members.hpp"
#include "storage/rows.hpp"

#include <boost/json/array.hpp>
#include <fmt/format.h>
#include <map>

namespace rowlock::storage {

namespace {

uuid uuid_of(const pqxx::field& f)
{
    return id_of(f).value;
}

// A JSON array of texts; null is "".
std::vector<std::string> texts_of(std::string_view array)
{
    const auto parsed = parse_json(array);
    std::vector<std::string> out;
    for (const auto& each : parsed.value().as_array()) out.emplace_back(each.is_null() ? std::string() : std::string(each.as_string()));
    return out;
}

// "{1,2}": what PostgreSQL writes for an array of integers.
std::vector<int> integers_of(std::string_view text)
{
    std::vector<int> out;
    int n = 0;
    bool any = false;
    for (const char c : text) {
        if (c >= '0' && c <= '9') {
            n = 10 * n + (c - '0');
            any = true;
        } else if (any) {
            out.push_back(std::exchange(n, 0));
            any = false;
        }
    }
    return out;
}

// Empty text is null.
const char* or_null(const std::string& text)
{
    return text.empty() ? nullptr : text.c_str();
}

}

constexpr statement create_plan_run_statement{"create_plan_run", R"sql(
    select plan_run_id, replayed from create_plan_run_1($1, $2, nullif($3::int, 0), nullif($4::int, 0), $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb, $14, $15, $16,
        $17, $18::jsonb, $19::int8 * interval '1 millisecond',
        $20::text[], $21::int[], $22::int[], $23::int[], $24::int2[], $25::int8[], $26::int2[], $27::int[], $28::int[], $29::int[], $30::int[], $31::json[], $32::text[],
        $33::text[], $34::text[], $35::text[], $36::text[], $37::text[], $38::uuid[], $39::int[]))sql"};

result<plan_run_made> create_plan_run(session& s, const new_plan_run& run, std::chrono::milliseconds priority_age, std::chrono::milliseconds key_ttl, plan_node_columns& n)
{
    const std::string id = run.id.str();
    const std::string rerun_of = run.rerun_of ? run.rerun_of->str() : "";
    const std::string parent = run.parent ? run.parent->str() : "";
    try {
        const auto row = s.exec(create_plan_run_statement, id, run.tenant.value, run.plan, run.plan_version, or_null(rerun_of), or_null(parent), run.definition,
                                run.parameters, run.fail_fast, as_age(priority_age), or_null(run.correlation_id), or_null(run.trace_parent), or_null(run.tags),
                                or_null(run.submitter), or_null(run.contract_ref), or_null(run.approval_ref), or_null(run.key), or_null(run.key_request), key_ttl.count(),
                                n.node_id.parameter(), n.job.parameter(), n.version.parameter(), n.lane.parameter(), n.priority.parameter(), n.wait_ms.parameter(),
                                n.gate.parameter(), n.layer.parameter(), n.needs.parameter(), n.fallback.parameter(), n.fallback_of.parameter(), n.parameters.parameter(),
                                n.refs.parameter(), n.for_each.parameter(), n.tags.parameter(), n.to.parameter(), n.kind.parameter(), n.condition.parameter(),
                                n.kept_run.parameter(), n.kept_no.parameter())[0];
        return plan_run_made{uuid_of(row[0]), row[1].as<bool>()};
    } catch (const pqxx::sql_error& e) {
        if (sqlstate_of(e) != "RL409") throw;
        return error{errc::idempotency_key_reused, "The idempotency key was used before with another request; use a new key for a new request.",
                     {{"idempotency_key", fmt::format("\"{}\"", run.key), "was used before with another request"}}};
    }
}

constexpr statement find_plan_replay_statement{"find_plan_replay", R"sql(
    select k.plan_run_id from plan_run_keys k
    where k.tenant_key = $1 and k.key = $2 and k.expires_at > clock() and k.hash = jsonb_hash_extended($3::jsonb, 0) and k.hash2 = jsonb_hash_extended($3::jsonb, 1))sql"};

std::optional<uuid> find_plan_replay(session& s, tenant_key tenant, const std::string& key, const std::string& key_request)
{
    const auto rows = s.exec(find_plan_replay_statement, tenant.value, key, key_request);
    if (rows.empty()) return std::nullopt;
    return id_of(rows[0][0]).value;
}

constexpr statement plan_step_statement{"plan_step", "select plan_step_1()"};

bool plan_step(session& s)
{
    return s.exec(plan_step_statement)[0][0].as<bool>();
}

constexpr statement cancel_plan_statement{"cancel_plan", "select cancel_plan_1($1, $2, $3, $4)"};

result<void> cancel_plan_run(session& s, tenant_key tenant, const uuid& id, const std::string& actor, const std::string& reason)
{
    const auto status = s.exec(cancel_plan_statement, tenant.value, id.str(), actor, reason)[0][0];
    if (status.is_null()) return error{errc::not_found, fmt::format("There is no plan run {}.", id.str())};
    if (status.as<int>() != 3) return error{errc::already_ended, fmt::format("The plan run {} has ended.", id.str())};
    return {};
}

constexpr statement add_plan_nodes_statement{"add_plan_nodes", R"sql(
    select add_plan_nodes_1($1, $2::text[], $3::int[], $4::int[], $5::int[], $6::int2[], $7::int8[], $8::int2[], $9::int[], $10::int[], $11::json[], $12::text[], $13::text[],
        $14::text[], $15::text[], $16::text[], $17::text[], $18::int[], $19::int[], $20::int2[], $21::text[], $22))sql"};

result<std::optional<int>> add_plan_nodes(session& s, const uuid& run, int base, plan_node_columns& n, added_edge_columns& e)
{
    try {
        const auto first = s.exec(add_plan_nodes_statement, run.str(), n.node_id.parameter(), n.job.parameter(), n.version.parameter(), n.lane.parameter(), n.priority.parameter(),
                      n.wait_ms.parameter(), n.gate.parameter(), n.layer.parameter(), n.needs.parameter(), n.parameters.parameter(), n.refs.parameter(), n.for_each.parameter(),
                      n.tags.parameter(), n.to.parameter(), n.kind.parameter(), n.condition.parameter(), e.from.parameter(), e.to.parameter(), e.kind.parameter(),
                      e.condition.parameter(), base)[0][0];
        return first.is_null() ? std::nullopt : std::optional(first.as<int>());
    } catch (const pqxx::sql_error& x) {
        if (sqlstate_of(x) != "RL409") throw;
        return error{errc::already_ended, fmt::format("No nodes can be added to the plan run {}: it has ended, is being stopped, or has a node of the same name.", run.str())};
    }
}

constexpr statement find_plan_run_statement{"find_plan_run", R"sql(
    select r.plan_key, p.plan_id, r.plan_version, r.definition, r.parameters, v.status, r.correlation_id, r.tags, r.contract_ref, r.approval_ref
    from plan_runs r join v_plan_runs v using (plan_run_id) left join plans p using (plan_key) where r.plan_run_id = $2 and r.tenant_key = $1)sql"};

std::optional<plan_run_row> find_plan_run(session& s, tenant_key tenant, const uuid& id)
{
    const auto rows = s.exec(find_plan_run_statement, tenant.value, id.str());
    if (rows.empty()) return std::nullopt;
    const auto& row = rows[0];
    return plan_run_row{row[0].is_null() ? 0 : row[0].as<int>(), row[1].c_str(), row[2].is_null() ? 0 : row[2].as<int>(), row[3].c_str(), row[4].c_str(), row[5].c_str(),
                        row[6].c_str(), row[7].c_str(), row[8].c_str(), row[9].c_str()};
}

// The limits here keep the planner, to whom a new plan run is one node, from comparing every node with every other.
constexpr statement plan_run_nodes_statement{"plan_run_nodes", R"sql(
    select v.node_id, v.status, n.layer, n.out_to, n.kept_run, n.kept_no, n.job_key, v.job_id, n.is_gate, n.for_each is not null, n.fallback_no, n.fallback_of, n.out_kind,
           to_json(n.out_condition), v.items,
           case when n.for_each is not null then (select (j.definition -> 'concurrency' ->> 'max_running')::int from job_versions j where j.job_key = n.job_key and j.version = n.job_version) end
    from v_plan_nodes v
    cross join lateral (select n.* from plan_nodes n where n.plan_run_id = v.plan_run_id and n.node_no = v.node_no limit 1) n
    where v.plan_run_id = $1 order by v.node_no)sql"};
constexpr statement added_edges_statement{"plan_added_edges", "select from_no, to_no, kind, coalesce(condition, '') from plan_added_edges where plan_run_id = $1 order by from_no, to_no"};

std::vector<plan_run_node> plan_run_nodes(session& s, const uuid& id)
{
    std::vector<plan_run_node> nodes;
    for (const auto& row : s.exec(plan_run_nodes_statement, id.str())) {
        plan_run_node n;
        n.node_id = row[0].c_str();
        n.status = row[1].c_str();
        n.layer = row[2].as<int>();
        n.to = integers_of(row[3].c_str());
        if (!row[4].is_null()) n.kept_run = uuid_of(row[4]);
        if (!row[5].is_null()) n.kept_no = row[5].as<int>();
        n.job = {row[6].as<int>()};
        n.job_id = row[7].c_str();
        n.gate = row[8].as<bool>();
        n.for_each = row[9].as<bool>();
        if (!row[10].is_null()) n.fallback = row[10].as<int>();
        if (!row[11].is_null()) n.fallback_of = row[11].as<int>();
        n.kinds = integers_of(row[12].c_str());
        n.conditions = row[13].is_null() ? std::vector<std::string>(n.to.size()) : texts_of(row[13].c_str());
        if (!row[14].is_null()) n.items = row[14].as<int>();
        if (!row[15].is_null()) n.job_limit = row[15].as<int>();
        nodes.push_back(std::move(n));
    }
    for (const auto& row : s.exec(added_edges_statement, id.str())) {
        auto& from = nodes.at(row[0].as<std::size_t>());
        from.to.push_back(row[1].as<int>());
        from.kinds.push_back(row[2].as<int>());
        from.conditions.emplace_back(row[3].c_str());
    }
    return nodes;
}

constexpr statement last_plan_run_of_statement{"last_plan_run_of", R"sql(
    select plan_run_id, status from v_plan_runs where parent_run_id = $1 order by created_time desc, plan_run_id desc limit 1)sql"};

std::optional<child_plan_run> last_plan_run_of(session& s, const execution_id& parent_run)
{
    const auto rows = s.exec(last_plan_run_of_statement, parent_run.str());
    if (rows.empty()) return std::nullopt;
    return child_plan_run{uuid_of(rows[0][0]), rows[0][1].c_str()};
}

constexpr statement plan_run_status_statement{"plan_run_status", "select status from v_plan_runs where plan_run_id = $1"};

std::optional<std::string> plan_run_status(session& s, const uuid& id)
{
    const auto rows = s.exec(plan_run_status_statement, id.str());
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

// Of a node that maps over a list the first thousand executions are named.
constexpr statement find_plan_run_json_statement{"find_plan_run_json", "select json_build_object(" ROWLOCK_PLAN_RUN_MEMBERS R"sql(, 'nodes', (
        select coalesce(json_agg(json_build_object('node_id', n.node_id, 'job_id', n.job_id, 'job_version', n.job_version, 'status', n.status, 'execution_id', n.execution_id,
            'execution_ids', coalesce((select json_agg(x.execution_id) from (select e.execution_id from executions e
                    where e.plan_run_id = coalesce(n.kept_from, n.plan_run_id) and e.node_no = coalesce(p.kept_no, n.node_no)
                    order by e.item_no, e.attempt_number limit 1000) x), '[]'),
            'layer', n.layer, 'gate', n.gate, 'for_each', n.for_each, 'attempt_number', n.attempt_number, 'items', n.items, 'items_ended', n.items_ended, 'items_failed', n.items_failed,
            'started_time', rfc3339(n.started_time), 'completed_time', rfc3339(n.completed_time), 'error_code', n.error_code, 'error_message', n.error_message,
            'kept_from', n.kept_from) order by n.node_no), '[]')
        from v_plan_nodes n
        cross join lateral (select p.kept_no from plan_nodes p where p.plan_run_id = n.plan_run_id and p.node_no = n.node_no limit 1) p
        where n.plan_run_id = v.plan_run_id))
    from plan_runs r join v_plan_runs v using (plan_run_id) where r.plan_run_id = $2 and r.tenant_key = $1)sql"};

std::optional<std::string> find_plan_run_json(session& s, tenant_key tenant, const uuid& id)
{
    const auto rows = s.exec(find_plan_run_json_statement, tenant.value, id.str());
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

constexpr statement list_plan_runs_statement{"list_plan_runs", "select json_build_object(" ROWLOCK_PLAN_RUN_MEMBERS R"sql(), r.plan_run_id
    from plan_runs r join v_plan_runs v using (plan_run_id)
    where r.tenant_key = $1 and r.plan_run_id < coalesce(nullif($2, '')::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
      and ($3::text is null or v.plan_id = $3) and ($4::text is null or v.status = $4) and ($5::text is null or r.correlation_id = $5)
    order by r.plan_run_id desc limit $6)sql"};

page list_plan_runs_json(session& s, tenant_key tenant, const plan_run_filter& f, int limit, const std::string& cursor)
{
    return page_of(s.exec(list_plan_runs_statement, tenant.value, cursor, or_null(f.plan_id), or_null(f.status), or_null(f.correlation_id), limit + 1), limit);
}

// Of the last twenty attempts of each job those that completed.
constexpr statement expected_seconds_statement{"expected_seconds", R"sql(
    select u.job, coalesce((select avg(extract(epoch from coalesce(z.returned_at, z.completed_at) - z.started_at)) from (
        select e.execution_id from executions e where e.job_key = u.job order by e.execution_id desc limit 20) e
        join results z on z.execution_id = e.execution_id where z.status = 5), -1)::float8
    from unnest($1::int[]) u (job))sql"};

std::vector<double> expected_seconds(session& s, const std::vector<job_key>& jobs)
{
    std::map<int, double> known;
    array asked(array::element::int4);
    for (const auto& job : jobs) {
        if (known.emplace(job.value, -1).second) asked.add(job.value);
    }
    for (const auto& row : s.exec(expected_seconds_statement, asked.parameter())) known[row[0].as<int>()] = row[1].as<double>();
    std::vector<double> seconds;
    seconds.reserve(jobs.size());
    for (const auto& job : jobs) seconds.push_back(known[job.value]);
    return seconds;
}

}
