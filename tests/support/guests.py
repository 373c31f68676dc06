"""Run programs in an environment that has the real Logfire, Langfuse, ddtrace, Gunicorn and Celery.

It is made on first use, in the user's cache. What tracebot needs comes from our own environment,
behind the packages of the guests, which bring an OpenTelemetry of their own.
"""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.benchmarks.peers.environment import python_of
from tests.benchmarks.run import Unavailable
from tests.support.paths import ROOT

REQUIREMENTS = (
    "ddtrace==4.16.0",
    "logfire==5.4.0",
    "langfuse==5.0.4",
    "opentelemetry-sdk==1.45.2",
    "gunicorn==27.0.1",
    "celery==5.7.0",
)
NOBODY = "http://127.0.0.1:9"
"""An address at which nobody listens: nothing is sent out of this machine."""

ENVIRONMENT = {
    "DD_TRACE_AGENT_URL": NOBODY,
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "LANGFUSE_BASE_URL": NOBODY,
    "LANGFUSE_PUBLIC_KEY": "pk-lf-test",
    "LANGFUSE_SECRET_KEY": "sk-lf-test",
    "LOGFIRE_SEND_TO_LOGFIRE": "false",
    "LOGFIRE_CONSOLE": "false",
}


def guests_python() -> Path:
    """Return the interpreter; skip the test with the reason if it cannot be made."""
    try:
        return python_of(REQUIREMENTS, note=lambda text: None)
    except Unavailable as error:
        pytest.skip(str(error))


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment variables of a program of the guests, with a file in *folder*."""
    paths = [sysconfig.get_path("purelib"), str(ROOT)]
    (folder / "sitecustomize.py").write_text(f"import sys\nsys.path += {paths!r}\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return {**kept, **ENVIRONMENT, "PYTHONPATH": str(folder), **more}


def run(folder: Path, script: str, *arguments: str, **more: str) -> str:
    """Run a script with the guests' interpreter and return its standard output."""
    program = folder / "program.py"  # Logfire reads the source of its caller.
    program.write_text(script)
    done = subprocess.run(
        [str(guests_python()), str(program), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env=environment(folder, **more),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
