"""Find what people said about traces."""

from collections.abc import Collection, Mapping

from storage.database.base import Database
from storage.model.records import Score
from storage.store.scores import scores_of

AT_ONCE = 10_000
"""SQLite takes 32,766 parameters in a query, and PostgreSQL 65,535."""


def scores_by_trace(
    database: Database, trace_ids: Collection[str]
) -> Mapping[str, tuple[Score, ...]]:
    """Return the scores of each trace that count, oldest first: the latest of each name and user.

    Who may see a trace may see its scores, so ask only for traces that were found for them.
    """
    ids = list(trace_ids)
    found: dict[str, tuple[Score, ...]] = dict.fromkeys(ids, ())
    for at in range(0, len(ids), AT_ONCE):
        for score in scores_of(database, ids[at : at + AT_ONCE]):
            found[score.trace_id] += (score,)
    return found
