"""Run a script in a process that has OpenTelemetry's SDK: it sets its provider only once."""

import os
import subprocess
import sys
from pathlib import Path

EXPORTER = """
import sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from storage import Observability

class Elsewhere(SpanExporter):
    seen = []
    def export(self, spans):
        self.seen += [span.name for span in spans]
        return SpanExportResult.SUCCESS
"""
"""The first lines of each script. `sys.argv[1]` is the path of the database."""

PROVIDER_FIRST = """
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(Elsewhere()))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("shop")
"""


def run(path: Path, script: str, **environment: str) -> str:
    """Run a script with warnings as errors; return what it printed, on both outputs."""
    command = [sys.executable, "-W", "error", "-c", EXPORTER + script, str(path)]
    done = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
