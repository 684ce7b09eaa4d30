-- Who may do what, and what each column means.

do $$
begin
    if has_role('rowlock_app') then
        grant usage on schema rowlock to rowlock_app;
        -- No UPDATE, DELETE or TRUNCATE on history.
        grant select, insert on executions, results, job_versions, job_actions, checkpoints, artifacts, extra_transitions, manual_retries, breaker_changes to rowlock_app;
        grant select, insert on limit_changes, instance_actions to rowlock_app;
        grant select, update on queue_room to rowlock_app;
        grant select, insert, update, delete on limit_settings, limits_due to rowlock_app;
        grant select on lane_limits, limits_asked, pressed_instances to rowlock_app;
        grant select, insert on plan_versions, plan_runs, plan_nodes, plan_added_edges, dependency_uses to rowlock_app;
        grant select, insert, update on dependents to rowlock_app;
        grant select, insert, update, delete on data_sets, dependencies, waits, ordered_runs to rowlock_app;
        grant select, insert, update on plans, plan_progress, plan_blocks, plan_maps to rowlock_app;
        grant select, insert, update, delete on plan_chunks, plan_work, plan_run_keys to rowlock_app;
        grant select, insert, update, delete on errors, dead_letters to rowlock_app;
        grant select, insert, update on breakers to rowlock_app;
        grant select, insert, update, delete on extents, limits, kept_slots, cancel_requests, idempotency_keys, live_notes to rowlock_app;
        grant select, insert, update, delete on callbacks, callback_signatures to rowlock_app;   -- and nobody else: there are secrets in it
        grant select, insert on logs to rowlock_app;
        grant select, insert, update on jobs, lanes, instances, tenants, tokens to rowlock_app;
        grant select on v_executions, v_runs, v_transitions, v_checkpoints, v_artifacts, v_queue, v_jobs, v_job_versions, v_job_actions, v_limits, v_limit_changes, v_instance_actions, v_errors, v_dead_letters, v_breakers, v_breaker_changes, v_plan_runs, v_plan_nodes, v_dependencies, v_dependency_uses to rowlock_app;
        grant select on migrations to rowlock_app;      -- `serve` looks whether the database is up to date
        -- The functions of retention delete in the name of the owner, and note it there.
        grant select on v_retention, v_history_days, history_days, retention_log to rowlock_app;
        grant select, update on retention_state to rowlock_app;
        grant usage on all sequences in schema rowlock to rowlock_app;
        grant execute on all functions in schema rowlock to rowlock_app;
    end if;
    if has_role('rowlock_auditor') then
        grant usage on schema rowlock to rowlock_auditor;
        grant select on v_retention, v_history_days to rowlock_auditor;
        grant select on v_executions, v_runs, v_transitions, v_checkpoints, v_artifacts, v_queue, v_jobs, v_job_versions, v_job_actions, v_limits, v_limit_changes, v_instance_actions, v_errors, v_dead_letters, v_breakers, v_breaker_changes, v_plan_runs, v_plan_nodes, v_dependencies, v_dependency_uses to rowlock_auditor;
    end if;
end $$;
revoke execute on all functions in schema rowlock from public;
-- The views call these in the reader's name.
do $$
begin
    if has_role('rowlock_auditor') then
        grant execute on function status_name(smallint), trigger_type_name(smallint), result_status_name(smallint), rfc3339(timestamptz),
            error_category_name(smallint), fingerprint_of(int, int, jsonb), breaker_state(boolean, timestamptz, timestamptz), slice_of(timestamptz, interval),
            slices_at(int[], bigint, bigint), is_reached(limits, int), limit_order(text), limit_wait(limits, int, timestamptz), resource_amount(text, bigint), limit_name(limits),
            starts_left(int, interval, timestamptz[], int[], timestamptz), next_start_at(interval, timestamptz[], timestamptz), clock() to rowlock_auditor;
    end if;
end $$;

