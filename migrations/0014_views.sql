-- What users read: stable views and the JSON of the API, and the invariants.

-- The live instances that nobody has drained, and those of them that start nothing because they are short of something, the first ten of them in words; one row.
create view pressed_instances as
select count(*) as live, count(*) filter (where p.pressed) as pressed, (array_agg(i.pressure -> 'resources' -> 0 order by i.instance_id) filter (where p.pressed))[1] as first,
       (select string_agg(w, ', ') from unnest((array_agg('instance ' || i.instance_id || ' is short of ' || (i.pressure -> 'resources' -> 0 ->> 'resource') || ' ('
            || coalesce(i.pressure -> 'resources' -> 0 ->> 'usage_percent', '?') || ' %, from ' || (i.pressure -> 'resources' -> 0 ->> 'threshold_percent') || ' % on)' order by i.instance_id)
            filter (where p.pressed))[1:10]) w) as words
from instances i cross join lateral (select coalesce(i.pressure -> 'actions' ? 'QUEUE_ALL', false) as pressed) p
where i.state = 'ALIVE' and i.lease_until > clock() and i.draining_at is null;
comment on view pressed_instances is 'Not for users: what waiting_on says of instances that are under pressure.';
comment on column pressed_instances.live is 'So many instances are alive and not drained.';
comment on column pressed_instances.pressed is 'So many of them start nothing.';
comment on column pressed_instances.first is 'What the first of them is short of.';
comment on column pressed_instances.words is 'The same of ten, for people.';

