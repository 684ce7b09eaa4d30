#include "storage/job_store.hpp"

#include "storage/model/http_address.hpp"
#include "storage/rows.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

namespace rowlock::storage {

namespace {

std::string etag_of(int version, bool enabled)
{
    return fmt::format("\"{}{}\"", version, enabled ? "" : "-disabled");
}

// The version that an If-Match names: nullopt = any, 0 = the job must exist, -1 = none that could be.
std::optional<int> version_of_etag(const std::string& if_match)
{
    if (if_match.empty()) return std::nullopt;
    if (if_match == "*") return 0;
    int version = 0;
    std::size_t at = if_match.starts_with("W/") ? 2 : 0;
    if (at < if_match.size() && if_match[at] == '"') ++at;
    const std::size_t first = at;
    for (; at < if_match.size() && if_match[at] >= '0' && if_match[at] <= '9' && at - first < 9; ++at) version = version * 10 + (if_match[at] - '0');
    return at == first ? std::optional<int>(1 << 30) : version;
}

constexpr statement find_job_statement{"find_job", R"sql(
    select job_json_1(v.job_id, v.tenant_id, v.version, v.enabled, v.created_time, v.changed_time, v.author, v.reason, v.definition::json), v.version, v.enabled
    from v_jobs v join tenants t on t.tenant_id = v.tenant_id where t.tenant_key = $1 and v.job_id = $2)sql"};

job_document document_of(const pqxx::row& row)
{
    return {row[0].c_str(), etag_of(row[1].as<int>(), row[2].as<bool>())};
}

// What the queue must know of a definition, see put_job_1.
std::string rules_of(const job_definition& d)
{
    const auto& never = d.retry.non_retryable_errors;
    boost::json::object rules{{"max_attempts", d.retry.max_attempts}, {"idempotent", d.idempotent}, {"dead_letter", d.dead_letter.enabled}, {"dedupe", d.dedupe},
                              {"retry_lost", std::find(never.begin(), never.end(), "LEASE_LOST") == never.end()}};
    if (d.dead_letter.retention) rules["dead_letter_ms"] = d.dead_letter.retention->count();
    if (d.queue_timeout) rules["queue_timeout_ms"] = d.queue_timeout->count();
    if (d.history_retention) rules["history_ms"] = d.history_retention->count();
    if (const auto& b = d.breaker) {
        const auto* http = std::get_if<http_handler>(&d.handler);
        boost::json::object breaker{{"key", b->per_target && http ? written_target(http->url).value_or(d.job_id) : d.job_id}, {"failure_threshold", b->failure_threshold},
                                    {"window_ms", b->window.count()}, {"open_ms", b->open.count()}, {"half_open_max", b->half_open_max}};
        if (b->failure_rate) breaker["failure_rate"] = *b->failure_rate;
        rules["breaker"] = std::move(breaker);
    }
    return boost::json::serialize(rules);
}

// Thrown through a transaction to undo a dry run.
struct rehearsal {
    put_job would;
};

}

constexpr statement put_job_statement{"put_job", "select job_key, version, created, changed from put_job_1($1, $2, $3, $4::jsonb, $5::boolean, $6, $7, $8::int)"};

result<put_job> put(session& s, const principal& who, const job_definition& definition, std::optional<bool> enabled, const std::string& reason,
                    const std::string& if_match, bool dry_run)
{
    const auto wanted = version_of_etag(if_match);
    const std::string wanted_text = wanted ? std::to_string(*wanted) : std::string();
    const std::string text = boost::json::serialize(definition.document);
    const char* const enabled_text = enabled ? (*enabled ? "true" : "false") : nullptr;
    try {
        return s.in_transaction([&](session::transaction& tx) {
            const auto made = tx.exec(put_job_statement, who.tenant.value, definition.job_id, text, rules_of(definition), enabled_text, who.name, reason, wanted ? wanted_text.c_str() : nullptr);
            const auto shown = document_of(tx.exec(find_job_statement, who.tenant.value, definition.job_id)[0]);
            put_job stored{made[0][2].as<bool>(), made[0][3].as<bool>(), made[0][1].as<int>(), shown.json, shown.etag};
            if (dry_run) throw rehearsal{std::move(stored)};
            return stored;
        });
    } catch (rehearsal& r) {
        return std::move(r.would);
    } catch (const pqxx::sql_error& e) {
        if (sqlstate_of(e) != "RL412") throw;
        return error{errc::version_conflict, fmt::format("The job {} is not at {}: read it again, and send the ETag that it has now.", definition.job_id, if_match)};
    }
}

std::optional<job_document> find_job_json(session& s, tenant_key tenant, const std::string& job_id)
{
    const auto rows = s.exec(find_job_statement, tenant.value, job_id);
    if (rows.empty()) return std::nullopt;
    return document_of(rows[0]);
}

constexpr statement find_version_statement{"find_job_version", R"sql(
    select job_json_1(j.job_id, t.tenant_id, v.version, j.enabled, j.created_at, v.created_at, v.author, v.reason, v.definition)
    from jobs j join tenants t using (tenant_key) join job_versions v using (job_key) where j.tenant_key = $1 and j.job_id = $2 and v.version = $3)sql"};

std::optional<std::string> find_job_version_json(session& s, tenant_key tenant, const std::string& job_id, int version)
{
    const auto rows = s.exec(find_version_statement, tenant.value, job_id, version);
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

constexpr statement list_jobs_statement{"list_jobs", R"sql(
    select job_json_1(j.job_id, t.tenant_id, v.version, j.enabled, j.created_at, v.created_at, v.author, v.reason, v.definition), j.job_id
    from jobs j join tenants t using (tenant_key) join job_versions v on v.job_key = j.job_key and v.version = j.current_version
    where j.tenant_key = $1 and j.job_id > $2 order by j.job_id limit $3)sql"};

page list_jobs_json(session& s, tenant_key tenant, int limit, const std::string& cursor)
{
    return page_of(s.exec(list_jobs_statement, tenant.value, cursor, limit + 1), limit);
}

constexpr statement list_versions_statement{"list_job_versions", R"sql(
    select job_json_1(j.job_id, t.tenant_id, v.version, j.enabled, j.created_at, v.created_at, v.author, v.reason, v.definition), v.version
    from jobs j join tenants t using (tenant_key) join job_versions v using (job_key)
    where j.tenant_key = $1 and j.job_id = $2 and v.version < $3 order by v.version desc limit $4)sql"};

page list_job_versions_json(session& s, tenant_key tenant, const std::string& job_id, int limit, const std::string& cursor)
{
    const int before = cursor.empty() ? 1 << 30 : std::stoi(cursor);
    return page_of(s.exec(list_versions_statement, tenant.value, job_id, before, limit + 1), limit);
}

constexpr statement set_enabled_statement{"set_job_enabled", R"sql(
    update jobs set enabled = $3, changed_seq = nextval('job_changes') where tenant_key = $1 and job_id = $2 and current_version > 0)sql"};

result<job_document> set_enabled(session& s, const principal& who, const std::string& job_id, bool enabled)
{
    return s.in_transaction([&](session::transaction& tx) -> result<job_document> {
        tx.exec(set_enabled_statement, who.tenant.value, job_id, enabled);
        const auto rows = tx.exec(find_job_statement, who.tenant.value, job_id);
        if (rows.empty()) return error{errc::job_not_found, fmt::format("There is no job {}.", job_id)};
        return document_of(rows[0]);
    });
}

namespace {

job_version_ptr version_of(const pqxx::result& rows, const definition_defaults& defaults)
{
    if (rows.empty()) return nullptr;
    const auto row = rows[0];
    auto version = std::make_shared<job_version>();
    version->tenant = {row[0].as<int>()};
    version->job = {row[1].as<int>()};
    version->lane = {row[2].as<int>()};
    version->version = row[3].as<int>();
    version->enabled = row[4].as<bool>();
    version->current_version = row[5].as<int>();
    const std::string job_id = row[6].c_str();
    auto parsed = parse_job_definition(boost::json::parse(row[7].c_str()).as_object(), job_id, defaults);
    if (!parsed) throw std::runtime_error(fmt::format("the stored definition of {} version {} is not valid: {}", job_id, version->version, parsed.error().detail));
    version->definition = std::move(*parsed);
    version->default_parameters = boost::json::serialize(version->definition.parameters);
    return version;
}

}

constexpr statement load_by_name_statement{"load_job_by_name", R"sql(
    select j.tenant_key, j.job_key, l.lane_id, v.version, j.enabled, j.current_version, j.job_id, v.definition
    from jobs j join lanes l on l.tenant_key = j.tenant_key and l.job_key = j.job_key
    join job_versions v on v.job_key = j.job_key and v.version = coalesce(nullif($3::int, 0), j.current_version)
    where j.tenant_key = $1 and j.job_id = $2)sql"};

job_version_ptr load_version(session& s, tenant_key tenant, const std::string& job_id, int version, const definition_defaults& defaults)
{
    return version_of(s.exec(load_by_name_statement, tenant.value, job_id, version), defaults);
}

constexpr statement load_by_key_statement{"load_job_by_key", R"sql(
    select j.tenant_key, j.job_key, l.lane_id, v.version, j.enabled, j.current_version, j.job_id, v.definition
    from jobs j join lanes l on l.tenant_key = j.tenant_key and l.job_key = j.job_key
    join job_versions v on v.job_key = j.job_key and v.version = $2
    where j.job_key = $1)sql"};

job_version_ptr load_version(session& s, job_key job, int version, const definition_defaults& defaults)
{
    return version_of(s.exec(load_by_key_statement, job.value, version), defaults);
}

}
