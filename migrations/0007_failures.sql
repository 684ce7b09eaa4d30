-- What becomes of failures: the error queues, dead letters, retries by hand, and circuit breakers. Called by settle and takeover, so that
-- a failure and everything that follows from it are one transaction.

create function error_category_name(p_category smallint) returns text language sql immutable parallel safe as $$
    select (array['TRANSIENT', 'PERMANENT', 'TIMEOUT', 'RESOURCE_EXHAUSTED'])[p_category] $$;

-- The error queues: 1 scheduling_errors, 2 dependency_errors, 3 execution_errors. A failed attempt has one row, under its own id and without
-- words: those are in its result. What else goes wrong says itself what it is. Swept by age and by number (0013).
create table errors (
    error_id      uuid primary key,
    queue         smallint not null check (queue between 1 and 3),
    tenant_key    int not null,
    job_key       int,
    execution_id  uuid,
    category      smallint check (category between 1 and 4),
    error_code    text,
    error_message text,
    details       jsonb,                                -- the structure of its kind: what is not a column of its own
    created_at    timestamptz not null default clock());
-- Which are the newest, and which have outlived their time?
create index errors_by_age on errors (created_at, error_id);

-- Runs that have failed for good. The key is the final attempt: one dead letter each.
create table dead_letters (
    dead_letter_id uuid primary key,                    -- the execution_id of the final attempt
    run_id         uuid not null,
    tenant_key     int not null,
    job_key        int not null,
    created_at     timestamptz not null default clock(),
    expires_at     timestamptz not null,
    status         text not null default 'OPEN' check (status in ('OPEN', 'RETRIED')),
    retried_at     timestamptz,
    retried_by     text,
    check ((status = 'RETRIED') = (retried_at is not null)));
-- What has a tenant to look at, newest first?
create index dead_letters_by_tenant on dead_letters (tenant_key, created_at, dead_letter_id);
create index dead_letters_expiring on dead_letters (expires_at);

-- How long the dead letters of these executions would be kept, in milliseconds, in their order; null: their jobs want none. p_kept: where the job does not say.
create function dead_letters_kept(p_id uuid[], p_kept interval) returns bigint[] language sql stable as $$
    select array(select case when j.dead_letter then (extract(epoch from coalesce(j.dead_letter_kept, p_kept)) * 1000)::bigint end
                 from unnest(p_id) with ordinality u (id, k)
                 cross join lateral (select e.job_key, e.job_version from executions e where e.execution_id = u.id) e
                 join job_versions j on j.job_key = e.job_key and j.version = e.job_version order by u.k) $$;

-- What has failed, or timed out: its errors, dead letters where the run does not go on, next attempts where it does. p_id[i] null: leave it out.
-- p_category[i], p_details[i]: of its error. p_kept[i]: how long its dead letter is kept, in milliseconds; null: it gets none. p_next[i]: the next
-- attempt of its run, or null. p_delay_ms[i]: it is made here, with a place in the queue of its own, for so much later; null: the caller makes it.
-- p_wait_ms[i]: how long it may wait once it is eligible; null: for ever.
-- One statement, as finding an ended execution costs as much as writing a row about it.
create function record_failures_1(p_id uuid[], p_category smallint[], p_details text[], p_kept bigint[], p_next uuid[],
                                  p_delay_ms int[] default null, p_wait_ms bigint[] default null, p_age real default null) returns void language plpgsql as $$
