-- Retention: history that has been kept for long enough goes, in bounded steps, and each deletion is recorded.
--
--   What is kept together   A run goes whole: all of its attempts, and all that hangs on them. Its time counts from the end of its last attempt.
--   What pins a run         An attempt that has not ended, an idempotency key that names one of its attempts, a dead letter that is open, a plan that has
--                           not ended and may still ask for its outputs: its own, or a rerun of it.
--   Plans                   A plan run goes after the last of its executions. What pins it: a key that names it, a rerun that shows results of it, and
--                           the run of the composite job whose work it was.
--   Days                    Where everything in a day's partitions has outlived its time, they are dropped: no row is touched. Runs that reach over
--                           the border of the day go first, one by one. Where something in the day is kept longer (another job, or a run that is
--                           pinned), the others are deleted run by run.
--   Who may                 Only these functions, which work as the owner of the tables (refuse_change, 0001). None takes what is younger than a day.
--   Locks                   One step at a time, in all the cluster: advisory lock 4, which is never waited for; retry_1 holds it shared, so that a run is
--                           not retried while it goes. A step that cannot have its locks at once gives up, and is tried again later.

create table retention_log (
    log_id    bigint generated always as identity primary key,
    at        timestamptz not null default clock(),
    what      text not null check (what in ('day', 'runs', 'logs', 'checkpoints', 'artifacts', 'extra_transitions', 'errors', 'dead_letters',
                                            'manual_retries', 'dependency_uses', 'live_notes', 'cancel_requests', 'plan_runs', 'schedule_ticks', 'events')),
    reason    text not null,
    day       date,                                     -- of the history that it belonged to
    job_key   int,                                      -- where all of it was this job's
    from_id   uuid not null,                            -- it lay from here on ...
    to_id     uuid not null,                            -- ... up to here
    row_count bigint not null);                         -- of `day` and `runs`: executions; of `plan_runs`: plan runs, with all of their nodes
create index retention_log_by_time on retention_log (at);
create trigger retention_log_append_only before update or delete on retention_log for each row execute function refuse_change();
create trigger retention_log_no_truncate before truncate on retention_log execute function refuse_change();

-- What is known of each day of history, so that no step has to read it anew. Rows stay when their day is gone.
create table history_days (
    day           date primary key,
    from_id       uuid not null,
    to_id         uuid not null,                        -- the first id of the next day
    ends_at       timestamptz not null,
    surveyed_to   uuid not null,                        -- read so far, once all of the day has ended
    surveyed      boolean not null default false,
    last_end      timestamptz,                          -- of what was read: the latest end
    row_count     bigint not null default 0,            -- of what was read: executions that are still there
    forgotten     bigint not null default 0,            -- executions that were deleted run by run
    border_cursor uuid not null default '00000000-0000-0000-0000-000000000000',
    job_cursor    int not null default 0,               -- the walk that deletes run by run goes on after this job ...
    run_cursor    uuid not null default '00000000-0000-0000-0000-000000000000',     -- ... and this run
    walk_found    boolean not null default false,       -- the walk has deleted something
    look_at       timestamptz not null default '-infinity',
    pinned_by     text,                                 -- why it was still there at the last look
    dropped_at    timestamptz);

-- Runs with attempts in more than one day, as found by the survey of each of these days.
create table run_borders (
    run_id uuid not null,
    day    date not null,
    primary key (run_id, day));
create index run_borders_by_day on run_borders (day, run_id);

-- Whose turn it is, and what the instances enforce: for the doctor.
create table retention_state (
    one            boolean primary key default true check (one),
    holder         int,
    holds_until    timestamptz not null default '-infinity',
    error_capacity int,
    error_kept     interval,
    history_kept   interval,
    swept_at       timestamptz);                        -- a round went through to its end
insert into retention_state default values;

-- How far the sweeps of logs and checkpoints have come.
create table record_cursors (
    what     text primary key check (what in ('logs', 'checkpoints')),
    at_id    uuid not null default '00000000-0000-0000-0000-000000000000',
    again_at timestamptz not null default '-infinity');
insert into record_cursors (what) values ('logs'), ('checkpoints');

