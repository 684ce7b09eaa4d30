#include "storage/event_store.hpp"

#include "storage/optional_text.hpp"
#include "storage/rows.hpp"

#include <algorithm>

namespace rowlock::storage {

namespace {

std::optional<std::chrono::milliseconds> milliseconds_of(const pqxx::field& f)
{
    if (f.is_null()) return std::nullopt;
    return std::chrono::milliseconds{f.as<std::int64_t>()};
}

taken_event taken_of(const pqxx::row& row)
{
    taken_event event;
    const char verdict = row[1].c_str()[0];
    event.what = verdict == 't' ? taken_event::verdict::taken : verdict == 'd' ? taken_event::verdict::duplicate : taken_event::verdict::replayed;
    if (!row[2].is_null()) event.id = id_of(row[2]);
    event.activated = row[3].c_str();
    event.waiting = row[4].c_str();
    event.executions = row[5].as<int>();
    event.refusals = row[6].as<int>();
    event.due = milliseconds_of(row[7]);
    return event;
}

}

void event_columns::clear()
{
    for (auto* column : {&ids, &tenants, &sources, &keys, &payloads, &origins, &submitters, &triggers, &signatures}) column->clear();
}

constexpr statement take_events_statement{"take_events", R"sql(
    select k, verdict, event_id, activated, waiting, executions, refusals, due_ms
    from take_events_1($1, $2::uuid[], $3::int[], $4::text[], $5::text[], $6::json[], $7::int2[], $8::text[], $9::int[], $10::text[]))sql"};

std::vector<taken_event> take_events(session& s, bool again, event_columns& c)
{
    const auto rows = s.exec(take_events_statement, again, c.ids.parameter(), c.tenants.parameter(), c.sources.parameter(), c.keys.column(), c.payloads.parameter(),
                             c.origins.parameter(), c.submitters.column(), c.triggers.column(), c.signatures.column());
    std::vector<taken_event> taken(static_cast<std::size_t>(c.ids.size()));
    for (const auto& row : rows) taken[row[0].as<std::size_t>() - 1] = taken_of(row);
    return taken;
}

constexpr statement flush_triggers_statement{"flush_triggers", "select events, executions, next_after, next_ms from flush_triggers_1($1, $2, $3)"};

flush_step flush_triggers(session& s, int after, int triggers, int rows)
{
    const auto row = s.exec(flush_triggers_statement, after, triggers, rows)[0];
    return {row[0].as<int>(), row[1].as<int>(), row[2].as<int>(), milliseconds_of(row[3])};
}

constexpr statement sweep_events_statement{"sweep_events", "select sweep_events_1($1::int8 * interval '1 millisecond', $2)"};

int sweep_events(session& s, std::chrono::milliseconds kept, int rows)
{
    return s.exec(sweep_events_statement, kept.count(), rows)[0][0].as<int>();
}

#define ROWLOCK_EVENT_JSON(payload) \
    "json_build_object('event_id', e.event_id, 'tenant_id', (select t.tenant_id from tenants t where t.tenant_key = e.tenant_key), 'source', e.source, 'key', e.key," \
    " 'payload', " payload ", 'payload_bytes', octet_length(e.payload::text), 'received_time', rfc3339(e.received_at), 'origin', event_origin_name(e.origin)," \
    " 'submitter', e.submitter, 'activations', (select coalesce(json_agg(json_build_object('trigger_id', a.trigger_id, 'job_id', a.job_id, 'outcome', a.outcome," \
    "     'reason', a.reason, 'execution_id', a.execution_id, 'at', rfc3339(a.at)) order by a.at, a.trigger_id), '[]')" \
    "     from v_trigger_activations a where a.event_id = e.event_id))"

constexpr statement list_events_statement{"list_events",
    "select " ROWLOCK_EVENT_JSON("case when octet_length(e.payload::text) <= 16384 then e.payload end") ", e.event_id from ("
    "  select * from events x where x.tenant_key = $1 and ($2::text is null or x.source = $2) and ($3::text is null or x.key = $3)"
    "  and ($4::timestamptz is null or x.received_at >= $4) and ($5::timestamptz is null or x.received_at < $5)"
    "  and ($6::uuid is null or x.event_id < $6) order by x.event_id desc limit $7) e order by e.event_id desc"};

std::optional<page> list_events_json(session& s, tenant_key tenant, const event_filter& filter, int limit, const std::string& cursor)
{
    const auto after = execution_id::parse(cursor);
    if (!after && !cursor.empty()) return std::nullopt;
    const auto since = filter.since ? to_rfc3339(*filter.since) : std::string();
    const auto until = filter.until ? to_rfc3339(*filter.until) : std::string();
    return page_of(s.exec(list_events_statement, tenant.value, or_null(filter.source), or_null(filter.key), or_null(since), or_null(until), or_null(cursor), limit + 1), limit);
}

constexpr statement find_event_statement{"find_event", "select " ROWLOCK_EVENT_JSON("e.payload") " from events e where e.tenant_key = $1 and e.event_id = $2"};

std::optional<std::string> find_event_json(session& s, tenant_key tenant, const execution_id& id)
{
    const auto rows = s.exec(find_event_statement, tenant.value, id.str());
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

}
