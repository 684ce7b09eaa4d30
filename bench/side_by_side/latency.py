"""From the moment of the submission to the start of the job, at a fixed rate, while nothing else is done. A peer's job notes the moment in
its process; Rowlock's is an HTTP call, and what counts is its arrival, so the way there is in the figure."""

import time

from processes import wait_for
from row import first_of

RATE = 200  # a second
CONNECTIONS = 10  # of a peer's producer
WARM_UP = 2  # s, for what polls


def latency(row, seconds):
    if row.contender == "rowlock":
        instances = row.instances(1)
        row.settled()
        time.sleep(WARM_UP)
        usage = row.usage(*instances)
        task = row.load("latency", instances, rate=RATE, seconds=seconds)
        said = first_of(task.answer())
        return {"p50 ms": said["start_p50_ms"], "p99 ms": said["start_p99_ms"], "answer p50 ms": said["p50_ms"], "answer p99 ms": said["p99_ms"],
                **usage.figures(said["jobs"], task.cpu)}
    row.prepare_peer("latency").close()
    producer = row.producer(CONNECTIONS, "latency")
    worker = row.peer("latency")
    row.settled()
    worker.ask("work", latencies=True)
    time.sleep(WARM_UP)
    usage = row.usage(producer, worker)
    sent = producer.ask("paced", rate=RATE, seconds=seconds)
    wait_for("all jobs have started", lambda: worker.count >= sent["jobs"], 60)
    figures = usage.figures(sent["jobs"])
    said = worker.ask("report")
    return {"p50 ms": said["p50"], "p99 ms": said["p99"], **figures}
