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

-- Which lanes have something to claim, after p_after and up to p_until, at most p_lanes of them, in their order; the best rank in each, and how many executions the extent with
-- it has. Paused lanes come too (the cursor must pass them). Where lanes have little each, what waits in them is read on end; else, and from then on, one index probe finds
-- the next lane, however much waits in this one.
create function lanes_with_work(p_after int, p_until int, p_lanes int, out lanes int[], out ranks timestamptz[], out fronts int[]) language plpgsql stable as $$
declare
    until_ int := coalesce(p_until, 2147483647); more record;
begin
    if 32 <= (select count(distinct x.lane_id) from (
            select s.lane_id from extents s where s.owner is null and s.ready and s.lane_id > p_after and s.lane_id <= until_ order by s.lane_id, s.rank limit 128) x) then
        select array_agg(y.lane_id), array_agg(y.rank), array_agg(y.remaining), max(y.lane_id) into lanes, ranks, fronts, p_after
        from (select distinct on (x.lane_id) x.lane_id, x.rank, x.remaining
              from (select s.lane_id, s.rank, s.remaining from extents s where s.owner is null and s.ready and s.lane_id > p_after and s.lane_id <= until_
                    order by s.lane_id, s.rank limit 4 * p_lanes) x
              order by x.lane_id, x.rank limit p_lanes) y;
        p_lanes := p_lanes - cardinality(lanes);
        if p_lanes = 0 then return; end if;
    end if;
    with recursive walk as (
        (select s.lane_id, s.rank, s.remaining, 1 as k from extents s where s.owner is null and s.ready and s.lane_id > p_after and s.lane_id <= until_
         order by s.lane_id, s.rank limit 1)
        union all
        select n.lane_id, n.rank, n.remaining, w.k + 1
        from walk w cross join lateral (
            select s.lane_id, s.rank, s.remaining from extents s where s.owner is null and s.ready and s.lane_id > w.lane_id and s.lane_id <= until_
            order by s.lane_id, s.rank limit 1) n
        where w.k < p_lanes)
    select array_agg(w.lane_id) as lanes, array_agg(w.rank) as ranks, array_agg(w.remaining) as fronts into more from walk w;
    lanes := lanes || more.lanes; ranks := ranks || more.ranks; fronts := fronts || more.fronts;
end $$;

-- After which lane an instance begins to look at them: by the golden ratio, so that those that joined one after the other begin far apart, and one does not go where another
-- is before it.
create function place_of(p_instance int) returns int language sql stable as $$
    select coalesce(floor((select max(l.lane_id) from lanes l) * (p_instance * 0.6180339887 % 1)), 0)::int $$;

-- The first p_lanes lanes after p_after (null: from the instance's own place on) and up to p_until (null: to the end) that have work, and whether any of it may start now, on
-- this instance, which keeps free slots of the limits p_kept (of what may not: neither tenant nor weight); and a row without a lane: where this look began and where the next goes on (0: all were seen), what looking cost
-- in microseconds, and how long until a rate that is used up lets something start again.
create function see_lanes_1(p_instance int, p_after int, p_until int, p_lanes int, p_kept int[] default null)
returns table (lane_id int, tenant_key int, weight int, rank timestamptz, waiting int, is_open boolean, began_after int, next_after int, look_us int, start_us bigint) language plpgsql
    set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
    seen record; began timestamptz := clock_timestamp(); look int; here instances; full_ int[] := '{}';
begin
    p_after := coalesce(p_after, place_of(p_instance));
    select w.lanes, w.ranks, w.fronts, cardinality(w.lanes) as n into seen from lanes_with_work(p_after, p_until, p_lanes) w;
    look := extract(epoch from clock_timestamp() - began) * 1000000;
    select * into here from instances i where i.instance_id = p_instance;
    if here.confines is not null then
        full_ := array(select r.lane_id from unnest(confined_rules(here, seen.lanes, null)) r cross join lateral unnest(r.limit_ids, r.limit_ns) u (id, n) cross join lateral newest_limit(u.id) m
                       where u.id = any (here.confines) and is_reached(m, coalesce(u.n, 1)));
    end if;
    return query
        select u.lane_id, o.tenant_key, coalesce(t.weight, 1), u.rank, u.waiting, o.lane_id is not null and u.lane_id <> all (full_), null::int, null::int, null::int, null::bigint
        from unnest(seen.lanes, seen.ranks, seen.fronts) u (lane_id, rank, waiting)
        left join lateral (select o.lane_id, o.tenant_key from lanes_open_to(p_kept) o where o.lane_id = u.lane_id and (o.placement is null or o.placement <@ here.labels) limit 1) o on true
        left join lateral (select t.weight from tenants t where t.tenant_key = o.tenant_key limit 1) t on true;
    return query select null::int, null::int, null::int, null::timestamptz, null::int, null::boolean, p_after, case when seen.n = p_lanes then seen.lanes[seen.n] else 0 end, look,
                        case when seen.n > 0 then (extract(epoch from next_start_of_all() - clock()) * 1000000)::bigint end;
end $$;

-- Made after the grants of 0015.
do $$
declare
    f regprocedure;
begin
    for f in select p.oid from pg_proc p where p.pronamespace = 'rowlock'::regnamespace and p.proname = any (array['lanes_with_work', 'place_of', 'see_lanes_1', 'lanes_open_to']) loop
        execute format('revoke execute on function %s from public', f);
        if has_role('rowlock_app') then execute format('grant execute on function %s to rowlock_app', f); end if;
    end loop;
end $$;
