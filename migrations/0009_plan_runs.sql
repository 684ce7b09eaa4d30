-- The way of a plan: it is made, it goes on with every end of a node, it ends. The rules are at the head of 0008.

-- Goes on with a plan, of which the caller has locked g: these nodes have ended so (5 to 9), and these are to start. Ends the plan with its last node.
create function advance_plan_1(r plan_runs, g plan_progress, p_no int[], p_outcome smallint[], p_start int[]) returns void language plpgsql as $$
declare
    most constant int := 2000;
    f_no int[] := p_no; f_outcome smallint[] := p_outcome; f_end boolean[] := array_fill(true, array[cardinality(p_no)]); f_tell boolean[];
    e_no int[]; e_outcome smallint[]; e_end boolean[]; x_no int[]; x_what int[]; ready int[] := p_start; start_ int[];
    at constant timestamptz := greatest(clock(), g.told_at);
    x record; i int; block int := -1; st smallint[]; w int[]; done int := 0; started int := 0; ended int := 0; n int; fell smallint;
begin
    if g.status <> 3 then return; end if;
    if g.grown then r.has_maps := true; r.has_refs := true; r.has_ordered := true; end if;
    loop
        while cardinality(ready) > 0 and not g.stopping loop
            -- What is too much for one transaction is left to the next.
            start_ := ready;
            if started + cardinality(ready) > most then
                start_ := ready[1 : greatest(most - started, 0)];
                insert into plan_work (plan_run_id, kind, nodes)
                select r.plan_run_id, 2, array_agg(u.no order by u.k) from unnest(ready[cardinality(start_) + 1 :]) with ordinality u (no, k) group by (u.k - 1) / most;
            end if;
            ready := '{}';
            started := started + cardinality(start_);
            if r.has_maps or r.has_refs or r.has_ordered then
                select f_no || coalesce(array_agg(s.node_no), '{}'), f_outcome || coalesce(array_agg(s.outcome), '{}'), f_end || coalesce(array_agg(true), '{}')
                into f_no, f_outcome, f_end from start_nodes_1(r, at, start_) s;
            elsif cardinality(start_) > 0 then
                perform start_as_they_are_1(r, at, start_);
            end if;
        end loop;
        if cardinality(ready) > 0 then
            f_no := f_no || ready; f_outcome := f_outcome || array_fill(9::smallint, array[cardinality(ready)]); f_end := f_end || array_fill(true, array[cardinality(ready)]);
            ready := '{}';
        end if;
        exit when cardinality(f_no) = 0;
        if done > 0 and done + cardinality(f_no) > 5 * most and true = all (f_end) then
            insert into plan_work (plan_run_id, kind, nodes, outcomes) values (r.plan_run_id, 1, f_no, f_outcome);
            exit;
        end if;
        done := done + cardinality(f_no);

        -- Whom do they tell? One that has failed and has a fallback tells nobody: its fallback will, when it has ended.
        f_tell := array_fill(not g.stopping, array[cardinality(f_no)]);
        e_no := '{}'; e_outcome := '{}'; e_end := '{}'; x_no := '{}'; x_what := '{}';
        if r.has_fallbacks then
            for x in select u.k, u.no, u.outcome, u.is_end, n.fallback_no, n.fallback_of
                     from unnest(f_no, f_outcome, f_end) with ordinality u (no, outcome, is_end, k)
                     cross join lateral (select * from plan_nodes n where n.plan_run_id = r.plan_run_id and n.node_no = u.no limit 1) n
                     where n.fallback_no is not null or n.fallback_of is not null
            loop
                if x.fallback_no is not null and x.is_end and not g.stopping then
                    fell := (select y.states[(x.fallback_no & 127) + 1] from plan_blocks y where y.plan_run_id = r.plan_run_id and y.block_no = x.fallback_no >> 7);
                    if x.outcome in (6, 7) and fell = 0 then
                        f_tell[x.k] := false;
                        x_no := x_no || x.fallback_no; x_what := x_what || 1;
                        f_outcome[x.k] := x.outcome + 10;   -- it has failed, but not for good
                    elsif fell = 0 then
                        x_no := x_no || x.fallback_no; x_what := x_what || 2;
                    end if;
                end if;
                if x.fallback_of is not null and f_tell[x.k] then
                    fell := (select y.states[(x.fallback_of & 127) + 1] from plan_blocks y where y.plan_run_id = r.plan_run_id and y.block_no = x.fallback_of >> 7);
                    if fell in (6, 7) then
                        e_no := e_no || x.fallback_of; e_outcome := e_outcome || case when x.outcome = 5 then 5::smallint else fell end; e_end := e_end || false;
                    end if;
                end if;
            end loop;
        end if;

        -- What becomes of the nodes, block by block: 5 to 9 it has ended so; 2 a need of it will never come about; 1 one has. Ends come first.
        block := -1;
        for x in
            select c.b, c.what, c.places, y.states, y.waits
            from (select t.no >> 7 as b, t.what, array_agg((t.no & 127) + 1) as places
                  from (select u.no, case when u.outcome > 10 then u.outcome - 10 else u.outcome end as what
                        from unnest(f_no, f_outcome, f_end) u (no, outcome, is_end) where u.is_end
                        union all
                        select o.to_no, case when case when o.kind & 7 <> 2 or o.is_gate then o.outcome = 5 else o.outcome <> 9 or o.kind < 8 end
                                                  and (o.condition is null and o.kind & 7 <> 3 or need_holds(r.plan_run_id, o.node_no, o.kind, o.condition)) then 1 else 2 end
                        from (select u.outcome, n.node_no, n.is_gate, unnest(n.out_to) as to_no, unnest(n.out_kind) as kind, unnest(n.out_condition) as condition
                              from unnest(f_no, f_outcome, f_tell) u (no, outcome, tells)
                              cross join lateral (select n.node_no, n.is_gate, n.out_to, n.out_kind, n.out_condition
                                                  from plan_nodes n where n.plan_run_id = r.plan_run_id and n.node_no = u.no limit 1) n
                              where u.tells
                              union all
                              select u.outcome, n.node_no, n.is_gate, a.to_no, a.kind, a.condition
                              from unnest(f_no, f_outcome, f_tell) u (no, outcome, tells)
                              join plan_added_edges a on a.plan_run_id = r.plan_run_id and a.from_no = u.no
                              join plan_nodes n on n.plan_run_id = r.plan_run_id and n.node_no = u.no
                              where u.tells and g.grown) o
                        union all
                        select v.no, v.what from unnest(x_no, x_what) v (no, what)) t
                  group by t.no >> 7, t.what) c
            cross join lateral (select y.states, y.waits from plan_blocks y where y.plan_run_id = r.plan_run_id and y.block_no = c.b limit 1) y
            order by c.b, c.what desc
        loop
            if x.b <> block then
                if block >= 0 then
                    update plan_blocks y set states = st, waits = w where y.plan_run_id = r.plan_run_id and y.block_no = block;
                end if;
                block := x.b; st := x.states; w := x.waits;
            end if;
            if x.what = 1 then
                foreach i in array x.places loop
                    w[i] := w[i] - 1;
                    if w[i] = 0 and st[i] = 0 then
                        st[i] := 3;
                        ready := ready || (block * 128 + i - 1);
                    end if;
                end loop;
            elsif x.what = 2 then
                for i in select distinct u from unnest(x.places) u loop
                    if st[i] = 0 then
                        e_no := e_no || (block * 128 + i - 1); e_outcome := e_outcome || 9::smallint; e_end := e_end || true;
                    end if;
                end loop;
            else
                foreach i in array x.places loop
                    if st[i] < 5 then
                        st[i] := x.what;
                        ended := ended + 1;
                        if x.what = 8 then g.cancelled := g.cancelled + 1; end if;
                    end if;
                end loop;
            end if;
        end loop;
        if block >= 0 then
            update plan_blocks y set states = st, waits = w where y.plan_run_id = r.plan_run_id and y.block_no = block;
        end if;

        n := case when 5 = all (f_outcome) then 0 else (select count(*) from unnest(f_outcome) u (outcome) where u.outcome in (6, 7)) end;
        g.failed := g.failed + n;
        f_no := e_no; f_outcome := e_outcome; f_end := e_end;
        if n > 0 and r.fail_fast and not g.stopping then
            g.stopping := true;
            ended := ended + skip_waiting_1(r.plan_run_id, 9::smallint);
            -- Nobody is told any more; those that a fallback has just failed to stand in for have failed too.
            g.failed := g.failed + (select count(*) from unnest(f_outcome, f_end) u (outcome, is_end) where not u.is_end and u.outcome in (6, 7));
            f_no := '{}'; f_outcome := '{}'; f_end := '{}';
            insert into plan_work (plan_run_id, kind) values (r.plan_run_id, 4);
            g.cancelled_by := 'plan'; g.cancel_reason := 'a node has failed, and the plan says on_failure: fail_fast';
        end if;
    end loop;
    g.unended := g.unended - ended;
    update plan_progress p
    set unended = g.unended, failed = g.failed, cancelled = g.cancelled, stopping = g.stopping, cancelled_by = g.cancelled_by, cancel_reason = g.cancel_reason,
        status = case when g.unended > 0 then 3 when g.cancelled_at is not null then 8 when g.failed > 0 or g.stopping then 6 when g.cancelled > 0 then 8 else 5 end,
        ended_at = case when g.unended = 0 then at end, told_at = at
    where p.plan_run_id = r.plan_run_id;
