"""A fault of ours never reaches the application whose SDK we follow."""

from dataclasses import dataclass

import pytest
from opentelemetry.sdk.trace import TracerProvider

from storage.tracing.active_span import ActiveSpan
from storage.tracing.sdk_bridge import SpanProcessor
from storage.tracing.tracer import Tracer


@dataclass
class Recorder:
    tracer: Tracer

    def flush(self, timeout: float) -> bool:
        return True


@pytest.mark.parametrize(
    ("at_start", "sentence"), [(True, "was not recorded"), (False, "recorded without its end")]
)
def test_a_span_that_cannot_be_recorded_is_logged_and_the_application_goes_on(
    at_start: bool, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    def sink(span: ActiveSpan) -> None:
        span.advance(accepted=True)
        if (span.ended_at is None) == at_start:
            raise MemoryError("no room")

    processor = SpanProcessor(Recorder(Tracer(sink, context={})), at_shutdown=lambda: None)
    provider = TracerProvider()
    provider.add_span_processor(processor)
    with provider.get_tracer("shop").start_as_current_span("order") as order:
        order.set_attribute("items", 3)
    assert order.attributes == {"items": 3}
    assert sentence in caplog.text
    provider.shutdown()
