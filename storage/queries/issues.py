"""Find the issues of a period: its failures by their fingerprints, as one reader may see them.

See `storage.queries.traces` for `audiences`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from storage.coordination.issue_states import IssueState, states
from storage.database.base import Database
from storage.model.filters import ANY, Filters
from storage.queries.failures import LATEST, LOOKED_UP, FailedSpan, failed_spans, failed_traces
from storage.queries.issue_history import Occurrence, first_times, histories, times, total, within
from storage.queries.traces import LONGEST_TURN_NS, TraceSummary
from storage.store.grains import HOUR_NS, grains_of

MOST_TRACES, MOST_FILTERED = 1_000, 10_000
"""How many failed traces are read to find issues, newest first; more if rollups cannot help."""

MOST_PERIODS = 50
"""In how many hours older issues are looked for."""

MaySee = Callable[[TraceSummary], bool]

State = Literal["new", "known", "resolved", "returned", "muted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Failures of the same kind, as one reader may see them.

    `latest` is the deepest failed span of its latest trace.
    """

    id: str
    error_type: str
    agent: str | None
    latest: FailedSpan
    starts: tuple[int, ...]
    """When it occurred in the period that was asked for, once a trace, newest first."""
    count: int
    """In how many traces it occurred at any time, also in those that retention removed."""
    first_seen: int
    """To the hour, or to the day or month if it is older than the statistics by hour."""
    changed: IssueState | None
    """The state that somebody set."""
    back_since: int | None
    """When it occurred for the first time after it was resolved, None if it did not."""

    @property
    def traces(self) -> int:
        """In how many traces of the period it occurred."""
        return len(self.starts)

    @property
    def last_seen(self) -> int:
        return self.starts[0]

    def state(self, *, since: int) -> State:
        """Return its state; it is new if it occurred for the first time after `since`."""
        if self.changed is not None and self.changed.state == "muted":
            return "muted"
        if self.back_since is not None:
            return "returned"
        if self.changed is not None:
            return "resolved"
        return "new" if self.first_seen >= since else "known"


def issues(
    database: Database,
    *,
    since: int,
    until: int | None = None,
    audiences: Collection[str] | None = None,
    filters: Filters = ANY,
    prefix: str = "",
    may_see: MaySee = lambda trace: True,
) -> tuple[tuple[Issue, ...], bool]:
    """Return the issues of a period, and whether all of its failed traces are counted.

    `may_see` decides about each trace, so that an issue is shown only to those who may see a trace
    in which it occurred. It is judged by its traces in the channel alone if `filters` name one.
    `prefix` is what the ids of the issues begin with.

    The newest failures are read. Those before them are known from rollups, by the hour, unless
    there are `filters`, which rollups do not know.
    """
    # Rollups do not tell issues apart by channel, so all that is stored of the channel is read.
    in_channel = filters.channel is not None
    limit = MOST_TRACES if filters == ANY else MOST_FILTERED
    read = failed_traces(
        database,
        since=0 if in_channel else since,
        until=until,
        audiences=audiences,
        filters=filters,
        limit=limit,
    )
    is_whole = len(read) < limit
    groups = _by_issue(database, filter(may_see, read), prefix)
    past: Mapping[str, Sequence[Occurrence]] = {}
    recent: Mapping[str, Sequence[Occurrence]] = {}
    if not is_whole and filters == ANY:
        past, grains = histories(database, audiences=audiences), grains_of(database)
        recent = {
            name: list(within(rows, grains, since=since, until=until or LATEST))
            for name, rows in past.items()
            if name.startswith(prefix)
        }
        missing = {name: rows for name, rows in recent.items() if rows and name not in groups}
        older, is_whole = _older(database, missing, audiences=audiences, may_see=may_see)
        groups |= older
    elif groups and not in_channel:
        past = histories(database, audiences=audiences, names=groups)
    known = states(database, groups)
    made = tuple(
        _issue(
            name, members, past.get(name, ()), recent.get(name, ()), known.get(name), since=since
        )
        for name, members in groups.items()
        if members[0].started_at >= since
    )
    return made, is_whole


