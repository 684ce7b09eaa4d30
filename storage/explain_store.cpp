#include "storage/explain_store.hpp"

namespace rowlock::storage {

// What is counted for `position` is bounded: a queue may hold millions of extents.
constexpr statement explain_statement{"explain_execution", R"sql(
    select json_build_object(
        'execution_id', v.execution_id, 'status', v.status, 'blocked_by', coalesce(w.items, '[]'),
        'next_evaluation', case when s.lo is not null and not l.paused then rfc3339(greatest(case when not s.ready then nullif(s.eligible_at, 'infinity') end,
                                                                         case when b.is_open and b.next_probe_at > clock() then b.next_probe_at end,
                                                                         case when l.window_from > clock() then l.window_from end,
                                                                         (v.waiting_on ->> 'next_start_at')::timestamptz)) end,
        'why', case when v.result_status is not null then json_build_object(
            'detail', case when v.status = 'COMPLETED' then 'It has completed.'
                           when v.next_execution_id is not null then 'It ended ' || v.status || coalesce(' (' || v.error_code || ')', '') || '. '
                                || case when m.actor is null then 'The next attempt is ' else m.actor || ' retried it by hand as ' end || v.next_execution_id
                                || case when n.eligible_time > clock() then ', not before ' || rfc3339(n.eligible_time) else '' end || '.'
                           when d.status = 'OPEN' then 'It ended ' || v.status || coalesce(' (' || v.error_code || ')', '')
                                || '. No attempt follows by itself. It is in the dead letters until ' || rfc3339(d.expires_at) || ', and can be retried from there.'
                           when v.status = 'CANCELLED' then 'It was cancelled. No attempt follows by itself; it can be retried by hand.'
                           when v.status = 'SKIPPED' then 'It was skipped. It can be replayed as a new run.'
                           else 'It ended ' || v.status || coalesce(' (' || v.error_code || ')', '') || '. No attempt follows by itself; it can be retried by hand.' end,
            'error_code', v.error_code, 'error_message', v.error_message,
            'error_category', (select error_category_name(x.category) from errors x where x.error_id = v.execution_id),
            'attempt_number', v.attempt_number, 'max_attempts', j.max_attempts,
            'will_retry', v.next_execution_id is not null, 'next_execution_id', v.next_execution_id,
            'next_retry_time', rfc3339(n.eligible_time), 'retried_by', m.actor,
            'dead_letter', case when d.dead_letter_id is not null then json_build_object(
                'dead_letter_id', d.dead_letter_id, 'status', d.status, 'expires_at', rfc3339(d.expires_at)) end) end)
    from executions e
    join job_versions j on j.job_key = e.job_key and j.version = e.job_version
    join lateral (select * from v_executions v where v.execution_id = e.execution_id) v on true
    left join lanes l on l.lane_id = e.lane_id
    left join breakers b on b.breaker_id = l.breaker_id
    left join limits probes on probes.limit_id = b.limit_id
    left join manual_retries m on m.execution_id = e.execution_id
    left join dead_letters d on d.dead_letter_id = e.execution_id and d.expires_at > clock()
    left join lateral (select coalesce(n.scheduled_time, n.submitted_at) as eligible_time from executions n where n.execution_id = v.next_execution_id) n on true
    left join lateral (select x.* from (select x.* from extents x where x.lo <= e.execution_id order by x.lo desc limit 1) x
                       where v.result_status is null and x.hi >= e.execution_id and x.owner is null) s on true
    left join lateral (
        select jsonb_agg(x.item order by x.k) as items from (
            -- The first is waiting_on, with figures.
            select 1 as k, v.waiting_on || case v.waiting_on ->> 'rule'
                when 'backoff' then jsonb_build_object('attempt_number', e.attempt_number, 'max_attempts', j.max_attempts)
                when 'job_limit' then jsonb_build_object('position', case when not v.waiting_on ? 'ordering_key' then p.position else (
                    select count(*) from ordered_runs mine join ordered_runs o on o.job_key = mine.job_key and o.ordering_key = mine.ordering_key and o.place < mine.place
                    where mine.execution_id = e.execution_id) end)
                when 'global_limit' then jsonb_build_object('position', p.position)
                when 'tenant_limit' then jsonb_build_object('position', p.position)
                when 'job_type_limit' then jsonb_build_object('position', p.position)
                when 'pool_limit' then jsonb_build_object('position', p.position)
                when 'rate_limit' then jsonb_build_object('position', p.position)
                when 'breaker' then jsonb_build_object('max_running', b.half_open_max, 'in_use', probes.in_use, 'failures', b.failures_when_opened, 'opened_at', rfc3339(b.opened_at))
                when 'capacity' then case when v.waiting_on ? 'resource' then jsonb_build_object('position', p.position) else jsonb_build_object(
                    'max_running', (select coalesce(sum(i.parallelism), 0) from instances i where i.state = 'ALIVE' and i.lease_until > clock() and i.draining_at is null
                                    and (l.placement is null or l.placement <@ i.labels)),
                    'in_use', (select coalesce(sum(o.remaining), 0) from extents o where o.owner is not null),
                    'position', p.position, 'instance_limits', reached_confines(l.handler, l.placement, l.request)) end
                else '{}' end as item
            -- Its place among what waits in its lane.
            from (select 1 + ordinal_of(e.execution_id) - ordinal_of(s.lo) + coalesce((
                        select sum(q.remaining) from (
                            select q.remaining from extents q where s.ready and q.lane_id = e.lane_id and q.owner is null and q.ready
                            and (q.rank < s.rank or (q.rank = s.rank and q.lo < s.lo)) order by q.rank limit 100000) q), 0) as position) p
            where v.waiting_on is not null
            union all
            select 2, jsonb_build_object('rule', 'paused', 'detail', 'the job is paused')
            where l.paused and v.waiting_on ->> 'rule' <> 'paused'
            union all
            select 4, jsonb_build_object('rule', 'window', 'detail', 'outside the execution windows of the job', 'opens_at', case when l.window_from > clock() then rfc3339(l.window_from) end)
            where not lane_is_open(l.window_from, l.window_until) and v.waiting_on ->> 'rule' <> 'window'
            union all
            select 3, jsonb_build_object('rule', 'breaker', 'detail', 'the circuit breaker ' || b.key || ' is not closed', 'key', b.key,
                'state', breaker_state(b.is_open, b.next_probe_at, clock()), 'next_probe_at', rfc3339(b.next_probe_at), 'max_running', b.half_open_max,
                'in_use', probes.in_use, 'failures', b.failures_when_opened, 'opened_at', rfc3339(b.opened_at))
            where b.is_open and v.waiting_on ->> 'rule' <> 'breaker'
            union all
            -- Every other limit that is reached.
            select 3 + limit_order(m.scope), limit_wait(m, coalesce(u.n, 1), clock()) from unnest(l.limit_ids, l.limit_ns) u (id, n) join limits m on m.limit_id = u.id
            where s.ready and is_reached(m, coalesce(u.n, 1)) and limit_wait(m, coalesce(u.n, 1), clock()) <> v.waiting_on) x) w on true
    where e.execution_id = $2 and e.tenant_key = $1)sql"};

std::optional<std::string> explain_json(session& s, tenant_key tenant, execution_id id)
{
    const auto rows = s.exec(explain_statement, tenant.value, id.str());
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

}
