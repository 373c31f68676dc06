"""Render statistics and costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reports.formatting import utc
from reports.render.json_output.values import dollars, milliseconds
from reports.views.costs import CostView, Spent
from reports.views.figures import FIGURE
from reports.views.statistics import StatsView, group_name
from storage.queries.statistics import TIMES

if TYPE_CHECKING:
    from storage.queries.statistics import Group, Statistics


def stats(view: StatsView) -> dict[str, Any]:
    names = {
        group.key: line.key for group, line in zip(view.statistics.groups, view.lines, strict=True)
    }
    shown = _statistics(view.statistics, view, names)
    shown["figures"] = [dict(zip(FIGURE, line.values, strict=True)) for line in view.figures]
    if view.before is not None:
        shown["before"] = _statistics(view.before, view, names)
    return shown


def _statistics(found: Statistics, view: StatsView, names: Mapping[str, str]) -> dict[str, Any]:
    by = view.by
    return {
        "since": utc(found.since),
        "until": utc(found.until),
        "counted_since": utc(found.grains.start(found.since)),
        "total": group_fields(found.total),
        "groups": [
            {
                "key": utc(int(group.key)) if by in TIMES else group.key,
                "name": names.get(group.key) or group_name(group, found, by, view.zone),
                **group_fields(group),
            }
            for group in found.groups
            if group.key  # What has none is the rest of the total.
        ],
    }


def group_fields(group: Group) -> dict[str, Any]:
    return {
        "traces": group.traces,
        "errors": group.errors,
        "error_rate": group.errors / group.traces if group.traces else 0.0,
        "p50_ms": milliseconds(group.p50_ns),
        "p95_ms": milliseconds(group.p95_ns),
        "p99_ms": milliseconds(group.p99_ns),
        "input_tokens": group.input_tokens,
        "output_tokens": group.output_tokens,
        "cached_tokens": group.cached_tokens,
        "cost_usd": dollars(group.cost),
        "thumbs_up": group.thumbs_up,
        "thumbs_down": group.thumbs_down,
    }


def costs(view: CostView) -> dict[str, Any]:
    return {
        "since": utc(view.since),
        "until": utc(view.until),
        "total": _spent(view.total),
        "models": [{"key": each.key, **_spent(each)} for each in view.models],
        "agents": [{"key": each.key, **_spent(each)} for each in view.agents],
        "unpriced": [each.key for each in view.unpriced],
        **({"before": costs(view.before)} if view.before else {}),
    }


def _spent(spent: Spent) -> dict[str, Any]:
    return {
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "cached_tokens": spent.cached_tokens,
        "cost_usd": dollars(spent.cost),
    }