begin
    with failed as materialized (
        select u.id, u.category, u.details, u.kept, u.next, clock() + u.delay_ms * interval '1 millisecond' as at, u.wait_ms, e.*
        from unnest(p_id, p_category, p_details, p_kept, p_next, p_delay_ms, p_wait_ms) u (id, category, details, kept, next, delay_ms, wait_ms)
        cross join lateral (select e.tenant_key, e.job_key, e.run_id, e.lane_id, e.priority, e as was from executions e where e.execution_id = u.id) e),
    dead as (
        insert into dead_letters (dead_letter_id, run_id, tenant_key, job_key, expires_at)
        select id, run_id, tenant_key, job_key, clock() + kept * interval '1 millisecond' from failed where next is null and kept is not null),
    made as (
        insert into executions select n.* from failed f cross join lateral next_attempt(f.was, f.next, 0::smallint, f.at) n where f.next is not null and f.at is not null),
    queued as (
        insert into extents (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, remaining)
        select f.next, f.next, f.lane_id, rank_of(f.at, f.priority, p_age), f.at, coalesce(f.at + f.wait_ms * interval '1 millisecond', 'infinity'),
               f.priority, f.at <= clock(), 1
        from failed f where f.next is not null and f.at is not null)
    insert into errors (error_id, queue, tenant_key, job_key, execution_id, category, details)
    select id, 3, tenant_key, job_key, id, category, details::jsonb from failed;
end $$;

-- An error that is not the end of an attempt. p_queue as in the table. Returns its id; null: no such execution.
create function record_error_1(p_queue smallint, p_execution uuid, p_category smallint, p_code text, p_message text, p_details jsonb)
returns uuid language sql volatile as $$
    insert into errors (error_id, queue, tenant_key, job_key, execution_id, category, error_code, error_message, details)
    select execution_id_of(b.ms, b.block, 0), p_queue, e.tenant_key, e.job_key, e.execution_id, p_category, p_code, p_message, p_details
    from next_block() b cross join executions e where e.execution_id = p_execution
    returning error_id $$;

-- Gives each of these executions the id of its next attempt: those that are admitted alike lie side by side.
create function next_ids(p_id uuid[]) returns table (id uuid, next uuid) language sql volatile as $$
    select o.id, execution_id_of(b.ms, b.block, o.k)
    from next_block() b cross join (
        select e.execution_id as id, (row_number() over (order by e.lane_id, e.priority, v.queue_timeout, e.execution_id))::int - 1 as k
        from unnest(p_id) u (id) cross join lateral (select * from executions e where e.execution_id = u.id) e
        join job_versions v on v.job_key = e.job_key and v.version = e.job_version) o $$;

-- The next attempts of executions that have ended, under ids from next_ids (or some of them), eligible at once: what is admitted alike makes one
-- extent, cut where an id was left out.
create function queue_attempts_1(p_age real, p_id uuid[], p_next uuid[], p_lost smallint) returns void language plpgsql as $$
begin
    insert into executions
    select n.* from unnest(p_id, p_next) u (id, next) cross join lateral (select e as was from executions e where e.execution_id = u.id) e
    cross join lateral next_attempt(e.was, u.next, p_lost, clock()) n;
    insert into extents (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, remaining)
    select with_ordinal(min(x.base::text)::uuid, min(x.o)), with_ordinal(min(x.base::text)::uuid, max(x.o)), x.lane_id, rank_of(clock(), x.priority, p_age), clock(),
           coalesce(clock() + x.queue_timeout, 'infinity'), x.priority, true, count(*)
    from (select with_ordinal(u.next, 0) as base, ordinal_of(u.next) as o, e.lane_id, e.priority, v.queue_timeout,
                 ordinal_of(u.next) - row_number() over (partition by with_ordinal(u.next, 0), e.lane_id, e.priority, v.queue_timeout order by u.next) as island
          from unnest(p_id, p_next) u (id, next) cross join lateral (select * from executions e where e.execution_id = u.id) e
          join job_versions v on v.job_key = e.job_key and v.version = e.job_version) x
    group by x.base, x.lane_id, x.priority, x.queue_timeout, x.island;
end $$;

-- Retries by hand: the next attempt of each run, eligible at once. A row for each of p_id: `next`, or why not: NOT_FOUND, LIVE (an attempt of the run
-- has not ended), ENDED (the run has completed or was skipped), DUPLICATE (`dedupe`: another run with the same parameters has not ended), IN_PLAN (its
-- plan has not ended, and has gone on without it).
-- Whoever retries the same run at the same moment finds it LIVE.
create function retry_1(p_tenant int, p_id uuid[], p_actor text, p_age real)
returns table (execution_id uuid, next uuid, refusal text) language plpgsql as $$
#variable_conflict use_column
declare
    ids uuid[]; lasts uuid[]; refusals text[]; taken uuid[]; fingerprints text[]; retried uuid[]; nexts uuid[];
