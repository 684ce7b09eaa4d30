-- Plans: graphs of executions that are run as one.
--
--   History        plan_runs and plan_nodes are only ever inserted into. What changes while a plan runs is small: one row of plan_progress a run, and
--                  the states of its nodes in arrays, plan_blocks, so that a node costs no row version of its own.
--   Nodes          are numbered from 0, those that need nothing first. A node's execution is made when all that it needs has come about, in the
--                  transaction that brought about the last of it (spec E3): whatever ends an attempt for good calls plans_advance_1.
--   Lock           the run's row in plan_progress, ascending where there are several; after extents, before breakers. Under it stand the blocks, maps and
--                  chunks of the run.
--   Bounded        No transaction starts or skips more than some thousand nodes: the rest is left in plan_work, and plan_step_1 goes on with it.

create table plans (
    plan_key        int generated always as identity primary key,
    tenant_key      int not null references tenants,
    plan_id         text not null check (plan_id ~ '^[a-z0-9][a-z0-9._-]{0,127}$'),
    current_version int not null default 0,
    created_at      timestamptz not null default clock(),
    unique (tenant_key, plan_id));

create table plan_versions (
    plan_key   int not null references plans,
    version    int not null check (version > 0),
    definition json not null,                           -- as it is shown: normalised, without defaults
    author     text not null,
    reason     text not null default '',
    created_at timestamptz not null default clock(),
    primary key (plan_key, version));
create trigger plan_versions_append_only before update or delete on plan_versions for each row execute function refuse_change();
create trigger plan_versions_no_truncate before truncate on plan_versions execute function refuse_change();

-- Makes the plan if it is new, and a version if the definition differs from the current one. p_if_match: the header as it came, or null; where it does
-- not hold, RL412. dry run: the caller rolls back. `before` is null for a plan that is new.
create function put_plan_1(p_tenant int, p_plan_id text, p_definition json, p_author text, p_reason text, p_if_match text,
                           out version int, out created boolean, out changed boolean, out before json)
language plpgsql as $$
#variable_conflict use_column
declare
    p plans;
begin
    insert into plans (tenant_key, plan_id) select p_tenant, p_plan_id where p_if_match is null on conflict (tenant_key, plan_id) do nothing;
    select * into p from plans x where x.tenant_key = p_tenant and x.plan_id = p_plan_id for no key update;
    created := coalesce(p.current_version, 0) = 0;
    if p_if_match is not null and (created or not etag_holds_1(p_if_match, p.current_version, true)) then
        raise exception 'the version is %', coalesce(p.current_version, 0) using errcode = 'RL412';
    end if;
    select v.definition into before from plan_versions v where v.plan_key = p.plan_key and v.version = p.current_version;
    changed := before is null or before::jsonb <> p_definition::jsonb;
    version := p.current_version + case when changed then 1 else 0 end;
    if changed then
        insert into plan_versions (plan_key, version, definition, author, reason) values (p.plan_key, version, p_definition, p_author, p_reason);
        update plans x set current_version = put_plan_1.version where x.plan_key = p.plan_key;
    end if;
end $$;

create table plan_runs (
    plan_run_id    uuid primary key,
    tenant_key     int not null,
    plan_key       int,                                 -- null: the plan came with the submission
    plan_version   int,
    rerun_of       uuid,
    parent_run_id  uuid,                                -- the run of the composite job whose work this is
    definition     json not null,
    parameters     json not null,
    fail_fast      boolean not null,
    -- Most plans have none of these, and are spared the looks for them.
    has_fallbacks  boolean not null,
    has_maps       boolean not null,
    has_refs       boolean not null,
    has_ordered    boolean not null,                    -- a node of it has a job with an ordering key
    age            real not null,                       -- PRIORITY_AGE_SECONDS of the submission: ranks are fixed then
    correlation_id text,
    trace_parent   text,
    tags           jsonb,
    submitter      text,
    contract_ref   text,
    approval_ref   text,
    created_at     timestamptz not null default clock());
