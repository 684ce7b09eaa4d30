-- Instances: leases, what each of them may start, the tick, and the takeover of what a dead one owned.

-- Makes the row of an incarnation, and the limits that hold it alone: p_handlers {"process": 4}, and p_capacity {"cpu_cores": 4000 (thousandths), "memory_mb": 8192},
-- where there is no more than that. They are limits like others (0004): taken with the owner, given back with the end, by whatever that comes about. p_was: the
-- incarnation of the same process before this one, or 0: one that was asked to take no more work is not asked twice.
create function join_cluster_1(p_ttl interval, p_hostname text, p_pid int, p_version text, p_address text, p_parallelism int,
                               p_labels jsonb default '{}', p_handlers jsonb default '{}', p_capacity jsonb default '{}', p_was int default 0) returns int language plpgsql as $$
declare
    id int;
begin
    insert into instances (lease_until, hostname, pid, version, address, parallelism, labels, draining_at, drained_by, drain_reason)
    select clock() + p_ttl, p_hostname, p_pid, p_version, p_address, p_parallelism, nullif(p_labels, '{}'), was.draining_at, was.drained_by, was.drain_reason
    from (select p_was as instance_id) x left join instances was using (instance_id) returning instance_id into id;
    if p_handlers <> '{}' or p_capacity <> '{}' then
        with made as (
            insert into limits (scope, key, max_running)
            select 'instance_handler', id || ' ' || h.key, h.value::int from jsonb_each_text(p_handlers) h
            union all select 'instance_' || c.key, id::text, c.value::int from jsonb_each_text(p_capacity) c
            order by 1, 2 returning limit_id, scope, key)
        update instances i
        set confines = (select array_agg(m.limit_id order by m.limit_id) from made m),
            handler_limits = (select jsonb_object_agg(split_part(m.key, ' ', 2), m.limit_id) from made m where m.scope = 'instance_handler'),
            capacity_limits = case when p_capacity <> '{}' then (
                select array_agg(m.limit_id order by r.k) from unnest(resource_scopes()) with ordinality r (scope, k) left join made m on m.scope = replace(r.scope, 'pool', 'instance')) end
        where i.instance_id = id;
    end if;
    return id;
end $$;

-- Admission rules (pause, limits) are read under a shared advisory lock and changed under the exclusive one. So a pause
-- that has returned holds: no claim that read the rules before it is still under way. Nothing is written for it.
-- Returns the instance, as it is now.
create function read_rules(p_instance int) returns instances language plpgsql as $$
declare
    here instances;
begin
    perform pg_advisory_xact_lock_shared(1919906155, 1);
    -- KEY SHARE lets the lease be renewed, but keeps declare_dead (FOR UPDATE) away until this commit: an instance that
    -- has been declared dead can never be found to own an extent that nobody takes over.
    select i.* into here from instances i where i.instance_id = p_instance and i.state = 'ALIVE' and i.lease_until > clock() for key share;
    if not found then
        raise exception 'instance % has no lease', p_instance using errcode = 'RL001';
    end if;
    return here;
end $$;

-- Has it the labels that are asked for, and could it ever have so much of each resource?
create function can_run(i instances, p_placement jsonb, p_request int[]) returns boolean language sql stable as $$
    select coalesce(p_placement is null or p_placement <@ i.labels, false)
       and not exists (select from unnest(i.capacity_limits) with ordinality c (id, k) cross join lateral newest_limit(c.id) m where m.max_running < p_request[c.k]) $$;