begin
    perform pg_advisory_xact_lock_shared(1919906155, 4);   -- retention (0013) takes no run meanwhile
    -- The limits keep the planner with the primary keys.
    select array_agg(x.id order by x.id), array_agg(x.last order by x.id), array_agg(x.refusal order by x.id), array_agg(x.fingerprint order by x.id)
    into ids, lasts, refusals, fingerprints
    from (select distinct on (u.id) u.id, l.last, case when e.execution_id is null then 'NOT_FOUND' when r.status is null or l.status is null then 'LIVE'
                 when r.status in (5, 9) or l.status in (5, 9) then 'ENDED'
                 when exists (select from plan_progress g where g.plan_run_id = e.plan_run_id and g.status = 3) then 'IN_PLAN' end as refusal,
                 case when v.dedupe then fingerprint_key(e.job_key, e.job_version, e.parameters) end as fingerprint
          from unnest(p_id) u (id)
          left join lateral (select * from executions e where e.execution_id = u.id and e.tenant_key = p_tenant limit 1) e on true
          left join job_versions v on v.job_key = e.job_key and v.version = e.job_version
          left join lateral (select r.status from results r where r.execution_id = e.execution_id limit 1) r on true
          left join lateral (select a.execution_id as last, z.status from attempts_of(e.run_id) a left join results z on z.execution_id = a.execution_id
                             order by a.attempt_number desc limit 1) l on true) x;
    -- retry_dead_letters_1 has locked those that it takes up. Whoever comes second waits here, and then finds the run LIVE.
    perform from dead_letters d where d.dead_letter_id = any (lasts) order by d.dead_letter_id for no key update;
    -- Keys come before what follows in the order of locks.
    if array_to_string(fingerprints, '') <> '' then
        with wanted as (
            select distinct on (u.fingerprint) u.fingerprint, e.run_id from unnest(lasts, refusals, fingerprints) u (last, refusal, fingerprint)
            join executions e on e.execution_id = u.last where u.refusal is null and u.fingerprint is not null order by u.fingerprint, e.run_id),
        made as (
            insert into idempotency_keys as i (tenant_key, key, hash, hash2, execution_id, expires_at)
            select p_tenant, w.fingerprint, 0, 0, w.run_id, clock() + interval '1 hour' from wanted w order by w.fingerprint
            on conflict (tenant_key, key) do update set execution_id = excluded.execution_id where i.execution_id = excluded.execution_id or run_is_over(i.execution_id)
            returning i.execution_id)
        select array_agg(m.execution_id) into taken from made m;
        refusals := array(select case when u.refusal is null and u.fingerprint is not null and e.run_id <> all (coalesce(taken, '{}')) then 'DUPLICATE' else u.refusal end
                          from unnest(lasts, refusals, fingerprints) with ordinality u (last, refusal, fingerprint, k)
                          left join executions e on e.execution_id = u.last order by u.k);
    end if;
    with asked as (select distinct u.last from unnest(lasts, refusals) u (last, refusal) where u.refusal is null),
    made as (
        insert into manual_retries (execution_id, next_execution_id, actor)
        select a.last, n.next, p_actor from asked a
        join next_ids(array(select a.last from asked a order by 1)) n on n.id = a.last
        order by a.last on conflict do nothing
        returning manual_retries.execution_id, manual_retries.next_execution_id)
    select array_agg(m.execution_id), array_agg(m.next_execution_id) into retried, nexts from made m;
    if retried is not null then
        perform queue_attempts_1(p_age, retried, nexts, 0::smallint);
        -- A run that has lost its place in an order waits for its turn again.
        perform queue_held_1(f.ids, p_age)
        from (select array_agg(c.execution_id order by c.execution_id) as ids
              from cut(array(select e.execution_id from unnest(nexts) u (id) join executions e on e.execution_id = u.id where e.ordering_key is not null)) c) f where f.ids is not null;
        perform advance_order_1('{}', '{}');
        update dead_letters d set status = 'RETRIED', retried_at = clock(), retried_by = p_actor where d.dead_letter_id = any (retried) and d.status = 'OPEN';
    end if;
    return query
        select u.id, n.next, case when n.next is null then coalesce(u.refusal, 'LIVE') end
        from unnest(ids, lasts, refusals) u (id, last, refusal) left join unnest(retried, nexts) n (id, next) on n.id = u.last and u.refusal is null;
