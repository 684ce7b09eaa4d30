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
    scope      text not null check (scope in ('global', 'tenant', 'job', 'job_type', 'plan')),
    key        text not null,
    level      text not null check (level in ('warn', 'block')),
    enabled    boolean not null,
    per        text check (per in ('run', 'plan', 'tenant_day')),
    document   jsonb not null,                          -- as it was given, normalised
    changed_at timestamptz not null default clock(),
    changed_by text not null,
    holds_since timestamptz not null default clock(),   -- in force, and for the same, without a pause
    primary key (owner_key, policy_id),
    check ((type = 'BUDGET') = (per is not null)), check (scope <> 'plan' or per = 'plan'), check ((scope = 'global') = (tenant_key = 0)), check (owner_key in (0, tenant_key)));

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
-- What more than one run is counted for.
create index policies_counted on policies (policy_id) where per <> 'run';
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

-- Budgets of plan runs. What ends attempts of their nodes counts here, from when a policy began to ask for it; after a time in which none did, anew.
create table plan_usage (
    plan_run_id uuid primary key,
    attempts    bigint not null,
    seconds     float8 not null,
    cost_units  float8 not null,
    counted_at  timestamptz not null) with (fillfactor = 50);
-- What a plan run has used up, made by the end that did: no node of it starts any more where that blocks, and plan_step_1 ends what has not started.
create table plan_overdrafts (
    plan_run_id uuid not null,
    owner_key   int not null,
    policy_id   text not null,
    version     int not null,
    blocks      boolean not null,
    used        text not null,                           -- "10 of 10 attempts"
    stops       boolean not null default false,          -- the plan run has been stopped by it
    recorded    boolean not null default false,          -- there is a violation
    told        boolean not null default false,          -- and some instance has logged it
    looked_at   timestamptz,                             -- plan_step_1 has found nothing of the plan run that it could stop
    primary key (plan_run_id, owner_key, policy_id));
create index plan_overdrafts_untold on plan_overdrafts (plan_run_id) where recorded and not told;

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
    plan_run_id    uuid,
    stage          text not null check (stage in ('DEFINITION', 'SUBMISSION', 'START', 'RUN', 'PLAN', 'DAY')),
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
select x.violation_id, x.at, x.policy_id, x.policy_version, t.tenant_id, x.job_id, x.job_version, x.execution_id, x.run_id, x.plan_run_id, x.stage, x.blocked, x.detail,
       x.occurrences
from policy_violations x join tenants t on t.tenant_key = x.tenant_key;

create function policy_json_1(p policies) returns json language sql stable as $$
    select json_build_object('policy_id', p.policy_id, 'tenant_id', (select t.tenant_id from tenants t where t.tenant_key = p.owner_key), 'type', p.type,
        'scope', json_build_object('kind', p.scope, 'key', p.key), 'enforcement_level', p.level, 'payload', p.document -> 'payload', 'enabled', p.enabled,
        'description', p.document ->> 'description', 'version', p.version, 'changed_by', p.changed_by, 'changed_time', rfc3339(p.changed_at)) $$;