-- How far the sweep of plan runs has come, and the one that it is at: of a large one the head goes first, and the rest in steps.
create table plan_cursor (
    one      boolean primary key default true check (one),
    at_id    uuid not null default '00000000-0000-0000-0000-000000000000',
    clearing uuid,
    again_at timestamptz not null default '-infinity');
insert into plan_cursor default values;
-- Which reruns show results of a plan run?
create index plan_nodes_by_kept_run on plan_nodes (kept_run) where kept_run is not null;

-- Errors that are not the end of an attempt, for when their execution goes. The others have its id.
create index errors_by_execution on errors (execution_id) where error_id <> execution_id;

-- How long history of these jobs is kept; null: for ever.
create function kept_for(p_own interval, p_default interval) returns interval language sql immutable parallel safe
as $$ select nullif(coalesce(p_own, p_default), interval '0') $$;

-- The runs among p_runs that are there: their attempts, and when the last of them ended; null while one has not.
create function runs_ended(p_runs uuid[]) returns table (run_id uuid, job_key int, attempts uuid[], ended_at timestamptz) language sql stable as $$
    with recursive chain as (
        select u.id as run_id, u.id from unnest(p_runs) u (id)
        union all
        -- The limit keeps the planner with the primary keys.
        select c.run_id, n.id from chain c cross join lateral (
            (select r.next_execution_id as id from results r where r.execution_id = c.id and r.next_execution_id is not null limit 1)
            union all
            (select m.next_execution_id from manual_retries m where m.execution_id = c.id limit 1)) n)
    select c.run_id, min(e.job_key), array_agg(c.id order by c.id), case when bool_and(r.completed_at is not null) then max(r.completed_at) end
    from chain c
    cross join lateral (select x.job_key from executions x where x.execution_id = c.id limit 1) e
    left join lateral (select x.completed_at from results x where x.execution_id = c.id limit 1) r on true
    group by c.run_id $$;

create function record_drop(p_what text, p_reason text, p_day date, p_job int, p_from uuid, p_to uuid, p_rows bigint) returns void language sql volatile as $$
    insert into retention_log (what, reason, day, job_key, from_id, to_id, row_count) values (p_what, p_reason, p_day, p_job, p_from, p_to, p_rows) $$;

-- Whether this plan run, or a rerun that keeps results of it, goes on.
create function plan_may_ask_for(p_plan_run uuid) returns boolean language sql stable as $$
    select exists (select from plan_progress g where g.plan_run_id = p_plan_run and g.status = 3)
        or exists (select from plan_progress g where g.status = 3 and exists (
                       select from plan_nodes n where n.kept_run = p_plan_run and n.plan_run_id = g.plan_run_id)) $$;

-- Deletes those of p_runs that have outlived their time and that nothing pins, with all that hangs on them. Returns how many executions went.
create function forget_runs(p_runs uuid[], p_default interval) returns bigint language plpgsql as $$
declare
    runs uuid[]; ids uuid[]; named uuid[];
begin
    select array_agg(distinct u.id) into ids from runs_ended(p_runs) x cross join unnest(x.attempts) u (id);
    if ids is null then return 0; end if;
    -- No index leads from an execution to its key: this reads all keys. They are few where history outlives them.
    named := array(select u.id from idempotency_keys k cross join lateral (select k.execution_id as id union all select unnest(k.execution_ids)) u where u.id = any (ids)
                   union all select l.dead_letter_id from dead_letters l where l.dead_letter_id = any (ids) and l.status = 'OPEN' and l.expires_at > clock()
                   union all select u.id from unnest(ids) u (id) join executions e on e.execution_id = u.id where e.plan_run_id is not null and plan_may_ask_for(e.plan_run_id));
    select array_agg(distinct x.run_id), array_agg(u.id) into runs, ids
    from runs_ended(p_runs) x join jobs j using (job_key) cross join unnest(x.attempts) u (id)
    where x.ended_at + kept_for(j.history_retention, p_default) <= clock() and not x.attempts && named;
    if runs is null then return 0; end if;

    insert into retention_log (what, reason, day, job_key, from_id, to_id, row_count)
    select 'runs', 'kept for ' || justify_hours(kept_for(j.history_retention, p_default)), d.day, e.job_key, min(e.execution_id::text)::uuid, max(e.execution_id::text)::uuid, count(*)
    from executions e join jobs j using (job_key) join history_days d on e.execution_id >= d.from_id and e.execution_id < d.to_id
    where e.execution_id = any (ids) group by d.day, e.job_key, j.history_retention;
    update history_days d set forgotten = d.forgotten + x.n, row_count = d.row_count - x.read, walk_found = true
    from (select h.day, count(*) as n, count(*) filter (where u.id <= h.surveyed_to) as read
          from unnest(ids) u (id) join history_days h on u.id >= h.from_id and u.id < h.to_id group by h.day) x
    where d.day = x.day;

    delete from logs l where l.execution_id = any (ids);
    delete from checkpoints c where c.run_id = any (runs);
    delete from artifacts a where a.run_id = any (runs);
    delete from extra_transitions t where t.execution_id = any (ids);
    delete from errors e where e.error_id = any (ids);
    delete from errors e where e.execution_id = any (ids) and e.error_id <> e.execution_id;
    delete from dead_letters l where l.dead_letter_id = any (ids);
    delete from manual_retries m where m.execution_id = any (ids);
    delete from dependency_uses u where u.run_id = any (runs);
    delete from live_notes n where n.execution_id = any (ids);
    delete from cancel_requests c where c.execution_id = any (ids);
    delete from run_borders b where b.run_id = any (runs);
    delete from results r where r.execution_id = any (ids);
    delete from executions e where e.execution_id = any (ids);
    return cardinality(ids);
