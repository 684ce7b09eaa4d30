"""Memory of an instance that runs many executions which wait."""

from row import first_of


def sleeps(row, count):
    instances = row.instances(1, **{"executor-parallelism": str(count)})
    task = row.load("sleep", instances, sleeps=count)
    said = first_of(task.answer())
    return {"running": said["running"], "RSS MB": said["server_MB"], "kB each": said.get("server_kB_per_running")}
