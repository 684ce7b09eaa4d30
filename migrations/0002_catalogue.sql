-- Tenants, definitions, lanes, limits, instances, tokens.

create table tenants (
    tenant_key int generated always as identity primary key,
    tenant_id  text not null unique check (tenant_id ~ '^[a-z0-9][a-z0-9._-]{0,127}$'),
    weight     int not null default 1 check (weight between 1 and 1000),   -- its share of what an instance can run, beside that of the others who have work
    created_at timestamptz not null default clock());
-- Most have the usual weight: who looks at many tenants finds that here by next to nothing.
create index tenants_weighted on tenants (tenant_key) where weight <> 1;
insert into tenants (tenant_id) values ('default');

create function tenant_of(p_tenant_id text) returns int language plpgsql as $$
declare
    k int;
begin
    select tenant_key into k from tenants where tenant_id = p_tenant_id;
    if k is null then
        insert into tenants (tenant_id) values (p_tenant_id) on conflict do nothing returning tenant_key into k;
        if k is null then select tenant_key into k from tenants where tenant_id = p_tenant_id; end if;
    end if;
    return k;
end $$;

create table jobs (
    job_key         int generated always as identity primary key,
    tenant_key      int not null references tenants,
    job_id          text not null check (job_id ~ '^[a-z0-9][a-z0-9._-]{0,127}$'),
    current_version int not null default 0,
    enabled         boolean not null default true,
    created_at      timestamptz not null default clock(),
    changed_seq     bigint not null default 0,          -- from job_changes: what the caches of the instances follow
    history_retention interval check (history_retention = interval '0' or history_retention >= interval '1 day'),   -- null: as the server says; 0: for ever
    deleted_at      timestamptz,                        -- null: it is there. The row stays, as history names it; a new definition brings the job back
    unique (tenant_key, job_id));

create sequence job_changes;
-- The caches read this by its end, many times a minute.
create index jobs_changed on jobs (changed_seq);

create table job_versions (
    job_key      int not null references jobs,
    version      int not null check (version > 0),
    definition   json not null,                         -- as it is shown: normalised, without defaults
    -- What the queue itself must know of it, with the defaults of the server that took it:
    max_attempts smallint not null check (max_attempts between 1 and 1000),
    idempotent   boolean not null default false,
    retry_lost   boolean not null default true,         -- false: LEASE_LOST is one of its non-retryable errors
    dead_letter  boolean not null default true,
    dead_letter_kept interval,                          -- null: as the server says
    queue_timeout interval,                             -- how long it may wait once it is eligible; null: for ever
    dedupe       boolean not null default false,
    is_gate      boolean not null default false,        -- a validator: what depends on it starts only when it has succeeded
    ordering_path text[],                               -- where in the parameters the value is whose executions take turns; null: nowhere
    ordering_width smallint not null default 1 check (ordering_width > 0),   -- so many of one value run at a time
    -- What submissions inside the database take from the definition, taken out of it once: to read it is most of what one of them costs.
    defaults     json generated always as (definition -> 'parameters') stored,
    priority     smallint generated always as ((definition -> 'resources' ->> 'priority')::smallint) stored,
    tags         jsonb generated always as (nullif((definition -> 'tags')::jsonb, '{}')) stored,
    author       text not null,
    reason       text not null default '',
    rolled_back_to int,                                 -- the earlier version whose contents it has, where it was made by a rollback
    created_at   timestamptz not null default clock(),
    primary key (job_key, version));
create trigger job_versions_append_only before update or delete on job_versions for each row execute function refuse_change();
create trigger job_versions_no_truncate before truncate on job_versions execute function refuse_change();

-- What was done to a job beside its definition: by whom, when and why.
create table job_actions (
    action_number bigint generated always as identity primary key,
    job_key       int not null references jobs,
    action        text not null check (action in ('ENABLE', 'DISABLE', 'DELETE', 'RESTORE')),
    version       int not null,                         -- that was the current one after it
    author        text not null,
    reason        text not null default '',
    created_at    timestamptz not null default clock());
create index job_actions_of_job on job_actions (job_key, action_number);
create trigger job_actions_append_only before update or delete on job_actions for each row execute function refuse_change();
create trigger job_actions_no_truncate before truncate on job_actions execute function refuse_change();

