-- Instances that are short of memory, processors, disk or connections, and what waits for that.

-- Tells the others how an instance is; p_pressure as in instances.pressure. Records errors (p_message[i] with p_details[i], a ResourceExhaustionError as JSON, but for
-- affected_jobs and queued_count) in execution_errors of the tenant default, and of each that has work in the queue. What waits is looked at in 200 lanes, of the first
-- 10,000, and in 500 extents of each: it is asked when there is little left of something. False: the instance has been declared dead.
create function tell_pressure_1(p_instance int, p_pressure jsonb, p_message text[], p_details text[]) returns boolean language plpgsql
    set plan_cache_mode = force_generic_plan as $$
begin
    update instances set pressure = p_pressure where instance_id = p_instance and state = 'ALIVE';
    if not found then return false; end if;
    if coalesce(cardinality(p_message), 0) = 0 then return true; end if;
    with waiting as materialized (
        select l.tenant_key, j.job_id, q.n
        from (select l.* from lanes l order by l.lane_id limit 10000) l cross join lateral (select sum(x.remaining) as n from (select s.remaining from extents s where s.lane_id = l.lane_id and s.owner is null and s.ready limit 500) x) q
        join jobs j on j.job_key = l.job_key
        where q.n > 0 order by l.lane_id limit 200),
    tenants_ as (
        select t.tenant_key, coalesce(jsonb_agg(w.job_id order by w.job_id) filter (where w.job_id is not null), '[]') as jobs, coalesce(sum(w.n), 0) as n
        from tenants t left join waiting w on w.tenant_key = t.tenant_key
        where t.tenant_id = 'default' or w.tenant_key is not null group by t.tenant_key)
    insert into errors (error_id, queue, tenant_key, category, error_code, error_message, details)
    select execution_id_of(b.ms, b.block, (row_number() over (order by u.k, t.tenant_key))::int - 1), 3, t.tenant_key, 4, 'RESOURCE_EXHAUSTED', u.message,
           u.details::jsonb || jsonb_build_object('instance_id', p_instance, 'affected_jobs', t.jobs, 'queued_count', t.n)
    from next_block() b cross join unnest(p_message, p_details) with ordinality u (message, details, k) cross join tenants_ t;
    return true;
end $$;

revoke execute on function tell_pressure_1 from public;
do $$
begin
    if has_role('rowlock_app') then
        grant execute on function tell_pressure_1 to rowlock_app;
    end if;
end $$;
