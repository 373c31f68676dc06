"""Render every view of a story as each renderer does, to be compared with golden files.

`scripts/golden` writes them anew: read `git diff tests/reports/golden` before you commit it. Ids
that are drawn by chance are replaced, and times are cut to milliseconds.
"""

import json
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from reports.commands.handlers import answer
from reports.commands.parser import build_parser, parse
from reports.commands.viewer import Viewer
from reports.render import html, json_output, slack, terminal, tsv
from reports.render.slack.plain import plain
from reports.views.digest import DigestView
from reports.views.views import View
from storage.coordination.alert_rules import alert_rules
from storage.coordination.budgets import budgets
from storage.database.shared_file import SharedDatabase
from storage.recovery.opening import open_database
from tests.support.fortnight import Played, play

FOLDER = Path(__file__).parents[1] / "reports" / "golden"
DAYS = 2
WIDTHS = (60, 100, 200)
WORKSPACE = "https://acme.slack.com/"

LINK = f"{WORKSPACE}archives/{{channel}}/p{{ts}}"
"""The link of a message: that of the first turn of the newest thread with two turns."""

VIEWS: Mapping[str, str] = {
    "stats": "stats --since 2d",
    "stats-agent": "stats --by agent --compare --since 1d",
    "stats-provider": "stats --by provider --since 2d",
    "stats-platform": "stats --by platform --since 2d",
    "stats-channel": "stats --by channel --since 2d",
    "stats-user": "stats --by user --since 2d",
    "stats-decision": "stats --by decision --since 2d",
    "stats-hour": "stats --by hour --since 12h",
    "stats-day": "stats --by day --since 2d",
    "cost": "cost --since 2d",
    "errors": "errors --since 2d",
    "slow": "slow --since 2d",
    "ls": "ls --since 2d",
    "ls-filtered": "ls agent:claude duration>10s since:2d",
    "ls-down": "ls feedback:down since:2d",
    "search": "search checkout --since 2d",
    "thread": f"thread {LINK}",
    "why": f"why {LINK}",
    "show": f"show {LINK}",
    "digest": "digest",
    "alerts": "alerts",
    "budget": "budget",
}


def _blocks(view: View) -> str:
    return _json(slack.render(view))


def _plain(view: View) -> str:
    return _json(plain(slack.render(view)))


def _terminal(view: View) -> str:
    shown = (f"— {width} columns —\n\n{terminal.render(view, width=width)}" for width in WIDTHS)
    return "\n\n".join(shown)


def _tsv(view: View) -> str:
    rows = [line.split("\t") for line in tsv.rows(view)]
    times = {at for at, name in enumerate(rows[0] if rows else ()) if name.endswith("_ms")}
    shown = ("\t".join(_tenths(cell, at in times) for at, cell in enumerate(row)) for row in rows)
    return "".join(shown) + tsv.rest(view)


def _tenths(cell: str, is_time: bool) -> str:
    """Return a time to a tenth of a millisecond, and anything else as it is."""
    return f"{float(cell):.1f}" if is_time and re.fullmatch(r"[\d.]+", cell) else cell


def _html(view: View) -> str:
    return html.page(view) if isinstance(view, DigestView) else ""


RENDERERS: Mapping[str, Callable[[View], str]] = {
    "slack.json": _blocks,
    "plain.json": _plain,
    "terminal.txt": _terminal,
    "tsv": _tsv,
    "json": json_output.render,
    "html": _html,
}
"""The end of a file's name → what renders it. An empty text has no file."""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


