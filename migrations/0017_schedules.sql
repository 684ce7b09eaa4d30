-- Schedules: when jobs run by the clock (spec J2, rules 1, 3 and 4), and execution windows, outside which none of their executions start (rule 17).
--
--   A tick         A time at which a schedule says that its job runs. What the ticks are, only the servers know (cron, zones): they compute, and tell the
--                  database by fire_1, refresh_windows_1. All that depends on what else goes on is decided here, under the lock of the schedule's row.
--   Once           A schedule has decided all of its ticks up to and with decided_to, and none after it. Who decides some compares `revision`, which every
--                  change of the row raises, under its lock, and raises decided_to in the transaction that makes the executions. So of any number of
--                  servers that have computed the same tick one makes it; a clock that goes back repeats none. The primary key of schedule_ticks is the backstop.
--   Lock order     The row of a job before that of its schedule; that before all of the list in 0001, which fire_1 takes by enqueue_1. Servers take it with
--                  SKIP LOCKED. Windows: advisory "lanes being made", shared, then lane_windows before lanes, and nothing else.
--   Cost           What is not due is in no index range that is read.

create table schedules (
    job_key       int primary key references jobs,
    tenant_key    int not null references tenants,
    schedule_id   text not null check (schedule_id ~ '^[a-z0-9][a-z0-9._-]{0,127}$'),
    spec          jsonb not null,                       -- with all that it says by default
    removed       boolean not null default false,       -- the job is gone, or has no schedule any more. The row stays: what was decided once is not decided again
    is_on         boolean not null,                     -- it is enabled, and so is the job
    revision      bigint not null default 1,
    if_running    smallint not null default 0 check (if_running between 0 and 2),   -- 0 starts, 1 skips, 2 queues
    max_runs      int check (max_runs > 0),             -- unfinished runs of its ticks at a time
    live_runs     uuid[] not null default '{}',         -- those that may be unfinished, where either says something
    registered_at timestamptz not null,                 -- intervals without a start_date are counted from here
    decided_to    timestamptz not null,
    passed_to     timestamptz,                          -- ticks up to here went by while it was paused or disabled
    passed_why    text,
    next_fire_at  timestamptz,                          -- the first tick after decided_to; null: none, or nobody has computed it yet
    look_at       timestamptz,                          -- a server is to look at it then; null: never
    paused_at     timestamptz,
    paused_by     text,
    pause_reason  text,
    last_fired_at timestamptz,                          -- the last tick that made an execution
    last_execution_id uuid,
    error_code    text,                                 -- why it cannot be evaluated
    error_message text,
    created_at    timestamptz not null default clock(),
    changed_at    timestamptz not null default clock()) with (fillfactor = 80);
create unique index schedules_by_id on schedules (tenant_key, schedule_id) where not removed;
create index schedules_invalid on schedules (job_key) where error_code is not null;
create index schedules_due on schedules (look_at) where look_at is not null;

-- What became of each tick: 1 an execution was made for it, 2 so it was, by catch-up, 3 so it was, and waits for the end of what runs, 4 it was skipped. Of those
-- that were skipped for the same reason one after the other, one row has the first, and says how many there are, and which is the last.
create table schedule_ticks (
    job_key      int not null,
    tick_at      timestamptz not null,
    outcome      smallint not null check (outcome between 1 and 4),
    reason       text,
    last_tick_at timestamptz not null,
    ticks        bigint not null check (ticks > 0),
    execution_id uuid,
    decided_at   timestamptz not null default clock(),
    primary key (job_key, tick_at),
    check (tick_at <= last_tick_at), check (ticks = 1 or outcome = 4), check (outcome = 4 or execution_id is not null));
create index schedule_ticks_by_time on schedule_ticks (decided_at);
create trigger schedule_ticks_append_only before update or delete on schedule_ticks for each row execute function refuse_change('retention');
create trigger schedule_ticks_no_truncate before truncate on schedule_ticks execute function refuse_change();

-- What was done to a schedule by hand.
create table schedule_actions (
    action_number bigint generated always as identity primary key,
    job_key       int not null references jobs,
    action        text not null check (action in ('PAUSE', 'RESUME', 'RUN', 'BACKFILL')),
    author        text not null,
    reason        text not null default '',
    created_at    timestamptz not null default clock());
create index schedule_actions_of_job on schedule_actions (job_key, action_number);
create trigger schedule_actions_append_only before update or delete on schedule_actions for each row execute function refuse_change();
create trigger schedule_actions_no_truncate before truncate on schedule_actions execute function refuse_change();

-- The execution windows of a lane. What they say for now is in the lane itself, where claims see it.
create table lane_windows (
    lane_id     int primary key references lanes,
    job_key     int not null,
    windows     jsonb not null,
    revision    bigint not null default 1,
    look_at     timestamptz not null,                   -- a server is to look at it then
    error_message text) with (fillfactor = 80);
create index lane_windows_due on lane_windows (look_at);
create index lanes_skipping on lanes (lane_id) where skips_outside;
create index lanes_skipping_jobs on lanes (job_key) where skips_outside;

-- ---- registering: in the transaction of what changes the job, whose row the caller has locked