-- The rules of these lanes where something limits the instance alone: its limits come after those of the lane. p_rules: what holds the lanes anywhere.
create function confined_rules(i instances, p_lanes int[], p_rules lane_rule[]) returns lane_rule[] language sql stable as $$
    select array_agg(row(x.lane_id, x.ids || x.more, case when x.more is null then x.ns else x.ns || array_fill(1, array[cardinality(x.ids) - cardinality(x.ns)]) || x.more_ns end)::lane_rule)
    from (select l.lane_id, coalesce(r.limit_ids, '{}') as ids, case when m.more is null then r.limit_ns else coalesce(r.limit_ns, '{}') end as ns, m.more, m.more_ns
          from (select distinct u.id from unnest(p_lanes) u (id)) u
          cross join lateral (select l.lane_id, l.handler, l.request from lanes l where l.lane_id = u.id limit 1) l
          left join (select distinct on (r.lane_id) r.lane_id, r.limit_ids, r.limit_ns from unnest(p_rules) r order by r.lane_id) r on r.lane_id = u.id
          cross join lateral (
              select array_agg(c.id order by c.k) as more, array_agg(c.n order by c.k) as more_ns
              from (select (i.handler_limits ->> l.handler)::int as id, 1 as n, 0 as k where i.handler_limits ? l.handler
                    union all select c.id, l.request[c.k], c.k::int from unnest(i.capacity_limits) with ordinality c (id, k) where c.id is not null and l.request[c.k] > 0) c) m) x
    where cardinality(x.ids) > 0 or x.more is not null $$;

-- For a claim: the same, without the lanes that have reached one of those limits.
create function confine_1(i instances, p_lanes int[], p_froms timestamptz[], p_groups int[], p_rules lane_rule[], out lanes_ int[], out froms timestamptz[], out groups int[],
                          out rules lane_rule[])
language plpgsql stable as $$
declare
    full_ int[];
begin
    if p_lanes is null then return; end if;
    rules := confined_rules(i, p_lanes, p_rules);
    full_ := array(select r.lane_id from unnest(rules) r cross join lateral unnest(r.limit_ids, r.limit_ns) u (id, n) cross join lateral newest_limit(u.id) m
                   where u.id = any (i.confines) and is_reached(m, coalesce(u.n, 1)));
    select array_agg(u.lane_id), array_agg(u.from_rank), array_agg(u.grp) into lanes_, froms, groups from unnest(p_lanes, p_froms, p_groups) u (lane_id, from_rank, grp) where u.lane_id <> all (full_);
end $$;

-- Asks an instance to take no more work, or to take it again; it is noted once, by whom. Null: there is no such instance; false: it is not alive. Who waits for its
-- row afterwards (FOR UPDATE) waits for the claims that have not seen this.
create function drain_1(p_instance int, p_drains boolean, p_author text, p_reason text) returns boolean language plpgsql as $$
declare
    i instances;
begin
    select * into i from instances x where x.instance_id = p_instance for no key update;
    if not found then return null; end if;
    if i.state <> 'ALIVE' or i.lease_until <= clock() then return false; end if;
    if p_drains = (i.draining_at is not null) then return true; end if;
    update instances x set draining_at = case when p_drains then clock() end, drained_by = case when p_drains then p_author end, drain_reason = case when p_drains then p_reason end
    where x.instance_id = p_instance;
    insert into instance_actions (instance_id, action, author, reason) values (p_instance, case when p_drains then 'DRAIN' else 'RESUME' end, p_author, p_reason);
    return true;
end $$;

-- A clean leave: the instance owns nothing any more.
create function leave_cluster_1(p_instance int) returns boolean language plpgsql as $$
begin
    -- FOR UPDATE waits for a claim that is still under way in the server, though its caller has given it up. (An update of the state
    -- alone would not conflict with its KEY SHARE.) What it took is then seen by the next statement.
    perform 1 from instances i where i.instance_id = p_instance for update;
    update instances i set state = 'GONE', ended_at = clock() where i.instance_id = p_instance and i.state = 'ALIVE'
        and not exists (select 1 from extents s where s.owner = i.instance_id);
    if not found then return false; end if;
    perform drop_kept_1(array[p_instance]);
    delete from limits l using instances i where i.instance_id = p_instance and l.limit_id = any (i.confines);
    return true;
end $$;

-- SKIP LOCKED: an instance with a claim under way is left for the next round; takeover never waits for the dead.
-- p_sole: the only instance of the database says so; whatever else is there died with an earlier server.
create function declare_dead_1(p_instance int, p_sole boolean) returns int language sql volatile as $$
    with dead as (
        update instances set state = 'DEAD', ended_at = clock()
        where instance_id in (select instance_id from instances
                              where state = 'ALIVE' and instance_id <> p_instance and (p_sole or lease_until < clock())
                              order by instance_id limit 16 for update skip locked)
        returning 1)
    select count(*)::int from dead $$;

