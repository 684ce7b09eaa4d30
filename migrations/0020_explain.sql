-- Why an execution is where it is, and why nothing of a job, of a tenant, or of all starts.
--
--   Cost      Whatever waits, each answer reads at most so many rows of each kind: where that cuts a number off, the answer says so, and the number is the least
--             that it can be. Lanes are told apart by their own rows, as claims do (0004); in each only its front is looked at.
--   Order     What holds an execution back is named in the order of evaluation (spec section 4): window, schedule or backoff, dependencies, what runs of the
--             job, turn in its order, pause, breaker, resources of the pool, limits (limit_order), a free slot. The first is what v_executions says.
--   Tenants   Of what others run only the number is told.

-- How much goes before an extent in its lane, counted from the extent on to the front, where dead entries are. Not is_all: at least so much.
create function ahead_in_lane_1(p_lane int, p_rank timestamptz, p_lo uuid, out ahead bigint, out is_all boolean) language sql stable
    set enable_seqscan = off set enable_bitmapscan = off as $$
    select coalesce(sum(q.remaining) filter (where q.k <= 20000), 0)::bigint, count(*) <= 20000
    from (select s.remaining, row_number() over (order by s.rank desc) as k from extents s
          where s.owner is null and s.ready and s.lane_id = p_lane and s.rank <= p_rank and (s.rank < p_rank or s.lo < p_lo) order by s.rank desc limit 20001) q $$;

-- What holds a limit (null: runs at all), by job, those that hold most first, with the oldest execution of each: at most ten. p_tenant null: whoever asks may see all.
create function held_by_1(p_tenant int, p_limit int) returns jsonb language sql stable
    set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = on as $$
    with held as materialized (
        select h.lane_id, sum(h.remaining)::bigint as running, min(h.claimed_at) as since,
               (array_agg(h.lo order by h.claimed_at, h.lo))[1] as lo, (array_agg(h.hi order by h.claimed_at, h.lo))[1] as hi
        from (select s.lane_id, s.remaining, s.claimed_at, s.lo, s.hi from extents s where s.owner is not null and (p_limit is null or p_limit = any (s.limit_ids) or p_limit = any (s.kept_ids)) limit 20000) h
        group by h.lane_id),
    seen as (
        select h.*, j.job_id, t.tenant_id from held h join lanes l on l.lane_id = h.lane_id join jobs j on j.job_key = l.job_key join tenants t on t.tenant_key = l.tenant_key
        where p_tenant is null or l.tenant_key = p_tenant order by h.running desc, h.lane_id limit 10),
    others as (
        select sum(h.running)::bigint as running from held h join lanes l on l.lane_id = h.lane_id where l.tenant_key <> p_tenant having count(*) > 0)
    select coalesce(jsonb_agg(x.item order by x.others, x.running desc, x.lane_id), '[]')
    from (select false as others, s.running, s.lane_id,
                 jsonb_build_object('job_id', s.job_id, 'tenant_id', s.tenant_id, 'running', s.running, 'since', rfc3339(s.since), 'execution_id', o.execution_id) as item
          from seen s
          left join lateral (select e.execution_id from executions e where e.execution_id between s.lo and s.hi
                             and (select r.status from results r where r.execution_id = e.execution_id limit 1) is null order by e.execution_id limit 1) o on true
          union all
          select true, o.running, 0, jsonb_build_object('job_id', null, 'tenant_id', null, 'running', o.running, 'since', null, 'execution_id', null) from others o) x $$;

-- How many executions of a job have ended within the last ten minutes, or else within the last hour, and in how many seconds they were done: of the latest of the job,
-- and of those that were submitted before p_id, which waits. n is 0 where none has. (What starts says less: into free slots a queue starts at once.)
create function ended_lately_1(p_job int, p_id uuid, out n bigint, out seconds float8) language sql stable
    set enable_seqscan = off set enable_bitmapscan = off as $$
    with known as (
        (select e.execution_id from executions e where e.job_key = p_job order by e.execution_id desc limit 500)
        union
        (select e.execution_id from executions e where e.job_key = p_job and e.execution_id < p_id order by e.execution_id desc limit 500)),
    ends as (
        select r.started_at, r.completed_at > clock() - interval '10 minutes' as is_late
        from known k cross join lateral (select r.started_at, r.completed_at from results r where r.execution_id = k.execution_id limit 1) r
        where r.started_at is not null and r.completed_at > clock() - interval '1 hour'),
    chosen as (select x.* from ends x where x.is_late or not exists (select from ends y where y.is_late))
    select count(*), greatest(extract(epoch from clock() - min(x.started_at)), 1)::float8 from chosen x $$;

-- The instances that are alive; those of them that take work and have the labels of a placement (null: any): how many they are, how many executions they may run, and do run.
create function slots_of_all_1(p_placement jsonb, out instances int, out taking int, out slots bigint, out in_use bigint) language sql stable
    set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = on as $$
    with live as materialized (
        select i.instance_id, i.parallelism, i.draining_at is null and not coalesce(i.pressure -> 'actions' ? 'QUEUE_ALL', false) and (p_placement is null or p_placement <@ i.labels) as takes from instances i where i.state = 'ALIVE' and i.lease_until > clock())
    select (select count(*)::int from live), (select count(*)::int from live i where i.takes), (select coalesce(sum(i.parallelism), 0)::bigint from live i where i.takes),
           (select coalesce(sum(s.remaining), 0)::bigint from live i
            cross join lateral (select s.remaining from extents s where s.owner = i.instance_id limit 20000) s where i.takes) $$;

