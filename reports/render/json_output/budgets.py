"""Render budgets."""

from typing import Any

from reports.formatting import utc
from reports.render.json_output.values import dollars
from reports.views.budgets import BudgetsView


def budgets(view: BudgetsView) -> dict[str, Any]:
    return {
        "budgets": [
            {
                "id": each.budget.id,
                "dimension": each.budget.dimension,
                "key": each.budget.key or None,
                "name": line.name,
                "period": each.budget.period,
                "time_zone": each.budget.time_zone,
                "since": utc(each.since),
                "until": utc(each.until),
                "soft_usd": dollars(each.budget.soft),
                "hard_usd": dollars(each.budget.hard),
                "spent_usd": dollars(each.spent),
                "reserved_usd": dollars(each.reserved),
                "share": round(each.share, 4),
                "status": line.status,
                "empty_at": None if empty_at is None else utc(empty_at),
            }
            for each, line, empty_at in zip(view.found, view.lines, view.empty_at, strict=True)
        ]
    }
