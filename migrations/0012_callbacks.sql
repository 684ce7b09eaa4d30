-- What the targets of http jobs report by themselves (completion: webhook). A row from before the target is called until the attempt has
-- ended; the instance that runs the attempt makes and drops it, and any instance takes reports in. In the lock order a row comes before
-- everything else, and nobody locks anything after one.

create table callbacks (
    execution_id uuid primary key,
    instance_id  int not null,                          -- who runs the attempt,
    fence        int not null,                          -- and under which claim
    secret       text not null,                         -- what reports are signed with; shown to the target alone
    status       smallint not null default 3 check (status in (3, 5, 6)),   -- RUNNING; what the end was reported to be: COMPLETED or FAILED
    progress     real check (progress between 0 and 1),
    reply        json,                                  -- of the end
    reports      int not null default 0,                -- so many were taken in,
    seen         int not null default 0,                -- and so many of them the instance has seen
    opened_at    timestamptz not null default clock(),
    received_at  timestamptz,
    check (seen <= reports));
create index callbacks_unseen on callbacks (instance_id) where seen < reports;
comment on table callbacks is 'Attempts whose targets report by themselves; with secrets, so nobody but the service reads it.';

-- What was sent once is refused the second time. Signatures are kept for as long as their timestamps would be accepted.
create table callback_signatures (
    execution_id uuid not null references callbacks on delete cascade,
    signature    bytea not null,
    received_at  timestamptz not null default clock(),
    primary key (execution_id, signature));

-- Takes a report in whose signature is right. ENDED: the execution has ended, or waits for no report. REPLAYED: this very report was
-- taken in before. REPORTED: the end was reported before. TAKEN: it counts once this is committed.
create function accept_callback_1(p_execution uuid, p_signature bytea, p_status smallint, p_progress real, p_reply json) returns text
language plpgsql as $$
declare
    c callbacks;
begin
    select * into c from callbacks x where x.execution_id = p_execution for no key update;
    if not found or exists (select from results r where r.execution_id = p_execution) then return 'ENDED'; end if;
    insert into callback_signatures (execution_id, signature) values (p_execution, p_signature) on conflict do nothing;
    if not found then return 'REPLAYED'; end if;
    if c.status <> 3 then return 'REPORTED'; end if;
    delete from callback_signatures s where s.execution_id = p_execution and s.received_at < clock() - interval '11 minutes';
    update callbacks x set status = p_status, progress = coalesce(p_progress, x.progress), reply = p_reply, reports = x.reports + 1, received_at = clock()
    where x.execution_id = p_execution;
    return 'TAKEN';
end $$;

-- Drops the rows of attempts that have ended without their instance's doing. Returns how many.
create function sweep_callbacks_1(p_rows int) returns int language plpgsql as $$
declare
    n int;
begin
    delete from callbacks c using (
        select x.execution_id from callbacks x join results r using (execution_id) order by x.execution_id limit p_rows for update of x skip locked) old
    where c.execution_id = old.execution_id;
    get diagnostics n = row_count;
    return n;
end $$;
