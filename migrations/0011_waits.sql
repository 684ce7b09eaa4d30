-- What an execution waits for beside time and slots: ends of the jobs that its job depends on (spec D1, rule 2), its turn among the executions with
-- the same ordering key (spec S5), and, as a tick of a schedule, the end of what runs (0017).
--
--   A wait         What may not start yet has an extent of its own that is not ready and eligible at 'infinity', and a row in waits, which is changed only
--                  under the lock of that extent. Who lets it start under locks further down takes the extent with SKIP LOCKED: somebody else who has it
--                  is ending it, or leaves it to advance_dependent_1 or plan_step_1 to look again.
--   A mark         The newest end of an upstream that satisfies a dependency, and that no execution has used yet. A set of marks that is complete lets the
--                  oldest waiting execution start, or else makes a new one, in the transaction of the last of these ends (spec E3). A mark of a
--                  dependency with a window is not used up: it grows old.
--   Lock           Plan runs, then the rows of dependents (ascending; under them the marks of their dependencies), then the buckets of ordering keys
--                  (advisory 1919906157, ascending), then breakers.
--   Plans          Nodes of plans follow their plan alone: they neither wait for these dependencies nor satisfy them.

create table waits (
    execution_id    uuid primary key,
    job_key         int not null,
    place           bigint generated always as identity,
    due_at          timestamptz,                        -- null: it is to wait from its scheduled time on
    on_dependencies boolean not null,
    on_order        boolean not null,
    on_running      boolean not null default false,     -- for the end of what runs of its job: a tick of a schedule that queues (0017)
    entered         boolean not null);                  -- false only until the commit: its place in the order has not been taken
create index waits_on_dependencies on waits (job_key, place) where on_dependencies and due_at is not null;
create index waits_not_due on waits (execution_id) where due_at is null;
create index waits_to_enter on waits (place) where not entered;
create index waits_on_running on waits (job_key, place) where on_running;

-- The unfinished runs of each ordering key. The first of a key may run, or the first few where the definition says so (job_versions.ordering_width).
create table ordered_runs (
    job_key      int not null,
    ordering_key text not null,
    place        bigint generated always as identity,
    run_id       uuid not null unique,
    execution_id uuid not null,
    primary key (job_key, ordering_key, place));

-- ---- going on

-- These waits are over: their extents, which the caller has locked, are queued.
create function release_waits_1(p_id uuid[], p_actor text, p_reason text) returns void language plpgsql as $$
begin
    delete from waits w where w.execution_id = any (p_id);
    update extents s set ready = true, eligible_at = clock(),
        expires_at = (select coalesce(clock() + v.queue_timeout, 'infinity') from executions e join job_versions v on v.job_key = e.job_key and v.version = e.job_version
                      where e.execution_id = s.lo)
    where s.lo = any (p_id);
    insert into extra_transitions (execution_id, from_status, to_status, actor, reason) select id, 1, 2, p_actor, p_reason from unnest(p_id) id;
end $$;

-- How many of one ordering key may run at a time. Set lower, those that run end; set higher, more start with the next end.
create function ordering_width(p_job int) returns int language sql stable as $$
    select v.ordering_width from jobs j join job_versions v on v.job_key = j.job_key and v.version = j.current_version where j.job_key = p_job $$;

