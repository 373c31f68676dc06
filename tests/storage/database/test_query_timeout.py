"""Readers keep the log from being emptied, so no cursor stays open and no query runs for long."""

import threading
import time

import pytest

from reports.commands import handlers as commands
from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.views.messages import MessageView
from reports.views.views import View
from storage import Observability
from storage.coordination.digest_subscriptions import subscriptions
from storage.database.shared_file import SharedDatabase
from storage.errors import QueryTimeout
from storage.upkeep.checkpoint import checkpoint
from tests.support.factories import GENERAL, NOW, THREAD, record_an_hour

PARSER, _ = build_parser(prog="tracebot", shell=True)
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
QUESTIONS = (
    "ls --all --limit 2",
    "ls claude",
    f"ls --channel {GENERAL} --since 24h",
    f"thread {GENERAL} {THREAD}",
    "stats",
    "stats --by agent",
    "stats --by hour",
    "cost",
    "errors",
    "slow",
    "search plans",
    "ps",
    "health",
)


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
@pytest.mark.parametrize("words", QUESTIONS)
def test_no_command_leaves_a_cursor_open(observability: Observability, words: str) -> None:
    record_an_hour(observability)
    database = observability.database
    asked = parse(PARSER, words.split())
    kept = answer(asked, database=database, viewer=Viewer(), now=NOW)  # Its rows, if any, live on.
    with observability.span("more"):
        pass
    assert observability.flush()
    assert not database.is_closed()
    assert checkpoint(database, "truncate").complete
    assert kept


def test_show_and_subscriptions_leave_no_cursor_open(observability: Observability) -> None:
    trace_id = record_an_hour(observability)["question"]
    database = observability.database
    kept = [
        answer(parse(PARSER, ["show", trace_id]), database=database, viewer=Viewer(), now=NOW),
        subscriptions(database),
    ]
    with observability.span("more"):
        pass
    assert observability.flush()
    assert checkpoint(database, "truncate").complete
    assert len(kept) == 2


def test_an_idle_thread_with_an_open_connection_does_not_block_a_checkpoint(
    observability: Observability,
) -> None:
    record_an_hour(observability)
    database = observability.database
    asked, done = threading.Event(), threading.Event()

    def idle() -> None:
        words = parse(PARSER, ["ls"])
        answer(words, database=database, viewer=Viewer(), now=NOW)
        asked.set()
        done.wait(30.0)
        database.close()

    thread = threading.Thread(target=idle)
    thread.start()
    assert asked.wait(30.0)
    with observability.span("more"):
        pass
    assert observability.flush()
    assert checkpoint(database, "truncate").complete
    done.set()
    thread.join()


def test_a_query_that_takes_too_long_is_ended(database: SharedDatabase) -> None:
    began = time.monotonic()
    with pytest.raises(QueryTimeout, match="longer than 0.2 s"), database.time_limit(0.2):
        database.execute_sql(ENDLESS).fetchall()
    assert time.monotonic() - began < 10
    assert checkpoint(database, "truncate").complete
    assert database.execute_sql("SELECT 1").fetchall() == [(1,)]


def test_a_command_that_takes_too_long_is_answered_with_advice(
    database: SharedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(*arguments: object) -> View:
        return MessageView(text=str(database.execute_sql(ENDLESS).fetchall()), found=True)

    monkeypatch.setitem(commands.HANDLERS, "ls", endless)
    monkeypatch.setattr(commands, "ANSWER_S", 0.2)
    said = answer(parse(PARSER, ["ls"]), database=database, viewer=Viewer(), now=NOW)
    assert isinstance(said, MessageView)
    assert (said.found, "longer than 0.2 s" in said.text) == (False, True)
