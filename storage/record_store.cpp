#include "storage/record_store.hpp"

#include <fmt/format.h>

namespace rowlock::storage {

namespace {

pqxx::binarystring bytea(const std::string& bytes)
{
    return pqxx::binarystring(bytes.data(), bytes.size());
}

}

constexpr statement append_log_statement{"append_log", "insert into logs (execution_id, part, stream, body) values ($1, $2, $3, $4::bytea) on conflict do nothing"};

void append_log(session& s, execution_id id, int part, int stream, const std::string& bytes)
{
    s.exec(append_log_statement, id.str(), part, stream, bytea(bytes));
}

constexpr statement last_log_part_statement{"last_log_part", "select coalesce(max(part), 0) from logs where execution_id = $1"};

int last_log_part(session& s, execution_id id)
{
    return s.exec(last_log_part_statement, id.str())[0][0].as<int>();
}

constexpr statement save_checkpoint_statement{"save_checkpoint", R"sql(
    insert into checkpoints (execution_id, run_id, checkpoint_number, stage, sha256, body)
    select $1, $2, coalesce((select max(c.checkpoint_number) from checkpoints c where c.run_id = $2), 0) + 1, nullif($3, ''), $4::bytea, $5::bytea
    where not exists (select from results r where r.execution_id = $1)
    returning checkpoint_number)sql"};

result<int> save_checkpoint(session& s, execution_id id, execution_id run, const std::string& stage, const std::string& sha256, const std::string& bytes)
{
    const auto made = s.exec(save_checkpoint_statement, id.str(), run.str(), stage, bytea(sha256), bytea(bytes));
    if (made.empty()) return error{errc::already_ended, "The execution " + id.str() + " has ended: this attempt was lost."};
    return made[0][0].as<int>();
}

constexpr statement last_checkpoint_statement{"last_checkpoint", R"sql(
    select e.attempt_number, c.checkpoint_number, c.execution_id, coalesce(c.stage, ''), c.sha256, c.body
    from checkpoints c join executions e using (execution_id)
    where c.run_id = $1 and ($2::int = 0 or (e.attempt_number, c.checkpoint_number) < ($2::int, $3::int))
    order by e.attempt_number desc, c.checkpoint_number desc limit 1)sql"};

std::optional<stored_checkpoint> last_checkpoint(session& s, execution_id run, std::optional<checkpoint_place> before)
{
    const auto from = before.value_or(checkpoint_place{});
    const auto rows = s.exec(last_checkpoint_statement, run.str(), from.attempt_number, from.number);
    if (rows.empty()) return std::nullopt;
    const auto row = rows[0];
    return stored_checkpoint{{row[0].as<int>(), row[1].as<int>()}, execution_id::parse(row[2].c_str()).value(), row[3].c_str(), pqxx::binarystring(row[4]).str(),
                             pqxx::binarystring(row[5]).str()};
}

constexpr statement damage_is_known_statement{"damage_is_known", R"sql(
    select exists (select from errors e where e.execution_id in (select a.execution_id from attempts_of($1) a)
                   and e.error_code = 'STATE_CORRUPTION' and e.details @> jsonb_build_object('state_type', 'CHECKPOINT', 'checkpoint_number', $2::int)))sql"};

bool damage_is_known(session& s, execution_id run, int number)
{
    return s.exec(damage_is_known_statement, run.str(), number)[0][0].as<bool>();
}

constexpr statement still_running_statement{"still_running", R"sql(
    insert into extra_transitions (execution_id, from_status, to_status, actor, fence, reason) values ($1, 3, 3, 'instance:' || $2::int, $3, $4))sql"};

void record_still_running(session& s, execution_id id, instance_id owner, fence under, const std::string& reason)
{
    s.exec(still_running_statement, id.str(), owner.value, under.value, reason);
}

constexpr statement record_artifact_statement{"record_artifact", R"sql(
    with made as (
        insert into artifacts (run_id, name, execution_id, sha256, size_bytes) values ($2, $3, $1, $4, $5) on conflict (run_id, name) do nothing returning sha256)
    select coalesce((select sha256 from made), (select a.sha256 from artifacts a where a.run_id = $2 and a.name = $3)))sql"};

result<void> record_artifact(session& s, execution_id id, execution_id run, const std::string& name, const std::string& sha256, std::int64_t size_bytes)
{
    const auto rows = s.exec(record_artifact_statement, id.str(), run.str(), name, sha256, size_bytes);
    const std::string stored = rows[0][0].c_str();
    if (stored == sha256) return {};
    return error{errc::already_ended, fmt::format("The run has an artifact {} already, with other contents; an artifact is never overwritten.", name)};
}

#define ROWLOCK_ARTIFACT_JSON \
    "json_build_object('name', a.name, 'sha256', a.sha256, 'size_bytes', a.size_bytes, 'execution_id', a.execution_id, 'created_time', rfc3339(a.created_time))"

// One row for the thing itself, so that nothing found and nothing there are told apart.
constexpr statement artifacts_statement{"artifacts",
    "select " ROWLOCK_ARTIFACT_JSON ", a.name from executions e left join artifacts a on a.run_id = e.run_id and a.execution_id = e.execution_id"
    " where e.execution_id = $2 and e.tenant_key = $1 order by a.created_time, a.name"};
constexpr statement run_artifacts_statement{"run_artifacts",
    "select " ROWLOCK_ARTIFACT_JSON ", a.name from executions e left join artifacts a on a.run_id = e.execution_id"
    " where e.execution_id = $2 and e.tenant_key = $1 and e.attempt_number = 1 order by a.created_time, a.name"};

namespace {

std::optional<std::vector<std::string>> artifacts_of(const pqxx::result& rows)
{
    if (rows.empty()) return std::nullopt;
    std::vector<std::string> items;
    for (const auto& row : rows) {
        if (!row[1].is_null()) items.emplace_back(row[0].c_str());
    }
    return items;
}

}

std::optional<std::vector<std::string>> list_artifacts_json(session& s, tenant_key tenant, execution_id id)
{
    return artifacts_of(s.exec(artifacts_statement, tenant.value, id.str()));
}

std::optional<std::vector<std::string>> list_run_artifacts_json(session& s, tenant_key tenant, execution_id run)
{
    return artifacts_of(s.exec(run_artifacts_statement, tenant.value, run.str()));
}

constexpr statement keep_notes_statement{"keep_notes", R"sql(
    insert into live_notes as n (execution_id, heartbeat_at, progress)
    select u.id, clock(), u.progress from unnest($1::uuid[], $2::text[]) x (id, p) cross join lateral (select x.id, x.p::real as progress) u
    where not exists (select from results r where r.execution_id = u.id) order by u.id
    on conflict (execution_id) do update set heartbeat_at = excluded.heartbeat_at, progress = coalesce(excluded.progress, n.progress))sql"};

void keep_notes(session& s, const std::vector<live_note>& notes)
{
    array ids(array::element::uuid);
    array progress(array::element::text);
    for (const auto& note : notes) {
        ids.add(note.id);
        progress.add_text_or_null(note.progress ? fmt::format("{}", *note.progress) : std::string());
    }
    s.exec(keep_notes_statement, ids.parameter(), progress.parameter());
}

}
