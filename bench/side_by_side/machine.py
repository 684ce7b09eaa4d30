"""What the machine is, and who uses its processors."""

import os
import platform
import statistics
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """(parent, own seconds, seconds of children that have ended); None where the process is gone. See proc(5)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            text = file.read()
    except OSError:
        return None
    # The name, in brackets, may hold anything; the last bracket closes it.
    fields = text[text.rindex(")") + 2:].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS, (int(fields[13]) + int(fields[14])) / TICKS


def _processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def cpu_of(pids):
    """Seconds of processor time of these processes, without their children."""
    return sum(stat[1] for stat in map(_stat, pids) if stat)


def cpu_of_server(pid):
    """Seconds of a server and its children, those that have ended included."""
    while True:
        root = _stat(pid)
        if root is None:
            return 0.0
        children = [stat for stat in map(_stat, _processes()) if stat and stat[0] == pid]
        # A child that was reaped meanwhile would be in neither account, or in both.
        again = _stat(pid)
        if again and again[2] == root[2]:
            return root[1] + root[2] + sum(stat[1] + stat[2] for stat in children)


def cpu_of_machine():
    """Seconds that all processors together have worked, on anything, what the hypervisor took included."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def cpu_of_ours(servers):
    """Seconds of this program, of all that it has started, and of the servers."""
    stats = {pid: stat for pid in _processes() if (stat := _stat(pid))}
    ours = {os.getpid()}
    grown = True
    while grown:
        more = {pid for pid, stat in stats.items() if stat[0] in ours and pid not in servers} - ours
        ours |= more
        grown = bool(more)
    # The ended stand in their parents' accounts.
    return sum(stats[pid][1] + stats[pid][2] for pid in ours if pid in stats) + sum(map(cpu_of_server, servers))


def fsync_milliseconds(folder):
    """The median of what a commit waits for there: 8 kB written and synchronised."""
    path = os.path.join(folder, "fsync")
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    took = []
    try:
        for _ in range(300):
            os.pwrite(file, b"x" * 8192, 0)
            start = time.perf_counter()
            os.fdatasync(file)
            took.append(1000 * (time.perf_counter() - start))
    finally:
        os.close(file)
        os.unlink(path)
    return statistics.median(took)


def file_system(folder):
    said = subprocess.run(["stat", "--file-system", "--format=%T", folder], capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"


def _first(path, key):
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith(key):
                return line.split(":", 1)[1].strip()
    return "unknown"


def describe(folder):
    return {
        "cores": os.cpu_count(),
        "cpu": _first("/proc/cpuinfo", "model name"),
        "memory GB": round(int(_first("/proc/meminfo", "MemTotal").split()[0]) / 1e6),
        "system": f"{platform.freedesktop_os_release().get('PRETTY_NAME', 'Linux')}, kernel {platform.release()}",
        "file system": file_system(folder),
        "fsync ms": round(fsync_milliseconds(folder), 3),
        "load average": round(os.getloadavg()[0], 2),
    }