-- The value that orders an execution; null: none does. What is long is told apart by its hash.
create function ordering_value(p_job int, p_version int, p_parameters json) returns text language sql stable as $$
    select case when length(x.value) > 200 then left(x.value, 160) || '#' || md5(x.value) else x.value end
    from (select p_parameters::jsonb #>> v.ordering_path as value from job_versions v where v.job_key = p_job and v.version = p_version and v.ordering_path is not null) x $$;

-- The parts of advance_dependent_1, which has set the planner for them. Sets of marks that were complete, each of which lets one execution start: rounds, counted from 1.
create type mark_rounds as (
    use_round int[], use_edge int[], use_end uuid[],    -- each mark that was used: in which round, of which dependency of the job (its place), and the end
    last      int[],                                    -- of each round the dependency that completed it,
    skips     boolean[],                                -- whether what starts by it is skipped,
    at        timestamptz[]);                           -- and when

-- Those that wait for the dependencies of a job, the oldest first, with their extents locked. What somebody else has locked is left out.
create function lock_waiting_1(p_job int, p_most int) returns uuid[] language plpgsql as $$
begin
    return array(
        select w.execution_id
        from (select w.execution_id, w.place from waits w where w.job_key = p_job and w.on_dependencies and w.due_at is not null order by w.place limit p_most) w
        cross join lateral (select from extents s where s.lo = w.execution_id and s.eligible_at = 'infinity' for no key update skip locked) s
        order by w.place);
end $$;

-- What these ends mark, and which sets of marks are complete by them, or were before: one for each of p_waiting executions, and, with p_starts, one for each end
-- beside them. Gives the dependencies with the marks that are left. Changes nothing.
create function match_ends(y dependents, inout edges dependencies[], p_end uuid[], p_waiting int, p_starts boolean, out rounds mark_rounds) language plpgsql stable as $$
declare
    n int := cardinality(edges); made int := 0;
    use_round int[] := '{}'; use_edge int[] := '{}'; use_end uuid[] := '{}'; lasts int[] := '{}'; skips boolean[] := '{}'; ats timestamptz[] := '{}';
    x record; verdict smallint; complete boolean; served boolean; last int;
begin
    for x in
        select null::uuid as id, null::int as lane_id, null::smallint as status, null::timestamptz as completed_at, false as is_gate, 0 as k
        union all
        select e.execution_id, e.lane_id, r.status, r.completed_at, g.is_gate, u.k
        from unnest(p_end) with ordinality u (id, k)
        cross join lateral (select * from executions e where e.execution_id = u.id and e.plan_run_id is null limit 1) e
        cross join lateral (select * from results r where r.execution_id = u.id and r.next_execution_id is null limit 1) r
        join job_versions g on g.job_key = e.job_key and g.version = e.job_version
        where not exists (select from cancel_requests c where c.execution_id = u.id and c.cascades)
        order by k
    loop
        verdict := 0; served := false; last := null;
        for i in 1 .. n loop
            continue when (edges[i]).upstream_lane is distinct from x.lane_id or x.id is null;
            verdict := verdict_of(edges[i], x.id, x.status, x.is_gate);
            if verdict > 0 then
                edges[i].end_id := x.id; edges[i].ended_at := x.completed_at; edges[i].end_skips := verdict = 2; last := i;
            elsif verdict < 0 then
                edges[i].end_id := null; edges[i].ended_at := null; edges[i].end_skips := false;
            end if;
        end loop;
        continue when x.id is not null and verdict = 0;      -- no mark has changed
        loop
            complete := (select case when y.require_all or n = 0 then coalesce(bool_and(is_marked(d)), true) else bool_or(is_marked(d)) end from unnest(edges) d);
            exit when not complete or not (made < p_waiting or (verdict > 0 and p_starts and not served));
            served := true;
            made := made + 1; lasts := lasts || coalesce(last, 1); skips := skips || false; ats := ats || clock();
            for i in 1 .. n loop
                continue when not is_marked(edges[i]);
                use_round := use_round || made; use_edge := use_edge || i; use_end := use_end || (edges[i]).end_id;
                skips[made] := skips[made] or (edges[i]).end_skips;
                ats[made] := greatest(ats[made], (edges[i]).ended_at);      -- this transaction may be older than that of the end
                if (edges[i]).window_ is null then
                    edges[i].end_id := null; edges[i].ended_at := null; edges[i].end_skips := false;
                end if;
            end loop;
        end loop;
    end loop;
    rounds := row(use_round, use_edge, use_end, lasts, skips, ats);
end $$;

-- Makes an execution of a job for each round beyond p_waiting, with what its upstreams gave as parameters, and queues those that are not skipped. p_block: their ids'.
create function start_dependents_1(y dependents, v job_versions, edges dependencies[], rounds mark_rounds, p_waiting int, p_id uuid[], p_ms bigint, p_block bigint)
returns void language plpgsql as $$
declare
    lane int := (select l.lane_id from lanes l where l.tenant_key = y.tenant_key and l.job_key = y.job_key);
    priority smallint := coalesce((v.definition -> 'resources' ->> 'priority')::smallint, 0);
    defaults jsonb := coalesce(v.definition::jsonb -> 'parameters', '{}'); n int;
begin
    insert into executions (execution_id, run_id, lane_id, tenant_key, job_key, job_version, attempt_number, priority, trigger_type, submitted_at, trigger_id,
                            parameters, correlation_id, tags, submitter, trace_parent, ordering_key)
    select u.id, u.id, lane, y.tenant_key, y.job_key, v.version, 1, priority, 3, rounds.at[u.k],
           (edges[u.last]).dependency_id, p.parameters, e.correlation_id, nullif(v.definition::jsonb -> 'tags', '{}'), 'dependency', e.trace_parent,
           case when v.ordering_path is not null then ordering_value(y.job_key, v.version, p.parameters) end
    from unnest(p_id, rounds.last) with ordinality u (id, last, k)
    cross join lateral (
        select (defaults || jsonb_build_object('upstream', coalesce(jsonb_object_agg((edges[q.edge]).upstream_job_id,
                   jsonb_build_object('execution_id', q.end_id, 'status', result_status_name(r.status), 'outputs', coalesce(r.outputs::jsonb, '{}'))), '{}')))::json as parameters
        from unnest(rounds.use_round, rounds.use_edge, rounds.use_end) q (no, edge, end_id) left join results r on r.execution_id = q.end_id where q.no = u.k) p
    left join lateral (select z.correlation_id, z.trace_parent from unnest(rounds.use_round, rounds.use_edge, rounds.use_end) q (no, edge, end_id)
                       join executions z on z.execution_id = q.end_id where q.no = u.k and q.edge = u.last limit 1) e on true
    where u.k > p_waiting;
    if v.ordering_path is not null then
        perform queue_held_1(array(select u.id from unnest(p_id, rounds.skips) with ordinality u (id, skip, k) where u.k > p_waiting and not u.skip order by u.k), y.age);
        return;
    end if;
    n := (select count(*) from unnest(rounds.skips) with ordinality u (skip, k) where u.k > p_waiting and not u.skip);
    if n > 0 then
        insert into extents (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, remaining)
        values (execution_id_of(p_ms, p_block, 0), execution_id_of(p_ms, p_block, n - 1), lane, rank_of(clock(), priority, y.age), clock(),
                coalesce(clock() + v.queue_timeout, 'infinity'), priority, true, n);
    end if;
end $$;

-- What these have waited for has come about: those that wait for nothing else are queued, unless they are skipped.
create function end_waits_1(p_id uuid[], p_skipped uuid[]) returns void language plpgsql as $$
begin
    update waits w set on_dependencies = false where w.execution_id = any (p_id);
    -- An end of its turn in the order ends this wait.
    update extents s set expires_at = 'infinity' where s.lo = any (array(select w.execution_id from waits w where w.execution_id = any (p_id) and (w.on_order or w.on_running)));
    perform release_waits_1(f.ids, 'dependency', 'what it depends on has come about')
    from (select array_agg(w.execution_id) as ids from waits w where w.execution_id = any (p_id) and not w.on_order and not w.on_running
          and w.execution_id <> all (coalesce(p_skipped, '{}'))) f where f.ids is not null;
end $$;

-- Ends executions as SKIPPED, as what they depend on was.
create function skip_dependents_1(p_id uuid[]) returns void language plpgsql as $$
begin
    delete from extents s where s.lo = any (p_id);
    delete from waits w where w.execution_id = any (p_id);
    insert into results (execution_id, status, fence, completed_at, error_message, actor)
    select id, 9, 0, clock(), 'what it depends on was skipped', 'dependency' from unnest(p_id) id;
    -- What follows from these may be a dependent that comes before this one in the order of locks.
    insert into plan_work (kind, ids) values (6, p_id);
end $$;

-- Goes on with a dependent job, whose row the caller has locked: these executions have ended, of which some are of its upstreams. Without any it serves
-- those that wait, where marks are complete.
create function advance_dependent_1(y dependents, p_end uuid[]) returns void language plpgsql set enable_seqscan = off as $$
declare
    was dependencies[] := array(select d from dependencies d where d.job_key = y.job_key order by d.upstream_job_id);
    m record; edges dependencies[]; rounds mark_rounds; j jobs; v job_versions; waiting uuid[]; n_waiting int; ids uuid[]; b record; skipped uuid[];
begin
    -- Where all dependencies have windows, marks are not used up, and each end lets all of them start again.
    waiting := lock_waiting_1(y.job_key, case when exists (select from unnest(was) d where d.window_ is null) then cardinality(p_end) + 1 else 1000 end);
    n_waiting := cardinality(waiting);
    if cardinality(p_end) = 0 and n_waiting = 0 then return; end if;
    select * into j from jobs where job_key = y.job_key;
    select * into v from job_versions where job_key = y.job_key and version = j.current_version;
    m := match_ends(y, was, p_end, n_waiting, cardinality(was) > 0 and j.enabled and j.deleted_at is null and coalesce(v.definition::jsonb -> 'schedule', 'null') = 'null');
    edges := m.edges; rounds := m.rounds;
    update dependencies d set end_id = u.end_id, ended_at = u.ended_at, end_skips = u.end_skips, reported = false
    from unnest(edges) with ordinality u join unnest(was) with ordinality w using (ordinality)
    where d.job_key = y.job_key and d.upstream_job_id = u.upstream_job_id and (u.end_id, u.ended_at) is distinct from (w.end_id, w.ended_at);
    if cardinality(rounds.last) = 0 then return; end if;

    -- The oldest that wait come first; for the rest there are new executions, those that are skipped last, as they are in no extent.
    select * into b from next_block();
    select array_agg(case when u.k <= n_waiting then waiting[u.k] else execution_id_of(b.ms, b.block, u.place - 1) end order by u.k) into ids
    from (select s.k, (row_number() over (order by s.k <= n_waiting, s.skip, s.k))::int as place from unnest(rounds.skips) with ordinality s (skip, k)) u;
    select array_agg(u.id) into skipped from unnest(ids, rounds.skips) u (id, skip) where u.skip;
    if cardinality(rounds.last) > n_waiting then
        perform start_dependents_1(y, v, edges, rounds, n_waiting, ids, b.ms, b.block);
    end if;
    insert into dependency_uses (run_id, dependency_id, upstream_job_id, upstream_execution_id)
    select e.run_id, (edges[q.edge]).dependency_id, (edges[q.edge]).upstream_job_id, q.end_id
    from unnest(rounds.use_round, rounds.use_edge, rounds.use_end) q (no, edge, end_id)
    cross join lateral (select e.run_id from executions e where e.execution_id = ids[q.no] limit 1) e;
    if n_waiting > 0 then perform end_waits_1(ids[1 : n_waiting], skipped); end if;
    if skipped is not null then perform skip_dependents_1(skipped); end if;
end $$;

-- Goes on with what depends on the jobs of these executions, which have ended. What has a next attempt has not.
create function advance_dependents_1(p_id uuid[]) returns void language plpgsql set enable_seqscan = off as $$
declare
    y dependents;
begin
    for y in
        select z.* from (select distinct d.job_key from unnest(p_id) u (id)
                         cross join lateral (select e.lane_id from executions e where e.execution_id = u.id and e.plan_run_id is null limit 1) e
                         join dependencies d on d.upstream_lane = e.lane_id order by d.job_key) k
        cross join lateral (select * from dependents z where z.job_key = k.job_key for no key update) z
    loop
        perform advance_dependent_1(y, p_id);
    end loop;
end $$;

create function ordering_bucket(p_job int, p_key text) returns int language sql immutable parallel safe as $$
    select (hashtextextended(p_key, p_job) & 255)::int $$;

-- Goes on with the order of ordering keys: these have ended (what has a next attempt has not), and the waits of this transaction that have not entered do.
-- p_look: executions whose keys are to be looked at. The first of a key are let go.
create function advance_order_1(p_ended uuid[], p_look uuid[]) returns void language plpgsql set enable_seqscan = off as $$
declare
    jobs_ int[]; keys text[]; over_ uuid[]; x record;
begin
    if not exists (select from ordered_runs) and not exists (select from waits w where not w.entered) then return; end if;
    with named as (
        select e.job_key, e.ordering_key, case when u.has_ended and exists (select from results r where r.execution_id = u.id and r.next_execution_id is null) then e.run_id end as over_
        from (select id, true as has_ended from unnest(p_ended) id union all select id, false from unnest(p_look) id
              union all select w.execution_id, false from waits w where not w.entered) u
        cross join lateral (select e.job_key, e.ordering_key, e.run_id from executions e where e.execution_id = u.id and e.ordering_key is not null limit 1) e)
    select array_agg(n.job_key), array_agg(n.ordering_key), array_agg(n.over_) filter (where n.over_ is not null) into jobs_, keys, over_ from named n;
    if jobs_ is null then return; end if;
    perform pg_advisory_xact_lock(1919906157, b.no)
    from (select distinct ordering_bucket(u.job, u.key) as no from unnest(jobs_, keys) u (job, key) order by 1) b;
    delete from ordered_runs o where o.run_id = any (over_);
    insert into ordered_runs (job_key, ordering_key, run_id, execution_id)
    select e.job_key, e.ordering_key, e.run_id, e.execution_id from waits w cross join lateral (select * from executions e where e.execution_id = w.execution_id limit 1) e
    where not w.entered order by w.place on conflict (run_id) do nothing;
    update waits w set entered = true where not w.entered;
    for x in
        select w.execution_id, w.on_dependencies or w.on_running as waits_for_more, s.lo is not null as is_held
        from (select distinct u.job, u.key from unnest(jobs_, keys) u (job, key)) k
        cross join lateral (select o.execution_id from ordered_runs o where o.job_key = k.job and o.ordering_key = k.key order by o.place limit ordering_width(k.job)) o
        cross join lateral (select * from waits w where w.execution_id = o.execution_id and w.on_order limit 1) w
        left join lateral (select s.lo from extents s where s.lo = w.execution_id for no key update skip locked) s on true
    loop
        if not x.is_held then
            insert into plan_work (kind, ids) values (5, array[x.execution_id]);
            continue;
        end if;
        update waits w set on_order = false where w.execution_id = x.execution_id;
        if not x.waits_for_more then perform release_waits_1(array[x.execution_id], 'order', 'its turn has come'); end if;
    end loop;
end $$;

-- These executions have ended, or (p_cascade > 0) are to be cancelled with what is downstream of them in their plans. Called by whatever ends attempts
-- elsewhere than in settle_1, in its transaction, after its locks on extents.
create function advance_ends_1(p_id uuid[], p_cascade smallint) returns void language plpgsql as $$
begin
    if cardinality(p_id) is null or cardinality(p_id) = 0 then return; end if;
    perform plans_advance_1(p_id, p_cascade);
    delete from waits w where w.execution_id = any (p_id) and exists (select from results r where r.execution_id = w.execution_id);
    -- What is cancelled together with all that follows starts nothing.
    if p_cascade = 0 and exists (select from dependencies) then perform advance_dependents_1(p_id); end if;
    perform advance_order_1(p_id, '{}');
end $$;

-- What plan_work says beside plans. 5: it is somebody's turn, whose extent was locked; 6: these have ended; 7: these are to be cancelled (with what else was asked for in the
-- same words, so that extents are locked in their order).
create function follow_up_1(w plan_work) returns void language plpgsql as $$
declare
    others uuid[];
