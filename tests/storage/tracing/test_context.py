"""Which span is the parent: in threads, tasks, generators and decorated functions."""

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.context import attach, detach
from peewee import Database

from storage import Observability
from storage.database.models import SpanRow
from tests.support.sdk_process import run


def tree(database: Database) -> dict[str, str | None]:
    """Return the name of each span's parent."""
    rows = list(SpanRow.select().execute(database))
    names = {row.span_id: row.name for row in rows}
    return {row.name: names.get(row.parent_id) for row in rows}


def stored(observability: Observability) -> dict[str, str | None]:
    assert observability.flush(30)
    return tree(observability.database)


def test_a_thread_of_a_pool_has_the_context_that_it_is_given(observability: Observability) -> None:
    def work(name: str) -> None:
        with observability.span(name):
            pass

    with observability.span("turn"), ThreadPoolExecutor(1) as pool:
        pool.submit(work, "apart").result()
        pool.submit(contextvars.copy_context().run, work, "within").result()
    assert stored(observability) == {"turn": None, "apart": None, "within": "turn"}


def test_tasks_have_the_context_in_which_they_are_made(observability: Observability) -> None:
    async def work(name: str) -> None:
        with observability.span(name):
            await asyncio.sleep(0)
            with observability.span(f"in {name}"):
                await asyncio.sleep(0)

    async def both() -> None:
        with observability.span("turn"):
            await asyncio.gather(work("a"), work("b"))

    asyncio.run(both())
    assert stored(observability) == {
        "turn": None,
        "a": "turn",
        "b": "turn",
        "in a": "a",
        "in b": "b",
    }


def test_an_asynchronous_generator_may_be_closed_by_another_task(
    observability: Observability, caplog: pytest.LogCaptureFixture
) -> None:
    async def answers() -> AsyncIterator[int]:
        with observability.span("stream"):
            yield 1
            yield 2

    async def take_one() -> None:
        stream = answers()
        assert await asyncio.create_task(anext(stream)) == 1  # type: ignore[arg-type]
        await stream.aclose()  # type: ignore[attr-defined]

    with caplog.at_level(logging.WARNING):
        asyncio.run(take_one())
    assert stored(observability) == {"stream": None}
    assert caplog.text == ""


def test_what_follows_a_generator_that_another_task_has_closed_is_no_part_of_it(
    observability: Observability,
) -> None:
    tracer = trace.get_tracer("library")
    closed = asyncio.Event()

    async def inner(number: int) -> AsyncIterator[int]:
        try:
            with observability.span(f"inner {number}"):
                yield 1
        finally:
            closed.set()

    async def answers(number: int) -> AsyncIterator[int]:
        with tracer.start_as_current_span(f"answer {number}"):
            async for each in inner(number):
                yield each

    async def take_the_first_of_each() -> None:
        for number in range(3):
            stream = answers(number)
            await anext(stream)
            # As the event loop does with one that is not taken to its end, such as the inner one.
            await asyncio.create_task(stream.aclose())  # type: ignore[attr-defined]
            await closed.wait()
            closed.clear()
            with observability.span(f"after {number}"):
                await asyncio.sleep(0)

    asyncio.run(take_the_first_of_each())
    roots = {f"{name} {number}": None for name in ("answer", "after") for number in range(3)}
    inner_spans = {f"inner {number}": f"answer {number}" for number in range(3)}
    assert stored(observability) == {**roots, **inner_spans}


def test_a_decorated_generator_is_recorded_to_its_end_and_not_around_its_loop(
    observability: Observability,
) -> None:
    tracer = trace.get_tracer("library")

    @tracer.start_as_current_span("count")
    def count() -> Iterator[int]:
        for number in range(2):
            with observability.span(f"make {number}"):
                sent = yield number
                assert sent is None
        return "done"

    @tracer.start_as_current_span("stream")
    async def stream() -> AsyncIterator[int]:
        with observability.span("read"):
            yield 1

    async def take_all() -> None:
        async for _ in stream():
            assert trace.get_current_span() is trace.INVALID_SPAN

    for number in count():
        with observability.span(f"take {number}"):
            pass
    asyncio.run(take_all())
    found = stored(observability)
    assert found == {
        "count": None,
        "make 0": "count",
        "make 1": "count",
        "take 0": None,
        "take 1": None,
        "stream": None,
        "read": "stream",
    }


def test_a_decorated_generator_is_told_of_errors_and_of_its_end(
    observability: Observability,
) -> None:
    seen: list[str] = []

    @trace.get_tracer("library").start_as_current_span("echo")
    def echo() -> Iterator[str]:
        try:
            got = yield "first"
            yield f"got {got}"
        except ValueError as error:
            seen.append(str(error))
            yield "caught"
        finally:
            seen.append("closed")

    generator = echo()
    assert (next(generator), generator.send("x")) == ("first", "got x")  # type: ignore[attr-defined]
    assert generator.throw(ValueError("no")) == "caught"  # type: ignore[attr-defined]
    generator.close()  # type: ignore[attr-defined]
    assert seen == ["no", "closed"]
    assert observability.flush(30)
    (row,) = SpanRow.select().execute(observability.database)
    assert row.status == "cancelled"


def test_decorators_that_are_made_before_any_recording_is_open_record(
    db_path: Path, database: Database
) -> None:
    run(
        db_path,
        """
import asyncio
tracer = trace.get_tracer("library")

@tracer.start_as_current_span("plain")
def plain(): pass

@tracer.start_as_current_span("coroutine")
async def coroutine(): pass

for name in ("first", "second"):
    with Observability.open(sys.argv[1], platform="cli") as observability:
        with observability.span(name):
            plain()
            asyncio.run(coroutine())
""",
    )
    names = sorted(row.name for row in SpanRow.select().execute(database))
    assert names == [*["coroutine"] * 2, "first", *["plain"] * 2, "second"]


def test_a_context_of_the_caller_stays_around_a_span(observability: Observability) -> None:
    from opentelemetry.baggage import get_baggage, set_baggage

    token = attach(set_baggage("tenant", "acme"))
    with observability.span("turn"):
        assert get_baggage("tenant") == "acme"
    assert get_baggage("tenant") == "acme"
    detach(token)