-- A lane is where executions that are admitted alike wait: today one a job. Written only when configured, never a hot row.
create table lanes (
    lane_id    int generated always as identity primary key,
    tenant_key int not null references tenants,
    job_key    int not null references jobs,
    paused     boolean not null default false,
    pool       text,                                    -- resources.resource_pool
    job_type   text,
    request    int[],                                   -- what each execution asks for: thousandths of a core, MB of memory, MB of disk, Mbit/s; null: nothing
    limit_ids  int[],                                   -- null = nothing limits this lane
    limit_ns   int[],                                   -- how much of each an execution takes; null: one
    rejects    boolean not null default false,          -- one of them refuses submissions when it is reached
    breaker_id int,                                     -- the circuit breaker that may hold it
    -- Starts are allowed from window_from up to and without window_until (0017). Null: always. After window_until nobody has said yet when it opens again: it is closed.
    window_from   timestamptz,
    window_until  timestamptz,
    skips_outside boolean not null default false,       -- what would start outside is skipped, and does not wait
    handler    text,                                    -- the type of its handler, which instances may limit
    placement  jsonb,                                   -- {"region": "eu"}: only instances with these labels start it; null: any
    unique (tenant_key, job_key), check ((window_from is null) = (window_until is null)));
create index lanes_placed on lanes (lane_id) where placement is not null;

-- May executions start, by the execution windows of their lane? Inlined.
create function lane_is_open(p_from timestamptz, p_until timestamptz) returns boolean language sql stable parallel safe
as $$ select p_until is null or (clock() >= p_from and clock() < p_until) $$;

-- A limit exists only where one is configured: unlimited lanes touch no shared row at all.
create table limits (
    limit_id    int generated always as identity,
    scope       text not null check (scope in ('global', 'tenant', 'job', 'job_type', 'pool', 'pool_cpu_cores', 'pool_memory_mb', 'pool_disk_mb',
                                               'pool_network_bandwidth_mbps', 'lane', 'breaker', 'budget', 'instance_handler', 'instance_cpu_cores', 'instance_memory_mb',
                                               'instance_disk_mb', 'instance_network_bandwidth_mbps')),
    tenant_key  int not null default 0,                 -- 0: of all tenants
    key         text not null,
    max_running int not null check (max_running >= 0),  -- 2147483647: only starts are limited
    in_use      bigint not null default 0 check (in_use >= 0),
    drains_from bigint,                                   -- so many ran when it was set lower than that
    rejects     boolean not null default false,
    rate_starts int check (rate_starts > 0),            -- at most so many start within the period; null: as many as like
    rate_period interval check (rate_period > interval '0'),
    rate_was    int,                                    -- it let more start, before it was set lower
    started_at  timestamptz[] not null default '{}',    -- when some started lately, and how many each time
    started_n   int[] not null default '{}',
    wanted_at   timestamptz,                              -- an instance lacked slots while others kept some: for a second nobody uses what he keeps
    -- While somebody holds a snapshot, no version of the hottest rows there are can be cleared away. Some tens of them make a generation, and who looks for the newest
    -- generation (newest_limit) does not meet what is older. Within one, versions are HOT. The name has its generation, too: else each new one would be compared with all
    -- that came before. So what is there already is never inserted again: its name is looked up first, and what is new at the same moment is of the first generation.
    writes      bigint not null default 0,
    generation  bigint generated always as (writes / 32) stored,
    primary key (limit_id, generation), unique (scope, tenant_key, key, generation), check ((rate_starts is null) = (rate_period is null))) with (fillfactor = 20);    -- room for HOT versions
create index limits_with_rate on limits (limit_id, generation) where rate_starts is not null;

-- The row of a limit, however many versions of it there are. Inlined.
create function newest_limit(p_id int) returns setof limits language sql stable parallel safe rows 1 as $$
    select m.* from limits m where m.limit_id = p_id order by m.limit_id desc, m.generation desc limit 1 $$;

-- Locks the rows of limits, in the order in which everyone does; those that are gone are left out. What is written to them afterwards, by another statement, names
-- their generation, too.
create function lock_limits(p_ids int[]) returns setof limits language plpgsql set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
begin
    return query select m.* from (select distinct u.id from unnest(p_ids) u (id) order by u.id) u
                 cross join lateral (select m.* from limits m where m.limit_id = u.id order by m.limit_id desc, m.generation desc limit 1 for no key update) m;
