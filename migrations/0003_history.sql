-- History: executions, results and what belongs to them. Only ever inserted into.

create table executions (
    execution_id        uuid not null,
    run_id              uuid not null,
    parent_execution_id uuid,
    replay_of           uuid,
    lane_id             int not null,
    tenant_key          int not null,
    job_key             int not null,
    job_version         int not null,
    attempt_number      smallint not null check (attempt_number > 0),
    lost_count          smallint not null default 0,    -- earlier attempts of the run that ended LEASE_LOST
    priority            smallint not null check (priority between -1000 and 1000),
    trigger_type        smallint not null check (trigger_type between 1 and 6),
    submitted_at        timestamptz not null,
    scheduled_time      timestamptz,
    trigger_id          text,
    parameters          json,                           -- null: {}
    correlation_id      text,
    tags                jsonb,                          -- null: {}
    submitter           text,
    trace_parent        text,
    plan_run_id         uuid,
    node_no             int,                            -- its node in the plan run
    item_no             int,                            -- the item of a node that maps over a list; else null
    ordering_key        text,
    contract_ref        text,
    approval_ref        text) partition by range (execution_id);
-- What was this job's history? (GET /v1/executions?job_id=)
create index executions_by_job on executions (job_key, execution_id);
-- These cost nothing where they are not used.
create index executions_by_correlation on executions (correlation_id, execution_id) where correlation_id is not null;
create index executions_by_plan on executions (plan_run_id, node_no) where plan_run_id is not null;
create index executions_by_tags on executions using gin (tags jsonb_path_ops) where tags is not null;
-- Made last: in an empty partition an id costs the same by any index that has it, and of equals the planner takes the newest. Plans outlive emptiness.
alter table executions add primary key (execution_id);

-- The row of the next attempt of an execution, eligible at p_at. p_lost: 1 if this one was lost. Inlined, and in the order of the table.
create function next_attempt(p_was executions, p_next uuid, p_lost smallint, p_at timestamptz) returns setof executions language sql stable as $$
    select p_next, p_was.run_id, p_was.run_id, p_was.replay_of, p_was.lane_id, p_was.tenant_key, p_was.job_key, p_was.job_version,
           (p_was.attempt_number + 1)::smallint, p_was.lost_count + p_lost, p_was.priority, 5::smallint, clock(), case when p_at > clock() then p_at end,
           p_was.trigger_id, p_was.parameters, p_was.correlation_id, p_was.tags, p_was.submitter, p_was.trace_parent,
           p_was.plan_run_id, p_was.node_no, p_was.item_no, p_was.ordering_key, p_was.contract_ref, p_was.approval_ref $$;

-- Status codes: 5 COMPLETED, 6 FAILED, 7 TIMEOUT, 8 CANCELLED, 9 SKIPPED. The primary key is the backstop of "each ends exactly once".
create table results (
    execution_id      uuid not null,
    status            smallint not null check (status between 5 and 9),
    instance_id       int,                              -- null: ended by no instance (cancelled or expired while queued)
    fence             int not null,
    started_at        timestamptz,
    returned_at       timestamptz,                      -- the work came back; from here to completed_at it was COMPLETING
    completed_at      timestamptz not null,
    exit_code         int,
    error_code        text,
    error_message     text,
    records_processed bigint,
    records_failed    bigint,
    metrics           json,
    outputs           json,
    termination       text check (termination in ('GRACEFUL', 'FORCED')),
    next_execution_id uuid,                             -- the next attempt, made in the same transaction
    actor             text,                             -- who ended it, where that was not its owner
    check (started_at <= completed_at),
    primary key (execution_id)) partition by range (execution_id);
-- Failures are few and asked for most.
create index results_unsuccessful on results (status, execution_id) where status <> 5;

create trigger executions_append_only before update or delete on executions for each row execute function refuse_change('retention');
create trigger results_append_only before update or delete on results for each row execute function refuse_change('retention');
create trigger executions_no_truncate before truncate on executions execute function refuse_change();
create trigger results_no_truncate before truncate on results execute function refuse_change();

-- Both tables get the same partition, a day each, made ahead of time. Made apart and then attached: that waits for no reader,
-- and no reader waits for it. Returns how many were made.
create function make_partitions(p_days_ahead int) returns int language plpgsql
    security definer set search_path = rowlock, pg_temp as $$
declare
    t text; part text; day date; n int := 0;
