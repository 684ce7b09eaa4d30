"""Work at the front of a long queue: does its length cost?"""

from drain import LONGEST, loaded
from processes import wait_for


def backlog(row, waiting, measured):
    """The first `measured` to end of `waiting` that are queued, from the first start."""
    loaded(row, waiting, 1)
    row.settled()
    usage = row.usage()
    instances = row.instances(2)
    usage.add([each.pid for each in instances])
    ended = 0.0

    def enough():
        nonlocal ended
        ended = sum(each.ended() for each in instances)
        return ended >= measured

    wait_for(f"{measured} executions have ended", enough, LONGEST)
    figures = usage.figures(ended)
    for each in instances:
        each.close()
    seconds = float(row.sql.value(f"""
        select extract(epoch from (select completed_at from rowlock.results order by completed_at offset {measured} - 1 limit 1)
                                  - (select min(started_at) from rowlock.results))""".replace("\n", " ")))
    return {"jobs/s": measured / seconds, **figures}
