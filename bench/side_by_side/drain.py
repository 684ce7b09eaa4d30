"""Jobs that already wait: from the first job's start to the moment the store holds no unfinished one."""

import time

from processes import Failed, wait_for

PRELOAD_BATCH = 1000
LONGEST = 600  # s


def drain(row, jobs):
    if row.contender == "ceiling":
        loaded(row, jobs, 1)
        return ceiling_drains(row, jobs)
    if row.contender == "rowlock":
        loaded(row, jobs, 1)
        return instances_drain(row, jobs)
    return peer_drains(row, jobs)


def spread(row, jobs, lanes):
    """The same, with the submission: executions of so many jobs by turns, so that each extent holds as few as can be."""
    load = loaded(row, jobs, lanes)
    run = ceiling_drains(row, jobs) if row.contender == "ceiling" else instances_drain(row, jobs)
    return {
        "jobs/s": jobs / (load["seconds"] + jobs / run["jobs/s"]),
        "submit/s": jobs / load["seconds"],
        "drain/s": run["jobs/s"],
        "submit cpu us/job": load["cpu us/job"],
        "drain cpu us/job": run["cpu us/job"],
        "cpu us/job": load["cpu us/job"] + run["cpu us/job"],
    }


def loaded(row, jobs, lanes):
    """Queues executions by the product's own statement, with no instance there to start them."""
    return _timed(row, "load", jobs, lanes=lanes, batch=PRELOAD_BATCH)


def _timed(row, scenario, jobs, **options):
    """The ceiling's answer, and what was used from the moment when everything was made."""
    task = row.ceiling(scenario, jobs=jobs, sessions=2, wait=True, **options)
    task.ready()
    row.settled()
    usage = row.usage(task)
    task.go()
    answer = task.answer()
    return {**answer, **usage.figures(jobs, task.cpu)}


def ceiling_drains(row, jobs):
    answer = _timed(row, "drain", jobs)
    used = {name: answer[name] for name in ("server us/job", "client us/job", "cpu us/job")}
    return {"jobs/s": jobs / answer["seconds"], **used}


def instances_drain(row, jobs, unfinished=None):
    """`unfinished`: asks the database whether any of them is; without it the instances are asked, as a look at the queue is dear while a snapshot is held."""
    row.settled()
    had = int(row.sql.value("select count(*) from rowlock.results"))
    usage = row.usage()
    instances = row.instances(2)
    usage.add([each.pid for each in instances])
    if unfinished:
        wait_for("the queue is empty", lambda: row.sql.value(unfinished) == "f", LONGEST)
    else:
        wait_for(f"{jobs} executions have ended", lambda: sum(each.ended() for each in instances) >= jobs, LONGEST)
    ended = time.time()
    figures = usage.figures(jobs)
    first, settled = map(float, row.sql.rows(f"select extract(epoch from min(started_at)), count(*) from (select started_at from rowlock.results order by started_at offset {had}) r")[0])
    if settled != jobs:
        raise Failed(f"{settled:.0f} of {jobs} executions have a result")
    for each in instances:
        each.close()
    return {"jobs/s": jobs / (ended - first), **figures}


def peer_drains(row, jobs):
    watch = row.prepare_peer()
    producer = row.producer(2)
    producer.ask("fill", jobs=jobs, batch=PRELOAD_BATCH, connections=2)
    producer.close()
    row.settled()
    workers = [row.peer(), row.peer()]
    usage = row.usage(*workers)
    tickets = [worker.begin("work") for worker in workers]
    for worker, ticket in zip(workers, tickets):
        worker.answer(ticket)
    wait_for("all jobs have run", lambda: sum(worker.count for worker in workers) >= jobs, LONGEST)
    wait_for("the store holds no unfinished job", lambda: not watch.ask("unfinished"), LONGEST, 0.005)
    ended = time.monotonic()
    figures = usage.figures(jobs)
    reports = [worker.ask("report") for worker in workers]
    ran = sum(report["count"] for report in reports)
    first = min(report["first"] for report in reports if report["first"])
    repeated = {"repeated": ran - jobs} if ran != jobs else {}
    return {"jobs/s": jobs / (ended - first), **figures, **repeated}