begin
    if w.kind = 5 then
        perform from extents s where s.lo = any (w.ids) order by s.lo for no key update;
        perform advance_order_1('{}', w.ids);
    elsif w.kind = 7 then
        with gone as (
            delete from plan_work x where x.work_id = any (array(
                select y.work_id from plan_work y where y.kind = 7 and (y.tenant_key, y.actor, y.reason) = (w.tenant_key, w.actor, w.reason)
                order by y.work_id limit 999 for update skip locked))
            returning x.ids)
        select array_agg(g.ids[1]) into others from gone g;
        perform from cancel_1(w.tenant_key, w.ids || others, w.actor, w.reason);
    else
        perform advance_ends_1(w.ids, 0::smallint);
    end if;
end $$;

-- What waits for dependencies because of the jobs of these executions: of the jobs that depend on them (1), or of all below (2). At most 10,000.
create function waiting_below(p_id uuid[], p_cascade smallint) returns uuid[] language sql stable as $$
    with recursive below as (
        select d.job_key, 1 as depth
        from unnest(p_id) u (id) cross join lateral (select e.lane_id from executions e where e.execution_id = u.id and e.plan_run_id is null limit 1) e
        join dependencies d on d.upstream_lane = e.lane_id
        union
        select d.job_key, 2 from below b join dependencies d on d.upstream_key = b.job_key where p_cascade = 2)
    select array(select w.execution_id from (select distinct b.job_key from below b) j join waits w on w.job_key = j.job_key and w.on_dependencies and w.due_at is not null
                 order by w.place limit 10000) $$;

