-- Events, and the triggers that make executions of jobs from them (spec J3, D6).
--
--   An event       comes in by the API, a webhook, rowlock.emit in somebody's own transaction, a row of a table or a notification. It
--                  is stored and decided upon in one transaction: an event that is there has been decided upon, for each trigger of its source.
--   A decision     is a row of trigger_activations: the execution that was made, or why none was. Its primary key: an event activates a trigger once.
--   Waiting        Events of a trigger with a batch window or a debounce wait in trigger_buffers, a row each: only inserted, so that an open
--                  transaction keeps nobody waiting. Whoever flushes a trigger locks its row (SKIP LOCKED), and moves its waiting events to decisions in the
--                  transaction that makes the execution. What is committed later is of the next flush.
--   Locks          After the lock order of 0001: event keys, ascending, stand with the idempotency keys; rows of triggers come before extents.

create table triggers (
    trigger_key  int generated always as identity primary key,
    trigger_id   text not null check (trigger_id ~ '^[a-z0-9][a-z0-9._-]{0,127}$'),
    tenant_key   int not null references tenants,
    job_key      int not null references jobs,
    kind         smallint not null check (kind between 1 and 4),         -- DATA_ARRIVAL, API_CALL, MESSAGE, WEBHOOK
    source       text not null,
    filter       jsonpath,
    filter_text  text,                                  -- as it was given
    batch_window interval not null default '0',
    debounce     interval not null default '0',
    enabled      boolean not null default true,
    secret       text,                                  -- of a webhook; shown to nobody
    secret_env   text,
    reads        json,                                  -- of a message trigger: the table or channel that its events come from; else they are emitted
    created_at   timestamptz not null default clock(),
    removed_at   timestamptz,                           -- null: the definition has it. The row stays, as history names it
    check (kind = 3 or reads is null), check (kind = 4 or (secret is null and secret_env is null)));
create unique index triggers_by_id on triggers (trigger_id) where removed_at is null;
create index triggers_of_source on triggers (tenant_key, source) where removed_at is null;
create index triggers_of_job on triggers (job_key);
comment on table triggers is 'Triggers of the definitions in force; with secrets, so nobody but the service reads it.';

-- Who switched a trigger, when and why; also by a definition, which may bring, change and take triggers away.
create table trigger_actions (
    action_number bigint generated always as identity primary key,
    trigger_key   int not null references triggers,
    action        text not null check (action in ('ADD', 'CHANGE', 'REMOVE', 'ENABLE', 'DISABLE')),
    author        text not null,
    reason        text not null default '',
    created_at    timestamptz not null default clock());
create index trigger_actions_of_trigger on trigger_actions (trigger_key, action_number);
create trigger trigger_actions_append_only before update or delete on trigger_actions for each row execute function refuse_change();
create trigger trigger_actions_no_truncate before truncate on trigger_actions execute function refuse_change();

create table events (
    event_id    uuid primary key,
    tenant_key  int not null,
    source      text not null,
    key         text,
    payload     json not null,
    received_at timestamptz not null,
    origin      smallint not null check (origin between 1 and 5),        -- API, SQL, WEBHOOK, TABLE, CHANNEL
    submitter   text);
create index events_of_tenant on events (tenant_key, event_id);
create index events_of_source on events (tenant_key, source, event_id);
create trigger events_append_only before update or delete on events for each row execute function refuse_change('retention');
create trigger events_no_truncate before truncate on events execute function refuse_change();

-- The same source and key within a day are one event.
create table event_keys (
    tenant_key int not null, source text not null, key text not null, event_id uuid not null, received_at timestamptz not null, primary key (tenant_key, source, key));
create index event_keys_by_time on event_keys (received_at);

-- What webhooks were signed with: what was sent once is refused the second time. Kept for as long as its timestamp would be accepted.
create table webhook_signatures (
    trigger_key int not null, signature text not null, received_at timestamptz not null, primary key (trigger_key, signature));
create index webhook_signatures_by_time on webhook_signatures (received_at);

-- Events that wait for the end of a window or for quiet.
create table trigger_buffers (
    trigger_key int not null, received_at timestamptz not null, event_id uuid not null, primary key (trigger_key, received_at, event_id)) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index trigger_buffers_of_event on trigger_buffers (event_id);

create table trigger_activations (
    event_id     uuid not null,
    trigger_key  int not null,
    outcome      smallint not null check (outcome between 1 and 6),
    execution_id uuid,                                  -- the first attempt of the run that was made
    at           timestamptz not null,
    check ((outcome = 1) = (execution_id is not null)),
    primary key (event_id, trigger_key));
create index trigger_activations_of_trigger on trigger_activations (trigger_key, event_id);
create trigger trigger_activations_append_only before update or delete on trigger_activations for each row execute function refuse_change('retention');
create trigger trigger_activations_no_truncate before truncate on trigger_activations execute function refuse_change();

create function trigger_kind_name(p_kind smallint) returns text language sql immutable parallel safe as $$
    select (array['DATA_ARRIVAL', 'API_CALL', 'MESSAGE', 'WEBHOOK'])[p_kind] $$;
create function event_origin_name(p_origin smallint) returns text language sql immutable parallel safe as $$
    select (array['API', 'SQL', 'WEBHOOK', 'TABLE', 'CHANNEL'])[p_origin] $$;
create function activation_outcome_name(p_outcome smallint) returns text language sql immutable parallel safe as $$
    select (array['ACTIVATED', 'FILTERED', 'TRIGGER_DISABLED', 'JOB_DISABLED', 'DEBOUNCED', 'TRIGGER_REMOVED'])[p_outcome] $$;
