"""The steady load while a transaction holds a snapshot, so that vacuum may remove nothing: what becomes of the rate, in buckets of equal length."""

import threading
import time

import steady
from processes import wait_for

WARM_UP = 2.0  # s
BUCKETS = 5  # under the snapshot; one without comes first
LONGEST_BUCKET = 60.0
FEED_BATCH = 500
FEED_AHEAD = 10_000  # jobs that a peer's producer lets wait


def held(row, seconds):
    bucket = min(LONGEST_BUCKET, max(1.0, seconds / BUCKETS))
    length = WARM_UP + bucket + seconds
    if row.contender == "ceiling":
        return _ceiling(row, bucket, length)
    if row.contender == "rowlock":
        return _instances(row, bucket, length)
    return _peer(row, bucket, length)


def _hold(row):
    session = row.session()
    session.rows("begin isolation level repeatable read")
    session.rows("select count(*) from pg_class")


def _watch(row, bucket, length, ended, every=lambda: None):
    """ended() at the borders of the buckets: of the clean one, and of the last under the snapshot, which is as long. All rates, and these two."""
    start = time.monotonic()
    counts = []

    def wait_until(at):
        while (left := start + at - time.monotonic()) > 0:
            every()
            time.sleep(min(left, 0.02))
        counts.append((time.monotonic(), ended()))

    wait_until(WARM_UP)
    wait_until(WARM_UP + bucket)
    _hold(row)
    at = WARM_UP + 2 * bucket
    while at < length + 0.01:
        wait_until(at)
        at += bucket
    rates = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(counts, counts[1:])]
    return {"clean jobs/s": rates[0], "last jobs/s": rates[-1], "last/clean": rates[-1] / rates[0], "buckets": [round(rate) for rate in rates]}


def _extents(row):
    return {"extents MB": float(row.sql.value("select pg_total_relation_size('rowlock.extents')")) / 1e6}


def _instances(row, bucket, length):
    instances = row.instances(2)
    row.settled()
    # It may go on for longer than it is watched; the row's end is its end.
    row.load("batch", instances, seconds=int(length) + 5, batch=steady.BATCH, batch_connections=steady.CONNECTIONS)
    figures = _watch(row, bucket, length, lambda: sum(each.ended() for each in instances))
    return {**figures, **_extents(row)}


def _ceiling(row, bucket, length):
    task = row.ceiling("steady", seconds=int(length) + 5, batch=steady.BATCH, sessions=2, wait=True)
    task.ready()
    row.settled()
    task.go()
    said = {}

    def read():
        for line in task.lines():
            if "second" in line:
                said[time.monotonic()] = line["done"]

    threading.Thread(target=read, daemon=True).start()
    wait_for("the ceiling is at work", lambda: said, 30)

    def ended():
        """As of now, between the last two that were said."""
        (t0, n0), (t1, n1) = sorted(said.items())[-2:] if len(said) > 1 else [(0.0, 0), *said.items()]
        return n1 + (n1 - n0) / (t1 - t0) * (time.monotonic() - t1)

    figures = _watch(row, bucket, length, ended)
    return {**figures, **_extents(row)}


def _peer(row, bucket, length):
    row.prepare_peer().close()
    producer = row.producer(1)
    worker = row.peer()
    row.settled()
    worker.ask("work")
    fed = producer.begin("feed", batch=FEED_BATCH, ahead=FEED_AHEAD, connections=1)
    wait_for("the first jobs have run", lambda: worker.count > 0, 30)

    def tell():
        producer.ask("fed", done=worker.count, stop=False)

    figures = _watch(row, bucket, length, lambda: worker.ask("report")["count"], tell)
    producer.ask("fed", done=worker.count, stop=True)
    producer.answer(fed)
    return figures
