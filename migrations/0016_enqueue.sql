-- Executions that are made inside the database: by schedules, by events, and by SQL in a user's own transaction.
--
--   No locks       The transaction may stay open for as long as its user likes, so it locks no row and no lane that others need: only the fingerprints of
--                  jobs with `dedupe`, and idempotency keys, which are its own business. What may have to wait for more than time (0011) begins to wait when
--                  promote_1 comes by, in a transaction of ours, as if it had been scheduled for now.
--   Late commits   Ids, ranks and times are those of the transaction, and it may be committed much later. So an extent may come in before what was claimed
--                  lately; looks from the front of a lane (claim_next_1) are at most a second apart, and find it.

-- What functions in the database must know of how the servers are set. Each instance tells it when it starts: the latest rules.
create table settings_in_force (
    name    text primary key,
    value   text not null,
    told_at timestamptz not null default clock());

create function tell_settings_1(p_name text[], p_value text[]) returns void language sql volatile as $$
    insert into settings_in_force as s (name, value) select u.name, u.value from unnest(p_name, p_value) u (name, value) order by u.name
    on conflict (name) do update set value = excluded.value, told_at = excluded.told_at where s.value <> excluded.value $$;

-- Null: no instance has told it. (plpgsql, as are others here: a function in SQL that is not inlined is parsed anew by each statement.)
create function setting_in_force(p_name text) returns text language plpgsql stable as $$
begin
    return (select s.value from settings_in_force s where s.name = p_name limit 1);
end $$;

-- What the queue must know of each job that is there: of its current version.
create view jobs_in_force as
    select j.job_key, j.tenant_key, j.job_id, j.enabled, v.version, l.lane_id, v.queue_timeout, v.dedupe, v.ordering_path, v.defaults, v.priority, v.tags,
           exists (select from dependencies d where d.job_key = j.job_key) as depends
    -- By its whole key (limit 1): joined, every version there has been is read.
    from jobs j cross join lateral (select * from job_versions v where v.job_key = j.job_key and v.version = j.current_version limit 1) v
    join lanes l on l.tenant_key = j.tenant_key and l.job_key = j.job_key where j.deleted_at is null;
comment on view jobs_in_force is 'Not for users: what the functions that make executions know of each job.';
comment on column jobs_in_force.job_key is 'The job.';
comment on column jobs_in_force.tenant_key is 'Its tenant.';
comment on column jobs_in_force.job_id is 'Its id in the tenant.';
comment on column jobs_in_force.enabled is 'May it be submitted?';
comment on column jobs_in_force.version is 'The current version of its definition.';
comment on column jobs_in_force.lane_id is 'Where its executions wait.';
comment on column jobs_in_force.queue_timeout is 'How long they may wait once they are eligible; null: for ever.';
comment on column jobs_in_force.dedupe is 'Whether an equal run that has not ended stands for a new one.';
comment on column jobs_in_force.ordering_path is 'Where in the parameters the value is whose executions run one at a time.';
comment on column jobs_in_force.defaults is 'The parameters of the definition.';
comment on column jobs_in_force.priority is 'The priority of the definition.';
comment on column jobs_in_force.tags is 'The tags of the definition.';
comment on column jobs_in_force.depends is 'Whether it depends on other jobs.';

-- The definition's parameters, with these instead of those of the same name.
create function merged_parameters(p_defaults json, p_own json) returns json language sql immutable parallel safe as $$
    select case when coalesce(p_defaults::text, '{}') = '{}' then nullif(p_own::text, '{}')::json when p_own is null then p_defaults
                else (p_defaults::jsonb || p_own::jsonb)::json end $$;

-- One execution, under this id; see enqueue_1. Returns the id, or that of the equal run.
create function enqueue_alone_1(f jobs_in_force, p_id uuid, p_trigger smallint, p_trigger_id text, p_parameters json, p_scheduled timestamptz, p_priority smallint,
                                p_correlation text, p_submitter text, p_tags jsonb) returns uuid language plpgsql as $$