end $$;

-- Of those that started lately, how many does a rate still let start? A start counts for a whole period: in none of that length, wherever it begins,
-- do more start.
create function starts_left(p_starts int, p_period interval, p_at timestamptz[], p_n int[], p_now timestamptz) returns int language sql immutable parallel safe as $$
    select greatest(p_starts - coalesce((select sum(u.n) from unnest(p_at, p_n) u (at, n) where u.at > p_now - p_period), 0), 0)::int $$;

-- When does the first of them count no more? Null: none counts.
create function next_start_at(p_period interval, p_at timestamptz[], p_now timestamptz) returns timestamptz language sql immutable parallel safe as $$
    select min(u.at) + p_period from unnest(p_at) u (at) where u.at > p_now - p_period $$;

-- What is kept of those that started lately, with p_more of now. Of a large number those that start within a 32nd of the period are counted as if all of them
-- had started with the last, so little is kept, and never too few are counted.
create function starts_with(p_starts int, p_period interval, p_at timestamptz[], p_n int[], p_more int, out at timestamptz[], out n int[]) language sql stable as $$
    select array_agg(x.at order by x.at), array_agg(x.n order by x.at)
    from (select max(u.at) as at, sum(u.n)::int as n
          from (select u.at, u.n from unnest(p_at, p_n) u (at, n) where u.at > clock() - p_period union all select clock(), p_more) u (at, n)
          group by case when p_starts <= 64 then extract(epoch from u.at) else floor(extract(epoch from u.at) * 32 / extract(epoch from p_period)) end) x $$;

-- When does the next rate that is used up let something start again? Null: none is.
create function next_start_of_all() returns timestamptz language plpgsql stable set enable_seqscan = off set enable_bitmapscan = off set plan_cache_mode = force_generic_plan as $$
begin
    return (with recursive rated as (
                (select l.limit_id, l.rate_starts, l.rate_period, l.started_at, l.started_n from limits l
                 where l.rate_starts is not null order by l.limit_id desc, l.generation desc limit 1)
                union all
                select x.* from rated r cross join lateral (
                    select l.limit_id, l.rate_starts, l.rate_period, l.started_at, l.started_n from limits l
                    where l.rate_starts is not null and l.limit_id < r.limit_id order by l.limit_id desc, l.generation desc limit 1) x)
            select min(next_start_at(r.rate_period, r.started_at, clock())) from rated r
            where starts_left(r.rate_starts, r.rate_period, r.started_at, r.started_n, clock()) = 0);
end $$;

-- Slots of a limit that an instance keeps, from what has ended for what it claims next. They count in limits.in_use, whether it uses them at the moment or not: so
-- a claim within them, and the end of what was claimed within them, write nothing that others wait for.
create table kept_slots (
    instance_id int not null,
    limit_id    int not null,
    n           bigint not null check (n >= 0),
    primary key (instance_id, limit_id)) with (fillfactor = 50);

-- The backstop: whoever takes a slot too many is refused. (max_running may be set below what runs: that only waits.)
create function refuse_slot() returns trigger language plpgsql as $$
begin
    raise exception 'limit % allows % running, % asked', old.limit_id, new.max_running, new.in_use using errcode = 'check_violation';
end $$;
create trigger limits_never_exceeded before update on limits for each row
    when (new.in_use > old.in_use and new.in_use > new.max_running and new.in_use > coalesce(new.drains_from, 0)) execute function refuse_slot();

-- What is asked for, which 0019 brings into force as the limits above.
create table limit_settings (
    scope       text not null,
    tenant_key  int not null,                           -- 0: of all tenants
    key         text not null,
    job_key     int not null default 0,                 -- the definition that says so; 0: PUT /v1/limits; -1: CONCURRENCY_PER_TENANT (0024)
    max_running int check (max_running >= 0),
    rejects     boolean not null default false,
    rate_starts int check (rate_starts > 0),
    rate_period interval check (rate_period > interval '0'),
    actor       text not null,
    set_at      timestamptz not null default clock(),
    primary key (scope, tenant_key, key, job_key),
    check (max_running is not null or rate_starts is not null), check ((rate_starts is null) = (rate_period is null)));
create index limit_settings_of_job on limit_settings (job_key) where job_key > 0;