def rendered(played: Played, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the names and contents of all files. A copy of the record is made in *folder*."""
    database = _copy(played, folder)
    names = played.workspace["names"]
    viewer = Viewer(
        team=played.workspace["team"],
        workspace=WORKSPACE,
        time_zone="Europe/Berlin",
        name_of=lambda by, key: names.get(key, key),
    )
    chance = {each.id: "a" * len(each.id) for each in (*alert_rules(database), *budgets(database))}
    parser, _ = build_parser(prog="tracebot", shell=True)
    link = _link(database)
    for name, command in VIEWS.items():
        args = parse(parser, shlex.split(command.format(**link)))
        view = answer(args, database=database, viewer=viewer, now=played.now)
        for end, render in RENDERERS.items():
            if text := render(view):
                yield f"{name}.{end}", _settled(text, chance)
    said = [{**each, "plain": plain(each["blocks"])} for each in played.workspace["said"]]
    yield "said.slack.json", _settled(_json(said), chance)
    database.close()


def _link(database: SharedDatabase) -> dict[str, str]:
    rows = database.execute_sql(
        "SELECT channel, thread_ts FROM traces WHERE decision = 'answer' "
        "GROUP BY channel, thread_ts HAVING count(*) > 1 ORDER BY thread_ts DESC LIMIT 1"
    )
    ((channel, ts),) = rows.fetchall()
    return {"channel": channel, "ts": ts.replace(".", "")}


MS = "started_at - started_at % 1000000"
DURATION = "duration_ns - duration_ns % 1000000"


def _copy(played: Played, folder: Path) -> SharedDatabase:
    """Copy the record with the times cut to milliseconds.

    Each look at the story's clock moves it by a nanosecond, and a busy machine looks more often.
    Spans of a trace that begin in one millisecond stay in their order, a microsecond apart.
    """
    file = folder / "tracebot.db"
    shutil.copy(played.database, file)
    database = open_database(file)
    database.execute_sql(
        "UPDATE spans SET started_at = ranked.at, duration_ns = ranked.lasted, "
        "ended_at = ranked.at + ranked.lasted FROM (SELECT trace_id AS trace, span_id AS span, "
        f"{MS} + 1000 * row_number() OVER (PARTITION BY trace_id ORDER BY started_at) AS at, "
        f"{DURATION} AS lasted FROM spans) AS ranked WHERE trace_id = trace AND span_id = span"
    )
    database.execute_sql(
        f"UPDATE traces SET started_at = {MS}, duration_ns = {DURATION}, "
        f"ended_at = {MS} + {DURATION}"
    )
    for trace, span, events in database.execute_sql(
        "SELECT trace_id, span_id, events FROM spans WHERE events IS NOT NULL"
    ).fetchall():
        cut = json.dumps(json.loads(events, object_hook=_cut), ensure_ascii=False)
        database.execute_sql(
            "UPDATE spans SET events = ? WHERE trace_id = ? AND span_id = ?", (cut, trace, span)
        )
    return database


def _cut(event: dict[str, Any]) -> dict[str, Any]:
    times = {
        name: event[name] for name in ("at", "duration_ns") if isinstance(event.get(name), int)
    }
    return {**event, **{name: time - time % 1_000_000 for name, time in times.items()}}


def _settled(text: str, chance: Mapping[str, str]) -> str:
    """Replace what differs each time the story is played."""
    for drawn, fixed in chance.items():  # As a whole: a colour may have the same digits.
        text = re.sub(f"(?<![0-9a-f]){drawn}(?![0-9a-f])", fixed, text)
    text = re.sub(r"\b(01a1[0-9a-f]{8})([0-9a-f]+)", lambda id: id[1] + "0" * len(id[2]), text)
    text = re.sub(r'("(?:span_id|parent_id)": ")[0-9a-f]{16}', r"\g<1>0000000000000000", text)
    text = re.sub(r"\b(\d{13})\d{6}-01a1", r"\g<1>000000-01a1", text)
    text = re.sub(r"(:\d\d)\.(\d{3})\d{3}Z", r"\1.\g<2>Z", text)
    # Nanoseconds that pass while nothing is waited for depend on what other threads do.
    text = re.sub(r'"value": \d+(,\s+"text": "0 µs")', r'"value": 0\1', text)
    text = re.sub(r"\b\d+\.\d{7,}", lambda long: f"{float(long[0]):.6f}", text)
    # What the bot does at the same time draws these ids from one sequence.
    text = re.sub(r"\b(b|D|Ev)0SBX\d{5}\b", r"\g<1>0SBX00287", text)
    # Percentiles are floats of four bytes.
    return re.sub(r'(_ms": )([\d.]+)', lambda ms: f"{ms[1]}{float(ms[2]):.1f}", text) + "\n"


def main() -> None:
    """Write all files, and delete those that no view has any more."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as story, tempfile.TemporaryDirectory() as copy:
        files = dict(rendered(play(Path(story), days=DAYS), Path(copy)))
    for old in FOLDER.iterdir():
        if old.name not in files:
            old.unlink()
    for name, text in files.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