-- The members that decide the ticks.
create function when_of(p_spec jsonb) returns jsonb language sql immutable parallel safe as $$
    select jsonb_object_agg(k, p_spec -> k)
    from unnest(array['schedule_type', 'cron_expression', 'interval_seconds', 'run_at', 'timezone', 'start_date', 'end_date', 'dst_gap', 'dst_overlap']) k $$;

-- A job has this schedule from now on; null: none. One whose ticks are what they were goes on with them; a pause stays, unless
-- the schedule says that it is enabled, or the job was deleted. RL424 with the id of
-- another job of the tenant, whose schedule has the same id.
create function set_schedule_1(p_tenant int, p_job int, p_spec jsonb) returns void language plpgsql as $$
declare
    j jobs; was schedules; other text; goes_on boolean; on_ boolean; resumes boolean; from_ timestamptz;
begin
    select * into was from schedules s where s.job_key = p_job for no key update;
    if coalesce(p_spec, 'null') = 'null' then
        update schedules s set removed = true, is_on = false, next_fire_at = null, look_at = null, revision = s.revision + 1, changed_at = clock() where s.job_key = p_job and not s.removed;
        return;
    end if;
    select * into j from jobs x where x.job_key = p_job;
    goes_on := was.job_key is not null and not was.removed and when_of(was.spec) = when_of(p_spec);
    on_ := j.enabled and j.deleted_at is null and coalesce((p_spec ->> 'enabled')::boolean, true);
    resumes := was.paused_at is not null and (was.removed or coalesce((p_spec ->> 'enabled')::boolean, false));
    -- A single time may have come already, and is late then; where it is still to come nothing is decided before it, as it may be changed to an earlier one.
    -- What is to be caught up begins with its start.
    from_ := case when goes_on then was.decided_to
                  else greatest(was.decided_to, case when p_spec ->> 'schedule_type' = 'ONCE' then least(clock(), (p_spec ->> 'run_at')::timestamptz - interval '1 microsecond')
                      when (p_spec ->> 'catchup_enabled')::boolean and (p_spec ->> 'start_date')::timestamptz < clock() then (p_spec ->> 'start_date')::timestamptz - interval '1 microsecond'
                      else clock() end) end;
    begin
        insert into schedules as s (job_key, tenant_key, schedule_id, spec, is_on, if_running, max_runs, registered_at, decided_to, look_at)
        values (p_job, p_tenant, p_spec ->> 'schedule_id', p_spec, on_,
                case when (p_spec ->> 'skip_if_running')::boolean then 1 when (p_spec ->> 'queue_if_running')::boolean then 2 else 0 end, (p_spec ->> 'max_concurrent_runs')::int,
                clock(), from_, case when on_ then clock() end)
        on conflict (job_key) do update
        set schedule_id = excluded.schedule_id, spec = excluded.spec, removed = false, is_on = on_, revision = s.revision + 1, if_running = excluded.if_running, max_runs = excluded.max_runs,
            registered_at = case when goes_on then s.registered_at else clock() end, decided_to = from_,
            passed_to = case when goes_on and (resumes or on_ and not s.is_on) then clock() when goes_on then s.passed_to end,
            passed_why = case when goes_on and resumes then 'PAUSED' when goes_on and on_ and not s.is_on then 'DISABLED' when goes_on then s.passed_why end,
            paused_at = case when not resumes then s.paused_at end, paused_by = case when not resumes then s.paused_by end, pause_reason = case when not resumes then s.pause_reason end,
            next_fire_at = null, look_at = case when on_ and (s.paused_at is null or resumes) then clock() end, error_code = null, error_message = null, changed_at = clock();
    exception when unique_violation then
        select o.job_id into other from schedules x join jobs o on o.job_key = x.job_key where x.tenant_key = p_tenant and x.schedule_id = p_spec ->> 'schedule_id' and not x.removed and x.job_key <> p_job;
        raise exception '%', coalesce(other, '') using errcode = 'RL424';
    end;
end $$;

-- The job has been enabled, disabled or deleted.
create function switch_schedule_1(p_job int) returns void language sql volatile as $$
    update schedules s
    set is_on = n.on_, removed = n.gone, revision = s.revision + 1, next_fire_at = null, look_at = case when n.on_ and s.paused_at is null then clock() end,
        passed_to = case when n.on_ and not s.is_on then clock() else s.passed_to end, passed_why = case when n.on_ and not s.is_on then 'DISABLED' else s.passed_why end, changed_at = clock()
    from (select j.deleted_at is not null as gone, j.enabled and j.deleted_at is null and coalesce((x.spec ->> 'enabled')::boolean, true) as on_
          from jobs j join schedules x on x.job_key = j.job_key where j.job_key = p_job) n
    where s.job_key = p_job and not s.removed and (n.gone or s.is_on <> n.on_) $$;

-- Pauses a schedule, or lets it go on; one that is so already stays as it is. False: there is no such schedule. What goes by meanwhile is decided afterwards.
create function pause_schedule_1(p_tenant int, p_schedule_id text, p_pause boolean, p_author text, p_reason text) returns boolean language plpgsql as $$
declare
    s schedules;
