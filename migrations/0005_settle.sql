-- The end of work: settle, hand back, cancel, and what happens to the work of an instance that is gone.

-- What the ended attempts of a batch have used of a plan run that has budgets (0023).
create type plan_use as (plan_run_id uuid, tenant_key int, plan_key int, attempts bigint, seconds float8, cost_units float8, refused boolean, next_ids uuid[]);

-- A group commit of ends. p_extent[i] is the number (from 1) of the extent (p_lo, p_fence) of execution i. They are quickest in ascending order. Any part of an extent, in any
-- order. Or p_id and p_extent are empty: then execution i is all that extent i ever had, all are under one fence, and none is in p_watched.
-- p_age_us: how long ago the work returned. p_failed_at: the numbers (from 1) of those that failed; for each of them p_category, p_details, p_kept,
-- p_next, p_next_ms and p_next_wait_ms as record_failures_1 takes them: nothing else has a next attempt. p_clean: executions that left live notes
-- or cancel requests behind. p_watched: the numbers of those whose job has a circuit breaker. p_planned: of those that are nodes of plans, or have
-- an ordering key. Shorter arrays stand for nulls.
-- Returns the extents that were lost: their executions belong to somebody else now, and nothing was changed for them; a null where other work may
-- have become eligible by these ends, or is left to plan_step_1; and an id of zeros where slots of limits were given back.
-- p_again: this settle may have been committed before (the connection broke at the commit): what has a result is passed
-- over. Without it a second result is a primary key error, which aborts the batch.
-- Extents are looked up one by one, by their key, and never joined. To the planner the queue is a small table, whose index it may as well read whole; but
-- while somebody holds a snapshot it is full of dead rows.
-- Plans are made once: of an array a custom plan believes that it has one element, and so seems cheaper than a generic one for ever. Planning anew was half of
-- the time of a small batch.
create function settle_1(
    p_instance int, p_age real, p_again boolean, p_lo uuid[], p_fence int[],
    p_id uuid[], p_extent int[], p_status smallint[], p_age_us int[], p_exit int[], p_error text[], p_message text[],
    p_processed bigint[], p_failed bigint[], p_metrics json[], p_outputs json[], p_termination text[], p_actor text[],
    p_next uuid[], p_next_ms int[], p_clean uuid[], p_watched int[],
    p_failed_at int[], p_category smallint[], p_details text[], p_kept bigint[], p_next_wait_ms bigint[], p_planned int[])
returns setof uuid language plpgsql set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
declare
    n_extents int := cardinality(p_lo); alone boolean := cardinality(p_id) = 0; at_ tid[]; hi uuid[]; left_ int[]; claimed timestamptz[]; lanes_ int[]; upstreams int[]; los uuid[]; fences int[];
    held int; d_extent int[]; d_n int[]; whole tid[]; parts uuid[]; part jsonb; expected bigint; done bigint; partly boolean; failed_ids uuid[]; nexts uuid[]; limited boolean; limit_ids_ int[]; limit_n bigint[];
    rules lane_rule[]; over_ uuid[]; over_status smallint[]; ordered boolean := false; budgeted boolean; seconds_ float8[]; uses plan_use[];
