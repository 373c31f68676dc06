"""Take a protobuf request apart item by item, so that only one item at a time becomes objects.

In: the body of a request. Out: the same messages as from `json_encoding`, for
`storage.otlp.decoder`. protobuf's own decoder makes an object of 50 to 200 bytes of each two bytes
of a hostile body, and gives up a whole request for one bad value: `storage.otlp.repair` finds that
value when an item cannot be decoded.

The wire format: https://protobuf.dev/programming-guides/encoding/. A field is a tag, which is its
number times 8 plus how its value is written, and the value.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from storage.otlp.losses import Malformed
from storage.otlp.request import Request, check_number
from storage.otlp.scope import Envelope
from storage.otlp.wire_fields import LENGTH, fields

HEAD, PARTS = 1, 2
"""Fields of the messages around items: what all their parts share, and the parts.

In a request itself, the parts have the first number.
"""

Range = tuple[int, int]
"""The positions in the body at which the bytes of a message begin and end."""


def read_protobuf(
    body: bytes, messages: tuple[Any, Any, Any], request: Request
) -> Iterator[Envelope]:
    """Yield each scope's items, as messages of three classes: resource, scope and item.

    Raises `Malformed` if the body cannot be taken apart into resources, and `TooManyItems` before
    the first one is decoded.
    """
    resource_kind, scope_kind, item_kind = messages
    parts = _Parts(body, request)
    for head, scopes in parts.resources():
        resource = request.decoded(head, resource_kind).resource
        for scope_head, items in scopes:
            scope = request.decoded(scope_head, scope_kind)
            yield resource, scope, parts.items(items, item_kind)


class _Parts:
    """Find the parts of a body."""

    def __init__(self, body: bytes, request: Request) -> None:
        self._body = body
        self._request = request
        self._found = 0

    def resources(self) -> list[tuple[bytes, list[tuple[bytes, list[Range]]]]]:
        """Return what the parts of each resource share, and the same of each of its scopes.

        Raises `TooManyItems` if there are too many resources, scopes, items and other fields.
        """
        resources = []
        for number, kind, _, begin, end in fields(self._body, 0, len(self._body)):
            self._count()
            if number == HEAD and kind == LENGTH:
                head, scopes = self._parts(begin, end)
                resources.append((head, [self._parts(*scope) for scope in scopes]))
        return resources

    def _parts(self, at: int, end: int) -> tuple[bytes, list[Range]]:
        """Return the bytes of what the parts of a message share, and where its parts are.

        What follows a field that cannot be read cannot be found: it is refused as one item.
        """
        head, parts = [], []
        try:
            for number, kind, begin, value, after in fields(self._body, at, end):
                self._count()
                if number != PARTS:
                    head.append(self._body[begin:after])
                elif kind == LENGTH:
                    parts.append((value, after))
        except Malformed as error:
            self._request.losses.refuse(error)
        return b"".join(head), parts

    def _count(self) -> None:
        self._found += 1
        check_number(self._found)

    def items(self, ranges: Iterable[Range], kind: Any) -> Iterator[Any]:
        for begin, end in ranges:
            try:
                yield self._request.decoded(self._body[begin:end], kind)
            except Malformed as error:
                self._request.losses.refuse(error)