end $$;

-- Retries the oldest of the open dead letters that a filter names (null: any), beyond a place in their order: at most p_limit of them. A row for
-- each that it takes up: `next`, or why not, as retry_1 says. Those that somebody else is just retrying or deleting are passed over.
create function retry_dead_letters_1(p_tenant int, p_job_id text, p_error_code text, p_since timestamptz, p_until timestamptz, p_ids uuid[],
                                     p_after_at timestamptz, p_after_id uuid, p_limit int, p_actor text, p_age real)
returns table (dead_letter_id uuid, created_at timestamptz, next uuid, refusal text) language plpgsql set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    ids uuid[]; ats timestamptz[];
begin
    perform pg_advisory_xact_lock_shared(1919906155, 4);   -- before any row, as in retry_1
    select array_agg(x.dead_letter_id), array_agg(x.created_at) into ids, ats
    from (select d.dead_letter_id, d.created_at from dead_letters d
          where d.tenant_key = p_tenant and d.status = 'OPEN' and d.expires_at > clock()
            and (p_job_id is null or d.job_key = (select j.job_key from jobs j where j.tenant_key = p_tenant and j.job_id = p_job_id))
            and (p_error_code is null or (select r.error_code from results r where r.execution_id = d.dead_letter_id) = p_error_code)
            and (p_since is null or d.created_at >= p_since) and (p_until is null or d.created_at < p_until)
            and (p_ids is null or d.dead_letter_id = any (p_ids))
            and (p_after_at is null or (d.created_at, d.dead_letter_id) > (p_after_at, p_after_id))
          order by d.created_at, d.dead_letter_id limit p_limit for no key update of d skip locked) x;
    if ids is null then return; end if;
    return query
        select u.id, u.at, r.next, r.refusal from unnest(ids, ats) u (id, at) join retry_1(p_tenant, ids, p_actor, p_age) r on r.execution_id = u.id
        order by u.at, u.id;
end $$;

-- ---- circuit breakers (the table is in 0004, as claims read it)

-- What happened to breakers, for who asks later.
create table breaker_changes (
    breaker_id int not null,
    at         timestamptz not null default clock(),
    from_state text not null,
    to_state   text not null,
    fence      int not null,
    actor      text not null,
    reason     text not null);
create index breaker_changes_by_breaker on breaker_changes (breaker_id, at);
create trigger breaker_changes_append_only before update or delete on breaker_changes for each row execute function refuse_change();
create trigger breaker_changes_no_truncate before truncate on breaker_changes execute function refuse_change();

create function breaker_state(p_is_open boolean, p_next_probe_at timestamptz, p_now timestamptz) returns text language sql immutable parallel safe as $$
    select case when not p_is_open then 'CLOSED' when p_next_probe_at > p_now then 'OPEN' else 'HALF_OPEN' end $$;

-- The number of the tenth of a window that a moment lies in.
create function slice_of(p_at timestamptz, p_window interval) returns bigint language sql immutable parallel safe as $$
    select floor(extract(epoch from p_at) * 10 / extract(epoch from p_window))::bigint $$;

