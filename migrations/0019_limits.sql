-- Limits on what runs and on what starts: what is asked for, and how it comes into force (spec rules 6 and 7, J7, C5).
--
--   Asked for    limit_settings: by PUT /v1/limits (job_key 0), or by the definition of a job. Of all that name the same limit the least holds.
--   In force     limits and lanes.limit_ids, which the queue reads (0004). From one to the other leads enforce_limits_1, under the advisory locks of "lanes
--                being made" and "admission rules", both alone: no lane is made and nothing is claimed meanwhile. What runs already in a lane that
--                gets a limit takes its slots, under the locks of its extents, so that in_use is right from the first moment.
--   In between   A definition is stored in a transaction that may hold much else. So it only notes what has changed (limits_due), and the statement after it,
--                or the next tick of any instance, brings it into force.

-- The lanes that a limit of this name holds, whether there is one or not.
create function lanes_of_limit(p_scope text, p_tenant int, p_key text) returns setof int language sql stable as $$
    -- Of one tenant by its key: not "or", which reads all lanes.
    select l.lane_id from (select * from lanes a where p_tenant = 0 union all select * from lanes o where p_tenant <> 0 and o.tenant_key = p_tenant) l
    where case when p_scope in ('global', 'tenant', 'budget') then true
               when p_scope = 'job' then l.job_key = (select j.job_key from jobs j where j.tenant_key = p_tenant and j.job_id = p_key)
               when p_scope = 'job_type' then l.job_type = p_key
               else l.pool = p_key end $$;

-- Gives lanes the limits that hold them. The caller has both advisory locks alone and the extents that are owned in these lanes; or the lanes are new.
create function limit_lanes_1(p_lanes int[]) returns void language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
    ids int[]; ns bigint[]; generations bigint[];
begin
    update lanes l set limit_ids = x.ids, limit_ns = x.ns, rejects = x.rejects
    from (select u.id, array_agg(v.limit_id order by v.limit_id) filter (where v.limit_id is not null) as ids,
                 case when bool_or(v.n <> 1) then array_agg(v.n order by v.limit_id) end as ns, coalesce(bool_or(v.rejects), false) as rejects
          -- Each by its key (offset 0): joined, all lanes are read for one that is new.
          from unnest(p_lanes) u (id) left join lateral (select * from lane_limits w where w.lane_id = u.id offset 0) v on true group by u.id) x
    where l.lane_id = x.id and (l.limit_ids, l.limit_ns, l.rejects) is distinct from (x.ids, x.ns, x.rejects);
    -- What runs takes the slots that it does not hold yet. Those of a limit that holds it no more it gives back at its end.
    with more as materialized (
        select s.lo, s.remaining, array_agg(u.id) as ids, array_agg(coalesce(u.n, 1)) as ns
        from extents s join lanes l on l.lane_id = s.lane_id cross join lateral unnest(l.limit_ids, l.limit_ns) u (id, n)
        where s.owner is not null and s.lane_id = any (p_lanes) and u.id <> all (coalesce(s.limit_ids, '{}') || coalesce(s.kept_ids, '{}')) group by s.lo, s.remaining),
    marked as (
        update extents s set limit_ids = coalesce(s.limit_ids, '{}') || m.ids,
               limit_ns = case when s.limit_ns is not null or 1 <> any (m.ns)
                               then coalesce(s.limit_ns, array_fill(1, array[cardinality(coalesce(s.limit_ids, '{}'))])) || m.ns end
        from more m where s.lo = m.lo)
    select array_agg(g.id), array_agg(g.n) into ids, ns
    from (select u.id, sum(m.remaining::bigint * u.n)::bigint as n from more m cross join lateral unnest(m.ids, m.ns) u (id, n) group by u.id) g;
    if ids is null then return; end if;
    select array_agg(l.limit_id), array_agg(l.generation), array_agg(u.n) into ids, generations, ns from lock_limits(ids) l join unnest(ids, ns) u (id, n) on u.id = l.limit_id;
    for k in 1 .. coalesce(cardinality(ids), 0) loop
        update limits l set in_use = l.in_use + ns[k], drains_from = case when l.in_use + ns[k] > l.max_running then l.in_use + ns[k] end, writes = l.writes + 1
        where l.limit_id = ids[k] and l.generation = generations[k];
    end loop;
