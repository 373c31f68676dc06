"""Store which issues somebody resolved or muted. An issue without a state is an open one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from storage.database.base import Database
from storage.database.models import IssueStateRow
from storage.database.transactions import transaction

LOOKED_UP = 500
"""How many issues one query looks up."""


@dataclass(frozen=True, slots=True)
class IssueState:
    """Say what somebody did with an issue.

    `state` is `resolved` or `muted`. `changed_by` is a user's id, None for a shell.
    """

    state: str
    changed_by: str | None
    changed_at: int


def set_state(
    database: Database, issue: str, *, state: str | None, changed_by: str | None, now: int
) -> None:
    """Store the state of an issue; None opens it again."""
    with transaction(database):
        IssueStateRow.delete().where(IssueStateRow.issue == issue).execute(database)
        if state is not None:
            IssueStateRow.insert(
                issue=issue, state=state, changed_by=changed_by, changed_at=now
            ).execute(database)


def states(database: Database, issues: Collection[str]) -> Mapping[str, IssueState]:
    """Return the states of those of these issues that have one."""
    ids, found = list(issues), {}
    columns = (IssueStateRow.state, IssueStateRow.changed_by, IssueStateRow.changed_at)
    for start in range(0, len(ids), LOOKED_UP):
        query = IssueStateRow.select(IssueStateRow.issue, *columns).where(
            IssueStateRow.issue.in_(ids[start : start + LOOKED_UP])
        )
        found.update({issue: IssueState(*row) for issue, *row in query.tuples().execute(database)})
    return found
