"""Decode OTLP's JSON into protobuf messages, item by item, so that a bad one spoils no other.

In: the body of a request. Out: the same messages as for protobuf, for `storage.otlp.decoder`. It is
not quite protobuf's own JSON: ids are hex instead of Base64, and may be absent or "".
"""

import base64
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError

from storage.model.redaction import redacted_start
from storage.otlp.attributes import Envelope, Malformed, Reject, TooManyItems, check_number

IDS = ("traceId", "spanId", "parentSpanId")

MAX_VALUES = 500_000
"""Values in one body. Each may become a Python object of 60 to 250 bytes."""

VALUES = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[,{\[]', re.DOTALL)
QUOTE = ord('"')


def read_json(
    body: bytes, messages: tuple[Any, Any, Any], parts: tuple[str, str, str], reject: Reject
) -> Iterator[Envelope]:
    """Yield each scope's items, as messages of three classes: resource, scope and item.

    Passes the reason to `reject` for each invalid item. Raises `TooManyItems`, and `Malformed` if
    the body is not JSON or does not have the form of OTLP, before the first one.
    """
    _check_values(body)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error) or "it is nested too deeply") from None
    resources, scopes, items = parts
    found = [
        (sent, [(scope, _objects(scope, items)) for scope in _objects(sent, scopes)])
        for sent in _objects(content, resources)
    ]
    check_number(sum(len(each) for _, sent_scopes in found for _, each in sent_scopes))
    resource_kind, scope_kind, item_kind = messages
    for sent, sent_scopes in found:
        resource = _message(resource_kind, {"resource": sent.get("resource")}).resource
        for sent_scope, each in sent_scopes:
            url = sent_scope.get("schemaUrl")
            shared = {"scope": sent_scope.get("scope")}
            scope = _message(scope_kind, shared)
            scope.schema_url = url if isinstance(url, str) and url.isascii() else ""
            yield resource, scope, _items(each, item_kind, reject)


def _check_values(body: bytes) -> None:
    """Raise `TooManyItems` if the body has too many values, before they are made."""
    if body.count(b",") + body.count(b"{") + body.count(b"[") <= MAX_VALUES:
        return
    # Perhaps it is prose with many commas, so strings are passed over. One match at a time: a copy
    # without them would be made of millions of pieces.
    values = (match for match in VALUES.finditer(body) if match[0][0] != QUOTE)
    if next(islice(values, MAX_VALUES, None), None) is not None:
        raise TooManyItems(f"The body holds more than {MAX_VALUES} values: send fewer at once.")


def _objects(content: Any, name: str) -> list[dict[str, Any]]:
    """Return the objects of the list `name`, which JSON writes in camel case."""
    camel = name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:])
    if not isinstance(content, dict):
        raise Malformed("an object was expected")
    found = content.get(camel, content.get(name))
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Malformed(f"{camel} is not a list of objects")
    return found


def _items(sent: list[dict[str, Any]], kind: Any, reject: Reject) -> Iterator[Any]:
    for item in sent:
        try:
            yield _message(kind, _with_bytes(item))
        except Malformed as error:
            reject(str(error))


def _message(kind: Any, sent: Any) -> Any:
    """Return `sent` as a message. Raises `Malformed`."""
    try:
        return ParseDict(sent, kind(), ignore_unknown_fields=True)
    except (
        ParseError,
        ValueError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise Malformed(redacted_start(f"an item is not valid: {error}", 200)) from None


def _with_bytes(item: dict[str, Any]) -> dict[str, Any]:
    """Return `item` with its ids in Base64, as protobuf's JSON requires."""
    changed = dict(item)
    for name in IDS:
        if name in item:
            changed[name] = _base64(item[name], name)
    if isinstance(links := item.get("links"), list):
        changed["links"] = [_with_bytes(link) if isinstance(link, dict) else link for link in links]
    return changed


def _base64(digits: Any, name: str) -> str:
    try:
        return base64.b64encode(bytes.fromhex(digits or "")).decode()
    except (TypeError, ValueError):
        raise Malformed(f"{redacted_start(str(digits), 40)!r} is not a valid {name}") from None
