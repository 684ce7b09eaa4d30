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
-- it has. Paused lanes come too (the cursor must pass them). Where many lanes have little each, what waits in them is read on end; else, and from then on, one index probe finds
-- the next lane, however much waits in this one. places: where these extents are stored, if each is all that waits in its lane.
create function lanes_with_work(p_after int, p_until int, p_lanes int, out lanes int[], out ranks timestamptz[], out fronts int[], out places tid[]) language plpgsql stable as $$
declare
    until_ int := coalesce(p_until, 2147483647); different int; more record;
begin
    if 8 <= (select count(distinct x.lane_id) from (
            select s.lane_id from extents s where s.owner is null and s.ready and s.lane_id > p_after and s.lane_id <= until_ order by s.lane_id, s.rank limit 32) x) then
        select array_agg(x.lane_id), array_agg(x.rank), array_agg(x.remaining), array_agg(x.at), count(distinct x.lane_id) into lanes, ranks, fronts, places, different
        from (select s.lane_id, s.rank, s.remaining, s.ctid as at from extents s where s.owner is null and s.ready and s.lane_id > p_after and s.lane_id <= until_
              order by s.lane_id, s.rank limit p_lanes + 1) x;
        if different = cardinality(lanes) then
            lanes := lanes[:p_lanes]; ranks := ranks[:p_lanes]; fronts := fronts[:p_lanes]; places := places[:p_lanes];
            return;
        end if;
        places := null;
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

-- How many extents of each of these lanes make up the best p_budget executions of all of them, by rank; or of each group of lanes the best of its share. Takes no
-- locks. Each look goes deeper into the lanes: few extents are read where there are many lanes or large extents, many where one lane has all the best.
-- A group with p_extents gets so many of each of its lanes, and none of them is looked at.
create function share_out(p_lane int[], p_from timestamptz[], p_group int[], p_share int[], p_budget int, p_extents int[], out lanes int[], out froms timestamptz[], out groups int[], out extents int[])
language plpgsql stable as $$
declare
    depth int; deeper boolean; given record;
begin
    if p_extents is not null then
        select array_agg(u.lane_id) as lanes, array_agg(coalesce(u.from_rank, '-infinity')) as froms, array_agg(u.grp) as groups, array_agg(p_extents[u.grp]) as extents into given
        from unnest(p_lane, p_from, p_group) u (lane_id, from_rank, grp) where p_extents[u.grp] is not null;
        if given.lanes is not null then
            select array_agg(u.lane_id), array_agg(u.from_rank), array_agg(u.grp) into p_lane, p_from, p_group
            from unnest(p_lane, p_from, p_group) u (lane_id, from_rank, grp) where p_extents[u.grp] is null;
        end if;
    end if;
    -- Many lanes: twice the share of each. Few: they may have large extents.
    depth := case when cardinality(p_lane) < 16 then 8 else greatest(2, 2 * p_budget / cardinality(p_lane)) end;
    while cardinality(p_lane) > 0 loop
        select array_agg(t.lane_id), array_agg(t.from_rank), array_agg(t.grp), array_agg(t.chosen), bool_or(t.chosen = depth) into lanes, froms, groups, extents, deeper
        from (select x.lane_id, x.from_rank, x.grp, count(*)::int as chosen
              from (select u.lane_id, u.from_rank, u.grp, sum(s.remaining) over (partition by u.grp order by s.rank rows unbounded preceding) - s.remaining as before
                    from (select u.lane_id, coalesce(u.from_rank, '-infinity') as from_rank, coalesce(u.grp, 1) as grp from unnest(p_lane, p_from, p_group) u (lane_id, from_rank, grp)) u
                    cross join lateral (select s.rank, s.remaining from extents s
                        where s.owner is null and s.ready and s.lane_id = u.lane_id and s.rank >= u.from_rank and s.expires_at > clock()
                        order by s.rank limit depth) s) x
              where x.before < coalesce(p_share[x.grp], p_budget) group by x.lane_id, x.from_rank, x.grp) t;
        exit when deeper is not true or depth >= p_budget;
        depth := 4 * depth;
    end loop;
    if p_extents is not null then
        lanes := lanes || given.lanes; froms := froms || given.froms; groups := groups || given.groups; extents := extents || given.extents;
    end if;
end $$;

-- After which lane an instance begins to look at them: the instances that claim begin equally far apart, so that one does not go where another is before it.
create function place_of(p_instance int) returns int language sql stable as $$
    select coalesce(floor((select max(l.lane_id) from lanes l) * i.before::float8 / nullif(i.n, 0)), 0)::int
    from (select count(*) filter (where i.instance_id < p_instance) as before, count(*) as n from instances i where i.state = 'ALIVE' and i.draining_at is null) i $$;

-- A time in microseconds since 1970, exact for these centuries: read and written quicker than its text. Inlined.
create function micros(p_at timestamptz) returns bigint language sql stable parallel safe as $$ select (date_part('epoch', p_at) * 1000000)::bigint $$;

