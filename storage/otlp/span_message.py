"""The messages of spans as `storage.otlp.items` reads them: their parts stay bytes until needed.

The same wire format as OpenTelemetry's `Span`, in which an attribute, event, link or status is a
message: here it is bytes. Most attributes of a request are equal to earlier ones, and need not be
decoded again; and one that cannot be decoded leaves its span whole.
"""

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.trace.v1 import trace_pb2 as trace

REPEATED = ("attributes", "events", "links")


def _span_message() -> Any:
    """Return a copy of `Span` in which the messages within it are bytes."""
    file = FileDescriptorProto(name="tracebot/span.proto", package="tracebot", syntax="proto3")
    message = file.message_type.add(name="Span")
    for field in trace.Span.DESCRIPTOR.fields:
        kind = {
            Field.TYPE_MESSAGE: Field.TYPE_BYTES,
            Field.TYPE_ENUM: Field.TYPE_INT32,
        }.get(field.type, field.type)
        label = Field.LABEL_REPEATED if field.name in REPEATED else Field.LABEL_OPTIONAL
        message.field.add(name=field.name, number=field.number, type=kind, label=label)
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("tracebot.Span"))


SpanMessage: Any = _span_message()