-- Counts by slice, of which the last was number p_was, as they are when it is number p_now.
create function slices_at(p_counts int[], p_was bigint, p_now bigint) returns int[] language sql immutable parallel safe as $$
    select case when p_now <= p_was then p_counts
                when p_now - p_was >= 10 then array_fill(0, array[10])
                else p_counts[(p_now - p_was + 1)::int : 10] || array_fill(0, array[(p_now - p_was)::int]) end $$;

-- Gives a job the breaker of its definition: {"key", "failure_threshold", "failure_rate", "window_ms", "open_ms", "half_open_max"}; null: none. A key that
-- jobs share takes the figures of whoever defined it last.
create function set_breaker_1(p_tenant int, p_job int, p_breaker jsonb) returns void language plpgsql as $$
declare
    limit_ int; id int; name text := p_tenant || ':' || (p_breaker ->> 'key'); most int := (p_breaker ->> 'half_open_max')::int;
begin
    if p_breaker is not null and p_breaker <> 'null' then
        -- Breakers come before limits, as in tell_breakers_1. One that is new nobody else has.
        perform from breakers b where b.tenant_key = p_tenant and b.key = p_breaker ->> 'key' for no key update;
        insert into limits (scope, key, max_running)
        select 'breaker', name, most where not exists (select from limits m where m.scope = 'breaker' and m.tenant_key = 0 and m.key = name) on conflict (scope, tenant_key, key, generation) do nothing;
        update limits m set max_running = most, drains_from = case when m.in_use > most then m.in_use end, writes = m.writes + 1
        where m.scope = 'breaker' and m.tenant_key = 0 and m.key = name returning m.limit_id into limit_;
        insert into breakers as b (tenant_key, key, limit_id, failure_threshold, failure_rate, window_, open_for, half_open_max)
        select p_tenant, p_breaker ->> 'key', limit_, (p_breaker ->> 'failure_threshold')::int, (p_breaker ->> 'failure_rate')::real,
               (p_breaker ->> 'window_ms')::bigint * interval '1 millisecond', (p_breaker ->> 'open_ms')::bigint * interval '1 millisecond',
               (p_breaker ->> 'half_open_max')::int
        on conflict (tenant_key, key) do update
        set failure_threshold = excluded.failure_threshold, failure_rate = excluded.failure_rate, window_ = excluded.window_, open_for = excluded.open_for,
            half_open_max = excluded.half_open_max
        returning b.breaker_id into id;
    end if;
    update lanes set breaker_id = id where tenant_key = p_tenant and job_key = p_job and breaker_id is distinct from id;
end $$;

-- Tells the breakers of these extents' lanes what ended, in the order in which it did: for each execution its extent, which the caller has locked, and
-- whether it failed. The attempts that a breaker let through while it was half open, and they alone, close it or open it anew; those that it let
-- through before an opening say nothing about it. Locked after extents, before limits.
create function tell_breakers_1(p_lo uuid[], p_failed boolean[]) returns void language plpgsql as $$
declare
    x record; b breakers; s bigint; failed_ int[]; ended_ int[]; n_failed int; n_ended int;
