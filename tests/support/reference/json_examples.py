"""Answers in JSON, from the golden files and from commands on a small recorded database."""

import contextlib
import io
import json
import os
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from unittest import mock

from bot.cli.main import tracebot
from reports.render import json_output
from reports.views.health import HealthView, Problem
from reports.views.views import View
from storage import Observability
from storage.coordination.heartbeats import Heartbeat, put_heartbeat
from storage.coordination.process_identity import new_writer
from storage.health import Connection, Health
from storage.recovery.integrity import Check
from storage.recovery.replacement import Recovery
from storage.upkeep.journal import JournalEntry
from storage.upkeep.litestream import Replication
from tests.support.golden import FOLDER, VIEWS
from tests.support.hostile_views import a_digest, a_thread, a_tree, cost

AGENTS = """
default = "echo"
[access]
people = ["U0123456789"]
groups = ["S0123456789"]
channels = ["C0123456789"]
[channels]
C0123456789 = "echo"
[agents.echo]
provider = "echo"
[agents.broken]
provider = "command"
command = ["false"]
"""

SHELL = {
    "query": 'query "@echo hello" "@broken hello"',
    "agents": "agents",
    "doctor": "doctor",
    "rehearse": "rehearse --agents new.toml",
    "logs": "logs",
    "metrics": "metrics",
    "metrics NAME": "metrics queue.depth",
    "health": "health",
    "ps": "ps",
    "ps --processes": "ps --processes",
    "move": "move --to moved.db",
}
"""Commands that have no golden file, in the order in which they are run."""

CHANGES = {
    "cancel": "cancel ffffffff",
    "forget": "forget --user U0123456789 --yes",
    "alerts": "alerts add count>1 over:1h in:C0123456789",
    "budget": "budget add 20/day",
    "errors": "errors resolve ffffffff",
}
"""Commands that change something. They answer with a message or an error."""

HEARTBEAT = Heartbeat(
    process=new_writer(),
    team="T1",
    version="1.0",
    mode="socket",
    state="not connected",
    problem="Slack does not answer",
)

Example = tuple[str, Any]
"""A command and its answer."""


def examples() -> Iterator[Example]:
    for name, line in VIEWS.items():
        text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
        yield line.split()[0], json.loads(text)
    for command, view in _whole().items():
        yield command, json.loads(json_output.render(view))
    with recorded():
        yield from ((command, answer(line)) for command, line in SHELL.items())


def _whole() -> dict[str, View]:
    """Return views of commands whose other examples leave fields out, because nothing happened."""
    entry = JournalEntry(name="backup", at=1, ok=True, details={"pages": 1})
    found: dict[str, Any] = {field.name: 1 for field in fields(Health)}
    found |= dict.fromkeys(("path", "sqlite_version", "postgres_version"), "text")
    found |= {"check": Check(at=1, ok=True, finished=True), "litestream": Replication(1, 1, 1)}
    found |= {"checkpoint": entry, "backup": entry, "refused": {"cause": 1}, "cut": {"cause": 1}}
    rows = {"spans": 1}
    found["recoveries"] = (Recovery(file="file", at=1, finished=True, saved=rows, lost=rows),)
    found["connections"] = (Connection("T1", "connected", "", 1),)
    found["migrations"] = ("0001_initial",)
    problems = (Problem(mark="✗", fact="fact", advice="advice"),)
    tree, turns, costs = a_tree("text", 1), a_thread("text", 1), cost("text", 2)
    return {
        "health": HealthView(facts=(), problems=problems, health=Health(**found)),
        "digest": a_digest("text", 1),
        "show": tree,
        "thread": replace(turns, work={each.trace_id: tree.work for each in turns.traces}),
        "cost": replace(costs, before=costs),
    }


def answer(line: str) -> Any:
    """Run a command in this process, and return what it prints as JSON."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        tracebot([*shlex.split(line), "--json"])
    return json.loads(printed.getvalue())


@contextlib.contextmanager
def recorded() -> Iterator[None]:
    """Go to a folder with agents and a database, in which one trace runs."""
    settings = {"TRACEBOT_AGENTS": "agents.toml", "TRACEBOT_DATABASE_URL": "tracebot.db"}
    others = ("TRACEBOT_", "SLACK_")
    environ = {name: each for name, each in os.environ.items() if not name.startswith(others)}
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, environ | settings, clear=True),
        Observability.open("tracebot.db", platform="cli") as observability,
    ):
        Path("agents.toml").write_text(AGENTS)
        Path("new.toml").write_text(AGENTS.replace('9 = "echo"', '9 = "broken"'))
        _record_a_turn(observability)
        with observability.span("work"):
            observability.log_structured("warning", "slow", {"ms": 5, "agent": "claude"})
            observability.record_metric("queue.depth", 3, labels={"agent": "claude"})
        put_heartbeat(observability.database, HEARTBEAT)
        running = observability.start_span("work", {"agent": "claude"})
        observability.flush()
        yield
        running.end()


def _record_a_turn(observability: Observability) -> None:
    """Record a message that another agents file answers by another agent."""
    place = {"team": "T1", "channel": "C0123456789", "thread_ts": "1.0", "message_ts": "1.0"}
    asked = {"user": "U0123456789", "text": "what is new?"}
    facts = {"rule": "mentioned", "asker": "member", "agents": ["echo"], "channel_type": "channel"}
    with (
        observability.span("slack message", **place, **asked, decision="answer"),
        observability.span("decide", decision="answer", reason="mentioned", **facts),
    ):
        pass