begin
    if alone then
        if cardinality(p_watched) > 0 then raise exception 'a breaker is told by extents' using errcode = 'RL003'; end if;
        -- Nothing of them is left: deleting them locks them as the others are locked below, in ascending order, as the index is read (0001).
        with gone as (delete from extents s where s.lo = any (p_lo) and s.hi = s.lo and s.owner is not distinct from p_instance and s.fence = p_fence[1]
                      returning s.lo, s.claimed_at, s.lane_id, s.limit_ids, s.limit_ns)
        select array_agg(g.lo), array_agg(g.claimed_at), array_agg(g.lane_id), count(*), array_agg(row(g.lane_id, g.limit_ids, g.limit_ns)::lane_rule) filter (where g.limit_ids is not null)
        into los, claimed, lanes_, held, rules from gone g;
        if los is distinct from p_lo then
            select array_agg((g.lo is not null)::int order by u.k), array_agg(g.claimed_at order by u.k), array_agg(coalesce(g.lane_id, 0) order by u.k) into left_, claimed, lanes_
            from unnest(p_lo) with ordinality u (lo, k) left join unnest(los, claimed, lanes_) g (lo, claimed_at, lane_id) on g.lo = u.lo;
        end if;
        select array_agg(l.id), array_agg(coalesce(l.n, 1)::bigint) into limit_ids_, limit_n from unnest(rules) r cross join lateral unnest(r.limit_ids, r.limit_ns) l (id, n);
        p_id := p_lo; hi := p_lo; limited := rules is not null; expected := held;
        -- What has a result is in no extent: p_again needs no look.
        p_extent := array(select case when left_ is null or left_[k] > 0 then k else 0 end from generate_series(1, n_extents) k);
    else
        -- NO KEY UPDATE: conflicts with the takeover's update. (KEY SHARE would not.) Whoever waits here sees the new owner.
        -- `is not distinct from` keeps the planner off extents_owned: all that the instance owns, once for each extent, is quadratic.
        select array_agg(x.lo), array_agg(x.fence), array_agg(x.at), array_agg(x.hi), array_agg(x.remaining), array_agg(x.claimed_at), array_agg(x.lane_id), count(*), coalesce(bool_or(x.limited), false)
        into los, fences, at_, hi, left_, claimed, lanes_, held, limited
        from (select s.lo, s.fence, s.ctid as at, s.hi, s.remaining, s.claimed_at, s.lane_id, s.limit_ids is not null as limited
              from extents s where s.lo = any (p_lo) and s.owner is not distinct from p_instance order by s.lo for no key update) x;
        -- Something is lost, or they came in another order.
        if los is distinct from p_lo or fences <> p_fence then
            select array_agg(x.at), array_agg(x.hi), array_agg(coalesce(x.remaining, 0)), array_agg(x.claimed_at), array_agg(coalesce(x.lane_id, 0)), count(x.at), coalesce(bool_or(x.limited), false)
            into at_, hi, left_, claimed, lanes_, held, limited
            from (select f.* from unnest(p_lo, p_fence) with ordinality u (lo, fence, k)
                  left join lateral (select s.ctid as at, s.hi, s.lane_id, s.remaining, s.claimed_at, s.limit_ids is not null as limited from extents s
                                     where s.lo = u.lo and s.owner is not distinct from p_instance and s.fence = u.fence limit 1) f on true order by u.k) x;
        end if;
    end if;
    if held < n_extents then
        return query select u.lo from unnest(p_lo, left_) u (lo, n) where u.n = 0;
        if held = 0 then return; end if;
    end if;
    if not alone then
        if held < n_extents or p_again then
            p_extent := array(select case when left_[u.extent] > 0 and not (p_again and exists (
                                select 1 from results r where r.execution_id = u.id)) then u.extent else 0 end
                            from unnest(p_id, p_extent) with ordinality u (id, extent, k) order by u.k);
        end if;
        select array_agg(extent), array_agg(n), sum(n), bool_or(n < left_[extent]) into d_extent, d_n, expected, partly
        from (select u.extent, count(*)::int as n from unnest(p_extent) u (extent) where u.extent > 0 group by u.extent) g;
        if d_extent is null then return; end if;
    end if;
    if cardinality(p_failed_at) > 0 then
        select array_agg(f.id), array_agg(case when f.id is not null then f.next end) into failed_ids, p_next
        from (select case when p_extent[u.at] > 0 and p_status[u.at] in (6, 7) then p_id[u.at] end as id, u.next
              from unnest(p_failed_at, p_next) with ordinality u (at, next, k) order by u.k) f;
        -- An accepted cancel ends the run, not the attempt.
        if exists (select 1 from cancel_requests c where c.owner = p_instance) then
            p_next := array(select case when not exists (select 1 from cancel_requests c where c.execution_id = u.id) then u.next end
                            from unnest(failed_ids, p_next) with ordinality u (id, next, k) order by u.k);
        end if;
        nexts := array_fill(null::uuid, array[cardinality(p_id)]);
        for i in 1 .. cardinality(p_failed_at) loop
            nexts[p_failed_at[i]] := p_next[i];
        end loop;
    end if;

    insert into results (execution_id, status, instance_id, fence, started_at, returned_at, completed_at, exit_code, error_code, error_message,
                         records_processed, records_failed, metrics, outputs, termination, actor, next_execution_id)
    select u.id, u.status, p_instance, p_fence[u.extent], claimed[u.extent],
           greatest(claimed[u.extent], clock() - u.age_us * interval '1 microsecond'), greatest(claimed[u.extent], clock()),
           u.exit_code, u.error, u.message, u.processed, u.failed, u.metrics, u.outputs, u.termination, u.actor, u.next
    from unnest(p_id, p_extent, p_status, p_age_us, p_exit, p_error, p_message, p_processed, p_failed, p_metrics, p_outputs, p_termination, p_actor, nexts)
         u (id, extent, status, age_us, exit_code, error, message, processed, failed, metrics, outputs, termination, actor, next)
    where u.extent > 0 and u.id between p_lo[u.extent] and hi[u.extent];
    get diagnostics done = row_count;
    if done <> expected then
        raise exception 'settle names an execution outside its extent' using errcode = 'RL002';
    end if;

    if cardinality(p_failed_at) > 0 then
        perform record_failures_1(failed_ids, p_category, p_details, p_kept, p_next, p_next_ms, p_next_wait_ms, p_age);
    end if;
    if cardinality(p_planned) > 0 then
        select array_agg(p_id[u.at]), array_agg(p_status[u.at]) into over_, over_status
        from unnest(p_planned) u (at) where p_extent[u.at] > 0 and (nexts is null or nexts[u.at] is null);
        ordered := over_ is not null and plans_advance_1(over_, 0::smallint, over_status);
    end if;
    -- What this finds is what is registered now: no cache of an instance is asked.
    if exists (select from dependencies) then upstreams := array(select d.upstream_lane from dependencies d where d.upstream_lane = any (lanes_)); end if;
    if cardinality(upstreams) > 0 then
        -- The later end decides, and that is the one whose work returned later.
        perform advance_dependents_1(array(select u.id from unnest(p_id, p_extent, p_age_us) with ordinality u (id, extent, age_us, k)
                                           where u.extent > 0 and lanes_[u.extent] = any (upstreams) order by u.age_us desc nulls last, u.k));
    end if;
    if cardinality(p_planned) > 0 or cardinality(upstreams) > 0 then
        perform advance_order_1(case when ordered then over_ else '{}' end, '{}');
        if cardinality(upstreams) > 0 or exists (select from plan_work) then return next null; end if;
    end if;
    if cardinality(p_watched) > 0 then
        perform tell_breakers_1(f.los, f.failures)
        from (select array_agg(p_lo[p_extent[u.at]] order by u.k) as los, array_agg(p_status[u.at] <> 5 order by u.k) as failures
              from unnest(p_watched) with ordinality u (at, k) where p_extent[u.at] > 0 and p_status[u.at] in (5, 6, 7)) f where f.los is not null;
    end if;
    if cardinality(p_clean) > 0 then
        if held < n_extents then
            -- What was lost belongs to somebody else now: a request to cancel it is for them.
            p_clean := array(select u.id from unnest(p_id, p_extent) u (id, extent) where u.extent > 0 and u.id = any (p_clean));
        end if;
        delete from live_notes n where n.execution_id = any (p_clean);
        delete from cancel_requests c where c.execution_id = any (p_clean);
    end if;

    if not alone then
        if limited then
            select array_agg(l.id), array_agg(u.n::bigint * coalesce(l.n, 1)) into limit_ids_, limit_n
            from unnest(d_extent, d_n) u (extent, n) cross join lateral (select s.limit_ids, s.limit_ns from extents s where s.lo = p_lo[u.extent] limit 1) s,
                 unnest(s.limit_ids, s.limit_ns) l (id, n);
        end if;
        -- They are locked, so they are where they were.
        whole := array(select at_[u.extent] from unnest(d_extent, d_n) u (extent, n) where left_[u.extent] = u.n);
        delete from extents s where s.ctid = any (whole);
        get diagnostics done = row_count;
        if done <> cardinality(whole) then raise exception 'settle finds % of % extents', done, cardinality(whole) using errcode = 'RL003'; end if;
    end if;
    if partly then
        select jsonb_object_agg(p_lo[u.extent], u.n), array_agg(p_lo[u.extent]) into part, parts
        from unnest(d_extent, d_n) u (extent, n) where left_[u.extent] <> u.n;
        update extents s set remaining = s.remaining - (part ->> s.lo::text)::int where s.lo = any (parts);
    end if;
    -- Before the locks on limits: after them only rows of their own are written.
    budgeted := exists (select from policies p where p.per <> 'run');
    if budgeted then
        seconds_ := array(select extract(epoch from greatest(clock() - coalesce(u.age_us, 0) * interval '1 microsecond' - claimed[u.extent], interval '0'))::float8
                          from unnest(p_extent, p_age_us) with ordinality u (extent, age_us, k) order by u.k);
        if cardinality(p_planned) > 0 then
            uses := (select plan_uses_1(array_agg(p_id[u.at]), array_agg(seconds_[u.at]), array_agg(cost_units_in(p_metrics[u.at]))) from unnest(p_planned) u (at) where p_extent[u.at] > 0);
        end if;
    end if;
    if limited then
        perform give_back(limit_ids_, limit_n);
        return next '00000000-0000-0000-0000-000000000000';
    end if;
    if budgeted then
        perform count_days_1(array_agg(lanes_[u.extent]), array_agg(u.seconds), array_agg(cost_units_in(u.metrics)))
        from unnest(p_extent, seconds_, p_metrics) u (extent, seconds, metrics) where u.extent > 0;
        if count_plans_1(uses) then return next null; end if;
    end if;
