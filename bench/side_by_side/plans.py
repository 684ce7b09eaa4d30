"""Plans: a graph of many nodes, one node after the other, a node that maps over a list. Peers have no plans: in their chain each handler enqueues the next."""

import time

from row import first_of

NODES = 10_000
STEPS = 1000
ITEMS = 100_000
PLAIN_BATCH = 500
PLAIN_SECONDS = 4
PLAIN_CALLERS = 64
WARM_UP = 2  # s, for what polls
SMALL = 50  # nodes of the plan that comes before what is measured


def _plain(row, instances):
    """What the same instances submit, run and settle of jobs without a plan: in batches, and one at a time."""
    batches = first_of(row.load("batch", instances, seconds=PLAIN_SECONDS, batch=PLAIN_BATCH, batch_connections=2).answer())
    singles = first_of(row.load("submit", instances, seconds=PLAIN_SECONDS, connections=PLAIN_CALLERS).answer())
    return batches["ended_per_s"], singles["ended_per_s"]


def _rate(row, scenario, **options):
    instances = row.instances(1)
    batches, singles = _plain(row, instances)
    row.load("plan", instances, plan_nodes=SMALL).answer()
    row.settled()
    usage = row.usage(*instances)
    task = row.load(scenario, instances, **options)
    said = first_of(task.answer())
    rate = said["ended_per_s"]
    return {"jobs/s": rate, "accepted ms": said["accepted_ms"], "plain jobs/s": batches, "its share": rate / batches, "single jobs/s": singles,
            "share of singles": rate / singles, "server MB": said["server_MB"], **usage.figures(said["jobs"], task.cpu)}


def plan(row):
    """From the request to the end of the last node."""
    return _rate(row, "plan", plan_nodes=NODES)


def fan_out(row):
    return _rate(row, "fan-out", items=ITEMS)


def chain(row):
    """Nobody does anything else meanwhile. From the submission of the first to the end of the last."""
    if row.contender == "rowlock":
        instances = row.instances(1)
        row.load("chain", instances, chain=SMALL).answer()
        row.settled()
        time.sleep(WARM_UP)
        usage = row.usage(*instances)
        task = row.load("chain", instances, chain=STEPS)
        said = first_of(task.answer())
        return {"ms/step": said["ms_a_job"], **usage.figures(STEPS, task.cpu)}
    row.prepare_peer("latency").close()
    worker = row.peer("latency")
    worker.ask("chain")
    worker.ask("follow", steps=SMALL)
    row.settled()
    time.sleep(WARM_UP)
    usage = row.usage(worker)
    said = worker.ask("follow", steps=STEPS)
    return {"ms/step": 1000 * said["seconds"] / STEPS, **usage.figures(STEPS)}
