"""Secrets are redacted before anything is cut, whichever way a text comes into the database.

Each test plants a secret across the place at which a text is cut: what is left of it after a cut
would be recognised by nobody.
"""

import io
import logging
import time

import pytest

from bot.cli.terminal import TerminalFormatter
from bot.settings import PREVIEW_LENGTH, Settings
from storage import Observability
from storage.model.batch import Batch
from storage.model.erasure import Erasure
from storage.model.records import Log, Metric, Score
from storage.model.span import Span
from storage.recording.log_handler import LogHandler
from storage.upkeep.erasure import replace_text
from storage.writer.spool import encode
from tests.support.planted import HALF, SECRET, across, dump, without_secret


def across_from_the_end(cut: int) -> str:
    """Return text whose last `cut` characters begin in the middle of a secret."""
    after = ("more words " * cut)[: cut - len(SECRET) + len("ghp_" + HALF) - 1]
    return f"it was {SECRET} {after}"


@pytest.mark.parametrize(
    "column",
    [
        *("agent", "provider", "configured_provider", "model", "decision", "reason", "error_type"),
        *("platform", "channel", "user", "text", "error_message", "cost_source"),
    ],
)
def test_columns_are_searched(observability: Observability, column: str) -> None:
    with observability.span("call", **{column: f"x {SECRET} y", "input_tokens": 3}):
        pass
    without_secret(observability)


def test_names_and_labels_are_searched(observability: Observability) -> None:
    observability.record_metric(f"queue {SECRET}", 1, labels={f"a {SECRET}": f"b {SECRET}"})
    with observability.span(f"call {SECRET}", **{f"key {SECRET}": 1}) as span:
        span.event(f"said {SECRET}", **{f"what {SECRET}": {"deep": [{"er": SECRET}]}})
        observability.log_structured(f"level {SECRET}", f"message {SECRET}", {SECRET: SECRET})
        trace_id = span.trace_id
    observability.record_score(trace_id, name=SECRET, user=SECRET, value=1.0, label=SECRET)
    without_secret(observability)


def test_text_is_redacted_before_it_is_cut(observability: Observability) -> None:
    with observability.span("call", text=across(65_536), note=across(65_536)):
        observability.log_structured("error", across(65_536), {"note": across(65_536)})
    stored = dump(observability)
    assert "characters more]" in stored
    assert HALF[:5] not in stored


def test_a_stack_trace_is_redacted_before_it_is_cut(observability: Observability) -> None:
    def fail(message: str) -> None:
        raise ValueError(message)

    with pytest.raises(ValueError), observability.span("call"):
        fail(across_from_the_end(4_000))
    without_secret(observability)


def test_a_logged_stack_trace_is_redacted_before_it_is_cut(observability: Observability) -> None:
    logger = logging.Logger("app")
    logger.addHandler(LogHandler(observability))
    try:
        raise ValueError(across_from_the_end(4_000))
    except ValueError:
        logger.exception("lost %s", SECRET)
    without_secret(observability)


def test_printed_log_lines_have_no_secrets() -> None:
    printed = io.StringIO()
    handler = logging.StreamHandler(printed)
    handler.setFormatter(TerminalFormatter("%(levelname)s %(message)s"))
    logger = logging.Logger("app")
    logger.addHandler(handler)
    try:
        raise ValueError(f"bad {SECRET}")
    except ValueError:
        logger.exception("lost %s", SECRET)
    assert HALF not in printed.getvalue()
    assert "ValueError: bad [redacted:github_token]" in printed.getvalue()


def test_a_preview_is_redacted_before_it_is_cut(observability: Observability) -> None:
    settings = Settings(_env_file=None, capture="preview")
    preview = settings.captured(across(PREVIEW_LENGTH))
    assert preview is not None
    assert len(preview) == PREVIEW_LENGTH + 1
    assert HALF[:5] not in preview


def test_an_edited_message_is_redacted(observability: Observability) -> None:
    with observability.span("slack message", channel="C1", message_ts="1.0", text="before"):
        pass
    observability.flush()
    edit = Erasure(at=time.time_ns(), by="U1", channel="C1", message_ts="1.0", edited_ts="2.0")
    replace_text(observability.database, edit, f"now {SECRET}")
    without_secret(observability)


def test_the_spool_has_no_secrets() -> None:
    ids = {"trace_id": "a" * 32, "span_id": "b" * 16}
    span = Span(**ids, name="call", started_at=1, agent=SECRET, model=SECRET, scope=SECRET)
    metric = Metric(name=f"queue {SECRET}", value=1, labels={"a": SECRET}, recorded_at=1, **ids)
    log = Log(level=SECRET, message=SECRET, attributes={"a": SECRET}, recorded_at=1, **ids)
    score = Score(trace_id="a" * 32, name="n", user="u", value=1, label=SECRET, recorded_at=1)
    record = encode(Batch("p", 1, spans=[span], metrics=[metric], logs=[log], scores=[score]))
    assert record.count(b"[redacted:github_token]") == 9
    assert HALF.encode() not in record