begin
    select * into s from schedules x where x.tenant_key = p_tenant and x.schedule_id = p_schedule_id and not x.removed for no key update;
    if not found then return false; end if;
    if p_pause = (s.paused_at is not null) then return true; end if;
    update schedules x
    set paused_at = case when p_pause then clock() end, paused_by = case when p_pause then p_author end, pause_reason = case when p_pause then p_reason end, revision = x.revision + 1,
        passed_to = case when p_pause then x.passed_to else clock() end, passed_why = case when p_pause then x.passed_why else 'PAUSED' end,
        next_fire_at = null, look_at = case when x.is_on and not p_pause then clock() end
    where x.job_key = s.job_key;
    insert into schedule_actions (job_key, action, author, reason) values (s.job_key, case when p_pause then 'PAUSE' else 'RESUME' end, p_author, p_reason);
    return true;
end $$;

-- A job has these windows from now on; null: none. Until a server has looked at them they are closed.
create function set_windows_1(p_tenant int, p_job int, p_windows jsonb, p_skip boolean) returns void language plpgsql as $$
declare
    l lanes; was jsonb;
begin
    perform pg_advisory_xact_lock_shared(1919906155, 2);       -- who enforces limits writes lanes as well, and waits here
    select * into l from lanes x where x.tenant_key = p_tenant and x.job_key = p_job;
    if coalesce(p_windows, 'null') in ('null', '[]') then
        delete from lane_windows w where w.lane_id = l.lane_id;
        if l.window_until is not null or l.skips_outside then
            update lanes x set window_from = null, window_until = null, skips_outside = false where x.lane_id = l.lane_id;
        end if;
        return;
    end if;
    select w.windows into was from lane_windows w where w.lane_id = l.lane_id for no key update;
    if was = p_windows and l.skips_outside = p_skip then return; end if;
    insert into lane_windows as w (lane_id, job_key, windows, look_at) values (l.lane_id, p_job, p_windows, clock())
    on conflict (lane_id) do update set windows = excluded.windows, revision = w.revision + 1, look_at = excluded.look_at, error_message = null;
    update lanes x set window_from = '-infinity', window_until = '-infinity', skips_outside = p_skip where x.lane_id = l.lane_id;
end $$;

-- ---- windows

-- What servers have computed: lane i may start executions from p_from[i] up to and without p_until[i], and is to be looked at again at p_look[i]. What somebody else
-- has changed meanwhile, or has under his hands, is left out. Returns how many were told.
create function refresh_windows_1(p_lane int[], p_revision bigint[], p_from timestamptz[], p_until timestamptz[], p_look timestamptz[]) returns int language plpgsql
    set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
    mine int[];
begin
    perform pg_advisory_xact_lock_shared(1919906155, 2);       -- as set_windows_1
    mine := array(select u.k::int from unnest(p_lane, p_revision) with ordinality u (lane, revision, k)
                  cross join lateral (select from lane_windows w where w.lane_id = u.lane and w.revision = u.revision limit 1 for no key update skip locked) w);
    update lane_windows w set look_at = p_look[u.k], revision = w.revision + 1, error_message = null from unnest(mine) u (k) where w.lane_id = p_lane[u.k];
    update lanes l set window_from = p_from[u.k], window_until = p_until[u.k] from unnest(mine) u (k)
    where l.lane_id = p_lane[u.k] and (l.window_from, l.window_until) is distinct from (p_from[u.k], p_until[u.k]);
    return cardinality(mine);
end $$;

-- Of the extents from lo to hi those that begin in a lane that skips what would start outside its windows, and is outside them for sure: their executions end SKIPPED.
-- What has begun before goes on waiting: next attempts, and what was handed back. What follows from these ends is left to plan_step_1.
create function skip_outside_1(p_lo uuid[], p_hi uuid[]) returns table (lo uuid, n int) language plpgsql
    set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
    los uuid[]; ns int[]; ids uuid[];
begin
    select array_agg(x.lo), array_agg(x.remaining) into los, ns
    from unnest(p_lo, p_hi) u (lo, hi)
    cross join lateral (select s.lo, s.remaining from extents s
                        where s.lo between u.lo and u.hi and coalesce(s.owner, 0) = 0 and coalesce(s.ready, false) and s.fence = 0
                          and exists (select from lanes l where l.lane_id = s.lane_id and l.skips_outside and clock() < l.window_from)
                          and exists (select from executions e where e.execution_id = s.lo and e.attempt_number = 1)
                        order by s.lo for no key update skip locked) x;
    if los is null then return; end if;
    insert into results (execution_id, status, fence, completed_at, error_message, actor)
    select e.execution_id, 9, 0, clock(), 'outside the execution windows of the job, which open at ' || rfc3339(l.window_from), 'window'
    from unnest(los) u (lo) cross join lateral (select * from extents s where s.lo = u.lo limit 1) s
    join lanes l on l.lane_id = s.lane_id cross join lateral (select e.execution_id from executions e where e.execution_id between s.lo and s.hi) e;
    ids := array(select r.execution_id from unnest(los) u (lo) cross join lateral (select s.lo, s.hi from extents s where s.lo = u.lo limit 1) s
                 cross join lateral (select r.execution_id from results r where r.execution_id between s.lo and s.hi) r);
    delete from extents s where s.lo = any (los);
    insert into plan_work (kind, ids) values (6, ids);
    return query select u.lo, u.n from unnest(los, ns) u (lo, n);
end $$;