end $$;

-- A stopping instance gives its unfinished work back: the same attempts, queued again in their old place. What was asked
-- to be cancelled is ended here, since from now on nobody would obey the request. Returns how many were handed back.
create function hand_back_1(p_instance int, p_lo uuid[], p_fence int[], p_reason text) returns int language plpgsql as $$
declare
    x record; gone uuid[]; cancelled uuid[]; ended uuid[] := '{}'; ids int[] := '{}'; ns bigint[] := '{}'; total int := 0;
begin
    for x in
        select s.* from unnest(p_lo, p_fence) u (lo, fence) join extents s on s.lo = u.lo
        where s.owner is not distinct from p_instance and s.fence = u.fence order by s.lo for no key update of s
    loop
        gone := array(select r.execution_id from results r where r.execution_id between x.lo and x.hi);
        cancelled := array(select c.execution_id from cancel_requests c where c.execution_id between x.lo and x.hi and c.execution_id <> all (gone));
        insert into results (execution_id, status, instance_id, fence, started_at, returned_at, completed_at, error_code, error_message, actor)
        select c.execution_id, 8, p_instance, x.fence, x.claimed_at, greatest(x.claimed_at, clock()), greatest(x.claimed_at, clock()), 'CANCELLED', c.reason, c.actor
        from cancel_requests c where c.execution_id = any (cancelled);
        delete from extents d where d.lo = x.lo;
        insert into extents (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, fence, remaining)
        select p.lo, p.hi, x.lane_id, x.rank, x.eligible_at, x.expires_at, x.priority, true, x.fence, p.n
        from pieces(x.lo, x.hi, gone || cancelled) p;
        insert into extra_transitions (execution_id, at, from_status, to_status, actor, fence, reason)
        select e.execution_id, t.at, t.from_status, t.to_status, 'instance:' || p_instance, x.fence, t.reason
        from executions e cross join (values (x.claimed_at, 2, 3, 'claimed'), (clock(), 3, 2, p_reason)) t (at, from_status, to_status, reason)
        where e.execution_id between x.lo and x.hi and e.execution_id <> all (gone || cancelled);
        delete from live_notes n where n.execution_id between x.lo and x.hi;
        ids := ids || x.limit_ids;
        ns := ns || array(select x.remaining::bigint * coalesce(u.n, 1) from unnest(x.limit_ids, x.limit_ns) with ordinality u (id, n, k) order by u.k);
        ended := ended || cancelled;
        total := total + x.remaining - cardinality(cancelled);
    end loop;
    perform advance_ends_1(ended, 0::smallint);
    -- Not earlier: they say whether anything may follow.
    delete from cancel_requests c where c.execution_id = any (ended);
    perform give_back(ids, ns);
    return total;