declare
    parameters_ json := merged_parameters(f.defaults, p_parameters); from_ timestamptz := greatest(p_scheduled, clock()); other uuid; ordering text; holds boolean := f.depends;
    age real := coalesce(setting_in_force('PRIORITY_AGE_SECONDS')::real, 1);
begin
    if f.dedupe then
        select t.execution_id into other from take_keys_1(interval '1 hour', array[f.tenant_key], array[' '], array[coalesce(parameters_::text, '{}')], array[1], array[p_id], array[null::text],
                                                         array[f.job_key], array[f.version], true) t;
        if other is not null then return other; end if;
    end if;
    if f.ordering_path is not null then
        ordering := ordering_value(f.job_key, f.version, parameters_);
        holds := holds or ordering is not null;
    end if;
    p_priority := coalesce(nullif(p_priority, 0::smallint), f.priority, 0::smallint);
    p_trigger := coalesce(p_trigger, 2::smallint);
    if p_trigger <> 2 then p_tags := coalesce(f.tags || p_tags, p_tags, f.tags); end if;
    insert into executions (execution_id, run_id, lane_id, tenant_key, job_key, job_version, attempt_number, priority, trigger_type, submitted_at, scheduled_time, trigger_id,
                            parameters, correlation_id, tags, submitter, ordering_key)
    values (p_id, p_id, f.lane_id, f.tenant_key, f.job_key, f.version, 1, p_priority, p_trigger, clock(), p_scheduled, p_trigger_id, parameters_, p_correlation,
            nullif(p_tags, '{}'), p_submitter, ordering);
    insert into extents (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, remaining)
    values (p_id, p_id, f.lane_id, rank_of(from_, p_priority, age), from_,
            case when holds then 'infinity' else coalesce(from_ + f.queue_timeout, 'infinity') end, p_priority, not holds and from_ <= clock(), 1);
    if holds then
        insert into waits (execution_id, job_key, due_at, on_dependencies, on_order, entered) values (p_id, f.job_key, null, f.depends, ordering is not null, true);
    end if;
    return p_id;
end $$;

-- enqueue_1 of many different jobs, as schedules fire them: where none of these executions has to be compared or may have to wait, each is alone in its extent, and nothing is sorted or
-- gathered: half of the time. Null, and nothing is made: it is not so, or a job is not there.
create function enqueue_plain_1(p_first uuid, p_age real, p_job int[], p_trigger smallint[], p_trigger_id text[], p_parameters json[], p_scheduled timestamptz[], p_priority smallint[],
                                p_correlation text[], p_submitter text[], p_tags jsonb[]) returns uuid[] language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
    block text := left(p_first::text, 31); ids uuid[];
begin
    if cardinality(p_job) <> (select count(distinct job) from unnest(p_job) job) then return null; end if;
    with asked as materialized (
        select (block || lpad(to_hex(u.k - 1), 5, '0'))::uuid as id, u.k, f.job_key, f.tenant_key, f.version, f.lane_id, f.queue_timeout, coalesce(u.trigger_, 2::smallint) as trigger_,
               u.trigger_id, merged_parameters(f.defaults, u.parameters) as parameters, u.scheduled, greatest(u.scheduled, clock()) as from_,
               coalesce(nullif(u.priority, 0::smallint), f.priority, 0::smallint) as priority, u.correlation, u.submitter,
               nullif(case when u.trigger_ <> 2 then coalesce(f.tags || u.tags, u.tags, f.tags) else u.tags end, '{}') as tags, f.dedupe or f.depends or f.ordering_path is not null as special
        from unnest(p_job, p_trigger, p_trigger_id, p_parameters, p_scheduled, p_priority, p_correlation, p_submitter, p_tags) with ordinality
             u (job, trigger_, trigger_id, parameters, scheduled, priority, correlation, submitter, tags, k)
        cross join lateral (select * from jobs_in_force f where f.job_key = u.job limit 1) f),
    plain as materialized (select from asked a having count(*) = cardinality(p_job) and not bool_or(a.special)),
    made as (
        insert into executions (execution_id, run_id, lane_id, tenant_key, job_key, job_version, attempt_number, priority, trigger_type, submitted_at, scheduled_time, trigger_id,
                                parameters, correlation_id, tags, submitter)
        select a.id, a.id, a.lane_id, a.tenant_key, a.job_key, a.version, 1, a.priority, a.trigger_, clock(), a.scheduled, a.trigger_id, a.parameters, a.correlation, a.tags, a.submitter
        from asked a where exists (select from plain)),
    queued as (
        insert into extents (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, remaining)
        select a.id, a.id, a.lane_id, rank_of(a.from_, a.priority, p_age), a.from_, coalesce(a.from_ + a.queue_timeout, 'infinity'), a.priority, a.from_ <= clock(), 1
        from asked a where exists (select from plain))
    select array_agg(a.id order by a.k) into ids from asked a where exists (select from plain);
    return ids;