end $$;

-- Reads the next p_rows executions of a day that has ended whole. Returns how many it read; -1: one has neither ended nor is it queued, which
-- must not be, and is left as it is.
create function survey_day(d history_days, p_rows int) returns bigint language plpgsql as $$
declare
    upper_ uuid; n bigint; ends bigint; latest timestamptz;
begin
    upper_ := (select e.execution_id from executions e where e.execution_id > d.surveyed_to and e.execution_id < d.to_id
               order by e.execution_id offset p_rows - 1 limit 1);
    n := (select count(*) from executions e where e.execution_id > d.surveyed_to and e.execution_id < d.to_id and e.execution_id <= coalesce(upper_, d.to_id));
    select count(*), max(r.completed_at) into ends, latest
    from results r where r.execution_id > d.surveyed_to and r.execution_id < d.to_id and r.execution_id <= coalesce(upper_, d.to_id);
    if ends <> n then return -1; end if;
    insert into run_borders (run_id, day)
    select distinct e.run_id, d.day from executions e join results r using (execution_id)
    where e.execution_id > d.surveyed_to and e.execution_id < d.to_id and e.execution_id <= coalesce(upper_, d.to_id)
      and r.execution_id > d.surveyed_to and r.execution_id < d.to_id and r.execution_id <= coalesce(upper_, d.to_id)
      and (e.run_id < d.from_id or r.next_execution_id >= d.to_id)
    on conflict do nothing;
    update history_days h set surveyed_to = coalesce(upper_, d.to_id), surveyed = upper_ is null, row_count = h.row_count + n, last_end = greatest(h.last_end, latest)
    where h.day = d.day;
    return n;
end $$;

-- Deletes at most p_rows of what hangs on a day that is about to be dropped. Returns how many; 0: nothing is left.
create function clear_day(d history_days, p_rows int) returns bigint language plpgsql as $$
declare
    x record; n bigint;