-- The first p_lanes lanes after p_after (null: from the instance's own place on) and up to p_until (null: to the end) that have work, whose they are (0: of what may not start),
-- the weights of their tenants (null: all 1), their best ranks (null: all of these lanes were open, and claimed), how many executions wait at the front of each, and whether any
-- of it may start now, on this instance, which keeps free slots of the limits p_kept (opens; null: of all); where this look began and where the next goes on (0: all were seen), what finding the lanes cost, and how many
-- microseconds until a rate that is used up lets something start again.
-- p_budget: there is little to share out where all that waits in these lanes can be started at once, each has but one extent, no tenant gets more than one in 256 of the budget,
-- and no limit or breaker has to be asked: so it is claimed on sight, but for what others have locked. Then los, his, fences, counts and claimed_at are of the extents that were
-- claimed, in claimed_lanes. p_epoch: see begin_epoch_1.
create function see_lanes_1(p_instance int, p_after int, p_until int, p_lanes int, p_kept int[] default null, p_budget int default 0, p_epoch int default 0,
                            out lanes int[], out tenants int[], out weights int[], out ranks bigint[], out waiting int[], out opens boolean[], out on_sight boolean,
                            out claimed_lanes int[], out los uuid[], out his uuid[], out fences int[], out counts int[], out claimed_at bigint[],
                            out began_after int, out next_after int, out look_us int, out start_us bigint) language plpgsql
    set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$      -- see settle_1
#variable_conflict use_column
declare
    seen record; page record; began timestamptz := clock_timestamp(); here instances; full_ int[] := '{}'; places tid[];
begin
    if p_budget > 0 then here := read_rules(p_instance); else select * into here from instances i where i.instance_id = p_instance; end if;
    began_after := coalesce(p_after, place_of(p_instance));
    select w.lanes, w.ranks, w.fronts, w.places into seen from lanes_with_work(began_after, p_until, p_lanes) w;
    look_us := extract(epoch from clock_timestamp() - began) * 1000000;
    lanes := seen.lanes; waiting := seen.fronts; on_sight := false;
    next_after := case when cardinality(seen.lanes) = p_lanes then seen.lanes[p_lanes] else 0 end;
    if lanes is null then return; end if;
    start_us := extract(epoch from next_start_of_all() - clock()) * 1000000;
    -- Most lanes have no rule of their own, and most tenants the same weight: then their rows say all.
    select array_agg(l.lane_id) as lanes, array_agg(l.tenant_key) as tenants,
           bool_and(not l.paused and l.window_until is null and l.limit_ids is null and l.breaker_id is null and l.placement is null) as is_plain into page
    from lanes l where l.lane_id = any (seen.lanes);
    if page.lanes is distinct from seen.lanes or not page.is_plain or here.confines is not null or exists (select from tenants t where t.weight <> 1) then
        if here.confines is not null then
            full_ := array(select r.lane_id from unnest(confined_rules(here, seen.lanes, null)) r cross join lateral unnest(r.limit_ids, r.limit_ns) u (id, n) cross join lateral newest_limit(u.id) m
                           where u.id = any (here.confines) and is_reached(m, coalesce(u.n, 1)));
        end if;
        select array_agg(coalesce(o.tenant_key, 0)) as tenants, array_agg(coalesce(t.weight, 1)) as weights, array_agg(o.lane_id is not null and u.lane_id <> all (full_)) as opens,
               bool_and(o.is_plain) as is_plain into page
        from unnest(seen.lanes) u (lane_id)
        left join lateral (select o.lane_id, o.tenant_key, o.now is null and o.breaker_id is null as is_plain
                           from lanes_open_to(p_kept) o where o.lane_id = u.lane_id and (o.placement is null or o.placement <@ here.labels) limit 1) o on true
        left join lateral (select t.weight from tenants t where t.tenant_key = o.tenant_key and t.weight <> 1 limit 1) t on true;
        weights := page.weights; opens := page.opens;
    end if;
    tenants := page.tenants;
    if p_budget > 0 and seen.places is not null and page.is_plain and here.confines is null and here.draining_at is null and here.epoch <= p_epoch then
        select coalesce(sum(t.n) <= p_budget and max(t.n) <= greatest(p_budget / 256, 1), false) into on_sight
        from (select sum(u.n) as n from unnest(page.tenants, seen.fronts, opens) u (tenant_key, n, is_open) where u.is_open is not false group by u.tenant_key) t;
    end if;
    if not on_sight or opens is not null then ranks := array(select micros(u.rank) from unnest(seen.ranks) with ordinality u (rank, k) order by u.k); end if;
    if not on_sight then return; end if;
    -- As in claim_1. No place is used for another extent meanwhile: what was there is kept for the snapshot of the statement that calls this.
    places := array(select u.at from unnest(seen.places, opens) u (at, is_open) where u.is_open is not false);
    places := array(select s.ctid from extents s where s.ctid = any (places) and s.owner is null and s.ready and s.expires_at > clock() for no key update skip locked);
    with claimed as (
        update extents s set owner = p_instance, fence = s.fence + 1, claimed_at = greatest(clock(), s.eligible_at) where s.ctid = any (places)
        returning s.lane_id, s.lo, s.hi, s.fence, s.remaining, s.claimed_at)
    select array_agg(c.lane_id), array_agg(c.lo), array_agg(c.hi), array_agg(c.fence), array_agg(c.remaining), array_agg(micros(c.claimed_at))
    into claimed_lanes, los, his, fences, counts, claimed_at from claimed c;
end $$;

-- Made after the grants of 0015.
do $$
declare
    f regprocedure;
begin
    for f in select p.oid from pg_proc p where p.pronamespace = 'rowlock'::regnamespace and p.proname = any (array['lanes_with_work', 'share_out', 'place_of', 'see_lanes_1', 'lanes_open_to', 'micros']) loop
        execute format('revoke execute on function %s from public', f);
        if has_role('rowlock_app') then execute format('grant execute on function %s to rowlock_app', f); end if;
    end loop;
end $$;