comment on view v_executions is 'Every execution (one attempt at a job), queued, running or ended, as GET /v1/executions/{id} shows it; the members of `result` are columns of their own.';
comment on view v_runs is 'Every run: an execution and its retries. Its status is that of its last attempt.';
comment on view v_transitions is 'Every change of state of every execution: when, from what to what, by whom, and why. Order by at, step.';
comment on view v_checkpoints is 'The checkpoints that executions have saved; the bytes are served by the API.';
comment on view v_artifacts is 'Files that runs have declared finished: hashed, read-only, never overwritten.';
comment on view v_queue is 'What waits and what runs: one row for each contiguous group of executions that are admitted alike.';
comment on view v_jobs is 'The jobs with their current definitions.';
comment on view v_job_versions is 'Every version of every definition: by whom, when and why.';
comment on view v_job_actions is 'Who enabled, disabled, deleted or restored a job, when and why. Order by at.';
comment on view v_retention is 'Everything that retention has deleted: when, what, how much of it, and why.';
comment on view v_history_days is 'The days of history that have been looked at: what is left of each, and why it is still there.';
comment on view v_errors is 'What went wrong: failed attempts, and what else had to be recorded, by error queue. Kept for a while; the history of attempts is v_executions.';
comment on view v_dead_letters is 'Runs that have failed for good, until somebody retries them or their time is up.';
comment on view v_breakers is 'Circuit breakers: an open one keeps executions waiting.';
comment on view v_plan_runs is 'Every run of a plan: a graph of executions that is run as one.';
comment on view v_plan_nodes is 'The nodes of plan runs, with the last attempt of each; one that maps over a list shows how many of its items have ended.';
comment on view v_breaker_changes is 'When breakers opened and closed, and why.';
comment on view v_dependencies is 'What jobs depend on now: declared, or inferred from the data sets that they read and make; and the end of the upstream that counts, until a run uses it.';
comment on view v_dependency_uses is 'Which ends of its upstreams a run has used.';
comment on view v_limits is 'Limits on what runs at once and on what starts, with what is in use.';
comment on view lane_limits is 'Which limits hold each lane. Internal.';
comment on view limits_asked is 'What is asked for under the name of each limit, the least of all. Internal.';
comment on view v_instance_actions is 'Who drained an instance, or resumed it, when and why.';
comment on view v_limit_changes is 'Who set or removed a limit, when, and to what; job_id: by the definition of that job.';

do $$
declare
    c record;
