"""What libraries log is stored, whatever they pass to `logging`."""

import logging
from collections.abc import Iterator

import pytest

from storage import Observability
from storage.database.models import LogRow
from storage.recording.log_handler import LogHandler


@pytest.fixture
def handler(observability: Observability) -> Iterator[LogHandler]:
    handler = LogHandler(observability)
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def stored(observability: Observability) -> list[str]:
    assert observability.flush()
    rows = LogRow.select(LogRow.message).order_by(LogRow.recorded_at).tuples()
    return [message for (message,) in rows.execute(observability.database)]


@pytest.mark.usefixtures("handler")
def test_a_message_that_does_not_fit_its_arguments_is_stored_unformatted(
    observability: Observability, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)  # For pytest's own handlers.
    logging.getLogger("library").warning("%d rows", "many")
    assert stored(observability) == ["%d rows"]


@pytest.mark.usefixtures("handler")
def test_what_the_storage_logs_is_not_stored(observability: Observability) -> None:
    logging.getLogger("tracebot.storage.writer").warning("The disk is full.")
    logging.getLogger("library").warning("another line")
    assert stored(observability) == ["another line"]
