"""Decode OTLP's JSON into protobuf messages, item by item, so that a bad one spoils no other.

In: the body of a request. Out: the same messages as for protobuf, for `storage.otlp.decoder`. It is
not quite protobuf's own JSON: ids are hex instead of Base64, and may be absent or "".
"""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError

from storage.otlp.attributes import Malformed

IDS = ("traceId", "spanId", "parentSpanId")


def read_json(
    body: bytes, request: Any, parts: tuple[str, str, str], reject: Callable[[str], object]
) -> None:
    """Fill `request` from `body`, and pass the reason to `reject` for each invalid item.

    Raises `Malformed` if the body is not JSON or does not have the form of OTLP.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error) or "it is nested too deeply") from None
    resources, scopes, items = parts
    for sent in _objects(content, resources):
        resource = getattr(request, resources).add()
        _fill(resource.resource, sent.get("resource"))
        for sent_scope in _objects(sent, scopes):
            scope = getattr(resource, scopes).add()
            _fill(scope.scope, sent_scope.get("scope"))
            url = sent_scope.get("schemaUrl")
            scope.schema_url = url if isinstance(url, str) and url.isascii() else ""
            for item in _objects(sent_scope, items):
                try:
                    _fill(getattr(scope, items).add(), _with_bytes(item))
                except Malformed as error:
                    del getattr(scope, items)[-1]
                    reject(str(error))


def _objects(content: Any, name: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of the list `name`, which JSON writes in camel case."""
    camel = name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:])
    if not isinstance(content, dict):
        raise Malformed("an object was expected")
    found = content.get(camel, content.get(name))
    if found is None:
        return
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Malformed(f"{camel} is not a list of objects")
    yield from found


def _fill(message: Any, sent: Any) -> None:
    if sent is None:
        return
    try:
        ParseDict(sent, message, ignore_unknown_fields=True)
    except (ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed(f"an item is not valid: {error}"[:200]) from None


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
        raise Malformed(f"{str(digits)[:40]!r} is not a valid {name}") from None
