-- Policies (spec J13): what jobs may run with and what their runs may use, for all tenants, a tenant, a job or a job type.
--
--   In force     policies. Every instance reads them all when policy_tick_1 tells of a change, and judges by what it has read: definitions and
--                submissions when they come in, attempts when they start, which all ways in lead through, and retries when they are decided on.
--   Recorded     policy_changes: who asked for what. policy_violations: what was found against a policy, refused (block) or let pass (warn).

create table policies (
    owner_key  int not null,                            -- whose it is; 0: it was made with a token for all tenants, and only they change it
    policy_id  text not null,
    version    int not null check (version > 0),        -- counts on where one of this name was deleted
    tenant_key int not null,                            -- whose jobs it holds for; 0: of all tenants
    type       text not null check (type in ('BUDGET', 'ALLOWED_HANDLERS', 'ALLOWED_LIFECYCLES')),
    scope      text not null check (scope in ('global', 'tenant', 'job', 'job_type')),
    key        text not null,
    level      text not null check (level in ('warn', 'block')),
    enabled    boolean not null,
    per        text check (per in ('run', 'plan', 'tenant_day')),
    document   jsonb not null,                          -- as it was given, normalised
    changed_at timestamptz not null default clock(),
    changed_by text not null,
    primary key (owner_key, policy_id),
    check ((type = 'BUDGET') = (per is not null)), check ((scope = 'global') = (tenant_key = 0)), check (owner_key in (0, tenant_key)));

-- What was asked for, by whom, when and why; document null: removed.
create table policy_changes (
    change_number bigint generated always as identity primary key,
    owner_key     int not null,
    policy_id     text not null,
    version       int not null,
    document      jsonb,
    actor         text not null,
    reason        text,
    at            timestamptz not null default clock());
create index policy_changes_of on policy_changes (owner_key, policy_id, version);
create trigger policy_changes_append_only before update or delete on policy_changes for each row execute function refuse_change();
create trigger policy_changes_no_truncate before truncate on policy_changes execute function refuse_change();

-- Budgets by day (UTC). Whatever ends attempts counts what they used, one row a tenant and day, while there is a policy that asks for it; policy_tick_1 compares, and where
-- a budget that blocks is used up the lanes of the tenant get a limit of the scope 'budget' that lets nothing start: so claims, submissions and explain need to
-- know nothing of budgets. It goes with its day, or with the policy.
create index policies_by_day on policies (policy_id) where per = 'tenant_day';
create table policy_usage (
    tenant_key int not null,
    day        date not null,
    attempts   bigint not null,
    seconds    float8 not null,
    cost_units float8 not null,
    primary key (day, tenant_key)) with (fillfactor = 50);
create table policy_days (
    owner_key  int not null,
    policy_id  text not null,
    tenant_key int not null,
    version    int not null,
    day        date not null,
    blocks     boolean not null,
    used       text not null,                            -- "10 of 10 attempts"
    limit_key  text not null,                            -- of the limit, where it blocks
    primary key (owner_key, policy_id, tenant_key));

-- One row for what was found, or for many of the same in a second: then it names the first execution.
create table policy_violations (
    violation_id   bigint generated always as identity primary key,
    at             timestamptz not null default clock(),
    owner_key      int not null,
    policy_id      text not null,
    policy_version int not null,
    tenant_key     int not null,
    job_id         text,
    job_version    int,
    execution_id   uuid,
    run_id         uuid,
    stage          text not null check (stage in ('DEFINITION', 'SUBMISSION', 'START', 'RUN', 'DAY')),
    blocked        boolean not null,
    detail         text not null,
    occurrences    bigint not null default 1 check (occurrences > 0));
create index policy_violations_by_time on policy_violations (at);
create index policy_violations_of_tenant on policy_violations (tenant_key, violation_id);
create index policy_violations_of_policy on policy_violations (policy_id, violation_id);
create trigger policy_violations_append_only before update or delete on policy_violations for each row execute function refuse_change('retention');
create trigger policy_violations_no_truncate before truncate on policy_violations execute function refuse_change();

create view v_policies as
select p.policy_id, o.tenant_id, p.type, p.scope as scope_kind, p.key as scope_key, p.level as enforcement_level, p.document -> 'payload' as payload, p.enabled,
       p.document ->> 'description' as description, p.version, p.changed_by, p.changed_at as changed_time
from policies p left join tenants o on o.tenant_key = p.owner_key;

create view v_policy_changes as
select c.policy_id, o.tenant_id, c.version, c.document, c.actor, c.reason, c.at
from policy_changes c left join tenants o on o.tenant_key = c.owner_key;

create view v_policy_violations as
select x.violation_id, x.at, x.policy_id, x.policy_version, t.tenant_id, x.job_id, x.job_version, x.execution_id, x.run_id, x.stage, x.blocked, x.detail, x.occurrences
from policy_violations x join tenants t on t.tenant_key = x.tenant_key;