-- When something that stands at p_position would start, and why then or why nobody can say.
create function expected_start_1(p_job int, p_id uuid, p_position bigint, p_is_all boolean, out at timestamptz, out reason text) language plpgsql stable as $$
declare
    lately record;
begin
    select * into lately from ended_lately_1(p_job, p_id);
    if lately.n = 0 then
        reason := 'nothing of the job has ended within the last hour';
        return;
    end if;
    -- What is further off than a year is not told by what was lately.
    if p_position * lately.seconds / lately.n > 31536000 then
        reason := 'at the rate of late it would take more than a year';
        return;
    end if;
    at := clock() + p_position * lately.seconds / lately.n * interval '1 second';
    reason := case when p_is_all then '' else 'at the earliest: ' end || lately.n || ' of the job ' || case lately.n when 1 then 'was' else 'were' end || ' done in the last ' || ceil(lately.seconds) || ' s, and '
              || case when p_is_all then '' else 'more than ' end || p_position - 1 || case p_position when 2 then ' goes' else ' go' end || ' before it';
end $$;

-- Of an execution that has ended: how, and what follows.
create function why_ended_1(e executions, v v_executions) returns jsonb language sql stable
    set enable_seqscan = off set enable_bitmapscan = off as $$
    select jsonb_build_object(
        'detail', case
            when v.status = 'COMPLETED' then 'It has completed.'
            when v.next_execution_id is not null then 'It ended ' || v.status || coalesce(' (' || v.error_code || ')', '') || '. '
                || case when m.actor is null then 'The next attempt is ' else m.actor || ' retried it by hand as ' end || v.next_execution_id
                || case when n.eligible_time > clock() then ', not before ' || rfc3339(n.eligible_time) else '' end || '.'
            when v.status = 'CANCELLED' then 'It was cancelled' || coalesce(' by ' || y.actor, '') || coalesce(': ' || nullif(v.error_message, ''), '')
                || '. No attempt follows by itself; it can be retried by hand.'
            when v.status = 'SKIPPED' then 'It was skipped' || coalesce(' by the ' || y.actor, '') || coalesce(': ' || nullif(v.error_message, ''), '') || '. It can be replayed as a new run.'
            when v.error_code = 'EXPIRED' then 'It ended TIMEOUT (EXPIRED) before it started. ' || coalesce(v.error_message, 'It waited for too long.')
                || case when d.status = 'OPEN' then ' It is in the dead letters until ' || rfc3339(d.expires_at) || ', and can be retried from there.' else ' It can be retried by hand.' end
            when d.status = 'OPEN' then 'It ended ' || v.status || coalesce(' (' || v.error_code || ')', '')
                || '. No attempt follows by itself. It is in the dead letters until ' || rfc3339(d.expires_at) || ', and can be retried from there.'
            else 'It ended ' || v.status || coalesce(' (' || v.error_code || ')', '') || '. No attempt follows by itself; it can be retried by hand.' end,
        'error_code', v.error_code, 'error_message', v.error_message, 'exit_code', v.exit_code,
        'error_category', (select error_category_name(x.category) from errors x where x.error_id = v.execution_id),
        'ended_by', y.actor, 'attempt_number', v.attempt_number, 'lost_attempts', e.lost_count, 'max_attempts', j.max_attempts,
        'attempts_left', greatest(j.max_attempts - v.attempt_number + case when j.idempotent then least(e.lost_count, 20) else 0 end, 0),
        'will_retry', v.next_execution_id is not null, 'not_retried_because', null, 'next_execution_id', v.next_execution_id,
        'next_retry_time', rfc3339(n.eligible_time), 'retried_by', m.actor,
        'dead_letter', case when d.dead_letter_id is not null then jsonb_build_object(
            'dead_letter_id', d.dead_letter_id, 'status', d.status, 'expires_at', rfc3339(d.expires_at)) end)
    from job_versions j
    left join manual_retries m on m.execution_id = e.execution_id
    left join dead_letters d on d.dead_letter_id = e.execution_id and d.expires_at > clock()
    left join lateral (select coalesce(n.scheduled_time, n.submitted_at) as eligible_time from executions n where n.execution_id = v.next_execution_id limit 1) n on true
    left join lateral (select coalesce((select r.actor from results r where r.execution_id = e.execution_id limit 1),
                                       (select t.actor from extra_transitions t where t.execution_id = e.execution_id and v.status = 'CANCELLED' order by t.at desc limit 1)) as actor) y on true
    where j.job_key = e.job_key and j.version = e.job_version $$;

-- What a wait for ends of other jobs is for; p_until: then it ends.
create function dependency_wait_1(p_job int, p_until timestamptz) returns jsonb language sql stable as $$
    select jsonb_build_object('rule', 'dependency', 'until', rfc3339(nullif(p_until, 'infinity')),
        'upstream_job_ids', coalesce(jsonb_agg(d.upstream_job_id order by d.upstream_job_id) filter (where d.job_key is not null), '[]'),
        'detail', 'waits for ' || coalesce(string_agg(d.upstream_job_id || case when d.upstream_key is null then ' (there is no such job)'
            else ' (' || (array['SUCCESS', 'COMPLETION', 'DATA_READY'])[d.kind] || ')' end, case when y.require_all then ' and ' else ' or ' end order by d.upstream_job_id), ''))
    from dependents y left join dependencies d on d.job_key = y.job_key and not is_marked(d) where y.job_key = p_job group by y.require_all $$;

-- GET /v1/executions/{id}/explain. Null: the tenant has no such execution.
create function explain_execution_1(p_tenant int, p_id uuid) returns jsonb language plpgsql stable
    set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
