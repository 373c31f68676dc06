"""Take a protobuf request apart item by item, so that only one item at a time becomes objects.

In: the body of a request. Out: the same messages as from `json_encoding`, for
`storage.otlp.decoder`. protobuf's own decoder makes an object of 50 to 200 bytes of each two bytes
of a hostile body, and gives up a whole request for one bad value: `storage.otlp.repair` finds that
value when an item cannot be decoded.

The wire format: https://protobuf.dev/programming-guides/encoding/. A field is a tag, which is its
number times 8 plus how its value is written, and the value.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from opentelemetry.proto.logs.v1 import logs_pb2 as logs
from opentelemetry.proto.metrics.v1 import metrics_pb2 as metrics
from opentelemetry.proto.trace.v1 import trace_pb2 as trace

from storage.otlp.losses import Malformed
from storage.otlp.request import ELSEWHERE, Request, check_number
from storage.otlp.scope import Envelope
from storage.otlp.wire_fields import FIXED32, FIXED64, LENGTH, VARINT, fields

HEAD, PARTS = 1, 2
"""Fields of the messages around items: what all their parts share, and the parts.

In a request itself, the parts have the first number.
"""

ITEMS: Mapping[str, Any] = {
    "resource_metrics": metrics.Metric,
    "resource_logs": logs.LogRecord,
    "resource_spans": trace.Span,
}
"""The class of the items in the list of each signal."""

LOOKED_AT = 1_000
"""Fields of an item that show of which signal it is: a hostile one may have millions."""

IDS = {"trace_id": 16, "span_id": 8}
"""The bytes of the ids that each span has."""

WRITTEN = {
    FieldDescriptor.TYPE_FIXED64: FIXED64,
    FieldDescriptor.TYPE_FIXED32: FIXED32,
    FieldDescriptor.TYPE_UINT32: VARINT,
    FieldDescriptor.TYPE_INT32: VARINT,
    FieldDescriptor.TYPE_ENUM: VARINT,
}
"""How the fields of items are written, by their types. Those of other types have a length."""

Form = tuple[int, int | None]
"""How a field is written, and its length if it must have that one."""

Range = tuple[int, int]
"""The positions in the body at which the bytes of a message begin and end."""


def read_protobuf(
    body: bytes, messages: tuple[Any, Any, Any], request: Request
) -> Iterator[Envelope]:
    """Yield each scope's items, as messages of three classes: resource, scope and item.

    Raises `Malformed` if the body cannot be taken apart into resources or is of another signal, and
    `TooManyItems`, before the first one is decoded.
    """
    resource_kind, scope_kind, item_kind = messages
    parts = _Parts(body, request)
    resources = parts.resources()
    ranges = (items for _, scopes in resources for _, items in scopes if items)
    if (first := next(ranges, None)) is not None:
        _check_signal(body, *first[0], item_kind)
    for head, scopes in resources:
        resource = request.decoded(head, resource_kind).resource
        for scope_head, items in scopes:
            scope = request.decoded(scope_head, scope_kind)
            yield resource, scope, parts.items(items, item_kind)


def _check_signal(body: bytes, at: int, end: int, kind: Any) -> None:
    """Raise `Malformed` if an item is one of another signal.

    The messages around items are written alike, and fields that an item does not know are ignored:
    of a span, a log record would be stored that says nothing.
    """
    try:
        sent: dict[int, Form] = {
            number: (written, after - value)
            for number, written, _, value, after in islice(fields(body, at, end), LOOKED_AT)
        }
    except Malformed:  # It is refused by itself.
        return
    if not _fits(sent, kind.DESCRIPTOR):
        for name, other in ITEMS.items():
            if _fits(sent, other.DESCRIPTOR):
                raise Malformed(ELSEWHERE[name])


def _fits(sent: Mapping[int, Form], descriptor: Any) -> bool:
    """Return True if these fields can be those of a message."""
    forms = _forms(descriptor)
    return all(forms.get(number) in (None, form, (form[0], None)) for number, form in sent.items())


@lru_cache
def _forms(descriptor: Any) -> Mapping[int, Form]:
    ids = IDS if "parent_span_id" in descriptor.fields_by_name else {}
    return {
        field.number: (WRITTEN.get(field.type, LENGTH), ids.get(field.name))
        for field in descriptor.fields
    }


class _Parts:
    """Find the parts of a body."""

    def __init__(self, body: bytes, request: Request) -> None:
        self._body = body
        self._request = request
        self._items = self._others = 0

    def resources(self) -> list[tuple[bytes, list[tuple[bytes, list[Range]]]]]:
        """Return what the parts of each resource share, and the same of each of its scopes.

        Raises `TooManyItems` if there are too many resources, scopes, items and other fields.
        """
        resources = []
        for number, kind, _, begin, end in fields(self._body, 0, len(self._body)):
            self._count_other()
            if number == HEAD and kind == LENGTH:
                head, scopes = self._parts(begin, end, self._count_other)
                found = [self._parts(*scope, self._count_item) for scope in scopes]
                resources.append((head, found))
        return resources

    def _parts(self, at: int, end: int, count: Callable[[], None]) -> tuple[bytes, list[Range]]:
        """Return the bytes of what the parts of a message share, and where its parts are.

        What follows a field that cannot be read cannot be found: it is refused as one item.
        """
        head, parts = [], []
        try:
            for number, kind, begin, value, after in fields(self._body, at, end):
                if number == PARTS and kind == LENGTH:
                    count()
                    parts.append((value, after))
                else:
                    self._count_other()
                    head.append(self._body[begin:after])
        except Malformed as error:
            self._request.losses.refuse(error)
        return b"".join(head), parts

    def _count_item(self) -> None:
        self._items += 1
        check_number(self._items)

    def _count_other(self) -> None:
        self._others += 1
        check_number(self._others)

    def items(self, ranges: Iterable[Range], kind: Any) -> Iterator[Any]:
        for begin, end in ranges:
            try:
                yield self._request.decoded(self._body[begin:end], kind)
            except Malformed as error:
                self._request.losses.refuse(error)