-- Ends at most p_budget executions of dead instances as lost and makes their next attempts, eligible at once. Each call is whole in
-- itself: a crash between two leaves a shorter queue of the same work. Any number of instances may call it at once. Returns how
-- many it ended; 0 and no extent of a dead instance left: that instance is gone.
-- A run goes on while its attempts last; that of an `idempotent` job through up to 20 losses, which do not count as attempts. p_kept: how long the
-- dead letter of a run that ends by this is kept, where its job does not say.
create function takeover_1(p_instance int, p_age real, p_kept interval, p_budget int) returns int language plpgsql
    set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$      -- see settle_1
declare
    x record; ids uuid[]; all_id uuid[] := '{}'; all_fence int[] := '{}'; all_owner int[] := '{}'; all_started timestamptz[] := '{}';
    keys int[] := '{}'; ns bigint[] := '{}'; n int; total int := 0; again uuid[]; nexts uuid[]; kept bigint[]; gone_ int[];
    lanes_ int[]; seconds_ float8[]; costs float8[]; uses plan_use[];
begin
    for x in
        select s.* from instances i join extents s on s.owner = i.instance_id where i.state = 'DEAD'
        order by s.lo limit 200 for no key update of s skip locked
    loop
        exit when total >= p_budget;
        ids := array(select e.execution_id from executions e where e.execution_id between x.lo and x.hi
                     and not exists (select 1 from results r where r.execution_id = e.execution_id)
                     order by e.execution_id limit p_budget - total);
        n := cardinality(ids);
        if n = x.remaining then
            delete from extents d where d.lo = x.lo;
        else
            -- From here on the old owner's settles are lost, although the extent is still in its name.
            update extents d set fence = d.fence + 1, remaining = d.remaining - n where d.lo = x.lo;
        end if;
        all_id := all_id || ids; all_fence := all_fence || array_fill(x.fence + 1, array[n]); all_owner := all_owner || array_fill(x.owner, array[n]);
        all_started := all_started || array_fill(x.claimed_at, array[n]);
        keys := keys || x.limit_ids; ns := ns || array(select n::bigint * coalesce(u.each, 1) from unnest(x.limit_ids, x.limit_ns) with ordinality u (id, each, k) order by u.k);
        total := total + n;
    end loop;
    if total > 0 then
        select array_agg(g.id), array_agg(g.next) into again, nexts
        from next_ids(array(
            select e.execution_id from unnest(all_id) u (id)
            cross join lateral (select * from executions e where e.execution_id = u.id) e
            join job_versions j on j.job_key = e.job_key and j.version = e.job_version
            where j.retry_lost and case when j.idempotent then e.lost_count < 20 else e.attempt_number < j.max_attempts end
              and not exists (select 1 from cancel_requests c where c.execution_id = u.id))) g;
        insert into results (execution_id, status, instance_id, fence, started_at, completed_at, error_code, error_message, next_execution_id, actor)
        select u.id, case when c.execution_id is not null then 8 else 6 end, u.owner, u.fence, u.started, greatest(u.started, clock()),
               case when c.execution_id is not null then 'CANCELLED' else 'LEASE_LOST' end,
               case when c.execution_id is not null then c.reason else 'instance ' || u.owner || ' was lost while this ran' end, n.next,
               case when c.execution_id is not null then c.actor else 'takeover by instance:' || p_instance end
        from unnest(all_id, all_fence, all_owner, all_started) u (id, fence, owner, started)
        left join cancel_requests c on c.execution_id = u.id
        left join unnest(again, nexts) n (id, next) on n.id = u.id;
        -- What was lost together is retried together: one extent, not one an execution.
        perform queue_attempts_1(p_age, again, nexts, 1::smallint);
        kept := dead_letters_kept(all_id, p_kept);
        perform record_failures_1(f.ids, array_fill(1::smallint, array[cardinality(f.ids)]), null, f.kept, f.nexts)
        from (select array_agg(u.id) as ids, array_agg(u.kept) as kept, array_agg(r.next_execution_id) as nexts
              from unnest(all_id, kept) u (id, kept)
              cross join lateral (select r.next_execution_id from results r where r.execution_id = u.id and r.status = 6) r) f where f.ids is not null;
        perform advance_ends_1(all_id, 0::smallint);
        delete from live_notes where execution_id = any (all_id);
        delete from cancel_requests where execution_id = any (all_id);
        -- As settle_1 does it.
        if exists (select from policies p where p.per <> 'run') then
            select array_agg(e.lane_id order by u.k), array_agg(extract(epoch from greatest(clock() - u.started, interval '0'))::float8 order by u.k), array_agg(0::float8)
            into lanes_, seconds_, costs from unnest(all_id, all_started) with ordinality u (id, started, k)
            cross join lateral (select e.lane_id from executions e where e.execution_id = u.id limit 1) e;
            uses := plan_uses_1(all_id, seconds_, costs);
        end if;
        perform give_back(keys, ns);
        if lanes_ is not null then
            perform count_days_1(lanes_, seconds_, costs);
            perform count_plans_1(uses);
        end if;
    else
        with gone as (
            update instances i set state = 'GONE' where i.state = 'DEAD' and not exists (select 1 from extents s where s.owner = i.instance_id) returning i.instance_id, i.confines),
        unconfined as (delete from limits l using gone g where l.limit_id = any (g.confines))
        select array_agg(g.instance_id) into gone_ from gone g;
        -- What it kept was kept until the last of what it owned was taken over.
        perform drop_kept_1(gone_);
    end if;
    return total;