create function activation_reason(p_outcome smallint) returns text language sql immutable parallel safe as $$
    select (array['an execution was made', 'the filter does not hold', 'the trigger is disabled', 'the job is disabled', 'a later event stands for it',
                  'the trigger was removed while it waited'])[p_outcome] $$;

-- ---- registering

-- Makes the triggers of a job what its definition says. p_triggers: [{"id", "kind", "source", "filter", "batch_ms", "debounce_ms", "enabled", "secret",
-- "secret_env", "reads"}]. One that is not enabled or disabled there stays as it is, and a secret stays where none is given. RL425, with [{"index",
-- "what"}] as the message: an id is another job's ('taken'), a webhook has no secret ('secret').
create function set_triggers_1(p_tenant int, p_job int, p_triggers jsonb, p_author text, p_reason text) returns void language plpgsql as $$
declare
    bad jsonb;
begin
    if jsonb_array_length(p_triggers) = 0 and not exists (select from triggers t where t.job_key = p_job and t.removed_at is null) then return; end if;
    perform from triggers t where t.job_key = p_job order by t.trigger_key for no key update;
    with gone as (
        update triggers t set removed_at = clock() where t.job_key = p_job and t.removed_at is null and not exists (select from jsonb_to_recordset(p_triggers) u (id text) where u.id = t.trigger_id)
        returning t.trigger_key)
    insert into trigger_actions (trigger_key, action, author, reason) select g.trigger_key, 'REMOVE', p_author, p_reason from gone g;
    -- One that was there before comes back as it was, where nobody else has taken its id meanwhile.
    with back as (
        update triggers t set removed_at = null from (
            select distinct on (x.trigger_id) x.trigger_key from triggers x join jsonb_to_recordset(p_triggers) u (id text) on u.id = x.trigger_id
            where x.job_key = p_job and x.removed_at is not null and not exists (select from triggers y where y.trigger_id = x.trigger_id and y.removed_at is null)
            order by x.trigger_id, x.trigger_key desc) last
        where t.trigger_key = last.trigger_key returning t.trigger_key)
    insert into trigger_actions (trigger_key, action, author, reason) select b.trigger_key, 'ADD', p_author, p_reason from back b;
    with made as (
        insert into triggers (trigger_id, tenant_key, job_key, kind, source)
        select u.id, p_tenant, p_job, u.kind, u.source from jsonb_to_recordset(p_triggers) u (id text, kind smallint, source text)
        where not exists (select from triggers t where t.trigger_id = u.id and t.removed_at is null) order by u.id
        on conflict (trigger_id) where removed_at is null do nothing returning trigger_key)
    insert into trigger_actions (trigger_key, action, author, reason) select m.trigger_key, 'ADD', p_author, p_reason from made m;
    with changed as (
        update triggers t
        set kind = u.kind, source = u.source, filter = u.filter::jsonpath, filter_text = u.filter, batch_window = u.batch_ms * interval '1 millisecond',
            debounce = u.debounce_ms * interval '1 millisecond', enabled = coalesce(u.enabled, t.enabled), reads = u.reads,
            secret = case when u.kind = 4 and u.secret_env is null then coalesce(u.secret, t.secret) end, secret_env = case when u.kind = 4 then u.secret_env end
        from jsonb_to_recordset(p_triggers) u (id text, kind smallint, source text, filter text, batch_ms bigint, debounce_ms bigint, enabled boolean, secret text,
                                               secret_env text, reads json)
        where t.job_key = p_job and t.trigger_id = u.id and t.removed_at is null
          and ((t.kind, t.source, t.filter_text, t.batch_window, t.debounce, t.enabled, t.reads::text, t.secret_env, t.secret)
               is distinct from (u.kind, u.source, u.filter, u.batch_ms * interval '1 millisecond', u.debounce_ms * interval '1 millisecond', coalesce(u.enabled, t.enabled),
                                 u.reads::text, u.secret_env, case when u.kind = 4 and u.secret_env is null then coalesce(u.secret, t.secret) end))
        returning t.trigger_key, t.created_at)
    insert into trigger_actions (trigger_key, action, author, reason)
    select c.trigger_key, 'CHANGE', p_author, p_reason from changed c
    where not exists (select from trigger_actions a where a.trigger_key = c.trigger_key and a.action = 'ADD' and a.created_at = clock());
    select jsonb_agg(jsonb_build_object('index', u.k - 1, 'what', case when t.job_key <> p_job then 'taken' else 'secret' end) order by u.k) into bad
    from jsonb_array_elements(p_triggers) with ordinality u (given, k)
    join triggers t on t.trigger_id = u.given ->> 'id' and t.removed_at is null
    where t.job_key <> p_job or (t.kind = 4 and t.secret is null and t.secret_env is null);
    if bad is not null then raise exception '%', bad using errcode = 'RL425'; end if;
    perform set_message_sources_1(p_job);
end $$;

-- Enables or disables a trigger; one that is so already stays as it is, and nothing is noted. False: there is no such trigger.
create function switch_trigger_1(p_tenant int, p_trigger_id text, p_enabled boolean, p_author text, p_reason text) returns boolean language plpgsql as $$
declare
    t triggers;
begin
    select * into t from triggers x where x.tenant_key = p_tenant and x.trigger_id = p_trigger_id and x.removed_at is null for no key update;
    if not found then return false; end if;
    if t.enabled = p_enabled then return true; end if;
    update triggers x set enabled = p_enabled where x.trigger_key = t.trigger_key;
    insert into trigger_actions (trigger_key, action, author, reason) values (t.trigger_key, case when p_enabled then 'ENABLE' else 'DISABLE' end, p_author, p_reason);
    return true;
end $$;

