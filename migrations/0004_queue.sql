-- The queue: extents, and the functions that submit and claim. The rules are at the head of 0001. What each instance may start of it is in 0006.

create table extents (
    lo          uuid primary key,
    hi          uuid not null,
    lane_id     int not null,
    rank        timestamptz not null,
    eligible_at timestamptz not null,
    expires_at  timestamptz not null default 'infinity',
    priority    smallint not null,
    ready       boolean not null,                       -- false: eligible later; `promote` makes it true
    owner       int,
    fence       int not null default 0,
    remaining   int not null check (remaining > 0),
    claimed_at  timestamptz,                            -- its executions started then: claimed means started
    limit_ids   int[],                                  -- the slots that each of its executions holds while it is owned,
    limit_ns    int[],                                  -- and how many of each; null: one
    kept_ids    int[],                                  -- limits of which each uses a slot that its owner keeps (kept_slots), and goes on keeping
    check (lo <= hi), check (ready or owner is null), check (owner is not null or (limit_ids is null and kept_ids is null)),
    check ((owner is null) = (claimed_at is null))
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- What may be claimed, lane by lane. Delayed work is not in it: with priorities a delayed extent ranks before what is due.
create index extents_queued on extents (lane_id, rank) where owner is null and ready;
-- What will become eligible.
create index extents_pending on extents (eligible_at) where not ready;
-- What may not wait for ever.
create index extents_expiring on extents (expires_at) where expires_at < 'infinity';
-- What an instance owns: takeover. Small, as it holds running extents only.
create index extents_owned on extents (owner) where owner is not null;

-- A cancel of something that runs. The owner reads these; settle, hand_back and takeover honour them.
create table cancel_requests (
    execution_id uuid primary key,
    owner        int not null,
    actor        text not null,
    reason       text not null,
    cascades     boolean not null default false,        -- nothing starts because of its end
    requested_at timestamptz not null default clock());
create index cancel_requests_by_owner on cancel_requests (owner);

create type piece as (lo uuid, hi uuid, n int);

-- What is left of lo..hi without the given ids (which lie in it).
create function pieces(p_lo uuid, p_hi uuid, p_without uuid[]) returns setof piece language sql immutable as $$
    select with_ordinal(p_lo, f), with_ordinal(p_lo, t), t - f + 1
    from (select coalesce(lag(o) over w + 1, ordinal_of(p_lo)) as f, o - 1 as t
          from (select ordinal_of(id) as o from unnest(p_without) id union all select ordinal_of(p_hi) + 1) x
          window w as (order by o)) y
    where f <= t $$;

-- Gives slots of limits back: limit ids[i] gets ns[i]. (Row by row: to a join the planner may read all versions of all limits.)
create function give_back(p_ids int[], p_ns bigint[]) returns void language plpgsql set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
declare
    ids int[]; generations bigint[]; ns bigint[];
begin
    if cardinality(p_ids) > 0 then
        select array_agg(l.limit_id), array_agg(l.generation), array_agg(g.n) into ids, generations, ns
        from lock_limits(p_ids) l join (select u.id, sum(u.n)::bigint as n from unnest(p_ids, p_ns) u (id, n) group by u.id) g on g.id = l.limit_id;
        for k in 1 .. coalesce(cardinality(ids), 0) loop
            update limits l set in_use = l.in_use - ns[k], drains_from = case when l.in_use - ns[k] > l.max_running then l.drains_from end, writes = l.writes + 1
            where l.limit_id = ids[k] and l.generation = generations[k];
        end loop;
    end if;
end $$;

-- Circuit breakers: a lane may name one. It is closed, or open; from next_probe_at on it is half open. While it is not closed, its row in `limits`
-- (at most half_open_max running) is one of the lane's limits: so probes are counted as exactly as slots are, whatever dies.
create table breakers (
    breaker_id        int generated always as identity primary key,
    tenant_key        int not null references tenants,
    key               text not null,                    -- a job_id, or host:port of a target that jobs share
    limit_id          int not null,
    failure_threshold int not null check (failure_threshold > 0),
    failure_rate      real check (failure_rate > 0 and failure_rate <= 1),   -- null: so many failures in a row
    window_           interval not null,
    open_for          interval not null,
    half_open_max     int not null check (half_open_max > 0),
    is_open           boolean not null default false,
    fence             int not null default 0,           -- rises with every opening and closing
    -- What ended lately, in tenths of the window; the last is the one of now.
    slice             bigint not null default 0,
    failed            int[] not null default '{0,0,0,0,0,0,0,0,0,0}',
    ended             int[] not null default '{0,0,0,0,0,0,0,0,0,0}',
    failures_when_opened int not null default 0,
    opened_at         timestamptz,
    next_probe_at     timestamptz,
    unique (tenant_key, key), check (is_open = (opened_at is not null)), check (is_open = (next_probe_at is not null))) with (fillfactor = 30);

-- What limits a lane right now. (Not inlined, as it looks something up: ask only for lanes with a breaker where it counts.)
create function limits_of(p_limits int[], p_breaker int) returns int[] language sql stable as $$
    select case when p_breaker is null then p_limits else (
        select case when b.is_open then p_limits || b.limit_id else p_limits end
        from breakers b where b.breaker_id = p_breaker) end $$;

-- Does the breaker keep everything back?
create function breaker_holds(p_breaker int) returns boolean language sql stable as $$
    select p_breaker is not null and exists (select 1 from breakers b where b.breaker_id = p_breaker and b.is_open and b.next_probe_at > clock()) $$;

-- A lane and the limits that were read for it. What a claim takes, and what its extents remember, is decided once.
create type lane_rule as (lane_id int, limit_ids int[], limit_ns int[]);

-- Is there no room for one more execution, which takes p_n? Inlined. (Views call this in the reader's name, and with his search path: so its names are looked
-- up here and now.)
create function is_reached(l limits, p_n int) returns boolean language sql stable parallel safe
    return l.in_use + p_n > l.max_running or (l.rate_starts is not null and starts_left(l.rate_starts, l.rate_period, l.started_at, l.started_n, clock()) = 0);

-- The place of a limit in the order in which rules are evaluated.
create function limit_order(p_scope text) returns int language sql immutable parallel safe as $$
    select array_position(array['budget', 'pool_cpu_cores', 'pool_memory_mb', 'pool_disk_mb', 'pool_network_bandwidth_mbps', 'pool', 'global', 'tenant', 'job_type', 'job', 'lane', 'breaker'], p_scope) $$;

-- A number of a resource as people write it.
create function resource_amount(p_scope text, p_n bigint) returns float8 language sql immutable parallel safe as $$
    select case p_scope when 'pool_cpu_cores' then p_n / 1000.0 else p_n end::float8 $$;

create function limit_name(m limits) returns text language sql immutable parallel safe as $$
    select case m.scope when 'global' then 'the global limit' || case when m.tenant_key > 0 then ' of the tenant' else '' end
                        else 'the limit of the ' || replace(m.scope, '_', ' ') || ' ' || m.key end $$;

-- Why an execution, which would take p_n, waits for a limit that is reached.
create function limit_wait(m limits, p_n int, p_now timestamptz) returns jsonb language sql stable parallel safe
    return case
        when m.in_use + p_n <= m.max_running then jsonb_build_object('rule', 'rate_limit', 'kind', m.scope, 'key', m.key, 'starts', m.rate_starts,
            'per_seconds', extract(epoch from m.rate_period)::float8, 'next_start_at', rfc3339(next_start_at(m.rate_period, m.started_at, p_now)),
            'detail', limit_name(m) || ' lets ' || m.rate_starts || ' start in ' || extract(epoch from m.rate_period)::float8 || ' s, and they have started')
        when m.scope = 'budget' then jsonb_build_object('rule', 'budget', 'key', split_part(m.key, ' ', 1), 'used', split_part(m.key, ': ', 2),
            'opens_at', rfc3339((split_part(split_part(m.key, ': ', 1), ' ', 2) || 'T00:00:00Z')::timestamptz + interval '24 hours'),
            'detail', 'the budget of the tenant for the day, policy ' || split_part(m.key, ' ', 1) || ', is used up: ' || split_part(m.key, ': ', 2))
        when m.scope like 'pool\_%' then jsonb_build_object('rule', 'capacity', 'kind', 'pool', 'key', m.key, 'resource', substr(m.scope, 6),
            'capacity', resource_amount(m.scope, m.max_running), 'in_use', resource_amount(m.scope, m.in_use), 'requested', resource_amount(m.scope, p_n),
            'detail', 'asks for ' || resource_amount(m.scope, p_n) || ' of ' || substr(m.scope, 6) || ', and of the ' || resource_amount(m.scope, m.max_running) || ' of pool ' || m.key || ' '
                      || resource_amount(m.scope, m.in_use) || ' are in use')
        else jsonb_build_object('rule', case m.scope when 'lane' then 'job' else m.scope end || '_limit', 'kind', m.scope, 'key', m.key, 'max_running', m.max_running, 'in_use', m.in_use,
            'detail', limit_name(m) || ' is reached: ' || m.in_use || ' of ' || m.max_running || ' run') end;

-- Grants as many of the wanted executions, lane by lane in the order given, as the budget and every limit of the lane allow, and takes the slots. whole: a lane gets all
-- that it wants or nothing. The instance has p_kept_n of limit p_kept, which it keeps and does not use: in the lanes p_keeping it uses these, and keeps what it takes
-- beyond them; in the others what there is no room for otherwise is kept no more.
create function take_slots(p_lane int[], p_want int[], p_budget int, p_whole boolean, p_rules lane_rule[],
                           p_instance int default null, p_keeping int[] default null, p_kept int[] default null, p_kept_n bigint[] default null) returns int[] language plpgsql
    set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
declare
    keys int[]; generations bigint[]; free bigint[]; was bigint[]; own bigint[]; more bigint[]; starts int[]; had int[]; shut int[]; got int[] := p_want; n int; used bigint; of_own bigint; at int; last int; keeps boolean;
    places int[]; ns int[]; rule_lanes int[] := array(select r.lane_id from unnest(p_rules) with ordinality r order by r.ordinality); rule lane_rule;
begin
    keys := array(select distinct id from unnest(p_rules) r, unnest(r.limit_ids) id where r.lane_id = any (p_lane) order by id);
    if cardinality(keys) > 0 then
        select array_agg(limit_id), array_agg(generation), array_agg(greatest(max_running - in_use, 0)),
               array_agg(case when rate_starts is not null then starts_left(rate_starts, rate_period, started_at, started_n, clock()) end),
               array_agg(case when in_use <= max_running then coalesce((select k.n from unnest(p_kept, p_kept_n) k (id, n) where k.id = limit_id), 0) else 0 end) into keys, generations, free, starts, own
        from lock_limits(keys);
        was := free; had := starts;
        more := array_fill(0::bigint, array[cardinality(keys)]);
        -- A probe may have failed while we waited for its slot, and its breaker may have been opened anew.
        shut := array(select b.limit_id from breakers b where b.limit_id = any (keys) and b.is_open and b.next_probe_at > clock());
    end if;
    for i in 1 .. cardinality(p_lane) loop
        n := least(p_want[i], p_budget);
        if n > 0 and was is not null then
            if p_lane[i] is distinct from last then
                last := p_lane[i];
                keeps := coalesce(last = any (p_keeping), false);
                rule := p_rules[array_position(rule_lanes, last)];
                select array_agg(array_position(keys, u.id)), array_agg(coalesce(u.n, 1)) into places, ns from unnest(rule.limit_ids, rule.limit_ns) u (id, n) where u.id = any (keys);
            end if;
            for k in 1 .. coalesce(cardinality(places), 0) loop
                at := places[k];
                n := case when keys[at] = any (shut) then 0 else least(n, (free[at] + own[at]) / ns[k], starts[at]) end;
            end loop;
        end if;
        if p_whole and n < p_want[i] then n := 0; end if;
        if n > 0 and was is not null then
            for k in 1 .. coalesce(cardinality(places), 0) loop
                at := places[k];
                used := n::bigint * ns[k];
                of_own := case when keeps then least(own[at], used) else greatest(used - free[at], 0) end;
                own[at] := own[at] - of_own;
                free[at] := free[at] - (used - of_own);
                more[at] := more[at] + case when keeps then used - of_own else -of_own end;
                starts[at] := starts[at] - n;
            end loop;
        end if;
        p_budget := p_budget - n;
        got[i] := n;
    end loop;
    if was is not null then
        for k in 1 .. cardinality(keys) loop
            if had[k] > starts[k] then
                update limits l set in_use = l.in_use + was[k] - free[k], writes = l.writes + 1,
                       (started_at, started_n) = (select x.at, x.n from starts_with(l.rate_starts, l.rate_period, l.started_at, l.started_n, had[k] - starts[k]) x)
                where l.limit_id = keys[k] and l.generation = generations[k];
            elsif was[k] > free[k] then
                update limits l set in_use = l.in_use + was[k] - free[k], writes = l.writes + 1 where l.limit_id = keys[k] and l.generation = generations[k];
            end if;
        end loop;
        if 0 <> any (more) then
            update kept_slots k set n = k.n + u.n from unnest(keys, more) u (id, n) where k.instance_id = p_instance and k.limit_id = u.id and u.n < 0;
            insert into kept_slots as k (instance_id, limit_id, n) select p_instance, u.id, u.n from unnest(keys, more) u (id, n) where u.n > 0
            on conflict (instance_id, limit_id) do update set n = k.n + excluded.n;
        end if;
    end if;
    return got;
end $$;

-- How many more may be queued: one row, the last of all locks. It is counted down by what is queued and never up; when it is used up, it is counted anew.
-- Whoever queues within a capacity holds it until the commit, so nothing that is under way is missed then.
create table queue_room (
    one_row    boolean primary key default true check (one_row),
    capacity   bigint not null default 0,               -- that it was counted for
    room       bigint not null default 0 check (room >= 0)) with (fillfactor = 10);
insert into queue_room default values;

-- Takes room for executions that are to be queued, so many in each lane. RL429 where there is not enough for all of them, as refuse_at_limits_1 says.
create function take_queue_room_1(p_capacity bigint, p_lane int[], p_n int[]) returns void language plpgsql as $$
declare
    wanted bigint := (select sum(n) from unnest(p_n) n); queued bigint;
begin
    if wanted = 0 then return; end if;
    update queue_room q set room = q.room - wanted where q.capacity = p_capacity and q.room >= wanted;
    if found then return; end if;
    perform from queue_room for no key update;
    queued := (select coalesce(sum(s.remaining), 0) from extents s where s.owner is null and s.ready);
    update queue_room q set capacity = p_capacity, room = greatest(p_capacity - queued - wanted, 0);
    if queued + wanted > p_capacity then
        raise exception '%', jsonb_build_array(jsonb_build_object('kind', 'queue', 'key', 'all', 'max_running', p_capacity, 'in_use', queued, 'room', greatest(p_capacity - queued, 0),
            'lanes', (select jsonb_agg(distinct u.lane) from unnest(p_lane, p_n) u (lane, n) where u.n > 0))) using errcode = 'RL429';
    end if;
end $$;

-- The key that stands for the one unfinished run of a job with `dedupe`: its fingerprint, as v_executions shows it.
create function fingerprint_of(p_job int, p_version int, p_parameters jsonb) returns text language sql immutable parallel safe as $$
    select encode(sha256(convert_to(p_job || ':' || p_version || ':' || coalesce(p_parameters, '{}')::text, 'UTF8')), 'hex') $$;
create function fingerprint_key(p_job int, p_version int, p_parameters json) returns text language sql immutable parallel safe as $$
    select ' unfinished ' || fingerprint_of(p_job, p_version, p_parameters::jsonb) $$;

-- Users' transactions hold these advisory locks (1919906158, bucket) shared for the keys that they have taken.
create function key_bucket(p_tenant int, p_key text) returns int language sql immutable parallel safe as $$ select (hashtextextended(p_key, p_tenant) & 127)::int $$;

-- The numbers of those keys that a user's transaction has taken and not yet committed: an insert would wait for its end. Nobody can see which these are; so where
-- somebody holds the bucket it is tried, and undone.
create function keys_under_way(p_tenant int[], p_key text[]) returns int[] language plpgsql as $$
declare
    buckets int[] := array(select distinct l.objid::bigint::int from pg_locks l where l.locktype = 'advisory' and l.classid = 1919906158 and l.objsubid = 2 and l.pid <> pg_backend_pid()
                           and l.database = (select d.oid from pg_database d where d.datname = current_database()));
    x record; busy int[] := '{}';
begin
    if cardinality(buckets) = 0 then return busy; end if;
    for x in select u.tenant, u.key, array_agg(u.k::int) as ks from unnest(p_tenant, p_key) with ordinality u (tenant, key, k)
             where key_bucket(u.tenant, u.key) = any (buckets) group by u.tenant, u.key order by u.tenant, u.key
    loop
        begin
            perform set_config('lock_timeout', '5ms', true);
            insert into idempotency_keys (tenant_key, key, hash, hash2, execution_id, expires_at)
            values (x.tenant, x.key, 0, 0, '00000000-0000-0000-0000-000000000000', clock()) on conflict do nothing;
            raise sqlstate 'RL000';
        exception
            when sqlstate 'RL000' then null;
            when lock_not_available then busy := busy || x.ks;
        end;
    end loop;
    return busy;
end $$;

-- Takes the keys of a group commit, ascending. A key that is in use gives a row: kind 'r' with the execution(s) it names where the
-- request is the same, kind 'c' where it is another. A unit (what one client sent) with a 'c' gets none of its keys.
-- A key of " " stands for the fingerprint of the execution (`dedupe`): in use until the run that holds it has ended. Two equal ones may come
-- at once: the second is answered with the first; kind 'a' (come again) where the first is refused for another key of its unit.
-- A user's transaction (0016) may hold a key for hours: p_patient waits for its end; else the answer is 'a', and nobody else has to wait.
create function take_keys_1(p_ttl interval, p_tenant int[], p_key text[], p_request text[], p_unit int[], p_execution uuid[], p_executions text[],
                            p_job int[], p_version int[], p_patient boolean default false)
returns table (kind text, k int, execution_id uuid, execution_ids uuid[]) language plpgsql as $$
#variable_conflict use_column
declare
    h bigint[]; h2 bigint[]; taken int[]; bad int[]; firsts int[]; busy int[] := '{}';
begin
    if ' ' = any (p_key) then
        p_key := array(select case when u.key = ' ' then fingerprint_key(u.job, u.version, u.request::json) else u.key end
                       from unnest(p_key, p_job, p_version, p_request) with ordinality u (key, job, version, request, k) order by u.k);
    end if;
    select array_agg(jsonb_hash_extended(r.request, 0) order by r.k), array_agg(jsonb_hash_extended(r.request, 1) order by r.k) into h, h2
    from (select u.request::jsonb as request, u.k from unnest(p_request) with ordinality u (request, k)) r;
    if p_patient then
        perform pg_advisory_xact_lock_shared(1919906158, b.no) from (select distinct key_bucket(u.tenant, u.key) as no from unnest(p_tenant, p_key) u (tenant, key) order by 1) b;
    else
        busy := keys_under_way(p_tenant, p_key);
    end if;
    firsts := array(select distinct on (u.tenant, u.key) u.k::int from unnest(p_tenant, p_key) with ordinality u (tenant, key, k)
                    where u.k <> all (busy) order by u.tenant, u.key, u.k);
    with made as (
        insert into idempotency_keys as i (tenant_key, key, hash, hash2, execution_id, execution_ids, expires_at)
        select u.tenant, u.key, u.h, u.h2, u.execution, u.executions::uuid[], clock() + p_ttl
        from unnest(firsts) f (k) cross join lateral (select p_tenant[f.k], p_key[f.k], h[f.k], h2[f.k], p_execution[f.k], p_executions[f.k])
             u (tenant, key, h, h2, execution, executions)
        order by u.tenant, u.key
        on conflict (tenant_key, key) do update
        set hash = excluded.hash, hash2 = excluded.hash2, execution_id = excluded.execution_id,
            execution_ids = excluded.execution_ids, expires_at = excluded.expires_at
        where case when i.key like ' %' then run_is_over(i.execution_id) else i.expires_at <= clock() end
        returning i.tenant_key, i.key)
    select array_agg(f.k) into taken
    from unnest(firsts) f (k) join made m on m.tenant_key = p_tenant[f.k] and m.key = p_key[f.k];
    if cardinality(taken) = cardinality(p_key) then return; end if;
    taken := coalesce(taken, '{}');
    -- The rows in the way were locked by the conflict, so they are still there.
    select array_agg(distinct p_unit[u.k]) into bad
    from unnest(p_tenant, p_key, h, h2) with ordinality u (tenant, key, h, h2, k)
    left join idempotency_keys i on i.tenant_key = u.tenant and i.key = u.key
    where u.k = any (busy) or (u.k <> all (taken) and u.key not like ' %' and (i.hash, i.hash2) is distinct from (u.h, u.h2));
    return query
        select 'a', u.k, '00000000-0000-0000-0000-000000000000'::uuid, null::uuid[] from unnest(busy) u (k)
        union all
        select case when u.key not like ' %' and (i.hash, i.hash2) is distinct from (u.h, u.h2) then 'c'
                    when exists (select 1 from unnest(taken) t (k) where p_tenant[t.k] = u.tenant and p_key[t.k] = u.key and p_unit[t.k] = any (bad)) then 'a'
                    else 'r' end, u.k::int, i.execution_id, i.execution_ids
        from unnest(p_tenant, p_key, h, h2) with ordinality u (tenant, key, h, h2, k)
        join idempotency_keys i on i.tenant_key = u.tenant and i.key = u.key
        where u.k <> all (taken) and u.k <> all (busy);
    -- What is answered with another's execution is not made: a key of its own names that one too.
    update idempotency_keys i set execution_id = d.execution_id
    from (select u.execution, x.execution_id from unnest(p_tenant, p_key, p_execution) with ordinality u (tenant, key, execution, k)
          join idempotency_keys x on x.tenant_key = u.tenant and x.key = u.key where u.k <> all (taken) and u.key like ' %') d
    where i.execution_id = d.execution and i.execution_ids is null
      and (i.tenant_key, i.key) in (select p_tenant[t.k], p_key[t.k] from unnest(taken) t (k));
    if bad is not null then
        delete from idempotency_keys i using unnest(p_tenant, p_key) with ordinality u (tenant, key, k)
        where i.tenant_key = u.tenant and i.key = u.key and u.k = any (taken) and p_unit[u.k] = any (bad);
    end if;
end $$;

-- A group commit of submissions. p_extent[i] is the number (from 1) of the extent that execution i lies in, p_unit[i] the client
-- request that it came with (only where there are keys). Shorter arrays stand for nulls.
-- p_owner: null, or the instance that wants to start them at once, with p_slots free. It gets an extent where the lane is not
-- paused, nothing of that rank or better waits in the lane, and the limits allow the whole extent; else the extent is queued.
-- p_wait_ms: how long it may wait once it is eligible. p_hold: what may have to wait for more (0011), and is alone in its extent: 1 for ends of other
-- jobs, 2 for its turn, 3 both; and 4 more: it is skipped outside its windows (0017). p_from: no need to look for what waits at an earlier rank (see claim_1).
-- p_capacity: so many may be queued, in the whole database; 0: as many as like. What goes beyond is refused (RL429).
-- p_judged: it is known which of these a limit that rejects lets in (refuse_at_limits_1); else RL429 where it cannot let all of them in.
-- Returns kind 'o': extent k belongs to p_owner, under fence 1; 'h': extent k waits (0011); 's': extent k has been skipped; 'r' and 'c' as take_keys_1 does.
create function submit_1(
    p_owner int, p_slots int, p_age real, p_key_ttl interval,
    p_id uuid[], p_extent int[], p_unit int[], p_parameters json[], p_correlation text[], p_tags json[], p_trace text[],
    p_lo uuid[], p_hi uuid[], p_n int[], p_tenant int[], p_lane int[], p_job int[], p_version int[], p_priority smallint[],
    p_trigger smallint[], p_eligible timestamptz[], p_submitter text[],         -- eligible: null = now
    p_wait_ms bigint[], p_from timestamptz[], p_replay_of uuid[], p_hold smallint[],
    p_key_tenant int[], p_key text[], p_key_request text[], p_key_unit int[], p_key_execution uuid[], p_key_executions text[],
    p_key_job int[], p_key_version int[], p_judged boolean default true, p_capacity bigint default 0)
returns table (kind text, k int, execution_id uuid, execution_ids uuid[]) language plpgsql set plan_cache_mode = force_generic_plan as $$      -- see settle_1
#variable_conflict use_column
declare
    want int[]; got int[]; rules lane_rule[]; keys record; left_out uuid[]; bad int[]; whole int[]; here instances; holds boolean := coalesce(cardinality(p_hold), 0) > 0; skips boolean := false;
begin
    if holds then
        skips := exists (select from unnest(p_hold) h where h >= 4);
        if skips then p_hold := array(select (h & 3)::smallint from unnest(p_hold) with ordinality u (h, k) order by u.k); end if;
    end if;
    if cardinality(p_key) > 0 then
        for keys in select * from take_keys_1(p_key_ttl, p_key_tenant, p_key, p_key_request, p_key_unit, p_key_execution, p_key_executions,
                                                  p_key_job, p_key_version) loop
            kind := keys.kind; k := keys.k; execution_id := keys.execution_id; execution_ids := keys.execution_ids;
            return next;
            if keys.kind in ('c', 'a') then
                bad := bad || p_key_unit[keys.k];
            elsif p_key_executions[keys.k] is not null then
                whole := whole || p_key_unit[keys.k];
            else
                left_out := left_out || p_key_execution[keys.k];
            end if;
        end loop;
        if bad is not null or whole is not null then
            left_out := left_out || array(select u.id from unnest(p_id, p_unit) u (id, unit) where u.unit = any (bad || whole));
        end if;
    end if;
    if exists (select from lanes l where l.lane_id = any (p_lane) and l.rejects) then
        perform refuse_at_limits_1(p_lane, p_n, p_lo, p_hi, p_eligible, left_out, p_judged);
    end if;
    if p_owner is not null and left_out is null then
        here := read_rules(p_owner);
        select array_agg(case when u.before < p_slots and here.draining_at is null and not l.paused and (l.placement is null or l.placement <@ here.labels) and lane_is_open(l.window_from, l.window_until) and u.eligible is null and (not holds or (p_hold[u.k] = 0 and l.limit_ids is null and l.breaker_id is null)) and (l.breaker_id is null or not breaker_holds(l.breaker_id)) and not exists (
                     select 1 from extents s where s.owner is null and s.ready and s.lane_id = u.lane_id
                     and s.rank >= coalesce(u.from_rank, '-infinity') and s.rank <= rank_of(clock(), u.priority, p_age)) then u.n else 0 end order by u.k),
               array_agg(row(u.lane_id, limits_of(l.limit_ids, l.breaker_id), l.limit_ns)::lane_rule) filter (where not holds and (l.limit_ids is not null or l.breaker_id is not null))
        into want, rules
        from (select x.*, sum(x.n) over (order by x.k) - 1 as before
              from unnest(p_lane, p_n, p_priority, p_eligible, p_from) with ordinality x (lane_id, n, priority, eligible, from_rank, k)) u
        join lanes l using (lane_id);
        if here.confines is not null then if holds then want := null; else rules := confined_rules(here, p_lane, rules); end if; end if;
    end if;
    insert into executions (execution_id, run_id, replay_of, lane_id, tenant_key, job_key, job_version, attempt_number, priority, trigger_type, submitted_at,
                            scheduled_time, parameters, correlation_id, tags, submitter, trace_parent, ordering_key)
    select u.id, u.id, u.replay_of, p_lane[u.extent], p_tenant[u.extent], p_job[u.extent], p_version[u.extent], 1, p_priority[u.extent], p_trigger[u.extent], clock(),
           p_eligible[u.extent], u.parameters, u.correlation, u.tags::jsonb, p_submitter[u.extent], u.trace,
           case when p_hold[u.extent] & 2 > 0 then ordering_value(p_job[u.extent], p_version[u.extent], u.parameters) end
    from unnest(p_id, p_extent, p_parameters, p_correlation, p_tags, p_trace, p_replay_of) u (id, extent, parameters, correlation, tags, trace, replay_of)
    where left_out is null or u.id <> all (left_out);
    if left_out is not null then
        if p_capacity > 0 then
            perform take_queue_room_1(p_capacity, p_lane, array(
                select case when coalesce(p_hold[u.k], 0) > 0 or u.eligible > clock() then 0 else u.n - (select count(*) from unnest(left_out) o (id) where o.id between u.lo and u.hi)::int end
                from unnest(p_lo, p_hi, p_n, p_eligible) with ordinality u (lo, hi, n, eligible, k) order by u.k));
        end if;
        -- Somebody's key was used before: the extents are cut around what is left out, and queued.
        insert into extents (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, remaining)
        select p.lo, p.hi, u.lane_id, rank_of(greatest(u.eligible, clock()), u.priority, p_age), case when h.hold > 0 then held_until(u.eligible) else greatest(u.eligible, clock()) end,
               case when h.hold > 0 then 'infinity' else coalesce(greatest(u.eligible, clock()) + u.wait_ms * interval '1 millisecond', 'infinity') end,
               u.priority, h.hold = 0 and coalesce(u.eligible <= clock(), true), p.n
        from unnest(p_lo, p_hi, p_lane, p_priority, p_eligible, p_wait_ms, p_hold) u (lo, hi, lane_id, priority, eligible, wait_ms, hold_)
        cross join lateral (select coalesce(u.hold_, 0) as hold) h
        cross join lateral pieces(u.lo, u.hi, array(select x from unnest(left_out) x where x between u.lo and u.hi)) p;
        if holds then
            perform hold_1(h.ids, h.depends) from held_of(p_lo, p_hold, left_out) h where h.ids is not null;
            return query select 'h', u.k::int, u.lo, null::uuid[] from unnest(p_lo, p_hold) with ordinality u (lo, hold, k)
                         where u.hold > 0 and exists (select from waits w where w.execution_id = u.lo);
        end if;
        if skips then return query select 's', u.k::int, u.lo, null::uuid[] from unnest(p_lo, p_hi) with ordinality u (lo, hi, k) where exists (select from skip_outside_1(array[u.lo], array[u.hi])); end if;
        return;
    end if;
    -- The limits last: their rows are the hottest.
    got := case when rules is not null then take_slots(p_lane, want, 2147483647, true, rules) else want end;
    if p_capacity > 0 then
        perform take_queue_room_1(p_capacity, p_lane, array(select case when got[u.k] > 0 or coalesce(p_hold[u.k], 0) > 0 or u.eligible > clock() then 0 else u.n end
                                                            from unnest(p_n, p_eligible) with ordinality u (n, eligible, k) order by u.k));
    end if;
    return query
    with made as (
        insert into extents as s (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, owner, fence, remaining, claimed_at, limit_ids, limit_ns)
        select u.lo, u.hi, u.lane_id, rank_of(greatest(u.eligible, clock()), u.priority, p_age), case when u.hold > 0 then held_until(u.eligible) else greatest(u.eligible, clock()) end,
               case when u.hold > 0 then 'infinity' else coalesce(greatest(u.eligible, clock()) + u.wait_ms * interval '1 millisecond', 'infinity') end,
               u.priority, coalesce(u.hold, 0) = 0 and coalesce(u.eligible <= clock(), true), case when got[u.k] > 0 then p_owner end, case when got[u.k] > 0 then 1 else 0 end, u.n,
               case when got[u.k] > 0 then clock() end,
               case when rules is not null and got[u.k] > 0 then (select r.limit_ids from unnest(rules) r where r.lane_id = u.lane_id limit 1) end,
               case when rules is not null and got[u.k] > 0 then (select r.limit_ns from unnest(rules) r where r.lane_id = u.lane_id limit 1) end
        from unnest(p_lo, p_hi, p_n, p_lane, p_priority, p_eligible, p_wait_ms, p_hold) with ordinality u (lo, hi, n, lane_id, priority, eligible, wait_ms, hold, k)
        returning s.lo, s.owner)
    select 'o', u.k::int, m.lo, null::uuid[] from made m join unnest(p_lo) with ordinality u (lo, k) on u.lo = m.lo where m.owner is not null;
    if holds then
        perform hold_1(h.ids, h.depends) from held_of(p_lo, p_hold, null) h where h.ids is not null;
        return query select 'h', u.k::int, u.lo, null::uuid[] from unnest(p_lo, p_hold) with ordinality u (lo, hold, k)
                     where u.hold > 0 and exists (select from waits w where w.execution_id = u.lo);
    end if;
    if skips then return query select 's', u.k::int, u.lo, null::uuid[] from skip_outside_1(p_lo, p_hi) x join unnest(p_lo) with ordinality u (lo, k) on u.lo = x.lo; end if;
end $$;

-- Claims at most p_budget executions of these lanes, the best ranks first. An extent that is larger than what is left of the budget, or than its limits allow, is split.
-- p_from: the rank in each lane from which on is looked (null: from the front): what was claimed lately has left dead index entries at the front, and while somebody holds
-- a snapshot nothing clears them away. p_group: the tenants that the lanes are of, numbered in the order in which they are served, and p_share what each of them may get;
-- without them the best ranks of all lanes come first. p_extents: see share_out (0021). p_keeps: it keeps slots of limits of at least so many (null: of none), and has p_kept_n of limit p_kept that it does
-- not use; kept_ids says of which limits what was claimed uses such slots. What lacks is taken and kept. How many it keeps after that, of limits where this may have
-- changed, comes in rows without `lo`: `remaining` of limit kept_ids[1]. p_epoch: see begin_epoch_1.
create function claim_1(p_instance int, p_lane int[], p_from timestamptz[], p_budget int, p_group int[] default null, p_share int[] default null,
                        p_keeps int default null, p_kept int[] default null, p_kept_n bigint[] default null, p_epoch int default 0, p_extents int[] default null)
returns table (lo uuid, hi uuid, lane_id int, fence int, remaining int, rank timestamptz, claimed_at timestamptz, kept_ids int[]) language plpgsql
    set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$      -- see settle_1
#variable_conflict use_column
declare
    lanes_ int[]; froms timestamptz[]; groups_ int[]; rules lane_rule[]; watched boolean; shares record; c_lo uuid[]; c_at tid[]; c_n int[]; c_want int[]; c_lane int[]; total bigint;
    got int[]; limited boolean; keeping int[]; direct lane_rule[]; rule_lanes int[]; direct_lanes int[]; whole tid[]; part record; here instances := read_rules(p_instance);
begin
    if here.draining_at is not null or here.epoch > p_epoch and p_keeps is not null then return; end if;
    -- What is placed elsewhere is left out by the row of its lane, too.
    select array_agg(l.lane_id), array_agg(u.from_rank), array_agg(u.grp), bool_or(l.breaker_id is not null),
           array_agg(row(l.lane_id, l.now, l.limit_ns)::lane_rule) filter (where l.now is not null)
    into lanes_, froms, groups_, watched, rules
    from unnest(p_lane, p_from, p_group) u (lane_id, from_rank, grp) cross join lateral (select * from lanes_open_to(p_kept) l where l.lane_id = u.lane_id limit 1) l
    where l.placement is null or l.placement <@ here.labels;
    if here.confines is not null then select * into lanes_, froms, groups_, rules from confine_1(here, lanes_, froms, groups_, rules); end if;
    if lanes_ is null then return; end if;
    limited := rules is not null;
    if limited then
        if p_keeps is not null then keeping := keeping_lanes(rules, p_keeps); end if;
        direct := case when keeping is null then rules else array(select r from unnest(rules) r where r.lane_id <> all (keeping)) end;
        rule_lanes := array(select r.lane_id from unnest(rules) with ordinality r order by r.ordinality);
        direct_lanes := array(select r.lane_id from unnest(direct) with ordinality r order by r.ordinality);
    end if;
    select * into shares from share_out(lanes_, froms, groups_, p_share, p_budget, p_extents);
    -- SKIP LOCKED: claims never wait for an extent. What others lock meanwhile is made up for by the next extents of the same lane.
    -- A breaker that has opened since is seen here together with whatever was submitted after that.
    -- What goes beyond a share is not wanted.
    select array_agg(c.lo), array_agg(c.at), array_agg(c.remaining), array_agg(c.wanted), array_agg(c.lane_id), sum(c.wanted) into c_lo, c_at, c_n, c_want, c_lane, total
    from (select s.lo, s.at, s.remaining, u.lane_id,
                 case when p_share is null then s.remaining
                      else least(greatest(p_share[u.grp] - (sum(s.remaining) over (partition by u.grp order by s.rank, s.lo rows unbounded preceding) - s.remaining), 0), s.remaining)::int end as wanted
          from unnest(shares.lanes, shares.froms, shares.groups, shares.extents) u (lane_id, from_rank, grp, extents)
          cross join lateral (select s.lo, s.ctid as at, s.remaining, s.rank from extents s
               where s.owner is null and s.ready and s.lane_id = u.lane_id and s.rank >= u.from_rank and s.expires_at > clock()
               order by s.rank limit u.extents for no key update skip locked) s
          where not watched or not exists (select 1 from lanes l join breakers b using (breaker_id) where l.lane_id = u.lane_id and b.is_open
              and b.limit_id <> all (coalesce(rules[array_position(rule_lanes, u.lane_id)].limit_ids, '{}')))
          order by u.grp, s.rank, s.lo) c;
    if c_lo is null then return; end if;
    if limited and (keeping is null or not keeps_enough(c_lane, c_want, p_budget, rules, keeping, p_kept, p_kept_n)) then
        got := take_slots(c_lane, c_want, p_budget, false, rules, p_instance, keeping, p_kept, p_kept_n);
        if p_keeps is not null then
            return query select null::uuid, null::uuid, null::int, null::int, k.n::int, null::timestamptz, null::timestamptz, array[k.limit_id]
                         from kept_slots k where k.instance_id = p_instance and k.limit_id in (select i.id from unnest(rules) r, unnest(r.limit_ids) i (id));
        end if;
    elsif total > p_budget then
        got := array(select greatest(0, least(u.n, p_budget - (sum(u.n) over (order by u.k) - u.n)))::int
                     from unnest(c_want) with ordinality u (n, k) order by u.k);
    else
        got := c_want;
    end if;
    -- A claim that had to wait for the rules may be older than what it takes: nothing starts before it is eligible.
    for part in select u.lo, u.m, u.n from unnest(c_lo, c_n, got) u (lo, n, m) where u.m > 0 and u.m < u.n loop
        insert into extents (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, fence, remaining)
        select with_ordinal(s.lo, ordinal_of(s.lo) + part.m), s.hi, s.lane_id, s.rank, s.eligible_at, s.expires_at, s.priority, true, s.fence, part.n - part.m
        from extents s where s.lo = part.lo;
        return query
        update extents s
        set owner = p_instance, fence = s.fence + 1, remaining = part.m, claimed_at = greatest(clock(), s.eligible_at),
            hi = with_ordinal(s.lo, ordinal_of(s.lo) + part.m - 1),
            limit_ids = direct[array_position(direct_lanes, s.lane_id)].limit_ids,
            limit_ns = direct[array_position(direct_lanes, s.lane_id)].limit_ns,
            kept_ids = case when s.lane_id = any (keeping) then rules[array_position(rule_lanes, s.lane_id)].limit_ids end
        where s.lo = part.lo
        returning s.lo, s.hi, s.lane_id, s.fence, s.remaining, s.rank, s.claimed_at, s.kept_ids;
    end loop;
    -- They are locked, so they stay where they are.
    whole := case when got = c_n then c_at else array(select u.at from unnest(c_at, c_n, got) u (at, n, m) where u.m = u.n) end;
    return query
    update extents s
    set owner = p_instance, fence = s.fence + 1, claimed_at = greatest(clock(), s.eligible_at),
        limit_ids = direct[array_position(direct_lanes, s.lane_id)].limit_ids,
        limit_ns = direct[array_position(direct_lanes, s.lane_id)].limit_ns,
        kept_ids = case when s.lane_id = any (keeping) then rules[array_position(rule_lanes, s.lane_id)].limit_ids end
    where s.ctid = any (whole)
    returning s.lo, s.hi, s.lane_id, s.fence, s.remaining, s.rank, s.claimed_at, s.kept_ids;
end $$;

-- Looks which lanes have work, from the caller's cursor on, and claims from them in the order of their best ranks: one statement for an instance that has free slots and
-- was told, or guesses, that there is work. next_after: where the next look goes on; 0: all lanes were seen. The lanes that were seen, and the best rank in each, come in
-- rows without `lo`. look_us: what looking cost, in microseconds: it grows with what others' snapshots keep from being cleared away. start_us: so long until a rate that is
-- used up lets something start again. p_fair: nothing is claimed where several tenants have work: the caller shares out between them (see_lanes_1). p_keeps, p_kept,
-- p_kept_n, kept_ids: as in claim_1.
create function claim_next_1(p_instance int, p_after int, p_lanes int, p_budget int, p_fair boolean default false,
                             p_keeps int default null, p_kept int[] default null, p_kept_n bigint[] default null, p_epoch int default 0)
returns table (lo uuid, hi uuid, lane_id int, fence int, remaining int, claimed_at timestamptz, rank timestamptz, next_after int, look_us int, start_us bigint, tenant_key int, kept_ids int[]) language plpgsql
    set plan_cache_mode = force_generic_plan as $$      -- see settle_1
#variable_conflict use_column
declare
    seen record; ids int[]; ranks timestamptz[]; owners int[]; open_ int[]; then_after int; began timestamptz := clock_timestamp(); look int; starts bigint; several boolean;
begin
    select w.lanes, w.ranks, cardinality(w.lanes) as n into seen from lanes_with_work(p_after, null, p_lanes) w;
    look := extract(epoch from clock_timestamp() - began) * 1000000;
    then_after := case when seen.n = p_lanes then seen.lanes[seen.n] else 0 end;
    select array_agg(y.lane_id), array_agg(y.rank), array_agg(y.tenant_key), array_agg(y.lane_id) filter (where not y.paused), min(y.tenant_key) <> max(y.tenant_key)
    into ids, ranks, owners, open_, several
    from (select u.lane_id, u.rank, l.paused, l.tenant_key from unnest(seen.lanes, seen.ranks) u (lane_id, rank)
          cross join lateral (select l.paused, l.tenant_key from lanes l where l.lane_id = u.lane_id limit 1) l order by u.rank) y;
    if open_ is not null and not (p_fair and several) then
        return query
            select c.lo, c.hi, c.lane_id, c.fence, c.remaining, c.claimed_at, c.rank, then_after, look, null::bigint, null::int, c.kept_ids
            from claim_1(p_instance, open_, null, p_budget, null, null, p_keeps, p_kept, p_kept_n, p_epoch) c;
    end if;
    starts := case when seen.n > 0 then (extract(epoch from next_start_of_all() - clock()) * 1000000)::bigint end;
    return query select null::uuid, null::uuid, u.lane_id, null::int, null::int, null::timestamptz, u.rank, then_after, look, starts, u.tenant_key, null::int[]
                 from unnest(ids, ranks, owners) u (lane_id, rank, tenant_key);
end $$;

-- Makes due what was eligible later. Run by every instance with its tick.
create function promote_1(p_extents int) returns int language plpgsql as $$
declare
    due uuid[] := array(select lo from extents where not ready and eligible_at <= clock() order by eligible_at limit p_extents for no key update skip locked); held uuid[];
begin
    if cardinality(due) = 0 then return 0; end if;
    held := array(select w.execution_id from waits w where w.due_at is null and w.execution_id = any (due));
    update extents s set ready = true where s.lo = any (due) and s.lo <> all (held);
    -- These begin to wait for more.
    if cardinality(held) > 0 then perform hold_due_1(held); end if;
    return cardinality(due);
end $$;