declare
    e executions; v v_executions; l lanes; s extents; b breakers; w waits; x record; all_ record; ahead_ record; start_ record;
    items jsonb := '[]'; first_ text; place jsonb; place_no bigint; closed boolean; one jsonb; next_ timestamptz; starts_at timestamptz; starts_why text;
begin
    select y.* into e from executions y where y.execution_id = p_id and y.tenant_key = p_tenant limit 1;
    if e.execution_id is null then return null; end if;
    select y.* into v from v_executions y where y.execution_id = p_id;
    if v.result_status is not null then
        return jsonb_build_object('execution_id', v.execution_id, 'status', v.status, 'blocked_by', '[]'::jsonb, 'next_evaluation', null, 'expected_start', null,
                                  'expected_start_reason', 'it has ended', 'why', why_ended_1(e, v));
    end if;
    select y.* into s from extents y where y.lo <= p_id order by y.lo desc limit 1;
    if s.owner is not null or s.hi < p_id then
        return jsonb_build_object('execution_id', v.execution_id, 'status', v.status, 'blocked_by', '[]'::jsonb, 'next_evaluation', null,
                                  'expected_start', rfc3339(v.started_time), 'expected_start_reason', 'it has started', 'why', null);
    end if;
    select y.* into l from lanes y where y.lane_id = e.lane_id;
    select y.* into b from breakers y where y.breaker_id = l.breaker_id;
    first_ := v.waiting_on ->> 'rule';
    closed := not lane_is_open(l.window_from, l.window_until) and (s.ready or s.eligible_at = 'infinity' or l.window_from > s.eligible_at);
    if s.ready then
        select * into ahead_ from ahead_in_lane_1(e.lane_id, s.rank, s.lo);
        place_no := ahead_.ahead + 1 + ordinal_of(p_id) - ordinal_of(s.lo);
        place := jsonb_build_object('position', place_no) || case when ahead_.is_all then '{}' else '{"position_is_least": true}'::jsonb end;
    end if;

    if closed then
        items := items || case when first_ = 'window' then v.waiting_on else jsonb_build_object('rule', 'window', 'detail', 'outside the execution windows of the job',
            'opens_at', case when l.window_from > clock() then rfc3339(l.window_from) end) end;
    end if;
    if not s.ready and s.eligible_at < 'infinity' then
        items := items || (case when first_ in ('schedule', 'backoff') then v.waiting_on else jsonb_build_object('rule', case e.trigger_type when 5 then 'backoff' else 'schedule' end,
                'detail', 'eligible at ' || rfc3339(s.eligible_at), 'eligible_at', rfc3339(s.eligible_at)) end
            || case when e.trigger_type = 5 then jsonb_build_object('attempt_number', e.attempt_number, 'max_attempts',
                   (select y.max_attempts from job_versions y where y.job_key = e.job_key and y.version = e.job_version)) else '{}' end);
    elsif not s.ready then
        select y.* into w from waits y where y.execution_id = p_id;
        if w.on_dependencies then
            items := items || case when first_ = 'dependency' then v.waiting_on else dependency_wait_1(w.job_key, s.expires_at) end;
        end if;
        if w.on_running then
            items := items || case when first_ = 'skip_if_running' then v.waiting_on
                                   else '{"rule": "skip_if_running", "detail": "waits for the end of what runs of the job: its schedule has queue_if_running"}'::jsonb end;
        end if;
        if w.on_order then
            items := items || (case when first_ = 'job_limit' then v.waiting_on else jsonb_build_object('rule', 'job_limit', 'ordering_key', e.ordering_key,
                    'max_running', ordering_width(e.job_key), 'in_use', ordering_width(e.job_key), 'detail', 'waits for its turn among those with the ordering key ' || e.ordering_key) end
                || jsonb_build_object('position', (
                    select count(*) from ordered_runs mine cross join lateral (
                        select from ordered_runs o where o.job_key = mine.job_key and o.ordering_key = mine.ordering_key and o.place < mine.place limit 20000) o where mine.run_id = e.run_id),
                  'held_by', (select coalesce(jsonb_agg(jsonb_build_object('execution_id', o.execution_id) order by o.place), '[]') from (
                    select o.execution_id, o.place from ordered_runs o where o.job_key = e.job_key and o.ordering_key = e.ordering_key
                    order by o.place limit least(ordering_width(e.job_key)::int, 10)) o)));
        end if;
    end if;
    if l.paused then
        items := items || case when first_ = 'paused' then v.waiting_on else '{"rule": "paused", "detail": "the job is paused"}'::jsonb end;
    end if;
    if b.is_open then
        items := items || (case when first_ = 'breaker' then v.waiting_on else jsonb_build_object('rule', 'breaker', 'detail', 'the circuit breaker ' || b.key || ' is not closed', 'key', b.key,
                'state', breaker_state(b.is_open, b.next_probe_at, clock()), 'next_probe_at', rfc3339(b.next_probe_at)) end
            || jsonb_build_object('max_running', b.half_open_max, 'in_use', (select m.in_use from limits m where m.limit_id = b.limit_id),
                                  'failures', b.failures_when_opened, 'opened_at', rfc3339(b.opened_at)));
    end if;
    if s.ready and first_ = 'capacity' and v.waiting_on -> 'matching' = '0' then
        items := items || (v.waiting_on || place);
    end if;
    if s.ready then
        for x in select m.m, m.limit_id, u.n from (select u.id, coalesce(u.n, 1) as n from unnest(l.limit_ids, l.limit_ns) u (id, n)) u
                 cross join lateral (select m, m.limit_id, m.scope from limits m where m.limit_id = u.id limit 1) m
                 where is_reached(m.m, u.n) order by limit_order(m.scope), m.limit_id
        loop
            one := limit_wait(x.m, x.n, clock());
            items := items || (one || place || case when one ->> 'rule' = 'rate_limit' then '{}' else jsonb_build_object('held_by', held_by_1(p_tenant, x.limit_id)) end);
        end loop;
    end if;
    if first_ = 'capacity' and items = '[]' then
        select * into all_ from slots_of_all_1(l.placement);
        items := items || (v.waiting_on || place || jsonb_build_object('max_running', all_.slots, 'in_use', all_.in_use, 'live_instances', all_.instances,
            'instance_limits', reached_confines(l.handler, l.placement, l.request), 'held_by', held_by_1(p_tenant, null)));
    end if;

    next_ := case when not l.paused then greatest(case when not s.ready then nullif(s.eligible_at, 'infinity') end, case when b.is_open and b.next_probe_at > clock() then b.next_probe_at end,
                                                  case when closed and l.window_from > clock() then nullif(l.window_from, 'infinity') end, (v.waiting_on ->> 'next_start_at')::timestamptz,
                                                  case when first_ = 'budget' then (v.waiting_on ->> 'opens_at')::timestamptz end) end;
    one := items -> 0;
    if l.paused then
        starts_why := 'the job is paused';
    elsif not s.ready and s.eligible_at = 'infinity' then
        starts_why := 'nobody knows when what it waits for comes about';
    elsif closed and next_ is null then
        starts_why := 'nobody has said yet when the window opens';
    elsif first_ = 'budget' then
        starts_at := next_;
        starts_why := 'at the earliest: the tenant''s next day begins then';
    elsif next_ is not null and (first_ <> 'rate_limit' or place_no is null) then
        starts_at := next_;
        starts_why := 'at the earliest: ' || case when closed and next_ = l.window_from then 'the window opens then' when not s.ready and next_ = s.eligible_at then 'it is eligible from then on'
                                                  else 'the circuit breaker lets the first through then' end;
    elsif first_ = 'rate_limit' then
        starts_at := next_ + (place_no - 1) / (one ->> 'starts')::int * (one ->> 'per_seconds')::float8 * interval '1 second';
        starts_why := case when ahead_.is_all then 'so many go before it, and so many may start at a time' else 'at the earliest: more than ' || place_no - 1 || ' go before it' end;
    elsif one -> 'matching' = '0' then
        starts_why := 'no live instance that takes work has the labels that the job asks for';
    elsif (one ->> 'max_running')::bigint = 0 then
        starts_why := case when first_ <> 'capacity' then 'the limit lets none run' when one -> 'live_instances' = '0' then 'no instance is alive'
                                else 'no live instance takes work' end;
    elsif (one ->> 'requested')::float8 > (one ->> 'capacity')::float8 then
        starts_why := 'it asks for more than its pool has';
    elsif first_ = 'capacity' and one ->> 'max_running' is not null and one -> 'instance_limits' = 'null' and (one ->> 'in_use')::bigint + place_no <= (one ->> 'max_running')::bigint then
        starts_at := clock();
        starts_why := 'slots are free: it is about to start';
    else
        select * into start_ from expected_start_1(e.job_key, p_id, place_no, ahead_.is_all);
        starts_at := start_.at; starts_why := start_.reason;
    end if;
    return jsonb_build_object('execution_id', v.execution_id, 'status', v.status, 'blocked_by', items, 'next_evaluation', rfc3339(next_),
                              'expected_start', rfc3339(starts_at), 'expected_start_reason', starts_why, 'why', null);
