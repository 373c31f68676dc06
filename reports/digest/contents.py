"""Gather what a digest tells of a period, as those who read it may see it."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from reports.digest.usual import silent, usual_of
from reports.periods import Period, Window, last_24_hours
from reports.views.budgets import in_a_line
from reports.views.digest import Day, DigestFacts, DigestView, Thread, digest_view
from reports.views.health import health_view
from storage.coordination.budgets import budgets
from storage.coordination.reservations import reservations
from storage.database.base import Database
from storage.health import health
from storage.queries.digests import failures_of_period, top_threads
from storage.queries.issues import Issue, fresh_issues, without_muted
from storage.queries.lookups import short_ids, thread_traces
from storage.queries.spending import spending
from storage.queries.statistics import Statistics, statistics
from storage.queries.traces import TraceSummary
from storage.writer.dropped import DROPPED, drop_counts

SHOWN_FAILURES, SHOWN_THREADS, SHOWN_BUDGETS = 3, 3, 3
CANDIDATES = 10
"""Failures and threads that are looked through for some that the readers may see."""

MOST_FAILURES = 200
"""Failures that are looked through for some whose issues nobody muted."""

BY_THEMSELVES = frozenset(("Waiting", "Figures", "Dropped"))
"""Problems of the database that pass without anybody, and one that the digest tells anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The traces that a digest may speak of: those of `audiences`, and of one channel if it is set.

    `may_see` decides about each trace that is mentioned. `workspace` is the URL with which links to
    messages begin.
    """

    audiences: Collection[str] | None = None
    channel: str | None = None
    may_see: Callable[[TraceSummary], bool] = lambda trace: True
    workspace: str = ""

    @property
    def is_whole(self) -> bool:
        """Return whether the readers may know how the whole bot fares."""
        return self.channel is None and self.audiences != frozenset()


def digest(
    database: Database, scope: Scope, period: Period, *, now: int, subscribed: str = ""
) -> DigestView:
    """Summarise a period. `subscribed` is the channel whose digest it is, if it is posted."""
    found = _Reader(database, scope, period)
    facts = DigestFacts(
        agents=found.agents,
        before=found.by("agent", period.before).total,
        usual=usual_of([week.total for week in found.weeks]),
        days=found.days,
        decisions=found.by("decision", period.window),
        silent_agents=silent(found.agents, found.weeks),
        silent_platforms=found.silent_platforms(),
        issues=found.issues(),
        failed=tuple(found.failures()),
        dearest=tuple(found.threads("cost")),
        slowest=tuple(found.threads("slowest_ns")),
        dropped=found.dropped(),
        problems=_problems(database, now) if scope.is_whole else (),
        budgets=_budgets(database, scope, now) if scope.is_whole else (),
    )
    return digest_view(
        facts,
        period,
        now=now,
        short_ids=short_ids(database, set(facts.mentioned)),
        workspace=scope.workspace,
        channel_only=scope.channel is not None,
        subscribed=subscribed,
    )


def last_day(database: Database, scope: Scope, *, now: int, time_zone: str = "UTC") -> DigestView:
    """Summarise the last 24 hours."""
    return digest(database, scope, last_24_hours(now=now, time_zone=time_zone), now=now)


def _problems(database: Database, now: int) -> tuple[str, ...]:
    """Return what is wrong with the database and needs a person."""
    view = health_view(health(database, now=now), now=now, private=True)
    return tuple(
        f"{each.mark} {each.fact}: {each.advice}"
        for each in view.problems
        if each.fact not in BY_THEMSELVES
    )


def _budgets(database: Database, scope: Scope, now: int) -> tuple[str, ...]:
    """Return the fullest budgets of agents and of everyone: other ones not all readers may know."""
    teams = None if scope.audiences is None else {"", *scope.audiences}
    own = [
        each
        for each in budgets(database)
        if each.dimension in ("all", "agent") and (teams is None or each.team in teams)
    ]
    running = reservations(database, now=now) if own else ()
    found = [spending(database, each, running, now=now) for each in own]
    found.sort(key=lambda each: each.share, reverse=True)
    return tuple(in_a_line(each, now=now) for each in found[:SHOWN_BUDGETS])


class _Reader:
    """Read figures and traces of a period and of the windows that it is compared with."""

    def __init__(self, database: Database, scope: Scope, period: Period) -> None:
        self._database = database
        self._scope = scope
        self._period = period

    def by(self, dimension: str | None, window: Window) -> Statistics:
        return statistics(
            self._database,
            since=window[0],
            until=window[1],
            by=dimension,
            audiences=self._scope.audiences,
            channel=self._scope.channel,
        )

    @cached_property
    def days(self) -> tuple[Day, ...]:
        totals = [(label, self.by(None, window).total) for label, window in self._period.days]
        return tuple(
            Day(label=label, traces=total.traces, errors=total.errors) for label, total in totals
        )

    @cached_property
    def agents(self) -> Statistics:
        return self.by("agent", self._period.window)

    @cached_property
    def weeks(self) -> list[Statistics]:
        """The statistics by agent of the weeks before, but for those before the first turn."""
        weeks = [self.by("agent", window) for window in self._period.usual]
        seen = [week.since for week in weeks if week.total.traces]
        pairs = zip(self.days, self._period.days, strict=True)
        seen += [window[0] for day, (_, window) in pairs if day.traces]
        first = min(seen, default=self._period.window[0])
        return [week for week in weeks if week.since >= first]

    def silent_platforms(self) -> tuple[tuple[str, int], ...]:
        known = {week.since for week in self.weeks}
        weeks = [self.by("platform", each) for each in self._period.usual if each[0] in known]
        return silent(self.by("platform", self._period.window), weeks)

    def dropped(self) -> int:
        """Return how many records could not be stored, as far as the readers may know."""
        if not self._scope.is_whole:
            return 0
        since, until = self._period.window
        counted = drop_counts(self._database, since=since, until=until)
        return sum(each.count for each in counted if each.metric == DROPPED)

    def issues(self) -> tuple[Issue, ...]:
        """Return the errors that are new, or back again after somebody resolved them."""
        since, until = self._period.window
        return fresh_issues(
            self._database,
            since=since,
            until=until,
            audiences=self._scope.audiences,
            channel=self._scope.channel,
            may_see=self._scope.may_see,
        )

    def failures(self) -> Iterator[TraceSummary]:
        """Yield the newest turns that failed, but not those of which all issues are muted."""
        since, until = self._period.window
        found = failures_of_period(
            self._database,
            since=since,
            until=until,
            audiences=self._scope.audiences,
            channel=self._scope.channel,
            limit=MOST_FAILURES,
        )
        heard = without_muted(self._database, found)[:CANDIDATES]
        yield from list(filter(self._scope.may_see, heard))[:SHOWN_FAILURES]

    def threads(self, by: Literal["cost", "slowest_ns"]) -> Iterator[Thread]:
        since, until = self._period.window
        found = top_threads(
            self._database,
            since=since,
            until=until,
            audiences=self._scope.audiences,
            channel=self._scope.channel,
            by=by,
            limit=CANDIDATES,
        )
        shown = 0
        for each in found:
            traces = thread_traces(
                self._database,
                channel=each.channel,
                thread_ts=each.thread_ts,
                audiences=self._scope.audiences,
            )
            first = next((trace for trace in traces if trace.decision != "skip"), None)
            if first is not None and self._scope.may_see(first) and shown < SHOWN_THREADS:
                shown += 1
                yield Thread(sums=each, first=first)