end $$;

-- Ends all nodes of a plan that still wait. Returns how many those were.
create function skip_waiting_1(p_run uuid, p_outcome smallint) returns int language sql volatile as $$
    with waiting as (
        select y.block_no, array_agg(case when u.s = 0 then p_outcome else u.s end order by u.k) as states, count(*) filter (where u.s = 0) as n
        from plan_blocks y cross join lateral unnest(y.states) with ordinality u (s, k) where y.plan_run_id = p_run and 0 = any (y.states) group by y.block_no),
    made as (update plan_blocks y set states = x.states from waiting x where y.plan_run_id = p_run and y.block_no = x.block_no returning x.n)
    select coalesce(sum(n), 0)::int from made $$;

-- These executions have ended, or (p_cascade > 0) are to be cancelled with what is downstream: 1 what needs them, 2 all below. Called by whatever ends
-- attempts, in its transaction, after its locks on extents. p_status: how they have ended, where the caller knows it and none of them has a next attempt; else
-- what has one is passed over, as it has not ended for its plan. Returns whether one of them has an ordering key.
create function plans_advance_1(p_id uuid[], p_cascade smallint, p_status smallint[] default null) returns boolean language plpgsql
    set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
    x record; r plan_runs; g plan_progress; nos int[]; outcomes smallint[]; m record; ordered boolean := false;