-- What an execution, which waits for dependencies, has waited for in vain.
create function waited_for(p_id uuid) returns text language sql stable as $$
    select 'It waited for ' || string_agg(d.upstream_job_id, ', ' order by d.wait_for, d.upstream_job_id) || ' for '
           || extract(epoch from min(d.wait_for))::float8 || ' s, which is as long as it may.'
    from waits w join dependencies d on d.job_key = w.job_key and not is_marked(d) where w.execution_id = p_id and w.on_dependencies $$;

-- Of these, which have just expired, those that waited for dependencies are a matter of those.
create function blame_dependencies_1(p_id uuid[]) returns void language sql volatile as $$
    update errors x set queue = 2, category = null, error_code = 'DEP_003_UPSTREAM_TIMEOUT', error_message = late.words,
           details = jsonb_build_object('error_type', 'TIMEOUT', 'dependency_id', late.first_id, 'upstream_job_ids', late.jobs)
    from (select w.execution_id, jsonb_agg(d.upstream_job_id order by d.wait_for, d.upstream_job_id) as jobs, (array_agg(d.dependency_id order by d.wait_for, d.upstream_job_id))[1] as first_id,
                 waited_for(w.execution_id) as words
          from waits w join dependencies d on d.job_key = w.job_key and not is_marked(d)
          where w.execution_id = any (p_id) and w.on_dependencies group by w.execution_id) late
    where x.error_id = late.execution_id $$;

