"""Whoever else records in the process goes on recording, before and after us, and so do we.

A process can set OpenTelemetry's provider only once, so each test runs a process. The real Logfire,
Langfuse and ddtrace are in tests/soak/test_guests.py.
"""

from pathlib import Path

import pytest
from peewee import Database

from storage.database.models import SpanRow
from tests.support.sdk_process import run

RECORD = """
observability = Observability.open(sys.argv[1], platform="cli")
tracer = trace.get_tracer("shop")
"""
SPANS = """
with observability.span("turn", channel="C1"):
    with tracer.start_as_current_span("order"):
        with trace.get_tracer("new").start_as_current_span("pack"):
            pass
print(Elsewhere.seen)
assert observability.close(30)
"""


def tree(database: Database) -> dict[str, str | None]:
    """Return the name of each span's parent."""
    rows = list(SpanRow.select().execute(database))
    names = {row.span_id: row.name for row in rows}
    return {row.name: names.get(row.parent_id) for row in rows}


ALL = {"turn": None, "order": "turn", "pack": "order"}


def test_an_sdk_that_the_application_sets_after_us_records_and_so_do_we(
    db_path: Path, database: Database
) -> None:
    said = run(
        db_path,
        f"""{RECORD}
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(Elsewhere()))
trace.set_tracer_provider(provider)
assert trace.get_tracer_provider() is provider
{SPANS}""",
    )
    assert said.strip() == "['pack', 'order']"
    assert tree(database) == ALL


def test_a_second_provider_is_refused_as_without_us(db_path: Path) -> None:
    said = run(
        db_path,
        f"""{RECORD}
for _ in range(2):
    trace.set_tracer_provider(TracerProvider())
""",
    )
    assert said.count("Overriding of current TracerProvider is not allowed") == 1


def test_a_processor_that_is_added_to_our_provider_gets_the_spans_of_libraries(
    db_path: Path, database: Database
) -> None:
    said = run(
        db_path,
        f"""{RECORD}
with tracer.start_as_current_span("before"):
    pass
provider = trace.get_tracer_provider()
assert not hasattr(provider, "resource")
provider.add_span_processor(SimpleSpanProcessor(Elsewhere()))
assert provider.resource.attributes["telemetry.sdk.name"] == "opentelemetry"
assert provider.force_flush()
{SPANS}
with tracer.start_as_current_span("after"):
    pass
print(Elsewhere.seen)
provider.shutdown()
""",
    )
    assert said.split("\n")[:2] == ["['pack', 'order']", "['pack', 'order', 'after']"]
    assert tree(database) == {"before": None, **ALL}


def test_the_processors_that_were_added_go_on_if_the_application_sets_its_own_provider(
    db_path: Path, database: Database
) -> None:
    said = run(
        db_path,
        f"""{RECORD}
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(Elsewhere()))
trace.set_tracer_provider(TracerProvider())
{SPANS}""",
    )
    assert said.strip() == "['pack', 'order']"
    assert tree(database) == ALL


LIKE_LOGFIRE = """
from dataclasses import dataclass

@dataclass
class Proxy(trace.TracerProvider):
    provider: TracerProvider
    def get_tracer(self, *arguments, **options):
        return self.provider.get_tracer(*arguments, **options)
    def add_span_processor(self, processor):
        self.provider.add_span_processor(processor)
    def configure(self):
        self.provider.shutdown()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(Elsewhere()))

proxy = Proxy(TracerProvider())
trace.set_tracer_provider(proxy)
proxy.configure()
"""
"""Logfire's provider: it cannot be hashed, and gets another one when it is configured."""


def test_a_provider_that_cannot_be_hashed_is_recorded_once(
    db_path: Path, database: Database
) -> None:
    once = 'Observability.open(sys.argv[1], platform="cli").close(30)'
    said = run(db_path, f"{LIKE_LOGFIRE}{once}{RECORD}{SPANS}")
    assert said.strip() == "['pack', 'order']"
    assert tree(database) == ALL


def test_a_provider_that_is_configured_again_is_recorded_from_the_next_opening(
    db_path: Path, database: Database
) -> None:
    once = 'Observability.open(sys.argv[1], platform="cli").close(30)'
    said = run(db_path, f"{LIKE_LOGFIRE}{once}\nproxy.configure(){RECORD}{SPANS}")
    assert said.strip() == "['pack', 'order']"
    assert tree(database) == ALL


def test_libraries_are_recorded_where_the_sdk_is_disabled(
    db_path: Path, database: Database
) -> None:
    run(
        db_path,
        f"""{RECORD}
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(Elsewhere()))
{SPANS}""",
        OTEL_SDK_DISABLED="true",
    )
    assert tree(database) == ALL


def test_without_the_sdk_it_says_what_to_install(db_path: Path) -> None:
    run(
        db_path,
        f"""{RECORD}
sys.modules["opentelemetry.sdk.trace"] = None
try:
    trace.get_tracer_provider().add_span_processor(object())
except ImportError as error:
    assert "pip install opentelemetry-sdk" in str(error)
else:
    raise AssertionError("no error")
{SPANS}""",
    )


@pytest.mark.parametrize("first", ["SDK", "we"])
def test_libraries_are_recorded_by_the_recording_that_is_still_open(
    db_path: Path, database: Database, first: str
) -> None:
    sdk = "trace.set_tracer_provider(TracerProvider())"
    run(
        db_path,
        f"""{sdk if first == "SDK" else ""}
{RECORD}{sdk if first == "we" else ""}
Observability.open(sys.argv[1] + ".other", platform="cli").close()
{SPANS}""",
    )
    assert tree(database) == ALL