-- What has to be brought into force: a limit, or (scope 'lane', and the lane_id as key) all those of a lane.
create table limits_due (
    due_id     bigint generated always as identity primary key,
    scope      text not null,
    tenant_key int not null,
    key        text not null,
    later      boolean not null default false);         -- CONCURRENCY_PER_TENANT: a bounded part at a time, once nothing else is due
create index limits_due_first on limits_due (due_id) where not later;

-- What was asked for, by whom and when; null: removed.
create table limit_changes (
    change_number bigint generated always as identity primary key,
    scope         text not null,
    tenant_key    int not null,
    key           text not null,
    job_key       int not null,
    max_running   int,
    rejects       boolean,
    rate_starts   int,
    rate_period   interval,
    actor         text not null,
    at            timestamptz not null default clock());
create trigger limit_changes_append_only before update or delete on limit_changes for each row execute function refuse_change();
create trigger limit_changes_no_truncate before truncate on limit_changes execute function refuse_change();

-- The resources of requests and of pools, in the order of lanes.request, and the limits that hold them: cores in thousandths.
create function resource_scopes() returns text[] language sql immutable parallel safe
as $$ select array['pool_cpu_cores', 'pool_memory_mb', 'pool_disk_mb', 'pool_network_bandwidth_mbps'] $$;

-- Which limits hold each lane, and how much of each an execution takes.
create view lane_limits as
select l.lane_id, m.limit_id, 1 as n, m.rejects from lanes l join limits m on m.scope = 'global' and m.tenant_key = 0
union all select l.lane_id, m.limit_id, 1, m.rejects from lanes l join limits m on m.scope in ('global', 'tenant', 'budget') and m.tenant_key = l.tenant_key
union all select l.lane_id, m.limit_id, 1, m.rejects from lanes l join jobs j on j.job_key = l.job_key
          join limits m on m.scope = 'job' and m.tenant_key = l.tenant_key and m.key = j.job_id
union all select l.lane_id, m.limit_id, 1, m.rejects from lanes l join limits m on m.scope = 'job_type' and m.tenant_key = l.tenant_key and m.key = l.job_type
union all select l.lane_id, m.limit_id, 1, m.rejects from lanes l join limits m on m.scope = 'pool' and m.tenant_key = 0 and m.key = l.pool
union all select l.lane_id, m.limit_id, 1, m.rejects from lanes l join limits m on m.scope = 'pool' and m.tenant_key = l.tenant_key and m.key = l.pool
union all select l.lane_id, m.limit_id, l.request[r.k], m.rejects from lanes l cross join unnest(resource_scopes()) with ordinality r (scope, k)
          join limits m on m.scope = r.scope and m.tenant_key = 0 and m.key = l.pool where l.request[r.k] > 0
-- Those of single lanes are set there and nowhere else.
union all select l.lane_id, m.limit_id, 1, m.rejects from limits m join lanes l on m.limit_id = any (l.limit_ids) where m.scope = 'lane';

-- What is asked for under each name: the least of all.
create view limits_asked as
select s.scope, s.tenant_key, s.key, coalesce(min(s.max_running), 2147483647) as max_running,
       coalesce((array_agg(s.rejects order by s.max_running, s.rejects desc) filter (where s.max_running is not null))[1], false) as rejects,
       (array_agg(s.rate_starts order by s.rate_starts / extract(epoch from s.rate_period), s.rate_period desc) filter (where s.rate_starts is not null))[1] as rate_starts,
       (array_agg(s.rate_period order by s.rate_starts / extract(epoch from s.rate_period), s.rate_period desc) filter (where s.rate_starts is not null))[1] as rate_period
from limit_settings s
where s.job_key >= 0
   or not exists (select from limit_settings o where o.scope = s.scope and o.tenant_key = s.tenant_key and o.key = s.key and o.job_key = 0 and o.max_running is not null)
group by s.scope, s.tenant_key, s.key;