begin
    if p_status is null then
        select array_agg(u.id), array_agg(z.status) into p_id, p_status
        from unnest(p_id) u (id)
        left join lateral (select y.status, y.next_execution_id from results y where y.execution_id = u.id limit 1) z on true
        where z.next_execution_id is null;
    end if;
    for x in
        select e.plan_run_id, array_agg(e.node_no) as nos, array_agg(u.status) as outcomes, array_agg(e.item_no) as items, bool_or(e.item_no is not null) as mapped,
               bool_or(e.ordering_key is not null) as ordered
        from unnest(p_id, p_status) u (id, status)
        cross join lateral (select e.plan_run_id, e.node_no, e.item_no, e.ordering_key from executions e where e.execution_id = u.id limit 1) e
        group by e.plan_run_id order by e.plan_run_id
    loop
        ordered := ordered or x.ordered;
        continue when x.plan_run_id is null;
        select * into g from plan_progress p where p.plan_run_id = x.plan_run_id for no key update;
        continue when g.status is distinct from 3;
        select * into r from plan_runs p where p.plan_run_id = x.plan_run_id;
        if p_cascade > 0 and not g.stopping then perform cancel_downstream_1(r, g, x.nos, p_cascade); end if;
        nos := x.nos; outcomes := x.outcomes;
        if x.mapped or p_cascade > 0 then
            select coalesce(array_agg(u.no), '{}'), coalesce(array_agg(u.outcome), '{}') into nos, outcomes
            from unnest(x.nos, x.outcomes, x.items) u (no, outcome, item) where u.item is null and u.outcome is not null;
        end if;
        if x.mapped then
            for m in
                update plan_maps y set ended = y.ended + c.n, failed = y.failed + c.failed, cancelled = y.cancelled + c.cancelled,
                    ended_at = case when y.ended + c.n = y.total then greatest(clock(), g.told_at) end
                from (select u.no, count(*)::int as n, count(*) filter (where u.outcome in (6, 7))::int as failed, count(*) filter (where u.outcome = 8)::int as cancelled
                      from unnest(x.nos, x.outcomes, x.items) u (no, outcome, item) where u.item is not null and u.outcome is not null group by u.no) c
                where y.plan_run_id = x.plan_run_id and y.node_no = c.no
                returning y.node_no, y.ended = y.total as is_over, case when y.failed > 0 then 6 when y.cancelled > 0 then 8 else 5 end::smallint as outcome
            loop
                if m.is_over then nos := nos || m.node_no; outcomes := outcomes || m.outcome; end if;
            end loop;
        end if;
        if cardinality(nos) > 0 then
            -- The cascade has changed it.
            if p_cascade > 0 then select * into g from plan_progress p where p.plan_run_id = x.plan_run_id; end if;
            perform advance_plan_1(r, g, nos, outcomes, '{}');
        elsif x.mapped then
            update plan_progress p set told_at = greatest(p.told_at, clock()) where p.plan_run_id = x.plan_run_id;
        end if;
    end loop;
    return ordered;