-- ---- taking events in

-- An event as jobs get it, in the order of its members.
create function event_json(p_id uuid, p_source text, p_key text, p_payload json, p_received timestamptz) returns json language sql stable as $$
    select json_build_object('event_id', p_id, 'source', p_source, 'key', p_key, 'payload', p_payload, 'received_time', rfc3339(p_received)) $$;

-- Does an event pass a filter? It holds where the first thing that the path gives is true, or is anything but false and null. The root of the path is
-- the event; members of a payload that is an object can also be named without `$.payload`, where the event has none of that name.
create function event_passes(p_filter jsonpath, p_event jsonb) returns boolean language plpgsql immutable as $$
begin
    return coalesce((select x.first_one not in ('false', 'null') from (
        select jsonb_path_query_first(case when jsonb_typeof(p_event -> 'payload') = 'object' then (p_event -> 'payload') || p_event else p_event end, p_filter, '{}', true) as first_one) x
        where x.first_one is not null), false);
exception when others then
    -- Some errors are told even so: a variable that nobody has set, times with and without a zone compared. The others of the source must not fail with it.
    return false;
end $$;

-- Takes a group of events in: stores them, and decides for each trigger of their sources. p_key null: an event of its own in any case. p_trigger: the trigger
-- whose webhook was called, or whose table or channel it was read from; p_signature: what the call was signed with. Shorter arrays stand for nulls.
-- p_again: some of them may have been taken in before, under the same ids, as a commit was in doubt.
-- verdict: 't' taken in, 'd' a duplicate of event_id, 'r' signed as a call before was, and nothing is stored. activated: the triggers that an execution was made
-- for or that it waits for, as a JSON array; waiting: those of them that it waits for; executions: how many were made; refusals: how many triggers
-- did not act; due_ms: when the first of those that wait is due.
create function take_events_1(p_again boolean, p_id uuid[], p_tenant int[], p_source text[], p_key text[], p_payload json[], p_origin smallint[], p_submitter text[],
                              p_trigger int[], p_signature text[])
returns table (k int, verdict text, event_id uuid, activated json, waiting json, executions int, refusals int, due_ms bigint) language plpgsql
    set plan_cache_mode = force_generic_plan as $$      -- see settle_1. Nothing more: enqueue_1 has to make its own plans
#variable_conflict use_column
declare
    now_ timestamptz := clock(); n int := cardinality(p_id); verdicts text[] := array_fill('t'::text, array[cardinality(p_id)]); ids uuid[] := p_id;
    d_k int[]; d_trigger int[]; d_job int[]; d_name text[]; d_outcome smallint[]; d_execution uuid[]; runs int[]; made uuid[]; x record;