-- One row an incarnation: an instance that lost its lease comes back under a new id, so an id needs no epoch.
create table instances (
    instance_id int generated always as identity primary key,
    state       text not null default 'ALIVE' check (state in ('ALIVE', 'DEAD', 'GONE')),
    lease_until timestamptz not null,
    started_at  timestamptz not null default clock(),
    ended_at    timestamptz,
    hostname    text not null default '',
    pid         int not null default 0,
    version     text not null default '',
    address     text not null default '',
    parallelism int not null default 0,
    -- What it is short of, {"resources": [{"resource", "usage_percent", "threshold_percent", "since"}], "actions": ["QUEUE_ALL", ...]}; null: of nothing.
    pressure    jsonb,
    labels      jsonb,                                  -- {"region": "eu", "gpu": "true"}: what it has that placements ask for; null: nothing
    -- The limits that hold this instance alone (0006), beside those of lanes. Null: none.
    confines    int[],                                  -- all of them
    handler_limits  jsonb,                              -- {"process": limit_id}: on executions with handlers of this type
    capacity_limits int[],                              -- on the resources of lanes.request, in that order; null: as much as is asked for
    draining_at timestamptz,                            -- somebody has asked it to take no more work; null: nobody has
    drained_by  text,
    drain_reason text,
    epoch       int not null default 0,                 -- it has begun so often to count anew what it keeps (begin_epoch_1)
    check ((confines is null) = (handler_limits is null and capacity_limits is null))) with (fillfactor = 50);
create index instances_live on instances (instance_id) where state <> 'GONE';

-- What was done to instances: by whom, when and why.
create table instance_actions (
    action_number bigint generated always as identity primary key,
    instance_id   int not null,
    action        text not null check (action in ('DRAIN', 'RESUME')),
    author        text not null,
    reason        text not null default '',
    created_at    timestamptz not null default clock());
create trigger instance_actions_append_only before update or delete on instance_actions for each row execute function refuse_change();
create trigger instance_actions_no_truncate before truncate on instance_actions execute function refuse_change();

-- Bearer tokens. The database keeps the SHA-256 of 256 random bits: nothing that could be used, and nothing worth guessing.
create table tokens (
    token_id      uuid primary key,
    secret_sha256 bytea not null check (octet_length(secret_sha256) = 32),
    role          text not null check (role in ('viewer', 'operator', 'editor', 'approver', 'admin', 'worker')),
    tenant_key    int references tenants,               -- null: all tenants
    name          text not null default '',
    author        text not null,
    created_at    timestamptz not null default clock(),
    revoked_at    timestamptz,
    revoked_by    text);

-- Whether an If-Match holds for a job that is there: null always does, '*' as well, else one of its tags must be the ETag (`"3"`, `"3-disabled"`).
create function etag_holds_1(p_if_match text, p_version int, p_enabled boolean) returns boolean language sql immutable parallel safe as $$
    select p_if_match is null or p_if_match = '*'
        or p_version || case when p_enabled then '' else '-disabled' end
           = any (array(select btrim(x, ' "') from unnest(string_to_array(replace(p_if_match, 'W/', ''), ',')) x)) $$;

-- Several jobs are about to be stored in one transaction: locks them in one order, so that two of these wait for one another and neither for both.
-- Makes the rows of those that are new.
create function lock_jobs_1(p_tenant int, p_job_ids text[]) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(1919906155, 2);       -- as lane_of does, which comes later
    insert into jobs (tenant_key, job_id) select p_tenant, x from unnest(p_job_ids) x order by x on conflict (tenant_key, job_id) do nothing;
    perform from jobs where tenant_key = p_tenant and job_id = any (p_job_ids) order by job_id for no key update;
    -- And the graph of jobs, as set_dependencies_1 does for one: some take it shared, others alone, and two of these transactions would wait for one another.
    perform pg_advisory_xact_lock(1919906155, 5);
end $$;

-- Makes the job if it is new or was deleted, and a version if the definition differs from the current one. p_enabled null keeps what is; a new job is enabled.
-- p_rules: {"max_attempts", "idempotent", "retry_lost", "dead_letter", "dead_letter_ms", "queue_timeout_ms", "dedupe", "is_gate", "ordering_path", "ordering_width", "history_ms", "breaker", "windows", "skip_outside_window", "schedule"} and
-- what set_dependencies_1, set_triggers_1 and, in "limits", set_job_limits_1 read: what the queue must know of it; all but the first may be missing. p_if_match: the header as it came, or null; where it does not hold, RL412. dry run: the caller rolls back.
-- `before` and `was_enabled` are null for a job that is new. `missing`: upstreams that it depends on and that are not there.
create function put_job_1(p_tenant int, p_job_id text, p_definition json, p_rules jsonb, p_enabled boolean,
                          p_author text, p_reason text, p_if_match text, p_rolled_back_to int default null,
                          out job_key int, out version int, out created boolean, out changed boolean, out enabled boolean, out before json, out was_enabled boolean,
                          out missing text[])