create index plan_runs_by_tenant on plan_runs (tenant_key, plan_run_id);
create index plan_runs_by_parent on plan_runs (parent_run_id) where parent_run_id is not null;
create trigger plan_runs_append_only before update or delete on plan_runs for each row execute function refuse_change('retention');
create trigger plan_runs_no_truncate before truncate on plan_runs execute function refuse_change();

-- Edges are kept with the node that they leave. Kind: 1 SUCCESS, 2 COMPLETION, 3 DATA_READY; + 8: a skipped upstream does not do.
create table plan_nodes (
    plan_run_id    uuid not null,
    node_no        int not null,
    node_id        text not null,
    job_key        int not null,
    job_version    int not null,
    lane_id        int not null,
    priority       smallint not null,
    wait_ms        bigint,                              -- how long an execution of it may wait once it is eligible
    is_gate        boolean not null,                    -- a validator: what needs it starts only when it has succeeded
    layer          int not null,
    needs          int not null,
    fallback_no    int,                                 -- starts when this one has failed
    fallback_of    int,
    parameters     json,
    refs           jsonb,                               -- what is put into the parameters when it starts (resolve_refs)
    for_each       jsonb,                               -- {"node", "path"} or {"list"}: one execution for each item
    tags           jsonb,
    out_to         int[],
    out_kind       smallint[],
    out_condition  text[],                              -- null: none has one
    kept_run       uuid,                                -- the result of a node of an earlier run stands for it
    kept_no        int,
    primary key (plan_run_id, node_no));
create trigger plan_nodes_append_only before update or delete on plan_nodes for each row execute function refuse_change('retention');
create trigger plan_nodes_no_truncate before truncate on plan_nodes execute function refuse_change();

-- Edges from nodes that were there to nodes that were added while the plan ran.
create table plan_added_edges (
    plan_run_id uuid not null,
    from_no     int not null,
    to_no       int not null,
    kind        smallint not null,
    condition   text,
    primary key (plan_run_id, from_no, to_no));
create trigger plan_added_edges_append_only before update or delete on plan_added_edges for each row execute function refuse_change('retention');
create trigger plan_added_edges_no_truncate before truncate on plan_added_edges execute function refuse_change();

create table plan_progress (
    plan_run_id  uuid primary key,
    status       smallint not null default 3 check (status in (3, 5, 6, 8)),     -- RUNNING, COMPLETED, FAILED, CANCELLED
    nodes        int not null,
    unended      int not null,
    failed       int not null default 0,                -- nodes that failed and that no fallback stood in for
    cancelled    int not null default 0,
    stopping     boolean not null default false,        -- nothing starts any more
    grown        boolean not null default false,        -- there are plan_added_edges
    told_at      timestamptz not null default clock(),  -- of the newest end that it has been told: what it starts is no older, whoever waited for its lock
    cancelled_at timestamptz,
    cancelled_by text,
    cancel_reason text,
    ended_at     timestamptz,
    check ((ended_at is null) = (status = 3))) with (fillfactor = 50);
-- Which plans are under way? Few.
create index plan_progress_running on plan_progress (plan_run_id) where status = 3;

create function refuse_ended_plan() returns trigger language plpgsql as $$
begin
    raise exception 'plan run % has ended: its end never changes', old.plan_run_id using errcode = 'insufficient_privilege';
end $$;
create trigger plan_progress_final before update on plan_progress for each row when (old.status <> 3) execute function refuse_ended_plan();

-- Nodes 128 b .. 128 b + 127. State: 0 it waits, 3 it was released (its execution says the rest), 5 to 9 as results have. Waits: the needs that have
-- not come about yet, and one for the failure that a fallback waits for.
create table plan_blocks (
    plan_run_id uuid not null,
    block_no    int not null,
    states      smallint[] not null,
    waits       int[] not null,
    primary key (plan_run_id, block_no)) with (fillfactor = 50);