create view v_executions as
select e.execution_id, e.run_id, e.parent_execution_id, e.replay_of,
       j.job_id, e.job_version, t.tenant_id,
       status_name(coalesce(r.status, case when not s.ready then 1 when s.owner is null then 2 else 3 end::smallint)) as status,
       trigger_type_name(e.trigger_type) as trigger_type, e.trigger_id,
       coalesce(e.parameters::jsonb, '{}') as parameters,
       fingerprint_of(e.job_key, e.job_version, e.parameters::jsonb) as fingerprint,
       e.priority, coalesce(e.tags, '{}') as tags, e.scheduled_time,
       case when not s.ready then null when r.started_at is null and r.completed_at < e.scheduled_time then null
            else greatest(e.submitted_at, e.scheduled_time, (select max(x.at) from extra_transitions x where x.execution_id = e.execution_id and x.from_status = 1)) end as queued_time,
       coalesce(r.started_at, s.claimed_at) as started_time, r.completed_at as completed_time,
       e.attempt_number,
       (select max(c.checkpoint_number) from checkpoints c where c.execution_id = e.execution_id) as checkpoint,
       e.correlation_id, e.submitter, e.submitted_at as submitted_time,
       coalesce(r.instance_id, s.owner) as instance_id, coalesce(r.fence, s.fence) as fence,
       result_status_name(r.status) as result_status, r.exit_code, r.error_code, r.error_message, r.records_processed, r.records_failed,
       extract(epoch from coalesce(r.returned_at, r.completed_at) - r.started_at)::float8 as duration_seconds,
       r.metrics::jsonb as metrics, r.outputs::jsonb as outputs, r.termination, r.returned_at as returned_time,
       coalesce(r.next_execution_id, (select m.next_execution_id from manual_retries m where m.execution_id = r.execution_id)) as next_execution_id,
       (select n.progress from live_notes n where n.execution_id = e.execution_id) as progress,
       (select n.heartbeat_at from live_notes n where n.execution_id = e.execution_id) as heartbeat_time,
       -- The first that holds it back, in the order of evaluation. A window counts where it opens later than the execution is eligible.
       case when r.execution_id is not null or s.owner is not null then null
            when not (l.window_until is null or (clock() >= l.window_from and clock() < l.window_until)) and (s.ready or s.eligible_at = 'infinity' or l.window_from > s.eligible_at) then
                jsonb_build_object('rule', 'window',
                    'detail', 'outside the execution windows of the job' || case when l.window_from > clock() then ': they open at ' || rfc3339(l.window_from) else '' end,
                    'opens_at', case when l.window_from > clock() then rfc3339(l.window_from) end, 'closes_at', case when l.window_from > clock() then rfc3339(nullif(l.window_until, 'infinity')) end)
            when not s.ready and s.eligible_at = 'infinity' then (
                select case when w.on_running and not w.on_dependencies then jsonb_build_object('rule', 'skip_if_running', 'detail', 'waits for the end of what runs of the job: its schedule has queue_if_running')
                       when w.on_order and not w.on_dependencies then jsonb_build_object('rule', 'job_limit', 'max_running', g.width, 'in_use', g.width, 'ordering_key', e.ordering_key, 'detail', case when g.width = 1
                           then 'runs one at a time, in order, with others of the ordering key ' || e.ordering_key
                           else 'of those with the key ' || e.ordering_key || ' ' || g.width || ' run, in order, which is as many as may at a time' end)
                       else jsonb_build_object('rule', 'dependency', 'until', rfc3339(nullif(s.expires_at, 'infinity')),
                           'upstream_job_ids', coalesce(jsonb_agg(d.upstream_job_id order by d.upstream_job_id), '[]'),
                           'detail', 'waits for ' || coalesce(string_agg(d.upstream_job_id || case when d.upstream_key is null then ' (there is no such job)'
                               else ' (' || (array['SUCCESS', 'COMPLETION', 'DATA_READY'])[d.kind] || ')' end, case when y.require_all then ' and ' else ' or ' end order by d.upstream_job_id), '')) end
                from waits w cross join lateral (select v.ordering_width as width from job_versions v where v.job_key = w.job_key and v.version = j.current_version) g left join dependents y on y.job_key = w.job_key
                left join dependencies d on d.job_key = w.job_key and not (d.end_id is not null and (d.window_ is null or d.ended_at >= clock() - d.window_))
                where w.execution_id = e.execution_id group by w.on_dependencies, w.on_running, w.on_order, g.width, y.require_all)
            when not s.ready then jsonb_build_object('rule', case e.trigger_type when 5 then 'backoff' else 'schedule' end,
                                                     'detail', 'eligible at ' || rfc3339(s.eligible_at), 'eligible_at', rfc3339(s.eligible_at))
            when l.paused then jsonb_build_object('rule', 'paused', 'detail', 'the job is paused')
            when b.is_open then jsonb_build_object('rule', 'breaker', 'detail', 'the circuit breaker ' || b.key || case when b.next_probe_at > clock()
                    then ' is open until ' || rfc3339(b.next_probe_at) else ' is half open, and lets ' || b.half_open_max || ' at a time through' end,
                'key', b.key, 'state', breaker_state(b.is_open, b.next_probe_at, clock()), 'next_probe_at', rfc3339(b.next_probe_at))
            when l.placement is not null and not exists (select from instances i where i.state = 'ALIVE' and i.lease_until > clock() and i.draining_at is null and l.placement <@ i.labels)
                then jsonb_build_object('rule', 'capacity', 'labels', l.placement, 'matching', 0, 'instances', (select count(*) from instances i where i.state = 'ALIVE' and i.lease_until > clock()),
                    'detail', 'no live instance that takes work has the labels ' || (select string_agg(x.key || '=' || x.value, ', ' order by x.key) from jsonb_each_text(l.placement) x))
            when f.limit_id is not null then limit_wait(f.m, f.n, clock())
            else (select jsonb_build_object('rule', 'capacity', 'detail', case when count(*) = 0 then 'no instance is alive' when count(i.draining_at) = count(*) then 'every live instance is drained'
                             else 'waits for a free slot of an instance' || coalesce(' with the labels ' || (select string_agg(x.key || '=' || x.value, ', ' order by x.key)
                                                                                                            from jsonb_each_text(l.placement) x), '') end)
                         || case when l.placement is null then '{}' else jsonb_build_object('labels', l.placement, 'instances', count(*),
                                 'matching', count(*) filter (where i.draining_at is null and l.placement <@ i.labels)) end
                  from instances i where i.state = 'ALIVE' and i.lease_until > clock())
                 || (select case when p.pressed = 0 then '{}' when l.placement is not null then jsonb_build_object('instances_under_pressure', p.pressed)
                                 else jsonb_build_object('instances', p.live, 'instances_under_pressure', p.pressed) || case when p.pressed < p.live
                                     then jsonb_build_object('detail', 'waits for a free slot of an instance; ' || p.pressed || ' of ' || p.live || ' start nothing: ' || p.words)
                                     else jsonb_build_object('resource', p.first -> 'resource', 'usage_percent', p.first -> 'usage_percent', 'threshold_percent', p.first -> 'threshold_percent',
                                         'since', p.first -> 'since', 'detail', 'no live instance starts anything: ' || p.words) end end from pressed_instances p) end as waiting_on,
       e.trace_parent, e.plan_run_id,
       (select n.node_id from plan_nodes n where n.plan_run_id = e.plan_run_id and n.node_no = e.node_no) as node_id, e.item_no, e.ordering_key, e.contract_ref, e.approval_ref
from executions e
join jobs j on j.job_key = e.job_key
join tenants t on t.tenant_key = e.tenant_key
left join lanes l on l.lane_id = e.lane_id
left join breakers b on b.breaker_id = l.breaker_id
left join results r on r.execution_id = e.execution_id
left join lateral (select x.* from (select x.* from extents x where x.lo <= e.execution_id order by x.lo desc limit 1) x
                   where r.execution_id is null and x.hi >= e.execution_id) s on true
-- The first of its limits that is reached, in the order of their evaluation.
left join lateral (select m.limit_id, m, coalesce(u.n, 1) as n from unnest(l.limit_ids, l.limit_ns) u (id, n) join limits m on m.limit_id = u.id
                   where r.execution_id is null and s.ready and s.owner is null and is_reached(m, coalesce(u.n, 1)) order by limit_order(m.scope), m.limit_id limit 1) f on l.limit_ids is not null;

