#include "storage/schedule_store.hpp"

#include "storage/rows.hpp"

namespace rowlock::storage {

#define ROWLOCK_SCHEDULE_JSON \
    "select json_build_object('schedule_id', v.schedule_id, 'job_id', v.job_id, 'tenant_id', v.tenant_id, 'schedule_type', v.schedule_type, 'cron_expression', v.cron_expression," \
    " 'interval_seconds', v.interval_seconds, 'run_at', rfc3339(v.run_at), 'timezone', v.timezone, 'start_date', rfc3339(v.start_date), 'end_date', rfc3339(v.end_date)," \
    " 'skip_if_running', v.skip_if_running, 'queue_if_running', v.queue_if_running, 'catchup_enabled', v.catchup_enabled, 'max_catchup_runs', v.max_catchup_runs," \
    " 'tolerance_seconds', v.tolerance_seconds, 'jitter_seconds', v.jitter_seconds, 'max_concurrent_runs', v.max_concurrent_runs, 'dst_gap', v.dst_gap, 'dst_overlap', v.dst_overlap," \
    " 'tags', v.tags, 'enabled', v.enabled, 'state', v.state, 'paused', v.paused, 'paused_time', rfc3339(v.paused_time), 'paused_by', v.paused_by, 'pause_reason', v.pause_reason," \
    " 'next_fire_time', rfc3339(v.next_fire_time), 'last_fire_time', rfc3339(v.last_fire_time), 'last_execution_id', v.last_execution_id, 'error_code', v.error_code," \
    " 'error_message', v.error_message, 'created_time', rfc3339(v.created_time), 'changed_time', rfc3339(v.changed_time)), v.schedule_id" \
    " from tenants t join v_schedules v using (tenant_id) where t.tenant_key = $1"

constexpr statement list_schedules_statement{"list_schedules", ROWLOCK_SCHEDULE_JSON " and v.schedule_id > $2 order by v.schedule_id limit $3"};

page list_schedules_json(session& s, tenant_key tenant, int limit, const std::string& cursor)
{
    return page_of(s.exec(list_schedules_statement, tenant.value, cursor, limit + 1), limit);
}

constexpr statement find_schedule_json_statement{"find_schedule_json", ROWLOCK_SCHEDULE_JSON " and v.schedule_id = $2"};

std::optional<std::string> find_schedule_json(session& s, tenant_key tenant, const std::string& schedule_id)
{
    const auto rows = s.exec(find_schedule_json_statement, tenant.value, schedule_id);
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

constexpr statement list_ticks_statement{"list_schedule_ticks", R"sql(
    select json_build_object('schedule_id', y.schedule_id, 'tick_time', rfc3339(x.tick_at), 'outcome', (array['FIRED', 'CAUGHT_UP', 'QUEUED', 'SKIPPED'])[x.outcome], 'reason', x.reason,
                             'last_tick_time', rfc3339(x.last_tick_at), 'ticks', x.ticks, 'execution_id', x.execution_id, 'decided_time', rfc3339(x.decided_at)), rfc3339(x.tick_at)
    from schedules y join schedule_ticks x on x.job_key = y.job_key
    where y.tenant_key = $1 and y.schedule_id = $2 and not y.removed and ($3::timestamptz is null or x.tick_at < $3::timestamptz)
    order by x.tick_at desc limit $4)sql"};

std::optional<page> list_schedule_ticks_json(session& s, tenant_key tenant, const std::string& schedule_id, int limit, const std::string& cursor)
{
    if (!cursor.empty() && !parse_rfc3339(cursor)) return std::nullopt;
    return page_of(s.exec(list_ticks_statement, tenant.value, schedule_id, cursor.empty() ? nullptr : cursor.c_str(), limit + 1), limit);
}

namespace {

std::optional<stored_schedule> schedule_of(const pqxx::result& rows)
{
    if (rows.empty()) return std::nullopt;
    const auto row = rows[0];
    return stored_schedule{row[0].c_str(), row[1].c_str(), time_of(row[2]), time_of(row[3]), time_of(row[4]), row[5].as<bool>()};
}

}

#define ROWLOCK_STORED_SCHEDULE \
    "select j.job_id, s.spec::text, s.registered_at, s.decided_to, clock(), s.is_on and s.paused_at is null from schedules s join jobs j on j.job_key = s.job_key where s.tenant_key = $1 and not s.removed"

constexpr statement find_schedule_statement{"find_schedule", ROWLOCK_STORED_SCHEDULE " and s.schedule_id = $2"};
constexpr statement find_schedule_of_job_statement{"find_schedule_of_job", ROWLOCK_STORED_SCHEDULE " and j.job_id = $2 and j.tenant_key = $1 and j.deleted_at is null"};

std::optional<stored_schedule> find_schedule(session& s, tenant_key tenant, const std::string& schedule_id)
{
    return schedule_of(s.exec(find_schedule_statement, tenant.value, schedule_id));
}

std::optional<stored_schedule> find_schedule_of_job(session& s, tenant_key tenant, const std::string& job_id)
{
    return schedule_of(s.exec(find_schedule_of_job_statement, tenant.value, job_id));
}

constexpr statement pause_schedule_statement{"pause_schedule", "select pause_schedule_1($1, $2, $3, $4, $5)"};

bool set_paused(session& s, const principal& who, const std::string& schedule_id, bool paused, const std::string& reason)
{
    return s.exec(pause_schedule_statement, who.tenant.value, schedule_id, paused, who.name, reason)[0][0].as<bool>();
}

constexpr statement note_action_statement{"note_schedule_action", R"sql(
    insert into schedule_actions (job_key, action, author, reason) select j.job_key, $3, $4, $5 from jobs j where j.tenant_key = $1 and j.job_id = $2)sql"};

void note_schedule_action(session& s, const principal& who, const std::string& job_id, const std::string& action, const std::string& reason)
{
    s.exec(note_action_statement, who.tenant.value, job_id, action, who.name, reason);
}

}