end $$;

-- Cuts these executions out of the extents they wait in. For each: was it cut (it is the caller's now, and in no extent: the
-- caller gives it a result or an extent in the same transaction), or is it owned (then its extent is locked until the commit)?
-- What has ended, or never was, is left out.
create function cut(p_id uuid[]) returns table (execution_id uuid, is_cut boolean, extent extents) language plpgsql as $$
declare
    s extents; id uuid; part uuid[]; ids uuid[] := array(select distinct u.id from unnest(p_id) u (id) order by 1); i int := 1; tries int;
begin
    while i <= cardinality(ids) loop
        id := ids[i]; tries := 0;
        loop
            -- While we waited, the extent may have been split, settled or cut: then it is not locked, and nor is a neighbour below it,
            -- which would be out of order. Each look takes a new snapshot, so looking again is enough. Ascending lo, as everybody.
            select * into s from extents x
            where x.lo = (select y.lo from extents y where y.lo <= id order by y.lo desc limit 1) and x.hi >= id for no key update;
            exit when found;
            exit when exists (select 1 from results r where r.execution_id = id) or not exists (select 1 from executions e where e.execution_id = id);
            tries := tries + 1;
            if tries > 100 then raise exception 'execution % is in no extent', id using errcode = 'RL003'; end if;
        end loop;
        if s.lo is null then i := i + 1; continue; end if;
        part := '{}';
        while i <= cardinality(ids) and ids[i] <= s.hi loop
            part := part || ids[i]; i := i + 1;
        end loop;
        if s.owner is null then
            delete from extents d where d.lo = s.lo;
            insert into extents (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, fence, remaining)
            select p.lo, p.hi, s.lane_id, s.rank, s.eligible_at, s.expires_at, s.priority, s.ready, s.fence, p.n from pieces(s.lo, s.hi, part) p;
        end if;
        return query select u.u, s.owner is null, s from unnest(part) u
            where s.owner is null or not exists (select 1 from results r where r.execution_id = u.u);
    end loop;
