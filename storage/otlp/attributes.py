"""Read the attributes of an OTLP message: to columns, to conventional names, or to nothing.

In: protobuf messages with attributes, and the `Scope` that they were sent in, by `scope`. Out: the
values of columns, and a dict of the remaining attributes. Used by `storage.otlp.items`, which is
next.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeVar

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from storage.model.prices import COSTS, take_reported_cost
from storage.model.redaction import redact, redacted_start
from storage.model.semconv import (
    CACHE_WRITE,
    CONTENT,
    CONTENT_ENDINGS,
    CONTENT_PREFIXES,
    DOLLARS,
    DROPPED_ATTRIBUTES,
    ENTITY,
    EXECUTE_TOOL,
    INTEGERS,
    INVOKE_AGENT,
    LEVEL,
    LEVEL_MESSAGE,
    NAMELESS,
    OPERATION,
    OPERATIONS,
    REASONING,
    RECEIVED,
    RENAMED,
    RESPONSE_ID,
    TOOL_NAME,
    TOTAL,
    is_older,
    usage_name,
)
from storage.model.text import storable
from storage.model.token_counts import DETAILS, count_of, detailed_tokens, whole_usage
from storage.otlp.losses import INVALID_VALUE, NO_NAME, TOO_MANY_ATTRIBUTES
from storage.otlp.scope import OURS, Becomes, Capture, Placed, Scope, Target
from storage.otlp.sources import Source

T = TypeVar("T")

MAX_ATTRIBUTES = 256
"""Attributes of an item that are kept besides those in ALWAYS, and those that fill a column."""

MAX_REMEMBERED = 4_096
MAX_REMEMBERED_BYTES = 256
"""The number of different attributes of a scope that are remembered, and their greatest length."""

MAX_NAME = 1_000

LAST_WORD = re.compile("[.:]")

NOTHING: Placed = ("nothing", "", None)

NAMES = ("provider", "model", "agent")

FIGURES = COSTS | DETAILS

FAILED = "failed"
"""Among the columns of a span that failed without a status that says so."""

NOT_ALONE = FIGURES | {LEVEL}
"""Attributes that become, or are read with, several others."""

ALWAYS = NOT_ALONE | {
    *RENAMED.values(),
    *(CACHE_WRITE, REASONING, TOTAL, RESPONSE_ID, ENTITY, LEVEL_MESSAGE),
}
"""Attributes that are kept however many others come first: they are counted, or looked for."""


def _target(scope: Scope, name: str) -> Target:
    if not name:
        scope.losses.cut(NO_NAME)
        return "nothing", ""
    found = scope.targets.get(name)
    if found is None:
        found = scope.targets[name] = _find_target(scope.source, name)
    return found


@lru_cache(maxsize=8_192)
def _find_target(source: Source, name: str) -> Target:
    if not name or name.startswith(OURS) or source.ignores(name):
        return "nothing", name
    renamed = source.renamed.get(name)
    conventional = renamed or RENAMED.get(name) or usage_name(name)
    if conventional in RECEIVED:
        return "older" if is_older(renamed or name) else "column", RECEIVED[conventional]
    if name in CONTENT or name.startswith(CONTENT_PREFIXES):
        return "content", conventional
    return "words" if LAST_WORD.split(name)[-1] in CONTENT_ENDINGS else "rest", conventional


def read_attributes(sent: Any, scope: Scope) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of columns, and the rest. `sent` are `KeyValue`s as bytes.

    A request spends most of its time here. Most attributes are equal to earlier ones of the
    request, and are remembered as what has become of them.
    """
    columns: dict[str, Any] = {}
    rest: dict[str, Any] = dict(scope.facts)
    number = len(sent)
    scope.request.add_values(number)
    if number > MAX_ATTRIBUTES:
        sent = _fitting(sent, lambda pair: scope.decoded(pair, KeyValue).key, rest, scope)
    remembered = scope.remembered
    for pair in sent:
        becomes, name, value = remembered.get(pair) or _read_pair(pair, scope)
        if becomes == "rest":
            rest[name] = value
        elif becomes == "column" or (becomes == "older" and not columns.get(name)):
            columns[name] = value
    _finish(columns, rest, scope)
    return columns, rest


def _read_pair(data: bytes, scope: Scope) -> Placed:
    """Return what becomes of an attribute, and remember it if it is short."""
    cuts = scope.losses.cuts.total()
    pair = scope.decoded(data, KeyValue)
    becomes, name = _target(scope, pair.key)
    value = None if becomes == "nothing" else scope.value_of(pair.value)
    if becomes in ("content", "words"):
        value = _captured(value, scope.capture) if _is_content(becomes, value) else value
        becomes = "rest"
    elif becomes in ("column", "older"):
        sent = value
        if isinstance(sent, str) and pair.key.startswith("mlflow."):
            sent = sent.strip('"')  # MLflow writes each value as JSON.
        value = _column(name, sent)
        if value is None and sent is not None and name in INTEGERS:
            scope.losses.cut(INVALID_VALUE, reason=f"{pair.key} is not a count: {sent!r:.40}")
        if value == 0:  # It hides no count of another name.
            becomes = "older"
    placed: Placed = NOTHING if value is None else (becomes, name, value)
    # Lists and mappings are not shared between spans, and what was cut is counted each time.
    if (
        len(data) <= MAX_REMEMBERED_BYTES
        and len(scope.remembered) < MAX_REMEMBERED
        and not isinstance(value, list | dict)
        and scope.losses.cuts.total() == cuts
    ):
        scope.remembered[data] = placed
    return placed


