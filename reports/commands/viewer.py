"""The person who reads what a command answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.views.statistics import NameOf
    from storage.coordination.budgets import Budget
    from storage.queries.removed_traces import RemovedTrace
    from storage.queries.traces import TraceSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """The person who asks, and from where.

    `audiences` are those that they belong to; None is a shell on the database's own machine, which
    sees everything. Of those `in_doubt` the statistics may count what they may not see. `may_see`
    decides about each trace that is listed or shown, `may_name` about each channel in statistics,
    `may_read` about the matters of each channel, and `may_see_budget` about each budget. `name_of`
    names the keys of statistics: users and channels have ids. `workspace` is the URL of the
    viewer's workspace, with which links to messages begin; it is not known in a shell.
    """

    audiences: frozenset[str] | None = None
    in_doubt: frozenset[str] = frozenset()
    may_see: Callable[[TraceSummary | RemovedTrace], bool] = lambda trace: True
    may_name: Callable[[str], bool] = lambda channel: True
    may_see_budget: Callable[[Budget], bool] = lambda budget: True
    may_read: Callable[[str], bool] = lambda channel: True
    name_of: NameOf = lambda by, key: key
    team: str | None = None
    user: str | None = None
    channel: str | None = None
    workspace: str = ""
    """Its URL, such as `https://acme.slack.com/`; empty in a shell."""
    time_zone: str = "UTC"

    @property
    def counted(self) -> frozenset[str] | None:
        """Return the audiences whose statistics they may read."""
        return None if self.audiences is None else self.audiences - self.in_doubt
