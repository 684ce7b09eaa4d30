"""Submitted, run and settled at once, as fast as it goes."""

from row import first_of

BATCH = 500
CONNECTIONS = 4  # two for each instance, so that it has a batch while another is answered


def steady(row, seconds):
    if row.contender == "rowlock":
        instances = row.instances(2)
        row.settled()
        usage = row.usage(*instances)
        task = row.load("batch", instances, seconds=seconds, batch=BATCH, batch_connections=CONNECTIONS)
        said = first_of(task.answer())
        return {"jobs/s": said["ended_per_s"], "p50 ms": said["p50_ms"], "p99 ms": said["p99_ms"], **usage.figures(said["jobs"], task.cpu)}
    start = {"start": True} if row.contender == "ceiling-start" else {}
    task = row.ceiling("steady", seconds=seconds, batch=BATCH, sessions=2, wait=True, **start)
    task.ready()
    row.settled()
    usage = row.usage(task)
    task.go()
    last = list(task.lines())[-1]
    return {"jobs/s": last["jobs"] / last["seconds"], **usage.figures(last["jobs"], task.cpu)}
