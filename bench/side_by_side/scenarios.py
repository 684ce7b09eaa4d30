"""What is measured. A scenario has variants; each is a function of a Row and of its parameters, and returns figures by name."""

from dataclasses import dataclass, field
from typing import Callable

import backlog
import batches
import drain
import failures
import held
import latency
import obstacles
import plans
import sleeps
import steady

PEERS = ("graphile", "pgboss", "bullmq")


@dataclass
class Variant:
    title: str
    contenders: tuple
    run: Callable
    parameters: dict = field(default_factory=dict)


def variants(name, options):
    """The variants of a scenario under the options of the command line."""
    seconds = options.seconds
    jobs = options.jobs
    spread = max(1000, jobs // 3)
    return {
        "drain": lambda: [Variant(f"drain: {jobs:,} queued noops, 2 processes", (*PEERS, "ceiling", "rowlock"), drain.drain, {"jobs": jobs})],
        "submit": lambda: [Variant(f"submit: one at a time, {callers} callers, {seconds} s", (*PEERS, "rowlock", "rowlock-run"), batches.submit,
                                   {"callers": callers, "seconds": seconds}) for callers in (64, 256)],
        "batch": lambda: [Variant(f"batch: 1,000 at a time, 2 connections, {seconds} s", (*PEERS, "rowlock", "rowlock-run"), batches.batch,
                                  {"seconds": seconds})],
        "stream": lambda: [Variant(f"stream: pipelined frames of {frame}, 2 WebSockets, {seconds} s", ("rowlock", "rowlock-run"), batches.stream,
                                   {"frame": frame, "seconds": seconds}) for frame in (1, 100)],
        "steady": lambda: [Variant(f"steady: submit, run, settle at once, batches of {steady.BATCH}, {seconds} s", ("ceiling", "ceiling-start", "rowlock"),
                                   steady.steady, {"seconds": seconds})],
        "latency": lambda: [Variant(f"latency: submit to start at {latency.RATE} a second, 1 process, {seconds} s", (*PEERS, "rowlock"), latency.latency,
                                    {"seconds": seconds})],
        "held": lambda: [Variant(f"held: steady load, a snapshot held for {options.held_seconds} s", ("graphile", "pgboss", "ceiling", "rowlock"),
                                 held.held, {"seconds": options.held_seconds})],
        "backlog": lambda: [Variant(f"backlog: {options.measured:,} from the front of {waiting:,}", ("rowlock",), backlog.backlog,
                                    {"waiting": waiting, "measured": options.measured}) for waiting in (50_000, options.backlog)],
        "spread": lambda: [Variant(f"spread: submit and drain {spread:,} of {lanes:,} job{'s' if lanes > 1 else ''}", ("ceiling", "rowlock"),
                                   drain.spread, {"jobs": spread, "lanes": lanes}) for lanes in (1, 1000)],
        "limits": lambda: [Variant(f"limits: drain {jobs:,}, without limits and under three, 2 instances", ("rowlock", "rowlock-limits"), obstacles.limits,
                                   {"jobs": jobs})],
        "tenants": lambda: [Variant(f"tenants: drain {obstacles.TENANTS * each * waves:,}, of one tenant and of {obstacles.TENANTS:,} with {each} each at a time, 2 instances",
                                    ("rowlock", "rowlock-tenants"), obstacles.tenants, {"each": each, "waves": waves}) for each, waves in ((50, 1), (1, 20))],
        "blocked": lambda: [Variant(f"blocked: drain {jobs:,}, without anything and with {options.front:,} blocked before them, 2 instances",
                                    ("rowlock", "rowlock-blocked"), obstacles.blocked, {"jobs": jobs, "front": options.front})],
        "aged": lambda: [Variant(f"aged: drain {jobs:,} after {options.held_seconds} s of load under a snapshot that is held, 2 instances", ("rowlock", "rowlock-limits"),
                                 obstacles.aged, {"jobs": jobs, "seconds": options.held_seconds})],
        "failures": lambda: [Variant(f"failures: settle {spread:,}, none or a fifth of them failed", tuple(failures.FAILING), failures.failures,
                                     {"jobs": spread})],
        "plan": lambda: [Variant(f"plan: {plans.NODES:,} noops, each after up to 3 others, 1 instance", ("rowlock",), plans.plan)],
        "chain": lambda: [Variant(f"chain: {plans.STEPS:,} noops, one after the other, 1 process", (*PEERS, "rowlock"), plans.chain)],
        "fan-out": lambda: [Variant(f"fan-out: a node that maps over {plans.ITEMS:,} items, 1 instance", ("rowlock",), plans.fan_out)],
        "sleeps": lambda: [Variant(f"sleeps: {n:,} at a time, 1 instance", ("rowlock",), sleeps.sleeps, {"count": n}) for n in (10_000, 100_000)],
    }[name]()


NAMES = ("drain", "submit", "batch", "stream", "steady", "latency", "held", "backlog", "spread", "limits", "tenants", "blocked", "aged", "failures", "plan", "chain", "fan-out", "sleeps")
CONTENDERS = (*PEERS, "ceiling", "ceiling-start", "ceiling-retries", "ceiling-dead", "rowlock", "rowlock-run", "rowlock-limits", "rowlock-tenants", "rowlock-blocked")