begin
    perform pg_advisory_xact_lock(1919906155, 3);
    for day in select d::date from generate_series((clock() at time zone 'UTC')::date - 1, (clock() at time zone 'UTC')::date + p_days_ahead, interval '1 day') d loop
        foreach t in array array['executions', 'results'] loop
            part := t || '_' || to_char(day, 'YYYYMMDD');
            continue when to_regclass('rowlock.' || part) is not null;
            execute format('create table rowlock.%I (like rowlock.%I including defaults including constraints)', part, t);
            execute format('alter table rowlock.%I attach partition rowlock.%I for values from (%L) to (%L)', t, part,
                           first_id_at(day::timestamp at time zone 'UTC'), first_id_at((day + 1)::timestamp at time zone 'UTC'));
            -- Row triggers come with the parent, a TRUNCATE trigger does not.
            execute format('create trigger no_truncate before truncate on rowlock.%I execute function rowlock.refuse_change()', part);
            n := n + 1;
        end loop;
    end loop;
    return n;
end $$;

-- Attempts that somebody asked for after the run had ended: results cannot name them any more. The primary key: each is followed once.
create table manual_retries (
    execution_id      uuid primary key,
    next_execution_id uuid not null,
    actor             text not null,
    at                timestamptz not null default clock());
create trigger manual_retries_append_only before update or delete on manual_retries for each row execute function refuse_change('retention');
create trigger manual_retries_no_truncate before truncate on manual_retries execute function refuse_change();

-- The attempts of a run, by number. Each result names the next attempt, or a manual retry does, so no index on run_id is needed.
create function attempts_of(p_run uuid) returns table (execution_id uuid, attempt_number smallint) language sql stable as $$
    with recursive chain as (
        select e.execution_id, e.attempt_number from executions e where e.execution_id = p_run
        union all
        select e.execution_id, e.attempt_number from chain c
        join results r on r.execution_id = c.execution_id
        left join manual_retries m on m.execution_id = c.execution_id
        join executions e on e.execution_id = coalesce(r.next_execution_id, m.next_execution_id))
    select execution_id, attempt_number from chain $$;

-- Has the last attempt of the run a result? true also where history has forgotten it.
create function run_is_over(p_run uuid) returns boolean language sql stable as $$
    select coalesce((select r.execution_id is not null from attempts_of(p_run) a left join results r on r.execution_id = a.execution_id
                     order by a.attempt_number desc limit 1), true) $$;

-- Submissions that carried a key. `hash`: two hashes of the request as jsonb, so what is equal as JSON is equal here, and SQL and
-- HTTP agree without agreeing on a text form. A key that begins with a space is no client's: it stands for the fingerprint of the one
-- unfinished run of a job with `dedupe`; it holds until that run has ended, whatever expires_at says.
create table idempotency_keys (
    tenant_key    int not null,
    key           text not null,
    hash          bigint not null,
    hash2         bigint not null,
    execution_id  uuid not null,
    execution_ids uuid[],                               -- of a whole batch, in its order
    expires_at    timestamptz not null,
    primary key (tenant_key, key));
create index idempotency_keys_expiring on idempotency_keys (expires_at);

-- What a job wrote to stdout (1) and stderr (2), and what the runtime says about it (3).
create table logs (
    execution_id uuid not null,
    part         int not null,
    stream       smallint not null check (stream between 1 and 3),
    at           timestamptz not null default clock(),
    body         bytea not null,
    primary key (execution_id, part));

create table checkpoints (
    execution_id      uuid not null,
    run_id            uuid not null,
    checkpoint_number int not null,                     -- counts through the run
    stage             text,
    sha256            bytea not null,
    body              bytea not null,
    created_time      timestamptz not null default clock(),
    primary key (run_id, checkpoint_number));
create index checkpoints_by_execution on checkpoints (execution_id, checkpoint_number);
create trigger checkpoints_append_only before update or delete on checkpoints for each row execute function refuse_change('retention');
create trigger checkpoints_no_truncate before truncate on checkpoints execute function refuse_change();

-- Files that a run has declared finished: hashed, read-only, never overwritten (S1).
create table artifacts (
    run_id       uuid not null,
    name         text not null,
    execution_id uuid not null,
    sha256       text not null,
    size_bytes   bigint not null,
    created_time timestamptz not null default clock(),
    primary key (run_id, name));
create trigger artifacts_append_only before update or delete on artifacts for each row execute function refuse_change('retention');
create trigger artifacts_no_truncate before truncate on artifacts execute function refuse_change();

-- What long-running executions report, kept sparingly and thrown away when they end.
create table live_notes (
    execution_id uuid primary key,
    heartbeat_at timestamptz,
    progress     real check (progress between 0 and 1)) with (fillfactor = 50);

-- Changes of state out of the ordinary: the ordinary ones are columns. Takeovers, hand-backs, requests to cancel.
create table extra_transitions (
    execution_id uuid not null,
    at           timestamptz not null default clock(),
    from_status  smallint not null,
    to_status    smallint not null,
    actor        text not null,
    fence        int,
    reason       text not null);
create index extra_transitions_by_execution on extra_transitions (execution_id);
create trigger extra_transitions_append_only before update or delete on extra_transitions for each row execute function refuse_change('retention');
create trigger extra_transitions_no_truncate before truncate on extra_transitions execute function refuse_change();
