"""Convert spans to rows: redact secrets, make text storable, and encode values as JSON.

Hardly any span holds a secret, so a whole batch is searched as one text: RE2 reads hundreds of
megabytes a second, but takes microseconds to start. A span in which that search finds something, or
whose values are not plain, takes the slow path: `storage.model.redaction` value by value.
"""

import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from operator import attrgetter, itemgetter
from typing import Any

import orjson

from storage.model.redaction import (
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_TEXT,
    VALUES,
    redact,
    redact_name,
    redact_value,
    suspicious,
)
from storage.model.span import Span
from storage.model.text import MAX_KEY, as_key, storable

JSON_FIELDS = ("attributes", "events", "links")
NOT_STORED = ("entry", "received")
PLAIN_FIELDS = tuple(
    item.name for item in fields(Span) if item.name not in (*JSON_FIELDS, *NOT_STORED)
)
SPAN_FIELDS = (*PLAIN_FIELDS, *JSON_FIELDS)

TEXT_FIELDS = ("name", "text", "error_message", "scope")
NAME_FIELDS = (
    *("platform", "channel", "thread_ts", "message_ts", "user", "agent", "team"),
    *("configured_provider", "provider", "model", "cost_source", "decision", "reason"),
    "error_type",
)
"""Texts by which traces and statistics are looked up."""
KEPT_FIELDS = ("audience",)
"""Texts that are only made storable: who may see a span never changes."""

_plain_values = attrgetter(*PLAIN_FIELDS)
_names = itemgetter(*map(SPAN_FIELDS.index, (*NAME_FIELDS, *KEPT_FIELDS)))
_texts = itemgetter(*map(SPAN_FIELDS.index, (*TEXT_FIELDS, *JSON_FIELDS)))
_ARGUMENTS = re.compile(r'\["[^"]*","')
_VALUE = re.compile(f'"(?:{"|".join(sorted(VALUES))})":')
_OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
"""Values that JSON does not have are refused, and so take the slow path."""


def span_rows(spans: Sequence[Span]) -> list[tuple[Any, ...]]:
    """Return a row for each span, in the order of `SPAN_FIELDS`. Redacts the spans, too."""
    rows = [_plain_values(span) + _structures(span) for span in spans]
    # Most values are those of other spans, too. A set holds each of them once.
    names = set().union(*map(_names, rows))
    texts = names.union(*map(_texts, rows))
    names.discard(None)
    texts.discard(None)
    if to_scrub := _doubtful_among(texts) | {name for name in names if 4 * len(name) > MAX_KEY}:
        for position, row in enumerate(rows):
            if not (to_scrub.isdisjoint(_names(row)) and to_scrub.isdisjoint(_texts(row))):
                rows[position] = _scrubbed(spans[position])
    return rows


def _structures(span: Span) -> tuple[str | None, str | None, str | None]:
    """Return attributes, events and links as JSON, or DOUBTFUL."""
    try:
        return (
            _plain(span.attributes) if span.attributes else None,
            _plain(span.events) if span.events else None,
            _plain(span.links) if span.links else None,
        )
    except (TypeError, ValueError):
        return DOUBTFUL


DOUBTFUL = ("\\", None, None)
"""Stands for values that are not plain."""


def _plain(value: object) -> str:
    """Return JSON in which each string is unchanged, so that a secret in it can be recognised.

    Raises ValueError if it is deep or long.
    """
    text = orjson.dumps(value, None, _OPTIONS).decode()
    # Most have no other brace than the first, which is found faster than braces are counted.
    nested = "[" in text or text.rfind("{") > 0
    deep = nested and text.count("{") + text.count("[") > MAX_DEPTH
    if deep or (len(text) > MAX_ITEMS and text.count(",") >= MAX_ITEMS):
        raise ValueError("deep or long")
    # A search of the text cannot tell names that come after their values, and command lines.
    if nested and (_VALUE.search(text) or (_ARGUMENTS.search(text) and suspicious(_joined(text)))):
        raise ValueError("perhaps a secret")
    return text


def _joined(text: str) -> str:
    return text.replace('","', " ")


def _doubtful(text: str) -> bool:
    """Return True if the text may hold a secret, an escape that hides one, or a lost number."""
    return "\\" in text or "null" in text or suspicious(text)


def _doubtful_among(texts: Collection[str]) -> set[str]:
    """Return the texts that may hold a secret, or are too long. Mostly there are none."""
    if _doubtful("\n".join(texts)) or max(map(len, texts), default=0) > MAX_TEXT:
        return {text for text in texts if len(text) > MAX_TEXT or _doubtful(text)}
    return set()


def _scrubbed(span: Span) -> tuple[Any, ...]:
    scrub(span)
    structures = (as_json(span.attributes), as_json(span.events), as_json(span.links))
    return *_plain_values(span), *structures


def scrub(span: Span) -> None:
    """Redact every field of the span that came from outside."""
    for names, clean in CLEANED:
        for name in names:
            if value := getattr(span, name):
                setattr(span, name, clean(value))


def _kept(text: str) -> str:
    return as_key(storable(text), most=2 * MAX_KEY)  # An audience is two names, see `own_audience`.


CLEANED: tuple[tuple[tuple[str, ...], Callable[[Any], object]], ...] = (
    (TEXT_FIELDS, redact),
    (NAME_FIELDS, redact_name),
    (KEPT_FIELDS, _kept),
    (JSON_FIELDS, redact_value),
)


def as_json(value: Any) -> str | None:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) if value else None
