"""Render alerts."""

from typing import Any

from reports.formatting import utc
from reports.views.alerts import AlertsView, AlertView


def alerts(view: AlertsView) -> dict[str, Any]:
    return {
        "alerts": [
            {
                "id": rule.id,
                "rule": rule.condition,
                "channel_id": rule.channel,
                "level": state.level,
                "since": utc(state.since),
                "value": state.value,
                "snoozed_until": utc(state.snoozed_until) if state.snoozed_until else None,
                "acknowledged_by": state.acknowledged_by,
                "in_file": rule.in_file,
            }
            for rule, state in view.values
        ]
    }


def alert(view: AlertView) -> dict[str, Any]:
    return {
        "id": view.rule.id,
        "rule": view.rule.condition,
        "channel_id": view.rule.channel,
        "level": view.level,
        "message": view.title,
    }
