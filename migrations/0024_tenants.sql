-- Tenants: what share they have, and how many executions of each may run where nobody has said so.

-- What was asked for, by whom, when and why; was null: the tenant was made by it.
create table tenant_changes (
    change_number bigint generated always as identity primary key,
    tenant_key    int not null,
    was           int,
    weight        int not null,
    actor         text not null,
    reason        text,
    at            timestamptz not null default clock());
create index tenant_changes_of on tenant_changes (tenant_key, change_number);
create trigger tenant_changes_append_only before update or delete on tenant_changes for each row execute function refuse_change();
create trigger tenant_changes_no_truncate before truncate on tenant_changes execute function refuse_change();

-- PUT /v1/tenants. Makes the tenant where it is new. p_weight null: as it is, of a new one 1.
create function put_tenant_1(p_tenant_id text, p_weight int, p_actor text, p_reason text) returns void language plpgsql as $$
declare
    before tenants; made int;
begin
    insert into tenants (tenant_id, weight) values (p_tenant_id, coalesce(p_weight, 1)) on conflict (tenant_id) do nothing returning tenant_key into made;
    select * into before from tenants t where t.tenant_id = p_tenant_id for no key update;
    if made is null then
        if coalesce(p_weight, before.weight) = before.weight then return; end if;
        update tenants t set weight = p_weight where t.tenant_key = before.tenant_key;
    end if;
    insert into tenant_changes (tenant_key, was, weight, actor, reason)
    values (before.tenant_key, case when made is null then before.weight end, coalesce(p_weight, 1), p_actor, p_reason);
end $$;

-- CONCURRENCY_PER_TENANT, as the instance that started last has it; 0: none. It is a setting of each tenant's limit (limit_settings, job_key -1), which is passed over
-- where somebody has put one (limits_asked).
create table tenant_default (
    one_row     boolean primary key default true check (one_row),
    max_running int not null default 0 check (max_running >= 0),
    set_by      text not null default '',
    set_at      timestamptz not null default clock());
insert into tenant_default default values;

-- Sets the default of all tenants. was: what it had been, and who had set it; nulls: it is as it was. It comes into force tenant by tenant, by the ticks of all instances
-- (enforce_due_limits_1). First the row, which the making of a tenant waits for (limit_new_tenant), then the lock of 0019, as nothing is to be enforced meanwhile.
create function set_tenant_default_1(p_max_running int, p_actor text, out was int, out was_by text) language plpgsql as $$
declare
    before tenant_default;
begin
    if (select d.max_running from tenant_default d) = p_max_running then return; end if;
    select * into before from tenant_default for update;
    if before.max_running = p_max_running then return; end if;
    perform pg_advisory_xact_lock_shared(1919906155, 2);
    update tenant_default set max_running = p_max_running, set_by = p_actor, set_at = clock();
    delete from limit_settings s where s.scope = 'tenant' and s.job_key = -1;
    if p_max_running > 0 then
        insert into limit_settings (scope, tenant_key, key, job_key, max_running, actor) select 'tenant', t.tenant_key, t.tenant_id, -1, p_max_running, p_actor from tenants t;
    end if;
    delete from limits_due d where d.later;
    insert into limits_due (scope, tenant_key, key, later) select 'tenant', t.tenant_key, t.tenant_id, true from tenants t order by t.tenant_key;
    insert into limit_changes (scope, tenant_key, key, job_key, max_running, rejects, actor)
    values ('tenant', 0, '*', -1, nullif(p_max_running, 0), case when p_max_running > 0 then false end, p_actor);
    was := before.max_running; was_by := before.set_by;
end $$;

-- A new tenant has no lanes yet: so its limit is there before anything can run.
create function limit_new_tenant() returns trigger language plpgsql as $$
declare
    most int := (select d.max_running from tenant_default d for share);
begin
    if most > 0 then
        insert into limit_settings (scope, tenant_key, key, job_key, max_running, actor) select 'tenant', new.tenant_key, new.tenant_id, -1, most, d.set_by from tenant_default d;
        insert into limits (scope, tenant_key, key, max_running) values ('tenant', new.tenant_key, new.tenant_id, most);
    end if;
    return null;
end $$;
create trigger tenants_limit_new after insert on tenants for each row execute function limit_new_tenant();

create view v_tenant_changes as
select t.tenant_id, c.was as weight_before, c.weight, c.actor, c.reason, c.at from tenant_changes c join tenants t on t.tenant_key = c.tenant_key;

-- Made after the grants of 0015.
do $$
declare
    f regprocedure;
begin
    if has_role('rowlock_app') then
        grant select, insert on tenant_changes to rowlock_app;
        grant usage on sequence tenant_changes_change_number_seq to rowlock_app;
        grant select, update on tenant_default to rowlock_app;
        grant select on v_tenant_changes to rowlock_app;
    end if;
    if has_role('rowlock_auditor') then grant select on v_tenant_changes to rowlock_auditor; end if;
    for f in select p.oid from pg_proc p where p.pronamespace = 'rowlock'::regnamespace and p.proname = any (array['put_tenant_1', 'set_tenant_default_1', 'limit_new_tenant']) loop
        execute format('revoke execute on function %s from public', f);
        if has_role('rowlock_app') then execute format('grant execute on function %s to rowlock_app', f); end if;
    end loop;
end $$;

comment on view v_tenant_changes is 'Who made a tenant, or changed its share, when and why. Order by at.';
comment on column v_tenant_changes.tenant_id is 'The tenant.';
comment on column v_tenant_changes.weight_before is 'Its share until then; null: it was made.';
comment on column v_tenant_changes.weight is 'Its share from then on.';
comment on column v_tenant_changes.actor is 'Who did it.';
comment on column v_tenant_changes.reason is 'Why.';
comment on column v_tenant_changes.at is 'When.';
