"""One measurement: a contender in a scenario, on an empty database. Everything that it starts ends with it."""

import contextlib
import json
import os
import subprocess
import time
import urllib.request

import machine
from processes import Failed, Task, end, spawn

# Of each instance; what the machine's cores allow is left to its defaults.
INSTANCE_SETTINGS = {"executor-parallelism": "5000", "log-level": "warn", "auth": "none", "listen": "127.0.0.1:0"}


class Instance:
    """`rowlock serve`, on a port that it picks."""

    def __init__(self, program, url, folder, settings):
        options = [part for name, value in {**INSTANCE_SETTINGS, **settings}.items() for part in (f"--{name}", value)]
        self.process = spawn([program, "serve", "--database", url, "--data", folder, *options], stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        said = self.process.stdout.readline()
        if "listening on" not in said:
            end(self.process)
            raise Failed(f"rowlock serve has ended: {said.strip() or 'see above'}")
        self.url = said.split()[-1]

    def ended(self):
        """Executions that it has ended."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("rowlock_executions_ended_total"))

    def close(self):
        end(self.process, limit=30)


class Usage:
    """Processor time between two moments, of the store and of all else that takes part."""

    def __init__(self, server, clients=()):
        self.server = server
        self.clients = list(clients)
        self.start = self._now()

    def _now(self):
        return machine.cpu_of_server(self.server), machine.cpu_of(self.clients)

    def add(self, clients):
        """Processes that were started after the measurement: all that they use counts."""
        self.clients += clients

    def figures(self, jobs, more_client_seconds=0.0):
        now = self._now()
        server = now[0] - self.start[0]
        client = now[1] - self.start[1] + more_client_seconds
        return {"server us/job": 1e6 * server / jobs, "client us/job": 1e6 * client / jobs, "cpu us/job": 1e6 * (server + client) / jobs}


class Row:
    """What a scenario needs. Use it with `with`."""

    def __init__(self, bench, contender):
        self.bench = bench
        self.contender = contender
        self.options = bench.options
        self.stack = contextlib.ExitStack()
        self.database = None
        self.sql = None

    def __enter__(self):
        if self.contender == "bullmq":
            self.server = self.bench.redis().pid
            self.place = {"redis": self.bench.redis().socket}
        else:
            postgres = self.bench.postgres
            self.server = postgres.pid
            self.database = postgres.create_database()
            self.stack.callback(postgres.drop_database, self.database)
            self.url = postgres.url(self.database)
            self.place = {"url": self.url}
            self.sql = self.session()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def _own(self, what):
        self.stack.callback(what.close)
        return what

    def session(self):
        from servers import Sql
        return self._own(Sql(self.url))

    def usage(self, *clients):
        return Usage(self.server, [each.pid for each in clients])

    def wal_bytes(self):
        """How much the server has logged so far."""
        return int(self.sql.value("select pg_current_wal_insert_lsn() - '0/0'"))

    def settled(self):
        """Statistics and a checkpoint, so that what is measured begins on a settled server."""
        if self.sql:
            self.sql.rows("vacuum analyze")
            self.sql.rows("checkpoint")

    # ---- peers

    def peer(self, mode="throughput"):
        """A process of the contender, with nothing done yet."""
        process = self._own(self.bench.peers().start(self.contender))
        process.ask("open", where=self.place, mode=mode)
        return process

    def prepare_peer(self, mode="throughput"):
        """An empty queue. Returns a process that may look at it."""
        watch = self.peer(mode)
        watch.ask("prepare")
        return watch

    def producer(self, connections, mode="throughput"):
        process = self.peer(mode)
        process.ask("produce", connections=1 if self.contender == "bullmq" and connections > 2 else connections)
        return process

    # ---- Rowlock

    def instances(self, count, **settings):
        made = []
        for _ in range(count):
            folder = os.path.join(self.bench.folder, f"instance-{time.monotonic_ns()}")
            made.append(self._own(Instance(self.bench.program("rowlock"), self.url, folder, {**self.bench.server_settings, **settings})))
        return made

    def load(self, scenario, instances, **options):
        """`rowlock bench` on these instances, which are its server's processes. A flag has the value True."""
        arguments = [self.bench.program("rowlock"), "bench", scenario, "--format", "json"]
        for option, instance in zip(["--url", *["--also"] * len(instances)], instances):
            arguments += [option, instance.url, "--server-pid", instance.pid]
        return self._task(arguments, options)

    def ceiling(self, scenario, **options):
        """bench/ceiling on this row's database."""
        return self._task([self.bench.program("bench/ceiling"), scenario, "--database", self.url], options)

    def _task(self, arguments, options):
        for name, value in options.items():
            arguments.append(f"--{name.replace('_', '-')}")
            if value is not True:
                arguments.append(value)
        return self._own(Task(arguments))


def first_of(answer):
    """The figures of the one scenario that `rowlock bench` has run."""
    if len(answer) != 1:
        raise Failed(f"rowlock bench says {json.dumps(answer)}")
    return answer[0]