end $$;

-- Submits executions of the current versions of these jobs, which the caller has found to be there and enabled: in the transaction of the caller.
-- p_trigger: trigger_type, null is MANUAL. p_scheduled: from when on; null and what is past: now. p_priority: null or 0 is what the definition says. p_tags: all there are where
-- it is MANUAL; else they are added to those of the definition, as nobody has submitted it, and go before them. Shorter arrays stand for nulls. At most 1,048,576 at once. RL404: one of the jobs is not there.
-- Returns their ids in the order given; where a job has `dedupe` and an equal run has not ended, the id of that one, and nothing is made.
-- What is admitted alike lies side by side, in one extent; what may have to wait for other jobs or for its turn is alone in its extent.
create function enqueue_1(p_job int[], p_trigger smallint[], p_trigger_id text[], p_parameters json[], p_scheduled timestamptz[], p_priority smallint[],
                          p_correlation text[], p_submitter text[], p_tags jsonb[]) returns uuid[] language plpgsql set plan_cache_mode = force_generic_plan
    -- Of callers who have done without: what it joins are the arrays that it was given, and without these that is quadratic.
    set enable_seqscan = on set enable_bitmapscan = on set enable_mergejoin = on as $$
declare
    first uuid; ids uuid[]; missing int; age real; one jobs_in_force;
