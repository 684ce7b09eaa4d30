-- Roles, the clock, and the layout of ids.
--
-- THE RULES THAT KEEP THE QUEUE RIGHT (the statements are in 0004 to 0006)
--   Isolation      READ COMMITTED. Every function is one statement for its caller, so one transaction of its own. plpgsql takes a new
--                  snapshot for each statement inside: what is read after a lock is what the lock shows.
--   Lock order     1 advisory "lanes being made"   2 idempotency keys, ascending (users' transactions: after their buckets, shared, 0016)   3 advisory "admission rules"   4 instances
--                  5 extents, ascending lo (or SKIP LOCKED, which never waits)   6 plan runs, ascending   7 dependents, ascending, then
--                  advisory buckets of ordering keys, ascending (0011)   8 breakers, ascending
--                  9 limits, ascending limit_id: last, as they are the hottest, and held until the commit (after them the instance's own kept_slots, queue_room, and then, alone, policy_usage by tenant, and by plan run plan_usage and plan_overdrafts by policy). Nobody who holds a lock waits for one further up. Hence no deadlock.
--                  Before all of them advisory "retention", which the functions of 0013 try and never wait for, and retry_1 takes shared.
--   Fence          extents.fence rises with every claim and every takeover, so an execution is handed out at most once under one
--                  fence. Settle locks the extent and compares owner and fence under that lock; takeover changes them under a lock
--                  that conflicts with it. One of the two comes first, and the other then sees it.
--   Queued is whole   An unowned extent holds exactly the ids lo..hi, none of which has a result. To cancel one execution the extent
--                  is cut around it. So claims split by arithmetic, and reading a claimed extent is a range read without an
--                  anti-join. Only an owned extent has holes: `remaining` counts the ids in it without a result.
--   Slots          limits.in_use counts the unfinished executions of owned extents that name the limit in extents.limit_ids, each as often as
--                  extents.limit_ns says (null: once). An extent remembers what it took, so it gives back the same, whatever was configured in
--                  between. A limit that is new counts what runs already, and those extents take it up: under "admission rules", alone (0019).
--                  Slots that an instance keeps (kept_slots, 0025) count as well; what names them in extents.kept_ids gives nothing back.
--   Versions       A function's meaning never changes in place: a new meaning gets a new name (submit_1, submit_2), and the old one goes
--                  a release later, so that instances of two releases can share a database during a rolling upgrade.

-- The service works as rowlock_app, which cannot change history; auditors get rowlock_auditor. Where the migrating role may not make
-- roles (a managed server), everything works without them, and triggers alone guard history.
do $$
declare
    r text;
begin
    foreach r in array array['rowlock_owner', 'rowlock_app', 'rowlock_auditor'] loop
        if not exists (select from pg_roles where rolname = r) then
            begin
                execute format('create role %I', r);
            exception
                when duplicate_object or unique_violation then null;   -- another database's migration was quicker
                when insufficient_privilege then raise notice 'role % was not made: no privilege', r;
            end;
        end if;
    end loop;
end $$;

comment on schema rowlock is 'Rowlock: a durable job orchestrator. Stable for users are the views v_* and the functions named in the documentation.';

-- Does the role exist, so that something can be granted to it?
create function has_role(p_role name) returns boolean language sql stable
as $$ select exists (select from pg_roles where rolname = p_role) $$;

-- The only clock of all SQL. Inlined; tests replace it, so that days pass in milliseconds.
create function clock() returns timestamptz language sql stable parallel safe as $$ select now() $$;
comment on function clock() is 'The clock that decides leases, eligibility and times in history: the time of the transaction.';

-- An extent's place in its lane: constant, and yet a waiting extent overtakes by age. It says nothing about eligibility.
-- p_age: the seconds of waiting that weigh as much as one point of priority (PRIORITY_AGE_SECONDS). Stable, as taking an interval from a time is:
-- otherwise it would not be inlined, and that costs as much as the rest of a row.
create function rank_of(p_eligible_at timestamptz, p_priority smallint, p_age real) returns timestamptz language sql stable parallel safe
as $$ select p_eligible_at - p_priority * p_age * interval '1 second' $$;

-- Execution ids are UUIDv7: 48 bits of milliseconds, a block of 54 bits (12 in rand_a, 42 in rand_b), an ordinal of 20.
-- A block is made of the maker's slot (16 bits: instance_id mod 2^16, never 0) and its own counter (38 bits, starting at
-- random), so two blocks meet only by a wrapped slot AND an equal counter in one millisecond. SQL makes blocks in slot 0 out of
-- a sequence, so they never meet. Every block begins with ordinal 0, so even a collision is a primary key error.
create sequence blocks minvalue 0 maxvalue 274877906943 cycle cache 32;

create function execution_id_of(p_ms bigint, p_block bigint, p_ordinal int) returns uuid language sql immutable parallel safe as $$
    select (lpad(to_hex(p_ms), 12, '0') || '7' || lpad(to_hex(p_block >> 42), 3, '0')
            || to_hex((-9223372036854775808) | ((p_block & 4398046511103) << 20) | p_ordinal))::uuid $$;

create function next_block(out ms bigint, out block bigint) language sql volatile
as $$ select (extract(epoch from clock_timestamp()) * 1000)::bigint, nextval('rowlock.blocks') $$;

create function ordinal_of(p_id uuid) returns int language sql immutable parallel safe as $$
    select ((get_byte(b, 13) & 15) << 16) | (get_byte(b, 14) << 8) | get_byte(b, 15) from uuid_send(p_id) b $$;

-- The id with another ordinal in the same block.
create function with_ordinal(p_id uuid, p_ordinal int) returns uuid language sql immutable parallel safe as $$
    select (left(p_id::text, 31) || lpad(to_hex(p_ordinal), 5, '0'))::uuid $$;

-- The smallest id of a moment: bounds of partitions and of searches by time.
create function first_id_at(p_at timestamptz) returns uuid language sql immutable parallel safe as $$
    select rpad(lpad(to_hex((extract(epoch from p_at) * 1000)::bigint), 12, '0'), 32, '0')::uuid $$;

-- How the API writes a time: RFC 3339, microseconds, UTC.
create function rfc3339(p_at timestamptz) returns text language sql stable parallel safe
as $$ select to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

create function status_name(p_status smallint) returns text language sql immutable parallel safe as $$
    select (array['PENDING', 'QUEUED', 'RUNNING', 'COMPLETING', 'COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED', 'SKIPPED'])[p_status] $$;

create function trigger_type_name(p_type smallint) returns text language sql immutable parallel safe as $$
    select (array['SCHEDULED', 'MANUAL', 'DEPENDENCY', 'EVENT', 'RETRY', 'REPLAY'])[p_type] $$;

-- 004's status of a result.
create function result_status_name(p_status smallint) returns text language sql immutable parallel safe as $$
    select (array['SUCCESS', 'FAILED', 'TIMEOUT', 'CANCELLED', 'SKIPPED'])[p_status - 4] $$;

-- For tables that are only ever inserted into. With the argument 'retention', the functions of 0013, which work as the owner of the tables, may
-- delete what has been kept for long enough; the setting by itself permits nothing to anybody who does not own the table.
create function refuse_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and tg_argv[0] = 'retention' and current_setting('rowlock.retention', true) = 'on'
       and current_user = (select pg_get_userbyid(c.relowner) from pg_class c where c.oid = tg_relid) then
        return old;
    end if;
    raise exception 'rowlock.% is append-only: % is refused', tg_table_name, tg_op
        using errcode = 'insufficient_privilege', hint = 'History never changes; to do the work again, submit it as a new execution.';
end $$;