end $$;

-- Brings limits into force as they are asked for now, and lanes to the limits that hold them.
create function enforce_limits_1(p_scope text[], p_tenant int[], p_key text[], p_lanes int[]) returns void language plpgsql as $$
declare
    lanes_ int[];
begin
    -- What holds a lane changes only where a limit comes, goes, or begins or ceases to refuse.
    select array_agg(distinct x.id) into lanes_
    from (select unnest(p_lanes) as id
          union all
          select o.id from (select distinct scope, tenant, key from unnest(p_scope, p_tenant, p_key) u (scope, tenant, key)) u
          left join limits m on m.scope = u.scope and m.tenant_key = u.tenant and m.key = u.key
          left join limits_asked a on a.scope = u.scope and a.tenant_key = u.tenant and a.key = u.key
          cross join lateral lanes_of_limit(u.scope, u.tenant, u.key) o (id)
          where (m.limit_id is null) <> (a.key is null) or m.rejects is distinct from a.rejects) x;
    perform from extents s where s.owner is not null and s.lane_id = any (lanes_) order by s.lo for no key update;
    perform from limits m where (m.scope, m.tenant_key, m.key) in (select scope, tenant, key from unnest(p_scope, p_tenant, p_key) u (scope, tenant, key))
        order by m.limit_id for update;
    delete from kept_slots k using limits m
    where k.limit_id = m.limit_id and (m.scope, m.tenant_key, m.key) in (select scope, tenant, key from unnest(p_scope, p_tenant, p_key) u (scope, tenant, key))
      and not exists (select from limits_asked a where a.scope = m.scope and a.tenant_key = m.tenant_key and a.key = m.key);
    delete from limits m using (select distinct scope, tenant, key from unnest(p_scope, p_tenant, p_key) u (scope, tenant, key)) u
    where m.scope = u.scope and m.tenant_key = u.tenant and m.key = u.key
      and not exists (select from limits_asked a where a.scope = u.scope and a.tenant_key = u.tenant and a.key = u.key);
    insert into limits (scope, tenant_key, key, max_running)
    select a.scope, a.tenant_key, a.key, a.max_running
    from (select distinct scope, tenant, key from unnest(p_scope, p_tenant, p_key) u (scope, tenant, key)) u
    join limits_asked a on a.scope = u.scope and a.tenant_key = u.tenant and a.key = u.key
    where not exists (select from limits m where m.scope = u.scope and m.tenant_key = u.tenant and m.key = u.key) order by a.scope, a.tenant_key, a.key
    on conflict (scope, tenant_key, key, generation) do nothing;
    update limits m
    set max_running = a.max_running, rejects = a.rejects, rate_starts = a.rate_starts, rate_period = a.rate_period, drains_from = case when m.in_use > a.max_running then m.in_use end,
        rate_was = case when a.rate_starts is not null then (select sum(n)::int from unnest(m.started_at, m.started_n) u (at, n) where at > clock() - a.rate_period) end, writes = m.writes + 1
    from (select distinct scope, tenant, key from unnest(p_scope, p_tenant, p_key) u (scope, tenant, key)) u
    join limits_asked a on a.scope = u.scope and a.tenant_key = u.tenant and a.key = u.key where m.scope = u.scope and m.tenant_key = u.tenant and m.key = u.key;
    if lanes_ is not null then perform limit_lanes_1(lanes_); end if;
end $$;