-- Skips what waits in lanes that are closed and skip, from lane p_after on: at most p_extents extents. One server at a time. last_lane: where to go on; null: all were seen.
create function sweep_windows_1(p_after int, p_extents int, out skipped uuid[], out last_lane int) language plpgsql
    set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
    x record; los uuid[] := '{}';
begin
    skipped := '{}';
    if not pg_try_advisory_xact_lock(1919906155, 7) then return; end if;
    for x in
        select l.lane_id, s.lo from (select l.lane_id from lanes l where l.skips_outside and l.lane_id > p_after and clock() < l.window_from order by l.lane_id) l
        left join lateral (select s.lo from extents s where s.owner is null and s.ready and s.lane_id = l.lane_id and s.fence = 0
                             and exists (select from executions e where e.execution_id = s.lo and e.attempt_number = 1)
                           order by s.rank limit p_extents) s on true
        where s.lo is not null limit p_extents
    loop
        los := los || x.lo; last_lane := x.lane_id - 1;
    end loop;
    if cardinality(los) < p_extents then last_lane := null; end if;
    if cardinality(los) > 0 then
        -- Of their executions: the results that this statement makes are not seen by it.
        skipped := array(select e.execution_id from skip_outside_1(los, los) k cross join lateral (select e.execution_id from executions e
                         where e.execution_id between k.lo and with_ordinal(k.lo, ordinal_of(k.lo) + k.n - 1)) e);
    end if;
end $$;

-- ---- firing

-- Of these jobs, those of which something runs or is about to: claimed, or queued.
create function busy_jobs(p_job int[]) returns int[] language sql stable as $$
    select coalesce(array_agg(s.job_key), '{}')
    from (select y.job_key, l.lane_id from schedules y join lanes l on l.tenant_key = y.tenant_key and l.job_key = y.job_key where y.job_key = any (p_job)) s
    where exists (select from extents x where x.owner is null and x.ready and x.lane_id = s.lane_id) or s.lane_id in (select x.lane_id from extents x where x.owner is not null) $$;

-- These executions, which this transaction has made, wait for the end of what runs of their jobs.
create function hold_running_1(p_id uuid[]) returns void language plpgsql as $$
declare
    rest uuid[];
begin
    update waits w set on_running = true where w.execution_id = any (p_id);      -- they wait for something else as well
    rest := array(select id from unnest(p_id) id where not exists (select from waits w where w.execution_id = id));
    if cardinality(rest) = 0 then return; end if;
    insert into extents (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, remaining)
    select c.execution_id, c.execution_id, (c.extent).lane_id, (c.extent).rank, 'infinity', 'infinity', (c.extent).priority, false, 1 from cut(rest) c;
    insert into waits (execution_id, job_key, due_at, on_dependencies, on_order, on_running, entered)
    select u.id, e.job_key, clock(), false, false, true, true
    from unnest(rest) with ordinality u (id, k) cross join lateral (select e.job_key from executions e where e.execution_id = u.id limit 1) e order by u.k;
end $$;

-- Lets the oldest go of each job, from job p_after on, of which some wait for the end of what runs, where nothing does any more. Looks at p_jobs jobs at most.
-- last_job: where to go on; null: all were seen.
create function release_running_1(p_after int, p_jobs int, out released int, out last_job int) language plpgsql set enable_seqscan = off as $$
declare
    job int; n int := 0; y schedules; w waits; live uuid[];
begin
    released := 0;
    for job in
        with recursive walk as (
            (select x.job_key from waits x where x.on_running and x.job_key > p_after order by x.job_key limit 1)
            union all select (select x.job_key from waits x where x.on_running and x.job_key > v.job_key order by x.job_key limit 1) from walk v where v.job_key is not null)
        select v.job_key from walk v where v.job_key is not null limit p_jobs
    loop
        n := n + 1; last_job := job;
        select * into y from schedules s where s.job_key = job for no key update skip locked;
        continue when not found;
        select * into w from waits x where x.on_running and x.job_key = job order by x.place limit 1;
        continue when not found or cardinality(busy_jobs(array[job])) > 0;
        live := array(select r from unnest(y.live_runs) r where not run_is_over(r));
        continue when exists (select from unnest(live) r where not exists (select from waits x where x.execution_id = r and x.on_running));
        -- Somebody who cancels it has the extent.
        perform from extents s where s.lo = w.execution_id for no key update skip locked;
        continue when not found;
        update waits x set on_running = false where x.execution_id = w.execution_id;
        if not w.on_dependencies and not w.on_order then perform release_waits_1(array[w.execution_id], 'schedule', 'what ran of the job has ended'); end if;
        released := released + 1;
    end loop;
    if n < p_jobs then last_job := null; end if;
end $$;

-- Decides ticks. Schedule k is p_job[k], as it was at p_revision[k]: all of its ticks up to p_decided[k] are decided by this, its next one is p_next[k] (null: there is none),
-- and it is to be looked at again at p_look[k]. p_of: the number (from 1) of the schedule that a tick is of, ascending, its ticks ascending; p_outcome: 1 and 2 make an
-- execution, 4 skips, for p_reason, the ticks from p_tick to p_last, of which there are p_ticks.
-- Schedules that somebody has changed meanwhile, or has under his hands, are left out. Returns what became of the ticks of the others; and a row without a tick that says in of_ how many they are.
create function fire_1(p_job int[], p_revision bigint[], p_decided timestamptz[], p_next timestamptz[], p_look timestamptz[],
                       p_of int[], p_tick timestamptz[], p_outcome smallint[], p_reason text[], p_last timestamptz[], p_ticks bigint[])
