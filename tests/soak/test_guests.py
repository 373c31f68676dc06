"""The real packages that record in the same process, and servers that fork."""

import signal
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.database.connect import connect
from storage.database.models import SpanRow
from storage.store.spool_files import spool_folder, waiting
from tests.support.guests import environment, guests_python, run

OURS = """
from storage import Observability
from opentelemetry import trace
observability = Observability.open(sys.argv[1], platform="cli")
early = trace.get_tracer("early")
"""
LOGFIRE = """
import logfire
from logfire.testing import TestExporter
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
exporter = TestExporter()
logfire.configure(additional_span_processors=[SimpleSpanProcessor(exporter)])
guest = lambda: logfire.span("guest")
seen = lambda: [span.name for span in exporter.exported_spans]
"""
LANGFUSE = """
from langfuse import Langfuse
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
memory = InMemorySpanExporter()
langfuse = Langfuse(span_exporter=memory)
guest = lambda: langfuse.start_as_current_observation(name="guest", as_type="span")
def seen():
    langfuse.flush()
    return [span.name for span in memory.get_finished_spans()]
"""
DDTRACE = """
import ddtrace.auto
from ddtrace.trace import TraceFilter, tracer
class Seen(TraceFilter):
    names = []
    def process_trace(self, spans):
        self.names += [span.name for span in spans]
        return spans
tracer.configure(trace_processors=[Seen()])
guest = lambda: tracer.trace("guest")
def seen():
    tracer.flush()
    return Seen.names
"""
SPANS = """
with observability.span("turn", channel="C1"):
    with guest():
        with observability.span("inner"):
            pass
        with early.start_as_current_span("library"):
            pass
with observability.span("next"):
    pass
assert observability.close()
print(*seen())
"""


def names_and_parents(path: Path) -> dict[str, str | None]:
    database = connect(path)
    rows = list(SpanRow.select().execute(database))
    database.close()
    names = {row.span_id: row.name for row in rows}
    return {row.name: names.get(row.parent_id) for row in rows}


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("guest", [LOGFIRE, LANGFUSE], ids=["logfire", "langfuse"])
def test_a_guest_on_the_sdk_records_and_so_do_we(tmp_path: Path, guest: str, order: str) -> None:
    path = tmp_path / "t.db"
    parts = (guest, OURS) if order == "before" else (OURS, guest)
    said = run(tmp_path, "import sys\n" + "".join(parts) + SPANS, str(path))
    assert "guest" in said.split()
    assert names_and_parents(path) == {
        "turn": None,
        "guest": "turn",
        "inner": "guest",
        "library": "guest",
        "next": None,
    }


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("otel", ["true", "false"])
def test_ddtrace_records_and_so_do_we(tmp_path: Path, order: str, otel: str) -> None:
    path = tmp_path / "t.db"
    parts = (DDTRACE, OURS) if order == "before" else (OURS, DDTRACE)
    said = run(
        tmp_path,
        "import sys\n" + "".join(parts) + SPANS,
        str(path),
        DD_TRACE_OTEL_ENABLED=otel,
    )
    assert "guest" in said.split()
    found = names_and_parents(path)
    if otel == "false":
        assert found.pop("library") == "turn"
    else:
        found.pop("library", None)  # It goes to Datadog.
    assert found == {"turn": None, "inner": "turn", "next": None}


def test_all_of_them_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    langfuse = LANGFUSE.replace("seen", "seen_by_langfuse").replace("guest", "other")
    also = "\nwith other(): pass\n" + SPANS + "print(*seen_by_langfuse())\n"
    said = run(tmp_path, "import sys\n" + OURS + langfuse + LOGFIRE + also, str(path))
    by_logfire, by_langfuse = (line.split() for line in said.splitlines())
    assert "guest" in by_logfire and "other" in by_langfuse
    found = names_and_parents(path)
    assert (found["guest"], found["other"], found["next"]) == ("turn", None, None)


def is_answered(url: str) -> bool:
    """Return False while no worker answers, such as when one ends after its last request."""
    try:
        with urllib.request.urlopen(url, timeout=30):
            return True
    except OSError:
        return False


APP = """
import os
from storage import Observability
observability = Observability.open(os.environ["RECORD"], platform="cli")

def app(environ, start_response):
    with observability.span("request"):
        pass
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
"""
REQUESTS = 200


@pytest.mark.parametrize("options", [(), ("--preload",), ("--preload", "--max-requests", "20")])
def test_gunicorn_loses_nothing(tmp_path: Path, options: tuple[str, ...]) -> None:
    path, socket = tmp_path / "t.db", tmp_path / "port"
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "gunicorn.conf.py").write_text(
        "def when_ready(server):\n"
        f"    open({str(socket)!r}, 'w').write(str(server.LISTENERS[0].sock.getsockname()[1]))\n"
    )
    server = subprocess.Popen(
        [
            *(str(guests_python()), "-W", "error::DeprecationWarning", "-m", "gunicorn", "app:app"),
            *("--workers", "3", "--bind", "127.0.0.1:0", *options),
        ],
        cwd=tmp_path,
        env=environment(tmp_path, RECORD=str(path)),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: socket.exists() and socket.read_text())
        url = f"http://127.0.0.1:{socket.read_text()}/"
        for _ in range(REQUESTS):
            wait_for(lambda: is_answered(url))
    finally:
        server.send_signal(signal.SIGTERM)
        said = server.communicate(timeout=60)[1]
    assert "Warning" not in said
    assert stored(path) == {("request", "ok"): REQUESTS}


TASKS = """
import os
from celery import Celery
from storage import Observability
observability = Observability.open(os.environ["RECORD"], platform="cli")
app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control",
}

@app.task
def work(number):
    with observability.span("task"):
        pass
    with open("done", "a") as file:
        file.write(f"{number}\\n")
"""


@pytest.mark.parametrize("options", [(), ("--max-tasks-per-child", "20")])
def test_celery_loses_nothing(tmp_path: Path, options: tuple[str, ...]) -> None:
    path, done = tmp_path / "t.db", tmp_path / "done"
    (tmp_path / "tasks.py").write_text(TASKS)
    for folder in ("queue", "control"):
        (tmp_path / folder).mkdir()
    done.touch()
    run(
        tmp_path,
        f"import tasks\nfor number in range({REQUESTS}): tasks.work.delay(number)",
        RECORD=str(path),
    )
    worker = subprocess.Popen(
        [
            *(str(guests_python()), "-m", "celery", "-A", "tasks", "worker", "--pool", "prefork"),
            *("--concurrency", "3", *options),
        ],
        cwd=tmp_path,
        env=environment(tmp_path, RECORD=str(path)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: len(done.read_text().splitlines()) == REQUESTS)
    finally:
        worker.send_signal(signal.SIGTERM)
        said = worker.communicate(timeout=60)[1]
    assert "DeprecationWarning" not in said
    assert stored(path) == {("task", "ok"): REQUESTS}


def stored(path: Path) -> dict[tuple[str, str], int]:
    assert waiting(spool_folder(path)) == (0, 0)
    database = connect(path)
    rows = SpanRow.select(SpanRow.name, SpanRow.status).tuples().execute(database)
    found = Counter(tuple(row) for row in rows)
    database.close()
    return dict(found)


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
