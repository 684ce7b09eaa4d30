"""The run: what is started once, and the rounds."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import machine
import scenarios
from peers import Peers
from processes import Failed
from report import shown
from row import INSTANCE_SETTINGS, Row
from servers import POSTGRES_SETTINGS, REDIS_SETTINGS, Postgres, Redis

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class TookTooLong(Exception):
    pass


class Bench:
    """Starts PostgreSQL at once, the rest when a contender first needs it. Use it with `with`."""

    def __init__(self, options):
        self.options = options
        self.server_settings = dict(setting.split("=", 1) for setting in options.set)
        self.stack = contextlib.ExitStack()
        self.found_peers = None
        self.started_redis = None

    def __enter__(self):
        with contextlib.ExitStack() as started:
            self.folder = tempfile.mkdtemp(prefix="rowlock-beside-", dir=self.options.folder)
            started.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.postgres = Postgres(self.options.folder)
            started.callback(self.postgres.close)
            self.stack = started.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def peers(self):
        if not self.found_peers:
            self.found_peers = Peers()
        return self.found_peers

    def redis(self):
        if not self.started_redis:
            self.started_redis = Redis(self.options.folder)
            self.stack.callback(self.started_redis.close)
        return self.started_redis

    def program(self, name):
        path = os.path.join(self.options.build, name)
        if not os.access(path, os.X_OK):
            raise Failed(f"{path} is not there; ops/build release rowlock ceiling makes it")
        return path

    def servers(self):
        return [self.postgres.pid] + ([self.started_redis.pid] if self.started_redis else [])

    def about(self, command):
        chosen = self.options.only
        versions = {"postgresql": self.postgres.version}
        settings = {"postgres": POSTGRES_SETTINGS}
        if any(name in scenarios.PEERS for name in chosen):
            versions.update({name: version for name, version in self.peers().versions.items() if name == "node" or name in chosen})
        if "bullmq" in chosen:
            versions["redis"] = self.redis().version
            settings["redis"] = REDIS_SETTINGS
        if any(name.startswith(("rowlock", "ceiling")) for name in chosen):
            said = subprocess.run([self.program("rowlock"), "--version"], capture_output=True, text=True, check=True).stdout
            versions["rowlock"] = said.split()[-1]
            settings["rowlock"] = {**INSTANCE_SETTINGS, **self.server_settings}
        return {
            "machine": machine.describe(self.postgres.folder),
            "versions": versions,
            "settings": settings,
            "date": time.strftime("%Y-%m-%d %H:%M %Z"),
            "command": command,
            "rounds": self.options.rounds,
        }

    # ---- rounds

    def measure(self, variant, contender, number):
        """One row. What could not be measured is in it as an error."""
        result = {"title": variant.title, "contender": contender, "round": number}

        def late(*_):
            raise TookTooLong

        signal.signal(signal.SIGALRM, late)
        signal.alarm(self.options.deadline)
        try:
            with Row(self, contender) as row:
                others = self._others()
                start = time.monotonic()
                result["figures"] = variant.run(row, **variant.parameters)
                result["other load"] = max(0.0, (self._others() - others) / (time.monotonic() - start))
        except Failed as why:
            result["error"] = str(why)
        except TookTooLong:
            result["error"] = f"not within {self.options.deadline} s"
        finally:
            signal.alarm(0)
        return result

    def _others(self):
        return machine.cpu_of_machine() - machine.cpu_of_ours(self.servers())

    def run(self, tell=lambda row: None):
        """Scenario by scenario; in each, every round has all contenders, and begins with another."""
        rows = []
        for name in self.options.scenario:
            for variant in scenarios.variants(name, self.options):
                contenders = [each for each in variant.contenders if each in self.options.only]
                for number in range(1, self.options.rounds + 1):
                    turn = (number - 1) % max(1, len(contenders))
                    for contender in contenders[turn:] + contenders[:turn]:
                        row = self.measure(variant, contender, number)
                        rows.append(row)
                        tell(row)
        order = {contender: place for place, contender in enumerate(scenarios.CONTENDERS)}
        titles = {title: place for place, title in enumerate(dict.fromkeys(row["title"] for row in rows))}
        return sorted(rows, key=lambda row: (titles[row["title"]], order[row["contender"]], row["round"]))


def progress_line(row):
    if "error" in row:
        return f"beside: {row['title']} | {row['contender']} | {row['error']}"
    figures = ", ".join(f"{name} {shown(value)}" for name, value in row["figures"].items() if isinstance(value, (int, float)))
    return f"beside: {row['title']} | {row['contender']} | {figures} | others {row['other load']:.2f} cores"


def say(line):
    print(line, file=sys.stderr, flush=True)