end $$;

-- ---- of a job, of a tenant, of all

create function number_told(p_n bigint, p_is_all boolean) returns text language sql immutable parallel safe
as $$ select case when p_is_all then '' else 'at least ' end || p_n $$;

-- These jobs, as the answers name them.
create function jobs_told(p_jobs int[]) returns jsonb language sql stable
    set enable_seqscan = off set enable_nestloop = on as $$
    select coalesce(jsonb_agg(jsonb_build_object('job_id', j.job_id, 'tenant_id', t.tenant_id) order by u.k), '[]')
    from unnest(p_jobs) with ordinality u (job, k) join jobs j on j.job_key = u.job join tenants t on t.tenant_key = j.tenant_key $$;

-- Why what is queued in these tenants and jobs does not start: {"executions": so much is queued, "is_all", "reasons": [...]}, a reason for each thing that holds lanes back, at most 20,
-- {"rule", "detail", "executions", "jobs", "job_ids", ...figures}.
create function queued_reasons_1(p_tenant int, t_lo int, t_hi int, j_lo int, j_hi int) returns jsonb language plpgsql stable
    set enable_seqscan = off set enable_bitmapscan = off set enable_nestloop = off set plan_cache_mode = force_generic_plan as $$
declare
    lanes_ int := (select count(*) from (select from lanes l where l.tenant_key between t_lo and t_hi and l.job_key between j_lo and j_hi limit 12001) x);
    depth int := greatest(2, 10000 / greatest(lanes_, 1)); reasons jsonb;