-- ---- beginning to wait

-- Queues executions of ordered jobs that have no extent yet, each in one of its own: those without an ordering key at once.
create function queue_held_1(p_id uuid[], p_age real) returns void language plpgsql as $$
begin
    insert into extents (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, remaining)
    select e.execution_id, e.execution_id, e.lane_id, rank_of(clock(), e.priority, p_age), case when e.ordering_key is null then clock() else 'infinity' end,
           case when e.ordering_key is null then coalesce(clock() + v.queue_timeout, 'infinity') else 'infinity' end, e.priority, e.ordering_key is null, 1
    from unnest(p_id) u (id) cross join lateral (select * from executions e where e.execution_id = u.id limit 1) e
    join job_versions v on v.job_key = e.job_key and v.version = e.job_version;
    insert into waits (execution_id, job_key, due_at, on_dependencies, on_order, entered)
    select e.execution_id, e.job_key, clock(), false, true, false
    from unnest(p_id) with ordinality u (id, k) cross join lateral (select * from executions e where e.execution_id = u.id and e.ordering_key is not null limit 1) e order by u.k;
end $$;

-- Until when the extent of what may have to wait is not looked at: the scheduled time, if that is to come.
create function held_until(p_eligible timestamptz) returns timestamptz language sql stable parallel safe as $$
    select case when p_eligible > clock() then p_eligible else 'infinity' end $$;