begin
    if p_again then
        for x in select u.k::int as k from unnest(p_id) with ordinality u (id, k) where exists (select from events e where e.event_id = u.id) loop
            verdicts[x.k] := 'a';
        end loop;
    end if;
    if cardinality(p_signature) > 0 then
        for x in
            with fresh as (
                insert into webhook_signatures as w (trigger_key, signature, received_at)
                select distinct on (u.trigger, u.signature) u.trigger, u.signature, now_
                from unnest(p_trigger, p_signature, verdicts) u (trigger, signature, verdict) where u.signature is not null and u.verdict = 't'
                order by u.trigger, u.signature on conflict do nothing returning w.trigger_key, w.signature),
            firsts as (
                select distinct on (u.trigger, u.signature) u.k from unnest(p_trigger, p_signature, verdicts) with ordinality u (trigger, signature, verdict, k)
                join fresh f on f.trigger_key = u.trigger and f.signature = u.signature where u.verdict = 't' order by u.trigger, u.signature, u.k)
            select u.k::int as k from unnest(p_signature, verdicts) with ordinality u (signature, verdict, k)
            where u.signature is not null and u.verdict = 't' and u.k not in (select f.k from firsts f)
        loop
            verdicts[x.k] := 'r'; ids[x.k] := null;
        end loop;
    end if;
    if cardinality(p_key) > 0 then
        insert into event_keys as e (tenant_key, source, key, event_id, received_at)
        select f.tenant, f.source, f.key, f.id, now_
        from (select distinct on (u.tenant, u.source, u.key) u.* from unnest(p_tenant, p_source, p_key, p_id, verdicts) with ordinality u (tenant, source, key, id, verdict, k)
              where u.key is not null and u.verdict = 't' order by u.tenant, u.source, u.key, u.k) f
        order by f.tenant, f.source, f.key
        on conflict (tenant_key, source, key) do update set event_id = excluded.event_id, received_at = excluded.received_at
        where e.received_at <= now_ - interval '24 hours';
        for x in select u.k::int as k, e.event_id from unnest(p_tenant, p_source, p_key, verdicts) with ordinality u (tenant, source, key, verdict, k)
                 cross join lateral (select e.event_id from event_keys e where e.tenant_key = u.tenant and e.source = u.source and e.key = u.key limit 1) e
                 where u.key is not null and u.verdict = 't' and e.event_id <> p_id[u.k] loop
            verdicts[x.k] := 'd'; ids[x.k] := x.event_id;
        end loop;
    end if;
    insert into events (event_id, tenant_key, source, key, payload, received_at, origin, submitter)
    select u.id, u.tenant, u.source, u.key, u.payload, now_, u.origin, u.submitter
    from unnest(p_id, p_tenant, p_source, p_key, p_payload, p_origin, p_submitter, verdicts) u (id, tenant, source, key, payload, origin, submitter, verdict)
    where u.verdict = 't';

    -- What each trigger does. 0: the event waits.
    select array_agg(y.k order by y.k, y.trigger_key), array_agg(y.trigger_key order by y.k, y.trigger_key), array_agg(y.job_key order by y.k, y.trigger_key),
           array_agg(y.trigger_id order by y.k, y.trigger_key), array_agg(y.outcome order by y.k, y.trigger_key)
    into d_k, d_trigger, d_job, d_name, d_outcome
    from (select u.k::int as k, t.trigger_key, t.job_key, t.trigger_id,
                 case when not t.enabled then 3 when not j.enabled then 4
                      when t.filter is not null and not event_passes(t.filter, event_json(u.id, u.source, u.key, u.payload, now_)::jsonb) then 2
                      when t.batch_window > '0' or t.debounce > '0' then 0 else 1 end::smallint as outcome
          from unnest(p_id, p_tenant, p_source, p_key, p_payload, p_origin, p_trigger, verdicts) with ordinality u (id, tenant, source, key, payload, origin, trigger, verdict, k)
          cross join lateral (
              -- The limits keep the planner with the indexes.
              (select t.* from triggers t where u.origin < 4 and t.tenant_key = u.tenant and t.source = u.source and t.removed_at is null and t.kind <> 4 and t.reads is null limit 100000)
              union all
              (select t.* from triggers t where t.trigger_key = u.trigger and t.tenant_key = u.tenant limit 1)) t
          cross join lateral (select j.enabled from jobs j where j.job_key = t.job_key and j.deleted_at is null limit 1) j
          where u.verdict = 't' and t.removed_at is null) y;
    if d_k is not null then
        runs := array(select u.i::int from unnest(d_outcome) with ordinality u (outcome, i) where u.outcome = 1 order by u.i);
        if cardinality(runs) > 0 then
            made := enqueue_1(array(select d_job[r.i] from unnest(runs) with ordinality r (i, o) order by r.o), array_fill(4::smallint, array[cardinality(runs)]),
                              array(select d_name[r.i] from unnest(runs) with ordinality r (i, o) order by r.o),
                              array(select json_build_object('event', event_json(p_id[d_k[r.i]], p_source[d_k[r.i]], p_key[d_k[r.i]], p_payload[d_k[r.i]], now_))
                                    from unnest(runs) with ordinality r (i, o) order by r.o),
                              null, null, null, array(select 'trigger:' || d_name[r.i] from unnest(runs) with ordinality r (i, o) order by r.o), null);
            d_execution := array_fill(null::uuid, array[cardinality(d_k)]);
            for i in 1 .. cardinality(runs) loop d_execution[runs[i]] := made[i]; end loop;
        end if;
        insert into trigger_activations (event_id, trigger_key, outcome, execution_id, at)
        select p_id[u.k], u.trigger, u.outcome, u.execution, now_ from unnest(d_k, d_trigger, d_outcome, d_execution) u (k, trigger, outcome, execution) where u.outcome > 0;
        insert into trigger_buffers (trigger_key, received_at, event_id)
        select u.trigger, now_, p_id[u.k] from unnest(d_k, d_trigger, d_outcome) u (k, trigger, outcome) where u.outcome = 0;
    end if;

    return query
    select u.k::int, case when u.verdict = 'a' then 't' else u.verdict end, u.id, coalesce(a.activated, '[]'), coalesce(a.waiting, '[]'), coalesce(a.executions, 0),
           coalesce(a.refusals, 0), a.due_ms
    from unnest(verdicts, ids) with ordinality u (verdict, id, k)
    left join (select d.k, json_agg(d.name order by d.name) filter (where d.outcome < 2) as activated, json_agg(d.name order by d.name) filter (where d.outcome = 0) as waiting,
                      count(*) filter (where d.outcome = 1)::int as executions, count(*) filter (where d.outcome > 1)::int as refusals,
                      min(extract(epoch from w.wait) * 1000)::bigint as due_ms
               from unnest(d_k, d_trigger, d_name, d_outcome) d (k, trigger, name, outcome)
               left join lateral (select least(nullif(t.batch_window, '0'), nullif(t.debounce, '0')) as wait from triggers t where t.trigger_key = d.trigger limit 1) w on d.outcome = 0
               group by d.k) a on a.k = u.k and u.verdict = 't'
    where u.verdict in ('t', 'r')
    union all
    -- What was taken in before is answered as it was then.
    select u.k::int, case when u.verdict = 'a' then 't' else u.verdict end, u.id,
           coalesce((select json_agg(t.trigger_id order by t.trigger_id) from triggers t where t.trigger_key in (
               select a.trigger_key from trigger_activations a where a.event_id = u.id and a.outcome in (1, 5) union all
               select b.trigger_key from trigger_buffers b where b.event_id = u.id)), '[]'),
           coalesce((select json_agg(t.trigger_id order by t.trigger_id) from triggers t where t.trigger_key in (
               select b.trigger_key from trigger_buffers b where b.event_id = u.id)), '[]'), 0, 0, null
    from unnest(verdicts, ids) with ordinality u (verdict, id, k) where u.verdict in ('a', 'd');
end $$;

-- ---- batches and debounce

-- When the events that wait for a trigger are due: at the end of the window that the first opened, or after quiet since the last, but no later than ten
-- times that after the first. With both, whichever comes first.
create function buffer_due(p_batch interval, p_debounce interval, p_first timestamptz, p_last timestamptz) returns timestamptz language sql immutable parallel safe as $$
    select least(case when p_batch > '0' then p_first + p_batch end, case when p_debounce > '0' then least(p_last + p_debounce, p_first + 10 * p_debounce) end, 
                 case when p_batch = '0' and p_debounce = '0' then p_first end) $$;