begin
    -- First a little of each lane that has work, of 5,000 at most, then what is left of the rows for those that have more. (There may be thousands of them, and of
    -- limits, where the planner guesses at one: without nested loops it finds no way that is quadratic.)
    with fronts as materialized (
        select l.*, q.n, q.extents
        from (select y.lane_id, y.job_key, y.paused, y.window_from, y.window_until, y.breaker_id, y.limit_ids, y.limit_ns, y.handler, y.placement, y.request
              from lanes y where y.tenant_key between t_lo and t_hi and y.job_key between j_lo and j_hi limit 12000) l
        cross join lateral (
            select sum(x.remaining)::bigint as n, count(*) as extents
            from (select s.remaining from extents s where s.owner is null and s.ready and s.lane_id = l.lane_id order by s.rank limit depth) x) q
        where q.extents > 0 limit 5000),
    stopped as materialized (
        select distinct on (a.lane_id) a.lane_id, m.limit_id, coalesce(a.n, 1) as each
        from (select f.lane_id, unnest(f.limit_ids) as id, unnest(f.limit_ns) as n from fronts f where f.limit_ids is not null) a join limits m on m.limit_id = a.id
        where is_reached(m, coalesce(a.n, 1)) order by a.lane_id, limit_order(m.scope), m.limit_id),
    queued as materialized (
        select f.job_key, f.n, f.extents < depth as is_all, f.paused, f.window_from, f.window_until, f.handler, f.placement, f.request,
               f.placement is not null and not exists (select from instances i where i.state = 'ALIVE' and i.lease_until > clock() and i.draining_at is null and f.placement <@ i.labels) as is_stray,
               case when f.extents = depth and f.lanes_at_depth * depth < 10000 then (
                   select array[sum(x.remaining)::bigint, (count(*) < 10000 / f.lanes_at_depth)::int]
                   from (select s.remaining from extents s where s.owner is null and s.ready and s.lane_id = f.lane_id order by s.rank limit 10000 / f.lanes_at_depth) x) end as deeper,
               case when f.breaker_id is not null then (select y.breaker_id from breakers y where y.breaker_id = f.breaker_id and y.is_open limit 1) end as breaker_id,
               z.limit_id as reached, z.each
        from (select f.*, count(*) filter (where f.extents = depth) over () as lanes_at_depth from fronts f) f left join stopped z on z.lane_id = f.lane_id),
    classes as (
        select coalesce(q.deeper[1], q.n) as n, coalesce(q.deeper[2] = 1, q.is_all) as is_all, q.job_key, case when q.window_from > clock() then q.window_from end as opens_at,
               case when not lane_is_open(q.window_from, q.window_until) then 1 when q.paused then 2 when q.breaker_id is not null then 3 when q.is_stray then 4
                    when q.reached is not null then 5 else 6 end as class,
               q.breaker_id, q.reached as limit_id, q.each, q.handler, q.placement, q.request
        from queued q),
    groups as (
        select c.class, case c.class when 3 then c.breaker_id when 5 then c.limit_id end as thing, case when c.class in (4, 6) then c.placement end as placement,
               case when c.class = 6 then c.handler end as handler, max(c.request) as request, sum(c.n)::bigint as n, count(*) as jobs, bool_and(c.is_all) and lanes_ <= 12000 and (select count(*) < 5000 from fronts) as is_all, min(c.opens_at) as opens_at,
               max(c.each) as each, (array_agg(c.job_key order by c.n desc, c.job_key))[1:10] as job_keys
        from classes c group by 1, 2, 3, 4),
    worst as (select g.*, row_number() over (order by g.n desc, g.class, g.thing) as place from groups g order by g.n desc, g.class, g.thing limit 20)
    select jsonb_build_object('executions', (select coalesce(sum(g.n), 0) from groups g), 'is_all', (select coalesce(bool_and(g.is_all), true) from groups g), 'reasons', coalesce(jsonb_agg(t.item || jsonb_build_object('executions', w.n, 'executions_is_least', not w.is_all, 'jobs', w.jobs, 'job_ids', jobs_told(w.job_keys)) order by w.n desc, w.class, w.thing), '[]'))
    into reasons
    from worst w cross join lateral (
        select case w.class
            when 1 then jsonb_build_object('rule', 'window', 'opens_at', rfc3339(w.opens_at),
                'detail', 'outside the execution windows of ' || case w.jobs when 1 then 'the job' else w.jobs || ' jobs' end
                          || case when w.opens_at is null then '' when w.jobs = 1 then ': they open at ' || rfc3339(w.opens_at) else ': the first open at ' || rfc3339(w.opens_at) end)
            when 2 then jsonb_build_object('rule', 'paused', 'detail', case w.jobs when 1 then 'the job is paused' else w.jobs || ' jobs are paused' end)
            when 3 then (select jsonb_build_object('rule', 'breaker', 'key', b.key, 'state', breaker_state(b.is_open, b.next_probe_at, clock()), 'next_probe_at', rfc3339(b.next_probe_at),
                'failures', b.failures_when_opened, 'detail', 'the circuit breaker ' || b.key || case when b.next_probe_at > clock() then ' is open until ' || rfc3339(b.next_probe_at)
                    else ' is half open, and lets ' || b.half_open_max || ' at a time through' end) from breakers b where b.breaker_id = w.thing)
            when 4 then jsonb_build_object('rule', 'capacity', 'labels', w.placement, 'matching', 0,
                'detail', 'no live instance that takes work has the labels ' || (select string_agg(x.key || '=' || x.value, ', ' order by x.key) from jsonb_each_text(w.placement) x))
            when 5 then (select limit_wait(m, w.each, clock()) || case when w.place <= 3 then jsonb_build_object('held_by', held_by_1(p_tenant, w.thing)) else '{}' end from limits m where m.limit_id = w.thing)
            else (select jsonb_build_object('rule', 'capacity', 'max_running', a.slots, 'in_use', a.in_use, 'live_instances', a.instances, 'labels', w.placement, 'instance_limits', a.limits,
                'detail', case when a.instances = 0 then 'no instance is alive' when a.taking = 0 then coalesce((select 'no live instance starts anything: ' || p.words from pressed_instances p where p.pressed > 0), 'every live instance is drained')
                               when a.in_use >= a.slots then 'all slots of the instances are in use: ' || a.in_use || ' of ' || a.slots
                               when a.limits is not null then 'slots are free, and limits of single instances are reached: ' || (
                                   select string_agg('instance ' || (x ->> 'instance_id') || ', ' || (x ->> 'limit'), '; ') from jsonb_array_elements(a.limits) x)
                               else 'slots are free: it is about to start' end)
                from (select y.*, reached_confines(w.handler, w.placement, w.request) as limits from slots_of_all_1(w.placement) y) a) end as item) t;
    return reasons;
