"""Programs that are started for a measurement and end with it."""

import json
import os
import queue
import signal
import subprocess
import threading
import time


class Failed(Exception):
    """What could not be measured, as a sentence."""


def spawn(arguments, user=None, **how):
    """Starts a program that dies with this one, however this one ends. `user`: (uid, gid) that it runs as."""
    as_user = ["--reuid", str(user[0]), "--regid", str(user[1]), "--clear-groups"] if user else []
    return subprocess.Popen(["setpriv", *as_user, "--pdeathsig", "TERM", *map(str, arguments)], start_new_session=True, **how)


def end(process, by=signal.SIGTERM, limit=20):
    """Ends a program, by force where it takes too long."""
    if process.poll() is None:
        process.send_signal(by)
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


class Task:
    """A program that measures by itself and says what it found in JSON: one document, or a line at a time."""

    def __init__(self, arguments):
        self.name = os.path.basename(str(arguments[0]))
        self.cpu = 0.0  # seconds, once it has ended
        self.process = spawn(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.complaint = []
        self.errors = threading.Thread(target=lambda: self.complaint.extend(self.process.stderr), daemon=True)
        self.errors.start()

    def ready(self):
        """Waits until it says that everything is made. It goes on with go()."""
        if not self.process.stdout.readline():
            self._ended()

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def lines(self):
        """Each line as it comes."""
        for line in self.process.stdout:
            yield json.loads(line)
        self._ended()

    def answer(self):
        """Waits for the end. The whole output; of several documents, one a line, the last."""
        text = self.process.stdout.read()
        self._ended()
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return json.loads(text.strip().splitlines()[-1])

    def _ended(self):
        if self.process.returncode is not None:
            return
        _, status, used = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu = used.ru_utime + used.ru_stime
        self.errors.join()
        if self.process.returncode != 0:
            raise Failed(f"{self.name} ended with {self.process.returncode}: {''.join(self.complaint[-3:]).strip()}")

    def close(self):
        end(self.process)


class Peer:
    """A process of bench/peers: a producer, a worker, or who looks. It answers one order at a time."""

    def __init__(self, node, folder, name):
        self.process = spawn([node, os.path.join(folder, "main.mjs"), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        self.name = name
        self.pid = self.process.pid
        self.count = 0  # jobs that it has run, as it last said
        self.answers = {}
        self.last = 0
        self.arrived = queue.Queue()
        self.complaint = []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=lambda: self.complaint.extend(self.process.stderr), daemon=True).start()

    def _read(self):
        for text in self.process.stdout:
            line = json.loads(text)
            if "count" in line:
                self.count = line["count"]
            else:
                self.arrived.put(line)
        self.arrived.put(None)

    def begin(self, order, **how):
        """Gives an order and does not wait. Returns what answer() needs."""
        self.last += 1
        self.process.stdin.write(json.dumps({"id": self.last, "do": order, "with": how}) + "\n")
        self.process.stdin.flush()
        return self.last

    def answer(self, ticket):
        while ticket not in self.answers:
            line = self.arrived.get()
            if line is None:
                raise Failed(f"a process of {self.name} ended: {''.join(self.complaint[-5:]).strip()}")
            self.answers[line["id"]] = line
        line = self.answers.pop(ticket)
        if "error" in line:
            raise Failed(f"{self.name}: {line['error']}")
        return line["is"]

    def ask(self, order, **how):
        return self.answer(self.begin(order, **how))

    def close(self):
        end(self.process, signal.SIGKILL)


def wait_for(what, condition, limit=120.0, pause=0.01):
    """Looks until the condition holds; `what` names it where it does not."""
    until = time.monotonic() + limit
    while not condition():
        if time.monotonic() > until:
            raise Failed(f"{what}: not within {limit:.0f} s")
        time.sleep(pause)
