"""`tracebot budget` adds a budget and lists what is spent of it."""

import json
from pathlib import Path

from storage import Observability
from tests.support.command_line import tracebot


def test_a_shell_adds_and_lists_budgets(db_path: Path) -> None:
    with Observability.open(db_path, platform="cli") as observability:
        with observability.span("ask", agent="claude") as root:
            root.set(configured_provider="claude", cost=900_000, cost_source="reported")
        observability.flush()
        observability.database.close()
    added = tracebot(db_path, "budget", "add", "1/month", "agent:claude", "hard:2")
    assert (added.returncode, added.stderr) == (0, "")
    assert "is set: $1.00 a month, at most $2.00 for claude, in the time zone UTC." in added.stdout
    (budget,) = json.loads(tracebot(db_path, "budget", "--json").stdout)["budgets"]
    figures = ("dimension", "key", "soft_usd", "hard_usd", "spent_usd", "share", "status")
    assert [budget[name] for name in figures] == ["agent", "claude", 1.0, 2.0, 0.9, 0.9, "warning"]
    listed = tracebot(db_path, "budget").stdout
    assert "█████████░" in listed and "90%" in listed and budget["id"] in listed
    refused = tracebot(db_path, "budget", "raise", budget["id"], "0.5")
    assert (refused.returncode, refused.stderr.count("raise it to more")) == (2, 1)
