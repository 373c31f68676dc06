"""Find the traces and spans that failed, and the issues that they are.

See `storage.queries.traces` for `audiences`.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from peewee import Database

from storage.coordination.issue_states import IssueState, states
from storage.database.models import SpanRow, TraceRow
from storage.model.filters import ANY, Filters
from storage.model.fingerprint import fingerprint
from storage.model.span import FAILED_STATUSES
from storage.queries.filters import conditions
from storage.queries.traces import NOT_SKIPPED, TraceSummary, summaries, visible
from storage.store.grains import DAY_NS, HOUR_NS, month_end
from storage.store.rollups import EVERYONE, ISSUE

MOST_TRACES = 1_000
"""How many failed traces are read to find issues, newest first."""

State = Literal["new", "known", "resolved", "returned", "muted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedSpan:
    """A span that failed. `error_type` is None if its process died before it could say why."""

    trace_id: str
    name: str
    team: str | None
    agent: str | None
    status: str
    started_at: int
    error_type: str | None
    error_message: str | None

    @property
    def issue(self) -> str:
        """The fingerprint of its issue."""
        error_type = self.error_type or self.status
        return fingerprint(
            team=self.team, error_type=error_type, agent=self.agent, message=self.error_message
        )


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


def failed_traces(
    database: Database,
    *,
    since: int,
    audiences: Collection[str] | None = None,
    filters: Filters = ANY,
    limit: int,
) -> tuple[TraceSummary, ...]:
    """Return the newest traces with an error, even if the user got an answer."""
    query = visible(audiences).where(
        TraceRow.started_at >= since, TraceRow.error_count > 0, NOT_SKIPPED, *conditions(filters)
    )
    return summaries(database, query.order_by(TraceRow.started_at.desc()).limit(limit))


def failed_spans(database: Database, trace_ids: Collection[str]) -> tuple[FailedSpan, ...]:
    """Return the failed spans of these traces, newest first."""
    query = SpanRow.select(*(getattr(SpanRow, item.name) for item in fields(FailedSpan))).where(
        SpanRow.trace_id.in_(list(trace_ids)), SpanRow.status.in_(sorted(FAILED_STATUSES))
    )
    rows = query.order_by(SpanRow.started_at.desc(), SpanRow.span_id).dicts().execute(database)
    return tuple(FailedSpan(**row) for row in rows)


def issues(
    database: Database,
    *,
    since: int,
    until: int | None = None,
    audiences: Collection[str] | None = None,
    filters: Filters = ANY,
    may_see: Callable[[TraceSummary], bool] = lambda trace: True,
) -> tuple[tuple[Issue, ...], bool]:
    """Return the issues of a period, and whether all of its failed traces were read.

    `may_see` decides about each trace, so that an issue is shown only to those who may see a trace
    in which it occurred. It is judged by its traces in the channel alone if `filters` name one.
    """
    # Rollups do not tell issues apart by channel, so all that is stored of the channel is read.
    in_channel = filters.channel is not None
    found = failed_traces(
        database,
        since=0 if in_channel else since,
        audiences=audiences,
        filters=filters,
        limit=MOST_TRACES,
    )
    ids = [
        trace.trace_id
        for trace in found
        if (until is None or trace.started_at < until) and may_see(trace)
    ]
    groups: dict[str, list[FailedSpan]] = {}
    for span in failed_spans(database, ids):
        groups.setdefault(span.issue, []).append(span)
    known = states(database, groups)
    past = {} if in_channel or not groups else _occurrences(database, groups, audiences)
    made = tuple(
        _issue(name, members, past.get(name, ()), known.get(name), since=since)
        for name, members in groups.items()
        if members[0].started_at >= since
    )
    return made, len(found) < MOST_TRACES


def fresh_issues(
    database: Database,
    *,
    since: int,
    until: int | None = None,
    audiences: Collection[str] | None = None,
    channel: str | None = None,
    may_see: Callable[[TraceSummary], bool] = lambda trace: True,
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


Occurrence = tuple[int, int, int]
"""When a rollup begins and ends, and in how many traces the issue occurred within it."""


def _issue(
    name: str,
    members: Sequence[FailedSpan],
    past: Sequence[Occurrence],
    changed: IssueState | None,
    *,
    since: int,
) -> Issue:
    """Describe an issue by its failed spans, newest first, and by its rollups."""
    starts: dict[str, int] = {}
    for span in members:
        starts[span.trace_id] = span.started_at  # The last one is the earliest of its trace.
    times = sorted(starts.values(), reverse=True)
    resolved_at = changed.changed_at if changed and changed.state == "resolved" else None
    # Of the time since the first of these spans, they tell more exactly than rollups.
    seen = [*_begins([each for each in past if each[1] <= times[-1]]), *times]
    latest = members[0]
    return Issue(
        id=name,
        error_type=latest.error_type or latest.status,
        agent=latest.agent,
        latest=latest,
        starts=tuple(at for at in times if at >= since) or (latest.started_at,),
        count=max(sum(count for *_, count in past), len(times)),
        first_seen=min(seen),
        changed=changed,
        back_since=min((at for at in seen if resolved_at and at > resolved_at), default=None),
    )


def _begins(past: Sequence[Occurrence]) -> Iterator[int]:
    """Yield the beginnings of rollups; of a day or month only if none of its hours is kept."""
    hours = [begins for begins, ends, _ in past if ends - begins == HOUR_NS]
    for begins, ends, _ in past:
        if ends - begins == HOUR_NS or not any(begins <= hour < ends for hour in hours):
            yield begins


def _occurrences(
    database: Database, names: Collection[str], audiences: Collection[str] | None
) -> dict[str, list[Occurrence]]:
    """Return the rollups of issues, and the facts that are not added up into them yet.

    One statement reads both, so that nothing is missing while another process adds them up. An hour
    counts nothing, because its day or month does.
    """
    mark = database.param
    seen, everyone = "", f" AND audience = {mark}"
    of_seen, of_everyone = list(audiences or ()), [EVERYONE]
    if audiences is not None:
        seen = everyone = f" AND audience IN ({', '.join([mark] * len(of_seen)) or 'NULL'})"
        of_everyone = of_seen
    columns = "key, starts_at, traces"
    parts = (
        (f"'fact' AS level, {columns} FROM facts WHERE TRUE", seen, of_seen),
        (f"level, {columns} FROM rollups WHERE level = 'hour'", seen, of_seen),
        (f"level, {columns} FROM rollups WHERE level = 'day'", everyone, of_everyone),
        (f"level, {columns} FROM rollups WHERE level = 'month'", everyone, of_everyone),
    )
    sql = " UNION ALL ".join(
        f"SELECT {part} AND dimension = {mark}{limit}" for part, limit, _ in parts
    )
    values = [value for *_, some in parts for value in (ISSUE, *some)]
    found: dict[str, list[Occurrence]] = {}
    for level, name, begins, count in database.execute_sql(sql, values).fetchall():
        # A fact that takes one back has a negative count.
        if name in names and (count > 0 or level == "fact"):
            ends = month_end(begins) if level == "month" else begins + LENGTHS[level]
            found.setdefault(name, []).append((begins, ends, 0 if level == "hour" else count))
    return found


LENGTHS = {"fact": HOUR_NS, "hour": HOUR_NS, "day": DAY_NS}