end $$;

-- Ends what has waited too long: at most p_budget executions. p_kept: as in takeover_1. Returns the runs that have ended by it.
create function expire_1(p_kept interval, p_budget int) returns setof uuid language plpgsql as $$
declare
    x extents; n int; ids uuid[]; all_id uuid[] := '{}'; kept bigint[]; w record; until timestamptz;
begin
    for x in
        select s.* from extents s where s.expires_at <= clock() and s.owner is null order by s.expires_at limit 100 for no key update skip locked
    loop
        n := least(x.remaining, p_budget - cardinality(all_id));
        exit when n <= 0;
        if x.eligible_at = 'infinity' then
            -- It waits for dependencies: for the one that has kept it for too long, if that has not come in the meantime.
            select * into w from waits y where y.execution_id = x.lo;
            until := waits_until(w.job_key, w.due_at);
            if until > clock() then
                update extents d set expires_at = until where d.lo = x.lo;
                continue;
            end if;
        end if;
        ids := array(select e.execution_id from executions e where e.execution_id between x.lo and with_ordinal(x.lo, ordinal_of(x.lo) + n - 1) order by 1);
        delete from extents d where d.lo = x.lo;
        if n < x.remaining then
            insert into extents (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, fence, remaining)
            values (with_ordinal(x.lo, ordinal_of(x.lo) + n), x.hi, x.lane_id, x.rank, x.eligible_at, x.expires_at, x.priority, x.ready, x.fence, x.remaining - n);
        end if;
        insert into results (execution_id, status, fence, completed_at, error_code, error_message, actor)
        select id, 7, x.fence, clock(), 'EXPIRED',
               case when x.eligible_at = 'infinity' then waited_for(id) else 'It waited longer than its queue_timeout_seconds.' end, 'clock' from unnest(ids) id;
        all_id := all_id || ids;
    end loop;
    if cardinality(all_id) = 0 then return; end if;
    kept := dead_letters_kept(all_id, p_kept);
    perform record_failures_1(all_id, array_fill(3::smallint, array[cardinality(all_id)]), null, kept, null);
    perform blame_dependencies_1(all_id);
    perform advance_ends_1(all_id, 0::smallint);
    return query select e.run_id from unnest(all_id) u (id) cross join lateral (select e.run_id from executions e where e.execution_id = u.id) e;
end $$;

