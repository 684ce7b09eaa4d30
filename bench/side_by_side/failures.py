"""The ends of executions alone: all succeed, or a fifth fails and is retried after a delay of its own, or a fifth becomes dead letters."""

from drain import loaded
from processes import Failed

SHARE = 0.2
BATCH = 1000
FAILING = {"ceiling": {}, "ceiling-retries": {"failures": SHARE}, "ceiling-dead": {"failures": SHARE, "dead": True}}


def failures(row, jobs):
    """All executions are claimed by two sessions before anything is measured, which then settle them in batches."""
    loaded(row, jobs, 1)
    task = row.ceiling("settle", sessions=2, batch=BATCH, wait=True, **FAILING[row.contender])
    task.ready()
    row.settled()
    usage = row.usage(task)
    wal = row.wal_bytes()
    task.go()
    answer = task.answer()
    wal = row.wal_bytes() - wal
    figures = usage.figures(jobs, task.cpu)
    _check(row, jobs, answer)
    return {"jobs/s": jobs / answer["seconds"], "settle us/job": answer["settle_us_per_job"], **figures, "WAL B/job": wal / jobs}


def _check(row, jobs, answer):
    """What was measured is what it is said to be."""
    failed = answer["failed"]
    retried, dead = {"ceiling": (0, 0), "ceiling-retries": (failed, 0), "ceiling-dead": (0, failed)}[row.contender]
    counts = ("(select count(*) from rowlock.results)", "(select count(*) from rowlock.errors)",
              "(select count(*) from rowlock.extents where owner is null)", "(select count(*) from rowlock.dead_letters)")
    found = [int(count) for count in row.sql.rows("select " + ", ".join(counts))[0]]
    asked = [jobs, failed, retried, dead]
    if answer["jobs"] != jobs or found != asked:
        raise Failed(f"results, errors, next attempts and dead letters: {found} in place of {asked}")
