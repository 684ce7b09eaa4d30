"""The PostgreSQL and the Redis that a run starts for itself and removes."""

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from processes import Failed, end, spawn, wait_for

# For all contenders alike. What a commit has acknowledged is on the disk; the rest gives a benchmark its room.
POSTGRES_SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "max_connections": "300",
}
REDIS_SETTINGS = {"appendonly": "yes", "appendfsync": "everysec", "save": "", "maxmemory-policy": "noeviction"}


class Sql:
    """A session as superuser: a psql that is told statement by statement."""

    END = "-- answered --"

    def __init__(self, url):
        self.process = spawn(["psql", "-XAtq", "-v", "VERBOSITY=terse", "-F", "\t", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)

    def rows(self, statement):
        self.process.stdin.write(f"{statement};\nselect '{self.END}';\n")
        self.process.stdin.flush()
        rows = []
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line == self.END:
                break
            rows.append(line)
        else:
            raise Failed(f"PostgreSQL has closed the session: {rows}")
        refused = [line for line in rows if line.startswith(("ERROR:", "FATAL:", "psql:"))]
        if refused:
            raise Failed(f"{statement}: {refused[0]}")
        return [line.split("\t") for line in rows if line]

    def value(self, statement):
        return self.rows(statement)[0][0]

    def close(self):
        end(self.process, signal.SIGTERM)


def _program(name):
    """A program of PostgreSQL: of the newest version on this machine, or of PG_BIN."""
    folders = [os.environ["PG_BIN"]] if "PG_BIN" in os.environ else []
    folders += sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda f: int(f.split("/")[4]), reverse=True)
    for folder in folders:
        if os.access(os.path.join(folder, name), os.X_OK):
            return os.path.join(folder, name)
    found = shutil.which(name)
    if not found:
        raise Failed(f"{name} of PostgreSQL is not installed; ops/setup does that, or set PG_BIN")
    return found


class Postgres:
    """A private cluster, reached through a socket only."""

    def __init__(self, parent):
        self.user = None
        self.folder = tempfile.mkdtemp(prefix="rowlock-beside-", dir=parent)
        if os.getuid() == 0:  # PostgreSQL refuses root
            entry = pwd.getpwnam("postgres")
            self.user = (entry.pw_uid, entry.pw_gid)
            os.chown(self.folder, *self.user)
        data = os.path.join(self.folder, "data")
        self.process = None
        self.sql = None
        self.made = 0
        try:
            made = spawn([_program("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale"], user=self.user,
                         cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            said, _ = made.communicate()
            if made.returncode != 0:
                raise Failed(f"initdb: {said.strip().splitlines()[-1]}")
            settings = {"listen_addresses": "", "unix_socket_directories": self.folder, **POSTGRES_SETTINGS}
            options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            with open(os.path.join(self.folder, "log"), "w", encoding="utf-8") as log:
                self.process = spawn([_program("postgres"), "-D", data, *options], user=self.user, cwd=self.folder, stdout=log, stderr=log)
            self.pid = self.process.pid
            ready = [_program("pg_isready"), "-q", "-h", self.folder]
            wait_for("PostgreSQL accepts connections", lambda: subprocess.run(ready, check=False).returncode == 0, 60, 0.1)
            self.sql = Sql(self.url("postgres"))
            self.version = self.sql.value("show server_version").split()[0]
        except BaseException:
            self.close()
            raise

    def url(self, database):
        return f"postgresql://postgres@localhost/{database}?host={self.folder}"

    def create_database(self):
        self.made += 1
        name = f"beside_{self.made}"
        self.sql.rows(f"create database {name}")
        return name

    def drop_database(self, name):
        self.sql.rows(f"drop database if exists {name} with (force)")

    def close(self):
        if self.sql:
            self.sql.close()
        if self.process:
            end(self.process, signal.SIGINT, 60)
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis:
    """A private Redis, reached through a socket only, that syncs its file each second."""

    def __init__(self, parent):
        program = shutil.which("redis-server") or shutil.which("valkey-server") or shutil.which("redis-check-rdb")
        if not program:
            raise Failed("redis-server is not installed; ops/setup --bench does that")
        self.folder = tempfile.mkdtemp(prefix="rowlock-beside-redis-", dir=parent)
        self.socket = os.path.join(self.folder, "redis.sock")
        # Debian's redis-tools holds the server under another name, without its service; the name tells the program what to be.
        server = os.path.join(self.folder, "redis-server")
        os.symlink(program, server)
        options = [part for name, value in REDIS_SETTINGS.items() for part in (f"--{name}", value)]
        self.process = spawn([server, "--port", "0", "--unixsocket", self.socket, "--dir", self.folder, "--logfile", "log", *options],
                             cwd=self.folder)
        self.pid = self.process.pid
        said = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
        self.version = said.split("v=")[1].split()[0]
        wait_for("Redis accepts connections", lambda: os.path.exists(self.socket), 20, 0.05)

    def close(self):
        end(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)
