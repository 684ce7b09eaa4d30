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

constexpr statement save_checkpoint_statement{"save_checkpoint", R"sql(
    insert into checkpoints (execution_id, run_id, checkpoint_number, stage, sha256, body)
    select $1, $2, coalesce((select max(c.checkpoint_number) from checkpoints c where c.run_id = $2), 0) + 1, nullif($3, ''), $4::bytea, $5::bytea
    returning checkpoint_number)sql"};

int save_checkpoint(session& s, execution_id id, execution_id run, const std::string& stage, const std::string& sha256, const std::string& bytes)
{
    return s.exec(save_checkpoint_statement, id.str(), run.str(), stage, bytea(sha256), bytea(bytes))[0][0].as<int>();
}

constexpr statement last_checkpoint_statement{"last_checkpoint", R"sql(
    select checkpoint_number, coalesce(stage, ''), sha256, body from checkpoints
    where run_id = $1 and ($2::int = 0 or checkpoint_number < $2) order by checkpoint_number desc limit 1)sql"};

std::optional<stored_checkpoint> last_checkpoint(session& s, execution_id run, int before)
{
    const auto rows = s.exec(last_checkpoint_statement, run.str(), before);
    if (rows.empty()) return std::nullopt;
    const auto row = rows[0];
    return stored_checkpoint{row[0].as<int>(), row[1].c_str(), pqxx::binarystring(row[2]).str(), pqxx::binarystring(row[3]).str()};
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