begin
    if coalesce(cardinality(p_job), 0) = 0 then return '{}'; end if;
    if cardinality(p_job) > 1048576 then
        raise exception '% executions are too many at once: at most 1048576', cardinality(p_job) using errcode = 'program_limit_exceeded';
    end if;
    first := execution_id_of((extract(epoch from clock_timestamp()) * 1000)::bigint, nextval('rowlock.blocks'), 0);
    if cardinality(p_job) = 1 then
        select * into one from jobs_in_force j where j.job_key = p_job[1];
        if not found then raise exception 'there is no job %', p_job[1] using errcode = 'RL404'; end if;
        return array[enqueue_alone_1(one, first, p_trigger[1], p_trigger_id[1], p_parameters[1], p_scheduled[1], p_priority[1], p_correlation[1],
                                     p_submitter[1], p_tags[1])];
    end if;
    age := coalesce(setting_in_force('PRIORITY_AGE_SECONDS')::real, 1);
    ids := enqueue_plain_1(first, age, p_job, p_trigger, p_trigger_id, p_parameters, p_scheduled, p_priority, p_correlation, p_submitter, p_tags);
    if ids is not null then return ids; end if;
    -- Each job is looked up once: its executions are gathered, and spread again.
    with jobs_ as materialized (
        select f.*, g.ks, g.triggers, g.trigger_ids, g.own, g.scheduled, g.priorities, g.correlations, g.submitters, g.own_tags
        from (select u.job, array_agg(u.k) as ks, array_agg(u.trigger_) as triggers, array_agg(u.trigger_id) as trigger_ids, array_agg(u.parameters) as own,
                     array_agg(u.scheduled) as scheduled, array_agg(u.priority) as priorities, array_agg(u.correlation) as correlations, array_agg(u.submitter) as submitters,
                     array_agg(u.tags) as own_tags
              from unnest(p_job, p_trigger, p_trigger_id, p_parameters, p_scheduled, p_priority, p_correlation, p_submitter, p_tags) with ordinality
                   u (job, trigger_, trigger_id, parameters, scheduled, priority, correlation, submitter, tags, k) group by u.job) g
        cross join lateral (select * from jobs_in_force f where f.job_key = g.job limit 1) f),
    asked as materialized (
        select x.*, (row_number() over (order by x.lane_id, x.priority, x.from_, x.k))::int - 1 as no
        from (select j.job_key, j.tenant_key, j.version, j.lane_id, j.queue_timeout, j.dedupe, j.depends, u.k, coalesce(u.trigger_, 2::smallint) as trigger_, u.trigger_id,
                     u.scheduled, greatest(u.scheduled, clock()) as from_, coalesce(nullif(u.priority, 0::smallint), j.priority, 0::smallint) as priority, u.correlation, u.submitter,
                     nullif(case when u.trigger_ <> 2 then coalesce(j.tags || u.tags, u.tags, j.tags) else u.tags end, '{}') as tags,
                     p.parameters, case when j.ordering_path is not null then ordering_value(j.job_key, j.version, p.parameters) end as ordering_key
              from jobs_ j
              cross join lateral unnest(j.ks, j.triggers, j.trigger_ids, j.own, j.scheduled, j.priorities, j.correlations, j.submitters, j.own_tags)
                   u (k, trigger_, trigger_id, parameters, scheduled, priority, correlation, submitter, tags)
              cross join lateral (select merged_parameters(j.defaults, u.parameters) as parameters) p) x),
    -- Fingerprints that are in use: the equal run stands for the execution.
    used as materialized (
        select f.nos[t.k] as no, t.execution_id
        from (select array_agg(a.no order by a.no) as nos, array_agg(a.tenant_key order by a.no) as tenants, array_agg(a.job_key order by a.no) as jobs, array_agg(a.version order by a.no) as versions,
                     array_agg(coalesce(a.parameters::text, '{}') order by a.no) as requests, array_agg(with_ordinal(first, a.no) order by a.no) as ids
              from asked a where a.dedupe having count(*) > 0) f
        cross join lateral take_keys_1(interval '1 hour', f.tenants, array_fill(' '::text, array[cardinality(f.nos)]), f.requests, f.nos, f.ids,
                                       array_fill(null::text, array[cardinality(f.nos)]), f.jobs, f.versions, true) t),
    made as (
        insert into executions (execution_id, run_id, lane_id, tenant_key, job_key, job_version, attempt_number, priority, trigger_type, submitted_at, scheduled_time, trigger_id,
                                parameters, correlation_id, tags, submitter, ordering_key)
        select i.id, i.id, a.lane_id, a.tenant_key, a.job_key, a.version, 1, a.priority, a.trigger_, clock(), a.scheduled, a.trigger_id, a.parameters, a.correlation, a.tags, a.submitter,
               a.ordering_key
        from asked a cross join lateral (select with_ordinal(first, a.no) as id) i
        where not exists (select from used u where u.no = a.no)),
    queued as (
        insert into extents (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, remaining)
        select with_ordinal(first, min(x.no)), with_ordinal(first, max(x.no)), x.lane_id, rank_of(x.from_, x.priority, age), x.from_,
               case when x.waits_as is null then coalesce(x.from_ + x.queue_timeout, 'infinity') else 'infinity' end, x.priority, x.waits_as is null and x.from_ <= clock(), count(*)
        from (select a.no, a.lane_id, a.priority, a.from_, a.queue_timeout, case when a.depends or a.ordering_key is not null then a.no end as waits_as,
                     a.no - row_number() over (order by a.no) as island
              from asked a where not exists (select from used u where u.no = a.no)) x
        group by x.lane_id, x.priority, x.from_, x.queue_timeout, x.waits_as, x.island),
    held as (
        insert into waits (execution_id, job_key, due_at, on_dependencies, on_order, entered)
        select with_ordinal(first, a.no), a.job_key, null, a.depends, a.ordering_key is not null, true
        from asked a where (a.depends or a.ordering_key is not null) and not exists (select from used u where u.no = a.no) order by a.k)
    select array_agg(coalesce(u.execution_id, with_ordinal(first, a.no)) order by a.k), cardinality(p_job) - count(*) into ids, missing
    from asked a left join used u on u.no = a.no;
    if missing <> 0 then
        raise exception '% of the executions are of jobs that are not there', missing using errcode = 'RL404';
    end if;
    return ids;
