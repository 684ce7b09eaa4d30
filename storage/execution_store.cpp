#include "storage/execution_store.hpp"

#include "storage/array.hpp"
#include "storage/optional_text.hpp"
#include "storage/rows.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace rowlock::storage {

constexpr statement find_execution_statement{"find_execution", R"sql(
    select execution_json_1(v) from v_executions v where v.execution_id = $2
    and exists (select from executions e where e.execution_id = $2 and e.tenant_key = $1))sql"};

std::optional<std::string> find_execution_json(session& s, tenant_key tenant, execution_id id)
{
    const auto rows = s.exec(find_execution_statement, tenant.value, id.str());
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

// Ids carry the time, so `since` and `until` are bounds of the primary key, a minute wide of the mark; the exact time is checked too.
#define ROWLOCK_EXECUTION_FILTER \
    " e.tenant_key = $1" \
    " and ($2::uuid is null or e.execution_id < $2)" \
    " and ($3::text is null or e.job_key = (select j.job_key from jobs j where j.tenant_key = $1 and j.job_id = $3))" \
    " and ($5::uuid is null or (e.run_id = $5 and e.execution_id in (select a.execution_id from attempts_of($5) a)))" \
    " and ($6::text is null or e.correlation_id = $6)" \
    " and ($7::int2 is null or e.trigger_type = $7)" \
    " and ($8::timestamptz is null or (e.submitted_at >= $8 and e.execution_id >= first_id_at($8 - interval '1 minute')))" \
    " and ($9::timestamptz is null or (e.submitted_at < $9 and e.execution_id < first_id_at($9 + interval '1 minute')))" \
    " and ($10::jsonb is null or e.tags @> $10)"
// (The limit keeps the planner with one look at each: it would rather join all executions there are.)
#define ROWLOCK_EXECUTION_PAGE(ids) \
    "select execution_json_1(v), v.execution_id from (" ids ") page" \
    " cross join lateral (select * from v_executions v where v.execution_id = page.execution_id limit 1) v order by v.execution_id desc"

constexpr statement list_executions_statement{"list_executions", ROWLOCK_EXECUTION_PAGE(
    "select e.execution_id from executions e left join results r using (execution_id)"
    " where" ROWLOCK_EXECUTION_FILTER
    " and ($4::int2[] is null or r.status = any ($4) or (r.status is null and ("
    "     select case when not s.ready then 1 when s.owner is null then 2 else 3 end"
    "     from (select x.* from extents x where x.lo <= e.execution_id order by x.lo desc limit 1) s where s.hi >= e.execution_id) = any ($4)))"
    " order by e.execution_id desc limit $11")};

// What has not ended is found through the queue, however much history there is. Extents do not overlap and none is empty, so the newest
// n executions lie in the newest n extents, once those of other tenants and jobs are left out, and in as many of these as have n together. (That of the cursor
// does not count: the page before may have shown it but for one.)
constexpr statement list_live_statement{"list_live_executions", ROWLOCK_EXECUTION_PAGE(
    "select e.execution_id from ("
    "   select s.lo, s.hi, sum(s.n) over (order by s.lo desc rows unbounded preceding) - s.n as before from ("
    "     select s.lo, s.hi, case when s.hi >= $2 then 0 else s.remaining end as n from extents s join lanes l using (lane_id)"
    "     where l.tenant_key = $1 and ($2::uuid is null or s.lo < $2)"
    "     and ($3::text is null or l.job_key = (select j.job_key from jobs j where j.tenant_key = $1 and j.job_id = $3))"
    "     and case when not s.ready then 1 when s.owner is null then 2 else 3 end = any ($4::int2[])"
    "     order by s.lo desc limit $11) s) s"
    " cross join lateral ("
    "     select e.* from executions e where e.execution_id between s.lo and s.hi and ($2::uuid is null or e.execution_id < $2)"
    "     and (select r.status from results r where r.execution_id = e.execution_id limit 1) is null order by e.execution_id desc limit $11) e"
    " where s.before < $11 and" ROWLOCK_EXECUTION_FILTER
    " order by e.execution_id desc limit $11")};

// What ended otherwise than well is rare, and has an index of its own.
constexpr statement list_unsuccessful_statement{"list_unsuccessful_executions", ROWLOCK_EXECUTION_PAGE(
    "select e.execution_id from results r join executions e using (execution_id)"
    " where r.status <> 5 and r.status = any ($4::int2[]) and" ROWLOCK_EXECUTION_FILTER
    " order by e.execution_id desc limit $11")};

namespace {

// Only the tenant, the job and the state are asked for, so that the queue alone can tell which come first.
bool is_plain(const execution_filter& f)
{
    return !f.run_id && f.correlation_id.empty() && !f.trigger && !f.since && !f.until && f.tags.empty();
}

const statement& statement_for(const execution_filter& f)
{
    const auto all = [&f](auto which) { return !f.statuses.empty() && std::all_of(f.statuses.begin(), f.statuses.end(), which); };
    if (is_plain(f) && all([](execution_status s) { return !is_terminal(s); })) return list_live_statement;
    if (all([](execution_status s) { return is_terminal(s) && s != execution_status::completed; })) return list_unsuccessful_statement;
    return list_executions_statement;
}

}

std::optional<page> list_executions_json(session& s, tenant_key tenant, const execution_filter& f, int limit, const std::string& cursor)
{
    if (!cursor.empty() && !execution_id::parse(cursor)) return std::nullopt;
    std::string statuses;
    for (const auto status : f.statuses) statuses += (statuses.empty() ? "{" : ",") + std::to_string(static_cast<int>(status));
    if (!statuses.empty()) statuses += "}";
    const std::string run = f.run_id ? f.run_id->str() : "";
    const std::string trigger = f.trigger ? std::to_string(static_cast<int>(*f.trigger)) : "";
    const std::string since = f.since ? to_rfc3339(*f.since) : "";
    const std::string until = f.until ? to_rfc3339(*f.until) : "";
    boost::json::object tags;
    for (const auto& [key, value] : f.tags) tags[key] = value;
    const std::string tags_text = tags.empty() ? "" : boost::json::serialize(tags);

    return page_of(s.exec(statement_for(f), tenant.value, or_null(cursor), or_null(f.job_id), or_null(statuses), or_null(run),
                          or_null(f.correlation_id), or_null(trigger), or_null(since), or_null(until), or_null(tags_text), limit + 1), limit);
}

constexpr statement find_run_statement{"find_run", R"sql(
    select json_build_object('run_id', $2::uuid,
        'status', (array_agg(v.status order by v.attempt_number desc))[1],
        'attempts', json_agg(execution_json_1(v) order by v.attempt_number))
    from attempts_of($2) a cross join lateral (select * from v_executions v where v.execution_id = a.execution_id limit 1) v
    where exists (select from executions e where e.execution_id = $2 and e.tenant_key = $1 and e.attempt_number = 1)
    having count(*) > 0)sql"};

std::optional<std::string> find_run_json(session& s, tenant_key tenant, execution_id run)
{
    const auto rows = s.exec(find_run_statement, tenant.value, run.str());
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

constexpr statement last_attempt_statement{"last_attempt", R"sql(
    select execution_json_1(v)
    from (select a.execution_id from executions e, attempts_of(e.run_id) a
          where e.execution_id = $2 and e.tenant_key = $1 order by a.attempt_number desc limit 1) last
    cross join lateral (select * from v_executions v where v.execution_id = last.execution_id limit 1) v)sql"};

std::optional<std::string> last_attempt_json(session& s, tenant_key tenant, execution_id any_of_the_run)
{
    const auto rows = s.exec(last_attempt_statement, tenant.value, any_of_the_run.str());
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

constexpr statement exists_statement{"execution_exists", "select 1 from executions where execution_id = $2 and tenant_key = $1"};

constexpr statement transitions_statement{"transitions", R"sql(
    select json_build_object('at', rfc3339(at), 'from_status', from_status, 'to_status', to_status, 'actor', actor, 'fence', fence, 'reason', reason)
    from v_transitions where execution_id = $1 order by at, step)sql"};

std::optional<std::vector<std::string>> list_transitions_json(session& s, tenant_key tenant, execution_id id)
{
    if (s.exec(exists_statement, tenant.value, id.str()).empty()) return std::nullopt;
    std::vector<std::string> items;
    for (const auto& row : s.exec(transitions_statement, id.str())) items.emplace_back(row[0].c_str());
    return items;
}

constexpr statement checkpoints_statement{"checkpoints", R"sql(
    select json_build_object('checkpoint_number', checkpoint_number, 'size_bytes', size_bytes, 'sha256', sha256, 'stage', stage, 'created_time', rfc3339(created_time))
    from v_checkpoints where execution_id = $1 order by checkpoint_number)sql"};

std::optional<std::vector<std::string>> list_checkpoints_json(session& s, tenant_key tenant, execution_id id)
{
    if (s.exec(exists_statement, tenant.value, id.str()).empty()) return std::nullopt;
    std::vector<std::string> items;
    for (const auto& row : s.exec(checkpoints_statement, id.str())) items.emplace_back(row[0].c_str());
    return items;
}

constexpr statement read_checkpoint_statement{"read_checkpoint", R"sql(
    select c.body from checkpoints c join executions e using (execution_id) where c.execution_id = $2 and c.checkpoint_number = $3 and e.tenant_key = $1)sql"};

std::optional<std::string> read_checkpoint(session& s, tenant_key tenant, execution_id id, int number)
{
    const auto rows = s.exec(read_checkpoint_statement, tenant.value, id.str(), number);
    if (rows.empty()) return std::nullopt;
    const pqxx::binarystring body(rows[0][0]);
    return body.str();
}

namespace {

// A job may write any bytes; what is not UTF-8 becomes U+FFFD.
std::string as_utf8(std::string_view bytes)
{
    std::string text;
    text.reserve(bytes.size());
    for (std::size_t i = 0; i < bytes.size();) {
        const auto lead = static_cast<unsigned char>(bytes[i]);
        const std::size_t length = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
        bool good = length != 0 && i + length <= bytes.size();
        for (std::size_t k = 1; good && k < length; ++k) good = (static_cast<unsigned char>(bytes[i + k]) & 0xc0) == 0x80;
        if (good) {
            text.append(bytes.substr(i, length));
            i += length;
        } else {
            text += "\xef\xbf\xbd";
            ++i;
        }
    }
    return text;
}

}

constexpr statement read_log_statement{"read_log", R"sql(
    select part, body from (
        select l.part, l.body, sum(octet_length(l.body)) over (order by l.part) - octet_length(l.body) as before
        from logs l where l.execution_id = $1 and l.part > $2::int8) x
    where before < $3::int8 order by part limit 1000)sql"};
constexpr statement has_ended_statement{"has_ended", R"sql(
    select exists (select from results r where r.execution_id = $2) from executions e where e.execution_id = $2 and e.tenant_key = $1)sql"};

std::optional<log_part> read_log(session& s, tenant_key tenant, execution_id id, std::int64_t after, std::int64_t max_bytes)
{
    // Whether it has ended is read first: what was written before the end is then seen by the second statement.
    const auto state = s.exec(has_ended_statement, tenant.value, id.str());
    if (state.empty()) return std::nullopt;
    log_part read;
    read.next = after;
    for (const auto& row : s.exec(read_log_statement, id.str(), after, max_bytes)) {
        read.next = row[0].as<std::int64_t>();
        const pqxx::binarystring body(row[1]);
        read.text += as_utf8({reinterpret_cast<const char*>(body.data()), body.size()});
    }
    read.ended = state[0][0].as<bool>() && read.next == after;
    return read;
}

}