language plpgsql as $$
#variable_conflict use_column
declare
    j jobs;
begin
    insert into jobs (tenant_key, job_id) select p_tenant, p_job_id where p_if_match is null
    on conflict (tenant_key, job_id) do nothing;
    select * into j from jobs where tenant_key = p_tenant and job_id = p_job_id for no key update;
    created := coalesce(j.current_version, 0) = 0 or j.deleted_at is not null;
    if p_if_match is not null and (created or not etag_holds_1(p_if_match, j.current_version, j.enabled)) then
        raise exception 'the version is %', coalesce(j.current_version, 0) using errcode = 'RL412';
    end if;
    job_key := j.job_key;
    if not created then
        was_enabled := j.enabled;
        select v.definition into before from job_versions v where v.job_key = j.job_key and v.version = j.current_version;
    end if;
    changed := before is null or before::jsonb <> p_definition::jsonb;
    version := j.current_version + case when changed then 1 else 0 end;
    enabled := coalesce(p_enabled, created or j.enabled);
    if changed then
        insert into job_versions (job_key, version, definition, max_attempts, idempotent, retry_lost, dead_letter, dead_letter_kept, queue_timeout, dedupe,
                                  is_gate, ordering_path, ordering_width, author, reason, rolled_back_to)
        values (j.job_key, version, p_definition, (p_rules ->> 'max_attempts')::smallint, coalesce((p_rules ->> 'idempotent')::boolean, false),
                coalesce((p_rules ->> 'retry_lost')::boolean, true), coalesce((p_rules ->> 'dead_letter')::boolean, true),
                (p_rules ->> 'dead_letter_ms')::bigint * interval '1 millisecond', (p_rules ->> 'queue_timeout_ms')::bigint * interval '1 millisecond',
                coalesce((p_rules ->> 'dedupe')::boolean, false), coalesce((p_rules ->> 'is_gate')::boolean, false),
                case when p_rules ? 'ordering_path' then array(select jsonb_array_elements_text(p_rules -> 'ordering_path')) end, coalesce((p_rules ->> 'ordering_width')::smallint, 1), p_author, p_reason, p_rolled_back_to);
    end if;
    if changed or enabled <> j.enabled then
        update jobs set current_version = version, enabled = put_job_1.enabled, deleted_at = null, changed_seq = nextval('rowlock.job_changes'),
                        history_retention = case when changed then (p_rules ->> 'history_ms')::bigint * interval '1 millisecond' else j.history_retention end
        where jobs.job_key = j.job_key;
    end if;
    if j.deleted_at is not null then
        insert into job_actions (job_key, action, version, author, reason) values (j.job_key, 'RESTORE', version, p_author, p_reason);
    end if;
    if enabled <> coalesce(was_enabled, true) then
        insert into job_actions (job_key, action, version, author, reason)
        values (j.job_key, case when enabled then 'ENABLE' else 'DISABLE' end, version, p_author, p_reason);
    end if;
    if created then perform lane_of(p_tenant, j.job_key); end if;
    -- Both write the lane, and its windows are locked before it (0017).
    if changed then perform set_windows_1(p_tenant, j.job_key, p_rules -> 'windows', coalesce((p_rules ->> 'skip_outside_window')::boolean, false)); end if;
    if changed then perform set_job_limits_1(j, coalesce(p_rules -> 'limits', '{}'), p_author); end if;
    if changed or created then perform set_schedule_1(p_tenant, j.job_key, p_rules -> 'schedule'); end if;
    if not changed and not created and enabled <> j.enabled then perform switch_schedule_1(j.job_key); end if;
    if changed then perform set_dependencies_1(p_tenant, j.job_key, p_rules); end if;
    missing := missing_upstreams_1(p_tenant, p_job_id);
    if changed then perform set_breaker_1(p_tenant, j.job_key, p_rules -> 'breaker'); end if;
    -- Secrets and switches of triggers are no part of the definition, which may be as it was.
    if changed or p_rules ? 'triggers' then perform set_triggers_1(p_tenant, j.job_key, coalesce(p_rules -> 'triggers', '[]'), p_author, p_reason); end if;
