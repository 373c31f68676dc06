"""Convert spans to rows: redact secrets, and encode structured values as JSON.

Hardly any span holds a secret, so a whole batch is searched as one text: RE2 reads hundreds of
megabytes a second, but takes microseconds to start. A span in which that search finds something, or
whose values are not plain, takes the slow path: `storage.model.redaction` value by value.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

import orjson

from storage.model.redaction import MAX_DEPTH, MAX_ITEMS, MAX_TEXT, redact, redact_value, suspicious
from storage.model.span import Span

JSON_FIELDS = ("attributes", "events", "links")
NOT_STORED = ("entry", "received")
PLAIN_FIELDS = tuple(
    item.name for item in fields(Span) if item.name not in (*JSON_FIELDS, *NOT_STORED)
)
SPAN_FIELDS = (*PLAIN_FIELDS, *JSON_FIELDS)

TEXT_FIELDS = (
    *("name", "text", "error_message", "thread_ts", "message_ts"),
    *("platform", "channel", "user", "agent", "configured_provider", "provider", "model"),
    *("decision", "reason", "error_type", "scope", "team"),
)

_plain_values = attrgetter(*PLAIN_FIELDS)
_texts = attrgetter(*TEXT_FIELDS)
_OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
"""Values that JSON does not have are refused, and so take the slow path."""


def span_rows(spans: Sequence[Span]) -> list[tuple[Any, ...]]:
    """Return a row for each span, in the order of `SPAN_FIELDS`. Redacts the spans, too."""
    structures = list(map(_structures, spans))
    # Most values are those of other spans, too. A set holds each of them once.
    texts = set().union(*map(_texts, spans), *structures) - {None}
    if to_scrub := _doubtful_among(texts):
        for position, span in enumerate(spans):
            if not to_scrub.isdisjoint((*_texts(span), *structures[position])):
                structures[position] = _scrubbed(span)
    return [
        _plain_values(span) + structure for span, structure in zip(spans, structures, strict=True)
    ]


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
    deep = text.count("{") + text.count("[") > MAX_DEPTH
    if deep or (len(text) > MAX_ITEMS and text.count(",") >= MAX_ITEMS):
        raise ValueError("deep or long")
    return text


def _doubtful(text: str) -> bool:
    """Return True if the text may hold a secret, an escape that hides one, or a lost number."""
    return "\\" in text or "null" in text or suspicious(text)


def _doubtful_among(texts: Collection[str]) -> set[str]:
    """Return the texts that may hold a secret, or are too long. Mostly there are none."""
    if _doubtful("\n".join(texts)) or max(map(len, texts), default=0) > MAX_TEXT:
        return {text for text in texts if len(text) > MAX_TEXT or _doubtful(text)}
    return set()


def _scrubbed(span: Span) -> tuple[str | None, str | None, str | None]:
    scrub(span)
    return as_json(span.attributes), as_json(span.events), as_json(span.links)


def scrub(span: Span) -> None:
    """Redact every field of the span that came from outside."""
    for name in TEXT_FIELDS:
        text = getattr(span, name)
        if text is not None:
            setattr(span, name, redact(text))
    if span.attributes:
        span.attributes = redact_value(span.attributes)
    if span.events:
        span.events = redact_value(span.events)
    if span.links:
        span.links = redact_value(span.links)


def as_json(value: Any) -> str | None:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) if value else None