def _fitting(
    pairs: Iterable[T], key_of: Callable[[T], str], rest: dict[str, Any], scope: Scope
) -> list[T]:
    """Return the attributes to keep of too many, and note in `rest` how many are left out.

    OpenInference writes each message as several attributes, and the model and tokens last.
    """
    kept: list[T] = []
    others: list[T] = []
    for pair in pairs:
        becomes, name = _target(scope, key_of(pair))
        if becomes in ("column", "older") or name in ALWAYS or name.startswith("exception."):
            kept.append(pair)
        elif becomes != "nothing":
            others.append(pair)
    if (left_out := len(others) - MAX_ATTRIBUTES) > 0:
        rest[DROPPED_ATTRIBUTES] = left_out
        scope.losses.cut(TOO_MANY_ATTRIBUTES, left_out)
    return kept + others[:MAX_ATTRIBUTES]


def _finish(columns: dict[str, Any], rest: dict[str, Any], scope: Scope) -> None:
    """Add what depends on more than one attribute."""
    source = scope.source
    if not NOT_ALONE.isdisjoint(rest):
        _take_figures(columns, rest, scope)
        if rest.get(LEVEL) == "ERROR":
            columns[FAILED] = True
            message = _column("error_message", rest.get(LEVEL_MESSAGE))
            columns |= {"error_type": "error", "error_message": message} | columns
    if columns.get("input_tokens") is not None:
        _complete(columns, rest, source)
    if (operation := rest.get(OPERATION)) is not None:
        kind = str(operation).upper().strip('"')  # MLflow writes each value as JSON.
        rest[OPERATION] = OPERATIONS.get(kind, operation)
        if not rest[OPERATION]:
            del rest[OPERATION]
        elif ENTITY in rest:
            _name_entity(columns, rest)
    if source.agent is not None:
        columns.setdefault("agent", source.agent)


def _name_entity(columns: dict[str, Any], rest: dict[str, Any]) -> None:
    if rest[OPERATION] == EXECUTE_TOOL:
        rest.setdefault(TOOL_NAME, rest.pop(ENTITY))
    elif rest[OPERATION] == INVOKE_AGENT:
        columns.setdefault("agent", _column("agent", rest.pop(ENTITY)))


def _take_figures(columns: dict[str, Any], rest: dict[str, Any], scope: Scope) -> None:
    """Take tokens by kind, and the cost."""
    for name, tokens in detailed_tokens(rest).items():
        found = columns if name in INTEGERS else rest
        found[name] = found.get(name) or tokens
    named = DOLLARS.intersection(rest)
    if (cost := take_reported_cost(rest)) is not None:
        columns |= {"cost": cost, "cost_source": "reported"}
    elif named:
        scope.losses.cut(INVALID_VALUE, reason=f"{min(named)} is not a number of dollars")


def _complete(columns: dict[str, Any], rest: Mapping[str, Any], source: Source) -> None:
    columns["input_tokens"], output_tokens = whole_usage(
        columns["input_tokens"],
        columns.get("output_tokens"),
        cached=columns.get("cached_tokens") or 0,
        written=count_of(rest.get(CACHE_WRITE)) or 0,
        thoughts=count_of(rest.get(REASONING)) or 0,
        total=count_of(rest.get(TOTAL)),
        excludes_cache=source.input_excludes_cache,
    )
    if output_tokens is not None:
        columns["output_tokens"] = output_tokens


def read_details(pairs: Any, scope: Scope) -> dict[str, Any]:
    """Return the attributes of an item without columns, under the names they were sent with."""
    details: dict[str, Any] = {}
    number = len(pairs)
    scope.request.add_values(number)
    if number > MAX_ATTRIBUTES:
        pairs = _fitting(pairs, attrgetter("key"), details, scope)
    for pair in pairs:
        becomes, _ = _target(scope, pair.key)
        value = scope.value_of(pair.value)
        if _is_content(becomes, value):
            keep_content(details, pair.key, value, scope)
        elif becomes != "nothing" and value is not None:
            details[pair.key] = value
    return details


def keep_content(rest: dict[str, Any], name: str, value: Any, scope: Scope) -> None:
    if (kept := _captured(value, scope.capture)) is not None:
        rest[name] = kept


def _is_content(becomes: Becomes, value: Any) -> bool:
    return becomes == "content" or (becomes == "words" and not isinstance(value, int | float))


def _captured(value: Any, capture: Capture) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # Redacted before it is cut: half a secret would not be recognised.
    return capture(redact(text))


def _column(column: str, value: Any) -> str | int | None:
    if column in INTEGERS:
        return count_of(value)
    if value is None:
        return None
    text = value if type(value) is str else str(value)
    # It must not hide the name of the model that was asked for, which may come first.
    if text in NAMELESS and column in NAMES:
        return None
    return storable(redacted_start(text, MAX_NAME)) or None