end $$;

-- ---- for users: SQL in their own transactions (api/contract.md)

-- The tenant that SQL acts for.
create function tenant_in_force() returns text language sql stable as $$ select coalesce(nullif(current_setting('rowlock.tenant', true), ''), 'default') $$;

-- What is wrong with an argument, as a line of a DETAIL: with its value as JSON, cut where it is long.
create function wrong_argument(p_field text, p_value json, p_message text) returns text language sql stable as $$
    select p_field || ': ' || case when length(p_value::text) > 100 then left(p_value::text, 100) || '...' else coalesce(p_value::text, 'null') end || ' ' || p_message $$;

create function refuse_arguments(p_function text, p_wrong text[]) returns void language plpgsql as $$
begin
    raise exception 'rowlock.%: % refused', p_function, case cardinality(p_wrong) when 1 then 'an argument is' else cardinality(p_wrong) || ' arguments are' end
        using errcode = 'invalid_parameter_value', detail = array_to_string(p_wrong, E'\n'), hint = 'Nothing was changed. Call it again with what the detail asks for.';
end $$;

create function wrong_tenant() returns text[] language sql stable as $$
    select case when tenant_in_force() ~ '^[a-z0-9][a-z0-9._-]{0,127}$' then '{}'::text[]
                else array[wrong_argument('rowlock.tenant', to_json(tenant_in_force()), 'must be the id of a tenant, set with SET: 1 to 128 of a-z, 0-9, ".", "_", "-", beginning with a letter or digit')] end $$;

-- Why these parameters of an execution are refused, where they are: over HTTP they would be, too. Null: they are not.
create function refusal_of_parameters(p jsonb) returns text language plpgsql immutable parallel safe as $$
declare
    as_text text := p::text;