-- Brings into force what definitions have left to be done; where there is nothing, what is for later, of so many tenants that they have about a thousand lanes.
-- Called by itself, before anything is locked. Returns whether there was something.
create function enforce_due_limits_1() returns boolean language plpgsql as $$
declare
    most_tenants constant int := 100; most_lanes constant int := 1000; n int; scopes text[]; tenants_ int[]; keys text[]; lanes_ int[];
begin
    if not exists (select from limits_due) then return false; end if;
    perform pg_advisory_xact_lock(1919906155, 2);
    perform pg_advisory_xact_lock(1919906155, 1);
    with done as (delete from limits_due d where not d.later returning d.scope, d.tenant_key, d.key)
    select count(*), array_agg(d.scope) filter (where d.scope <> 'lane'), array_agg(d.tenant_key) filter (where d.scope <> 'lane'), array_agg(d.key) filter (where d.scope <> 'lane'),
           array_agg(d.key::int) filter (where d.scope = 'lane') into n, scopes, tenants_, keys, lanes_ from done d;
    if n = 0 then
        with next as (
            select d.due_id, sum(o.n) over (order by d.due_id) - o.n as before
            from (select x.due_id, x.tenant_key from limits_due x where x.later order by x.due_id limit most_tenants) d
            cross join lateral (select count(*) as n from lanes l where l.tenant_key = d.tenant_key) o),
        done as (delete from limits_due d using next x where d.due_id = x.due_id and x.before < most_lanes returning d.scope, d.tenant_key, d.key)
        select array_agg(d.scope), array_agg(d.tenant_key), array_agg(d.key) into scopes, tenants_, keys from done d;
    end if;
    perform enforce_limits_1(scopes, tenants_, keys, lanes_);
    return true;
end $$;

-- Makes these the settings of a definition, and notes what has changed.
create function replace_settings_1(p_tenant int, p_job int, p_set jsonb, p_author text) returns void language sql volatile as $$
    with wanted as (
        select s ->> 'scope' as scope, s ->> 'key' as key, (s ->> 'max_running')::int as max_running, coalesce((s ->> 'rejects')::boolean, false) as rejects,
               (s ->> 'starts')::int as rate_starts, (s ->> 'per_ms')::bigint * interval '1 millisecond' as rate_period
        from jsonb_array_elements(p_set) s),
    gone as (
        delete from limit_settings s where s.job_key = p_job and not exists (select from wanted w where w.scope = s.scope and w.key = s.key)
        returning s.scope, s.key),
    made as (
        insert into limit_settings as s (scope, tenant_key, key, job_key, max_running, rejects, rate_starts, rate_period, actor)
        select w.scope, p_tenant, w.key, p_job, w.max_running, w.rejects, w.rate_starts, w.rate_period, p_author from wanted w
        on conflict (scope, tenant_key, key, job_key) do update
        set max_running = excluded.max_running, rejects = excluded.rejects, rate_starts = excluded.rate_starts, rate_period = excluded.rate_period, actor = excluded.actor, set_at = clock()
        where (s.max_running, s.rejects, s.rate_starts, s.rate_period) is distinct from (excluded.max_running, excluded.rejects, excluded.rate_starts, excluded.rate_period)
        returning s.scope, s.key, s.max_running, s.rejects, s.rate_starts, s.rate_period),
    changed as (
        insert into limit_changes (scope, tenant_key, key, job_key, max_running, rejects, rate_starts, rate_period, actor)
        select m.scope, p_tenant, m.key, p_job, m.max_running, m.rejects, m.rate_starts, m.rate_period, p_author from made m
        union all select g.scope, p_tenant, g.key, p_job, null, null, null, null, p_author from gone g)
    insert into limits_due (scope, tenant_key, key) select m.scope, p_tenant, m.key from made m union all select g.scope, p_tenant, g.key from gone g $$;

-- What the definition of a job, which has changed and whose row the caller has locked, says about limits: {"pool", "job_type", "request": [4],
-- "handler", "placement", "set": [{"scope", "key", "max_running", "rejects", "starts", "per_ms"}]}; all of it may be missing. They speak for their tenant, and for no other.
create function set_job_limits_1(j jobs, p_limits jsonb, p_author text) returns void language plpgsql as $$
declare
    lane int; request_ int[] := array(select x::int from jsonb_array_elements_text(p_limits -> 'request') with ordinality e (x, k) order by e.k);
