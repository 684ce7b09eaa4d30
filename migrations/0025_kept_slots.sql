-- Slots of limits that instances keep (kept_slots): taken in bulk by claims, handed from what has ended to what is claimed next without a write, and given up when there
-- is nothing to use them for, or others lack them. What an instance uses of them it counts itself; it never uses more than it keeps. The slots of a dead instance
-- are kept until the last of its work has been taken over.

-- May instances keep slots of it? Of p_least and more, where it matters what each costs; not where it refuses, or counts starts: there everyone counts at once. What
-- was set lower than what is in use drains, and while somebody lacks what others keep, nobody uses what he keeps.
create function may_be_kept(m limits, p_least int) returns boolean language sql stable parallel safe
    return m.max_running >= p_least and m.scope in ('global', 'tenant', 'job', 'job_type', 'pool', 'lane') and not m.rejects and m.rate_starts is null
       and m.in_use <= m.max_running and coalesce(m.wanted_at < clock() - interval '1 second', true);

-- An instance that has given up a statement without its answer, and is to count anew what it keeps: waits for what is under way of it, and what comes after that of an
-- earlier epoch does nothing. The later of the two locks of its row sees what the earlier has done: this is FOR UPDATE, that of a claim KEY SHARE.
create function begin_epoch_1(p_instance int) returns int language plpgsql as $$
declare
    e int;
begin
    perform from instances i where i.instance_id = p_instance for update;
    update instances i set epoch = i.epoch + 1 where i.instance_id = p_instance returning i.epoch into e;
    return e;
end $$;

-- Gives up slots that an instance keeps, and does not use: ns[i] of limit ids[i]. One that has been declared dead does not know any more what it uses.
create function give_up_kept_1(p_instance int, p_epoch int, p_ids int[], p_ns bigint[]) returns void language plpgsql as $$
declare
    ids int[]; ns bigint[];
begin
    perform from instances i where i.instance_id = p_instance and i.state = 'ALIVE' and i.epoch = p_epoch for key share;
    if not found then return; end if;
    perform lock_limits(p_ids);
    with given as (
        update kept_slots k set n = k.n - u.n from unnest(p_ids, p_ns) u (id, n) where k.instance_id = p_instance and k.limit_id = u.id returning k.limit_id, u.n)
    select array_agg(g.limit_id), array_agg(g.n) into ids, ns from given g;
    perform give_back(ids, ns);
end $$;

-- All that instances have kept that own nothing any more.
create function drop_kept_1(p_instances int[]) returns void language plpgsql as $$
declare
    ids int[]; ns bigint[];
begin
    if not exists (select from kept_slots k where k.instance_id = any (p_instances)) then return; end if;
    perform lock_limits(array(select k.limit_id from kept_slots k where k.instance_id = any (p_instances)));
    with gone as (delete from kept_slots k where k.instance_id = any (p_instances) returning k.limit_id, k.n)
    select array_agg(g.limit_id), array_agg(g.n) into ids, ns from gone g;
    perform give_back(ids, ns);
end $$;

-- Notes that an instance, for which something waits, may lack slots that others keep: where it keeps less than an equal part of a limit that is reached.
create function want_slots_1(p_instance int) returns void language plpgsql
    set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
declare
    newest limits; ids int[] := array(
        select k.limit_id
        from (select k.limit_id, count(*) filter (where k.instance_id <> p_instance) as others, coalesce(sum(k.n) filter (where k.instance_id = p_instance), 0) as own
              from kept_slots k where k.n > 0 group by k.limit_id) k
        cross join lateral newest_limit(k.limit_id) m
        where k.others > 0 and k.own < greatest(m.max_running / (k.others + 1), 1) and m.in_use >= m.max_running and coalesce(m.wanted_at < clock() - interval '500 milliseconds', true)
        order by k.limit_id);
begin
    for k in 1 .. cardinality(ids) loop
        select * into newest from limits m where m.limit_id = ids[k] order by m.limit_id desc, m.generation desc limit 1 for no key update skip locked;
        update limits l set wanted_at = clock(), writes = l.writes + 1 where l.limit_id = newest.limit_id and l.generation = newest.generation;
    end loop;
end $$;

-- In which of these lanes an instance uses, and keeps, slots: where all its limits are such. (plpgsql, as the next: it plans once.)
create function keeping_lanes(p_rules lane_rule[], p_least int) returns int[] language plpgsql stable as $$
begin
    return (select array_agg(r.lane_id) from unnest(p_rules) r
            where not exists (select from unnest(r.limit_ids) i (id) left join lateral newest_limit(i.id) m on true
                              where may_be_kept(m, p_least) is not true));
end $$;

-- Does it keep enough for all of that?
create function keeps_enough(p_lane int[], p_want int[], p_budget int, p_rules lane_rule[], p_keeping int[], p_kept int[], p_kept_n bigint[]) returns boolean language plpgsql stable as $$
begin
    return not exists (
        select from unnest(p_rules) r join (select u.lane, sum(u.n) as n from unnest(p_lane, p_want) u (lane, n) group by u.lane) w on w.lane = r.lane_id
        cross join lateral unnest(r.limit_ids) i (id) left join unnest(p_kept, p_kept_n) k (id, n) on k.id = i.id
        group by i.id having least(sum(w.n), p_budget) > coalesce(max(k.n), 0) or bool_or(r.lane_id <> all (p_keeping)));
end $$;

-- Made after the grants of 0015.
do $$
declare
    f regprocedure;
begin
    for f in select p.oid from pg_proc p where p.pronamespace = 'rowlock'::regnamespace and p.proname = any (array['may_be_kept', 'begin_epoch_1', 'give_up_kept_1', 'drop_kept_1', 'want_slots_1',
            'keeping_lanes', 'keeps_enough']) loop
        execute format('revoke execute on function %s from public', f);
        if has_role('rowlock_app') then execute format('grant execute on function %s to rowlock_app', f); end if;
    end loop;
end $$;