-- Which of the submitted extents may have to wait.
create function held_of(p_lo uuid[], p_hold smallint[], p_left_out uuid[], out ids uuid[], out depends boolean[]) language sql immutable as $$
    select array_agg(u.lo order by u.k), array_agg(u.hold & 1 > 0 order by u.k) from unnest(p_lo, p_hold) with ordinality u (lo, hold, k)
    where u.hold > 0 and u.lo <> all (coalesce(p_left_out, '{}')) $$;

-- Executions that have just been submitted may have to wait: those with p_depends for dependencies, those with an ordering key for their turn. Each is
-- alone in an extent that is not ready.
create function hold_1(p_id uuid[], p_depends boolean[]) returns void language plpgsql set enable_seqscan = off as $$
begin
    insert into waits (execution_id, job_key, due_at, on_dependencies, on_order, entered)
    select u.id, e.job_key, case when s.eligible_at = 'infinity' then clock() end, u.depends and exists (select from dependencies d where d.job_key = e.job_key),
           e.ordering_key is not null, e.ordering_key is null or s.eligible_at < 'infinity'
    from unnest(p_id, p_depends) with ordinality u (id, depends, k)
    cross join lateral (select e.job_key, e.ordering_key from executions e where e.execution_id = u.id limit 1) e
    cross join lateral (select s.eligible_at from extents s where s.lo = u.id limit 1) s order by u.k;
    perform settle_waits_1(array(select w.execution_id from unnest(p_id) u (id) join waits w on w.execution_id = u.id where w.due_at is not null));
