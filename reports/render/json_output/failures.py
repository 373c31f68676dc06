"""Render issues."""

from typing import Any

from reports.formatting import utc
from reports.views.failures import FailuresView


def failures(view: FailuresView) -> dict[str, Any]:
    return {
        "since": utc(view.since),
        "until": utc(view.until),
        "bucket_seconds": view.bucket_ns // 1_000_000_000,
        "errors": [
            {
                "id": failure.id,
                "state": line.state,
                "error_type": failure.error_type,
                "agent": failure.agent,
                "traces": failure.traces,
                "count": failure.count,
                "first_seen": utc(failure.first_seen),
                "last_seen": utc(failure.last_seen),
                "sparkline": list(chart),
                "changed_by": failure.changed and failure.changed.changed_by,
                "changed_at": failure.changed and utc(failure.changed.changed_at),
                "latest": {
                    "trace_id": failure.latest.trace_id,
                    "name": failure.latest.name,
                    "started_at": utc(failure.latest.started_at),
                    "message": failure.latest.error_message,
                },
            }
            for failure, line, chart in zip(view.failures, view.lines, view.charts, strict=True)
        ],
    }
