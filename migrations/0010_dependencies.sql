-- What jobs depend on (spec D1): declared, or inferred from the data sets that they read and make. How executions wait for it is in 0011.

-- A job that has had dependencies. Its row is the lock for all that follows from them.
create table dependents (
    job_key     int primary key references jobs,
    tenant_key  int not null,
    require_all boolean not null,
    age         real not null);                         -- PRIORITY_AGE_SECONDS of the server that registered it

-- Data sets that jobs read and make.
create table data_sets (
    tenant_key int not null,
    name       text not null,
    is_output  boolean not null,
    job_key    int not null references jobs,
    primary key (tenant_key, name, is_output, job_key));
create index data_sets_of_job on data_sets (job_key);

create table dependencies (
    job_key         int not null references jobs,
    upstream_job_id text not null,
    tenant_key      int not null,
    upstream_key    int,                                -- null: there is no such job
    upstream_lane   int,
    dependency_id   text not null,
    kind            smallint not null check (kind between 1 and 3),      -- SUCCESS, COMPLETION, DATA_READY
    condition       text,                               -- a SQL/JSON path predicate on the result
    window_         interval,                           -- how old the upstream's end may be
    skip            boolean not null default false,     -- where the upstream was skipped, the dependent is
    wait_for        interval not null,
    is_data         boolean not null,                   -- inferred: one reads what the other makes
    end_id          uuid,                               -- the mark
    ended_at        timestamptz,
    end_skips       boolean not null default false,
    reported        boolean not null default false,     -- that it has not come for too long is in dependency_errors
    primary key (job_key, upstream_job_id), check ((end_id is null) = (ended_at is null))) with (fillfactor = 50);
-- Whom does the end of a job concern? Asked by each settle.
create index dependencies_by_upstream on dependencies (upstream_lane);
create index dependencies_missing on dependencies (tenant_key, upstream_job_id) where upstream_key is null;

-- Which ends a run has used.
create table dependency_uses (
    run_id                uuid not null,
    dependency_id         text not null,
    upstream_job_id       text not null,
    upstream_execution_id uuid not null,
    at                    timestamptz not null default clock(),
    primary key (run_id, upstream_job_id));
create trigger dependency_uses_append_only before update or delete on dependency_uses for each row execute function refuse_change('retention');
create trigger dependency_uses_no_truncate before truncate on dependency_uses execute function refuse_change();

-- ---- registering

-- What an end is for a dependency: 1 it satisfies it; 2 it was skipped, and so is the dependent; 0 nothing; -1 a gate has failed: what it said before holds no more.
create function verdict_of(d dependencies, p_end uuid, p_status smallint, p_gate boolean) returns smallint language sql stable as $$
    select case when p_status = 9 and d.skip then 2
                when p_gate and p_status <> 5 then -1
                when d.kind <> 2 and p_status <> 5 then 0
                when d.kind = 3 and coalesce(result_document(p_end) -> 'outputs', '{}') in ('{}', '[]') then 0
                when d.condition is not null and not condition_holds(result_document(p_end), d.condition) then case when p_gate then -1 else 0 end
                else 1 end::smallint $$;

create function is_marked(d dependencies) returns boolean language sql stable as $$
    select d.end_id is not null and (d.window_ is null or d.ended_at >= clock() - d.window_) $$;

-- A new dependency is satisfied by the newest end of the upstream that would have satisfied it. (No execution of the job has used that one.)
create function mark_from_history_1(p_job int, p_upstream text) returns void language plpgsql set enable_seqscan = off as $$
declare
    d dependencies; x record; verdict smallint;
begin
    select * into d from dependencies y where y.job_key = p_job and y.upstream_job_id = p_upstream;
    for x in
        select e.execution_id, r.status, r.completed_at, v.is_gate
        from (select * from executions e where e.job_key = d.upstream_key order by e.execution_id desc limit 100) e
        cross join lateral (select * from results r where r.execution_id = e.execution_id and r.next_execution_id is null limit 1) r
        join job_versions v on v.job_key = e.job_key and v.version = e.job_version
        where e.plan_run_id is null order by r.completed_at desc, e.execution_id desc
    loop
        verdict := verdict_of(d, x.execution_id, x.status, x.is_gate);
        if verdict = 1 then
            update dependencies y set end_id = x.execution_id, ended_at = x.completed_at where y.job_key = p_job and y.upstream_job_id = p_upstream;
        end if;
        exit when verdict in (1, -1);
    end loop;