begin
    for x in select * from (values ('logs', 'execution_id', ''), ('checkpoints', 'execution_id', ''), ('artifacts', 'run_id', ''), ('extra_transitions', 'execution_id', ''),
                                   ('errors', 'error_id', ' and error_id = execution_id'), ('errors', 'execution_id', ' and error_id <> execution_id'), ('dead_letters', 'dead_letter_id', ''),
                                   ('manual_retries', 'execution_id', ''), ('dependency_uses', 'run_id', ''), ('live_notes', 'execution_id', ''), ('cancel_requests', 'execution_id', '')) v (name, id, only_)
    loop
        execute format('with old as (delete from %1$I where ctid = any (array(select ctid from %1$I where %2$I >= $1 and %2$I < $2 %3$s order by %2$I limit $3)) returning 1)
                        select count(*) from old', x.name, x.id, x.only_) into n using d.from_id, d.to_id, p_rows;
        if n > 0 then
            perform record_drop(x.name, 'its day goes', d.day, null, d.from_id, d.to_id, n);
            return n;
        end if;
    end loop;
    return 0;
end $$;

-- Drops the partitions of a day. false: somebody reads or writes there, or a run of it was retried meanwhile. Readers are waited for no longer
-- than this, as everybody else would wait behind us.
create function drop_day(d history_days) returns boolean language plpgsql as $$
declare
    part text := to_char(d.day, 'YYYYMMDD'); was text := current_setting('lock_timeout');
begin
    begin
        perform set_config('lock_timeout', '50ms', true);
        execute format('lock table only executions, only results, only %I, only %I in access exclusive mode', 'executions_' || part, 'results_' || part);
        if exists (select from manual_retries m where m.execution_id >= d.from_id and m.execution_id < d.to_id) then
            raise lock_not_available;
        end if;
        execute format('drop table %I, %I', 'executions_' || part, 'results_' || part);
        perform set_config('lock_timeout', was, true);
    exception when lock_not_available or deadlock_detected then
        return false;
    end;
    perform record_drop('day', 'everything in it has been kept for long enough', d.day, null, d.from_id, d.to_id, d.row_count);
    update history_days h set dropped_at = clock(), pinned_by = null, forgotten = h.forgotten + h.row_count, row_count = 0 where h.day = d.day;
    return true;
end $$;

-- One bounded step in dropping history. p_default: how long history is kept where a job says nothing; null or 0: for ever. p_rows: how many runs
-- or rows it may delete. Returns what it did, to which day, and with how many rows:
--   nothing    there is nothing to do now        busy     somebody else is at it        blocked   a reader is in the way
--   surveyed, looked   read, and decided         runs     deleted run by run            records   deleted what hangs on a day that goes
--   day        dropped a day
create function drop_history_1(p_default interval, p_rows int, out did text, out about date, out row_count bigint) language plpgsql
    security definer set search_path = rowlock, pg_temp set jit = off as $$
#variable_conflict use_column
declare
    nil constant uuid := '00000000-0000-0000-0000-000000000000';
    d history_days; part text; shortest interval; longest interval; for_ever boolean; live boolean; whole_at timestamptz; why text;
    keys int[]; due int[]; job int; runs uuid[]; n bigint;
begin
    did := 'nothing'; row_count := 0;
    if p_default > interval '0' and p_default < interval '1 day' then
        raise exception 'history is kept for a day at least, not for %', p_default using errcode = 'invalid_parameter_value';
    end if;
    if not pg_try_advisory_xact_lock(1919906155, 4) then did := 'busy'; return; end if;
    select min(x.kept) into shortest
    from (select kept_for(null, p_default) as kept union all select min(j.history_retention) from jobs j where j.history_retention > interval '0') x;
    if shortest is null then return; end if;
    insert into history_days (day, from_id, to_id, ends_at, surveyed_to)
    select x.day, first_id_at(x.day::timestamp at time zone 'UTC'), first_id_at((x.day + 1)::timestamp at time zone 'UTC'), (x.day + 1)::timestamp at time zone 'UTC',
           first_id_at(x.day::timestamp at time zone 'UTC')
    from (select to_date(right(c.relname, 8), 'YYYYMMDD') as day from pg_inherits i join pg_class c on c.oid = i.inhrelid
          where i.inhparent = 'executions'::regclass and c.relname ~ '^executions_[0-9]{8}$') x
    where not exists (select from history_days h where h.day = x.day);
    select * into d from history_days h where h.dropped_at is null and h.look_at <= clock() and h.ends_at + shortest <= clock() order by h.day limit 1;
    if not found then return; end if;
    about := d.day; part := 'executions_' || to_char(d.day, 'YYYYMMDD'); did := 'looked';
    if to_regclass(part) is null then                   -- by hand
        update history_days h set dropped_at = clock() where h.day = d.day;
        return;
    end if;

    -- Which jobs have something there: one index probe each.
    execute format('with recursive walk as ((select job_key from %1$I order by job_key limit 1) union all
                    select n.job_key from walk w cross join lateral (select e.job_key from %1$I e where e.job_key > w.job_key order by e.job_key limit 1) n)
                    select array_agg(job_key) from walk', part) into keys;
    select coalesce(bool_or(x.kept is null), false), coalesce(max(x.kept), shortest), array_agg(j.job_key order by j.job_key) filter (where d.ends_at + x.kept <= clock())
    into for_ever, longest, due
    from jobs j cross join lateral (select kept_for(j.history_retention, p_default) as kept) x where j.job_key = any (keys);
    if keys is not null and due is null then
        update history_days h set look_at = clock() + interval '1 hour', pinned_by = 'what is kept longer' where h.day = d.day;
        return;
    end if;

    perform set_config('rowlock.retention', 'on', true);
    -- An extent never reaches over a millisecond, so never over a border. None comes to be any more with ids of a day that is past, but for those of a user's transaction that
    -- has been open since (0016): until it ends, it shows as a lock.
    live := exists (select from extents x where x.lo >= d.from_id and x.lo < d.to_id);
    if exists (select from pg_locks l where l.locktype = 'relation' and l.relation = to_regclass(part) and l.mode = 'RowExclusiveLock' and l.pid <> pg_backend_pid()
               and l.database = (select b.oid from pg_database b where b.datname = current_database())) then
        why := 'a transaction that has written there and goes on';
    elsif live then
        why := 'an execution that has not ended';
    elsif not d.surveyed then
        n := survey_day(d, 10 * p_rows);
        if n >= 0 then
            did := 'surveyed'; row_count := n;
            perform set_config('rowlock.retention', 'off', true);
            return;
        end if;
        why := 'an execution that has neither ended nor is it queued';
    else
        whole_at := greatest(d.last_end, d.ends_at) + longest;
        if for_ever or whole_at > clock() then
            why := 'what is kept longer';
        else
            insert into run_borders (run_id, day)
            select e.run_id, d.day from manual_retries m join executions e using (execution_id)
            where m.execution_id >= d.from_id and m.execution_id < d.to_id and m.next_execution_id >= d.to_id
              and not exists (select from run_borders b where b.run_id = e.run_id and b.day = d.day)
            order by m.execution_id limit p_rows on conflict do nothing;
            get diagnostics n = row_count;
            runs := array(select b.run_id from run_borders b where b.day = d.day and b.run_id > d.border_cursor order by b.run_id limit p_rows);
            if n > 0 then
                did := 'surveyed'; row_count := n;
                update history_days h set border_cursor = nil where h.day = d.day;
            elsif cardinality(runs) > 0 then
                did := 'runs'; row_count := forget_runs(runs, p_default);
                update history_days h set border_cursor = runs[cardinality(runs)] where h.day = d.day;
            elsif exists (select from run_borders b where b.day = d.day) then
                why := 'a run that went on on another day';
            elsif exists (select from idempotency_keys k where (k.execution_id >= d.from_id and k.execution_id < d.to_id)
                          or exists (select from unnest(k.execution_ids) u (id) where u.id >= d.from_id and u.id < d.to_id)) then
                why := 'an idempotency key';
            elsif exists (select from dead_letters l where l.dead_letter_id >= d.from_id and l.dead_letter_id < d.to_id and l.status = 'OPEN' and l.expires_at > clock()) then
                why := 'an open dead letter';
            elsif exists (select from plan_progress g where g.status = 3 and g.plan_run_id < d.to_id)
                  or exists (select from plan_progress g join plan_runs r using (plan_run_id) where g.status = 3 and r.rerun_of is not null
                             and exists (select from plan_nodes n where n.plan_run_id = g.plan_run_id and n.kept_run < d.to_id)) then
                why := 'a plan that has not ended';
            else
                row_count := clear_day(d, p_rows);
                if row_count > 0 then
                    did := 'records';
                elsif drop_day(d) then
                    did := 'day'; row_count := d.row_count;
                else
                    did := 'blocked';
                    update history_days h set look_at = clock() + interval '1 minute', pinned_by = 'a reader' where h.day = d.day;
                end if;
            end if;
            if why is null then
                perform set_config('rowlock.retention', 'off', true);
                return;
            end if;
        end if;
    end if;

    -- Run by run: at once where the day stays for more than another day anyhow; else a day later, so that it may yet go as a whole.
    due := array(select j.job_key from jobs j where j.job_key = any (due)
                 and (for_ever or whole_at > clock() + interval '1 day' or d.ends_at + kept_for(j.history_retention, p_default) + interval '1 day' <= clock()));
    job := (select min(u.key) from unnest(due) u (key) where u.key >= d.job_cursor);
    if job is not null then
        execute format('select array_agg(execution_id order by execution_id) from (select execution_id from %I where job_key = $1 and execution_id > $2 and attempt_number = 1
                        order by execution_id limit $3) x', part) into runs using job, case when job = d.job_cursor then d.run_cursor else nil end, p_rows;
        if runs is not null then did := 'runs'; row_count := forget_runs(runs, p_default); end if;
        update history_days h set job_cursor = case when runs is null then job + 1 else job end, run_cursor = coalesce(runs[cardinality(runs)], nil) where h.day = d.day;
    else
        -- What is left is pinned: it is walked again, the sooner the more there was to do.
        update history_days h set job_cursor = 0, run_cursor = nil, border_cursor = nil, walk_found = false, pinned_by = why,
               look_at = least(case when whole_at > clock() then whole_at end, clock() + case when cardinality(due) = 0 or d.walk_found then interval '1 hour' else interval '1 day' end)
        where h.day = d.day;
    end if;
    perform set_config('rowlock.retention', 'off', true);
end $$;

-- Errors that are older than p_kept, and of each queue the oldest beyond p_capacity; dead letters past their time. At most p_rows of each kind; locked
-- ones are passed over. Who has got as many as that may go on.
create function sweep_failures_1(p_capacity int, p_kept interval, p_rows int, out errors bigint, out dead_letters bigint) language plpgsql
    security definer set search_path = rowlock, pg_temp set jit = off as $$
declare
    edge record; old uuid[];
begin
    errors := 0; dead_letters := 0;
    for q in 1 .. 3 loop
        select e.created_at, e.error_id into edge from rowlock.errors e where e.queue = q order by e.created_at desc, e.error_id desc offset p_capacity limit 1;
        old := array(select e.error_id from rowlock.errors e
                     where e.queue = q and (e.created_at, e.error_id) <= (coalesce(edge.created_at, '-infinity'), coalesce(edge.error_id, '00000000-0000-0000-0000-000000000000'))
                     order by e.created_at, e.error_id limit p_rows - errors for update skip locked);
        if cardinality(old) > 0 then
            delete from rowlock.errors e where e.error_id = any (old);
            perform record_drop('errors', (array['scheduling_errors', 'dependency_errors', 'execution_errors'])[q] || ' keeps the latest ' || p_capacity, null, null, (select min(x::text) from unnest(old) x)::uuid, (select max(x::text) from unnest(old) x)::uuid,
                                cardinality(old));
            errors := errors + cardinality(old);
        end if;
    end loop;
    old := array(select e.error_id from rowlock.errors e where e.created_at <= clock() - p_kept order by e.created_at, e.error_id limit p_rows - errors for update skip locked);
    if cardinality(old) > 0 then
        delete from rowlock.errors e where e.error_id = any (old);
        perform record_drop('errors', 'kept for ' || justify_hours(p_kept), null, null, (select min(x::text) from unnest(old) x)::uuid, (select max(x::text) from unnest(old) x)::uuid, cardinality(old));
        errors := errors + cardinality(old);
    end if;
    old := array(select l.dead_letter_id from rowlock.dead_letters l where l.expires_at <= clock() order by l.expires_at limit p_rows for update skip locked);
    if cardinality(old) > 0 then
        delete from rowlock.dead_letters l where l.dead_letter_id = any (old);
        perform record_drop('dead_letters', 'expired', null, null, (select min(x::text) from unnest(old) x)::uuid, (select max(x::text) from unnest(old) x)::uuid, cardinality(old));
        dead_letters := cardinality(old);
    end if;
end $$;

-- Logs or checkpoints of runs that ended longer than p_kept ago: the next p_rows, in the order of their runs. Returns how many it looked at, 0 when
-- it is through (it begins anew an hour later, for what had not ended), and how many rows it deleted.
create function sweep_records_1(p_what text, p_kept interval, p_rows int, out looked bigint, out dropped bigint) language plpgsql
    security definer set search_path = rowlock, pg_temp set jit = off as $$
declare
    c record_cursors; id_column text := case p_what when 'logs' then 'execution_id' else 'run_id' end; ids uuid[]; old uuid[];
begin
    looked := 0; dropped := 0;
    if p_kept < interval '1 day' then
        raise exception '% are kept for a day at least, not for %', p_what, p_kept using errcode = 'invalid_parameter_value';
    end if;
    if not pg_try_advisory_xact_lock(1919906155, 4) then return; end if;
    select * into c from record_cursors x where x.what = p_what and x.again_at <= clock();
    if not found then return; end if;
    execute format('select array_agg(distinct id), count(*) from (select %2$I as id from %1$I where %2$I > $1 and %2$I < $2 order by %2$I limit $3) x', p_what, id_column)
        into ids, looked using c.at_id, first_id_at(clock() - p_kept), p_rows;
    if ids is null then
        update record_cursors x set at_id = '00000000-0000-0000-0000-000000000000', again_at = clock() + interval '1 hour' where x.what = p_what;
        return;
    end if;
    select array_agg(x.id) into old
    from (select u.id, coalesce(e.run_id, u.id) as run_id from unnest(ids) u (id)
          left join lateral (select e.run_id from executions e where e.execution_id = u.id limit 1) e on true) x
    where x.run_id in (select r.run_id from runs_ended(array(select distinct coalesce((select e.run_id from executions e where e.execution_id = u.id limit 1), u.id) from unnest(ids) u (id))) r
                       where r.ended_at <= clock() - p_kept);
    if old is not null then
        perform set_config('rowlock.retention', 'on', true);
        execute format('with gone as (delete from %I where %I = any ($1) returning 1) select count(*) from gone', p_what, id_column) into dropped using old;
        perform set_config('rowlock.retention', 'off', true);
        perform record_drop(p_what, 'kept for ' || justify_hours(p_kept), null, null, (select min(x::text) from unnest(old) x)::uuid, (select max(x::text) from unnest(old) x)::uuid, dropped);
    end if;
    update record_cursors x set at_id = (select max(u::text) from unnest(ids) u)::uuid where x.what = p_what;
end $$;

-- Deletes at most p_rows of what hangs on a plan run that has ended and that nobody sees any more. Returns how many; 0: nothing is left.
create function clear_plan(p_run uuid, p_rows bigint) returns bigint language plpgsql as $$
declare
    part text; n bigint; all_ bigint := 0;
begin
    foreach part in array array['plan_nodes', 'plan_added_edges', 'plan_blocks', 'plan_maps', 'plan_chunks', 'plan_run_keys', 'plan_usage', 'plan_overdrafts', 'plan_progress'] loop
        execute format('with old as (delete from %1$I where ctid = any (array(select ctid from %1$I where plan_run_id = $1 limit $2)) returning 1) select count(*) from old', part)
            into n using p_run, p_rows - all_;
        all_ := all_ + n;
        exit when all_ >= p_rows;
    end loop;
    return all_;
end $$;

-- Plan runs of which no execution is left, and which ended longer ago than p_default, or, where that is for ever, than any job keeps its history: the
-- next ones, in the order of their ids. Returns how many rows it looked at, or deleted of one that is large; 0: it is through (it begins
-- anew an hour later), or somebody else is at it; and how many plan runs it deleted.
create function sweep_plans_1(p_default interval, p_rows int, out looked bigint, out dropped bigint) language plpgsql
    security definer set search_path = rowlock, pg_temp set jit = off as $$
declare
    c plan_cursor; kept interval; ids uuid[]; old uuid[]; nodes bigint; n bigint;
begin
    looked := 0; dropped := 0;
    if p_default > interval '0' and p_default < interval '1 day' then
        raise exception 'history is kept for a day at least, not for %', p_default using errcode = 'invalid_parameter_value';
    end if;
    kept := coalesce(kept_for(null, p_default), (select max(j.history_retention) from jobs j where j.history_retention > interval '0'));
    if kept is null or not pg_try_advisory_xact_lock(1919906155, 4) then return; end if;
    select * into c from plan_cursor;
    perform set_config('rowlock.retention', 'on', true);
    if c.clearing is not null then
        looked := clear_plan(c.clearing, p_rows);
        if looked < p_rows then update plan_cursor set clearing = null; end if;
        looked := greatest(looked, 1);
    elsif c.again_at <= clock() then
        -- Each of them is looked for in all days of history, so they are fewer than rows are.
        ids := array(select g.plan_run_id from plan_progress g where g.plan_run_id > c.at_id and g.plan_run_id < first_id_at(clock() - kept)
                     order by g.plan_run_id limit greatest(p_rows / 10, 1));
        looked := cardinality(ids);
        if looked = 0 then
            update plan_cursor set at_id = default, again_at = clock() + interval '1 hour';
        else
            select array_agg(x.plan_run_id order by x.plan_run_id) filter (where x.fits), sum(x.nodes) filter (where x.fits), count(*) into old, nodes, n
            from (select g.plan_run_id, g.nodes, sum(g.nodes) over w <= p_rows or row_number() over w = 1 as fits
                  from plan_progress g join plan_runs r using (plan_run_id)
                  where g.plan_run_id = any (ids) and g.status <> 3 and g.ended_at <= clock() - kept
                    and not exists (select from executions e where e.plan_run_id = g.plan_run_id)
                    and not exists (select from executions e where e.execution_id = r.parent_run_id)
                    and not exists (select from plan_work k where k.plan_run_id = g.plan_run_id)
                    and not exists (select from plan_run_keys k where k.plan_run_id = g.plan_run_id and k.expires_at > clock())
                    and not exists (select from plan_nodes n where n.kept_run = g.plan_run_id)
                  window w as (order by g.plan_run_id)) x;
            if old is not null then
                dropped := cardinality(old);
                delete from plan_runs r where r.plan_run_id = any (old);
                if nodes > p_rows then
                    looked := looked + clear_plan(old[1], p_rows);
                    update plan_cursor set clearing = old[1];
                else
                    delete from plan_nodes x where x.plan_run_id = any (old);
                    delete from plan_added_edges x where x.plan_run_id = any (old);
                    delete from plan_blocks x where x.plan_run_id = any (old);
                    delete from plan_maps x where x.plan_run_id = any (old);
                    delete from plan_chunks x where x.plan_run_id = any (old);
                    delete from plan_run_keys x where x.plan_run_id = any (old);
                    delete from plan_usage x where x.plan_run_id = any (old);
                    delete from plan_overdrafts x where x.plan_run_id = any (old);
                    delete from plan_progress x where x.plan_run_id = any (old);
                    looked := looked + nodes;
                end if;
                perform record_drop('plan_runs', 'kept for ' || justify_hours(kept), null, null, old[1], old[dropped], dropped);
            end if;
            -- Those that had too many nodes for one step are looked at again.
            update plan_cursor set at_id = case when n > dropped then old[dropped] else ids[cardinality(ids)] end;
        end if;
    end if;
    perform set_config('rowlock.retention', 'off', true);
end $$;

-- Takes or keeps the turn to sweep for p_for; false: another instance has it. What it enforces is noted for the doctor.
create function take_retention_turn_1(p_instance int, p_for interval, p_capacity int, p_error_kept interval, p_history_kept interval) returns boolean language sql volatile as $$
    with mine as (
        update retention_state s set holder = p_instance, holds_until = clock() + p_for, error_capacity = p_capacity, error_kept = p_error_kept, history_kept = p_history_kept
        from (select 1 from retention_state x where x.holder = p_instance or x.holds_until <= clock() for update skip locked) free
        returning 1)
    select exists (select from mine) $$;

-- Which of these runs are gone from history, because it was dropped? What the database never knew is not among them.
create function dropped_runs_1(p_runs uuid[]) returns setof uuid language sql stable as $$
    select u.id from unnest(p_runs) u (id)
    where exists (select from history_days d where u.id >= d.from_id and u.id < d.to_id and (d.dropped_at is not null or d.forgotten > 0))
      and not exists (select from executions e where e.execution_id = u.id) $$;

create view v_retention as
select l.at, l.what, l.day, j.job_id, t.tenant_id, l.from_id as first_id, l.to_id as last_id, l.row_count, l.reason
from retention_log l left join jobs j on j.job_key = l.job_key left join tenants t on t.tenant_key = j.tenant_key;

create view v_history_days as
select d.day, case when d.dropped_at is not null then 0 when d.surveyed then d.row_count end as executions_left, d.forgotten as executions_dropped, d.pinned_by,
       d.dropped_at as dropped_time
from history_days d;