create view v_runs as
select f.run_id, last.job_id, last.tenant_id, last.status, last.attempt_number as attempts, last.execution_id as last_execution_id,
       f.submitted_at as submitted_time, last.completed_time
from executions f
-- As attempts_of does; but a function would work with the rights and the search path of the reader.
cross join lateral (
    with recursive chain as (
        select f.execution_id, f.attempt_number
        union all
        select e.execution_id, e.attempt_number from chain c
        join results r on r.execution_id = c.execution_id
        left join manual_retries m on m.execution_id = c.execution_id
        join executions e on e.execution_id = coalesce(r.next_execution_id, m.next_execution_id))
    select c.execution_id from chain c order by c.attempt_number desc limit 1) a
join lateral (select * from v_executions v where v.execution_id = a.execution_id) last on true
where f.attempt_number = 1;

create view v_transitions as
select e.execution_id, x.at, status_name(x.from_status::smallint) as from_status, status_name(x.to_status::smallint) as to_status, x.actor, x.fence, x.reason, x.step
from executions e
left join results r on r.execution_id = e.execution_id
left join lateral (select x.* from (select x.* from extents x where x.lo <= e.execution_id order by x.lo desc limit 1) x
                   where r.execution_id is null and x.hi >= e.execution_id) s on true
cross join lateral (
    select e.scheduled_time > e.submitted_at as delayed,
           exists (select from extra_transitions t where t.execution_id = e.execution_id and t.from_status = 1) as was_held,
           not coalesce(s.ready, true) and s.eligible_at = 'infinity' or exists (select from waits w where w.execution_id = e.execution_id) as is_held, coalesce(r.started_at, s.claimed_at) as started,
           e.scheduled_time > e.submitted_at and (not coalesce(s.ready, true) or (r.started_at is null and coalesce(r.completed_at < e.scheduled_time, false))) as still_pending) h
cross join lateral (
    select e.submitted_at as at, null::int as from_status, case when h.delayed or h.was_held or h.is_held or r.status = 9 then 1 else 2 end as to_status, coalesce(e.submitter, 'local') as actor, null::int as fence,
           case when e.attempt_number > 1 then 'attempt ' || e.attempt_number else 'submitted' end as reason, 1 as step
    union all select e.scheduled_time, 1, 2, 'clock', null, 'eligible', 2 where h.delayed and not h.still_pending and not h.was_held and not h.is_held
    union all select h.started, 2, 3, 'instance:' || coalesce(r.instance_id, s.owner), coalesce(r.fence, s.fence), 'claimed', 4 where h.started is not null
    union all select r.returned_at, 3, 4, 'instance:' || r.instance_id, r.fence, 'returned', 5 where r.status = 5
    union all select r.completed_at, case when r.status = 5 then 4 when r.started_at is not null then 3 when h.still_pending or r.status = 9 then 1 else 2 end, r.status::int,
                     coalesce(r.actor, 'instance:' || r.instance_id), r.fence, coalesce(r.error_code || coalesce(': ' || r.error_message, ''), 'completed'), 6
              where r.execution_id is not null
    union all select t.at, t.from_status, t.to_status, t.actor, t.fence, t.reason, 3 from extra_transitions t where t.execution_id = e.execution_id) x;

create view v_checkpoints as
select c.execution_id, c.run_id, c.checkpoint_number, octet_length(c.body) as size_bytes, encode(c.sha256, 'hex') as sha256, c.stage, c.created_time
from checkpoints c;

create view v_artifacts as
select a.run_id, a.execution_id, a.name, a.sha256, a.size_bytes, a.created_time
from artifacts a;

create view v_queue as
select s.lo as first_execution_id, s.hi as last_execution_id, s.remaining as executions, t.tenant_id, j.job_id,
       status_name(case when not s.ready then 1 when s.owner is null then 2 else 3 end::smallint) as status,
       s.priority, s.eligible_at as eligible_time, s.owner as instance_id, s.fence, s.claimed_at as claimed_time
from extents s join lanes l on l.lane_id = s.lane_id join jobs j on j.job_key = l.job_key join tenants t on t.tenant_key = l.tenant_key;

create view v_jobs as
select j.job_id, t.tenant_id, j.current_version as version, j.enabled, j.created_at as created_time, v.author, v.reason, v.created_at as changed_time,
       v.definition::jsonb as definition
from jobs j join tenants t on t.tenant_key = j.tenant_key join job_versions v on v.job_key = j.job_key and v.version = j.current_version
where j.deleted_at is null;

create view v_job_versions as
select j.job_id, t.tenant_id, v.version, v.author, v.reason, v.created_at as created_time, v.definition::jsonb as definition, v.rolled_back_to
from job_versions v join jobs j on j.job_key = v.job_key join tenants t on t.tenant_key = j.tenant_key;