end $$;

create function dependency_error_1(p_tenant int, p_job int, p_code text, p_type text, p_dependency text, p_upstream text, p_message text) returns void language sql volatile as $$
    insert into errors (error_id, queue, tenant_key, job_key, error_code, error_message, details)
    select execution_id_of(b.ms, b.block, 0), 2, p_tenant, p_job, p_code, p_message,
           jsonb_build_object('error_type', p_type, 'dependency_id', p_dependency, 'upstream_job_id', p_upstream)
    from next_block() b $$;

-- The path of a cycle that this job lies on: job ids, each waited for by the next, the first again at the end; null: there is none.
create function cycle_of(p_job int) returns text[] language plpgsql stable as $$
declare
    frontier int[] := array[p_job]; seen int[] := '{}'; waiters int[] := '{}'; next_ int[]; x record; at int := p_job; path int[] := array[p_job];
begin
    while cardinality(frontier) > 0 loop
        next_ := '{}';
        for x in select d.upstream_key as upstream, min(d.job_key) as waiter from dependencies d join jobs j on j.job_key = d.job_key and j.deleted_at is null
                 where d.job_key = any (frontier) and d.upstream_key is not null and d.upstream_key <> all (seen) group by d.upstream_key loop
            next_ := next_ || x.upstream; seen := seen || x.upstream; waiters := waiters || x.waiter;
        end loop;
        if p_job = any (next_) then
            loop
                at := waiters[array_position(seen, at)];
                path := path || at;
                exit when at = p_job;
            end loop;
            return array(select j.job_id from unnest(path) with ordinality u (job, k) join jobs j on j.job_key = u.job order by u.k);
        end if;
        frontier := next_;
    end loop;
    return null;
end $$;

-- RL422 with the path as JSON where one of these jobs lies on a cycle.
create function refuse_cycles_1(p_tenant int, p_job_ids text[]) returns void language plpgsql as $$
declare
    path text[];
begin
    for path in select cycle_of(j.job_key) from jobs j where j.tenant_key = p_tenant and j.job_id = any (p_job_ids) order by j.job_id loop
        if path is not null then raise exception '%', to_jsonb(path) using errcode = 'RL422'; end if;
    end loop;
end $$;

-- Makes the data dependencies of these jobs what the data sets say. The caller has locked their rows in dependents.
create function link_data_1(p_tenant int, p_jobs int[], p_wait interval) returns void language plpgsql as $$
declare
    x record;
begin
    delete from dependencies d where d.job_key = any (p_jobs) and d.is_data and not exists (
        select from data_sets i join data_sets o on o.tenant_key = i.tenant_key and o.name = i.name and o.is_output
        where i.job_key = d.job_key and not i.is_output and o.job_key = d.upstream_key);
    for x in
        insert into dependencies (job_key, upstream_job_id, tenant_key, upstream_key, upstream_lane, dependency_id, kind, wait_for, is_data)
        select distinct i.job_key, u.job_id, p_tenant, u.job_key, l.lane_id, j.job_id || '-' || u.job_id, 1, p_wait, true
        from data_sets i join jobs j on j.job_key = i.job_key and j.deleted_at is null
        join data_sets o on o.tenant_key = i.tenant_key and o.name = i.name and o.is_output and o.job_key <> i.job_key
        join jobs u on u.job_key = o.job_key and u.deleted_at is null
        join lanes l on l.tenant_key = p_tenant and l.job_key = u.job_key
        where i.job_key = any (p_jobs) and not i.is_output
        on conflict (job_key, upstream_job_id) do nothing returning job_key, upstream_job_id
    loop
        perform mark_from_history_1(x.job_key, x.upstream_job_id);
    end loop;