end $$;

-- Queued or pending: ended as CANCELLED. Running: asked for, and the owner obeys. Each gives a row: with status 8, or null =
-- requested (again and again is harmless). What has ended, or is another tenant's, gives none. p_cascade: of nodes of plans, also cancels 1 what
-- needs them, 2 all that is below them; of others, what waits for their jobs to end, or for those that wait for these in turn.
create function cancel_1(p_tenant int, p_id uuid[], p_actor text, p_reason text, p_cascade smallint default 0)
returns table (execution_id uuid, status smallint, owner int) language plpgsql as $$
#variable_conflict use_column
declare
    cut_ uuid[]; fences int[]; owned uuid[]; owners int[]; claims timestamptz[];
begin
    select array_agg(e.execution_id) into p_id from executions e where e.execution_id = any (p_id) and (p_tenant is null or e.tenant_key = p_tenant);
    if p_id is null then return; end if;
    if p_cascade > 0 then p_id := p_id || waiting_below(p_id, p_cascade); end if;
    select array_agg(c.execution_id) filter (where is_cut), array_agg((c.extent).fence) filter (where is_cut),
           array_agg(c.execution_id) filter (where not is_cut), array_agg((c.extent).owner) filter (where not is_cut),
           array_agg((c.extent).claimed_at) filter (where not is_cut)
    into cut_, fences, owned, owners, claims from cut(p_id) c;
    insert into results (execution_id, status, fence, completed_at, error_code, error_message, actor)
    select u.id, 8, u.fence, clock(), 'CANCELLED', p_reason, p_actor from unnest(cut_, fences) u (id, fence);
    with asked as (
        insert into cancel_requests as c (execution_id, owner, actor, reason, cascades)
        select u.id, u.owner, p_actor, p_reason, p_cascade > 0 from unnest(owned, owners) u (id, owner) order by u.id
        on conflict do nothing returning c.execution_id)
    -- A request that had to wait for the claim is not older than that.
    insert into extra_transitions (execution_id, at, from_status, to_status, actor, reason)
    select a.execution_id, greatest(u.claimed_at, clock()), 3, 3, p_actor, 'cancel requested' || coalesce(': ' || nullif(p_reason, ''), '')
    from asked a join unnest(owned, claims) u (execution_id, claimed_at) using (execution_id);
    perform advance_ends_1(case when p_cascade > 0 then cut_ || owned else cut_ end, p_cascade);
    return query select u.id, 8::smallint, null::int from unnest(cut_) u (id)
        union all select u.id, null, u.owner from unnest(owned, owners) u (id, owner);
end $$;