-- The triggers that events wait for, one index probe each.
create function waiting_triggers(p_after int, p_most int) returns setof int language sql stable as $$
    with recursive walk as (
        (select b.trigger_key, 1 as n from trigger_buffers b where b.trigger_key > p_after order by b.trigger_key, b.received_at limit 1)
        union all
        select x.trigger_key, w.n + 1 from walk w
        cross join lateral (select b.trigger_key from trigger_buffers b where b.trigger_key > w.trigger_key order by b.trigger_key, b.received_at limit 1) x where w.n < p_most)
    select w.trigger_key from walk w $$;

-- Moves the first p_rows waiting events of a trigger, which the caller has locked, to decisions; where p_between, neither the first nor the last of them;
-- where p_before is given, only those before that event: what has come since is of the next flush. Returns how many.
create function decide_waiting_1(p_trigger int, p_outcome smallint, p_between boolean, p_rows int, p_before_at timestamptz default null, p_before uuid default null) returns int language plpgsql set enable_seqscan = off as $$
declare
    n int;
begin
    with few as (
        select b.received_at, b.event_id from trigger_buffers b
        where b.trigger_key = p_trigger and (p_before is null or (b.received_at, b.event_id) < (p_before_at, p_before)) order by b.received_at, b.event_id
        offset case when p_between then 1 else 0 end limit p_rows),
    gone as (
        delete from trigger_buffers b using (select s.* from few s where not p_between or exists (
                select from trigger_buffers later where later.trigger_key = p_trigger and (later.received_at, later.event_id) > (s.received_at, s.event_id))) s
        where b.trigger_key = p_trigger and b.received_at = s.received_at and b.event_id = s.event_id returning b.event_id)
    insert into trigger_activations (event_id, trigger_key, outcome, at) select g.event_id, p_trigger, p_outcome, clock() from gone g;
    get diagnostics n = row_count;
    return n;
end $$;

-- Makes one execution of the events that wait for a trigger, which the caller has locked: of a debounce without a window the last event, else a list,
-- at most 1000 events and about 8 MiB of payloads; the rest is due at once. Returns how many events it has decided.
create function flush_trigger_1(t triggers) returns int language plpgsql as $$
declare
    list uuid[]; last_at timestamptz; document json; made uuid; n int := 0;
begin
    if t.batch_window = '0' and t.debounce > '0' then
        select array[b.event_id], b.received_at into list, last_at from trigger_buffers b where b.trigger_key = t.trigger_key order by b.received_at desc, b.event_id desc limit 1;
        select json_build_object('event', event_json(e.event_id, e.source, e.key, e.payload, e.received_at)) into document from events e where e.event_id = list[1];
    else
        select array_agg(y.event_id order by y.k), json_build_object('events', json_agg(y.event order by y.k)) into list, document
        from (select e.event_id, e.event, b.k, sum(e.size) over (order by b.k) - e.size as before
              from (select x.event_id, row_number() over (order by x.received_at, x.event_id) as k from trigger_buffers x
                    where x.trigger_key = t.trigger_key order by x.received_at, x.event_id limit 1000) b
              cross join lateral (select e.event_id, octet_length(e.payload::text) as size, event_json(e.event_id, e.source, e.key, e.payload, e.received_at) as event
                                  from events e where e.event_id = b.event_id limit 1) e) y
        where y.before < 8388608;
    end if;
    if list is null then return 0; end if;
    made := (enqueue_1(array[t.job_key], array[4::smallint], array[t.trigger_id], array[document], null, null, null, array['trigger:' || t.trigger_id], null))[1];
    with gone as (delete from trigger_buffers b where b.trigger_key = t.trigger_key and b.event_id = any (list) returning b.event_id)
    insert into trigger_activations (event_id, trigger_key, outcome, execution_id, at) select g.event_id, t.trigger_key, 1, made, clock() from gone g;
    get diagnostics n = row_count;
    if last_at is not null then n := n + decide_waiting_1(t.trigger_key, 5::smallint, false, null, last_at, list[1]); end if;
    return n;
end $$;

-- One step of the work on waiting events: at most p_triggers triggers, in the order of their keys after p_after, at most p_rows events of each. Any number
-- of instances at once: who finds a trigger locked leaves it to the other. next_after: where the next step goes on; 0: all were seen. next_ms: when the first of those
-- that were seen is due, 0 where there is more to do now; null: nothing waits.
create function flush_triggers_1(p_after int, p_triggers int, p_rows int, out events int, out executions int, out next_after int, out next_ms bigint) language plpgsql as $$
declare
    key_ int; t triggers; job_on boolean; first_ timestamptz; last_ timestamptz; due timestamptz; soonest timestamptz; n int; seen int := 0;
