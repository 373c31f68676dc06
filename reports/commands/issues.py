"""Run `errors`: list issues, and resolve, mute or reopen one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reports.commands.filters import filter_words
from reports.commands.lists import period_start
from reports.commands.menus import limit_words
from reports.commands.viewer import Viewer
from reports.errors import UsageError
from reports.views.failures import failures_view, name_of_issue
from reports.views.messages import MessageView
from storage.coordination.issue_states import set_state
from storage.model.redaction import redact
from storage.queries.issues import issues
from storage.queries.lookups import short_ids

if TYPE_CHECKING:
    import argparse

    from reports.views.views import View
    from storage.database.base import Database


def list_issues(args: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> View:
    """List the issues of a period, or change one. Raises `UsageError`."""
    if args.change:
        return _change_issue(args.change, database, viewer, now)
    since = period_start(args, viewer, now)
    found, all_of_them = issues(
        database,
        since=since,
        audiences=viewer.counted,
        filters=args.filters,
        may_see=viewer.may_see,
    )
    again = shlex.join(["errors", *limit_words(args), *filter_words(args.filters)])
    return failures_view(
        found,
        since=since,
        now=now,
        period=args.since,
        all_of_them=all_of_them,
        short_ids=short_ids(database, [issue.latest.trace_id for issue in found]),
        limit=args.limit,
        again=again if redact(again) == again else "",
        name_of=viewer.name_of,
    )


def _change_issue(change: Sequence[str], database: Database, viewer: Viewer, now: int) -> View:
    """Resolve, mute or reopen an issue that the viewer may see. Raises `UsageError`."""
    if len(change) != 2 or change[0] not in CHANGES:
        raise UsageError(
            f"errors does not take {' '.join(change)}: write errors resolve ID, errors mute ID, "
            "errors reopen ID, or a filter such as agent:claude.",
            word=change[0],
        )
    wanted = change[1].lower()
    if not re.fullmatch("[0-9a-f]{4,12}", wanted):
        raise UsageError(
            f"{change[1]} is not the id of an issue: give at least 4 of the digits that `errors` "
            "shows.",
            word=change[1],
        )
    found, _ = issues(
        database, since=0, audiences=viewer.audiences, prefix=wanted, may_see=viewer.may_see
    )
    if len(found) > 1:
        ids = ", ".join(issue.id for issue in found)
        return MessageView(text=f"Several issues begin with {wanted}: {ids}. Give more digits.")
    if not found:
        return MessageView(
            text=f"There is no issue {wanted} that you may see: errors --since 30d lists them."
        )
    state, text = CHANGES[change[0]]
    set_state(database, found[0].id, state=state, changed_by=viewer.user, now=now)
    undo = "" if state is None else f" errors reopen {found[0].id} takes it back."
    return MessageView(text=f"{name_of_issue(found[0])} {text}{undo}", found=True)


CHANGES: Mapping[str, tuple[str | None, str]] = {
    "resolve": ("resolved", "is resolved. If it occurs again, it is listed as returned."),
    "mute": ("muted", "is muted: digests do not list it. Figures and their alerts count it."),
    "reopen": (None, "is open again."),
}
"""The words after `errors`: the new state of an issue, and the sentence that says so."""
