-- Which lanes have work that may start, and whose it is: what claims (0004) and the sharing between tenants go by.

-- A lane that is paused, outside its windows, at a limit, or held by its breaker is left out by its own row, whatever waits in it. A limit of which the instance keeps
-- free slots, p_kept, holds it back by them alone. Inlined.
create function lanes_open_to(p_kept int[]) returns table (lane_id int, tenant_key int, placement jsonb, breaker_id int, limit_ns int[], now int[]) language sql stable as $$
    select l.lane_id, l.tenant_key, l.placement, l.breaker_id, l.limit_ns, x.now
    from lanes l cross join lateral (select case when l.breaker_id is null then l.limit_ids else limits_of(l.limit_ids, l.breaker_id) end as now offset 0) x
    where not l.paused and lane_is_open(l.window_from, l.window_until) and (l.breaker_id is null or not breaker_holds(l.breaker_id))
      and (x.now is null or not exists (
          select from unnest(x.now, l.limit_ns) n (id, n) cross join lateral newest_limit(n.id) m
          where is_reached(m, coalesce(n.n, 1)) and (p_kept is null or n.id <> all (p_kept)))) $$;

-- Which lanes have something to claim, from p_after on, at most p_lanes of them: one index probe a lane, however much
-- waits in it. Paused lanes come too (the cursor must pass them). waiting: executions of the extent at its front.
create function scan_lanes(p_after int, p_lanes int) returns table (lane_id int, head_rank timestamptz, waiting int, paused boolean, tenant_key int)
language sql stable as $$
    with recursive walk as (
        (select s.lane_id, s.rank, s.remaining, 1 as k from extents s where s.owner is null and s.ready and s.lane_id > p_after
         order by s.lane_id, s.rank limit 1)
        union all
        select n.lane_id, n.rank, n.remaining, w.k + 1
        from walk w cross join lateral (
            select s.lane_id, s.rank, s.remaining from extents s where s.owner is null and s.ready and s.lane_id > w.lane_id
            order by s.lane_id, s.rank limit 1) n
        where w.k < p_lanes)
    select w.lane_id, w.rank, w.remaining, l.paused, l.tenant_key from walk w join lanes l using (lane_id) $$;

-- The next p_lanes lanes after p_after that have work, and whether any of it may start now, on this instance, which keeps free slots of the limits p_kept; and a row without a lane: where the next look goes on (0: all
-- were seen), what looking cost in microseconds, and how long until a rate that is used up lets something start again.
create function see_lanes_1(p_instance int, p_after int, p_lanes int, p_kept int[] default null)
returns table (lane_id int, tenant_key int, weight int, rank timestamptz, waiting int, is_open boolean, next_after int, look_us int, start_us bigint) language plpgsql
    set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
    ids int[]; ranks timestamptz[]; fronts int[]; owners int[]; n int; last int; began timestamptz := clock_timestamp(); look int; here instances; full_ int[] := '{}';
begin
    select array_agg(s.lane_id), array_agg(s.head_rank), array_agg(s.waiting), array_agg(s.tenant_key), count(*), max(s.lane_id) into ids, ranks, fronts, owners, n, last
    from scan_lanes(p_after, p_lanes) s;
    look := extract(epoch from clock_timestamp() - began) * 1000000;
    select * into here from instances i where i.instance_id = p_instance;
    if here.confines is not null then
        full_ := array(select r.lane_id from unnest(confined_rules(here, ids, null)) r cross join lateral unnest(r.limit_ids, r.limit_ns) u (id, n) cross join lateral newest_limit(u.id) m
                       where u.id = any (here.confines) and is_reached(m, coalesce(u.n, 1)));
    end if;
    return query
        select u.lane_id, u.tenant_key, t.weight, u.rank, u.waiting,
               exists (select from lanes_open_to(p_kept) o where o.lane_id = u.lane_id and (o.placement is null or o.placement <@ here.labels)) and u.lane_id <> all (full_), null::int, null::int, null::bigint
        from unnest(ids, ranks, fronts, owners) u (lane_id, rank, waiting, tenant_key) cross join lateral (select t.weight from tenants t where t.tenant_key = u.tenant_key limit 1) t;
    return query select null::int, null::int, null::int, null::timestamptz, null::int, null::boolean, case when n = p_lanes then last else 0 end, look,
                        case when n > 0 then (extract(epoch from next_start_of_all() - clock()) * 1000000)::bigint end;
end $$;

-- Made after the grants of 0015.
do $$
declare
    f regprocedure;
begin
    for f in select p.oid from pg_proc p where p.pronamespace = 'rowlock'::regnamespace and p.proname = any (array['scan_lanes', 'see_lanes_1', 'lanes_open_to']) loop
        execute format('revoke execute on function %s from public', f);
        if has_role('rowlock_app') then execute format('grant execute on function %s to rowlock_app', f); end if;
    end loop;
end $$;
