"""The recording API, seen from what it stores."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from opentelemetry import trace

from storage import Observability
from storage.database.models import LogRow, MetricRow
from storage.model.span import Span
from storage.queries.traces import recent_traces, trace_spans
from storage.recording.log_handler import LogHandler
from storage.recovery.opening import open_database
from storage.store.scores import scores_of


def only_trace(observability: Observability) -> tuple[Span, ...]:
    """The spans of the one trace recorded."""
    assert observability.flush()
    (summary,) = recent_traces(observability.database, skipped=True).traces
    return trace_spans(observability.database, summary.trace_id)


def test_spans_nest_and_carry_their_own_context(observability: Observability) -> None:
    with (
        observability.span("turn", team="T1", channel="C1", user="U1", agent="claude") as root,
        observability.span("invoke_agent claude", input_tokens=7, colour="blue"),
    ):
        root.set(thread_ts="1.2")
    turn, call = only_trace(observability)
    assert (turn.name, turn.parent_id, turn.status) == ("turn", None, "ok")
    assert call.parent_id == turn.span_id
    assert (call.team, call.channel, call.user, call.agent) == ("T1", "C1", "U1", "claude")
    assert call.platform == "slack"
    assert (call.input_tokens, call.attributes) == (7, {"colour": "blue"})
    assert turn.duration_ns is not None
    assert turn.ended_at == turn.started_at + turn.duration_ns


def test_an_exception_is_recorded_and_goes_on(observability: Observability) -> None:
    with pytest.raises(ZeroDivisionError), observability.span("work"):
        1 / 0  # noqa: B018
    (span,) = only_trace(observability)
    assert (span.status, span.error_type) == ("error", "ZeroDivisionError")
    assert span.error_message == "division by zero"
    assert span.events[0]["name"] == "exception"
    (summary,) = recent_traces(observability.database).traces
    assert (summary.status, summary.error_count) == ("error", 1)


def test_an_interrupted_span_is_cancelled(observability: Observability) -> None:
    with pytest.raises(KeyboardInterrupt), observability.span("work"):
        raise KeyboardInterrupt
    assert only_trace(observability)[0].status == "cancelled"


def test_a_span_is_seen_running_before_it_ends(observability: Observability) -> None:
    span = observability.start_span("long work", {"agent": "codex"})
    (running,) = only_trace(observability)
    assert (running.status, running.ended_at) == ("running", None)
    observability.end_span(span)
    (ended,) = only_trace(observability)
    assert ended.status == "ok"
    (summary,) = recent_traces(observability.database).traces
    assert (summary.span_count, summary.status, summary.agent) == (1, "ok", "codex")


def test_a_failure_noted_on_a_span_is_its_status(observability: Observability) -> None:
    span = observability.start_span("call")
    span.fail("timeout", "no answer within 30 s", status="timeout")
    observability.end_span(span)
    (stored,) = only_trace(observability)
    assert (stored.status, stored.error_type) == ("timeout", "timeout")


def test_a_library_that_calls_opentelemetry_nests_under_our_span(
    observability: Observability,
) -> None:
    tracer = trace.get_tracer("some.library")
    with (
        observability.span("turn"),
        tracer.start_as_current_span("GET /v1", kind=trace.SpanKind.CLIENT) as span,
    ):
        span.set_attribute("gen_ai.usage.output_tokens", 3)
        with observability.span("inner"):
            pass
    turn, get, inner = only_trace(observability)
    assert (get.parent_id, get.kind, get.scope) == (turn.span_id, "client", "some.library")
    assert get.output_tokens == 3
    assert inner.parent_id == get.span_id


def test_a_decorator_of_a_library_records_each_call_in_the_recording_that_is_open(
    tmp_path: Path,
) -> None:
    def load() -> str:
        return "loaded" if trace.get_current_span().is_recording() else "untraced"

    async def fetch() -> str:
        await asyncio.sleep(0.01)
        return "fetched"

    with Observability.open(tmp_path / "first.db", platform="cli"):
        tracer = trace.get_tracer("some.library")
        decorated = tracer.start_as_current_span("load")(load)
        decorated_async = tracer.start_as_current_span("fetch")(fetch)
    assert decorated() == "untraced"
    with Observability.open(tmp_path / "second.db", platform="cli") as observability:
        assert (decorated(), decorated()) == ("loaded", "loaded")
        assert asyncio.run(decorated_async()) == "fetched"
        assert observability.flush()
        traces = recent_traces(observability.database).traces
    assert sorted(each.name for each in traces) == ["fetch", "load", "load"]
    (fetched,) = [each for each in traces if each.name == "fetch"]
    assert fetched.duration_ns is not None and fetched.duration_ns >= 10_000_000


def test_a_span_of_another_thread_is_hung_under_its_parent(observability: Observability) -> None:
    with observability.span("turn", channel="C9") as root:

        def work() -> None:
            with observability.span("agent", parent=root):
                pass

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    turn, agent = only_trace(observability)
    assert (agent.parent_id, agent.channel) == (turn.span_id, "C9")


def test_traceparent_hangs_a_process_under_its_caller(db_path: Path) -> None:
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    environ = {"TRACEPARENT": header}
    with Observability.open(db_path, platform="cli", environ=environ) as observability:
        with observability.span("child"):
            pass
        (span,) = only_trace(observability)
        (summary,) = recent_traces(observability.database).traces
    assert (span.trace_id, span.parent_id) == tuple(header.split("-")[1:3])
    assert (summary.name, summary.status) == ("child", "ok")


def test_a_message_hangs_under_no_program_that_started_the_bot(db_path: Path) -> None:
    environ = {"TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    with Observability.open(db_path, platform="slack", environ=environ) as observability:
        for audience in ("T1", "T1/C2"):
            with observability.span("slack message", audience=audience):
                pass
        observability.flush()
        traces = recent_traces(observability.database).traces
    assert {trace.audience for trace in traces} == {"T1", "T1/C2"}


@pytest.mark.parametrize("header", ["", "rubbish", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_traceparent_that_is_none_begins_a_trace(db_path: Path, header: str) -> None:
    environ = {"TRACEPARENT": header}
    with Observability.open(db_path, platform="cli", environ=environ) as observability:
        with observability.span("root"):
            pass
        assert only_trace(observability)[0].parent_id is None


@pytest.mark.usefixtures("db_path")  # Of a file, also with `--postgres`.
def test_secrets_are_not_stored(observability: Observability) -> None:
    token = "xoxb-" + "123456789012-1234567890123-" + "abcdefghijklmnopqrstuvwx"
    with observability.span(f"run {token}", text=f"use {token}", password="hunter2") as span:
        span.event("said", words=token)
        span.fail("refused", f"bad {token}")
    observability.log_structured("error", f"lost {token}", {"token": token})
    assert observability.flush()
    observability.database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    dump = [
        str(row)
        for table in ("spans", "traces", "logs", "rollups", "facts")
        for row in observability.database.execute_sql(f"SELECT * FROM {table}").fetchall()
    ]
    assert token not in "".join(dump)
    assert "hunter2" not in "".join(dump)


def test_max_tokens_stays_whole(observability: Observability) -> None:
    with observability.span("call", max_tokens=4096, request="max_tokens: 4096"):
        pass
    (span,) = only_trace(observability)
    assert span.attributes == {"max_tokens": 4096, "request": "max_tokens: 4096"}


def test_what_no_database_takes_is_stored_in_its_place(observability: Observability) -> None:
    with observability.span("odd", agent="a\ud800b\0", note="\ud800", input_tokens=2**70) as span:
        span.set(thing=object(), nested={"bytes": b"\xff", 3: float("nan")})
    (stored,) = only_trace(observability)
    assert stored.agent is not None and stored.agent.startswith("a")
    assert stored.input_tokens is None
    assert set(stored.attributes) == {"note", "thing", "nested"}


def test_metrics_logs_and_scores_are_stored_with_their_trace(
    observability: Observability,
) -> None:
    with observability.span("turn") as span:
        observability.record_metric("queue.depth", 3, labels={"agent": "claude"})
        observability.log_structured("warning", "slow first token", {"ms": 5200})
        observability.record_score(span.trace_id, name="user_feedback", user="U1", value=1.0)
    observability.flush()
    database = observability.database
    (metric,) = MetricRow.select().dicts().execute(database)
    assert (metric["name"], metric["value"], metric["trace_id"]) == (
        "queue.depth",
        3.0,
        span.trace_id,
    )
    (score,) = scores_of(database, [span.trace_id])
    assert (score.user, score.value, score.thumb) == ("U1", 1.0, "up")
    (log,) = LogRow.select().dicts().execute(database)
    assert (log["level"], log["span_id"]) == ("warning", span.span_id)
    observability.record_score(span.trace_id, name="user_feedback", user="U1", value=None)
    observability.flush()
    assert scores_of(database, [span.trace_id]) == []


def test_logging_warnings_are_stored_with_their_trace(observability: Observability) -> None:
    handler = LogHandler(observability)
    logger = logging.getLogger("somewhere")
    logger.addHandler(handler)
    try:
        with observability.span("turn") as span:
            logger.warning("disk %s", "nearly full")
            logger.info("not kept")
    finally:
        logger.removeHandler(handler)
    observability.flush()
    (log,) = LogRow.select().dicts().execute(observability.database)
    assert (log["message"], log["trace_id"]) == ("disk nearly full", span.trace_id)


def test_spans_of_a_killed_process_are_abandoned_at_the_next_start(db_path: Path) -> None:
    script = (
        "import os, signal\n"
        "from storage import Observability\n"
        f"observability = Observability.open({str(db_path)!r}, platform='cli')\n"
        "observability.start_span('never ends')\n"
        "assert observability.flush(30)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    with Observability.open(db_path, platform="cli") as observability:
        (summary,) = recent_traces(observability.database).traces
        assert (summary.status, summary.error_count, summary.span_count) == ("abandoned", 1, 1)


def test_spans_of_a_living_process_are_left_running(db_path: Path) -> None:
    with Observability.open(db_path, platform="cli") as observability:
        span = observability.start_span("still going")
        observability.flush()
        with Observability.open(db_path, platform="cli") as second:
            (summary,) = recent_traces(second.database).traces
            assert summary.status == "running"
        observability.end_span(span)


def test_one_process_may_record_twice_into_a_database(db_path: Path) -> None:
    for name in ("first", "second"):
        with Observability.open(db_path, platform="cli") as observability:
            with observability.span(name):
                pass
            assert observability.flush()
    with Observability.open(db_path, platform="cli") as observability:
        names = {trace.name for trace in recent_traces(observability.database).traces}
    assert names == {"first", "second"}


def test_recording_into_a_database_that_went_away_raises_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "t.db"
    with Observability.open(path, platform="slack") as observability:
        with observability.span("one"):
            pass
        assert observability.flush()
        observability.database.execute_sql("DROP TABLE spans")
        with observability.span("two"):
            pass
        assert not observability.flush(0.5)


def test_exit_flushes_what_was_recorded(db_path: Path) -> None:
    script = (
        "from storage import Observability\n"
        f"observability = Observability.open({str(db_path)!r}, platform='cli')\n"
        "for number in range(500):\n"
        "    with observability.span(f'span {number}'): pass\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    database = open_database(db_path)
    try:
        assert database.execute_sql("SELECT count(*) FROM spans").fetchone()[0] == 500
    finally:
        database.close()


def test_the_default_database_is_in_the_users_data_directory(tmp_path: Path) -> None:
    environ = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    environ.pop("TRACEBOT_DATABASE_URL", None)
    script = (
        "from storage import Observability\n"
        "with Observability.open(platform='cli') as observability:\n"
        "    print(observability.database.database)\n"
    )
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
    assert Path(run.stdout.strip()) == tmp_path / "data" / "tracebot" / "tracebot.db"


def test_a_list_shows_the_text_that_a_question_has_at_its_end(
    observability: Observability,
) -> None:
    with observability.span("slack message", text="ask @U1") as root:
        with observability.span("reply", text="an answer"):
            assert observability.flush()
        root.set(text="ask @ann")
    assert observability.flush()
    (trace,) = recent_traces(observability.database).traces
    assert trace.text == "ask @ann"