create view v_job_actions as
select j.job_id, t.tenant_id, a.created_at as at, a.action, a.version, a.author, a.reason
from job_actions a join jobs j on j.job_key = a.job_key join tenants t on t.tenant_key = j.tenant_key;

create view v_plan_runs as
select r.plan_run_id, p.plan_id, r.plan_version, t.tenant_id, case g.status when 3 then 'RUNNING' else status_name(g.status) end as status, r.rerun_of, r.parent_run_id,
       r.parameters::jsonb as parameters, case when r.fail_fast then 'fail_fast' else 'continue' end as on_failure, g.nodes, g.nodes - g.unended as nodes_ended,
       g.failed as nodes_failed, g.cancelled_at as cancel_requested_time, g.cancelled_by, g.cancel_reason,
       r.correlation_id, coalesce(r.tags, '{}') as tags, r.submitter, r.contract_ref, r.approval_ref, r.trace_parent,
       r.created_at as created_time, g.ended_at as completed_time
from plan_runs r join plan_progress g using (plan_run_id) join tenants t on t.tenant_key = r.tenant_key left join plans p on p.plan_key = r.plan_key;

-- The nodes of plan runs. The execution of a node is its last attempt; a node that maps over a list has several, and shows none.
create view v_plan_nodes as
select n.plan_run_id, n.node_id, n.node_no, t.tenant_id, j.job_id, n.job_version, n.layer,
       case when s.state = 0 then 'PENDING' when s.state >= 5 then status_name(s.state) when n.for_each is not null then 'RUNNING'
            when e.execution_id is null then 'PENDING' else status_name(coalesce(z.status, case when not x.ready then 1 when x.owner is null then 2 else 3 end, 3)::smallint) end as status,
       e.execution_id, e.attempt_number, m.total as items, m.ended as items_ended, m.failed as items_failed,
       coalesce(m.started_at, z.started_at, x.claimed_at) as started_time, coalesce(m.ended_at, z.completed_at) as completed_time, z.error_code, z.error_message, n.tags,
       case when n.kept_run is not null then n.kept_run end as kept_from, n.is_gate as gate, n.for_each is not null as for_each
from plan_nodes n
join plan_runs r on r.plan_run_id = n.plan_run_id
join tenants t on t.tenant_key = r.tenant_key
join jobs j on j.job_key = n.job_key
cross join lateral (select b.states[(n.node_no & 127) + 1] as state from plan_blocks b where b.plan_run_id = n.plan_run_id and b.block_no = n.node_no >> 7 limit 1) s
left join lateral (select e.execution_id, e.attempt_number from executions e
                   where e.plan_run_id = coalesce(n.kept_run, n.plan_run_id) and e.node_no = coalesce(n.kept_no, n.node_no) and n.for_each is null
                   order by e.attempt_number desc limit 1) e on true
left join results z on z.execution_id = e.execution_id
left join lateral (select x.* from (select x.* from extents x where x.lo <= e.execution_id order by x.lo desc limit 1) x
                   where z.execution_id is null and x.hi >= e.execution_id) x on true
left join plan_maps m on m.plan_run_id = coalesce(n.kept_run, n.plan_run_id) and m.node_no = coalesce(n.kept_no, n.node_no);

-- What jobs depend on, as registered now, and the end that counts for each until an execution has used it.
create view v_dependencies as
select j.job_id, t.tenant_id, d.dependency_id, d.upstream_job_id, (array['SUCCESS', 'COMPLETION', 'DATA_READY'])[d.kind] as dependency_type, d.condition,
       extract(epoch from d.window_)::float8 as window_seconds, d.skip as skip_on_upstream_skip, extract(epoch from d.wait_for)::float8 as timeout_seconds,
       d.is_data, d.upstream_key is null as is_missing, y.require_all, d.end_id as upstream_execution_id, d.ended_at as upstream_completed_time,
       d.end_id is not null and (d.window_ is null or d.ended_at >= clock() - d.window_) as is_satisfied
from dependencies d join dependents y on y.job_key = d.job_key join jobs j on j.job_key = d.job_key join tenants t on t.tenant_key = j.tenant_key
where j.deleted_at is null;

create view v_dependency_uses as
select u.run_id, u.dependency_id, u.upstream_job_id, u.upstream_execution_id, u.at from dependency_uses u;

-- The limits in force; the resources of a pool stand in its row.
create view v_limits as
select x.kind, x.key, t.tenant_id, nullif(max(m.max_running) filter (where m.scope = x.kind), 2147483647) as max_running,
       case when bool_or(m.rejects) then 'REJECT' else 'QUEUE' end as on_limit, coalesce(max(m.in_use) filter (where m.scope = x.kind), 0) as in_use,
       max(m.rate_starts) as rate_starts, extract(epoch from max(m.rate_period))::float8 as rate_seconds,
       max(starts_left(m.rate_starts, m.rate_period, m.started_at, m.started_n, clock())) filter (where m.rate_starts is not null) as starts_left,
       jsonb_object_agg(substr(m.scope, 6), jsonb_build_object('capacity', resource_amount(m.scope, m.max_running), 'in_use', resource_amount(m.scope, m.in_use)))
           filter (where m.scope like 'pool\_%') as resources
