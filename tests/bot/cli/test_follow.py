"""What happens while a command runs: `--follow` and `--watch`."""

import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.cli.follow import LOOKED_AT, Follower
from bot.cli.main import tracebot
from bot.cli.parser import parser_for
from reports.commands.parser import parse
from storage import Observability
from storage.database.connect import locate
from storage.database.read_only import reading
from tests.support.terminals import on_terminal


@pytest.fixture
def observability(db_path: Path) -> Iterator[Observability]:
    with Observability.open(db_path, platform="cli") as opened:
        yield opened


def record(observability: Observability, *names: str) -> None:
    """Record traces, also while a span of another one is active."""

    def spans() -> None:
        for name in names:
            with observability.span("run make", agent="codex", text=name):
                pass

    Context().run(spans)
    observability.flush()


def parsed(*words: str) -> Namespace:
    return parse(parser_for(words), words)


@contextmanager
def following(db_path: Path, *words: str) -> Iterator[Follower]:
    with reading(locate(str(db_path))) as database:
        yield Follower(parsed(*words), database)


def news(follower: Follower) -> list[tuple[str, str]]:
    """Return what is new and its status."""
    view = follower.news(now=0)
    return [(trace.text or "", trace.status) for trace in view.traces] if view else []


def test_ls_shows_the_newest_and_then_what_begins_and_what_ends(
    observability: Observability, db_path: Path
) -> None:
    record(observability, "one", "two", "three")
    with following(db_path, "ls", "--limit", "2") as follower:
        assert news(follower) == [("two", "ok"), ("three", "ok")]
        assert news(follower) == []
        with observability.span("run make", text="four") as running:
            observability.flush()
            assert news(follower) == [("four", "running")]
            record(observability, "five")
            assert news(follower) == [("five", "ok")]
            running.fail("exit_code", "exit code 2")
        observability.flush()
        assert news(follower) == [("four", "error")]
        assert news(follower) == []


def test_a_longer_list_is_followed_from_its_whole_length_on(
    observability: Observability, db_path: Path
) -> None:
    record(observability, *map(str, range(LOOKED_AT + 5)))
    with following(db_path, "ls", "-n", str(LOOKED_AT + 2)) as follower:
        assert len(news(follower)) == LOOKED_AT + 2
        assert news(follower) == []


def test_ls_shows_what_matches_its_filters_once_it_does(
    observability: Observability, db_path: Path
) -> None:
    record(observability, "one")
    with following(db_path, "ls", "status:error") as follower:
        assert news(follower) == []
        with observability.span("run make", text="two") as running:
            observability.flush()
            assert news(follower) == []
            running.fail("exit_code", "exit code 2")
        observability.flush()
        assert news(follower) == [("two", "error")]


def test_ps_shows_how_what_was_running_ended(observability: Observability, db_path: Path) -> None:
    record(observability, "before")
    with following(db_path, "ps") as follower:
        assert news(follower) == []
        with observability.span("run make", text="one"):
            observability.flush()
            assert news(follower) == [("one", "running")]
        observability.flush()
        assert news(follower) == [("one", "ok")]
        assert news(follower) == []


def test_more_traces_than_are_looked_at_do_not_bring_back_old_ones(
    observability: Observability, db_path: Path
) -> None:
    record(observability, *map(str, range(LOOKED_AT + 5)))
    with following(db_path, "ls", "--limit", "1") as follower:
        assert news(follower) == [(str(LOOKED_AT + 4), "ok")]
        with observability.span("run make", text="long"):
            observability.flush()
            assert news(follower) == [("long", "running")]
            record(observability, *map(str, range(LOOKED_AT)))
            assert len(news(follower)) == LOOKED_AT
        observability.flush()
        assert news(follower) == [("long", "ok")]
        assert news(follower) == []


def test_it_waits_until_somebody_has_written(observability: Observability, db_path: Path) -> None:
    record(observability, "one")
    with following(db_path, "ls") as follower:
        follower.news(now=0)
        record(observability, "two")
        follower.wait()  # It would not return without the second trace.
        assert news(follower) == [("two", "ok")]


def test_it_ends_with_the_program_that_reads_it(
    observability: Observability, db_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(observability, "one")
    reading_end, writing_end = os.pipe()
    with open(writing_end, "w") as pipe, following(db_path, "ls") as follower:
        monkeypatch.setattr(sys, "stdout", pipe)
        os.close(reading_end)
        with pytest.raises(BrokenPipeError):
            follower.wait()
        monkeypatch.undo()


def test_a_terminal_follows_until_ctrl_c(observability: Observability, db_path: Path) -> None:
    record(observability, "one")
    with on_terminal(db_path, "ls", "--follow", columns=120) as terminal:
        terminal.wait_for("one")
        record(observability, "two")
        shown = terminal.wait_for("two")
        terminal.interrupt()
        assert terminal.wait() == 0
    names, one, two = shown.splitlines()
    assert "trace" in names
    assert one.index("one") == two.index("two")


def test_a_narrow_terminal_shows_all_of_what_is_added(
    observability: Observability, db_path: Path
) -> None:
    record(observability, "one")
    with on_terminal(db_path, "ls", "--follow", columns=40) as terminal:
        terminal.wait_for("one")
        record(observability, "two")
        assert terminal.wait_for("two").count("✓") == 2


def test_a_terminal_shows_statistics_until_ctrl_c(
    observability: Observability, db_path: Path
) -> None:
    record(observability, "one")
    with on_terminal(db_path, "stats", "--watch", lines=6, NO_COLOR="1") as terminal:
        shown = terminal.wait_for("Every 2 s, until Ctrl-C.")
        terminal.interrupt()
        assert terminal.wait() == 0
    assert "all       1" in shown


def test_statistics_are_drawn_over_those_before(
    observability: Observability,
    db_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    waits = 0

    def wait(seconds: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 2:
            raise KeyboardInterrupt
        record(observability, "another")

    record(observability, "one")
    monkeypatch.setattr("bot.cli.follow.time", SimpleNamespace(sleep=wait, time_ns=time.time_ns))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("LINES", "6")
    assert tracebot(["stats", "--watch", "--by", "agent", "--database", str(db_path)]) == 0
    _, first, second = capsys.readouterr().out.split("\x1b[H")
    assert ("codex       1" in first, "codex       2" in second) == (True, True)
    assert first.endswith("Only 4 of 5 lines fit. Every 2 s, until Ctrl-C.\x1b[J")
    assert first.count("\n") == 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stats", "--watch"], "--watch redraws a terminal"),
        (["ls", "--follow", "--json"], "use --tsv instead of --json"),
        (["ls", "--follow", "--cursor", "1-a"], "leave out --cursor"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    db_path: Path,
    observability: Observability,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    record(observability, "one")
    assert tracebot([*words, "--database", str(db_path)]) == 2
    out, err = capsys.readouterr()
    assert said in out + err
