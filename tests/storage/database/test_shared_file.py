"""Two bots, three recorded commands and a reader share one database, and every span is there."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from bot.lifecycle import Bot
from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from storage.database.connect import connect
from storage.queries.traces import recent_traces, trace_spans

TRACEBOT = str(Path(sys.executable).with_name("tracebot"))
QUESTIONS = 12
RUNS_EACH = 4


def run_commands(db_path: Path) -> None:
    environ = {**os.environ, "TRACEBOT_DATABASE_URL": str(db_path)}
    for _ in range(RUNS_EACH):
        subprocess.run([TRACEBOT, "run", "--", "true"], env=environ, check=True)


def test_two_bots_three_commands_and_a_reader_share_one_database(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: Callable[..., Bot],
    db_path: Path,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    start_bot()
    done = threading.Event()
    reads: list[int] = []

    def read() -> None:
        database = connect(db_path)
        while not done.wait(0.01):  # Not all the time: the others need the processor, too.
            reads.append(len(recent_traces(database, skipped=True, limit=100).traces))
        database.close()

    workers = [threading.Thread(target=run_commands, args=(db_path,)) for _ in range(3)]
    reader = threading.Thread(target=read)
    for thread in (*workers, reader):
        thread.start()
    questions = [
        sandbox.post(alice, general, f"{sandbox.mention} question {number}")
        for number in range(QUESTIONS)
    ]
    for question in questions:
        sandbox.wait_for_reaction(general, question.ts, "white_check_mark", timeout=30)
    for worker in workers:
        worker.join()
    sandbox.settle()
    observability.flush()
    done.set()
    reader.join()
    traces = recent_traces(observability.database, limit=100).traces
    runs = [trace for trace in traces if trace.platform == "cli"]
    turns = [trace for trace in traces if trace.agent == "echo"]
    assert (len(runs), len(turns)) == (3 * RUNS_EACH, QUESTIONS)
    for trace in (*runs, *turns):
        spans = trace_spans(observability.database, trace.trace_id)
        assert len(spans) == trace.span_count
        assert {span.parent_id for span in spans} <= {None, *(span.span_id for span in spans)}
    assert reads[-1] >= reads[0]
    check = observability.database.execute_sql("PRAGMA integrity_check").fetchall()
    assert check == [("ok",)]