create function policy_json_1(p policies) returns json language sql stable as $$
    select json_build_object('policy_id', p.policy_id, 'tenant_id', (select t.tenant_id from tenants t where t.tenant_key = p.owner_key), 'type', p.type,
        'scope', json_build_object('kind', p.scope, 'key', p.key), 'enforcement_level', p.level, 'payload', p.document -> 'payload', 'enabled', p.enabled,
        'description', p.document ->> 'description', 'version', p.version, 'changed_by', p.changed_by, 'changed_time', rfc3339(p.changed_at)) $$;

-- PUT /v1/policies. p_document: {"type", "scope": {"kind", "key"}, "enforcement_level", "payload", "enabled", "description"}. outcome: CREATED, CHANGED, UNCHANGED or
-- FULL: the owner has p_most already.
create function put_policy_1(p_owner int, p_policy_id text, p_tenant int, p_document jsonb, p_actor text, p_reason text, p_most int) returns text language plpgsql as $$
declare
    before policies; next_version int;
begin
    perform pg_advisory_xact_lock(1919906155, 9);       -- they change seldom, one after the other
    select * into before from policies p where p.owner_key = p_owner and p.policy_id = p_policy_id;
    if before.document = p_document and before.tenant_key = p_tenant then return 'UNCHANGED'; end if;
    if before.policy_id is null and (select count(*) from policies p where p.owner_key = p_owner) >= p_most then return 'FULL'; end if;
    next_version := 1 + coalesce((select max(c.version) from policy_changes c where c.owner_key = p_owner and c.policy_id = p_policy_id), 0);
    insert into policies as p (owner_key, policy_id, version, tenant_key, type, scope, key, level, enabled, per, document, changed_by)
    values (p_owner, p_policy_id, next_version, p_tenant, p_document ->> 'type', p_document #>> '{scope,kind}', p_document #>> '{scope,key}', p_document ->> 'enforcement_level',
            (p_document ->> 'enabled')::boolean, p_document #>> '{payload,per}', p_document, p_actor)
    on conflict (owner_key, policy_id) do update
    set version = excluded.version, tenant_key = excluded.tenant_key, type = excluded.type, scope = excluded.scope, key = excluded.key, level = excluded.level,
        enabled = excluded.enabled, per = excluded.per, document = excluded.document, changed_by = excluded.changed_by, changed_at = clock();
    insert into policy_changes (owner_key, policy_id, version, document, actor, reason) values (p_owner, p_policy_id, next_version, p_document, p_actor, p_reason);
    return case when before.policy_id is null then 'CREATED' else 'CHANGED' end;
end $$;

-- false: there is none.
create function delete_policy_1(p_owner int, p_policy_id text, p_actor text, p_reason text) returns boolean language plpgsql as $$
declare
    was int;
begin
    perform pg_advisory_xact_lock(1919906155, 9);
    delete from policies p where p.owner_key = p_owner and p.policy_id = p_policy_id returning p.version into was;
    if was is null then return false; end if;
    insert into policy_changes (owner_key, policy_id, version, document, actor, reason) values (p_owner, p_policy_id, was + 1, null, p_actor, p_reason);
    return true;
end $$;

-- p_rows: an array of objects with the columns of policy_violations.
create function note_policy_violations_1(p_rows jsonb) returns void language sql volatile as $$
    insert into policy_violations (owner_key, policy_id, policy_version, tenant_key, job_id, job_version, execution_id, run_id, stage, blocked, detail, occurrences)
    select r.owner_key, r.policy_id, r.policy_version, r.tenant_key, r.job_id, r.job_version, r.execution_id, r.run_id, r.stage, r.blocked, r.detail, r.occurrences
    from jsonb_to_recordset(p_rows) r (owner_key int, policy_id text, policy_version int, tenant_key int, job_id text, job_version int, execution_id uuid, run_id uuid, stage text,
                                       blocked boolean, detail text, occurrences bigint) $$;

-- cost_units, as a job has reported it among its metrics: a number that is not negative, or nothing; what is larger than any budget may be counts as that.
create function cost_units_in(p_metrics json) returns float8 language sql immutable parallel safe as $$
    select case when json_typeof(p_metrics -> 'cost_units') = 'number' then least(greatest((p_metrics ->> 'cost_units')::numeric, 0), 1e15)::float8 else 0 end $$;

-- What the ended attempts of a run have used.
create function run_usage_1(p_run uuid, out attempts int, out seconds float8, out cost_units float8) language sql stable as $$
    select count(*)::int, coalesce(sum(extract(epoch from coalesce(r.returned_at, r.completed_at) - r.started_at)), 0)::float8, coalesce(sum(cost_units_in(r.metrics)), 0)::float8
    from attempts_of(p_run) a join results r on r.execution_id = a.execution_id $$;

-- Counts ended attempts: of each its lane, how long it ran and what it cost. Only of tenants whose days are budgeted. The last locks of its transaction.
create function count_usage_1(p_lane int[], p_seconds float8[], p_cost float8[]) returns void language sql volatile as $$
    insert into policy_usage as o (tenant_key, day, attempts, seconds, cost_units)
    select l.tenant_key, (clock() at time zone 'UTC')::date, count(*), sum(u.seconds), sum(u.cost)
    from unnest(p_lane, p_seconds, p_cost) u (lane, seconds, cost) cross join lateral (select x.tenant_key from lanes x where x.lane_id = u.lane limit 1) l
    where exists (select from policies p where p.per = 'tenant_day' and p.enabled and p.tenant_key in (0, l.tenant_key))
    group by l.tenant_key order by l.tenant_key
    on conflict (tenant_key, day) do update
    set attempts = o.attempts + excluded.attempts, seconds = o.seconds + excluded.seconds, cost_units = o.cost_units + excluded.cost_units $$;

-- The budgets by day that are used up today.
create function days_used_up() returns table (owner_key int, policy_id text, version int, tenant_key int, blocks boolean, used text) language sql stable as $$
    select p.owner_key, p.policy_id, p.version, u.tenant_key, p.level = 'block', w.words
    from policies p join policy_usage u on u.day = (clock() at time zone 'UTC')::date and p.tenant_key in (0, u.tenant_key)
    cross join lateral (select (p.document #>> '{payload,attempts}')::bigint as attempts, (p.document #>> '{payload,seconds}')::float8 as seconds,
                               (p.document #>> '{payload,cost_units}')::float8 as cost_units) b
    cross join lateral (select concat_ws(', ', case when u.attempts >= b.attempts then u.attempts || ' of ' || b.attempts || ' attempts' end,
                                               case when u.seconds >= b.seconds then round(u.seconds::numeric, 3)::float8 || ' of ' || b.seconds || ' seconds' end,
                                               case when u.cost_units >= b.cost_units then round(u.cost_units::numeric, 3)::float8 || ' of ' || b.cost_units || ' cost units' end) as words) w
    where p.per = 'tenant_day' and p.enabled and w.words <> '' $$;

-- Brings the days up to date: one instance at a time.
create function turn_days_1() returns void language plpgsql as $$
declare
    x record; today date := (clock() at time zone 'UTC')::date;
begin
    for x in
        delete from policy_days d where d.day <> today
            or not exists (select from days_used_up() u where u.owner_key = d.owner_key and u.policy_id = d.policy_id and u.tenant_key = d.tenant_key and u.blocks = d.blocks and u.version = d.version)
        returning d.*
    loop
        if not x.blocks then continue; end if;
        delete from limit_settings s where s.scope = 'budget' and s.tenant_key = x.tenant_key and s.key = x.limit_key and s.job_key = 0;
        insert into limits_due (scope, tenant_key, key) values ('budget', x.tenant_key, x.limit_key);
    end loop;
    for x in
        select u.*, u.policy_id || ' ' || to_char(today, 'YYYY-MM-DD') || ': ' || u.used as limit_key from days_used_up() u
        where not exists (select from policy_days d where d.owner_key = u.owner_key and d.policy_id = u.policy_id and d.tenant_key = u.tenant_key)
    loop
        insert into policy_days (owner_key, policy_id, tenant_key, version, day, blocks, used, limit_key)
        values (x.owner_key, x.policy_id, x.tenant_key, x.version, today, x.blocks, x.used, x.limit_key);
        insert into policy_violations (owner_key, policy_id, policy_version, tenant_key, stage, blocked, detail)
        values (x.owner_key, x.policy_id, x.version, x.tenant_key, 'DAY', x.blocks, 'the tenant has used ' || x.used || ' today');
        if not x.blocks then continue; end if;
        insert into limit_settings (scope, tenant_key, key, max_running, actor) values ('budget', x.tenant_key, x.limit_key, 0, 'policy:' || x.policy_id)
            on conflict do nothing;
        insert into limits_due (scope, tenant_key, key) values ('budget', x.tenant_key, x.limit_key);
    end loop;
    delete from policy_usage u where u.day < today - 400;
end $$;

-- What instances ask once a second: has anything changed, and which tenants may start nothing more today: [{"tenant_key", "policy_id", "used"}], and for how many
-- seconds yet.
create function policy_tick_1(out changes bigint, out closed jsonb, out seconds_left float8) language plpgsql as $$
begin
    changes := coalesce((select c.change_number from policy_changes c order by c.change_number desc limit 1), 0);
    if not exists (select from policies p where p.per = 'tenant_day') and not exists (select from policy_days) then return; end if;
    if pg_try_advisory_xact_lock(1919906155, 10) then perform turn_days_1(); end if;
    closed := (select jsonb_agg(jsonb_build_object('tenant_key', d.tenant_key, 'policy_id', d.policy_id, 'used', d.used) order by d.tenant_key, d.policy_id)
               from policy_days d where d.blocks and d.day = (clock() at time zone 'UTC')::date);
    seconds_left := extract(epoch from (date_trunc('day', clock() at time zone 'UTC') + interval '1 day') at time zone 'UTC' - clock());
end $$;

-- Violations that are older than p_kept, at most p_rows; returns how many.
create function sweep_policy_violations_1(p_kept interval, p_rows int) returns int language plpgsql security definer set search_path = rowlock, pg_temp as $$
declare
    n int;
begin
    if p_kept < interval '1 hour' then raise exception 'violations are kept for an hour at least, not for %', p_kept using errcode = 'invalid_parameter_value'; end if;
    perform set_config('rowlock.retention', 'on', true);
    delete from rowlock.policy_violations x using (
        select v.violation_id from rowlock.policy_violations v where v.at <= clock() - p_kept order by v.at limit p_rows for update skip locked) old
    where x.violation_id = old.violation_id;
    get diagnostics n = row_count;
    perform set_config('rowlock.retention', 'off', true);
    return n;
end $$;

-- Made after the grants of 0015.
do $$
declare
    f regprocedure;
begin
    if has_role('rowlock_app') then
        grant select, insert, update, delete on policies to rowlock_app;
        grant select, insert on policy_changes, policy_violations to rowlock_app;
        grant select, insert, update, delete on policy_usage, policy_days to rowlock_app;
        grant usage on sequence policy_changes_change_number_seq, policy_violations_violation_id_seq to rowlock_app;
        grant select on v_policies, v_policy_changes, v_policy_violations to rowlock_app;
    end if;
    if has_role('rowlock_auditor') then grant select on v_policies, v_policy_changes, v_policy_violations to rowlock_auditor; end if;
    for f in select p.oid from pg_proc p where p.pronamespace = 'rowlock'::regnamespace and p.proname = any (array['policy_json_1', 'put_policy_1', 'delete_policy_1', 'policy_tick_1',
            'note_policy_violations_1', 'count_usage_1', 'days_used_up', 'turn_days_1', 'cost_units_in', 'run_usage_1', 'sweep_policy_violations_1']) loop
        execute format('revoke execute on function %s from public', f);
        if has_role('rowlock_app') then execute format('grant execute on function %s to rowlock_app', f); end if;
    end loop;
end $$;

comment on view v_policies is 'The policies in force, or switched off: what jobs may run with and what their runs may use.';
comment on view v_policy_changes is 'Who put or deleted a policy, when and why. Order by at, version.';
comment on view v_policy_violations is 'What was found against a policy: refused, or let pass with a warning. Order by violation_id.';
do $$
declare
    c record;
begin
    for c in select * from (values
        ('policy_id', 'The policy.'), ('tenant_id', 'Of policies and their changes: whose it is, null: of all tenants. Of violations: the tenant of the job.'),
        ('type', 'BUDGET, ALLOWED_HANDLERS or ALLOWED_LIFECYCLES.'), ('scope_kind', 'What it holds for: global, tenant, job or job_type.'), ('scope_key', 'Which one; of global: all.'),
        ('enforcement_level', 'warn: what is against it is recorded; block: it is refused, too.'), ('payload', 'What is allowed, or how much.'), ('enabled', 'Is it in force?'),
        ('description', 'For people.'), ('version', 'Counts its changes, from 1.'), ('changed_by', 'Who made this version.'), ('changed_time', 'When.'),
        ('document', 'What was asked for; null: it was deleted.'), ('actor', 'Who did it.'), ('reason', 'Why.'), ('at', 'When.'), ('violation_id', 'Orders them by time.'),
        ('policy_version', 'The version that was in force.'), ('job_id', 'The job.'), ('job_version', 'The version of its definition; null: it was about to be stored.'),
        ('execution_id', 'The attempt, where there was one; of many in a second: the first.'), ('run_id', 'Its run.'),
        ('stage', 'DEFINITION, SUBMISSION, START (of an attempt), RUN (what it had used) or DAY (what its tenant had).'), ('blocked', 'Was it refused?'), ('detail', 'What was found.'),
        ('occurrences', 'So many of the same.')) x (name, meaning)
    loop
        execute (select coalesce(string_agg(format('comment on column rowlock.%I.%I is %L', v.relname, c.name, c.meaning), '; '), 'select 1')
                 from pg_class v join pg_attribute a on a.attrelid = v.oid
                 where v.relnamespace = 'rowlock'::regnamespace and v.relname in ('v_policies', 'v_policy_changes', 'v_policy_violations') and a.attname = c.name);
    end loop;
end $$;