returns table (of_ int, tick_at timestamptz, outcome smallint, reason text, execution_id uuid) language plpgsql
    set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
    mine int[] := '{}'; is_mine boolean[] := array_fill(false, array[cardinality(p_job)]); k int; i int; y record; busy int[]; running boolean; live uuid[]; n int; makes int[]; ids uuid[] := '{}';
    made uuid[] := array_fill(null::uuid, array[greatest(cardinality(p_of), 1)]); queued uuid[] := '{}'; limited boolean := false;
    names text[] := array_fill(null::text, array[cardinality(p_job)]); tags_ jsonb[] := array_fill(null::jsonb, array[cardinality(p_job)]);
    last_at timestamptz[] := array_fill(null::timestamptz, array[cardinality(p_job)]); last_id uuid[] := array_fill(null::uuid, array[cardinality(p_job)]);
begin
    for y in
        select u.k::int, s.schedule_id, s.tags, s.is_limited
        from unnest(p_job, p_revision) with ordinality u (job, revision, k)
        cross join lateral (select s.schedule_id, nullif(s.spec -> 'tags', '{}') as tags, s.if_running > 0 or s.max_runs is not null as is_limited
                            from schedules s where s.job_key = u.job and s.revision = u.revision limit 1 for no key update skip locked) s
    loop
        mine := mine || y.k; is_mine[y.k] := true; names[y.k] := y.schedule_id; tags_[y.k] := y.tags; limited := limited or y.is_limited;
    end loop;
    if cardinality(mine) = 0 then return; end if;
    -- It is shorter where there are only nulls at its end, and an element beyond the end of an array would begin another one.
    p_reason := coalesce(p_reason, '{}') || array_fill(null::text, array[cardinality(p_of) - coalesce(cardinality(p_reason), 0)]);
    if limited then
        busy := busy_jobs(array(select distinct p_job[u.k] from unnest(p_of) u (k)));
        for y in
            select s.job_key, s.if_running, s.max_runs, s.live_runs, t.first, t.last
            from (select u.k, min(u.i)::int as first, max(u.i)::int as last from unnest(p_of) with ordinality u (k, i) where is_mine[u.k] group by u.k) t
            cross join lateral (select * from schedules s where s.job_key = p_job[t.k] and (s.if_running > 0 or s.max_runs is not null) limit 1) s
        loop
            live := array(select r from unnest(y.live_runs) r where not run_is_over(r));
            n := cardinality(live);
            running := n > 0 or y.job_key = any (busy);
            for i in y.first .. y.last loop
                continue when p_outcome[i] = 4;
                if y.if_running = 1 and running then
                    p_outcome[i] := 4; p_reason[i] := 'SKIP_IF_RUNNING';
                elsif y.if_running = 2 and n >= 1000 then
                    p_outcome[i] := 4; p_reason[i] := 'QUEUE_FULL';
                elsif y.if_running = 2 and running then
                    p_outcome[i] := 3; n := n + 1;
                elsif y.if_running < 2 and n >= y.max_runs then
                    p_outcome[i] := 4; p_reason[i] := 'MAX_CONCURRENT_RUNS';
                else
                    running := true; n := n + 1;
                end if;
            end loop;
            update schedules s set live_runs = live where s.job_key = y.job_key and s.live_runs <> live;
        end loop;
    end if;
    makes := array(select u.i::int from unnest(p_of, p_outcome) with ordinality u (k, outcome, i) where u.outcome < 4 and is_mine[u.k] order by u.i);
    if cardinality(makes) > 0 then
        select enqueue_1(x.jobs, array_fill(1::smallint, array[cardinality(makes)]), x.names, null, x.ticks, null, null, array_fill('schedule'::text, array[cardinality(makes)]), x.tags) into ids
        from (select array_agg(p_job[p_of[u.i]] order by u.no) as jobs, array_agg(names[p_of[u.i]] order by u.no) as names, array_agg(p_tick[u.i] order by u.no) as ticks,
                     array_agg(tags_[p_of[u.i]] order by u.no) as tags
              from unnest(makes) with ordinality u (i, no)) x;
        for i in 1 .. cardinality(makes) loop
            made[makes[i]] := ids[i];
            if p_outcome[makes[i]] = 3 then queued := queued || ids[i]; end if;
        end loop;
        -- An equal run that has not ended stands for it, where the job has `dedupe`: of another block of ids than this call has made (0001), or of another tick.
        if (select bool_or(substr(u.id::text, 20, 12) <> b.here) or count(distinct u.id) < cardinality(ids)
            from unnest(ids) u (id), (select substr(execution_id_of(0, currval('rowlock.blocks'), 0)::text, 20, 12) as here) b) then
            for i in select u.i from unnest(makes, ids) u (i, id) where not exists (
                    select from executions e where e.execution_id = u.id and e.trigger_type = 1 and e.scheduled_time = p_tick[u.i]) loop
                p_outcome[i] := 4; p_reason[i] := 'DEDUPE';
                queued := array_remove(queued, made[i]);
            end loop;
        end if;
        if cardinality(queued) > 0 then perform hold_running_1(queued); end if;
        if exists (select from lanes l where l.skips_outside and l.job_key = any (p_job)) then
            perform skip_outside_1(ids, ids);
            for i in select u.i from unnest(makes, ids) u (i, id) where p_outcome[u.i] < 4 and exists (select from results r where r.execution_id = u.id and r.status = 9) loop
                p_outcome[i] := 4; p_reason[i] := 'OUTSIDE_WINDOW';
            end loop;
        end if;
    end if;
    insert into schedule_ticks (job_key, tick_at, outcome, reason, last_tick_at, ticks, execution_id)
    select p_job[u.k], u.tick, u.outcome, u.reason, coalesce(u.last, u.tick), coalesce(u.ticks, 1), u.id
    from unnest(p_of, p_tick, p_outcome, p_reason, p_last, p_ticks, made) u (k, tick, outcome, reason, last, ticks, id) where is_mine[u.k];
    if cardinality(makes) > 0 then
        for i in 1 .. cardinality(makes) loop
            if p_outcome[makes[i]] < 4 then last_at[p_of[makes[i]]] := p_tick[makes[i]]; last_id[p_of[makes[i]]] := ids[i]; end if;
        end loop;
    end if;
    update schedules s
    set decided_to = greatest(s.decided_to, p_decided[u.k]), next_fire_at = p_next[u.k], look_at = p_look[u.k], revision = s.revision + 1, error_code = null, error_message = null,
        passed_to = case when s.passed_to > p_decided[u.k] then s.passed_to end, passed_why = case when s.passed_to > p_decided[u.k] then s.passed_why end,
        last_fired_at = coalesce(last_at[u.k], s.last_fired_at), last_execution_id = coalesce(last_id[u.k], s.last_execution_id),
        live_runs = case when s.if_running = 0 and s.max_runs is null then '{}' else s.live_runs end
    from unnest(mine) u (k) where s.job_key = p_job[u.k];
    if limited then
        update schedules s set live_runs = s.live_runs || x.ids
        from (select p_of[u.i] as k, array_agg(u.id order by u.i) as ids from unnest(makes, ids) u (i, id) where p_outcome[u.i] < 4 group by p_of[u.i]) x
        where s.job_key = p_job[x.k] and (s.if_running > 0 or s.max_runs is not null);
    end if;
    return query select u.k, u.tick, u.outcome, u.reason, u.id from unnest(p_of, p_tick, p_outcome, p_reason, made) u (k, tick, outcome, reason, id) where is_mine[u.k]
        union all select cardinality(mine), null, null, null, null;
