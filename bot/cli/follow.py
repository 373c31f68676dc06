"""Show what happens while a command runs: `ls --follow`, `ps --follow` and `stats --watch`.

Ctrl-C ends them with 0. The database is asked again only if somebody has written to it.
"""

import select
import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

from bot.cli.exit_codes import DONE
from bot.cli.output import for_people, output_form
from reports import formatting
from reports.commands.handlers import answer
from reports.commands.viewer import Viewer
from reports.errors import UsageError
from reports.render import tsv
from reports.render.terminal import render_more
from reports.views.trace_list import TraceLine, TraceListView, trace_line
from storage.database.base import Database
from storage.database.read_only import reading
from storage.queries.lookups import short_ids, traces_by_id
from storage.queries.traces import TraceSummary

POLL_S = 0.5
REDRAW_S = 2.0

LOOKED_AT = 100
"""Of `ls --follow`, so many of the newest traces are compared with those that were printed, or as
many as `--limit` says if that is more."""

HOME, CLEAR, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[2J", "\x1b[K", "\x1b[J"
"""https://ecma-international.org/publications-and-standards/standards/ecma-48/"""


def follow(args: Namespace, located: Database) -> int:
    """Print a line when a trace begins and when it ends, until Ctrl-C. Raises `UsageError`."""
    if args.json:
        raise UsageError("--follow prints rows: use --tsv instead of --json.", word="--json")
    if getattr(args, "cursor", None):
        raise UsageError("--follow begins with the newest: leave out --cursor.", word="--cursor")
    if getattr(args, "processes", False):
        raise UsageError("--follow shows traces: leave out --processes.", word="--processes")
    try:
        with reading(located) as database:
            follower, is_first = Follower(args, database), True
            while True:
                if view := follower.news(now=time.time_ns()):
                    _append(view, as_tsv=args.tsv, is_first=is_first)
                    is_first = False
                follower.wait()
    except KeyboardInterrupt:
        return DONE


def _append(view: TraceListView, *, as_tsv: bool, is_first: bool) -> None:
    """Print the lines of a view, and before the first ones the names of the columns."""
    if as_tsv:
        sys.stdout.writelines(list(tsv.rows(view))[0 if is_first else 1 :])
    elif is_first:
        sys.stdout.write(f"{for_people(view)}\n")
    else:
        sys.stdout.write(f"{render_more(view, **output_form())}\n")
    sys.stdout.flush()


class Follower:
    """Finds the traces of a list that began or ended since it last looked."""

    def __init__(self, args: Namespace, database: Database) -> None:
        self._database = database
        self._shown: int = args.limit
        self._looked_at = max(LOOKED_AT, self._shown)
        self._args = Namespace(**{**vars(args), "limit": self._looked_at})
        self._known: dict[str, str] | None = None
        """The status of each trace when it was seen last; None before the first look."""
        self._earliest = 0
        """A trace that began before this is old, and got into the list when others left it."""
        self._version = self._version_now()

    def news(self, *, now: int) -> TraceListView | None:
        """Return what is new, oldest first, and at first the newest traces; None if nothing is."""
        view = answer(self._args, database=self._database, viewer=Viewer(), now=now)
        if not isinstance(view, TraceListView):  # The database did not answer in time.
            return None
        found = sorted(view.traces, key=lambda trace: trace.started_at)
        if self._known is None:
            self._earliest = found[0].started_at if len(found) == self._looked_at else 0
            new, known = found[-self._shown :], {}
        else:
            known = self._known
            new = [
                trace
                for trace in [*self._left(found, known), *found]
                if known.get(trace.trace_id) != trace.status and trace.started_at >= self._earliest
            ]
        # What has ended and left the list does not change any more.
        running = {trace_id for trace_id, status in known.items() if status == "running"}
        self._known = {
            **dict.fromkeys(running - {each.trace_id for each in new}, "running"),
            **{trace.trace_id: trace.status for trace in [*found, *new]},
        }
        return self._view(new, now) if new else None

    def _left(self, found: Sequence[TraceSummary], known: dict[str, str]) -> Sequence[TraceSummary]:
        """Return the traces that were running and are not in the list any more."""
        listed = {trace.trace_id for trace in found}
        left = [each for each, status in known.items() if status == "running"]
        return [
            trace
            for trace_id in left
            if trace_id not in listed
            for trace in traces_by_id(self._database, trace_id)
        ]

    def _view(self, traces: Sequence[TraceSummary], now: int) -> TraceListView:
        short = short_ids(self._database, [trace.trace_id for trace in traces])
        lines = (_line(trace, short[trace.trace_id], now) for trace in traces)
        return TraceListView(title="", lines=tuple(lines), traces=tuple(traces))

    def wait(self) -> None:
        """Wait until somebody has written to the database, or it was replaced.

        Raises BrokenPipeError if nobody reads what is printed any more: `ls --follow | head`.
        """
        output = select.poll()
        output.register(sys.stdout, 0)  # Errors are told in any case.
        while (version := self._version_now()) == self._version:
            if output.poll(POLL_S * 1_000):
                raise BrokenPipeError
        self._version = version

    def _version_now(self) -> object:
        return self._database.version()  # A server takes a fraction of a millisecond for it.


def _line(trace: TraceSummary, short_id: str, now: int) -> TraceLine:
    """Return a line whose columns are as wide as those of the lines before it."""
    line = trace_line(trace, now=now, short_id=short_id)
    at = trace.ended_at or trace.started_at
    return replace(
        line,
        when=formatting.local(at, "UTC", form="%m-%d %H:%M:%S"),
        duration=f"{line.duration:>11}",
        agent=f"{line.agent or '–':<10}",
    )


def watch(args: Namespace, located: Database, viewer: Viewer) -> int:
    """Redraw an answer every two seconds, until Ctrl-C. Raises `UsageError`."""
    if args.json or args.tsv or not sys.stdout.isatty():
        raise UsageError(
            "--watch redraws a terminal, and this goes to a program or a file: leave it out to "
            "print the figures once.",
            word="--watch",
        )
    sys.stdout.write(CLEAR)
    try:
        with reading(located) as database:
            while True:
                view = answer(args, database=database, viewer=viewer, now=time.time_ns())
                sys.stdout.write(_screen(for_people(view)))
                sys.stdout.flush()
                time.sleep(REDRAW_S)
    except KeyboardInterrupt:
        sys.stdout.write("\n")
        return DONE


def _screen(text: str) -> str:
    """Return what draws as much of the text as fits on the screen, over what it shows."""
    lines, height = text.split("\n"), shutil.get_terminal_size().lines
    shown = lines[: max(height - 2, 1)]
    end = f"Only {len(shown)} of {len(lines)} lines fit. " if len(shown) < len(lines) else ""
    drawn = "".join(f"{line}{CLEAR_LINE}\n" for line in [*shown, ""])
    return f"{HOME}{drawn}{end}Every {REDRAW_S:.0f} s, until Ctrl-C.{CLEAR_BELOW}"