begin
    if p is null or jsonb_typeof(p) = 'null' then return null; end if;
    if jsonb_typeof(p) <> 'object' then return 'must be a JSON object'; end if;
    if octet_length(as_text) > 33554432 then return 'must not be larger than 32 MiB'; end if;
    -- Deep ones and large numbers show in the text; only then they are looked for.
    if length(as_text) - length(translate(as_text, '{[', '')) > 63 and jsonb_path_exists(p, 'strict $.**{63 to last} ? (@.type() == "object" || @.type() == "array")') then
        return 'must not be nested more deeply than 63 levels';
    end if;
    if as_text ~ '[0-9]{19}' and exists (
        select from jsonb_path_query(p, 'strict $.** ? (@.type() == "number")') x cross join lateral (select (x #>> '{}')::numeric as n) y
        where case when scale(y.n) = 0 then y.n not between -9223372036854775808 and 18446744073709551615 else abs(y.n) > 179769313486231570 * 10::numeric ^ 291 end) then
        return 'must have only integers of 64 bits and numbers up to 1.7e308: give larger ones as text';
    end if;
    return null;
end $$;

-- What is wrong with the arguments that submissions have in common; {}: nothing.
create function wrong_submission(p_job_id text, p_priority int, p_scheduled timestamptz, p_key text, p_correlation text) returns text[] language plpgsql stable as $$
declare
    wrong text[] := wrong_tenant();
begin
    if p_job_id is null or p_job_id !~ '^[a-z0-9][a-z0-9._-]{0,127}$' then
        wrong := wrong || wrong_argument('job_id', to_json(p_job_id), 'must be 1 to 128 of a-z, 0-9, ".", "_", "-", beginning with a letter or digit');
    end if;
    if p_priority not between -1000 and 1000 then wrong := wrong || wrong_argument('priority', to_json(p_priority), 'must be an integer from -1000 to 1000'); end if;
    if p_scheduled is not null and not (p_scheduled >= '1970-01-01 00:00:00+00' and p_scheduled < '10000-01-01 00:00:00+00') then
        wrong := wrong || wrong_argument('scheduled_time', to_json(p_scheduled), 'must be a time from 1970 to 9999');
    end if;
    if p_key !~ '^[!-~]{1,255}$' then wrong := wrong || wrong_argument('idempotency_key', to_json(p_key), 'must be 1 to 255 visible ASCII characters'); end if;
    if p_correlation = '' or length(p_correlation) > 255 then wrong := wrong || wrong_argument('correlation_id', to_json(p_correlation), 'must have 1 to 255 characters'); end if;
    return wrong;
end $$;

-- The job, as it is to be submitted. RL404: it is not there.
create function job_to_submit(p_job_id text) returns jobs_in_force language plpgsql stable as $$
declare
    f jobs_in_force;
begin
    select j.* into f from tenants t join jobs_in_force j on j.tenant_key = t.tenant_key and j.job_id = p_job_id where t.tenant_id = tenant_in_force();
    if not found then
        raise exception 'There is no job %.', p_job_id
            using errcode = 'RL404', detail = wrong_argument('job_id', to_json(p_job_id), 'is not the id of a job of the tenant ' || tenant_in_force()),
                  hint = 'rowlock.v_jobs lists the jobs. SET rowlock.tenant names the tenant that this session acts for.';
    end if;
    return f;
end $$;

create function refuse_disabled(p_job_id text) returns void language plpgsql as $$
begin
    raise exception 'The job % is disabled.', p_job_id
        using errcode = 'RL409', detail = wrong_argument('job_id', to_json(p_job_id), 'is disabled'), hint = 'Enable it with POST /v1/jobs/' || p_job_id || '/enable.';
end $$;

-- A submission as it is compared with others of the same key: what HTTP makes of the same one (append_key_request).
create function key_request(p_job_id text, p_parameters jsonb, p_priority int, p_scheduled timestamptz, p_correlation text) returns jsonb language sql stable as $$
    select jsonb_strip_nulls(jsonb_build_object('job_id', p_job_id, 'priority', nullif(p_priority, 0), 'scheduled_time', rfc3339(p_scheduled), 'correlation_id', p_correlation))
           || case when coalesce(p_parameters, '{}') = '{}' then '{}' else jsonb_build_object('parameters', p_parameters) end $$;

-- Takes a key for these executions; p_ids: of a whole batch. Returns what it names where the same request has come before: nothing where it has not. RL409: another request has.
-- Where a transaction that has not ended has taken it, this waits for its end.
create function take_key_1(p_tenant int, p_key text, p_request jsonb, p_id uuid, p_ids uuid[], out execution_id uuid, out execution_ids uuid[]) language plpgsql as $$
#variable_conflict use_column
declare
    h bigint := jsonb_hash_extended(p_request, 0); h2 bigint := jsonb_hash_extended(p_request, 1); x idempotency_keys;
    until timestamptz := clock() + coalesce(setting_in_force('IDEMPOTENCY_KEY_TTL_HOURS')::float8, 24) * interval '1 hour';
begin
    perform pg_advisory_xact_lock_shared(1919906158, key_bucket(p_tenant, p_key));
    insert into idempotency_keys as i (tenant_key, key, hash, hash2, execution_id, execution_ids, expires_at)
    values (p_tenant, p_key, h, h2, p_id, p_ids, until)
    on conflict (tenant_key, key) do update
    set hash = excluded.hash, hash2 = excluded.hash2, execution_id = excluded.execution_id, execution_ids = excluded.execution_ids, expires_at = excluded.expires_at
    where i.expires_at <= clock();
    if found then return; end if;
    select * into x from idempotency_keys i where i.tenant_key = p_tenant and i.key = p_key;
    if (x.hash, x.hash2) is distinct from (h, h2) then
        raise exception 'The idempotency key was used before with another request.'
            using errcode = 'RL409', detail = wrong_argument('idempotency_key', to_json(p_key), 'was used before with another request'), hint = 'Use a new key for a new request.';
    end if;
    execution_id := x.execution_id; execution_ids := x.execution_ids;
end $$;

create function submit(job_id text, parameters jsonb default '{}', priority int default 0, scheduled_time timestamptz default null, idempotency_key text default null,
                       correlation_id text default null) returns uuid language plpgsql
    security definer set search_path = rowlock, pg_temp set plan_cache_mode = force_generic_plan as $$
declare
    wrong text[] := wrong_submission(job_id, priority, scheduled_time, idempotency_key, correlation_id); why text := refusal_of_parameters(parameters);
    f jobs_in_force; ms bigint; block bigint; id uuid; made uuid; before record;
begin
    if why is not null then wrong := wrong || wrong_argument('parameters', parameters::json, why); end if;
    if cardinality(wrong) > 0 then perform refuse_arguments('submit', wrong); end if;
    parameters := nullif(parameters, 'null');
    f := job_to_submit(job_id);
    ms := extract(epoch from clock_timestamp()) * 1000; block := nextval('rowlock.blocks'); id := execution_id_of(ms, block, 0);
    if idempotency_key is not null then
        before := take_key_1(f.tenant_key, idempotency_key, key_request(job_id, parameters, priority, scheduled_time, correlation_id), id, null);
        if before.execution_id is not null then return before.execution_id; end if;
    end if;
    if not f.enabled then perform refuse_disabled(job_id); end if;
    made := enqueue_alone_1(f, id, 2::smallint, null, parameters::json, scheduled_time, priority::smallint, correlation_id, 'sql:' || session_user, null);
    if made <> id and idempotency_key is not null then
        update idempotency_keys k set execution_id = made where k.tenant_key = f.tenant_key and k.key = idempotency_key;
    end if;
    return made;
end $$;

create function submit_many(job_id text, parameters jsonb[], priority int default 0, scheduled_time timestamptz default null, idempotency_key text default null,
                            correlation_id text default null) returns setof uuid language plpgsql
    security definer set search_path = rowlock, pg_temp set plan_cache_mode = force_generic_plan as $$
declare
    wrong text[] := wrong_submission(job_id, priority, scheduled_time, idempotency_key, correlation_id); f jobs_in_force; n int := cardinality(parameters); ids uuid[]; before record;
begin
    if parameters is null or array_ndims(parameters) > 1 then
        wrong := wrong || wrong_argument('parameters', to_json(parameters), 'must be a list with the parameters of each execution');
    elsif n > 100000 then
        wrong := wrong || wrong_argument('parameters', to_json(n), 'elements are too many for one call: at most 100000');
    else
        wrong := wrong || array(select wrong_argument('parameters[' || u.k || ']', u.p::json, w.why) from unnest(parameters) with ordinality u (p, k)
                                cross join lateral (select refusal_of_parameters(u.p) as why offset 0) w where w.why is not null order by u.k limit 100);
    end if;
    if cardinality(wrong) > 0 then perform refuse_arguments('submit_many', wrong); end if;
    f := job_to_submit(job_id);
    if n = 0 then return; end if;
    if 'null' = any (parameters) then parameters := array(select nullif(u.p, 'null') from unnest(parameters) with ordinality u (p, k) order by u.k); end if;
    if idempotency_key is not null then
        -- Which executions it names is written below.
        select * into before
        from take_key_1(f.tenant_key, idempotency_key, (select jsonb_build_object('executions', jsonb_agg(key_request(job_id, u.p, priority, scheduled_time, correlation_id) order by u.k))
                                                        from unnest(parameters) with ordinality u (p, k)), '00000000-0000-0000-0000-000000000000', '{}');
        if before.execution_id is not null then
            return query select unnest(before.execution_ids);
            return;
        end if;
    end if;
    if not f.enabled then perform refuse_disabled(job_id); end if;
    ids := enqueue_1(array_fill(f.job_key, array[n]), null, null, parameters::json[], case when scheduled_time is not null then array_fill(scheduled_time, array[n]) end,
                     case when priority <> 0 then array_fill(priority::smallint, array[n]) end, case when correlation_id is not null then array_fill(correlation_id, array[n]) end,
                     array_fill('sql:' || session_user, array[n]), null);
    if idempotency_key is not null then
        update idempotency_keys k set execution_id = ids[1], execution_ids = ids where k.tenant_key = f.tenant_key and k.key = idempotency_key;
    end if;
    return query select unnest(ids);
end $$;

-- What others may stand behind is not locked in the transaction of a user: plan_step_1 cancels it after the commit (kind 7). What waits alone in its extent, and has nothing
-- that follows from its end, is cancelled here.
create function cancel(execution_id uuid, reason text) returns boolean language plpgsql
    security definer set search_path = rowlock, pg_temp set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
#variable_conflict use_column
declare
    wrong text[] := wrong_tenant(); e executions; why text := coalesce(cancel.reason, ''); by_ text := 'sql:' || session_user;
begin
    if cancel.execution_id is null then wrong := wrong || wrong_argument('execution_id', null, 'must be the id of an execution'); end if;
    if length(why) > 1000 then wrong := wrong || wrong_argument('reason', to_json(why), 'must have at most 1000 characters'); end if;
    if cardinality(wrong) > 0 then perform refuse_arguments('cancel', wrong); end if;
    select x.* into e from executions x
    where x.execution_id = cancel.execution_id and x.tenant_key = (select t.tenant_key from tenants t where t.tenant_id = tenant_in_force()) limit 1;
    if not found or exists (select from results r where r.execution_id = e.execution_id) then return false; end if;
    perform from extents s where s.lo = e.execution_id and s.hi = e.execution_id and s.owner is null for no key update skip locked;
    if found and e.plan_run_id is null and e.ordering_key is null and not exists (select from waits w where w.execution_id = e.execution_id)
       and not exists (select from dependencies d where d.upstream_lane = e.lane_id) then
        perform from cancel_1(e.tenant_key, array[e.execution_id], by_, why);
    else
        insert into plan_work (kind, ids, tenant_key, actor, reason) values (7, array[e.execution_id], e.tenant_key, by_, why);
    end if;
    return true;
end $$;

create function wake() returns void language sql volatile as $$ select pg_notify('rowlock_wake', '') $$;

comment on function submit is 'Submits an execution in the transaction of the caller: it is there if and when that commits. Returns its id.';
comment on function submit_many is 'As submit, for each element of parameters; all or none. Returns an id for each, in the order given.';
comment on function cancel is 'Cancels an execution, or asks for it where it runs, if and when the transaction of the caller commits. False: there is none, or it has ended.';
comment on function wake is 'Tells the servers to look at once for what was committed, instead of at their next poll, which is at most a second away.';

-- Users may call four of these once somebody grants it to them; the rest is called by those, and by the service.
revoke execute on function tell_settings_1, setting_in_force, merged_parameters, enqueue_alone_1, enqueue_1, tenant_in_force, wrong_argument, refuse_arguments, wrong_tenant,
    refusal_of_parameters, wrong_submission, job_to_submit, refuse_disabled, key_request, take_key_1, submit, submit_many, cancel, wake from public;
do $$
begin
    if has_role('rowlock_app') then
        grant select, insert, update on settings_in_force to rowlock_app;
        grant select on jobs_in_force to rowlock_app;
        grant execute on function tell_settings_1, setting_in_force, merged_parameters, enqueue_alone_1, enqueue_1, tenant_in_force, wrong_argument, refuse_arguments, wrong_tenant,
            refusal_of_parameters, wrong_submission, job_to_submit, refuse_disabled, key_request, take_key_1, submit, submit_many, cancel, wake to rowlock_app;
    end if;
end $$;
