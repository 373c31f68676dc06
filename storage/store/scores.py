"""Read the scores of traces."""

from collections.abc import Collection

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
    latest: dict[tuple[str, str, str], Score] = {}
    for row in query.order_by(ScoreRow.recorded_at, ScoreRow.source).dicts().execute(database):
        score = Score(**row)
        latest[score.trace_id, score.name, score.user] = score
    return sorted(latest.values(), key=lambda score: score.recorded_at)