end $$;

-- A schedule could not be evaluated, as it was at p_revision: this is recorded, once, and it is looked at again at p_look. Its ticks stay undecided.
create function schedule_failed_1(p_job int, p_revision bigint, p_code text, p_type text, p_message text, p_look timestamptz) returns boolean language plpgsql as $$
declare
    s schedules;
begin
    select * into s from schedules x where x.job_key = p_job and x.revision = p_revision for no key update skip locked;
    if not found then return false; end if;
    update schedules x set error_code = p_code, error_message = p_message, look_at = p_look, revision = x.revision + 1 where x.job_key = p_job;
    if (s.error_code, s.error_message) is not distinct from (p_code, p_message) then return false; end if;
    insert into errors (error_id, queue, tenant_key, job_key, error_code, error_message, details)
    select execution_id_of(b.ms, b.block, 0), 1, s.tenant_key, p_job, p_code, p_message,
           jsonb_build_object('error_type', p_type, 'schedule_id', s.schedule_id, 'schedule_config', s.spec::text, 'detection_time', rfc3339(clock()))
    from next_block() b;
    return true;
end $$;

-- The same of the windows of a lane, which stay closed.
create function windows_failed_1(p_lane int, p_revision bigint, p_message text, p_look timestamptz) returns boolean language plpgsql as $$
declare
    w lane_windows;
begin
    select * into w from lane_windows x where x.lane_id = p_lane and x.revision = p_revision for no key update skip locked;
    if not found then return false; end if;
    update lane_windows x set error_message = p_message, look_at = p_look, revision = x.revision + 1 where x.lane_id = p_lane;
    if w.error_message is not distinct from p_message then return false; end if;
    insert into errors (error_id, queue, tenant_key, job_key, error_code, error_message, details)
    select execution_id_of(b.ms, b.block, 0), 1, j.tenant_key, w.job_key, 'SCHED_002_INVALID_TIMEZONE', p_message,
           jsonb_build_object('error_type', 'INVALID_TIMEZONE', 'schedule_config', w.windows::text, 'detection_time', rfc3339(clock()))
    from next_block() b, jobs j where j.job_key = w.job_key;
    return true;
end $$;

-- Drops what became of ticks longer ago than p_kept: at most p_rows rows. As the functions of 0013.
create function sweep_schedule_ticks_1(p_kept interval, p_rows int) returns bigint language plpgsql security definer set search_path = rowlock, pg_temp set jit = off as $$
declare
    n bigint; first_ timestamptz; last_ timestamptz;
