"""Render log lines and metrics."""

from dataclasses import asdict
from typing import Any

from reports.formatting import utc
from reports.views.records import LogsView, MetricsView


def logs(view: LogsView) -> dict[str, Any]:
    lines = [{**asdict(log), "recorded_at": utc(log.recorded_at)} for log in view.logs]
    return {"since": utc(view.since), "until": utc(view.until), "logs": lines}


def metrics(view: MetricsView) -> dict[str, Any]:
    key = "labels" if view.name else "name"
    totals = [
        {
            key: total.name,
            "count": total.count,
            "last": total.last,
            "last_at": utc(total.last_at),
            "least": total.least,
            "mean": total.mean,
            "most": total.most,
        }
        for total in view.totals
    ]
    shown: dict[str, Any] = {"since": utc(view.since), "until": utc(view.until)}
    if not view.name:
        return {**shown, "metrics": totals}
    buckets = [
        {"at": utc(bucket.at), "mean": bucket.mean, "count": bucket.count}
        for bucket in view.buckets
    ]
    return {"name": view.name, **shown, "groups": totals, "buckets": buckets}