end $$;

-- The time of scheduled ones has come: they wait from now on. The caller has locked their extents.
create function hold_due_1(p_id uuid[]) returns void language plpgsql as $$
begin
    update waits w set due_at = clock(), entered = not w.on_order where w.execution_id = any (p_id);
    update extents s set eligible_at = 'infinity' where s.lo = any (p_id);
    perform settle_waits_1(p_id);
end $$;

-- Until when does an execution wait for its dependencies? The first of those that have no mark says.
create function waits_until(p_job int, p_due timestamptz) returns timestamptz language sql stable as $$
    select coalesce(min(p_due + d.wait_for), 'infinity') from dependencies d where d.job_key = p_job and not is_marked(d) $$;

-- Waits that have just begun: those that nothing holds are released.
create function settle_waits_1(p_id uuid[]) returns void language plpgsql set enable_seqscan = off as $$
declare
    y dependents;
begin
    for y in select z.* from (select distinct w.job_key from waits w where w.execution_id = any (p_id) and w.on_dependencies order by w.job_key) k
             cross join lateral (select * from dependents z where z.job_key = k.job_key for no key update) z loop
        perform advance_dependent_1(y, '{}');
    end loop;
    perform advance_order_1('{}', '{}');
    perform release_waits_1(f.ids, 'clock', 'nothing that it depends on keeps it')
    from (select array_agg(w.execution_id) as ids from waits w where w.execution_id = any (p_id) and not w.on_dependencies and not w.on_order and not w.on_running) f where f.ids is not null;
    update extents s set expires_at = waits_until(w.job_key, w.due_at) from waits w where w.execution_id = any (p_id) and w.on_dependencies and s.lo = w.execution_id;
end $$;

-- Looks at what may have been left: those that wait though their marks are complete (whoever had locked one gave up), and dependencies that have kept a
-- job waiting for too long. One instance at a time. Returns how many errors were recorded.
create function sweep_dependencies_1() returns int language plpgsql set enable_seqscan = off as $$
declare
    y dependents; x record; n int := 0;
begin
    if not exists (select from dependencies) or not pg_try_advisory_xact_lock(1919906155, 6) then return 0; end if;
    for y in select z.* from (select distinct w.job_key from waits w where w.on_dependencies and w.due_at is not null order by w.job_key limit 1000) k
             cross join lateral (select * from dependents z where z.job_key = k.job_key for no key update) z loop
        perform advance_dependent_1(y, '{}');
    end loop;
    for x in
        update dependencies d set reported = true from (
            select d.job_key, d.upstream_job_id, j.job_id, o.upstream_job_id as other, o.ended_at
            from dependents g join jobs j on j.job_key = g.job_key join dependencies d on d.job_key = g.job_key
            cross join lateral (select o.upstream_job_id, o.ended_at from dependencies o where o.job_key = d.job_key and o.window_ is null and o.end_id is not null
                                order by o.ended_at limit 1) o
            where g.require_all and j.enabled and j.deleted_at is null and not d.reported and not is_marked(d) and o.ended_at + d.wait_for <= clock()
            order by d.job_key limit 100 for no key update of d skip locked) late
        where d.job_key = late.job_key and d.upstream_job_id = late.upstream_job_id
        returning d.tenant_key, d.job_key, d.dependency_id, d.upstream_job_id, d.wait_for, late.job_id, late.other, late.ended_at
    loop
        perform dependency_error_1(x.tenant_key, x.job_key, 'DEP_003_UPSTREAM_TIMEOUT', 'TIMEOUT', x.dependency_id, x.upstream_job_id,
            'The job ' || x.job_id || ' waits for ' || x.upstream_job_id || ' since ' || x.other || ' ended at ' || rfc3339(x.ended_at) || ': longer than '
            || extract(epoch from x.wait_for)::float8 || ' s. It starts when that ends.');
        n := n + 1;
    end loop;
    return n;
end $$;