def _older(
    database: Database,
    missing: Mapping[str, Sequence[Occurrence]],
    *,
    audiences: Collection[str] | None,
    may_see: MaySee,
) -> tuple[dict[str, list[FailedSpan]], bool]:
    """Return failed spans of issues that did not occur lately, and whether all were looked for.

    They are read from the last hour, day or month in which each issue occurred.
    """
    last = {name: max((each.begins, each.ends) for each in rows) for name, rows in missing.items()}
    periods = sorted(set(last.values()), reverse=True)
    found: dict[str, list[FailedSpan]] = {}
    for begins, ends in periods[:MOST_PERIODS]:
        # An issue occurs when its span fails, some time after its trace began.
        traces = failed_traces(
            database,
            since=begins - LONGEST_TURN_NS,
            until=ends,
            audiences=audiences,
            limit=MOST_TRACES,
        )
        for name, members in _by_issue(database, filter(may_see, traces)).items():
            if last.get(name) == (begins, ends):
                found[name] = members
    return found, len(periods) <= MOST_PERIODS


def _by_issue(
    database: Database, traces: Iterable[TraceSummary], prefix: str = ""
) -> dict[str, list[FailedSpan]]:
    """Return the failed spans of these traces, newest first, by issue."""
    ids = [trace.trace_id for trace in traces]
    groups: dict[str, list[FailedSpan]] = {}
    for start in range(0, len(ids), LOOKED_UP):
        for span in failed_spans(database, ids[start : start + LOOKED_UP]):
            if span.issue.startswith(prefix):
                groups.setdefault(span.issue, []).append(span)
    return groups


def fresh_issues(
    database: Database,
    *,
    since: int,
    until: int | None = None,
    audiences: Collection[str] | None = None,
    channel: str | None = None,
    may_see: MaySee = lambda trace: True,
) -> tuple[Issue, ...]:
    """Return the issues that occurred in a period for the first time, ever or since *Resolve*.

    Those who hold `audiences` may be told of them; muted ones are left out. `channel` limits them
    to what occurred in one channel.
    """
    found, _ = issues(
        database,
        since=since,
        until=until,
        audiences=audiences,
        filters=Filters(channel=channel),
        may_see=may_see,
    )
    news = []
    for issue in found:
        state = issue.state(since=since - since % HOUR_NS)
        returned = issue.back_since is not None and issue.back_since >= since - since % HOUR_NS
        if state == "new" or (state == "returned" and returned):
            news.append(issue)
    return tuple(sorted(news, key=lambda issue: (-len(issue.starts), issue.id)))


def without_muted(database: Database, traces: Sequence[TraceSummary]) -> tuple[TraceSummary, ...]:
    """Return these traces without those that failed, and only with issues that somebody muted."""
    groups = _by_issue(database, traces)
    known = states(database, groups)
    muted, heard = set[str](), set[str]()
    for name, members in groups.items():
        is_muted = name in known and known[name].state == "muted"
        (muted if is_muted else heard).update(span.trace_id for span in members)
    return tuple(trace for trace in traces if trace.trace_id not in muted - heard)


def _issue(
    name: str,
    members: Sequence[FailedSpan],
    past: Sequence[Occurrence],
    recent: Sequence[Occurrence],
    changed: IssueState | None,
    *,
    since: int,
) -> Issue:
    """Describe an issue by its failed spans, newest first, and by its rollups.

    `recent` are those of the period, if not all of its failed spans were read.
    """
    starts: dict[str, int] = {}
    for span in members:
        starts[span.trace_id] = span.started_at  # The last one is the earliest of its trace.
    read = sorted(starts.values(), reverse=True)
    occurred = [*read, *sorted(times(recent, since=since, known=read), reverse=True)]
    resolved_at = changed.changed_at if changed and changed.state == "resolved" else None
    # Of the time since the first of these spans, they tell more exactly than rollups.
    seen = [*first_times([each for each in past if each.ends <= read[-1]]), *read]
    latest = members[0]
    return Issue(
        id=name,
        error_type=latest.error_type or latest.status,
        agent=latest.agent,
        latest=latest,
        starts=tuple(at for at in occurred if at >= since) or (latest.started_at,),
        count=max(total(past), len(occurred)),
        first_seen=min(seen),
        changed=changed,
        back_since=min((at for at in seen if resolved_at and at > resolved_at), default=None),
    )