end $$;

-- Registers what a job depends on and what depends on it, from its new version. p_rules, as put_job_1 has them: {"dependencies": [{"id", "upstream", "type",
-- "condition", "window_s", "skip", "timeout_s"}], "require_all", "inputs", "outputs", "default_timeout_s", "check_cycles", "age_s"}. A dependency that is as it was
-- keeps its mark. RL422 with the path as JSON: a cycle would come about. All that changes the graph is done one after the other (advisory 5), so
-- that the halves of a cycle cannot be registered at once.
create function set_dependencies_1(p_tenant int, p_job int, p_rules jsonb) returns void language plpgsql as $$
declare
    me jobs; x record; affected int[]; is_plain boolean; wait_ interval := coalesce((p_rules ->> 'default_timeout_s')::float8, 300) * interval '1 second';
begin
    select * into me from jobs j where j.job_key = p_job;
    is_plain := jsonb_array_length(coalesce(p_rules -> 'dependencies', '[]')) + jsonb_array_length(coalesce(p_rules -> 'inputs', '[]'))
                    + jsonb_array_length(coalesce(p_rules -> 'outputs', '[]')) = 0
                and not exists (select from dependencies d where d.job_key = p_job) and not exists (select from data_sets s where s.job_key = p_job);
    if is_plain then
        -- Nothing leads on from it, so it lies on no cycle. Somebody may be registering a dependency on it at this moment, and does not see it yet.
        perform pg_advisory_xact_lock_shared(1919906155, 5);
        if not exists (select from dependencies d where d.tenant_key = p_tenant and d.upstream_job_id = me.job_id and d.upstream_key is null) then return; end if;
    else
        perform pg_advisory_xact_lock(1919906155, 5);
    end if;
    affected := array(
        select p_job union select d.job_key from dependencies d where d.tenant_key = p_tenant and d.upstream_job_id = me.job_id
        union select i.job_key from data_sets i where i.tenant_key = p_tenant and not i.is_output and i.name in (
            select s.name from data_sets s where s.job_key = p_job and s.is_output
            union select jsonb_array_elements_text(coalesce(p_rules -> 'outputs', '[]')))
        order by 1);
    insert into dependents (job_key, tenant_key, require_all, age)
    select u.job, p_tenant, true, coalesce((p_rules ->> 'age_s')::real, 1) from unnest(affected) u (job) order by u.job on conflict do nothing;
    perform from dependents y where y.job_key = any (affected) order by y.job_key for no key update;
    update dependents y set require_all = coalesce((p_rules ->> 'require_all')::boolean, true), age = coalesce((p_rules ->> 'age_s')::real, 1) where y.job_key = p_job;

    delete from data_sets s where s.job_key = p_job;
    insert into data_sets (tenant_key, name, is_output, job_key)
    select p_tenant, u.name, u.is_output, p_job
    from (select jsonb_array_elements_text(coalesce(p_rules -> 'inputs', '[]')) as name, false as is_output
          union select jsonb_array_elements_text(coalesce(p_rules -> 'outputs', '[]')), true) u;

    -- One that means something else now starts without a mark.
    delete from dependencies d where d.job_key = p_job and not exists (
        select from jsonb_to_recordset(coalesce(p_rules -> 'dependencies', '[]')) u (upstream text, type smallint, condition text, window_s float8, skip boolean)
        where u.upstream = d.upstream_job_id and not d.is_data and u.type = d.kind and u.condition is not distinct from d.condition
          and u.window_s * interval '1 second' is not distinct from d.window_ and coalesce(u.skip, false) = d.skip) and (not d.is_data or exists (
        select from jsonb_to_recordset(coalesce(p_rules -> 'dependencies', '[]')) u (upstream text) where u.upstream = d.upstream_job_id));
    for x in
        insert into dependencies as d (job_key, upstream_job_id, tenant_key, upstream_key, upstream_lane, dependency_id, kind, condition, window_, skip, wait_for, is_data)
        select p_job, u.upstream, p_tenant, j.job_key, l.lane_id, u.id, u.type, u.condition, u.window_s * interval '1 second', coalesce(u.skip, false),
               coalesce(u.timeout_s * interval '1 second', wait_), false
        from jsonb_to_recordset(coalesce(p_rules -> 'dependencies', '[]')) u (id text, upstream text, type smallint, condition text, window_s float8, skip boolean, timeout_s float8)
        left join jobs j on j.tenant_key = p_tenant and j.job_id = u.upstream and j.current_version > 0 and j.deleted_at is null
        left join lanes l on l.tenant_key = p_tenant and l.job_key = j.job_key
        on conflict (job_key, upstream_job_id) do update set dependency_id = excluded.dependency_id, wait_for = excluded.wait_for
        returning d.upstream_job_id, d.dependency_id, d.upstream_key is null as is_missing, d.xmax = 0 as is_new
    loop
        if x.is_missing then
            perform dependency_error_1(p_tenant, p_job, 'DEP_001_MISSING_UPSTREAM', 'MISSING_UPSTREAM', x.dependency_id, x.upstream_job_id,
                                       'The job ' || me.job_id || ' depends on ' || x.upstream_job_id || ', and there is no such job.');
        elsif x.is_new then
            perform mark_from_history_1(p_job, x.upstream_job_id);
        end if;
    end loop;

    -- Those that named this one before it was there. What was found missing in this very transaction was not.
    for x in
        update dependencies d set upstream_key = p_job, upstream_lane = l.lane_id from lanes l
        where d.tenant_key = p_tenant and d.upstream_job_id = me.job_id and d.upstream_key is null and l.tenant_key = p_tenant and l.job_key = p_job
        returning d.job_key, d.dependency_id
    loop
        delete from errors e where e.queue = 2 and e.job_key = x.job_key and e.error_code = 'DEP_001_MISSING_UPSTREAM' and e.created_at = clock()
            and e.details ->> 'upstream_job_id' = me.job_id;
        perform mark_from_history_1(x.job_key, me.job_id);
    end loop;
    perform link_data_1(p_tenant, affected, wait_);

    if not is_plain and coalesce((p_rules ->> 'check_cycles')::boolean, true) then
        perform refuse_cycles_1(p_tenant, array[me.job_id]);
    end if;
    -- What waits may be satisfied now.
    perform advance_dependent_1(z.y, '{}') from (select y from dependents y where y.job_key = any (affected) order by y.job_key) z;
    perform advance_order_1('{}', '{}');