end $$;

-- The same of what is eligible later.
create function later_reasons_1(p_job int, t_lo int, t_hi int, j_lo int, j_hi int) returns jsonb language plpgsql stable
    set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
declare
    is_all boolean := (select count(*) <= 5000 from (select from extents s where not s.ready and s.eligible_at < 'infinity' order by s.eligible_at limit 5001) x); reasons jsonb;
begin
    if is_all or p_job is null then
        select jsonb_agg(g.item) into reasons
        from (select jsonb_build_object('rule', case when x.again then 'backoff' else 'schedule' end,
                         'detail', case when x.again then 'waits until its next attempt is due' else 'waits for its scheduled time' end || ': the first at ' || rfc3339(min(x.eligible_at)),
                         'eligible_at', rfc3339(min(x.eligible_at)), 'executions', sum(x.remaining), 'executions_is_least', not is_all, 'jobs', count(distinct x.job_key),
                         'job_ids', jobs_told((array_agg(distinct x.job_key))[1:10])) as item
              from (select s.remaining, s.eligible_at, l.job_key, coalesce(e.trigger_type = 5, false) as again
                    from (select s.lo, s.lane_id, s.remaining, s.eligible_at from extents s where not s.ready and s.eligible_at < 'infinity' order by s.eligible_at limit 5000) s
                    cross join lateral (select y.job_key from lanes y where y.lane_id = s.lane_id and y.tenant_key between t_lo and t_hi and y.job_key between j_lo and j_hi limit 1) l
                    left join lateral (select y.trigger_type from executions y where y.execution_id = s.lo limit 1) e on true) x
              group by x.again) g;
    else
        -- Too many wait in all: among the latest of the job they are found as well.
        select jsonb_agg(g.item) into reasons
        from (select jsonb_build_object('rule', case when x.again then 'backoff' else 'schedule' end,
                         'detail', case when x.again then 'waits until its next attempt is due' else 'waits for its scheduled time' end || ': the first at ' || rfc3339(min(x.eligible_at)),
                         'eligible_at', rfc3339(min(x.eligible_at)), 'executions', count(*), 'executions_is_least', true, 'jobs', 1, 'job_ids', jobs_told(array[p_job])) as item
              from (select s.eligible_at, e.trigger_type = 5 as again
                    from (select y.execution_id, y.trigger_type from executions y where y.job_key = p_job order by y.execution_id desc limit 2000) e
                    cross join lateral (select y.hi, y.ready, y.eligible_at from extents y where y.lo <= e.execution_id order by y.lo desc limit 1) s
                    where s.hi >= e.execution_id and not s.ready and s.eligible_at < 'infinity') x
              group by x.again) g;
    end if;
    return coalesce(reasons, '[]');
end $$;

-- The same of what waits for other executions.
create function waiting_reasons_1(p_job int, t_lo int, t_hi int) returns jsonb language plpgsql stable
    set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
declare
    reasons jsonb;
begin
    with chosen as materialized (
        select y.execution_id, y.job_key, y.on_dependencies, y.on_running from (select * from waits y where y.due_at is not null and p_job is null limit 5001) y
        union
        select y.execution_id, y.job_key, true, y.on_running from (select * from waits y where y.job_key = p_job and y.on_dependencies and y.due_at is not null order by y.place limit 5001) y
        union
        select y.execution_id, y.job_key, y.on_dependencies, true from (select * from waits y where y.job_key = p_job and y.on_running order by y.place limit 5001) y where y.due_at is not null
        union
        select y.execution_id, y.job_key, y.on_dependencies, y.on_running
        from (select o.execution_id from ordered_runs o where o.job_key = p_job order by o.ordering_key, o.place limit 5001) o
        cross join lateral (select * from waits y where y.execution_id = o.execution_id and y.on_order and y.due_at is not null limit 1) y)
    select jsonb_agg(jsonb_build_object('rule', g.rule, 'executions', g.n, 'executions_is_least', g.n_all > 5000, 'jobs', g.jobs, 'job_ids', jobs_told(g.job_keys))
            || case when g.rule = 'dependency' and g.jobs = 1 then dependency_wait_1(g.job_keys[1], null) - 'until' else jsonb_build_object('detail', case g.rule
                when 'dependency' then 'waits for ends of other jobs' when 'skip_if_running' then 'waits for the end of what runs of the job' else 'waits for its turn among those with its ordering key' end) end)
    into reasons
    from (select x.rule, count(*) as n, count(distinct x.job_key) as jobs, (array_agg(distinct x.job_key))[1:10] as job_keys, max(x.n_all) as n_all
          from (select s.job_key, case when s.on_dependencies then 'dependency' when s.on_running then 'skip_if_running' else 'job_limit' end as rule, count(*) over () as n_all
                from chosen s join jobs j on j.job_key = s.job_key where j.tenant_key between t_lo and t_hi) x
          group by x.rule) g;
    return coalesce(reasons, '[]');
