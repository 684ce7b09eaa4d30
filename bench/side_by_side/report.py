"""Medians, ratios and goals, as text in Markdown and as JSON."""

import statistics

from goals import goals, reached

OTHERS_MATTER = 0.1  # cores


def shown(value):
    """Three digits that mean something, or all of a whole number."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if value == 0:
        return "0"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def medians_of(rows):
    """{title: {contender: {figure: median}}}, all in the order of the run."""
    found = {}
    for row in rows:
        contenders = found.setdefault(row["title"], {})
        figures = contenders.setdefault(row["contender"], {})
        for name, value in row.get("figures", {}).items():
            if isinstance(value, (int, float)):
                figures.setdefault(name, []).append(value)
    return {
        title: {contender: {name: statistics.median(values) for name, values in figures.items()} for contender, figures in contenders.items()}
        for title, contenders in found.items()
    }


def table(header, body):
    lines = [header, *body]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(header))]
    text = []
    for number, line in enumerate(lines):
        text.append("| " + " | ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths))) + " |")
        if number == 0:
            text.append("| " + " | ".join("-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)) + " |")
    return "\n".join(text)


def ratios_to(contenders, figure):
    """Rowlock's figure divided by each contender's."""
    own = contenders.get("rowlock", {}).get(figure)
    return {name: own / figures[figure] if own is not None and figures.get(figure) and name != "rowlock" else None for name, figures in contenders.items()}


def ratios_of(contenders, figure):
    """Each figure divided by the ceiling's, where the ceiling is measured in several ways and nobody else is."""
    base = contenders.get("ceiling", {}).get(figure) if all(name.startswith("ceiling") for name in contenders) else None
    return {name: figures[figure] / base if base and figure in figures and name != "ceiling" else None for name, figures in contenders.items()}


def scenario_table(title, contenders):
    columns = []
    for figures in contenders.values():
        columns += [name for name in figures if name not in columns and name != "repeated"]
    rates = ratios_to(contenders, "jobs/s")
    costs = ratios_to(contenders, "cpu us/job")
    compared = [("Rowlock's jobs/s : its", rates), ("Rowlock's cpu : its", costs),
                *((f"its {figure.split()[0]} : the ceiling's", ratios_of(contenders, figure)) for figure in ("settle us/job", "cpu us/job", "WAL B/job"))]
    compared = [(name, ratios) for name, ratios in compared if any(ratios.values())]
    body = [
        [contender, *(shown(figures.get(name)) for name in columns), *(shown(ratios[contender]) for _, ratios in compared)]
        for contender, figures in contenders.items()
    ]
    return f"### {title}\n\n" + table(["", *columns, *(name for name, _ in compared)], body)


def notes(rows):
    said = []
    for title in dict.fromkeys(row["title"] for row in rows):
        loads = [row["other load"] for row in rows if row["title"] == title and "other load" in row]
        disturbed = [load for load in loads if load > OTHERS_MATTER]
        if disturbed:
            said.append(f"- \"{title}\": others used up to {max(disturbed):.2f} cores during {len(disturbed)} of {len(loads)} measurements: its rates are "
                        "too low, and ratios of rates uncertain")
    for row in rows:
        where = f"{row['contender']} in round {row['round']} of \"{row['title']}\""
        if "error" in row:
            said.append(f"- {where}: not measured: {row['error']}")
        if row.get("figures", {}).get("repeated"):
            said.append(f"- {where}: {row['figures']['repeated']} jobs were run more than once")
        if "buckets" in row.get("figures", {}):
            said.append(f"- {where}: jobs/s by bucket {' '.join(map(str, row['figures']['buckets']))}")
    return said


def goals_table(found):
    return "### Goals\n\n" + table(
        ["", "measured", "asked", "reached"],
        [[what, shown(value), f"{how} {shown(bound)}", "yes" if reached(value, how, bound) else "NO"] for what, value, how, bound in found])


def head(about):
    machine = about["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return "\n".join([
        f"Machine: {machine['cores']} cores, {machine['cpu']}, {machine['memory GB']} GB, {machine['system']}",
        f"Disk: {machine['file system']}, a commit of 8 kB takes {machine['fsync ms']} ms. Load average at the start: {machine['load average']}",
        f"Versions: {versions}",
        f"PostgreSQL: {', '.join(f'{name}={value}' for name, value in about['settings']['postgres'].items())}",
        f"Date: {about['date']}. Command: {about['command']}. Medians of {about['rounds']} round{'s' if about['rounds'] > 1 else ''}.",
    ])


def as_text(rows):
    medians = medians_of(rows)
    parts = [scenario_table(title, contenders) for title, contenders in medians.items() if any(contenders.values())]
    found = goals(medians)
    if found:
        parts.append(goals_table(found))
    said = notes(rows)
    if said:
        parts.append("### Notes\n\n" + "\n".join(said))
    return "\n\n".join(parts)


def as_json(about, rows):
    medians = medians_of(rows)
    return {
        **about,
        "rows": rows,
        "medians": medians,
        "ratios": {
            title: {figure: {name: ratio for name, ratio in ratios_to(contenders, figure).items() if ratio is not None}
                    for figure in ("jobs/s", "cpu us/job")}
            for title, contenders in medians.items()
        },
        "goals": [{"what": what, "value": value, "how": how, "bound": bound, "reached": reached(value, how, bound)}
                  for what, value, how, bound in goals(medians)],
    }
