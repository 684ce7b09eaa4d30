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

-- Null: no instance has told it.
create function setting_in_force(p_name text) returns text language sql stable as $$
    select s.value from settings_in_force s where s.name = p_name limit 1 $$;

-- Submits executions of the current versions of these jobs, which the caller has found to be there and enabled: in the transaction of the caller.
-- p_trigger: trigger_type, null is MANUAL. p_scheduled: from when on; null and what is past: now. p_priority: null or 0 is what the definition says. p_tags null: none where
-- it is MANUAL, else those of the definition, as nobody has submitted it. Shorter arrays stand for nulls. At most 1,048,576 at once.
-- Returns their ids in the order given; where a job has `dedupe` and an equal run has not ended, the id of that one, and nothing is made.
-- What is admitted alike lies side by side, in one extent; what may have to wait for other jobs or for its turn is alone in its extent.
create function enqueue_1(p_job int[], p_trigger smallint[], p_trigger_id text[], p_parameters json[], p_scheduled timestamptz[], p_priority smallint[],
                          p_correlation text[], p_submitter text[], p_tags jsonb[]) returns uuid[] language plpgsql set plan_cache_mode = force_generic_plan as $$
declare
    b record; ids uuid[]; missing int; age real := coalesce(setting_in_force('PRIORITY_AGE_SECONDS')::real, 1);