-- What an instance asks once a second: it makes due work ready, and learns what there is to do.
--   now            the database's clock
--   next_eligible  when the next delayed extent becomes due, or what is left of limits_due
--   queued         is there anything that could be claimed? Looked for only if p_look: who claims all the time knows.
--   expired        has something waited too long?
--   changes        grows whenever a definition changes
--   cancels        requests to cancel what this instance runs
--   dead           instances declared dead (now or before) whose work is still to be taken over
--   plans          is something left to do for a plan, or for what waits?
--   next_start     when the next rate that is used up lets something start again
--   draining       has somebody asked this instance to take no more work?
--   uneven         do instances differ in what they may start?
create function tick_1(p_instance int, p_may_declare boolean, p_look boolean, out now timestamptz, out next_eligible timestamptz, out queued boolean, out expired boolean,
                       out changes bigint, out cancels int, out dead int, out plans boolean, out next_start timestamptz,
                       out draining boolean, out uneven boolean)
language plpgsql as $$
begin
    -- It has locked what comes last: the rest of this can wait for the next tick, which is asked for at once. What is for later leaves every other tick to it.
    if (random() < 0.5 and not exists (select from limits_due d where not d.later)) or not enforce_due_limits_1() then perform promote_1(1000); end if;
    now := clock();
    next_eligible := case when exists (select from limits_due) then now + interval '10 milliseconds'
                          else (select s.eligible_at from extents s where not s.ready and s.eligible_at < 'infinity' order by s.eligible_at limit 1) end;
    queued := p_look and exists (select 1 from extents s where s.owner is null and s.ready);
    expired := exists (select 1 from extents s where s.expires_at <= clock() and s.expires_at < 'infinity' and s.owner is null);
    changes := coalesce((select max(j.changed_seq) from jobs j), 0);
    cancels := (select count(*) from cancel_requests c where c.owner = p_instance);
    if p_may_declare and exists (select 1 from instances i where i.state = 'ALIVE' and i.lease_until < clock() and i.instance_id <> p_instance) then
        perform declare_dead_1(p_instance, false);
    end if;
    dead := (select count(*) from instances i where i.state = 'DEAD');
    plans := exists (select from plan_work);
    next_start := next_start_of_all();
    draining := exists (select 1 from instances i where i.instance_id = p_instance and i.draining_at is not null);
    uneven := exists (select 1 from lanes l where l.placement is not null) or exists (select 1 from instances i where i.state = 'ALIVE' and i.confines is not null);
end $$;

-- Drops what nobody needs any more: expired keys, requests to cancel what has ended, instances that went long ago. Bounded; returns
-- how much, so that the caller can go on.
create function sweep_1(p_rows int) returns int language plpgsql as $$
declare
    n int; total int := 0;
begin
    -- The fingerprint of an unfinished run is looked at again in an hour.
    update idempotency_keys k set expires_at = clock() + interval '1 hour' from (
        select tenant_key, key from idempotency_keys where expires_at <= clock() and key like ' %' and not run_is_over(execution_id)
        order by expires_at limit p_rows for update skip locked) old
    where k.tenant_key = old.tenant_key and k.key = old.key;
    delete from idempotency_keys k using (
        select tenant_key, key from idempotency_keys where expires_at <= clock() and (key not like ' %' or run_is_over(execution_id))
        order by expires_at limit p_rows for update skip locked) old
    where k.tenant_key = old.tenant_key and k.key = old.key;
    get diagnostics n = row_count; total := total + n;
    delete from plan_run_keys k using (
        select tenant_key, key from plan_run_keys where expires_at <= clock() order by expires_at limit p_rows for update skip locked) old
    where k.tenant_key = old.tenant_key and k.key = old.key;
    get diagnostics n = row_count; total := total + n;
    delete from cancel_requests c using (
        select q.execution_id from cancel_requests q join results r using (execution_id) limit p_rows for update of q skip locked) old
    where c.execution_id = old.execution_id;
    get diagnostics n = row_count; total := total + n;
    delete from live_notes l using (
        select q.execution_id from live_notes q join results r using (execution_id) limit p_rows for update of q skip locked) old
    where l.execution_id = old.execution_id;
    get diagnostics n = row_count; total := total + n;
    return total;
end $$;