begin
    events := 0; executions := 0; next_after := 0;
    for key_ in select w.w from waiting_triggers(p_after, p_triggers) w (w) loop
        seen := seen + 1; next_after := key_;
        select * into t from triggers x where x.trigger_key = key_ for no key update skip locked;
        if not found then soonest := least(soonest, clock() + interval '100 milliseconds'); continue; end if;
        select b.received_at into first_ from trigger_buffers b where b.trigger_key = key_ order by b.received_at, b.event_id limit 1;
        continue when not found;
        select b.received_at into last_ from trigger_buffers b where b.trigger_key = key_ order by b.received_at desc, b.event_id desc limit 1;
        job_on := exists (select from jobs j where j.job_key = t.job_key and j.enabled and j.deleted_at is null);
        if t.removed_at is not null or not t.enabled or not job_on then
            n := decide_waiting_1(key_, case when t.removed_at is not null then 6 when not t.enabled then 3 else 4 end::smallint, false, p_rows);
            events := events + n;
            if n = p_rows then soonest := least(soonest, clock()); end if;
            continue;
        end if;
        due := buffer_due(t.batch_window, t.debounce, first_, last_);
        -- A busy debounce does not grow: only its first and its last event count.
        if t.batch_window = '0' and t.debounce > '0' then
            n := decide_waiting_1(key_, 5::smallint, true, p_rows);
            events := events + n;
            if n = p_rows then soonest := least(soonest, clock()); continue; end if;
        end if;
        if due <= clock() then
            n := flush_trigger_1(t);
            events := events + n;
            if n > 0 then executions := executions + 1; end if;
            select b.received_at into first_ from trigger_buffers b where b.trigger_key = key_ order by b.received_at, b.event_id limit 1;
            continue when not found;
            select b.received_at into last_ from trigger_buffers b where b.trigger_key = key_ order by b.received_at desc, b.event_id desc limit 1;
            due := buffer_due(t.batch_window, t.debounce, first_, last_);
        end if;
        soonest := least(soonest, due);
    end loop;
    if seen < p_triggers then next_after := 0; end if;
    next_ms := case when soonest is not null then greatest(0, ceil(extract(epoch from soonest - clock()) * 1000))::bigint end;
end $$;

-- ---- in somebody's own transaction

-- Stable for users. An event of the tenant in the setting rowlock.tenant (default: default), in the caller's transaction: it has come in if and only if
-- that commits. Returns its id; that of the earlier one where the same source and key came within a day.
create function emit(source text, payload jsonb default '{}', key text default null) returns uuid language plpgsql
    security definer set search_path = rowlock, pg_temp as $$
#variable_conflict use_column
declare
    tenant int; b record; taken uuid; wrong text[] := wrong_tenant(); why text;
begin
    select t.tenant_key into tenant from tenants t where t.tenant_id = tenant_in_force() limit 1;
    if tenant is null and cardinality(wrong) = 0 then wrong := array[wrong_argument('rowlock.tenant', to_json(tenant_in_force()), 'is not the id of a tenant')]; end if;
    if emit.source is null or length(emit.source) not between 1 and 256 then wrong := wrong || wrong_argument('source', to_json(emit.source), 'must have 1 to 256 characters'); end if;
    if emit.payload is null then
        wrong := wrong || wrong_argument('payload', null, 'must not be null: leave it out for {}');
    elsif octet_length(emit.payload::text) > 1048576 then
        wrong := wrong || wrong_argument('payload', to_json(octet_length(emit.payload::text)), 'bytes are too many: at most 1048576; store it elsewhere, and send where');
    else
        -- Over HTTP it would be refused, too: what runs the job could not read its parameters.
        why := refusal_of_parameters(jsonb_build_object('events', jsonb_build_array(jsonb_build_object('payload', emit.payload))));
        if why is not null then
            wrong := wrong || wrong_argument('payload', emit.payload::json, 'stands three levels deep in the parameters of executions, which ' || why);
        end if;
    end if;
    if length(emit.key) not between 1 and 255 then wrong := wrong || wrong_argument('key', to_json(emit.key), 'must have 1 to 255 characters: leave it out for an event of its own'); end if;
    if cardinality(wrong) > 0 then perform refuse_arguments('emit', wrong); end if;
    select * into b from next_block();
    select x.event_id into taken from take_events_1(false, array[execution_id_of(b.ms, b.block, 0)], array[tenant], array[emit.source],
        case when emit.key is not null then array[emit.key] end, array[emit.payload::json], array[2::smallint], array['sql:' || session_user], null, null) x;
    return taken;
end $$;
comment on function emit(text, jsonb, text) is 'Emits an event in the caller''s transaction: it has come in if and only if that commits. Grant USAGE on the schema and EXECUTE on this to whoever may.';

-- ---- forgetting

-- Forgets at most p_rows events that came in longer than p_kept ago, with what was decided on them, and what keys and signatures are past their time.
-- What still waits stays. Returns how many events went; -1: somebody else is at it.
create function sweep_events_1(p_kept interval, p_rows int) returns int language plpgsql
    security definer set search_path = rowlock, pg_temp set jit = off set enable_seqscan = off as $$
declare
    old uuid[];
begin
    if p_kept < interval '1 hour' then
        raise exception 'events are kept for an hour at least, not for %', p_kept using errcode = 'invalid_parameter_value';
    end if;
    if not pg_try_advisory_xact_lock(1919906155, 8) then return -1; end if;
    delete from event_keys e where (e.tenant_key, e.source, e.key) in (
        select x.tenant_key, x.source, x.key from event_keys x where x.received_at <= clock() - interval '24 hours' order by x.received_at limit p_rows for update skip locked);
    delete from webhook_signatures w where (w.trigger_key, w.signature) in (
        select x.trigger_key, x.signature from webhook_signatures x where x.received_at <= clock() - interval '11 minutes' order by x.received_at limit p_rows for update skip locked);
    old := array(select e.event_id from events e where e.event_id < first_id_at(clock() - p_kept)
                 and not exists (select from trigger_buffers b where b.event_id = e.event_id) order by e.event_id limit p_rows);
    if cardinality(old) > 0 then
        perform set_config('rowlock.retention', 'on', true);
        delete from trigger_activations a where a.event_id = any (old);
        delete from events e where e.event_id = any (old);
        perform set_config('rowlock.retention', 'off', true);
        perform record_drop('events', 'kept for ' || justify_hours(p_kept), null, null, old[1], old[cardinality(old)], cardinality(old));
    end if;
    return cardinality(old);
end $$;

-- ---- messages: tables and channels of other databases, or of this one