begin
    if p_kept < interval '2 days' then
        raise exception 'ticks are kept for two days at least, not for %', p_kept using errcode = 'invalid_parameter_value';
    end if;
    perform set_config('rowlock.retention', 'on', true);
    with gone as (
        delete from schedule_ticks t using (select job_key, tick_at from schedule_ticks where decided_at < clock() - p_kept order by decided_at limit p_rows) old
        where t.job_key = old.job_key and t.tick_at = old.tick_at returning t.decided_at)
    select count(*), min(g.decided_at), max(g.decided_at) into n, first_, last_ from gone g;
    perform set_config('rowlock.retention', 'off', true);
    if n > 0 then perform record_drop('schedule_ticks', 'kept for ' || justify_hours(p_kept), null, null, first_id_at(first_), first_id_at(last_), n); end if;
    return n;
end $$;

-- ---- what is seen of it

create view v_schedules as
select s.schedule_id, j.job_id, t.tenant_id, s.spec ->> 'schedule_type' as schedule_type, s.spec ->> 'cron_expression' as cron_expression,
       (s.spec ->> 'interval_seconds')::bigint as interval_seconds, (s.spec ->> 'run_at')::timestamptz as run_at, s.spec ->> 'timezone' as timezone,
       (s.spec ->> 'start_date')::timestamptz as start_date, (s.spec ->> 'end_date')::timestamptz as end_date, s.if_running = 1 as skip_if_running, s.if_running = 2 as queue_if_running,
       coalesce((s.spec ->> 'catchup_enabled')::boolean, false) as catchup_enabled, (s.spec ->> 'max_catchup_runs')::int as max_catchup_runs,
       coalesce((s.spec ->> 'tolerance_seconds')::float8, 60) as tolerance_seconds, coalesce((s.spec ->> 'jitter_seconds')::float8, 0) as jitter_seconds,
       s.max_runs as max_concurrent_runs, s.spec ->> 'dst_gap' as dst_gap, s.spec ->> 'dst_overlap' as dst_overlap, coalesce(s.spec -> 'tags', '{}') as tags,
       coalesce((s.spec ->> 'enabled')::boolean, true) as enabled,
       case when not s.is_on then 'DISABLED' when s.paused_at is not null then 'PAUSED' when s.error_code is not null then 'INVALID'
            when s.look_at is null then 'ENDED' else 'ACTIVE' end as state,
       s.paused_at is not null as paused, s.paused_at as paused_time, s.paused_by, s.pause_reason,
       s.next_fire_at as next_fire_time, s.last_fired_at as last_fire_time, s.last_execution_id, s.error_code, s.error_message,
       s.created_at as created_time, s.changed_at as changed_time
from schedules s join jobs j on j.job_key = s.job_key join tenants t on t.tenant_key = s.tenant_key where not s.removed;

create view v_schedule_ticks as
select s.schedule_id, j.job_id, t.tenant_id, x.tick_at as tick_time, (array['FIRED', 'CAUGHT_UP', 'QUEUED', 'SKIPPED'])[x.outcome] as outcome, x.reason,
       x.last_tick_at as last_tick_time, x.ticks, x.execution_id, x.decided_at as decided_time
from schedule_ticks x join schedules s on s.job_key = x.job_key join jobs j on j.job_key = x.job_key join tenants t on t.tenant_key = s.tenant_key;

create view v_schedule_actions as
select s.schedule_id, j.job_id, t.tenant_id, a.created_at as at, a.action, a.author, a.reason
from schedule_actions a join schedules s on s.job_key = a.job_key join jobs j on j.job_key = a.job_key join tenants t on t.tenant_key = s.tenant_key;

-- What must hold, for violations() (invariant 8).
create function schedule_violations() returns table (rule text, detail text) language sql stable set search_path = rowlock, pg_temp as $$
    select 'a tick was made twice', e.job_key || ' ' || e.scheduled_time from executions e where e.trigger_type = 1 and e.attempt_number = 1
        group by e.job_key, e.scheduled_time having count(*) > 1
    union all select 'an execution of a tick that nobody has decided', e.execution_id::text from executions e
        left join schedule_ticks t on t.job_key = e.job_key and t.tick_at = e.scheduled_time
        where e.trigger_type = 1 and e.attempt_number = 1 and e.submitted_at > clock() - interval '1 day' and t.execution_id is distinct from e.execution_id
    union all select 'a tick of an execution that is not there', t.job_key || ' ' || t.tick_at from schedule_ticks t left join executions e on e.execution_id = t.execution_id
        where t.execution_id is not null and e.execution_id is null and t.decided_at > clock() - interval '1 day' and not exists (select from retention_log)
    union all select 'a tick that is decided and is not', s.job_key || ' ' || t.last_tick_at from schedules s join schedule_ticks t on t.job_key = s.job_key and t.last_tick_at > s.decided_to
    union all select 'ticks overlap', x.job_key || ' ' || x.tick_at from (
        select t.job_key, t.tick_at, lag(t.last_tick_at) over (partition by t.job_key order by t.tick_at) as before from schedule_ticks t) x where x.before >= x.tick_at
    union all select 'a schedule has been forgotten', s.job_key::text from schedules s
        where s.is_on and not s.removed and s.paused_at is null and s.look_at is null and s.next_fire_at is not null
    union all select 'windows that nobody looks at', l.lane_id::text from lanes l left join lane_windows w on w.lane_id = l.lane_id
        where (l.window_until is not null) <> (w.lane_id is not null) $$;

