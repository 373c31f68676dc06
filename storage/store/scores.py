"""Read the scores of traces."""

from collections.abc import Collection
from typing import Any

from storage.database.base import Database
from storage.database.models import ScoreRow
from storage.model.records import Score


def scores_of(database: Database, trace_ids: Collection[str]) -> list[Score]:
    """Return the scores of these traces that count: the latest of each name and user."""
    if not trace_ids:
        return []
    query = ScoreRow.select().where(
        ScoreRow.trace_id.in_(list(trace_ids)), ScoreRow.value.is_null(False)
    )
    # Sorted here: each database has an order of its own for text, and for what is equal.
    scores = sorted((Score(**row) for row in query.dicts().execute(database)), key=_order)
    latest = {(score.trace_id, score.name, score.user): score for score in scores}
    return sorted(latest.values(), key=_order)


def _order(score: Score) -> tuple[Any, ...]:
    return score.recorded_at, score.source, score.name, score.user, score.trace_id