end $$;

-- What the schedules of these tenants and jobs do: how many of each state, the one that fires next, and whether some are due and nobody fires them.
create function schedules_told_1(t_lo int, t_hi int, j_lo int, j_hi int) returns jsonb language sql stable as $$
    with chosen as materialized (
        select s.schedule_id, s.is_on, s.paused_at, s.paused_by, s.pause_reason, s.error_code, s.error_message, s.look_at, s.next_fire_at
        from schedules s where s.tenant_key between t_lo and t_hi and s.job_key between j_lo and j_hi and not s.removed limit 20000)
    select jsonb_build_object('active', count(*) filter (where s.is_on and s.paused_at is null and s.error_code is null and s.look_at is not null),
        'paused', count(*) filter (where s.is_on and s.paused_at is not null), 'disabled', count(*) filter (where not s.is_on),
        'invalid', count(*) filter (where s.is_on and s.paused_at is null and s.error_code is not null),
        'overdue', count(*) filter (where s.is_on and s.paused_at is null and s.error_code is null and s.look_at < clock() - interval '1 minute'),
        'next_fire_time', rfc3339(min(s.next_fire_at) filter (where s.is_on and s.paused_at is null)),
        'next_schedule_id', (array_agg(s.schedule_id order by s.next_fire_at, s.schedule_id) filter (where s.is_on and s.paused_at is null and s.next_fire_at is not null))[1],
        'paused_by', min(s.paused_by) filter (where s.paused_at is not null), 'pause_reason', min(nullif(s.pause_reason, '')) filter (where s.paused_at is not null),
        'error_message', min(s.error_message) filter (where s.error_code is not null))
    from chosen s $$;

-- Nothing of this waits or runs: what would have to come first.
create function why_idle_1(p_job int, p_deleted boolean, p_enabled boolean, p_schedules jsonb) returns text language sql stable as $$
    select case
        when p_deleted then 'the job was deleted'
        when not p_enabled then 'the job is disabled, so nothing of it can be submitted'
        when (p_schedules ->> 'overdue')::int > 0 then 'schedules are due and no server fires them: is SCHEDULER_ENABLED true on any of them?'
        when p_schedules ->> 'next_fire_time' is not null then 'the schedule ' || (p_schedules ->> 'next_schedule_id') || ' fires next at ' || (p_schedules ->> 'next_fire_time')
        when (p_schedules ->> 'active')::int > 0 then 'the next times of its schedules are just being computed'
        when (p_schedules ->> 'invalid')::int > 0 then 'its schedule cannot be evaluated: ' || coalesce(p_schedules ->> 'error_message', '')
        when (p_schedules ->> 'paused')::int > 0 then case when p_job is null then (p_schedules ->> 'paused') || ' schedules are paused, and no other fires' else 'its schedule was paused by '
            || coalesce(p_schedules ->> 'paused_by', 'somebody') || coalesce(': ' || (p_schedules ->> 'pause_reason'), '') end
        when (p_schedules ->> 'disabled')::int > 0 then case when p_job is null then 'all schedules are disabled' else 'its schedule is disabled' end
        when p_job is null then 'nothing is submitted, and no schedule is active'
        when d.upstreams is not null then 'it starts when these have ended: ' || d.upstreams
        when g.triggers is not null then 'it starts when an event comes for its triggers: ' || g.triggers
        else 'nobody has submitted it, and it has no schedule' end
    from (select string_agg(d.upstream_job_id, ', ' order by d.upstream_job_id) as upstreams from dependencies d where d.job_key = p_job and not is_marked(d)) d,
         (select string_agg(g.trigger_id, ', ' order by g.trigger_id) as triggers from triggers g where g.job_key = p_job and g.removed_at is null and g.enabled) g $$;

-- GET /v1/explain: why nothing of a job of a tenant, of a tenant (p_job_id null), or of all (both null) runs, in one sentence, and with figures. Null: there is no such tenant or job.
create function explain_scope_1(p_tenant int, p_job_id text) returns jsonb language plpgsql stable
    set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
declare
    t_lo int := coalesce(p_tenant, 0); t_hi int := coalesce(p_tenant, 2147483647); j_lo int := 0; j_hi int := 2147483647;
    j jobs; tenant_ text; scope_ jsonb; who text; of_ text; queued jsonb; pending jsonb; running record; all_ record; schedules_ jsonb; first_ jsonb;
    n_queued bigint; n_pending bigint; n_waiting bigint; cut_off boolean; all_waiting boolean; told text; headline text; why text;