end $$;

-- A job is deleted: what depends on it waits in vain, and is told so.
create function forget_upstream_1(p_job int) returns void language plpgsql as $$
declare
    x record; affected int[];
begin
    perform pg_advisory_xact_lock(1919906155, 5);
    affected := array(select d.job_key from dependencies d where d.upstream_key = p_job);
    perform from dependents y where y.job_key = any (affected) order by y.job_key for no key update;
    delete from dependencies d where d.upstream_key = p_job and d.is_data;
    delete from data_sets s where s.job_key = p_job;
    for x in
        update dependencies d set upstream_key = null, upstream_lane = null, end_id = null, ended_at = null, end_skips = false where d.upstream_key = p_job
        returning d.tenant_key, d.job_key, d.dependency_id, d.upstream_job_id
    loop
        perform dependency_error_1(x.tenant_key, x.job_key, 'DEP_001_MISSING_UPSTREAM', 'MISSING_UPSTREAM', x.dependency_id, x.upstream_job_id,
                                   'The job ' || x.upstream_job_id || ' was deleted, and this one depends on it.');
    end loop;
    perform advance_dependent_1(z.y, '{}') from (select y from dependents y where y.job_key = any (affected) order by y.job_key) z;
    perform advance_order_1('{}', '{}');
end $$;

-- Which upstreams of a job are not there?
create function missing_upstreams_1(p_tenant int, p_job_id text) returns text[] language sql stable as $$
    select array(select d.upstream_job_id from dependencies d join jobs j on j.job_key = d.job_key
                 where j.tenant_key = p_tenant and j.job_id = p_job_id and d.upstream_key is null order by 1) $$;