-- How far a trigger has read its table; and which instance reads the table, or hears the channel, at present. The holder is a matter of economy: what makes
-- each row one event is that its position is compared under the row's lock, and moved with the events.
create table message_sources (
    trigger_key    int primary key references triggers, reads text not null,
    at_transaction numeric,                             -- rows of earlier transactions, and of this one up to at_id, are events; null: nothing was read yet
    at_id          bigint,
    holder         int, holds_until timestamptz not null default '-infinity',
    failure        text, failed_at timestamptz) with -- why the last look found nothing out; null: it did
    (fillfactor = 50);

-- Keeps the sources in step with the triggers of a job. One that reads something else now begins anew.
create function set_message_sources_1(p_job int) returns void language sql volatile as $$
    insert into message_sources as m (trigger_key, reads)
    select t.trigger_key, t.reads::text from triggers t where t.job_key = p_job and t.removed_at is null and t.reads is not null order by t.trigger_key
    on conflict (trigger_key) do update set reads = excluded.reads, at_transaction = null, at_id = null, holds_until = '-infinity', failure = null, failed_at = null
    where m.reads <> excluded.reads $$;

-- Takes, or keeps, at most p_most sources for p_for: those that are to be read and that nobody else reads.
create function take_message_sources_1(p_instance int, p_for interval, p_most int)
returns table (trigger_key int, tenant_key int, source text, trigger_id text, reads text, at_transaction text, at_id bigint) language sql volatile as $$
    with mine as (
        select m.trigger_key from message_sources m
        join triggers t on t.trigger_key = m.trigger_key and t.removed_at is null and t.enabled and t.reads is not null
        join jobs j on j.job_key = t.job_key and j.enabled and j.deleted_at is null
        where m.holder = p_instance or m.holds_until <= clock()
        order by m.holder is distinct from p_instance, m.trigger_key limit p_most for no key update of m skip locked)
    update message_sources m set holder = p_instance, holds_until = clock() + p_for
    from mine join triggers t on t.trigger_key = mine.trigger_key where m.trigger_key = mine.trigger_key
    returning m.trigger_key, t.tenant_key, t.source, t.trigger_id, m.reads, m.at_transaction::text, m.at_id $$;

-- Makes rows of a table events, and moves its position behind them: one transaction, or nothing, where the position is not that any more from which they
-- were read, or the trigger is not to act. Null payloads: there are no rows, the reading begins at p_to_*. Returns how many executions were made; null: nothing was done.
create function take_messages_1(p_trigger int, p_from_transaction numeric, p_from_id bigint, p_to_transaction numeric, p_to_id bigint, p_payload json[]) returns int
language plpgsql as $$
declare
    m message_sources; t triggers; b record; n int := coalesce(cardinality(p_payload), 0); made int := 0;
begin
    select * into t from triggers x where x.trigger_key = p_trigger for share;
    select * into m from message_sources x where x.trigger_key = p_trigger for no key update;
    if t.removed_at is not null or not t.enabled or m.at_transaction is distinct from p_from_transaction or m.at_id is distinct from p_from_id then return null; end if;
    if n > 0 then
        select * into b from next_block();
        select coalesce(sum(x.executions), 0) into made from take_events_1(false, array(select execution_id_of(b.ms, b.block, i - 1) from generate_series(1, n) i order by i),
            array_fill(t.tenant_key, array[n]), array_fill(t.source, array[n]), null, p_payload, array_fill(4::smallint, array[n]), array_fill('table'::text, array[n]),
            array_fill(p_trigger, array[n]), null) x;
    end if;
    update message_sources x set at_transaction = p_to_transaction, at_id = p_to_id, failure = null, failed_at = null where x.trigger_key = p_trigger;
    return made;
end $$;

create function note_message_failure_1(p_trigger int, p_failure text) returns void language sql volatile as $$
    update message_sources m set failure = left(p_failure, 2000), failed_at = clock() where m.trigger_key = p_trigger and m.failure is distinct from left(p_failure, 2000) $$;

-- ---- what users read

create view v_events as
select e.event_id, t.tenant_id, e.source, e.key, e.payload::jsonb as payload, e.received_at as received_time, event_origin_name(e.origin) as origin, e.submitter
from events e join tenants t on t.tenant_key = e.tenant_key;

create view v_triggers as
select g.trigger_id, j.job_id, t.tenant_id, trigger_kind_name(g.kind) as trigger_type, g.source, g.filter_text as filter, extract(epoch from g.batch_window)::float8 as batch_window_seconds,
       extract(epoch from g.debounce)::float8 as debounce_seconds, g.enabled, g.secret is not null as has_secret, g.secret_env, g.reads::jsonb -> 'table' as "table",
       g.reads::jsonb -> 'channel' as channel, m.failure as read_failure, g.created_at as created_time
from triggers g join jobs j on j.job_key = g.job_key join tenants t on t.tenant_key = g.tenant_key left join message_sources m on m.trigger_key = g.trigger_key
where g.removed_at is null;

create view v_trigger_activations as
select a.event_id, g.trigger_id, j.job_id, t.tenant_id, activation_outcome_name(a.outcome) as outcome, activation_reason(a.outcome) as reason, a.execution_id, a.at
from trigger_activations a join triggers g on g.trigger_key = a.trigger_key join jobs j on j.job_key = g.job_key join tenants t on t.tenant_key = g.tenant_key
union all
select b.event_id, g.trigger_id, j.job_id, t.tenant_id, 'WAITING', case when g.debounce > '0' and g.batch_window = '0' then 'until it is quiet' else 'for the end of the window' end, null, b.received_at
from trigger_buffers b join triggers g on g.trigger_key = b.trigger_key join jobs j on j.job_key = g.job_key join tenants t on t.tenant_key = g.tenant_key;