-- Nodes that map over a list, once it is known.
create table plan_maps (
    plan_run_id uuid not null,
    node_no     int not null,
    total       int not null,                           -- executions that there will have been
    made        int not null default 0,
    ended       int not null default 0,
    failed      int not null default 0,
    cancelled   int not null default 0,
    started_at  timestamptz not null,                   -- when its first items were made
    ended_at    timestamptz,                            -- when the last of those that there were had ended
    primary key (plan_run_id, node_no)) with (fillfactor = 50);
-- Items that have no execution yet.
create table plan_chunks (
    plan_run_id uuid not null,
    node_no     int not null,
    first_item  int not null,
    items       jsonb not null,
    primary key (plan_run_id, node_no, first_item));

-- What is left to do for plans, beyond what one transaction may. 1 these nodes have ended, and what needs them has not been told; 2 these nodes are
-- to start; 3 the next items of a node; 4 what runs or waits is to be cancelled. 8 a budget of the plan is used up
-- (0023); 9 what waits is to be cancelled. With ids, 8 and 9 are about these next attempts. Without a plan: 5 and 6, as follow_up_1 (0011) says.
create table plan_work (
    work_id     bigint generated always as identity primary key,
    plan_run_id uuid,
    kind        smallint not null check (kind between 1 and 9),
    nodes       int[] not null default '{}',
    outcomes    smallint[] not null default '{}',
    ids         uuid[] not null default '{}',           -- executions, of 5 to 9
    tenant_key  int,                                    -- of 7: whose they are, who asked for it, and why
    actor       text,
    reason      text,
    at_node     int not null default -1,                -- of 4: how far it has come
    at_id       uuid not null default '00000000-0000-0000-0000-000000000000');
create index plan_work_of on plan_work (plan_run_id) where plan_run_id is not null;

create table plan_run_keys (
    tenant_key  int not null,
    key         text not null,
    hash        bigint not null,
    hash2       bigint not null,
    plan_run_id uuid not null,
    expires_at  timestamptz not null,
    primary key (tenant_key, key));
create index plan_run_keys_expiring on plan_run_keys (expires_at);

-- ---- what nodes hand on

-- The result of an execution as conditions and templates see it.
create function result_document(p_id uuid) returns jsonb language sql stable as $$
    select jsonb_build_object('status', result_status_name(r.status), 'exit_code', r.exit_code, 'error_code', r.error_code, 'error_message', r.error_message,
                              'records_processed', r.records_processed, 'records_failed', r.records_failed,
                              'duration_seconds', extract(epoch from coalesce(r.returned_at, r.completed_at) - r.started_at)::float8,
                              'metrics', coalesce(r.metrics::jsonb, '{}'), 'outputs', coalesce(r.outputs::jsonb, '{}'))
    from results r where r.execution_id = p_id $$;

-- What cannot be evaluated does not hold.
create function condition_holds(p_document jsonb, p_condition text) returns boolean language plpgsql immutable as $$
begin
    return p_condition is null or coalesce(jsonb_path_match(p_document, p_condition::jsonpath, '{}', true), false);
exception when others then
    return false;
end $$;

-- The result of a node as conditions and templates see it. Where a fallback stood in, it is that one's.
create function node_document(p_run uuid, p_no int) returns jsonb language plpgsql stable as $$
declare
    n plan_nodes; m plan_maps; id uuid; doc jsonb;
