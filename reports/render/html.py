"""Render a digest as one web page for a mail or a wiki.

It needs no other file and no network, and takes its colours from the reader's light or dark mode.
"""

from collections.abc import Iterable, Sequence
from html import escape

from reports.formatting import visible
from reports.views.digest import Day, DigestView, Figure, IssueLine, ThreadLine
from reports.views.statistics import StatsLine
from reports.views.trace_list import TraceLine

BAR, GAP, HEIGHT, LABELS = 34, 12, 120, 18
"""The chart: width and distance of bars, and heights of bars and labels, in pixels."""

STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --faint: #59636e; --bar: #0969da;
  --bad: #cf222e; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3d444d; --faint: #9198a1; --bar: #4493f8; --bad: #f85149; }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.kind { font-size: 1.15rem; } .faint { color: var(--faint); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
td { white-space: nowrap; }
th:first-child, td:first-child, .text { text-align: left; white-space: normal; }
svg { max-width: 100%; height: auto; } svg text { font-size: 11px; fill: var(--faint); }
.turns { fill: var(--bar); } .failed { fill: var(--bad); }
""".strip()

POLICY = "default-src 'none'; style-src 'unsafe-inline'"

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def page(view: DigestView) -> str:
    """Return the page of a digest."""
    body = [f"<h1>{_text(view.title)}</h1>", f'<p class="kind">{_text(view.sentence)}</p>']
    if not view.quiet:
        body += [_figures(view), _chart(view.facts.days), *_agents(view.agents)]
    body += [
        *(_issues(view.issues) or _failed(view.failed)),
        *_threads("Most expensive threads", view.dearest),
        *_threads("Slowest threads", view.slowest),
        *_remarks(view),
    ]
    return PAGE.format(
        policy=escape(POLICY), title=_text(view.title), style=STYLE, body="\n".join(body)
    )


def _text(text: str) -> str:
    return escape(visible(text))


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, texts: int = 1) -> str:
    """Return a table. Its first columns, as many as *texts*, are text; the others are numbers."""

    def row(tag: str, cells: Sequence[str]) -> str:
        made = (
            f'<{tag} class="text">{_text(cell)}</{tag}>'
            if place < texts
            else f"<{tag}>{_text(cell)}</{tag}>"
            for place, cell in enumerate(cells)
        )
        return f"<tr>{''.join(made)}</tr>"

    lines = [row("th", columns), *(row("td", cells) for cells in rows)]
    return '<div class="wide"><table>\n' + "\n".join(lines) + "\n</table></div>"


def _figures(view: DigestView) -> str:
    def cells(figure: Figure) -> tuple[str, ...]:
        return figure.name, figure.now, figure.usual, figure.before

    columns = ("", view.noun, "usual", view.before_name)
    return _table(columns, map(cells, view.figures))


def _chart(days: Sequence[Day]) -> str:
    """Draw a bar for each day, with its failures in red at the bottom."""
    greatest = max((day.traces for day in days), default=0) or 1
    width = len(days) * (BAR + GAP)
    bars = "\n".join(_bar(day, place * (BAR + GAP), greatest) for place, day in enumerate(days))
    return (
        f"<h2>Turns of {len(days)} days</h2>\n"
        f'<svg viewBox="0 0 {width} {HEIGHT + 2 * LABELS}" width="{width}" role="img" '
        f'aria-label="Turns and failures by day">\n{bars}\n</svg>'
    )


def _bar(day: Day, left: int, greatest: int) -> str:
    high, bad = (round(HEIGHT * count / greatest, 1) for count in (day.traces, day.errors))
    bottom, middle = HEIGHT + LABELS, left + BAR / 2
    told = f"{day.label}: {day.traces:,} turns, {day.errors:,} failed"
    return (
        f"<g><title>{_text(told)}</title>"
        f'<rect class="turns" x="{left}" y="{bottom - high}" width="{BAR}" height="{high}"/>'
        f'<rect class="failed" x="{left}" y="{bottom - bad}" width="{BAR}" height="{bad}"/>'
        f'<text x="{middle}" y="{bottom - high - 4}" text-anchor="middle">{day.traces:,}</text>'
        f'<text x="{middle}" y="{bottom + 14}" text-anchor="middle">{_text(day.label)}</text></g>'
    )


def _agents(lines: Sequence[StatsLine]) -> list[str]:
    columns = ("agent", "turns", "failed", "p50", "p95", "cost")
    rows = [(each.key, each.traces, each.errors, each.p50, each.p95, each.cost) for each in lines]
    return ["<h2>By agent</h2>", _table(columns, rows)] if rows else []


def _issues(lines: Sequence[IssueLine]) -> list[str]:
    rows = [
        ("back again" if each.is_back else "new", each.name, each.times, each.message)
        for each in lines
    ]
    columns = ("", "error", "seen", "what")
    return ["<h2>New errors</h2>", _table(columns, rows, texts=4)] if rows else []


def _failed(lines: Sequence[TraceLine]) -> list[str]:
    rows = [(each.short_id, each.agent, each.text or each.name, each.note) for each in lines]
    columns = ("trace", "agent", "what", "why")
    return ["<h2>Failed</h2>", _table(columns, rows, texts=4)] if rows else []


def _threads(title: str, lines: Sequence[ThreadLine]) -> list[str]:
    rows = [(each.text, each.turns, each.cost, each.slowest) for each in lines]
    columns = ("thread", "turns", "cost", "slowest turn")
    return [f"<h2>{title}</h2>", _table(columns, rows)] if rows else []


def _remarks(view: DigestView) -> list[str]:
    told = [*view.silent, *filter(None, [view.left])]
    if view.facts.dropped:
        told.append(f"{view.facts.dropped:,} records could not be stored: see tracebot health.")
    told += [f"{each}." for each in view.facts.budgets]
    told += [f"Database {each}." for each in view.facts.problems]
    return [f'<p class="faint">{_text(each)}</p>' for each in told]