begin
    perform pg_advisory_xact_lock_shared(1919906155, 2);       -- who enforces limits writes lanes as well, and waits here
    request_ := nullif(request_, '{}');
    update lanes l set handler = p_limits ->> 'handler', placement = p_limits -> 'placement'
    where l.tenant_key = j.tenant_key and l.job_key = j.job_key and (l.handler, l.placement) is distinct from (p_limits ->> 'handler', p_limits -> 'placement');
    update lanes l set pool = p_limits ->> 'pool', job_type = p_limits ->> 'job_type', request = request_
    where l.tenant_key = j.tenant_key and l.job_key = j.job_key and (l.pool, l.job_type, l.request) is distinct from (p_limits ->> 'pool', p_limits ->> 'job_type', request_)
    returning l.lane_id into lane;
    if lane is not null then insert into limits_due (scope, tenant_key, key) values ('lane', 0, lane::text); end if;
    perform replace_settings_1(j.tenant_key, j.job_key, coalesce((
        select jsonb_agg(s || jsonb_build_object('key', case s ->> 'scope' when 'job' then j.job_id
                         when 'tenant' then (select t.tenant_id from tenants t where t.tenant_key = j.tenant_key) else s ->> 'key' end))
        from jsonb_array_elements(p_limits -> 'set') s), '[]'), p_author);
end $$;

-- What a deleted job has asked for all others does not hold any more. Its own limit does: what was submitted goes on.
create function forget_job_limits_1(j jobs, p_author text) returns void language sql volatile as $$
    select replace_settings_1(j.tenant_key, j.job_key, coalesce((
        select jsonb_agg(jsonb_build_object('scope', s.scope, 'key', s.key, 'max_running', s.max_running, 'rejects', s.rejects, 'starts', s.rate_starts,
                                            'per_ms', (extract(epoch from s.rate_period) * 1000)::bigint))
        from limit_settings s where s.job_key = j.job_key and s.scope = 'job'), '[]'), p_author) $$;

-- PUT /v1/limits: of p_tenant (0: all). p_max_running null: only starts, or a pool's resources, are limited. p_capacity: of a pool, as resource_scopes().
create function put_limit_1(p_scope text, p_tenant int, p_key text, p_max_running int, p_rejects boolean, p_starts int, p_per_ms bigint, p_capacity int[], p_actor text)
returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(1919906155, 2);
    perform pg_advisory_xact_lock(1919906155, 1);
    perform write_limit_1(p_scope, p_tenant, p_key, p_max_running, p_rejects, p_starts, p_per_ms * interval '1 millisecond', p_actor);
    if p_scope = 'pool' and p_tenant = 0 then
        perform write_limit_1(r.scope, 0, p_key, p_capacity[r.k], false, null, null, p_actor) from unnest(resource_scopes()) with ordinality r (scope, k);
        perform enforce_limits_1(resource_scopes() || 'pool'::text, array_fill(0, array[5]), array_fill(p_key, array[5]), null);
    else
        perform enforce_limits_1(array[p_scope], array[p_tenant], array[p_key], null);
    end if;
end $$;

-- false: nobody has put it.
create function delete_limit_1(p_scope text, p_tenant int, p_key text, p_actor text) returns boolean language plpgsql as $$
begin
    if not exists (select from limit_settings s where s.tenant_key = p_tenant and s.key = p_key and s.job_key = 0
                   and (s.scope = p_scope or (p_scope = 'pool' and s.scope = any (resource_scopes())))) then return false; end if;
    perform put_limit_1(p_scope, p_tenant, p_key, null, false, null, null, null, p_actor);
    return true;
end $$;