-- PUT /v1/policies. p_tenant: whose jobs it holds for, 0: of all; null: of the tenant that the scope names, which is made where it is new. p_document: {"type", "scope":
-- {"kind", "key"}, "enforcement_level", "payload", "enabled", "description"}. p_caller: the tenant that the token acts for; p_all: one for all tenants, which may also
-- take over a policy of that tenant, or give one to it. outcome: CREATED, CHANGED, UNCHANGED, FULL: the owner has p_most already, or TAKEN: one that holds for
-- the tenant, and that it may not change, has the name.
create function put_policy_1(p_owner int, p_policy_id text, p_tenant int, p_document jsonb, p_actor text, p_reason text, p_most int, p_caller int, p_all boolean)
returns text language plpgsql as $$
declare
    before policies; moved policies; was policies; held timestamptz; next_version int; subject int := coalesce(p_tenant, (select t.tenant_key from tenants t where t.tenant_id = p_document #>> '{scope,key}'));
begin
    perform pg_advisory_xact_lock(1919906155, 9);       -- they change seldom, one after the other
    select * into before from policies p where p.owner_key = p_owner and p.policy_id = p_policy_id;
    if before.document = p_document and before.tenant_key = subject then return 'UNCHANGED'; end if;
    if before.policy_id is null then
        select * into moved from policies p
        where p.owner_key = case when p_owner = 0 then p_caller else 0 end and p.policy_id = p_policy_id and (p_all or p.tenant_key in (0, p_caller));
        if moved.policy_id is not null and not p_all then return 'TAKEN'; end if;
        if (select count(*) from policies p where p.owner_key = p_owner) >= p_most then return 'FULL'; end if;
        if moved.policy_id is not null then
            delete from policies p where p.owner_key = moved.owner_key and p.policy_id = p_policy_id;
            insert into policy_changes (owner_key, policy_id, version, document, actor, reason) values (moved.owner_key, p_policy_id, moved.version + 1, null, p_actor, p_reason);
        end if;
    end if;
    subject := coalesce(subject, tenant_of(p_document #>> '{scope,key}'));
    next_version := 1 + greatest(moved.version + 1, (select max(c.version) from policy_changes c where c.owner_key = p_owner and c.policy_id = p_policy_id), 0);
    was := case when before.policy_id is not null then before else moved end;
    held := case when was.enabled and (was.tenant_key, was.scope, was.key) = (subject, p_document #>> '{scope,kind}', p_document #>> '{scope,key}')
                      and was.per is not distinct from p_document #>> '{payload,per}' then was.holds_since else clock() end;
    insert into policies as p (owner_key, policy_id, version, tenant_key, type, scope, key, level, enabled, per, document, changed_by, holds_since)
    values (p_owner, p_policy_id, next_version, subject, p_document ->> 'type', p_document #>> '{scope,kind}', p_document #>> '{scope,key}', p_document ->> 'enforcement_level',
            (p_document ->> 'enabled')::boolean, p_document #>> '{payload,per}', p_document, p_actor, held)
    on conflict (owner_key, policy_id) do update
    set version = excluded.version, tenant_key = excluded.tenant_key, type = excluded.type, scope = excluded.scope, key = excluded.key, level = excluded.level,
        enabled = excluded.enabled, per = excluded.per, document = excluded.document, changed_by = excluded.changed_by, changed_at = clock(), holds_since = excluded.holds_since;
    insert into policy_changes (owner_key, policy_id, version, document, actor, reason) values (p_owner, p_policy_id, next_version, p_document, p_actor, p_reason);
    return case when before.policy_id is null and moved.policy_id is null then 'CREATED' else 'CHANGED' end;
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

-- What is used up of a budget, "2 of 2 attempts, 7.5 of 5 cost units"; p_more: of what more was used than there was. Empty: of nothing.
create function used_up(p_budget jsonb, p_attempts bigint, p_seconds float8, p_cost float8, p_more boolean) returns text language sql immutable parallel safe as $$
    select concat_ws(', ', case when p_attempts - p_more::int >= b.attempts then p_attempts || ' of ' || b.attempts || ' attempts' end,
                           case when p_seconds > b.seconds or p_seconds = b.seconds and not p_more then round(p_seconds::numeric, 3)::float8 || ' of ' || b.seconds || ' seconds' end,
                           case when p_cost > b.cost_units or p_cost = b.cost_units and not p_more then round(p_cost::numeric, 3)::float8 || ' of ' || b.cost_units || ' cost units' end)
    from (select (p_budget ->> 'attempts')::bigint as attempts, (p_budget ->> 'seconds')::float8 as seconds, (p_budget ->> 'cost_units')::float8 as cost_units) b $$;

-- What these ended attempts have used, by plan run, of those that have budgets. What was not let start has used nothing: the actor of its end, which no job can
-- write, says so. null: of none.
create function plan_uses_1(p_id uuid[], p_seconds float8[], p_cost float8[]) returns plan_use[] language plpgsql stable as $$
begin
    if not exists (select from policies p where p.per = 'plan' and p.enabled) then return null; end if;
    return (
        select array_agg(row(g.plan_run_id, r.tenant_key, r.plan_key, g.attempts, g.seconds, g.cost_units, g.refused, g.next_ids)::plan_use order by g.plan_run_id)
        from (select e.plan_run_id, count(*) filter (where not z.refused) as attempts, coalesce(sum(u.seconds) filter (where not z.refused), 0) as seconds,
                     coalesce(sum(u.cost) filter (where not z.refused), 0) as cost_units, bool_or(z.refused) as refused,
                     coalesce(array_agg(z.next_execution_id) filter (where z.next_execution_id is not null), '{}') as next_ids
              from unnest(p_id, p_seconds, p_cost) u (id, seconds, cost)
              cross join lateral (select y.plan_run_id from executions y where y.execution_id = u.id limit 1) e
              cross join lateral (select y.next_execution_id, y.status = 6 and y.actor is not distinct from 'policy' and y.error_code is not distinct from 'BUDGET_EXCEEDED' as refused
                                  from results y where y.execution_id = u.id limit 1) z
              where e.plan_run_id is not null group by e.plan_run_id) g
        cross join lateral (select y.tenant_key, y.plan_key from plan_runs y where y.plan_run_id = g.plan_run_id limit 1) r
        where exists (select from plan_budgets(r.tenant_key, r.plan_key)));
end $$;

-- Counts what plan_uses_1 has found, and notes what the plan runs have used up by it. The last locks of its transaction. Whether something is left to plan_step_1.
create function count_plans_1(p_uses plan_use[]) returns boolean language plpgsql as $$
declare
    x plan_use; p record; now_used plan_usage; goes_on boolean; since timestamptz; look boolean; looked timestamptz; blocked boolean; stops boolean := false;
begin
    foreach x in array coalesce(p_uses, '{}') loop
        if x.refused then
            perform record_overdraft_1(x.plan_run_id, x.tenant_key, o.owner_key, o.policy_id, true)
            from (select o.owner_key, o.policy_id from plan_overdrafts o join policies b on b.owner_key = o.owner_key and b.policy_id = o.policy_id and b.version = o.version and b.enabled
                  where o.plan_run_id = x.plan_run_id and o.blocks order by o.owner_key, o.policy_id) o;
            continue when x.attempts = 0;
        end if;
        -- What was counted before a time in which no policy asked for it lacks the ends of that time: it counts no more.
        since := (select min(b.holds_since) from plan_budgets(x.tenant_key, x.plan_key) b);
        continue when since is null;
        insert into plan_usage as o (plan_run_id, attempts, seconds, cost_units, counted_at) values (x.plan_run_id, x.attempts, x.seconds, x.cost_units, greatest(clock(), since))
        on conflict (plan_run_id) do update
        set attempts = case when o.counted_at < since then 0 else o.attempts end + excluded.attempts, seconds = case when o.counted_at < since then 0 else o.seconds end + excluded.seconds,
            cost_units = case when o.counted_at < since then 0 else o.cost_units end + excluded.cost_units, counted_at = greatest(o.counted_at, excluded.counted_at)
        returning * into now_used;
        goes_on := exists (select from plan_progress g where g.plan_run_id = x.plan_run_id and g.status = 3);
        look := false; blocked := false;
        for p in
            select b.owner_key, b.policy_id, b.version, b.level = 'block' as blocks, used_up(b.document -> 'payload', now_used.attempts, now_used.seconds, now_used.cost_units, not goes_on) as used
            from plan_budgets(x.tenant_key, x.plan_key) b order by b.owner_key, b.policy_id
        loop
            continue when p.used = '';
            insert into plan_overdrafts as o (plan_run_id, owner_key, policy_id, version, blocks, used) values (x.plan_run_id, p.owner_key, p.policy_id, p.version, p.blocks, p.used)
            on conflict (plan_run_id, owner_key, policy_id) do update
            set version = excluded.version, blocks = excluded.blocks, used = excluded.used, recorded = o.recorded and o.version = excluded.version, told = o.told and o.version = excluded.version,
                looked_at = case when o.version = excluded.version then o.looked_at end
            returning o.looked_at into looked;
            if goes_on and p.blocks then
                blocked := true;
                look := look or looked is null;
            else
                perform record_overdraft_1(x.plan_run_id, x.tenant_key, p.owner_key, p.policy_id, false);
            end if;
        end loop;
        if blocked then
            insert into plan_work (plan_run_id, kind, ids) select x.plan_run_id, 8, x.next_ids
            where cardinality(x.next_ids) > 0
                  or look and not exists (select from plan_work w where w.plan_run_id = x.plan_run_id and w.kind in (8, 9))
                     and exists (select from plan_progress g where g.plan_run_id = x.plan_run_id and not g.stopping);
            stops := true;
        end if;
    end loop;
    return stops;
end $$;

-- The budgets that hold for a plan run.
create function plan_budgets(p_tenant int, p_plan int) returns setof policies language sql stable as $$
    select p.* from policies p
    where p.per = 'plan' and p.enabled and p.tenant_key in (0, p_tenant)
      and (p.scope <> 'plan' or p.key = (select y.plan_id from plans y where y.plan_key = p_plan)) $$;

-- Records that a plan run has used up what a policy allows, once.
create function record_overdraft_1(p_run uuid, p_tenant int, p_owner int, p_policy_id text, p_blocked boolean) returns void language sql volatile as $$
    with noted as (
        update plan_overdrafts o set recorded = true, stops = p_blocked
        where o.plan_run_id = p_run and o.owner_key = p_owner and o.policy_id = p_policy_id and not o.recorded returning o.*)
    insert into policy_violations (owner_key, policy_id, policy_version, tenant_key, plan_run_id, stage, blocked, detail)
    select n.owner_key, n.policy_id, n.version, p_tenant, p_run, 'PLAN', p_blocked, 'the plan has used ' || n.used from noted n $$;

-- A budget of this plan run is used up. Stops it, where something of it has not started yet: what waits for other nodes is skipped here, and what is queued is
-- cancelled by plan_step_1. That nothing had been left is remembered: from then on only next attempts (p_ids) are. Overdrafts come last, as wherever ends are counted.
create function stop_over_budget_1(p_run uuid, p_ids uuid[]) returns void language plpgsql as $$
declare
    r plan_runs; g plan_progress; o record; n int;
begin
    select * into g from plan_progress p where p.plan_run_id = p_run for no key update;
    if g.status is distinct from 3 or g.cancelled_at is not null then return; end if;
    select x.* into o from plan_overdrafts x join policies p on p.owner_key = x.owner_key and p.policy_id = x.policy_id
    where x.plan_run_id = p_run and x.blocks and p.enabled and p.version = x.version order by (x.looked_at is null) desc, x.owner_key, x.policy_id limit 1;
    if not found then return; end if;                   -- it was raised in the meantime
    if g.stopping then
        if cardinality(p_ids) > 0 then insert into plan_work (plan_run_id, kind, ids) values (p_run, 9, p_ids); end if;
        return;
    end if;
    if o.looked_at is not null and not exists (select from unnest(p_ids) u (id) where waits_for_start(u.id)) then return; end if;
    select * into r from plan_runs p where p.plan_run_id = p_run;
    n := skip_waiting_1(p_run, 9::smallint);
    if n = 0 and o.looked_at is null and not exists (select from plan_chunks c where c.plan_run_id = p_run)
       and not exists (select from executions e where e.plan_run_id = p_run and waits_for_start(e.execution_id)) then
        -- What has been released, but not made, is looked at when it is there.
        update plan_overdrafts x set looked_at = clock()
        from (select y.owner_key, y.policy_id from plan_overdrafts y where y.plan_run_id = p_run and y.blocks order by y.owner_key, y.policy_id for no key update) y
        where x.plan_run_id = p_run and x.owner_key = y.owner_key and x.policy_id = y.policy_id
              and not exists (select from plan_work w where w.plan_run_id = p_run and w.kind in (1, 2, 3));
        return;
    end if;
    update plan_progress p set stopping = true, unended = p.unended - n, cancelled_by = 'policy:' || o.policy_id,
           cancel_reason = format('the budget of the policy %s is used up: the plan has used %s', o.policy_id, o.used)
    where p.plan_run_id = p_run returning * into g;
    insert into plan_work (plan_run_id, kind) values (p_run, 9);
    perform advance_plan_1(r, g, '{}', '{}', '{}');
    perform advance_order_1('{}', '{}');
    perform record_overdraft_1(p_run, r.tenant_key, o.owner_key, o.policy_id, true);
end $$;

-- Counts ended attempts, of each its lane, how long it ran and what it cost, of tenants whose days are budgeted. With count_plans_1 the last locks of its transaction.
create function count_days_1(p_lane int[], p_seconds float8[], p_cost float8[]) returns void language sql volatile as $$
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
    cross join lateral (select used_up(p.document -> 'payload', u.attempts, u.seconds, u.cost_units, false) as words) w
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
-- seconds yet. plans: what plan runs have used up; each is told to one instance: [{"plan_run_id", "policy_id", "used", "stops"}].
create function policy_tick_1(out changes bigint, out closed jsonb, out seconds_left float8, out plans jsonb) language plpgsql as $$
begin
    changes := coalesce((select c.change_number from policy_changes c order by c.change_number desc limit 1), 0);
    if exists (select from plan_overdrafts o where o.recorded and not o.told) then
        with news as (
            select o.plan_run_id, o.owner_key, o.policy_id from plan_overdrafts o where o.recorded and not o.told order by o.plan_run_id limit 100 for no key update skip locked),
        told as (
            update plan_overdrafts o set told = true from news n where (o.plan_run_id, o.owner_key, o.policy_id) = (n.plan_run_id, n.owner_key, n.policy_id) returning o.*)
        select jsonb_agg(jsonb_build_object('plan_run_id', t.plan_run_id, 'policy_id', t.policy_id, 'used', t.used, 'stops', t.stops)) into plans from told t;
    end if;
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
        grant select, insert, update, delete on policy_usage, policy_days, plan_usage, plan_overdrafts to rowlock_app;
        grant usage on sequence policy_changes_change_number_seq, policy_violations_violation_id_seq to rowlock_app;
        grant select on v_policies, v_policy_changes, v_policy_violations to rowlock_app;
    end if;
    if has_role('rowlock_auditor') then grant select on v_policies, v_policy_changes, v_policy_violations to rowlock_auditor; end if;
    for f in select p.oid from pg_proc p where p.pronamespace = 'rowlock'::regnamespace and p.proname = any (array['policy_json_1', 'put_policy_1', 'delete_policy_1', 'policy_tick_1',
            'note_policy_violations_1', 'count_days_1', 'plan_uses_1', 'count_plans_1', 'plan_budgets', 'record_overdraft_1', 'stop_over_budget_1', 'used_up', 'days_used_up', 'turn_days_1', 'cost_units_in', 'run_usage_1', 'sweep_policy_violations_1']) loop
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
        ('type', 'BUDGET, ALLOWED_HANDLERS or ALLOWED_LIFECYCLES.'), ('scope_kind', 'What it holds for: global, tenant, job, job_type or plan.'), ('scope_key', 'Which one; of global: all.'),
        ('enforcement_level', 'warn: what is against it is recorded; block: it is refused, too.'), ('payload', 'What is allowed, or how much.'), ('enabled', 'Is it in force?'),
        ('description', 'For people.'), ('version', 'Counts its changes, from 1.'), ('changed_by', 'Who made this version.'), ('changed_time', 'When.'),
        ('document', 'What was asked for; null: it was deleted.'), ('actor', 'Who did it.'), ('reason', 'Why.'), ('at', 'When.'), ('violation_id', 'Orders them by time.'),
        ('policy_version', 'The version that was in force.'), ('job_id', 'The job.'), ('job_version', 'The version of its definition; null: it was about to be stored.'),
        ('execution_id', 'The attempt, where there was one; of many in a second: the first.'), ('run_id', 'Its run.'), ('plan_run_id', 'The plan run, of what one has used.'),
        ('stage', 'DEFINITION, SUBMISSION, START (of an attempt), RUN (what it had used), PLAN (what a plan run had) or DAY (what its tenant had).'), ('blocked', 'Was it refused?'), ('detail', 'What was found.'),
        ('occurrences', 'So many of the same.')) x (name, meaning)
    loop
        execute (select coalesce(string_agg(format('comment on column rowlock.%I.%I is %L', v.relname, c.name, c.meaning), '; '), 'select 1')
                 from pg_class v join pg_attribute a on a.attrelid = v.oid
                 where v.relnamespace = 'rowlock'::regnamespace and v.relname in ('v_policies', 'v_policy_changes', 'v_policy_violations') and a.attname = c.name);
    end loop;
end $$;