begin
    select * into n from plan_nodes x where x.plan_run_id = p_run and x.node_no = p_no;
    if n.kept_run is not null then return node_document(n.kept_run, n.kept_no); end if;
    if n.for_each is not null then
        select * into m from plan_maps x where x.plan_run_id = p_run and x.node_no = p_no;
        select jsonb_build_object('status', case when m.failed > 0 then 'FAILED' else 'SUCCESS' end, 'items', coalesce(m.total, 0), 'failed', coalesce(m.failed, 0),
                                  'records_processed', sum(x.records_processed), 'records_failed', sum(x.records_failed),
                                  'outputs', coalesce(jsonb_agg(coalesce(x.outputs::jsonb, '{}') order by x.item_no), '[]'))
        into doc
        from (select distinct on (e.item_no) e.item_no, r.outputs, r.records_processed, r.records_failed
              from executions e join results r using (execution_id) where e.plan_run_id = p_run and e.node_no = p_no
              order by e.item_no, e.attempt_number desc) x;
        return doc;
    end if;
    id := (select e.execution_id from executions e where e.plan_run_id = p_run and e.node_no = p_no order by e.attempt_number desc limit 1);
    doc := result_document(id);
    if n.fallback_no is not null and doc ->> 'status' <> 'SUCCESS' then
        return coalesce((select x from node_document(p_run, n.fallback_no) x where x ->> 'status' = 'SUCCESS'), doc);
    end if;
    return doc;
end $$;

-- Does what a need asks of the upstream's result hold? What cannot be evaluated does not.
create function need_holds(p_run uuid, p_no int, p_kind smallint, p_condition text) returns boolean language plpgsql stable as $$
declare
    doc jsonb := node_document(p_run, p_no);
begin
    return (p_kind & 7 <> 3 or coalesce(doc -> 'outputs', '{}') not in ('{}', '[]')) and condition_holds(doc, p_condition);
end $$;

-- Puts into parameters what `refs` says: [{"at": [path], "parts": [text | {"node", "path"} | {"item": path}]}]. One part that is no text is put there
-- as it is; more make a text. p_docs: documents of nodes that are known already. missing: what was not found. Without refs it is not called (strict).
-- It runs once for each item of a list: its loops are over numbers, as each query would cost more than the rest.
create function resolve_refs(p_run uuid, p_parameters jsonb, p_refs jsonb, p_item jsonb, p_docs jsonb, out value jsonb, out missing text) language plpgsql stable strict as $$
declare
    ref jsonb; part jsonb; found_ jsonb; words text; docs jsonb := p_docs; n int; path text[];