from limits m cross join lateral (select case when m.scope like 'pool\_%' then 'pool' else m.scope end as kind, m.key) x
left join tenants t on t.tenant_key = m.tenant_key
where m.scope not in ('breaker', 'lane', 'budget') and m.scope not like 'instance\_%' group by x.kind, x.key, t.tenant_id;

create view v_limit_changes as
select c.scope as kind, c.key, t.tenant_id, j.job_id, c.at, c.actor, c.max_running,
       case when c.rejects then 'REJECT' when not c.rejects then 'QUEUE' end as on_limit, c.rate_starts, extract(epoch from c.rate_period)::float8 as rate_seconds
from limit_changes c left join tenants t on t.tenant_key = c.tenant_key left join jobs j on j.job_key = c.job_key;

create view v_instance_actions as
select a.instance_id, a.created_at as at, a.action, a.author as actor, a.reason from instance_actions a;

-- A limit as the API shows it. put: what was asked for by PUT; defined: the least that definitions ask for.
create function limit_json_1(v v_limits) returns json language sql stable as $$
    select json_build_object('kind', v.kind, 'key', v.key, 'tenant_id', v.tenant_id, 'max_running', v.max_running, 'on_limit', v.on_limit, 'in_use', v.in_use,
        'rate_limit', case when v.rate_starts is not null then json_build_object('starts', v.rate_starts, 'per_seconds', v.rate_seconds, 'starts_left', v.starts_left) end,
        'resources', v.resources,
        'put', exists (select from limit_settings s where (s.scope = v.kind or (v.kind = 'pool' and s.scope like 'pool\_%')) and s.tenant_key = coalesce(t.key, 0)
                       and s.key = v.key and s.job_key = 0),
        'defined_by', (select coalesce(json_agg(d.job_id order by d.job_id), '[]') from (
            select j.job_id from limit_settings s join jobs j on j.job_key = s.job_key where s.scope = v.kind and s.tenant_key = coalesce(t.key, 0) and s.key = v.key and s.job_key > 0
            order by j.job_id limit 100) d))
    from (select (select x.tenant_key from tenants x where x.tenant_id = v.tenant_id) as key) t $$;

-- What went wrong, by queue. A failed attempt's own words are in its result.
create view v_errors as
select x.error_id, (array['scheduling_errors', 'dependency_errors', 'execution_errors'])[x.queue] as queue, t.tenant_id, j.job_id,
       x.execution_id, e.run_id, e.attempt_number, error_category_name(x.category) as error_category,
       coalesce(x.error_code, r.error_code) as error_code, coalesce(x.error_message, r.error_message) as error_message,
       x.error_code is null and coalesce(r.next_execution_id, m.next_execution_id) is not null as will_retry,
       case when x.error_code is null then n.eligible_time end as next_retry_time,
       x.created_at as created_time, coalesce(x.details, '{}') as details
from errors x
join tenants t on t.tenant_key = x.tenant_key
left join jobs j on j.job_key = x.job_key
left join executions e on e.execution_id = x.execution_id
left join results r on r.execution_id = x.execution_id and x.error_code is null
left join manual_retries m on m.execution_id = r.execution_id
left join lateral (select coalesce(n.scheduled_time, n.submitted_at) as eligible_time from executions n
                   where n.execution_id = coalesce(r.next_execution_id, m.next_execution_id)) n on true;

-- Final failures that somebody has to look at.
create view v_dead_letters as
select d.dead_letter_id, d.dead_letter_id as execution_id, d.run_id, t.tenant_id, j.job_id, e.job_version, e.attempt_number, r.error_code, r.error_message,
       coalesce(e.parameters::jsonb, '{}') as parameters, d.created_at as created_time, d.expires_at, d.status, d.retried_at as retried_time, d.retried_by,
       m.next_execution_id as retried_as
from dead_letters d
join tenants t on t.tenant_key = d.tenant_key
join jobs j on j.job_key = d.job_key
join executions e on e.execution_id = d.dead_letter_id
join results r on r.execution_id = d.dead_letter_id
left join manual_retries m on m.execution_id = d.dead_letter_id;

create view v_breakers as
select b.key, t.tenant_id, breaker_state(b.is_open, b.next_probe_at, clock()) as state,
       case when b.is_open then b.failures_when_opened else (select sum(f)::int from unnest(slices_at(b.failed, b.slice, slice_of(clock(), b.window_))) f) end as failures,
       b.opened_at, b.next_probe_at, b.failure_threshold, b.failure_rate,
       extract(epoch from b.window_)::float8 as window_seconds, extract(epoch from b.open_for)::float8 as open_seconds, b.half_open_max, l.in_use as probes, b.fence