end $$;

-- Locks a job that is there; null: it is not. RL412 as above.
create function lock_job(p_tenant int, p_job_id text, p_if_match text) returns jobs language plpgsql as $$
declare
    j jobs;
begin
    select * into j from jobs where tenant_key = p_tenant and job_id = p_job_id and current_version > 0 and deleted_at is null for no key update;
    if found and not etag_holds_1(p_if_match, j.current_version, j.enabled) then
        raise exception 'the version is %', j.current_version using errcode = 'RL412';
    end if;
    return j;
end $$;

-- Enables or disables a job; one that is so already stays as it is, and nothing is noted. False: there is no such job. RL412 as above.
create function switch_job_1(p_tenant int, p_job_id text, p_enabled boolean, p_author text, p_reason text, p_if_match text) returns boolean
language plpgsql as $$
declare
    j jobs;
begin
    j := lock_job(p_tenant, p_job_id, p_if_match);
    if j.job_key is null then return false; end if;
    if j.enabled <> p_enabled then
        update jobs set enabled = p_enabled, changed_seq = nextval('rowlock.job_changes') where job_key = j.job_key;
        perform switch_schedule_1(j.job_key);
        insert into job_actions (job_key, action, version, author, reason)
        values (j.job_key, case when p_enabled then 'ENABLE' else 'DISABLE' end, j.current_version, p_author, p_reason);
    end if;
    return true;
end $$;

-- Deletes a job: it takes no submissions any more. What was submitted goes on, and its history and versions stay. False and RL412 as above.
create function delete_job_1(p_tenant int, p_job_id text, p_author text, p_reason text, p_if_match text) returns boolean language plpgsql as $$
declare
    j jobs;
begin
    j := lock_job(p_tenant, p_job_id, p_if_match);
    if j.job_key is null then return false; end if;
    update jobs set deleted_at = clock(), changed_seq = nextval('rowlock.job_changes') where job_key = j.job_key;
    perform switch_schedule_1(j.job_key);
    perform forget_upstream_1(j.job_key);
    perform set_triggers_1(p_tenant, j.job_key, '[]', p_author, p_reason);
    perform forget_job_limits_1(j, p_author);
    insert into job_actions (job_key, action, version, author, reason) values (j.job_key, 'DELETE', j.current_version, p_author, p_reason);
    return true;
end $$;

-- A job as the API shows it: its definition, and what the registry knows of it. The members beside the definition are dropped when it is put back.
create function job_json_1(j jobs, v job_versions, p_tenant_id text) returns jsonb language sql stable as $$
    select v.definition::jsonb || jsonb_build_object('job_id', j.job_id, 'tenant_id', p_tenant_id, 'version', v.version, 'enabled', j.enabled,
        'created_time', rfc3339(j.created_at), 'changed_time', rfc3339(v.created_at), 'author', v.author, 'reason', v.reason, 'rolled_back_to', v.rolled_back_to,
        'last_action', (select jsonb_build_object('action', a.action, 'time', rfc3339(a.created_at), 'author', a.author, 'reason', a.reason)
                        from job_actions a where a.job_key = j.job_key order by a.action_number desc limit 1)) $$;

-- One version of it, which never changes.
create function job_version_json_1(j jobs, v job_versions, p_tenant_id text) returns jsonb language sql stable as $$
    select v.definition::jsonb || jsonb_build_object('job_id', j.job_id, 'tenant_id', p_tenant_id, 'version', v.version, 'created_time', rfc3339(v.created_at),
        'author', v.author, 'reason', v.reason, 'rolled_back_to', v.rolled_back_to) $$;

-- The lane of a tenant's job, made with the job.
create function lane_of(p_tenant int, p_job int) returns int language plpgsql as $$
declare
    id int;
begin
    select lane_id into id from lanes where tenant_key = p_tenant and job_key = p_job;
    if id is null then
        perform pg_advisory_xact_lock_shared(1919906155, 2);   -- no limit is being set meanwhile, so the new lane misses none
        insert into lanes (tenant_key, job_key) values (p_tenant, p_job) on conflict do nothing returning lane_id into id;
        if id is null then
            select lane_id into id from lanes where tenant_key = p_tenant and job_key = p_job;
        else
            perform limit_lanes_1(array[id]);
        end if;
    end if;
    return id;
end $$;