-- Writes what has been put for one limit; nothing asked for removes it.
create function write_limit_1(p_scope text, p_tenant int, p_key text, p_max_running int, p_rejects boolean, p_starts int, p_period interval, p_actor text) returns void language plpgsql as $$
begin
    if p_max_running is null and p_starts is null then
        delete from limit_settings s where s.scope = p_scope and s.tenant_key = p_tenant and s.key = p_key and s.job_key = 0;
        if not found then return; end if;
    else
        insert into limit_settings as s (scope, tenant_key, key, max_running, rejects, rate_starts, rate_period, actor)
        values (p_scope, p_tenant, p_key, p_max_running, p_rejects, p_starts, p_period, p_actor)
        on conflict (scope, tenant_key, key, job_key) do update
        set max_running = excluded.max_running, rejects = excluded.rejects, rate_starts = excluded.rate_starts, rate_period = excluded.rate_period, actor = excluded.actor, set_at = clock()
        where (s.max_running, s.rejects, s.rate_starts, s.rate_period) is distinct from (excluded.max_running, excluded.rejects, excluded.rate_starts, excluded.rate_period);
        if not found then return; end if;
    end if;
    insert into limit_changes (scope, tenant_key, key, job_key, max_running, rejects, rate_starts, rate_period, actor)
    values (p_scope, p_tenant, p_key, 0, p_max_running, case when p_max_running is not null or p_starts is not null then p_rejects end, p_starts, p_period, p_actor);
end $$;

-- Refuses submissions (RL429) where a limit that rejects is reached; those for later are not asked, and those that are left out are none. The message is a
-- JSON array of what is reached: {"kind", "key", "max_running", "in_use", "room", "lanes"}. Not p_judged: also where it has no room for all of them, and it
-- is for the caller to say which of them come first.
create function refuse_at_limits_1(p_lane int[], p_n int[], p_lo uuid[], p_hi uuid[], p_eligible timestamptz[], p_left_out uuid[], p_judged boolean) returns void
language plpgsql as $$
declare
    reached jsonb;
begin
    select jsonb_agg(jsonb_build_object('kind', x.scope, 'key', x.key, 'max_running', x.max_running, 'in_use', x.in_use, 'room', greatest(x.max_running - x.in_use, 0), 'lanes', x.lanes))
    into reached
    from (select m.limit_id, m.scope, m.key, m.max_running, m.in_use, sum(u.n) as wanted, array_agg(u.lane) as lanes
          from (select u.lane, sum(u.n - case when p_left_out is null then 0 else (select count(*) from unnest(p_left_out) o (id) where o.id between u.lo and u.hi) end) as n
                from unnest(p_lane, p_n, p_lo, p_hi, p_eligible) u (lane, n, lo, hi, eligible) where coalesce(u.eligible <= clock(), true) group by u.lane) u
          join lanes l on l.lane_id = u.lane and l.rejects cross join lateral unnest(l.limit_ids) i (id) join lateral newest_limit(i.id) m on m.rejects
          where u.n > 0 group by m.limit_id, m.scope, m.key, m.max_running, m.in_use) x
    where x.in_use >= x.max_running or (not p_judged and x.in_use + x.wanted > x.max_running);
    if reached is not null then raise exception '%', reached using errcode = 'RL429'; end if;
end $$;

-- Made after the grants of 0015.
do $$
declare
    f regprocedure;
begin
    for f in select p.oid from pg_proc p where p.pronamespace = 'rowlock'::regnamespace and p.proname = any (array['lanes_of_limit', 'limit_lanes_1', 'enforce_limits_1',
            'enforce_due_limits_1', 'set_job_limits_1', 'forget_job_limits_1', 'replace_settings_1', 'put_limit_1', 'delete_limit_1', 'write_limit_1', 'refuse_at_limits_1']) loop
        execute format('revoke execute on function %s from public', f);
        if has_role('rowlock_app') then execute format('grant execute on function %s to rowlock_app', f); end if;
    end loop;
end $$;