begin
    if coalesce(cardinality(p_job), 0) = 0 then return '{}'; end if;
    if cardinality(p_job) > 1048576 then
        raise exception '% executions are too many at once: at most 1048576', cardinality(p_job) using errcode = 'program_limit_exceeded';
    end if;
    select * into b from next_block();
    -- Each job is looked up once: its executions are gathered, and spread again.
    with jobs_ as materialized (
        select g.*, j.tenant_key, j.current_version as version, l.lane_id, v.queue_timeout, v.dedupe, v.ordering_path is not null as is_ordered, v.defaults, v.priority_, v.tags_,
               exists (select from dependencies d where d.job_key = g.job) as depends
        from (select u.job, array_agg(u.k) as ks, array_agg(u.trigger_) as triggers, array_agg(u.trigger_id) as trigger_ids, array_agg(u.parameters) as parameters,
                     array_agg(u.scheduled) as scheduled, array_agg(u.priority) as priorities, array_agg(u.correlation) as correlations, array_agg(u.submitter) as submitters,
                     array_agg(u.tags) as tags
              from unnest(p_job, p_trigger, p_trigger_id, p_parameters, p_scheduled, p_priority, p_correlation, p_submitter, p_tags) with ordinality
                   u (job, trigger_, trigger_id, parameters, scheduled, priority, correlation, submitter, tags, k) group by u.job) g
        cross join lateral (select j.tenant_key, j.current_version from jobs j where j.job_key = g.job limit 1) j
        cross join lateral (select l.lane_id from lanes l where l.tenant_key = j.tenant_key and l.job_key = g.job limit 1) l
        cross join lateral (select v.queue_timeout, v.dedupe, v.ordering_path, v.definition -> 'parameters' as defaults, (v.definition -> 'resources' ->> 'priority')::smallint as priority_,
                                   nullif((v.definition -> 'tags')::jsonb, '{}') as tags_
                            from job_versions v where v.job_key = g.job and v.version = j.current_version limit 1) v),
    asked as materialized (
        select x.*, (row_number() over (order by x.lane_id, x.priority, x.from_, x.k))::int - 1 as no
        from (select j.job, j.tenant_key, j.version, j.lane_id, j.queue_timeout, j.dedupe, j.depends, u.k, coalesce(u.trigger_, 2::smallint) as trigger_, u.trigger_id,
                     u.scheduled, greatest(u.scheduled, clock()) as from_, coalesce(nullif(u.priority, 0::smallint), j.priority_, 0::smallint) as priority, u.correlation, u.submitter,
                     nullif(case when coalesce(u.trigger_, 2) = 2 then u.tags else coalesce(u.tags, j.tags_) end, '{}') as tags,
                     p.parameters, case when j.is_ordered then ordering_value(j.job, j.version, p.parameters) end as ordering_key
              from jobs_ j
              cross join lateral unnest(j.ks, j.triggers, j.trigger_ids, j.parameters, j.scheduled, j.priorities, j.correlations, j.submitters, j.tags)
                   u (k, trigger_, trigger_id, parameters, scheduled, priority, correlation, submitter, tags)
              cross join lateral (select case when coalesce(j.defaults::text, '{}') = '{}' then u.parameters when u.parameters is null then j.defaults
                                              else (j.defaults::jsonb || u.parameters::jsonb)::json end as parameters) p) x),
    -- Fingerprints that are in use: the equal run stands for the execution.
    used as materialized (
        select f.nos[t.k] as no, t.execution_id
        from (select array_agg(a.no order by a.no) as nos, array_agg(a.tenant_key order by a.no) as tenants, array_agg(a.job order by a.no) as jobs, array_agg(a.version order by a.no) as versions,
                     array_agg(coalesce(a.parameters::text, '{}') order by a.no) as requests, array_agg(execution_id_of(b.ms, b.block, a.no) order by a.no) as ids
              from asked a where a.dedupe having count(*) > 0) f
        cross join lateral take_keys_1(interval '1 hour', f.tenants, array_fill(' '::text, array[cardinality(f.nos)]), f.requests, f.nos, f.ids, array_fill(null::text, array[cardinality(f.nos)]), f.jobs, f.versions) t),
    made as (
        insert into executions (execution_id, run_id, lane_id, tenant_key, job_key, job_version, attempt_number, priority, trigger_type, submitted_at, scheduled_time, trigger_id,
                                parameters, correlation_id, tags, submitter, ordering_key)
        select i.id, i.id, a.lane_id, a.tenant_key, a.job, a.version, 1, a.priority, a.trigger_, clock(), a.scheduled, a.trigger_id, a.parameters, a.correlation, a.tags, a.submitter, a.ordering_key
        from asked a cross join lateral (select execution_id_of(b.ms, b.block, a.no) as id) i
        where not exists (select from used u where u.no = a.no)),
    queued as (
        insert into extents (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, remaining)
        select execution_id_of(b.ms, b.block, min(x.no)), execution_id_of(b.ms, b.block, max(x.no)), x.lane_id, rank_of(x.from_, x.priority, age), x.from_,
               case when x.waits_as is null then coalesce(x.from_ + x.queue_timeout, 'infinity') else 'infinity' end, x.priority, x.waits_as is null and x.from_ <= clock(), count(*)
        from (select a.no, a.lane_id, a.priority, a.from_, a.queue_timeout, case when a.depends or a.ordering_key is not null then a.no end as waits_as,
                     a.no - row_number() over (order by a.no) as island
              from asked a where not exists (select from used u where u.no = a.no)) x
        group by x.lane_id, x.priority, x.from_, x.queue_timeout, x.waits_as, x.island),
    held as (
        insert into waits (execution_id, job_key, due_at, on_dependencies, on_order, entered)
        select execution_id_of(b.ms, b.block, a.no), a.job, null, a.depends, a.ordering_key is not null, true
        from asked a where (a.depends or a.ordering_key is not null) and not exists (select from used u where u.no = a.no) order by a.k)
    select array_agg(coalesce(u.execution_id, execution_id_of(b.ms, b.block, a.no)) order by a.k), cardinality(p_job) - count(*) into ids, missing
    from asked a left join used u on u.no = a.no;
    if missing <> 0 then
        raise exception '% of the executions are of jobs that are not there', missing using errcode = 'RL404';
    end if;
    return ids;
end $$;

revoke execute on function tell_settings_1, setting_in_force, enqueue_1 from public;
do $$
begin
    if has_role('rowlock_app') then
        grant select, insert, update on settings_in_force to rowlock_app;
        grant execute on function tell_settings_1, setting_in_force, enqueue_1 to rowlock_app;
    end if;
end $$;