from breakers b join tenants t on t.tenant_key = b.tenant_key join limits l on l.limit_id = b.limit_id;

create view v_breaker_changes as
select b.key, t.tenant_id, c.at, c.from_state, c.to_state, c.fence, c.actor, c.reason
from breaker_changes c join breakers b on b.breaker_id = c.breaker_id join tenants t on t.tenant_key = b.tenant_key;

-- The execution as the API shows it: one place for its shape.
create function execution_json_1(v v_executions) returns json language sql stable as $$
    select json_build_object(
        'execution_id', v.execution_id, 'run_id', v.run_id, 'parent_execution_id', v.parent_execution_id, 'replay_of', v.replay_of,
        'job_id', v.job_id, 'job_version', v.job_version, 'tenant_id', v.tenant_id, 'status', v.status,
        'trigger_type', v.trigger_type, 'trigger_id', v.trigger_id, 'parameters', v.parameters, 'fingerprint', v.fingerprint,
        'priority', v.priority, 'tags', v.tags, 'scheduled_time', rfc3339(v.scheduled_time), 'queued_time', rfc3339(v.queued_time),
        'started_time', rfc3339(v.started_time), 'completed_time', rfc3339(v.completed_time), 'submitted_time', rfc3339(v.submitted_time),
        'attempt_number', v.attempt_number, 'checkpoint', v.checkpoint, 'correlation_id', v.correlation_id, 'submitter', coalesce(v.submitter, 'local'),
        'instance_id', v.instance_id, 'fence', v.fence, 'progress', v.progress, 'heartbeat_time', rfc3339(v.heartbeat_time),
        'waiting_on', v.waiting_on, 'trace_parent', v.trace_parent, 'contract_ref', v.contract_ref, 'approval_ref', v.approval_ref,
        'result', case when v.result_status is not null then json_build_object(
            'status', v.result_status, 'exit_code', v.exit_code, 'error_code', v.error_code, 'error_message', v.error_message,
            'records_processed', v.records_processed, 'records_failed', v.records_failed, 'duration_seconds', v.duration_seconds,
            'metrics', coalesce(v.metrics, '{}'), 'outputs', coalesce(v.outputs, '{}'), 'termination', v.termination) end) $$;

-- An instance as the API shows it.
create function instance_json_1(i instances) returns json language sql stable as $$
    select json_build_object('instance_id', i.instance_id,
        'state', case when i.state <> 'ALIVE' or i.draining_at is null then i.state when exists (select from extents s where s.owner = i.instance_id) then 'DRAINING' else 'DRAINED' end,
        'hostname', i.hostname, 'pid', i.pid, 'version', i.version, 'address', i.address,
        'parallelism', i.parallelism, 'running', (select coalesce(sum(s.remaining), 0) from extents s where s.owner = i.instance_id),
        'labels', coalesce(i.labels, '{}'), 'pressure', i.pressure,
        'parallelism_by_handler', (select coalesce(json_object_agg(split_part(m.key, ' ', 2), json_build_object('max_running', m.max_running, 'in_use', m.in_use) order by m.key), '{}')
                                   from limits m where m.limit_id = any (i.confines) and m.scope = 'instance_handler'),
        'capacity', (select coalesce(json_object_agg(substr(m.scope, 10), json_build_object('capacity', resource_amount(replace(m.scope, 'instance', 'pool'), m.max_running),
                                                     'in_use', resource_amount(replace(m.scope, 'instance', 'pool'), m.in_use)) order by m.scope), '{}')
                     from limits m where m.limit_id = any (i.confines) and m.scope <> 'instance_handler'),
        'drain', case when i.draining_at is not null then json_build_object('since', rfc3339(i.draining_at), 'by', i.drained_by, 'reason', i.drain_reason) end,
        'started_time', rfc3339(i.started_at), 'lease_until', rfc3339(i.lease_until), 'ended_time', rfc3339(i.ended_at)) $$;

-- Which limits of single instances keep such executions from starting there now, where they could run. At most 20.
create function reached_confines(p_handler text, p_placement jsonb, p_request int[]) returns jsonb language sql stable as $$
    select jsonb_agg(jsonb_build_object('instance_id', x.instance_id, 'limit', case x.scope when 'instance_handler' then 'handler ' || p_handler else substr(x.scope, 10) end,
                                        'max_running', resource_amount(x.as_pool, x.max_running), 'in_use', resource_amount(x.as_pool, x.in_use), 'requested', resource_amount(x.as_pool, x.n))
                     order by x.instance_id, x.scope)
    from (select i.instance_id, m.scope, replace(m.scope, 'instance', 'pool') as as_pool, m.max_running, m.in_use, c.n
          from instances i cross join lateral (
              select (i.handler_limits ->> p_handler)::int as id, 1 as n
              union all select u.id, p_request[u.k] from unnest(i.capacity_limits) with ordinality u (id, k) where p_request[u.k] > 0) c
          join limits m on m.limit_id = c.id
          where i.state = 'ALIVE' and i.lease_until > clock() and i.draining_at is null and i.confines is not null and (p_placement is null or p_placement <@ i.labels) and is_reached(m, c.n)
          order by i.instance_id, m.scope limit 20) x $$;

