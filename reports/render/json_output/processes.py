"""Render the processes of a bot."""

from typing import Any

from reports.formatting import utc
from reports.views.processes import ProcessesView


def processes(view: ProcessesView) -> dict[str, Any]:
    return {
        "processes": [
            {
                "host": each.host,
                "pid": each.pid,
                "team_id": each.team,
                "version": each.version,
                "mode": each.mode or None,
                "state": each.state,
                "problem": each.problem or None,
                "started_at": utc(each.started_at),
                "seen_at": utc(each.seen_at),
                "running": running,
                "waiting": waiting,
            }
            for each, (running, waiting) in zip(view.found, view.counts, strict=True)
        ]
    }