end $$;

-- Cancels the nodes that wait for these: 1 those that need them, 2 all below them.
create function cancel_downstream_1(r plan_runs, g plan_progress, p_no int[], p_cascade smallint) returns void language plpgsql as $$
declare
    below int[];
begin
    with recursive reach as (
        select u.no, 0 as depth from unnest(p_no) u (no)
        union
        select o.to_no, least(w.depth + 1, 1) from reach w
        cross join lateral (select u.to_no from plan_nodes n cross join lateral unnest(n.out_to) u (to_no) where n.plan_run_id = r.plan_run_id and n.node_no = w.no
                            union all select a.to_no from plan_added_edges a where a.plan_run_id = r.plan_run_id and a.from_no = w.no
                            union all select n.fallback_no from plan_nodes n where n.plan_run_id = r.plan_run_id and n.node_no = w.no and n.fallback_no is not null) o
        where p_cascade = 2 or w.depth = 0)
    select array_agg(distinct w.no) into below
    from reach w join plan_blocks y on y.plan_run_id = r.plan_run_id and y.block_no = w.no >> 7
    where w.depth > 0 and y.states[(w.no & 127) + 1] = 0 and w.no <> all (p_no);
    if below is not null then
        perform advance_plan_1(r, g, below, array_fill(8::smallint, array[cardinality(below)]), '{}');
    end if;
end $$;

-- ---- from outside

-- Stores a plan run and starts the nodes that need nothing. The nodes are in the order of their numbers; p_to, p_kind: arrays as text; p_condition: the same as
-- JSON. p_kept_run, p_kept_no: nodes of earlier runs whose results stand for these. p_parent: the run of a composite job: where a plan run of it is under
-- way, that one is the answer. p_key: a repeated request is answered with the first run; another request with the key is RL409.
create function create_plan_run_1(
    p_run uuid, p_tenant int, p_plan int, p_plan_version int, p_rerun_of uuid, p_parent uuid, p_definition json, p_parameters json, p_fail_fast boolean, p_age real,
    p_correlation text, p_trace text, p_tags jsonb, p_submitter text, p_contract text, p_approval text, p_key text, p_request jsonb, p_key_ttl interval,
    p_node_id text[], p_job int[], p_job_version int[], p_lane int[], p_priority smallint[], p_wait_ms bigint[], p_gate smallint[], p_layer int[], p_needs int[],
    p_fallback int[], p_fallback_of int[], p_node_parameters json[], p_refs text[], p_for_each text[], p_node_tags text[], p_to text[], p_kind text[], p_condition text[],
    p_kept_run uuid[], p_kept_no int[],
    out plan_run_id uuid, out replayed boolean) language plpgsql
    set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
    r plan_runs; g plan_progress; k plan_run_keys; h bigint; h2 bigint; kept int[]; roots int[];
