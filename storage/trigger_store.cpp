#include "storage/trigger_store.hpp"

#include "storage/model/ids.hpp"
#include "storage/optional_text.hpp"

namespace rowlock::storage {

#define ROWLOCK_TRIGGER_JSON \
    "select json_build_object('trigger_id', v.trigger_id, 'job_id', v.job_id, 'tenant_id', v.tenant_id, 'trigger_type', v.trigger_type, 'source', v.source, 'filter', v.filter," \
    " 'batch_window_seconds', v.batch_window_seconds, 'debounce_seconds', v.debounce_seconds, 'enabled', v.enabled, 'has_secret', v.has_secret, 'secret_env', v.secret_env," \
    " 'table', v.\"table\", 'channel', v.channel, 'read_failure', v.read_failure, 'created_time', rfc3339(v.created_time)," \
    " 'waiting', exists (select from trigger_buffers b where b.trigger_key = g.trigger_key)," \
    " 'last_action', (select json_build_object('action', a.action, 'time', rfc3339(a.created_at), 'author', a.author, 'reason', a.reason)" \
    "     from trigger_actions a where a.trigger_key = g.trigger_key order by a.action_number desc limit 1)), v.trigger_id" \
    " from triggers g join v_triggers v on v.trigger_id = g.trigger_id where g.tenant_key = $1 and g.removed_at is null"

constexpr statement list_triggers_statement{"list_triggers", ROWLOCK_TRIGGER_JSON
    " and v.trigger_id > $2 and ($3::text is null or v.job_id = $3) and ($4::text is null or v.source = $4) order by v.trigger_id limit $5"};

page list_triggers_json(session& s, tenant_key tenant, const std::string& job_id, const std::string& source, int limit, const std::string& cursor)
{
    return page_of(s.exec(list_triggers_statement, tenant.value, cursor, or_null(job_id), or_null(source), limit + 1), limit);
}

constexpr statement find_trigger_statement{"find_trigger", ROWLOCK_TRIGGER_JSON " and v.trigger_id = $2"};

std::optional<std::string> find_trigger_json(session& s, tenant_key tenant, const std::string& trigger_id)
{
    const auto rows = s.exec(find_trigger_statement, tenant.value, trigger_id);
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

constexpr statement list_activations_statement{"list_activations", R"sql(
    select json_build_object('event_id', x.event_id, 'trigger_id', g.trigger_id, 'outcome', x.outcome, 'reason', x.reason, 'execution_id', x.execution_id, 'at', rfc3339(x.at)), x.event_id
    from triggers g cross join lateral (
        (select a.event_id, activation_outcome_name(a.outcome) as outcome, activation_reason(a.outcome) as reason, a.execution_id, a.at
         from trigger_activations a where a.trigger_key = g.trigger_key and ($3::uuid is null or a.event_id < $3) order by a.event_id desc limit $4)
        union all
        (select b.event_id, 'WAITING', 'for its window or for quiet', null, b.received_at
         from trigger_buffers b where b.trigger_key = g.trigger_key and ($3::uuid is null or b.event_id < $3) order by b.received_at desc, b.event_id desc limit $4)) x
    where g.tenant_key = $1 and g.trigger_id = $2 and g.removed_at is null order by x.event_id desc limit $4)sql"};

std::optional<page> list_activations_json(session& s, tenant_key tenant, const std::string& trigger_id, int limit, const std::string& cursor)
{
    if (!cursor.empty() && !execution_id::parse(cursor)) return std::nullopt;
    return page_of(s.exec(list_activations_statement, tenant.value, trigger_id, or_null(cursor), limit + 1), limit);
}

constexpr statement switch_trigger_statement{"switch_trigger", "select switch_trigger_1($1, $2, $3, $4, $5)"};

bool switch_trigger(session& s, const principal& who, const std::string& trigger_id, bool enabled, const std::string& reason)
{
    return s.exec(switch_trigger_statement, who.tenant.value, trigger_id, enabled, who.name, reason)[0][0].as<bool>();
}

constexpr statement find_webhook_statement{"find_webhook", R"sql(
    select g.trigger_key, g.tenant_key, g.source, g.secret, g.secret_env, floor(extract(epoch from clock()))::bigint
    from triggers g join jobs j on j.job_key = g.job_key and j.deleted_at is null where g.trigger_id = $1 and g.kind = 4 and g.removed_at is null)sql"};

std::optional<webhook> find_webhook(session& s, const std::string& trigger_id)
{
    const auto rows = s.exec(find_webhook_statement, trigger_id);
    if (rows.empty()) return std::nullopt;
    const auto row = rows[0];
    return webhook{row[0].as<int>(), {row[1].as<int>()}, row[2].c_str(), row[3].c_str(), row[4].c_str(), row[5].as<std::int64_t>()};
}

}
