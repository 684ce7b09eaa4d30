"""A drain by two instances with something in its way, beside the same drain without."""

import time

from drain import LONGEST, PRELOAD_BATCH, instances_drain, loaded
from processes import Failed, wait_for
from row import INSTANCE_SETTINGS, first_of
from steady import BATCH, CONNECTIONS

INSTANCES = 2
TENANTS = 10_000
WHO = "bench"
ENQUEUED_AT_ONCE = 100_000


# ---- limits

def limits(row, jobs):
    """rowlock-limits: under a limit of all, of the tenant and of the job, each of as many as the instances can run."""
    loaded(row, jobs, 1)
    if row.contender == "rowlock-limits":
        _limit_all(row, ("ceiling-0",))
        if _rowlock(row, "select cardinality(limit_ids) from lanes") != [["3"]]:
            raise Failed("the job is not held by three limits")
    return instances_drain(row, jobs)


def _limit_all(row, jobs):
    most = INSTANCES * int({**INSTANCE_SETTINGS, **row.bench.server_settings}["executor-parallelism"])
    for scope, tenant, key in (("global", 0, "all"), ("tenant", 1, "default"), *(("job", 1, job) for job in jobs)):
        _limit(row, scope, tenant, key, most)


def _limit(row, scope, tenant, key, most):
    _rowlock(row, f"select put_limit_1('{scope}', {tenant}, '{key}', {most}, false, null, null, null, '{WHO}')")


def _rowlock(row, statement):
    """Rows of a statement on Rowlock's own tables."""
    row.sql.rows("set search_path = rowlock")
    return row.sql.rows(" ".join(statement.split()))


# ---- tenants

def tenants(row, each, waves):
    """rowlock-tenants: so many tenants, each with a job and `each` executions of it in every wave; rowlock: as many executions of one tenant's. A wave is there at one
    moment, for instances that idle: each counts from its first start until its last end."""
    loaded(row, 1, 1)
    if row.contender == "rowlock-tenants":
        _make_tenants(row)
        jobs = "select j.job_key from jobs j where j.tenant_key > 1"
    else:
        jobs = "select j.job_key from jobs j"
        each *= TENANTS
    instances = row.instances(INSTANCES)
    done = 1
    _ended(instances, done)
    row.settled()
    late = 0.0
    used = {}
    for _ in range(waves):
        made = int(_rowlock(row, f"""select cardinality(enqueue_1(array_agg(j.job_key), null, null, null, null, null, null, null, null))
                                     from ({jobs}) j cross join generate_series(1, {each})""")[0][0])
        usage = row.usage(*instances)
        there = time.time()
        row.sql.rows("select rowlock.wake()")
        done += made
        _ended(instances, done)
        late += float(_rowlock(row, f"select extract(epoch from min(started_at)) from results where started_at > to_timestamp({there})")[0][0]) - there
        for name, microseconds in usage.figures(made).items():
            used[name] = used.get(name, 0.0) + microseconds / waves
    settled, seconds = map(float, _rowlock(row, f"""select sum(n), sum(length) filter (where n = {made})
        from (select count(*) as n, extract(epoch from max(r.completed_at) - min(r.started_at)) as length
              from executions e join results r using (execution_id) group by e.submitted_at) waves""")[0])
    if settled != done:
        raise Failed(f"{settled:.0f} of {done} executions have a result")
    return {"jobs/s": (done - 1) / seconds, "first start ms": 1000 * late / waves, **used}


def _ended(instances, count):
    # Seldom: each look costs an instance as much as some thirty jobs.
    wait_for(f"{count} executions have ended", lambda: sum(each.ended() for each in instances) >= count, LONGEST, 0.05)


def _make_tenants(row):
    """Each with a job like the one that is there."""
    _rowlock(row, f"insert into tenants (tenant_id) select 'tenant-' || i from generate_series(1, {TENANTS}) i")
    _rowlock(row, f"""with made as (insert into jobs (tenant_key, job_id, current_version, changed_seq)
                                    select t.tenant_key, j.job_id, 1, nextval('job_changes') from tenants t, jobs j where t.tenant_key > 1 returning job_key, tenant_key),
                      versions as (insert into job_versions (job_key, version, definition, max_attempts, author)
                                   select m.job_key, 1, v.definition, v.max_attempts, '{WHO}' from made m, job_versions v)
                      insert into lanes (tenant_key, job_key, handler) select m.tenant_key, m.job_key, l.handler from made m, lanes l""")


# ---- blocked

def blocked(row, jobs, front):
    """rowlock-blocked: before them wait `front` extents of one execution, half of a paused job and half of one at its limit."""
    loaded(row, 3, 3)  # so that there are three jobs
    waiting = 0
    if row.contender == "rowlock-blocked":
        _rowlock(row, "update lanes set paused = true where job_key = (select job_key from jobs where job_id = 'ceiling-0')")
        _limit(row, "job", 1, "ceiling-1", 0)
        for job in ("ceiling-0", "ceiling-1"):
            _enqueue(row, job, front // 2, ENQUEUED_AT_ONCE)
        _rowlock(row, """with whole as (delete from extents where lo < hi returning *)
                         insert into extents (lo, hi, lane_id, rank, eligible_at, priority, ready, remaining)
                         select e.execution_id, e.execution_id, w.lane_id, w.rank, w.eligible_at, w.priority, true, 1
                         from whole w join executions e on e.lane_id = w.lane_id and e.execution_id between w.lo and w.hi""")
        waiting = front // 2 * 2 + 2
    _enqueue(row, "ceiling-2", jobs - (1 if waiting else 3), PRELOAD_BATCH)
    lane = _rowlock(row, "select lane_id from lanes join jobs using (job_key) where job_id = 'ceiling-2'")[0][0]
    figures = instances_drain(row, jobs, f"select exists (select from rowlock.extents where lane_id = {lane} and owner is null and ready) "
                                         "or exists (select from rowlock.extents where owner is not null)")
    left = int(row.sql.value("select coalesce(sum(remaining), 0) from rowlock.extents"))
    if left != waiting:
        raise Failed(f"{left} wait in place of {waiting}")
    return figures


def _enqueue(row, job, count, at_once):
    """Executions of a job, so many in an extent."""
    for first in range(0, count, at_once):
        _rowlock(row, f"""select cardinality(enqueue_1(array_fill(job_key, array[{min(at_once, count - first)}]), null, null, null, null, null, null, null, null))
                          from jobs where job_id = '{job}'""")


# ---- held

def aged(row, jobs, seconds):
    """Under the three limits: the drain of an empty database, and the same after a steady load of so long under a snapshot that is still held."""
    loaded(row, jobs, 1)
    if row.contender == "rowlock-limits":
        _limit_all(row, ("ceiling-0", "load-noop"))
    clean = instances_drain(row, jobs)
    session = row.session()
    session.rows("begin isolation level repeatable read")
    session.rows("select count(*) from pg_class")
    instances = row.instances(INSTANCES)
    load = row.load("batch", instances, seconds=seconds, batch=BATCH, batch_connections=CONNECTIONS)
    meanwhile = first_of(load.answer())["ended_per_s"]
    for each in instances:
        each.close()
    loaded(row, jobs, 1)
    after = instances_drain(row, jobs)
    return {"clean jobs/s": clean["jobs/s"], "load jobs/s": meanwhile, "jobs/s": after["jobs/s"], "jobs/s : clean": after["jobs/s"] / clean["jobs/s"],
            "clean cpu us/job": clean["cpu us/job"], "cpu us/job": after["cpu us/job"]}
