"""The table that a run prints: for people, for scripts, for `docs/explanation/performance.md`."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from tests.benchmarks.figure import Figure, number
from tests.benchmarks.machine import machine

HEADINGS = ("", "ours", "theirs", "ratio", "goal", "", "against", "measured on")


def as_text(figures: Sequence[Figure]) -> str:
    rows = [HEADINGS, *map(_cells, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in (1, 2, 3) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def as_markdown(figures: Sequence[Figure]) -> str:
    rows = [
        HEADINGS,
        ("---", "--:", "--:", "--:", "---", "---", "---", "---"),
        *map(_cells, figures),
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{machine()}\n\n{table}"


def as_json(figures: Sequence[Figure]) -> str:
    found = [
        asdict(figure) | {"ratio": figure.ratio, "goal": figure.goal, "met": figure.met}
        for figure in figures
    ]
    return json.dumps({"machine": machine(), "figures": found}, ensure_ascii=False, indent=2)


def _cells(figure: Figure) -> tuple[str, ...]:
    verdict = {True: "met", False: "MISSED", None: ""}[figure.met]
    theirs = f"{number(figure.theirs)} {figure.unit}" if figure.theirs is not None else ""
    ratio = f"{figure.ratio:.2f} ×" if figure.ratio is not None else ""
    ours = f"{number(figure.ours)} {figure.unit}"
    return (
        *(figure.name, ours, theirs, ratio, figure.goal, verdict, figure.peer),
        figure.measured_on,
    )