begin
    for c in select * from (values
        ('execution_id', 'The attempt, a UUIDv7: ordered by time of submission.'),
        ('run_id', 'The run: the execution_id of its first attempt.'),
        ('parent_execution_id', 'For a retry, the first attempt of its run; else null.'),
        ('replay_of', 'The execution that this run repeats, if it is a replay.'),
        ('job_id', 'The job.'),
        ('job_version', 'The version of the definition that it was submitted with, and keeps.'),
        ('version', 'The version of the definition, from 1.'),
        ('tenant_id', 'The tenant that it belongs to.'),
        ('status', 'PENDING, QUEUED, RUNNING, COMPLETED, FAILED, TIMEOUT, CANCELLED or SKIPPED.'),
        ('trigger_type', 'What made it: SCHEDULED, MANUAL, DEPENDENCY, EVENT, RETRY or REPLAY.'),
        ('trigger_id', 'The schedule or trigger that made it, if one did.'),
        ('parameters', 'The defaults of the definition with what was submitted merged in.'),
        ('fingerprint', 'SHA-256 of job, version and parameters: equal for equal inputs.'),
        ('priority', 'Higher goes first; -1000 to 1000.'),
        ('tags', 'Labels given at submission.'),
        ('scheduled_time', 'When it was asked to become eligible; null: at once.'),
        ('queued_time', 'When it became eligible; null while it is PENDING.'),
        ('started_time', 'When it was claimed by the instance that ran it.'),
        ('returned_time', 'When the work came back; from then to completed_time it was COMPLETING.'),
        ('completed_time', 'When its end was made durable.'),
        ('submitted_time', 'When its submission was committed.'),
        ('attempt_number', 'Counts the attempts of the run, from 1.'),
        ('attempts', 'How many attempts the run has so far.'),
        ('last_execution_id', 'The last attempt of the run.'),
        ('checkpoint', 'The number of the last checkpoint that it saved.'),
        ('correlation_id', 'What the submitter wants it found by.'),
        ('submitter', 'Who submitted it; null: a local caller without a token.'),
        ('instance_id', 'The instance that runs or ran it.'),
        ('fence', 'The number of the claim: a completion under an older one changes nothing.'),
        ('result_status', 'SUCCESS, FAILED, TIMEOUT, CANCELLED or SKIPPED once it has ended.'),
        ('exit_code', 'Of the process, if it was one and exited.'),
        ('error_code', 'Stable code of what went wrong.'),
        ('error_message', 'What went wrong, for people.'),
        ('records_processed', 'As the job reported.'),
        ('records_failed', 'As the job reported.'),
        ('duration_seconds', 'From started_time to returned_time.'),
        ('metrics', 'Figures that the job reported.'),
        ('outputs', 'What the job gives to those downstream.'),
        ('termination', 'GRACEFUL or FORCED, if it was stopped.'),
        ('next_execution_id', 'The next attempt of the run, made in the same transaction.'),
        ('progress', '0 to 1, as a running job last reported.'),
        ('heartbeat_time', 'When a running job last gave a sign of life.'),
        ('waiting_on', 'The rule that holds it back, with figures; null if nothing does.'),
        ('trace_parent', 'W3C trace context of the submission.'),
        ('plan_run_id', 'The plan run that it is a node of.'),
        ('node_id', 'The node of the plan.'), ('node_no', 'Its number in the plan run.'), ('item_no', 'The item, where the node maps over a list, from 0.'),
        ('plan_id', 'The plan; null: it came with the submission.'), ('plan_version', 'The version of the plan.'), ('rerun_of', 'The plan run that this one repeats.'),
        ('parent_run_id', 'The run of the composite job whose work this is.'), ('on_failure', 'fail_fast or continue.'), ('nodes', 'How many nodes it has.'),
        ('nodes_ended', 'How many of them have ended.'), ('nodes_failed', 'How many failed, and no fallback stood in.'),
        ('cancel_requested_time', 'When somebody asked for its end.'), ('cancelled_by', 'Who did.'), ('cancel_reason', 'Why.'),
        ('layer', 'How many nodes stand before it on the longest way.'), ('items', 'How many items the list has.'), ('items_ended', 'How many of them have ended.'),
        ('items_failed', 'How many of them failed.'), ('gate', 'A validator: what needs it goes on only if it succeeded.'), ('for_each', 'It maps over a list: one execution an item.'), ('kept_from', 'The plan run whose result was kept for it.'),
        ('ordering_key', 'Executions with the same key run in order.'),
        ('dependency_id', 'Names the dependency.'), ('upstream_job_id', 'The job whose end is waited for.'), ('dependency_type', 'SUCCESS, COMPLETION or DATA_READY.'),
        ('condition', 'A SQL/JSON path predicate that the result must satisfy.'), ('window_seconds', 'How old the end may be; null: any that no run has used.'),
        ('skip_on_upstream_skip', 'Whether the dependent is skipped where the upstream was.'), ('timeout_seconds', 'How long it is waited for.'),
        ('is_data', 'Inferred from the data sets that the jobs read and make.'), ('is_missing', 'There is no such job.'),
        ('require_all', 'Whether all dependencies of the job are needed, or one.'), ('upstream_execution_id', 'The end of the upstream.'),
        ('upstream_completed_time', 'When that was.'), ('is_satisfied', 'Whether it is satisfied now.'),
        ('contract_ref', 'The contract that it was run under.'),
        ('approval_ref', 'The approval that it was run under.'),
        ('at', 'When.'), ('from_status', 'Null for the first.'), ('to_status', 'The state it went to.'), ('actor', 'Who did it.'),
        ('reason', 'Why.'), ('step', 'Orders what happened at the same moment.'),
        ('checkpoint_number', 'Counts the checkpoints of the run, from 1.'), ('size_bytes', 'Its size.'), ('name', 'Its path below the directory of the run.'), ('sha256', 'Of its bytes, in hex.'),
        ('stage', 'What the job called this point.'), ('created_time', 'When it was made.'),
        ('first_execution_id', 'The group begins with it.'), ('last_execution_id', 'The group ends with it; of a run: its last attempt.'),
        ('executions', 'How many of the group have not ended.'), ('eligible_time', 'From when on it may run.'), ('claimed_time', 'When its instance claimed it.'),
        ('enabled', 'May it be submitted?'), ('rolled_back_to', 'The earlier version whose contents it has, where it was made by a rollback.'),
        ('action', 'What was done: ENABLE, DISABLE, DELETE or RESTORE to a job, DRAIN or RESUME to an instance.'), ('author', 'Who made this version.'), ('changed_time', 'When the current version was made.'),
        ('definition', 'As it was given, normalised.'),
        ('what', 'What was deleted: a whole day, whole runs, or what hung on them.'), ('day', 'The day (UTC) whose executions they were or are.'),
        ('first_id', 'What was deleted lay from this id on.'), ('last_id', 'What was deleted lay up to this id.'),
        ('row_count', 'How many rows; of days and runs: how many executions.'),
        ('executions_left', 'How many are still there; null: not counted yet.'), ('executions_dropped', 'How many retention has deleted.'),
        ('pinned_by', 'Why the day was not dropped at the last look.'), ('dropped_time', 'When the whole day was dropped.'),
        ('kind', 'What the limit is on: global, tenant, job, job_type or pool.'), ('key', 'Which one.'), ('max_running', 'At most so many run at once; null: as many as like.'),
        ('in_use', 'So many run now.'), ('on_limit', 'What becomes of a submission when it is reached: QUEUE or REJECT.'), ('rate_starts', 'So many may start within rate_seconds; null: as many as like.'),
        ('rate_seconds', 'The period of rate_starts.'), ('starts_left', 'So many may start now.'), ('resources', 'Of a pool: how much of each resource it has, and how much is in use.'),
        ('lane_id', 'The lane.'), ('limit_id', 'The limit.'), ('n', 'How much of it an execution takes.'), ('rejects', 'Whether submissions are refused when it is reached.'),
        ('scope', 'The kind of the limit; of the resources of a pool one for each.'), ('tenant_key', 'The tenant; 0: all.'), ('rate_period', 'The period of rate_starts.'),
        ('error_id', 'The error; that of a failed attempt has the id of its execution.'), ('queue', 'scheduling_errors, dependency_errors or execution_errors.'),
        ('error_category', 'TRANSIENT, PERMANENT or TIMEOUT; RESOURCE_EXHAUSTED: of an instance, not of an attempt.'), ('will_retry', 'Has the attempt been followed by another?'),
        ('next_retry_time', 'When that was or is to be.'), ('details', 'What else is known of this kind of error.'),
        ('dead_letter_id', 'The execution_id of the final attempt.'), ('expires_at', 'When it is swept away.'),
        ('retried_time', 'When somebody retried it.'), ('retried_by', 'Who did.'), ('retried_as', 'The attempt that was made.'),
        ('state', 'CLOSED, OPEN or HALF_OPEN.'), ('failures', 'That were counted, in a row or within the window.'), ('opened_at', 'When it opened; null: it is closed.'),
        ('next_probe_at', 'When it lets the first through again.'), ('failure_threshold', 'It opens at so many failures, or counts a rate from so many ends on.'),
        ('failure_rate', 'It opens when this part of what ended has failed; null: at failures in a row.'), ('window_seconds', 'Older failures do not count.'),
        ('open_seconds', 'For so long it lets nothing through.'), ('half_open_max', 'Then so many at a time, until one succeeds.'), ('probes', 'So many run now to try it.'),
        ('from_state', 'The state it left.'), ('to_state', 'The state it went to.')) x (name, meaning)
    loop
        execute (select coalesce(string_agg(format('comment on column rowlock.%I.%I is %L', v.relname, c.name, c.meaning), '; '), 'select 1')
                 from pg_class v join pg_namespace n on n.oid = v.relnamespace join pg_attribute a on a.attrelid = v.oid
                 where n.nspname = 'rowlock' and v.relkind = 'v' and a.attname = c.name);
    end loop;
end $$;