begin
    if p_tenant is not null then
        select t.tenant_id into tenant_ from tenants t where t.tenant_key = p_tenant;
        if tenant_ is null then return null; end if;
    end if;
    if p_job_id is not null then
        select x.* into j from jobs x where x.tenant_key = p_tenant and x.job_id = p_job_id and x.current_version > 0;
        if j.job_key is null then return null; end if;
        j_lo := j.job_key; j_hi := j.job_key;
    end if;
    scope_ := jsonb_build_object('kind', case when p_job_id is not null then 'job' when p_tenant is not null then 'tenant' else 'system' end, 'tenant_id', tenant_, 'job_id', p_job_id);
    who := case when p_job_id is not null then 'the job ' || p_job_id when p_tenant is not null then 'the tenant ' || tenant_ end;
    of_ := coalesce(' of ' || who, '');

    queued := queued_reasons_1(p_tenant, t_lo, t_hi, j_lo, j_hi);
    n_queued := (queued ->> 'executions')::bigint; all_waiting := (queued ->> 'is_all')::boolean; queued := queued -> 'reasons';
    pending := later_reasons_1(j.job_key, t_lo, t_hi, j_lo, j_hi) || waiting_reasons_1(j.job_key, t_lo, t_hi);
    select coalesce(sum(s.remaining) filter (where l.job_key is not null), 0)::bigint as n, count(*) <= 20000 as is_all into running
    from (select s.lane_id, s.remaining from extents s where s.owner is not null limit 20001) s
    left join lateral (select y.job_key from lanes y where y.lane_id = s.lane_id and y.tenant_key between t_lo and t_hi and y.job_key between j_lo and j_hi limit 1) l on true;
    select * into all_ from slots_of_all_1(null);
    schedules_ := schedules_told_1(t_lo, t_hi, j_lo, j_hi);

    n_pending := (select coalesce(sum((r ->> 'executions')::bigint), 0) from jsonb_array_elements(pending) r);
    n_waiting := n_queued + n_pending;
    cut_off := (select count(*) > 12000 from (select from lanes l where l.tenant_key between t_lo and t_hi and l.job_key between j_lo and j_hi limit 12001) x)
        or (select count(*) > 5000 from (select from extents s where not s.ready and s.eligible_at < 'infinity' order by s.eligible_at limit 5001) x)
        or p_job_id is null and (select count(*) > 5000 from (select from waits w where w.due_at is not null limit 5001) x);
    all_waiting := all_waiting and not cut_off and not exists (select from jsonb_array_elements(pending) r where (r ->> 'executions_is_least')::boolean);
    -- What is queued comes first: the rest is not to start yet.
    first_ := case when n_queued > 0 then queued -> 0 else (select r from jsonb_array_elements(pending) r order by (r ->> 'executions')::bigint desc, r ->> 'rule' limit 1) end;
    if n_waiting > 0 then
        told := number_told(n_waiting, all_waiting) || case n_waiting when 1 then ' waits' else ' wait' end
                || case when (first_ ->> 'executions')::bigint < n_waiting then ', ' || (first_ ->> 'executions') || ' of them' else '' end
                || case when first_ ->> 'detail' like 'waits %' then substr(first_ ->> 'detail', 6) when (first_ ->> 'executions')::bigint < n_waiting then ' because ' || (first_ ->> 'detail')
                        else ': ' || (first_ ->> 'detail') end;
    else
        why := why_idle_1(j.job_key, j.deleted_at is not null, coalesce(j.enabled, true), schedules_);
    end if;
    headline := case
        when all_.taking = 0 then case all_.instances when 0 then 'No instance is alive' else coalesce((select 'No live instance takes work (' || p.words || ')' from pressed_instances p where p.pressed > 0), 'Every live instance is drained') end || ', so nothing starts' || case when n_waiting > 0 then ': ' || number_told(n_waiting, all_waiting) || case n_waiting when 1 then ' waits' else ' wait' end else '' end
        when running.n > 0 and n_waiting > 0 then number_told(running.n, running.is_all) || of_ || case running.n when 1 then ' runs' else ' run' end || ', ' || told
        when running.n > 0 then number_told(running.n, running.is_all) || of_ || case running.n when 1 then ' runs' else ' run' end || ', and nothing waits'
        when n_waiting > 0 then 'Nothing' || of_ || ' runs, ' || told
        when cut_off then 'Nothing' || of_ || ' runs, and nothing waits among what was looked at, which is not all'
        else 'Nothing' || of_ || ' runs or waits: ' || why end || '.';
    return jsonb_build_object('scope', scope_, 'headline', headline, 'running', running.n, 'queued', n_queued, 'pending', n_pending, 'counts_are_least', not (all_waiting and running.is_all),
        'reasons', queued || pending, 'instances', jsonb_build_object('alive', all_.instances, 'taking_work', all_.taking, 'slots', all_.slots, 'in_use', all_.in_use),
        'job', case when p_job_id is not null then jsonb_build_object('enabled', j.enabled and j.deleted_at is null, 'deleted', j.deleted_at is not null) end,
        'schedules', schedules_, 'next_evaluation', rfc3339(nullif(least(
            (select min((r ->> 'eligible_at')::timestamptz) from jsonb_array_elements(pending) r),
            (select min(least((r ->> 'opens_at')::timestamptz, (r ->> 'next_probe_at')::timestamptz, (r ->> 'next_start_at')::timestamptz)) from jsonb_array_elements(queued) r),
            (schedules_ ->> 'next_fire_time')::timestamptz), 'infinity')));
end $$;

do $$
declare
    f regprocedure;
begin
    for f in select p.oid from pg_proc p where p.pronamespace = 'rowlock'::regnamespace and p.proname = any (array['ahead_in_lane_1', 'held_by_1', 'ended_lately_1', 'slots_of_all_1', 'expected_start_1',
            'why_ended_1', 'dependency_wait_1', 'explain_execution_1', 'number_told', 'jobs_told', 'queued_reasons_1', 'later_reasons_1', 'waiting_reasons_1', 'schedules_told_1', 'why_idle_1', 'explain_scope_1']) loop
        execute format('revoke execute on function %s from public', f);
        if has_role('rowlock_app') then execute format('grant execute on function %s to rowlock_app', f); end if;
    end loop;
end $$;