-- What must hold in any snapshot. No row: all is well. Reads everything: for tests and the doctor, not for the hot path.
set local check_function_bodies = off;      -- it asks what later migrations bring
create function violations() returns table (rule text, detail text) language sql stable set search_path = rowlock, pg_temp as $$
    with live as materialized (
        select e.execution_id, e.run_id, e.attempt_number, s.lo, s.owner from executions e
        cross join lateral (select s.lo, s.hi, s.owner from extents s where s.lo <= e.execution_id order by s.lo desc limit 1) s
        where s.hi >= e.execution_id),
    open_ as materialized (select l.*, r.execution_id is null as unfinished from live l left join results r using (execution_id))
    select 'neither a result nor an extent', e.execution_id::text from executions e
        left join results r using (execution_id) left join live l using (execution_id) where r.execution_id is null and l.lo is null
    union all select 'a result and a queued extent', execution_id::text from open_ where owner is null and not unfinished
    union all select 'extents overlap', s.lo::text from (select lo, lag(hi) over (order by lo) as before from extents) s where s.before >= s.lo
    union all select 'remaining is wrong', s.lo::text || ' says ' || s.remaining || ', is ' || coalesce(o.n, 0)
        from extents s left join (select lo, count(*) filter (where unfinished) as n from open_ group by lo) o using (lo) where s.remaining <> coalesce(o.n, 0)
    union all select 'a queued extent is not whole', lo::text from extents where owner is null and remaining <> ordinal_of(hi) - ordinal_of(lo) + 1
    union all select 'a result of nothing', r.execution_id::text from results r left join executions e using (execution_id) where e.execution_id is null
    union all select 'limit ' || l.limit_id || ' is miscounted', l.in_use || ' instead of ' || coalesce(h.n, 0)
        from limits l left join (select x.id, sum(x.n) as n
                                 from (select u.id, s.remaining::bigint * coalesce(u.n, 1) as n from extents s, unnest(s.limit_ids, s.limit_ns) u (id, n) where s.owner is not null
                                       union all select k.limit_id, k.n from kept_slots k) x group by x.id) h on h.id = l.limit_id
        where l.in_use <> coalesce(h.n, 0)
    union all select 'instance ' || h.owner || ' uses more than it keeps', 'of limit ' || h.id || ' ' || h.n || ' instead of ' || coalesce(k.n, 0)
        from (select s.owner, u.id, sum(s.remaining) as n from extents s, unnest(s.kept_ids) u (id) group by s.owner, u.id) h
        left join kept_slots k on k.instance_id = h.owner and k.limit_id = h.id where h.n > coalesce(k.n, 0) and exists (select from limits l where l.limit_id = h.id)
    union all select 'a limit is there twice', scope || ' ' || tenant_key || ' ' || key from limits group by scope, tenant_key, key having count(*) > 1
    union all select 'slots are kept of no limit', k.limit_id::text from kept_slots k where not exists (select from limits l where l.limit_id = k.limit_id)
    union all select 'a breaker without its limit', b.key from breakers b where not exists (select from limits l where l.limit_id = b.limit_id)
    -- What ran when it was set lower may end.
    union all select 'a limit is exceeded', limit_id::text || ': ' || in_use || ' of ' || max_running from limits where in_use > greatest(max_running, drains_from)
    union all select 'more started than a rate allows', limit_id || ': ' || (select sum(n) from unnest(started_at, started_n) u (at, n) where at > clock() - rate_period) || ' of ' || rate_starts
        from limits where (select sum(n) from unnest(started_at, started_n) u (at, n) where at > clock() - rate_period) > greatest(rate_starts, rate_was)
    union all select 'a lane has other limits than are set', l.lane_id::text from lanes l left join (
            select v.lane_id, array_agg(v.limit_id || ' ' || v.n order by v.limit_id) as terms from lane_limits v group by v.lane_id) x on x.lane_id = l.lane_id
        where not exists (select from limits_due)
          and coalesce(x.terms, '{}') <> array(select u.id || ' ' || coalesce(u.n, 1) from unnest(l.limit_ids, l.limit_ns) u (id, n) order by u.id)
    union all select 'attempts have gaps', run_id::text || ': ' || string_agg(attempt_number::text, ',' order by attempt_number) from executions
        group by run_id having count(*) <> max(attempt_number) or count(distinct attempt_number) <> count(*) or min(attempt_number) <> 1
    union all select 'two attempts at once', run_id::text from open_ where unfinished group by run_id having count(*) > 1
    union all select 'a next attempt that is not there', r.execution_id::text from results r left join executions e on e.execution_id = r.next_execution_id
        where r.next_execution_id is not null and e.execution_id is null
    union all select 'owned by nobody', s.lo::text from extents s left join instances i on i.instance_id = s.owner
        where s.owner is not null and (i.state is null or i.state = 'GONE')
    union all select 'a limit of no instance', m.limit_id || ' of ' || m.key from limits m
        where m.scope like 'instance\_%' and not exists (select from instances i where i.state <> 'GONE' and m.limit_id = any (i.confines))
    union all select 'a retry of what goes on by itself', m.execution_id::text from manual_retries m left join results r on r.execution_id = m.execution_id
        where r.execution_id is null or r.next_execution_id is not null or r.status in (5, 9)
    union all select 'a dead letter of no final failure', d.dead_letter_id::text from dead_letters d left join results r on r.execution_id = d.dead_letter_id
        where r.execution_id is null or r.next_execution_id is not null or r.status not in (6, 7)
    union all select 'a dead letter says that it was retried, and was not, or the other way round', d.dead_letter_id::text from dead_letters d
        left join manual_retries m on m.execution_id = d.dead_letter_id where (d.status = 'RETRIED') <> (m.execution_id is not null)
    union all select 'a key names no execution', k.tenant_key || ' ' || k.key from idempotency_keys k left join executions e using (execution_id)
        where e.execution_id is null
    union all select 'held for nothing', s.lo::text from extents s left join waits w on w.execution_id = s.lo
        where not s.ready and s.eligible_at = 'infinity' and (w.execution_id is null or w.due_at is null or not (w.on_dependencies or w.on_order or w.on_running))
    union all select 'a wait of what does not wait', w.execution_id::text from waits w left join extents s on s.lo = w.execution_id
        where s.lo is null or s.ready or s.hi <> s.lo or not w.entered
    union all select 'too many of an ordering key at once', min(e.ordering_key) from open_ o join executions e using (execution_id)
        where o.unfinished and e.ordering_key is not null and not exists (select from waits w where w.execution_id = e.execution_id) group by e.job_key, e.ordering_key
        having count(*) > (select max(v.ordering_width) from job_versions v where v.job_key = e.job_key)
    union all select 'an ordering key waits for a run that is over', o.run_id::text from ordered_runs o where run_is_over(o.run_id)
    union all select 'the first of an ordering key waits for its turn', w.execution_id::text from waits w
        join ordered_runs o on o.execution_id = w.execution_id
        where w.on_order and not exists (select from ordered_runs x where x.job_key = o.job_key and x.ordering_key = o.ordering_key and x.place < o.place)
          and not exists (select from plan_work k where w.execution_id = any (k.ids))
    union all select 'a plan is miscounted', g.plan_run_id || ' says ' || g.unended || ', is ' || x.n
        from plan_progress g cross join lateral (select count(*) filter (where u.s < 5) as n from plan_blocks b cross join unnest(b.states) u (s) where b.plan_run_id = g.plan_run_id) x
        where g.unended <> x.n
    union all select 'a plan has stopped', g.plan_run_id::text from plan_progress g
        where g.status = 3 and not exists (select from plan_work w where w.plan_run_id = g.plan_run_id)
          and not exists (select from executions e join open_ o using (execution_id) where e.plan_run_id = g.plan_run_id and o.unfinished)
    union all select 'a node waits for a wrong number of needs', s.plan_run_id || ' ' || s.node_no
        from (select n.plan_run_id, n.node_no, b.waits[(n.node_no & 127) + 1] as waits, b.states[(n.node_no & 127) + 1] as state, g.stopping
              from plan_nodes n join plan_progress g using (plan_run_id) join plan_blocks b on b.plan_run_id = n.plan_run_id and b.block_no = n.node_no >> 7 where g.status = 3) s
        where s.state = 0 and not s.stopping and s.waits <= 0
    union all select 'a node ended, and its execution did not', s.plan_run_id || ' ' || s.node_no
        from (select e.plan_run_id, e.node_no, b.states[(e.node_no & 127) + 1] as state from open_ o join executions e using (execution_id)
              join plan_blocks b on b.plan_run_id = e.plan_run_id and b.block_no = e.node_no >> 7 join plan_progress g on g.plan_run_id = e.plan_run_id
              where o.unfinished and g.status = 3) s where s.state <> 3
    union all select 'a node started before what it needs had ended', e.plan_run_id || ' ' || e.node_no
        from plan_nodes n cross join lateral unnest(n.out_to) u (to_no) join executions e on e.plan_run_id = n.plan_run_id and e.node_no = u.to_no
        where n.kept_run is null and exists (select from executions x left join results r using (execution_id) where x.plan_run_id = n.plan_run_id and x.node_no = n.node_no
                      and (r.execution_id is null or r.completed_at > e.submitted_at) and not exists (select from manual_retries m where m.next_execution_id = x.execution_id))
    union all select 'a key names another tenant''s execution', k.tenant_key || ' ' || k.key from idempotency_keys k join executions e using (execution_id)
        where e.tenant_key <> k.tenant_key
    union all select * from schedule_violations() $$;
set local check_function_bodies = on;
