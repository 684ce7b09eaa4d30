"""What is asked of Rowlock, as ratios of medians of one run."""


class Medians:
    """The median of a figure of a contender; None where there is none."""

    def __init__(self, medians):
        self.medians = medians  # {variant title: {contender: {figure: value}}}

    def of(self, scenario, contender, figure, variant=0):
        found = [contenders for title, contenders in self.medians.items() if title.startswith(scenario + ":")]
        if variant >= len(found):
            return None
        return found[variant].get(contender, {}).get(figure)

    def ratio(self, scenario, figure, above, below, variant=0):
        a, b = self.of(scenario, above, figure, variant), self.of(scenario, below, figure, variant)
        return None if a is None or not b else a / b

    def of_best(self, scenario, contenders, figure):
        """The highest of these contenders."""
        values = [value for contender in contenders if (value := self.of(scenario, contender, figure)) is not None]
        return max(values, default=None)

    def between(self, above, below):
        """Rowlock's jobs/s in two scenarios; each is its name and its variant."""
        a, b = (self.of(scenario, "rowlock", "jobs/s", variant) for scenario, variant in (above, below))
        return None if a is None or not b else a / b

    def across(self, scenario, contender, figure, above, below):
        a, b = self.of(scenario, contender, figure, above), self.of(scenario, contender, figure, below)
        return None if a is None or not b else a / b


def goals(medians):
    """[(what, value, "at least" or "at most", bound)], without those that this run says nothing about."""
    m = Medians(medians)
    steady = m.of("steady", "rowlock", "jobs/s")
    steady_ceiling = m.of_best("steady", ("ceiling", "ceiling-start"), "jobs/s")
    asked = [
        ("drain, jobs/s, against graphile-worker", m.ratio("drain", "jobs/s", "rowlock", "graphile"), "at least", 2.5),
        ("drain, processor time a job, against graphile-worker", m.ratio("drain", "cpu us/job", "rowlock", "graphile"), "at most", 0.4),
        ("drain, jobs/s, against the ceiling", m.ratio("drain", "jobs/s", "rowlock", "ceiling"), "at least", 0.8),
    ]
    for variant, callers, least in ((0, 64, 8), (1, 256, 10)):
        for peer in ("graphile", "pgboss"):
            asked.append((f"submit, {callers} callers, jobs/s, against {peer}", m.ratio("submit", "jobs/s", "rowlock", peer, variant), "at least", least))
        asked.append((f"submit, {callers} callers, jobs/s, against bullmq", m.ratio("submit", "jobs/s", "rowlock", "bullmq", variant), "at least", 1))
        for peer in ("graphile", "pgboss", "bullmq"):
            asked.append((f"submit, {callers} callers, p99, against {peer}", m.ratio("submit", "p99 ms", "rowlock", peer, variant), "at most", 1))
    asked += [
        ("batch, jobs/s, against graphile-worker", m.ratio("batch", "jobs/s", "rowlock", "graphile"), "at least", 1.2),
        ("stream, frames of one, jobs/s, against our batches", m.between(("stream", 0), ("batch", 0)), "at least", 0.8),
        ("stream, frames of 100, jobs/s, against our batches", m.between(("stream", 1), ("batch", 0)), "at least", 0.8),
        ("steady, jobs/s, against the higher ceiling", steady / steady_ceiling if steady and steady_ceiling else None, "at least", 0.7),
        ("latency, p50 in ms", m.of("latency", "rowlock", "p50 ms"), "at most", 2),
        ("latency, p99 in ms", m.of("latency", "rowlock", "p99 ms"), "at most", 10),
    ]
    for figure in ("p50 ms", "p99 ms"):
        for peer in ("graphile", "pgboss"):
            asked.append((f"latency, {figure}, against {peer}", m.ratio("latency", figure, "rowlock", peer), "at most", 1))
    asked += [
        ("held, last bucket against the clean one", m.of("held", "rowlock", "last/clean"), "at least", 0.95),
        ("held, MB of extents", m.of("held", "rowlock", "extents MB"), "at most", 100),
        ("backlog, jobs/s, the long one against the short", m.across("backlog", "rowlock", "jobs/s", 1, 0), "at least", 0.9),
        ("spread, jobs/s, 1,000 jobs against one", m.across("spread", "rowlock", "jobs/s", 1, 0), "at least", 0.4),
        ("limits, jobs/s, under three limits against none", m.ratio("limits", "jobs/s", "rowlock-limits", "rowlock"), "at least", 0.9),
        ("tenants, jobs/s, 10,000 with 50 each against one", m.ratio("tenants", "jobs/s", "rowlock-tenants", "rowlock"), "at least", 0.7),
        ("tenants, jobs/s, 10,000 with 1 each against one", m.ratio("tenants", "jobs/s", "rowlock-tenants", "rowlock", 1), "at least", 0.3),
        ("blocked, jobs/s, with blocked ones before them against without", m.ratio("blocked", "jobs/s", "rowlock-blocked", "rowlock"), "at least", 0.7),
        ("aged, jobs/s under three limits, after a held snapshot against before", m.of("aged", "rowlock-limits", "jobs/s : clean"), "at least", 0.9),
        ("failures, a fifth retried, processor time a job, against successes", m.ratio("failures", "cpu us/job", "ceiling-retries", "ceiling"), "at most", 2.2),
        ("failures, a fifth dead letters, processor time a job, against successes", m.ratio("failures", "cpu us/job", "ceiling-dead", "ceiling"), "at most", 2.2),
        ("plan, jobs/s, against plain ones of the same server", m.of("plan", "rowlock", "its share"), "at least", 0.5),
        ("chain, ms a step", m.of("chain", "rowlock", "ms/step"), "at most", 5),
        ("sleeps, MB with 10,000", m.of("sleeps", "rowlock", "RSS MB"), "at most", 150),
        ("sleeps, running of 100,000", m.of("sleeps", "rowlock", "running", 1), "at least", 100_000),
    ]
    return [goal for goal in asked if goal[1] is not None]


def reached(value, how, bound):
    return value >= bound if how == "at least" else value <= bound