begin
    plan_run_id := p_run; replayed := false;
    if p_parent is not null then
        -- An attempt of the composite job that has been given up may still be at it.
        perform pg_advisory_xact_lock(1919906156, hashtext(p_parent::text));
        select x.plan_run_id into plan_run_id from plan_runs x join plan_progress g using (plan_run_id) where x.parent_run_id = p_parent and g.status = 3;
        if found then replayed := true; return; end if;
        plan_run_id := p_run;
    end if;
    if p_key is not null then
        h := jsonb_hash_extended(p_request, 0); h2 := jsonb_hash_extended(p_request, 1);
        insert into plan_run_keys as i (tenant_key, key, hash, hash2, plan_run_id, expires_at) values (p_tenant, p_key, h, h2, p_run, clock() + p_key_ttl)
        on conflict (tenant_key, key) do update set hash = excluded.hash, hash2 = excluded.hash2, plan_run_id = excluded.plan_run_id, expires_at = excluded.expires_at
        where i.expires_at <= clock();
        if not found then
            select * into k from plan_run_keys x where x.tenant_key = p_tenant and x.key = p_key;
            if (k.hash, k.hash2) is distinct from (h, h2) then raise exception 'the key was used before with another request' using errcode = 'RL409'; end if;
            plan_run_id := k.plan_run_id; replayed := true;
            return;
        end if;
    end if;
    insert into plan_runs (plan_run_id, tenant_key, plan_key, plan_version, rerun_of, parent_run_id, definition, parameters, fail_fast, has_fallbacks, has_maps, has_refs,
                           has_ordered, age, correlation_id, trace_parent, tags, submitter, contract_ref, approval_ref)
    values (p_run, p_tenant, p_plan, p_plan_version, p_rerun_of, p_parent, p_definition, p_parameters, p_fail_fast,
            exists (select from unnest(p_fallback) u (no) where u.no is not null), exists (select from unnest(p_for_each) u (t) where u.t is not null),
            exists (select from unnest(p_refs) u (t) where u.t is not null),
            exists (select from (select distinct u.job, u.version from unnest(p_job, p_job_version) u (job, version)) u
                    join job_versions v on v.job_key = u.job and v.version = u.version where v.ordering_path is not null),
            p_age, p_correlation, p_trace, p_tags, p_submitter, p_contract, p_approval) returning * into r;
    insert into plan_nodes (plan_run_id, node_no, node_id, job_key, job_version, lane_id, priority, wait_ms, is_gate, layer, needs, fallback_no, fallback_of, parameters,
                            refs, for_each, tags, out_to, out_kind, out_condition, kept_run, kept_no)
    select p_run, u.k - 1, u.node_id, u.job, u.version, u.lane, u.priority, u.wait_ms, u.gate = 1, u.layer, u.needs, u.fallback, u.fallback_of, u.parameters, u.refs::jsonb,
           u.for_each::jsonb, u.tags::jsonb, u.out_to::int[], u.out_kind::smallint[],
           case when u.condition is not null then array(select c #>> '{}' from jsonb_array_elements(u.condition::jsonb) with ordinality e (c, k) order by e.k) end, u.kept_run, u.kept_no
    from unnest(p_node_id, p_job, p_job_version, p_lane, p_priority, p_wait_ms, p_gate, p_layer, p_needs, p_fallback, p_fallback_of, p_node_parameters, p_refs, p_for_each,
                p_node_tags, p_to, p_kind, p_condition, p_kept_run, p_kept_no) with ordinality
         u (node_id, job, version, lane, priority, wait_ms, gate, layer, needs, fallback, fallback_of, parameters, refs, for_each, tags, out_to, out_kind, condition, kept_run, kept_no, k);
    insert into plan_blocks (plan_run_id, block_no, states, waits)
    select p_run, (u.k - 1) / 128, array_agg(0::smallint), array_agg(u.needs order by u.k) from unnest(p_needs) with ordinality u (needs, k) group by (u.k - 1) / 128;
    insert into plan_progress (plan_run_id, nodes, unended) values (p_run, cardinality(p_node_id), cardinality(p_node_id)) returning * into g;
    kept := array(select u.k - 1 from unnest(p_kept_run) with ordinality u (id, k) where u.id is not null order by u.k);
    roots := array(select u.k - 1 from unnest(p_needs) with ordinality u (needs, k) where u.needs = 0 and u.k - 1 <> all (kept) order by u.k);
    perform release_1(p_run, roots);
    perform advance_plan_1(r, g, kept, array_fill(5::smallint, array[cardinality(kept)]), roots);
    perform advance_order_1('{}', '{}');
end $$;

-- Marks nodes that are to start as released.
create function release_1(p_run uuid, p_no int[]) returns void language plpgsql as $$
declare
    x record; st smallint[]; no int;
begin
    for x in select u.no >> 7 as block_no, array_agg(u.no) as nos from unnest(p_no) u (no) group by u.no >> 7 loop
        select y.states into st from plan_blocks y where y.plan_run_id = p_run and y.block_no = x.block_no;
        foreach no in array x.nos loop st[(no & 127) + 1] := 3; end loop;
        update plan_blocks y set states = st where y.plan_run_id = p_run and y.block_no = x.block_no;
    end loop;
end $$;

-- Does an instance hold this execution, which has not ended?
create function is_owned(p_id uuid) returns boolean language sql stable as $$
    select coalesce((select x.owner is not null from extents x where x.lo <= p_id order by x.lo desc limit 1), false) $$;

-- Is this execution queued, or waiting, with nobody at it?
create function waits_for_start(p_id uuid) returns boolean language sql stable as $$
    select not exists (select from results z where z.execution_id = p_id) and not is_owned(p_id) $$;

-- Goes on with what was left to do for some plan, or for what waits (0011). false: there is nothing, or others are at it.
create function plan_step_1() returns boolean language plpgsql set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
    w plan_work; r plan_runs; g plan_progress; page record; live uuid[]; outcome smallint;
begin
    delete from plan_work x where x.work_id = (select y.work_id from plan_work y order by y.work_id limit 1 for update skip locked) returning * into w;
    if not found then return false; end if;
    if w.plan_run_id is null then
        perform follow_up_1(w);
        return true;
    end if;
    select * into r from plan_runs p where p.plan_run_id = w.plan_run_id;
    if w.kind = 8 then
        perform stop_over_budget_1(w.plan_run_id, w.ids);
        return true;
    elsif w.kind = 9 and cardinality(w.ids) > 0 then
        select * into g from plan_progress p where p.plan_run_id = w.plan_run_id;
        live := array(select u.id from unnest(w.ids) u (id) where waits_for_start(u.id));
        if cardinality(live) > 0 then
            perform from cancel_1(null, live, coalesce(g.cancelled_by, 'plan'), coalesce(g.cancel_reason, ''), 0::smallint);
        end if;
        return true;
    elsif w.kind in (4, 9) then
        -- Not under the lock of the plan: extents come before it.
        select * into g from plan_progress p where p.plan_run_id = w.plan_run_id;
        select max(e.node_no) as node_no, (array_agg(e.execution_id order by e.node_no desc, e.execution_id desc))[1] as id,
               array_agg(e.execution_id) filter (where e.live) as live
        into page
        from (select e.node_no, e.execution_id, not exists (select from results z where z.execution_id = e.execution_id)
                     and not exists (select from cancel_requests c where c.execution_id = e.execution_id)
                     and (w.kind = 4 or not is_owned(e.execution_id)) as live
              from executions e where e.plan_run_id = w.plan_run_id and (e.node_no, e.execution_id) > (w.at_node, w.at_id)
              order by e.node_no, e.execution_id limit 1000) e;
        if page.live is not null then
            perform from cancel_1(null, page.live, coalesce(g.cancelled_by, 'plan'), coalesce(g.cancel_reason, ''), 0::smallint);
        end if;
        if page.node_no is not null then
            insert into plan_work (plan_run_id, kind, at_node, at_id) values (w.plan_run_id, w.kind, page.node_no, page.id);
        elsif w.kind = 4 and exists (select from executions e where e.plan_run_id = w.plan_run_id and not exists (select from results z where z.execution_id = e.execution_id)
                      and not exists (select from cancel_requests c where c.execution_id = e.execution_id)) then
            -- A next attempt that was made while we walked.
            insert into plan_work (plan_run_id, kind) values (w.plan_run_id, 4);
        end if;
        return true;
    end if;
    select * into g from plan_progress p where p.plan_run_id = w.plan_run_id for no key update;
    if g.status <> 3 then return true; end if;
    r.has_ordered := r.has_ordered or g.grown;
    if w.kind = 1 then
        perform advance_plan_1(r, g, w.nodes, w.outcomes, '{}');
    elsif w.kind = 2 then
        perform advance_plan_1(r, g, '{}', '{}', w.nodes);
    else
        outcome := start_items_1(r, greatest(clock(), g.told_at), w.nodes[1], g.stopping);
        if outcome is not null then perform advance_plan_1(r, g, w.nodes, array[outcome], '{}'); end if;
    end if;
    perform advance_order_1('{}', '{}');
    return true;
end $$;

-- Cancels a plan run: nothing starts any more, and what runs or waits is cancelled by plan_step_1. Its status before; null: there is none.
create function cancel_plan_1(p_tenant int, p_run uuid, p_actor text, p_reason text) returns smallint language plpgsql set enable_seqscan = off as $$
declare
    r plan_runs; g plan_progress; n int;
begin
    select * into r from plan_runs p where p.plan_run_id = p_run and p.tenant_key = p_tenant;
    if not found then return null; end if;
    select * into g from plan_progress p where p.plan_run_id = p_run for no key update;
    if g.status <> 3 or g.cancelled_at is not null then return g.status; end if;
    n := skip_waiting_1(p_run, 8::smallint);
    update plan_progress p set stopping = true, cancelled_at = clock(), cancelled_by = p_actor, cancel_reason = p_reason, unended = p.unended - n, cancelled = p.cancelled + n
    where p.plan_run_id = p_run returning * into g;
    insert into plan_work (plan_run_id, kind) values (p_run, 4);
    perform advance_plan_1(r, g, '{}', '{}', '{}');
    perform advance_order_1('{}', '{}');
    return 3::smallint;
end $$;

-- Adds nodes to a plan run that is under way. As in create_plan_run_1; edges from nodes that are there come by themselves. Returns p_base,
-- the number of the first; null: there are other nodes now, and nothing was done;
-- RL409: it does not run any more, or a node of this name is there.
create function add_plan_nodes_1(
    p_run uuid, p_node_id text[], p_job int[], p_job_version int[], p_lane int[], p_priority smallint[], p_wait_ms bigint[], p_gate smallint[], p_layer int[], p_needs int[],
    p_node_parameters json[], p_refs text[], p_for_each text[], p_node_tags text[], p_to text[], p_kind text[], p_condition text[],
    p_edge_from int[], p_edge_to int[], p_edge_kind smallint[], p_edge_condition text[], p_base int) returns int language plpgsql set enable_seqscan = off as $$
declare
    r plan_runs; g plan_progress; x record; waits_ int[] := p_needs; ready int[]; dead int[] := '{}'; base int := p_base; st smallint; taken text;
begin
    select * into r from plan_runs p where p.plan_run_id = p_run;
    select * into g from plan_progress p where p.plan_run_id = p_run for no key update;
    if g.status <> 3 or g.stopping then raise exception 'the plan run has ended, or is being stopped' using errcode = 'RL409'; end if;
    if g.nodes <> p_base then return null; end if;
    taken := (select n.node_id from plan_nodes n where n.plan_run_id = p_run and n.node_id = any (p_node_id) limit 1);
    if taken is not null then raise exception 'a node % is there already', taken using errcode = 'RL409'; end if;
    insert into plan_nodes (plan_run_id, node_no, node_id, job_key, job_version, lane_id, priority, wait_ms, is_gate, layer, needs, parameters, refs, for_each, tags,
                            out_to, out_kind, out_condition)
    select p_run, base + u.k - 1, u.node_id, u.job, u.version, u.lane, u.priority, u.wait_ms, u.gate = 1, u.layer, u.needs, u.parameters, u.refs::jsonb, u.for_each::jsonb,
           u.tags::jsonb, array(select base + t from unnest(u.out_to::int[]) with ordinality e (t, k) order by e.k), u.out_kind::smallint[],
           case when u.condition is not null then array(select c #>> '{}' from jsonb_array_elements(u.condition::jsonb) with ordinality e (c, k) order by e.k) end
    from unnest(p_node_id, p_job, p_job_version, p_lane, p_priority, p_wait_ms, p_gate, p_layer, p_needs, p_node_parameters, p_refs, p_for_each, p_node_tags, p_to, p_kind,
                p_condition) with ordinality
         u (node_id, job, version, lane, priority, wait_ms, gate, layer, needs, parameters, refs, for_each, tags, out_to, out_kind, condition, k);
    insert into plan_added_edges (plan_run_id, from_no, to_no, kind, condition)
    select p_run, u.f, base + u.t, u.kind, u.condition from unnest(p_edge_from, p_edge_to, p_edge_kind, p_edge_condition) u (f, t, kind, condition);
    -- What has ended before tells nobody again: these edges are looked at now.
    for x in select u.f, u.t, u.kind, u.condition, n.is_gate, n.fallback_no from unnest(p_edge_from, p_edge_to, p_edge_kind, p_edge_condition) u (f, t, kind, condition)
             join plan_nodes n on n.plan_run_id = p_run and n.node_no = u.f
    loop
        st := node_outcome(p_run, x.f, x.fallback_no);
        continue when st is null;
        if (case when x.kind & 7 <> 2 or x.is_gate then st = 5 else st <> 9 or x.kind < 8 end)
           and ((x.condition is null and x.kind & 7 <> 3) or need_holds(p_run, x.f, x.kind, x.condition)) then
            waits_[x.t + 1] := waits_[x.t + 1] - 1;
        else
            dead := dead || (base + x.t);
        end if;
    end loop;
    for x in select (base + u.k - 1)::int >> 7 as block_no, array_agg(0::smallint) as states, array_agg(u.w order by u.k) as waits
             from unnest(waits_) with ordinality u (w, k) group by (base + u.k - 1)::int >> 7
    loop
        insert into plan_blocks as y (plan_run_id, block_no, states, waits) values (p_run, x.block_no, x.states, x.waits)
        on conflict (plan_run_id, block_no) do update set states = y.states || excluded.states, waits = y.waits || excluded.waits;
    end loop;
    update plan_progress p set nodes = p.nodes + cardinality(p_node_id), unended = p.unended + cardinality(p_node_id), grown = true
    where p.plan_run_id = p_run returning * into g;
    ready := array(select (base + u.k - 1)::int from unnest(waits_) with ordinality u (w, k) where u.w = 0 and (base + u.k - 1)::int <> all (dead) order by u.k);
    perform release_1(p_run, ready);
    dead := array(select distinct u from unnest(dead) u);
    perform advance_plan_1(r, g, dead, array_fill(9::smallint, array[cardinality(dead)]), ready);
    perform advance_order_1('{}', '{}');
    -- There is something to stop again.
    update plan_overdrafts o set looked_at = null
    from (select y.owner_key, y.policy_id from plan_overdrafts y where y.plan_run_id = p_run and y.looked_at is not null order by y.owner_key, y.policy_id for no key update) y
    where o.plan_run_id = p_run and o.owner_key = y.owner_key and o.policy_id = y.policy_id;
    return base;
end $$;

-- How a node has ended for those that need it: as its fallback did, where that stood in; null: not yet.
create function node_outcome(p_run uuid, p_no int, p_fallback int) returns smallint language plpgsql stable as $$
declare
    st smallint := (select y.states[(p_no & 127) + 1] from plan_blocks y where y.plan_run_id = p_run and y.block_no = p_no >> 7);
begin
    if st in (6, 7) and p_fallback is not null then
        return (select case when f.outcome = 5 then 5 when f.outcome is null then null else st end
                from (select node_outcome(p_run, p_fallback, (select n.fallback_no from plan_nodes n where n.plan_run_id = p_run and n.node_no = p_fallback)) as outcome) f);
    end if;
    return case when st >= 5 then st end;
end $$;