begin
    value := p_parameters;
    for i in 0 .. jsonb_array_length(p_refs) - 1 loop
        ref := p_refs -> i; words := ''; n := jsonb_array_length(ref -> 'parts');
        for j in 0 .. n - 1 loop
            part := ref -> 'parts' -> j;
            if jsonb_typeof(part) = 'string' then
                words := words || (part #>> '{}');
                continue;
            elsif part ? 'item' then
                found_ := jsonb_path_query_first(p_item, (part ->> 'item')::jsonpath, '{}', true);
            else
                if not docs ? (part ->> 'node') then
                    docs := docs || jsonb_build_object(part ->> 'node', node_document(p_run, (part ->> 'node')::int));
                end if;
                found_ := jsonb_path_query_first(docs -> (part ->> 'node'), (part ->> 'path')::jsonpath, '{}', true);
            end if;
            if found_ is null then
                missing := coalesce((select x.node_id || ': ' from plan_nodes x where x.plan_run_id = p_run and x.node_no = (part ->> 'node')::int), 'the item: ')
                           || coalesce(part ->> 'path', part ->> 'item') || ' names nothing';
                return;
            end if;
            words := words || (case when jsonb_typeof(found_) = 'string' then found_ #>> '{}' else found_::text end);
        end loop;
        if jsonb_array_length(ref -> 'at') = 1 then path := array[ref -> 'at' ->> 0];
        else path := array(select x from jsonb_array_elements_text(ref -> 'at') with ordinality u (x, k) order by u.k);
        end if;
        value := jsonb_set(value, path, case when n = 1 and jsonb_typeof(ref -> 'parts' -> 0) = 'object' then found_ else to_jsonb(words) end);
    end loop;
end $$;

-- The documents of the nodes that `refs` names, by their numbers.
create function documents_of(p_run uuid, p_refs jsonb) returns jsonb language sql stable as $$
    select coalesce(jsonb_object_agg(d.no, node_document(p_run, d.no::int)), '{}')
    from (select distinct part ->> 'node' as no from jsonb_array_elements(p_refs) ref, jsonb_array_elements(ref -> 'parts') part where jsonb_typeof(part) = 'object' and part ? 'node') d $$;

-- ---- starting nodes

-- Makes the first attempts of nodes that have nothing to be put in, under the lock of their plan; p_at: their time. What can be claimed alike makes one
-- extent.
create function start_as_they_are_1(r plan_runs, p_at timestamptz, p_no int[]) returns void language plpgsql as $$
declare
    ms bigint := extract(epoch from clock_timestamp()) * 1000; number bigint := nextval('rowlock.blocks');
    block text := left(execution_id_of(ms, number, 0)::text, 31);           -- of variables, as only then it is inlined
begin
    with ordered as (
        select n.node_no, n.lane_id, n.job_key, n.job_version, n.priority, n.wait_ms, n.needs, n.tags, n.parameters,
               row_number() over (order by n.lane_id, n.priority, n.wait_ms, n.node_no) - 1 as place
        -- A comparison with an array of unknown length keeps the planner with the primary key: otherwise it reads the whole plan for a hash.
        from plan_nodes n where n.plan_run_id = r.plan_run_id and n.node_no = any (p_no)),
    numbered as materialized (select n.*, (block || lpad(to_hex(n.place), 5, '0'))::uuid as id from ordered n),
    made as (
        insert into executions (execution_id, run_id, lane_id, tenant_key, job_key, job_version, attempt_number, priority, trigger_type, submitted_at, parameters,
                                correlation_id, tags, submitter, trace_parent, plan_run_id, node_no, contract_ref, approval_ref)
        select s.id, s.id, s.lane_id, r.tenant_key, s.job_key, s.job_version, 1, s.priority, case when s.needs > 0 then 3 else 2 end, p_at, s.parameters,
               r.correlation_id, s.tags, r.submitter, r.trace_parent, r.plan_run_id, s.node_no, r.contract_ref, r.approval_ref
        from numbered s)
    insert into extents (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, remaining)
    select (block || lpad(to_hex(min(s.place)), 5, '0'))::uuid, (block || lpad(to_hex(max(s.place)), 5, '0'))::uuid, s.lane_id, rank_of(p_at, s.priority, r.age), p_at,
           coalesce(p_at + s.wait_ms * interval '1 millisecond', 'infinity'), s.priority, true, count(*)
    from numbered s group by s.lane_id, s.priority, s.wait_ms;
end $$;

-- Makes the first attempts of nodes, or of items of nodes, under the lock of their plan. What can be claimed alike makes one extent. p_docs: as
-- resolve_refs takes them. What has an ordering key waits for its turn in an extent of its own, as 0011 says. Returns those whose parameters could not be
-- put together: they have failed.
create function start_executions_1(r plan_runs, p_at timestamptz, p_no int[], p_item_no int[], p_item jsonb[], p_docs jsonb) returns table (node_no int, item_no int) language plpgsql as $$
#variable_conflict use_column
declare
    ms bigint := extract(epoch from clock_timestamp()) * 1000; number bigint := nextval('rowlock.blocks');
    block text := left(execution_id_of(ms, number, 0)::text, 31); odd record;
begin
    with resolved as materialized (
        select u.item_no, n.*, case when n.refs is null then n.plain else x.value::json end as parameters, x.missing
        from unnest(p_no, p_item_no, p_item) u (no, item_no, item)
        -- The limit keeps the planner with the primary key: otherwise it reads the whole plan for a hash.
        cross join lateral (select n.node_no, n.lane_id, n.job_key, n.job_version, n.priority, n.wait_ms, n.needs, n.tags, n.refs, n.parameters as plain
                            from plan_nodes n where n.plan_run_id = r.plan_run_id and n.node_no = u.no limit 1) n
        left join lateral resolve_refs(r.plan_run_id, coalesce(n.plain::jsonb, '{}'), n.refs, coalesce(u.item, 'null'), p_docs) x on true),
    keyed as (
        select s.*, case when r.has_ordered and s.missing is null then ordering_value(s.job_key, s.job_version, s.parameters) end as ordering_key from resolved s),
    numbered as materialized (
        select s.*, (block || lpad(to_hex(row_number() over (order by s.missing is not null, s.ordering_key is not null, s.lane_id, s.priority, s.wait_ms, s.node_no, s.item_no) - 1),
                                   5, '0'))::uuid as id
        from keyed s),
    made as (
        insert into executions (execution_id, run_id, lane_id, tenant_key, job_key, job_version, attempt_number, priority, trigger_type, submitted_at, parameters,
                                correlation_id, tags, submitter, trace_parent, plan_run_id, node_no, item_no, ordering_key, contract_ref, approval_ref)
        select s.id, s.id, s.lane_id, r.tenant_key, s.job_key, s.job_version, 1, s.priority, case when s.needs > 0 then 3 else 2 end, p_at, s.parameters,
               r.correlation_id, s.tags, r.submitter, r.trace_parent, r.plan_run_id, s.node_no, s.item_no, s.ordering_key, r.contract_ref, r.approval_ref
        from numbered s),
    queued as (
        insert into extents (lo, hi, lane_id, rank, eligible_at, expires_at, priority, ready, remaining)
        select min(s.id::text)::uuid, max(s.id::text)::uuid, s.lane_id, rank_of(p_at, s.priority, r.age), p_at,
               coalesce(p_at + s.wait_ms * interval '1 millisecond', 'infinity'), s.priority, true, count(*)
        from numbered s where s.missing is null and s.ordering_key is null group by s.lane_id, s.priority, s.wait_ms)
    select array_agg(s.id) filter (where s.missing is not null) as ids, array_agg(s.node_no) filter (where s.missing is not null) as nos,
           array_agg(s.item_no) filter (where s.missing is not null) as items, array_agg(s.missing) filter (where s.missing is not null) as words,
           array_agg(s.id order by s.node_no, s.item_no) filter (where s.ordering_key is not null) as ordered
    into odd from numbered s where s.missing is not null or s.ordering_key is not null;
    if odd.ordered is not null then perform queue_held_1(odd.ordered, r.age); end if;
    if odd.ids is not null then
        insert into results (execution_id, status, fence, completed_at, error_code, error_message, actor)
        select u.id, 6, 0, p_at, 'INVALID_CONFIG', u.words, 'plan' from unnest(odd.ids, odd.words) u (id, words);
        perform record_failures_1(odd.ids, array_fill(2::smallint, array[cardinality(odd.ids)]), null, null, null);
        return query select u.no, u.item from unnest(odd.nos, odd.items) u (no, item);
    end if;
end $$;

-- Makes the executions of the next items of a node. Returns whether the node has ended by it, and how; null: it has not.
create function start_items_1(r plan_runs, p_at timestamptz, p_no int, p_stopping boolean) returns smallint language plpgsql as $$
declare
    c plan_chunks; n int; bad int := 0; m plan_maps;
begin
    if p_stopping then
        delete from plan_chunks x where x.plan_run_id = r.plan_run_id and x.node_no = p_no;
        update plan_maps x set total = x.made, ended_at = case when x.ended = x.made then p_at end where x.plan_run_id = r.plan_run_id and x.node_no = p_no returning * into m;
        return case when m.ended = m.total then case when m.failed > 0 then 6 else 8 end end;
    end if;
    delete from plan_chunks x where x.plan_run_id = r.plan_run_id and x.node_no = p_no and x.first_item = (
        select min(y.first_item) from plan_chunks y where y.plan_run_id = r.plan_run_id and y.node_no = p_no) returning * into c;
    if not found then return null; end if;
    n := jsonb_array_length(c.items);
    bad := (select count(*) from start_executions_1(r, p_at, array_fill(p_no, array[n]), array(select c.first_item + g from generate_series(0, n - 1) g),
                                                    array(select x from jsonb_array_elements(c.items) x),
                                                    (select documents_of(x.plan_run_id, coalesce(x.refs, '[]')) from plan_nodes x where x.plan_run_id = r.plan_run_id and x.node_no = p_no)));
    update plan_maps x set made = x.made + n, ended = x.ended + bad, failed = x.failed + bad, ended_at = case when x.ended + bad = x.total then p_at end
    where x.plan_run_id = r.plan_run_id and x.node_no = p_no returning * into m;
    if c.first_item + n < m.total then
        insert into plan_work (plan_run_id, kind, nodes) values (r.plan_run_id, 3, array[p_no]);
    end if;
    return case when m.ended = m.total then 6 end;
end $$;

-- Starts these nodes. Returns those that have ended by it, and how.
create function start_nodes_1(r plan_runs, p_at timestamptz, p_no int[]) returns table (node_no int, outcome smallint) language plpgsql as $$
#variable_conflict use_column
declare
    x record; items jsonb; outcome_ smallint; bad uuid; b record;
begin
    if r.has_maps then
        for x in select n.* from unnest(p_no) u (no) cross join lateral (select * from plan_nodes n where n.plan_run_id = r.plan_run_id and n.node_no = u.no limit 1) n
                 where n.for_each is not null loop
            p_no := array_remove(p_no, x.node_no);
            items := case when x.for_each ? 'list' then x.for_each -> 'list'
                          else jsonb_path_query_first(node_document(r.plan_run_id, (x.for_each ->> 'node')::int), (x.for_each ->> 'path')::jsonpath, '{}', true) end;
            if items is null or jsonb_typeof(items) <> 'array' then
                -- An execution says why.
                select * into b from next_block();
                bad := execution_id_of(b.ms, b.block, 0);
                insert into executions (execution_id, run_id, lane_id, tenant_key, job_key, job_version, attempt_number, priority, trigger_type, submitted_at,
                                        correlation_id, tags, submitter, trace_parent, plan_run_id, node_no, contract_ref, approval_ref)
                values (bad, bad, x.lane_id, r.tenant_key, x.job_key, x.job_version, 1, x.priority, 3, p_at, r.correlation_id, x.tags, r.submitter, r.trace_parent,
                        r.plan_run_id, x.node_no, r.contract_ref, r.approval_ref);
                insert into results (execution_id, status, fence, completed_at, error_code, error_message, actor)
                values (bad, 6, 0, p_at, 'INVALID_CONFIG', 'for_each: ' || (x.for_each ->> 'path') || case when items is null then ' names nothing' else ' is no list' end, 'plan');
                perform record_failures_1(array[bad], array[2::smallint], null, null, null);
                node_no := x.node_no; outcome := 6;
                return next;
                continue;
            end if;
            insert into plan_maps (plan_run_id, node_no, total, started_at, ended_at)
            values (r.plan_run_id, x.node_no, jsonb_array_length(items), p_at, case when jsonb_array_length(items) = 0 then p_at end);
            if jsonb_array_length(items) = 0 then
                node_no := x.node_no; outcome := 5;
                return next;
                continue;
            end if;
            insert into plan_chunks (plan_run_id, node_no, first_item, items)
            select r.plan_run_id, x.node_no, (min(i.k) - 1)::int, jsonb_agg(i.item order by i.k)
            from jsonb_array_elements(items) with ordinality i (item, k) group by (i.k - 1) / 1000;
            outcome_ := start_items_1(r, p_at, x.node_no, false);
            if outcome_ is not null then
                node_no := x.node_no; outcome := outcome_;
                return next;
            end if;
        end loop;
    end if;
    if r.has_refs or r.has_ordered then
        return query select s.node_no, 6::smallint from start_executions_1(r, p_at, p_no, null, null, '{}') s;
    elsif cardinality(p_no) > 0 then
        perform start_as_they_are_1(r, p_at, p_no);
    end if;
end $$;
