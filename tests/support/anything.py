"""Call every verb of the recording with anything at all: values with odd methods, wrong types."""

import enum
import logging
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from opentelemetry import trace

from storage import Observability


class Odd:
    """An object of which every method raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def _raise(self, *arguments: object) -> Any:
        raise RuntimeError("odd")

    __str__ = __repr__ = __len__ = __iter__ = __bool__ = __getitem__ = _raise
    __eq__ = __hash__ = __int__ = __float__ = __index__ = __format__ = _raise


class OddText(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("odd")

    __repr__ = __len__ = __iter__ = lower = encode = __str__  # type: ignore[assignment]


class OddDict(dict[Any, Any]):
    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("odd")

    keys = values = items = copy = get = __len__ = __repr__ = __iter__  # type: ignore[assignment]


class OddList(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("odd")

    __len__ = __repr__ = __getitem__ = __iter__  # type: ignore[assignment]


class OddNumber(int):
    def __int__(self) -> int:
        raise RuntimeError("odd")

    __float__ = __str__ = __repr__ = __index__ = __int__  # type: ignore[assignment]


class OddMapping(Mapping[Any, Any]):
    """A mapping whose names cannot be looked up."""

    def __iter__(self) -> Iterator[Any]:
        return iter(("agent", 1))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, name: object) -> Any:
        raise RuntimeError("odd")


class OddError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("odd")

    __repr__ = __str__


class Colour(enum.Enum):
    RED = {"nested": [1, 2]}


def in_itself() -> list[Any]:
    items: list[Any] = []
    items += [items] * 1_000
    return items


ODD: tuple[Callable[[], Any], ...] = (
    *(Odd, OddError, OddMapping, in_itself),
    *(lambda: OddText("odd"), lambda: OddDict(agent=1), lambda: OddList([1]), lambda: OddNumber(7)),
    *(lambda: (number for number in range(3)), lambda: Odd, object),
    *(lambda: Colour.RED, lambda: bytearray(b"x"), lambda: memoryview(b"x"), lambda: 1j),
    *(lambda: OddText, lambda: KeyboardInterrupt(), lambda: ValueError("no"), lambda: "x" * 70_000),
    *(lambda: 2**70, lambda: -(2**70), lambda: 10**400, lambda: float("nan"), lambda: float("inf")),
    *(lambda: trace.SpanKind.CLIENT, lambda: trace.StatusCode.ERROR, lambda: trace.INVALID_SPAN),
    *(lambda: trace.SpanContext(1, 2, True), lambda: trace.Link(trace.SpanContext(1, 2, True))),
    *(
        lambda: ("0" * 32, "0" * 16),
        lambda: ("a" * 32, "b" * 16),
        lambda: ("", ""),
        lambda: "\ud800",
    ),
    *(lambda: trace.Status(trace.StatusCode.ERROR, "no"), lambda: [Odd()], lambda: {Odd: Odd()}),
    lambda: [trace.Link(Odd(), Odd())],  # type: ignore[arg-type]
)
PLAIN = (None, True, False, 0, -1, 30, 2**40, 0.5, "", "m", "error", "warning", "client", b"x", ())
NAMES = ("self", "name", "1", "", "agent", "input_tokens", "text", "platform", "user", "\ud800")
ERRORS = (OddError, ValueError, KeyboardInterrupt, GeneratorExit, SystemExit)


class Anything:
    """Choose values as `random` says."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def value(self, *, depth: int = 0) -> Any:
        """Return anything at all."""
        kind = self._random.randrange(8 if depth < 3 else 6)
        if kind < 3:
            return self._random.choice(PLAIN)
        if kind < 6:
            return self._random.choice(ODD)()
        inner = [self.value(depth=depth + 1) for _ in range(self._random.randrange(3))]
        return inner if kind == 6 else dict(zip((1, "1", True, "agent"), inner, strict=False))

    def attributes(self) -> dict[str, Any]:
        return {name: self.value() for name in self._random.sample(NAMES, 4)}

    def error(self) -> BaseException:
        return self._random.choice(ERRORS)()


def call_something(observability: Observability, verb: str, random: Random) -> None:
    """Call one of `VERBS` with anything that `random` chooses."""
    VERBS[verb](observability, Anything(random))


def _span(observability: Observability, some: Anything) -> None:
    error = some.error()
    try:
        with observability.span(
            some.value(), kind=some.value(), parent=some.value(), **some.attributes()
        ) as span:
            span.set(**some.attributes())
            raise error
    except BaseException as caught:
        if caught is not error:
            raise AssertionError("The caller's own exception was replaced.") from caught


def _on_a_span(observability: Observability, some: Anything) -> None:
    span = observability.start_span("call", some.value(), ids=some.value())
    span.event(some.value(), **some.attributes())
    span.set_attributes(some.value())
    span.set_attribute(some.value(), some.value())
    span.add_event(some.value(), some.value(), some.value())
    span.link(some.value())
    span.add_link(some.value(), some.value())
    span.update_name(some.value())
    span.set_status(some.value(), some.value())
    span.record_exception(some.value(), some.value(), some.value())
    span.record_failure(some.value())
    span.fail(some.value(), some.value(), status=some.value())
    assert span.traceparent
    assert span.get_span_context().is_valid
    span.end(some.value())
    assert not span.is_recording()


def _without_nesting(observability: Observability, some: Anything) -> None:
    span = observability.start_span(
        some.value(), some.value(), parent=some.value(), started_at=some.value()
    )
    observability.end_span(span, some.value())
    observability.end_span(some.value())


def _library(observability: Observability, some: Anything) -> None:
    tracer = trace.get_tracer("library")
    span = tracer.start_span(
        some.value(),
        kind=some.value(),
        attributes=some.value(),
        links=some.value(),
        start_time=some.value(),
    )
    error = some.error()

    @tracer.start_as_current_span(some.value(), attributes=some.value())
    def work() -> None:
        raise error

    try:
        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            work()
    except BaseException as caught:
        if caught is not error:
            raise AssertionError("The caller's own exception was replaced.") from caught
    span.end(some.value())


def _records(observability: Observability, some: Anything) -> None:
    observability.record_metric(some.value(), some.value(), some.value())
    observability.log_structured(some.value(), some.value(), some.value())
    observability.record_score(
        some.value(),
        name=some.value(),
        user=some.value(),
        value=some.value(),
        label=some.value(),
    )
    observability.count(some.value(), some.value(), some.value())
    observability.receive(some.value())


def _logging(observability: Observability, some: Anything) -> None:
    from storage.recording.log_handler import LogHandler

    record = logging.LogRecord("x", 30, "x", 1, some.value(), (), None)
    record.args = (some.value(),)
    LogHandler(observability).emit(record)


VERBS: dict[str, Callable[[Observability, Anything], None]] = {
    "span": _span,
    "methods of a span": _on_a_span,
    "spans that do not nest": _without_nesting,
    "spans of a library": _library,
    "metrics, logs and scores": _records,
    "logging": _logging,
}
