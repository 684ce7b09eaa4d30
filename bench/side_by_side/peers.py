"""The peers' packages: installed once, outside of the repository."""

import fcntl
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys

from processes import Failed, Peer

HERE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers")
NAMES = {"graphile": "graphile-worker", "pgboss": "pg-boss", "bullmq": "bullmq"}
LEAST_NODE = 22


def _cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "rowlock-bench")


def _install():
    """The folder with the packages that package-lock.json names."""
    with open(os.path.join(HERE, "package-lock.json"), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    folder = os.path.join(_cache(), f"peers-{digest[:12]}")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = os.path.join(folder, ".installed")
        if not os.path.exists(done):
            if not shutil.which("npm"):
                raise Failed("npm is not installed; ops/setup --bench does that")
            print(f"beside: installing the peers into {folder}", file=sys.stderr)
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(os.path.join(HERE, name), folder)
            said = subprocess.run(["npm", "ci", "--loglevel=error"], cwd=folder, capture_output=True, text=True, check=False)
            if said.returncode != 0:
                raise Failed(f"npm ci in {folder}: {said.stderr.strip()[-500:]}")
            with open(done, "w", encoding="ascii"):
                pass
        for program in glob.glob(os.path.join(HERE, "*.mjs")):  # modules find packages beside themselves only
            shutil.copy(program, folder)
    return folder


def _node(folder):
    """The pinned Node.js, or that of ROWLOCK_BENCH_NODE or of the system where there is none for this processor."""
    pinned = glob.glob(os.path.join(folder, "node_modules/node-linux-*/bin/node"))
    for program in (os.environ.get("ROWLOCK_BENCH_NODE"), *pinned, shutil.which("node")):
        if not program:
            continue
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        if said.startswith("v") and int(said[1:].split(".")[0]) >= LEAST_NODE:
            return program, said
    raise Failed(f"no Node.js {LEAST_NODE} or later; name one in ROWLOCK_BENCH_NODE")


class Peers:
    def __init__(self):
        self.folder = _install()
        self.node, node_version = _node(self.folder)
        self.versions = {"node": node_version.lstrip("v")}
        for name, package in NAMES.items():
            with open(os.path.join(self.folder, "node_modules", package, "package.json"), encoding="utf-8") as file:
                self.versions[name] = json.load(file)["version"]

    def start(self, name):
        return Peer(self.node, self.folder, name)
