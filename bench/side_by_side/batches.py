"""Submissions that are answered after their commit. Nobody works meanwhile, except for rowlock-run, which runs and settles each at once."""

from row import first_of

BATCH = 1000
CONNECTIONS = 2
IN_FLIGHT = 1000
MOST_CONNECTIONS = 64  # of a peer to PostgreSQL: more callers share them


def submit(row, callers, seconds):
    if row.contender.startswith("rowlock"):
        return _instances(row, "submit", seconds, connections=callers)
    producer = _producer(row, min(callers, MOST_CONNECTIONS))
    return _peer(row, producer, "single", callers=callers, seconds=seconds)


def batch(row, seconds):
    if row.contender.startswith("rowlock"):
        return _instances(row, "batch", seconds, batch=BATCH, batch_connections=CONNECTIONS)
    producer = _producer(row, CONNECTIONS)
    return _peer(row, producer, "batches", batch=BATCH, connections=CONNECTIONS, seconds=seconds)


def stream(row, frame, seconds):
    """Frames over WebSockets, each answered after its commit; as many in flight as the server takes."""
    return _instances(row, "stream", seconds, frame=frame, in_flight=IN_FLIGHT, batch_connections=CONNECTIONS)


def _instances(row, scenario, seconds, **options):
    instances = row.instances(2)
    row.settled()
    if row.contender == "rowlock":
        options["stored"] = True
    usage = row.usage(*instances)
    task = row.load(scenario, instances, seconds=seconds, **options)
    said = first_of(task.answer())
    return {"jobs/s": said["accepted_per_s"], "p50 ms": said["p50_ms"], "p99 ms": said["p99_ms"], **usage.figures(said["jobs"], task.cpu)}


def _producer(row, connections):
    row.prepare_peer().close()
    producer = row.producer(connections)
    row.settled()
    return producer


def _peer(row, producer, order, **how):
    usage = row.usage(producer)
    said = producer.ask(order, **how)
    return {"jobs/s": said["jobs"] / said["seconds"], "p50 ms": said["p50"], "p99 ms": said["p99"], **usage.figures(said["jobs"])}
