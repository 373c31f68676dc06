"""Decode OTLP's JSON into protobuf messages, item by item, so that a bad one spoils no other.

In: the body of a request. Out: the same messages as for protobuf, for `storage.otlp.decoder`.
`storage.otlp.json_messages` fills them.
"""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from storage.otlp.json_messages import fill
from storage.otlp.losses import INVALID_TEXT, INVALID_VALUE, Losses, Malformed
from storage.otlp.request import ELSEWHERE, Request, TooManyItems, check_number
from storage.otlp.scope import Envelope

MAX_VALUES = 500_000
"""Values in one body. Each may become a Python object of 60 to 250 bytes."""

MAX_DEPTH = 320
"""How deep JSON may be nested: more than `repair.MAX_DEPTH` messages need, three lists each."""

MAX_DIGITS = 400
"""A number with more is larger than any double."""

VALUES = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[,{\[]', re.DOTALL)
NESTING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
QUOTE = ord('"')


def read_json(
    body: bytes, messages: tuple[Any, Any, Any], parts: tuple[str, str, str], request: Request
) -> Iterator[Envelope]:
    """Yield each scope's items, as messages of three classes: resource, scope and item.

    Raises `TooManyItems`, and `Malformed` if the body is not JSON or does not have the form of
    OTLP, before the first one.
    """
    _check_values(body)
    losses = request.losses
    content = _loaded(body, losses)
    resources, scopes, items = parts
    if not isinstance(content, dict) or not isinstance(_list(content, resources), list):
        raise Malformed(f"an object with a list of {_camel(resources)} was expected")
    if not _list(content, resources):
        # Fields that are not known are ignored, so that all of it would be lost without a word.
        for other, told in ELSEWHERE.items():
            if _list(content, other):
                raise Malformed(told)
    found = [
        (sent, [(scope, [*_objects(scope, items, losses)]) for scope in sent_scopes])
        for sent in _objects(content, resources, losses)
        for sent_scopes in [[*_objects(sent, scopes, losses)]]
    ]
    check_number(sum(len(each) for _, sent_scopes in found for _, each in sent_scopes))
    resource_kind, scope_kind, item_kind = messages
    for sent, sent_scopes in found:
        resource = fill(resource_kind(), {"resource": sent.get("resource")}, losses).resource
        for sent_scope, each in sent_scopes:
            shared = {name: sent_scope.get(name) for name in ("scope", "schemaUrl", "schema_url")}
            scope = fill(scope_kind(), shared, losses)
            yield resource, scope, (fill(item_kind(), item, losses) for item in each)


def _check_values(body: bytes) -> None:
    """Raise `TooManyItems` if the body has too many values, before they are made."""
    if body.count(b",") + body.count(b"{") + body.count(b"[") <= MAX_VALUES:
        return
    # Perhaps it is prose with many commas, so strings are passed over. One match at a time: a copy
    # without them would be made of millions of pieces.
    values = (match for match in VALUES.finditer(body) if match[0][0] != QUOTE)
    if next(islice(values, MAX_VALUES, None), None) is not None:
        raise TooManyItems(f"The body holds more than {MAX_VALUES} values: send fewer at once.")


def _loaded(body: bytes, losses: Losses) -> Any:
    """Parse JSON, with what is not UTF-8 or nested too deeply replaced. Raises `Malformed`."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        losses.cut(INVALID_TEXT)
        text = body.decode("utf-8-sig", "replace")
    try:
        try:
            return json.loads(text, strict=False, parse_int=_integer)
        except RecursionError:  # `fill` counts what is nested too deeply.
            return json.loads(_shallow(text), strict=False, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error) or "it is nested too deeply") from None


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= MAX_DIGITS else float("inf")


def _shallow(text: str) -> str:
    """Return JSON with each list and object that is nested too deeply replaced by null."""
    pieces: list[str] = []
    depth = kept = 0
    for found in NESTING.finditer(text):
        mark = found[0]
        if mark in "{[":
            depth += 1
            if depth == MAX_DEPTH + 1:
                pieces += text[kept : found.start()], "null"
        elif mark in "}]":
            depth -= 1
            if depth == MAX_DEPTH:
                kept = found.end()
    if depth > MAX_DEPTH:
        return ""
    return "".join((*pieces, text[kept:]))


def _camel(name: str) -> str:
    """Return a name as JSON writes it."""
    first, *others = name.split("_")
    return first + "".join(part.title() for part in others)


def _list(content: dict[str, Any], name: str) -> Any:
    found = content.get(_camel(name), content.get(name))
    return [] if found is None else found


def _objects(content: dict[str, Any], name: str, losses: Losses) -> Iterable[dict[str, Any]]:
    """Yield the objects of a list, and leave out anything else."""
    found = _list(content, name)
    for each in found if isinstance(found, list) else [found]:
        if isinstance(each, dict):
            yield each
        else:
            losses.cut(INVALID_VALUE, reason=f"{_camel(name)} is not a list of objects")