do $$
begin
    if has_role('rowlock_app') then
        grant select, insert, update on schedules to rowlock_app;
        grant select, insert, update, delete on lane_windows to rowlock_app;
        grant select, insert on schedule_ticks, schedule_actions to rowlock_app;
        grant select on v_schedules, v_schedule_ticks, v_schedule_actions to rowlock_app;
        grant usage on all sequences in schema rowlock to rowlock_app;
        grant execute on function when_of, set_schedule_1, switch_schedule_1, pause_schedule_1, set_windows_1, refresh_windows_1, skip_outside_1, sweep_windows_1, busy_jobs,
            hold_running_1, release_running_1, fire_1, schedule_failed_1, windows_failed_1, sweep_schedule_ticks_1, schedule_violations to rowlock_app;
    end if;
    if has_role('rowlock_auditor') then
        grant select on v_schedules, v_schedule_ticks, v_schedule_actions to rowlock_auditor;
    end if;
end $$;
revoke execute on function when_of, set_schedule_1, switch_schedule_1, pause_schedule_1, set_windows_1, refresh_windows_1, skip_outside_1, sweep_windows_1, busy_jobs,
    hold_running_1, release_running_1, fire_1, schedule_failed_1, windows_failed_1, sweep_schedule_ticks_1, schedule_violations from public;

comment on view v_schedules is 'The schedules of jobs, with the time that each fires next. They come and go with the definitions of their jobs.';
comment on view v_schedule_ticks is 'What became of each time of each schedule: an execution, or why there is none. Order by tick_time.';
comment on view v_schedule_actions is 'Who paused, resumed or ran a schedule by hand, or backfilled its job, when and why. Order by at.';
do $$
declare
    c record;
begin
    for c in select * from (values
        ('schedule_id', 'The schedule.'), ('job_id', 'The job that it runs.'), ('tenant_id', 'The tenant that it belongs to.'), ('schedule_type', 'CRON, INTERVAL or ONCE.'),
        ('cron_expression', 'Of a CRON schedule.'), ('interval_seconds', 'Of an INTERVAL schedule.'), ('run_at', 'The time of a schedule of type ONCE.'), ('timezone', 'The zone whose clocks it goes by.'),
        ('start_date', 'It has no time before this.'), ('end_date', 'It has no time at or after this.'), ('skip_if_running', 'A time that comes while the job runs is skipped.'),
        ('queue_if_running', 'The execution of such a time waits for the end of what runs.'), ('catchup_enabled', 'Whether times that were missed are caught up.'),
        ('max_catchup_runs', 'So many of them, the latest; null: SCHEDULER_CATCHUP_LIMIT.'), ('tolerance_seconds', 'What is later than this was missed.'),
        ('jitter_seconds', 'Executions are made up to so much later than their times.'), ('max_concurrent_runs', 'So many of its runs may be unfinished; null: any number.'),
        ('dst_gap', 'What becomes of times that the clocks leave out; null: the usual.'), ('dst_overlap', 'What becomes of times that come twice; null: the usual.'),
        ('tags', 'Labels of its executions.'), ('enabled', 'Whether the definition enables it.'), ('state', 'ACTIVE, PAUSED, DISABLED (or its job is), INVALID or ENDED.'),
        ('paused', 'Whether somebody has paused it.'), ('paused_time', 'Since when.'), ('paused_by', 'Who did.'), ('pause_reason', 'Why.'), ('next_fire_time', 'The next of its times; null: there is none, or it does not fire.'),
        ('last_fire_time', 'The last of its times for which an execution was made.'), ('last_execution_id', 'That execution.'), ('error_code', 'Why it cannot be evaluated.'),
        ('error_message', 'The same, for people.'), ('created_time', 'When the job got its first schedule.'), ('changed_time', 'When it was last registered, enabled or disabled.'),
        ('tick_time', 'The time; of several that were skipped together, the first.'), ('outcome', 'FIRED, CAUGHT_UP, QUEUED or SKIPPED.'),
        ('reason', 'Why: of a tick that was skipped, MISSED, CATCHUP_LIMIT, PAUSED, DISABLED, SKIP_IF_RUNNING, MAX_CONCURRENT_RUNS, QUEUE_FULL, OUTSIDE_WINDOW or DEDUPE; of an action, as given.'),
        ('last_tick_time', 'The last of those that were skipped together.'), ('ticks', 'How many were skipped together; else 1.'), ('execution_id', 'The execution that was made, or that stood for it.'),
        ('decided_time', 'When that was decided.'), ('at', 'When.'), ('action', 'PAUSE, RESUME, RUN or BACKFILL.'), ('author', 'Who did it.')) x (name, meaning)
    loop
        execute (select coalesce(string_agg(format('comment on column rowlock.%I.%I is %L', v.relname, c.name, c.meaning), '; '), 'select 1')
                 from pg_class v join pg_namespace n on n.oid = v.relnamespace join pg_attribute a on a.attrelid = v.oid
                 where n.nspname = 'rowlock' and v.relname in ('v_schedules', 'v_schedule_ticks', 'v_schedule_actions') and a.attname = c.name);
    end loop;
end $$;