create view v_trigger_actions as
select g.trigger_id, j.job_id, t.tenant_id, a.created_at as at, a.action, a.author, a.reason
from trigger_actions a join triggers g on g.trigger_key = a.trigger_key join jobs j on j.job_key = g.job_key join tenants t on t.tenant_key = g.tenant_key;

-- What must hold of events, beside the rest of the invariants.
create function violations_of_events() returns table (rule text, detail text) language sql stable set search_path = rowlock, pg_temp as $$
    select 'an event waits for a trigger that has decided on it', b.event_id || ' ' || b.trigger_key from trigger_buffers b join trigger_activations a using (event_id, trigger_key)
    union all select 'something waits that is no event', b.event_id::text from trigger_buffers b left join events e using (event_id) where e.event_id is null
    union all select 'a decision on no event', a.event_id::text from trigger_activations a left join events e using (event_id) where e.event_id is null
    union all select 'an activation names no execution', a.event_id || ' ' || a.execution_id from trigger_activations a left join executions e using (execution_id)
        where a.execution_id is not null and e.execution_id is null
          and not exists (select from history_days d where a.execution_id >= d.from_id and a.execution_id < d.to_id and (d.dropped_at is not null or d.forgotten > 0))
    union all select 'an execution of an event is not recorded', e.execution_id::text from executions e join events v on v.event_id::text = e.parameters::jsonb -> 'event' ->> 'event_id'
        where e.trigger_type = 4 and not exists (select from trigger_activations a where a.event_id = v.event_id and a.execution_id = e.execution_id)
    union all select 'a key names no event of its own', k.source || ' ' || k.key from event_keys k join events e using (event_id)
        where (e.tenant_key, e.source, e.key) is distinct from (k.tenant_key, k.source, k.key) $$;
alter function violations() rename to violations_before_events;
create function violations() returns table (rule text, detail text) language sql stable set search_path = rowlock, pg_temp as $$
    select * from violations_before_events() union all select * from violations_of_events() $$;

revoke execute on all functions in schema rowlock from public;
do $$
begin
    if has_role('rowlock_app') then
        grant select, insert on events, trigger_activations, trigger_actions to rowlock_app;
        grant select, insert, update on triggers, message_sources to rowlock_app;
        grant select, insert, update, delete on event_keys, webhook_signatures, trigger_buffers to rowlock_app;
        grant select on v_events, v_triggers, v_trigger_activations, v_trigger_actions to rowlock_app;
        grant usage on all sequences in schema rowlock to rowlock_app;
        grant execute on all functions in schema rowlock to rowlock_app;
    end if;
    if has_role('rowlock_auditor') then
        grant select on v_events, v_triggers, v_trigger_activations, v_trigger_actions to rowlock_auditor;
        grant execute on function trigger_kind_name(smallint), event_origin_name(smallint), activation_outcome_name(smallint), activation_reason(smallint) to rowlock_auditor;
    end if;
end $$;

comment on view v_events is 'Events that have come in: by the API, SQL, webhooks, tables and channels.';
comment on view v_triggers is 'The triggers of the definitions in force.';
comment on view v_trigger_activations is 'What each trigger did on each event of its source, and why; WAITING: for the end of its window, or for quiet.';
comment on view v_trigger_actions is 'Who added, changed, removed, enabled or disabled a trigger, when and why. Order by at.';
do $$
declare
    c record;
begin
    for c in select * from (values
        ('event_id', 'The event, a UUIDv7: ordered by time of arrival.'), ('tenant_id', 'The tenant that it belongs to.'), ('source', 'What events come from: triggers name it.'),
        ('key', 'Names the event within its source: the same within a day is the same event.'), ('payload', 'What it says.'), ('received_time', 'When it came in.'),
        ('origin', 'API, SQL, WEBHOOK, TABLE or CHANNEL.'), ('submitter', 'Who sent it.'), ('trigger_id', 'The trigger.'), ('job_id', 'The job that it makes executions of.'),
        ('trigger_type', 'DATA_ARRIVAL, API_CALL, MESSAGE or WEBHOOK.'), ('filter', 'A SQL/JSON path that must hold of an event.'),
        ('batch_window_seconds', 'Events of so long are one execution.'), ('debounce_seconds', 'One execution once it has been quiet for so long.'), ('enabled', 'Does it act?'),
        ('has_secret', 'Is a secret stored, with which calls of its webhook must be signed?'), ('secret_env', 'The environment variable of the servers that has the secret.'),
        ('table', 'The table whose rows are its events.'), ('channel', 'The channel whose notifications are its events.'),
        ('read_failure', 'Why the table or channel could not be read at the last try.'), ('created_time', 'When it was made.'),
        ('outcome', 'ACTIVATED, FILTERED, TRIGGER_DISABLED, JOB_DISABLED, DEBOUNCED, TRIGGER_REMOVED or WAITING.'), ('reason', 'Why.'),
        ('execution_id', 'The execution that was made.'), ('at', 'When.'), ('action', 'ADD, CHANGE, REMOVE, ENABLE or DISABLE.'), ('author', 'Who did it.')) x (name, meaning)
    loop
        execute (select coalesce(string_agg(format('comment on column rowlock.%I.%I is %L', v.relname, c.name, c.meaning), '; '), 'select 1')
                 from pg_class v join pg_attribute a on a.attrelid = v.oid
                 where v.relnamespace = 'rowlock'::regnamespace and v.relname in ('v_events', 'v_triggers', 'v_trigger_activations', 'v_trigger_actions') and a.attname = c.name);
    end loop;
end $$;
