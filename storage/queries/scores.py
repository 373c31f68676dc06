"""Find what people said about traces."""

from collections.abc import Collection, Mapping

from peewee import Database

from storage.model.records import Score
from storage.store.scores import scores_of


def scores_by_trace(
    database: Database, trace_ids: Collection[str]
) -> Mapping[str, tuple[Score, ...]]:
    """Return the scores of each trace that count, oldest first: the latest of each name and user.

    Who may see a trace may see its scores, so ask only for traces that were found for them.
    """
    found: dict[str, tuple[Score, ...]] = dict.fromkeys(trace_ids, ())
    for score in scores_of(database, trace_ids):
        found[score.trace_id] += (score,)
    return found