begin
    for x in
        select e.breaker_id, count(*)::int as n, count(*) filter (where e.failed)::int as failed,
               -- failures since the last success
               count(*) filter (where e.failed and e.k > coalesce(e.last_success, 0))::int as in_a_row,
               array_agg(e.failed) as each_failed, array_agg(e.claimed_at) as each_claimed, array_agg(e.limit_ids::text) as each_limits
        from (select l.breaker_id, u.failed, u.k, s.claimed_at, s.limit_ids, max(u.k) filter (where not u.failed) over (partition by l.breaker_id) as last_success
              from unnest(p_lo, p_failed) with ordinality u (lo, failed, k)
              cross join lateral (select s.lane_id, s.claimed_at, s.limit_ids from extents s where s.lo = u.lo limit 1) s
              join lanes l on l.lane_id = s.lane_id where l.breaker_id is not null) e
        group by e.breaker_id order by e.breaker_id
    loop
        -- A breaker that nothing moves is not written, and not locked: successes cost a look.
        continue when x.failed = 0 and exists (select 1 from breakers y where y.breaker_id = x.breaker_id and not y.is_open and y.failure_rate is null
                                               and 0 = all (y.failed));
        select * into b from breakers y where y.breaker_id = x.breaker_id for no key update;
        if b.is_open then
            select count(*) filter (where u.failed), count(*) into n_failed, n_ended
            from unnest(x.each_failed, x.each_claimed, x.each_limits) u (failed, claimed_at, limits)
            where b.limit_id = any (u.limits::int[]) and u.claimed_at >= b.next_probe_at;
            if n_failed > 0 then
                update breakers y set next_probe_at = clock() + b.open_for, fence = b.fence + 1 where y.breaker_id = b.breaker_id;
                insert into breaker_changes (breaker_id, from_state, to_state, fence, actor, reason)
                values (b.breaker_id, 'HALF_OPEN', 'OPEN', b.fence + 1, 'settle', 'a probe failed');
            elsif n_ended > 0 then
                perform close_breaker_1(b.breaker_id, 'settle', 'a probe succeeded');
            end if;
        else
            s := slice_of(clock(), b.window_);
            failed_ := slices_at(b.failed, b.slice, s);
            ended_ := slices_at(b.ended, b.slice, s);
            if b.failure_rate is null and x.in_a_row < x.n then failed_ := array_fill(0, array[10]); end if;
            failed_[10] := failed_[10] + case when b.failure_rate is null then x.in_a_row else x.failed end;
            ended_[10] := ended_[10] + x.n;
            select sum(f), sum(e) into n_failed, n_ended from unnest(failed_, ended_) u (f, e);
            if x.failed > 0 and (case when b.failure_rate is null then n_failed >= b.failure_threshold
                                      else n_ended >= b.failure_threshold and n_failed >= b.failure_rate * n_ended end) then
                update breakers y set is_open = true, opened_at = clock(), next_probe_at = clock() + b.open_for, fence = b.fence + 1,
                       failures_when_opened = n_failed, slice = s, failed = failed_, ended = ended_ where y.breaker_id = b.breaker_id;
                insert into breaker_changes (breaker_id, from_state, to_state, fence, actor, reason)
                values (b.breaker_id, 'CLOSED', 'OPEN', b.fence + 1, 'settle', case when b.failure_rate is null then n_failed || ' failures in a row'
                        else n_failed || ' of ' || n_ended || ' failed' end);
            else
                update breakers y set slice = s, failed = failed_, ended = ended_ where y.breaker_id = b.breaker_id;
            end if;
        end if;
    end loop;
end $$;

-- Closes an open breaker, whose row the caller has locked.
create function close_breaker_1(p_breaker int, p_actor text, p_reason text) returns void language sql volatile as $$
    insert into breaker_changes (breaker_id, from_state, to_state, fence, actor, reason)
    select b.breaker_id, breaker_state(b.is_open, b.next_probe_at, clock()), 'CLOSED', b.fence + 1, p_actor, p_reason from breakers b where b.breaker_id = p_breaker;
    update breakers b set is_open = false, opened_at = null, next_probe_at = null, fence = b.fence + 1, failures_when_opened = 0,
           failed = array_fill(0, array[10]), ended = array_fill(0, array[10]) where b.breaker_id = p_breaker $$;

-- Somebody closes it by hand. false: there is none of this key. One that is closed forgets the failures that it has counted.
create function reset_breaker_1(p_tenant int, p_key text, p_actor text) returns boolean language plpgsql as $$
declare
    b breakers;
begin
    select * into b from breakers y where y.tenant_key = p_tenant and y.key = p_key for no key update;
    if not found then return false; end if;
    if b.is_open then
        perform close_breaker_1(b.breaker_id, p_actor, 'reset');
    else
        update breakers y set failed = array_fill(0, array[10]), ended = array_fill(0, array[10]) where y.breaker_id = b.breaker_id;
    end if;
    return true;
end $$;
