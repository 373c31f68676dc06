"""Recording never raises into its caller, whatever it is given and whatever its database does."""

import inspect
import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from random import Random

import pytest

from storage import Observability
from storage.database.connect import connect
from storage.database.models import LogRow, MetricRow, SpanRow
from storage.model.span import Span
from storage.queries.traces import recent_traces, trace_spans
from storage.store.spool_files import spool_folder
from tests.support.anything import VERBS, Odd, OddError, call_something

CALLS = 30
SEEDS = 40
THREADS = 3
LOST = ("refused part of a batch", "could not be stored and was dropped", "could not be converted")


class Losses(logging.Handler):
    """Collect what the writer says that it lost."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if any(sentence in text for sentence in LOST):
            self.said.append(text)


@pytest.fixture(scope="module")
def losses() -> Iterator[Losses]:
    handler = Losses()
    logger = logging.getLogger("tracebot.storage")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, losses: Losses) -> Iterator[Observability]:
    path = tmp_path_factory.mktemp("anything") / "t.db"
    with Observability.open(path, platform="cli") as observability:
        yield observability


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_no_verb_raises_whatever_it_is_given(recording: Observability, verb: str) -> None:
    # Not Hypothesis: a call chooses so often that it finds its data too large, and a seed that it
    # draws cannot be made simpler.
    for seed in range(SEEDS):
        call_something(recording, verb, Random(f"{verb} {seed}"))


def test_odd_values_cost_nothing_but_themselves(recording: Observability, losses: Losses) -> None:
    assert_well(recording, losses)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    database = connect(path)
    database.execute_sql("BEGIN IMMEDIATE")
    yield
    database.rollback()
    database.close()


@contextmanager
def deleted(path: Path) -> Iterator[None]:
    path.unlink()
    yield


@contextmanager
def moved_with_its_folder(path: Path) -> Iterator[None]:
    elsewhere = path.parent.with_name("elsewhere")
    path.parent.rename(elsewhere)
    yield
    if not path.parent.exists():
        elsewhere.rename(path.parent)


@contextmanager
def without_a_spool(path: Path) -> Iterator[None]:
    """Lock the database while a file is where the spool's folder should be."""
    folder = spool_folder(path)
    if folder.is_dir():
        folder.rename(folder.with_name("spool before"))
    folder.touch()
    with locked(path):
        yield
    folder.unlink()


@pytest.mark.parametrize("weather", [locked, deleted, moved_with_its_folder, without_a_spool])
def test_threads_record_while_the_database_comes_and_goes(
    db_path: Path, losses: Losses, weather: Callable[[Path], AbstractContextManager[None]]
) -> None:
    def call(seed: int) -> None:
        random = Random(seed)
        for _ in range(CALLS):
            call_something(observability, random.choice(sorted(VERBS)), random)

    folder = db_path.parent / "a folder"
    folder.mkdir()
    path = folder / "t.db"
    with Observability.open(path, platform="cli", busy_timeout_ms=50) as observability:
        assert observability.flush(30)
        with weather(path), ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(call, range(THREADS)))
        assert_well(observability, losses)


def assert_well(observability: Observability, losses: Losses) -> None:
    with observability.span("witness"):
        pass
    assert observability.flush(60)
    stored = SpanRow.select().where(SpanRow.name == "witness").count(observability.database)
    assert (stored, losses.said) == (1, [])


def only_span(observability: Observability) -> Span:
    assert observability.flush(30)
    (summary,) = recent_traces(observability.database).traces
    (span,) = trace_spans(observability.database, summary.trace_id)
    return span


def test_attributes_may_have_any_name(observability: Observability) -> None:
    with observability.span("call", **{"self": 1, "name": "ann", "1": 2}) as span:
        span.set(self=3, agent="claude")
        span.event("asked", name="bob", self="me")
        span.set_attributes({2: "two"})  # type: ignore[dict-item]
    found = only_span(observability)
    assert (found.name, found.agent) == ("call", "claude")
    assert found.attributes == {"self": 3, "name": "ann", "1": 2, "2": "two"}
    assert found.events[0]["attributes"] == {"name": "bob", "self": "me"}


def test_an_odd_value_costs_only_itself(observability: Observability) -> None:
    with observability.span("call", odd=Odd(), parts=[1, Odd()], agent="claude", kind="big"):  # type: ignore[arg-type]
        pass
    found = only_span(observability)
    assert (found.agent, found.kind) == ("claude", "internal")
    assert found.attributes == {"odd": "[unreadable]", "parts": [1, "[unreadable]"]}


def test_a_value_is_stored_as_it_was_when_it_was_set(observability: Observability) -> None:
    messages = ["hello"]
    with observability.span("call", messages=messages):
        messages.append("later")
    assert only_span(observability).attributes == {"messages": ["hello"]}


def test_an_exception_whose_text_cannot_be_read_is_recorded_and_goes_on(
    observability: Observability,
) -> None:
    error = OddError()
    with pytest.raises(OddError) as caught, observability.span("call"):
        raise error
    assert caught.value is error
    found = only_span(observability)
    assert (found.status, found.error_type) == ("error", "OddError")
    assert found.error_message == "[unreadable]"
    assert found.events[0]["attributes"]["exception.message"] == "[unreadable]"


@pytest.mark.parametrize("number", [10**400, -1, 2**63], ids=["huge", "negative", "large"])
def test_a_number_that_is_not_a_count_is_refused_and_nothing_else_is_lost(
    observability: Observability, losses: Losses, number: int
) -> None:
    observability.count("tracebot.refused", "x", number)
    assert_well(observability, losses)


def test_spans_end_where_the_stack_does(observability: Observability) -> None:
    def down(depth: int) -> None:
        with observability.span(f"{depth}"):
            down(depth + 1)

    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 150)
    try:
        with pytest.raises(RecursionError), observability.span("top"):
            down(0)
    finally:
        sys.setrecursionlimit(usual)
    assert observability.flush(60)
    running = SpanRow.select(SpanRow.name).where(SpanRow.status == "running")
    names = [row.name for row in running.execute(observability.database)]
    assert len(names) <= 2, names  # The call that fails may be that which ends a span.


def test_a_level_may_be_a_number_of_logging(observability: Observability) -> None:
    observability.log_structured(30, "slow")
    observability.record_metric("queue.depth", "x")  # type: ignore[arg-type]
    observability.record_metric("queue.depth", float("nan"))
    observability.record_metric("queue.depth", 3, labels={"agent": 1})  # type: ignore[dict-item]
    assert observability.flush(30)
    (log,) = LogRow.select().execute(observability.database)
    (metric,) = MetricRow.select().execute(observability.database)
    assert (log.level, metric.value, metric.labels) == ("warning", 3.0, '{"agent":"1"}')
