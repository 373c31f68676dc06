"""Measure what rules watch: with one query for each window, however many rules there are.

A rule counts only what everybody in its channel may see.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from peewee import Database

from reports.alerts.grammar import Condition, stored_condition
from storage.coordination.alert_rules import AlertRule, Level
from storage.queries.statistics import Group, group_of, statistics
from storage.queries.traces import TraceSummary, running_traces
from storage.queries.watched_figures import Keys, watched_figures

LEAST = 3
"""Turns or thumbs from which a share or a percentile means anything."""

MOST_RUNNING = 1_000


class Sight(Protocol):
    """The traces that everybody in a channel may see: of `audiences`, or only of one `channel`."""

    @property
    def audiences(self) -> Collection[str]: ...

    @property
    def channel(self) -> str | None: ...

    def may_see(self, trace: TraceSummary) -> bool: ...

    def may_see_in(self, channel: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Measured:
    """A rule's level and its figure; None if there is none."""

    level: Level
    value: float | None = None


Problems = Callable[[], Mapping[str, bool]]
"""The problems of now, by the name of an agent or of a fact of the database; True if it is bad."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A rule with its condition, and what everybody in its channel may see."""

    rule: AlertRule
    condition: Condition
    sight: Sight


def watched(rules: Sequence[AlertRule], sights: Mapping[str, Sight]) -> list[Watched]:
    """Return the rules of the channels whose sight is known."""
    return [
        Watched(rule, stored_condition(rule.condition), sights[rule.channel])
        for rule in rules
        if rule.channel in sights
    ]


def measure(
    database: Database,
    rules: Sequence[Watched],
    *,
    agents: Problems,
    health: Problems,
    now: int,
) -> dict[str, Measured]:
    """Return what each rule measures at `now`, by the rule's id.

    `agents` and `health` are only called if a rule watches them, and once.
    """
    found: dict[str, Measured] = {}
    by_window: defaultdict[int, list[Watched]] = defaultdict(list)
    states = {"agent_check": cache(agents), "database": cache(health)}
    running = cache(lambda: running_traces(database, limit=MOST_RUNNING))
    for each in rules:
        name = each.condition.measure
        if name in states:
            found[each.rule.id] = _state(each.condition, states[name]())
        elif name == "running":
            found[each.rule.id] = _running(each, running(), now)
        else:
            by_window[each.condition.window_ns].append(each)
    for window_ns, some in by_window.items():
        found |= _figures(database, some, since=max(now - window_ns, 0), until=now)
    return found


def _state(condition: Condition, problems: Mapping[str, bool]) -> Measured:
    found = [bad for name, bad in problems.items() if condition.key in ("", name)]
    level: Level = "alert" if any(found) else "warning" if found else "ok"
    return Measured(level, float(len(found)))


def _running(each: Watched, traces: Sequence[TraceSummary], now: int) -> Measured:
    condition, sight = each.condition, each.sight
    oldest = min(
        (
            trace.started_at
            for trace in traces
            if trace.audience in sight.audiences
            and (
                condition.dimension == "all" or getattr(trace, condition.dimension) == condition.key
            )
            and sight.may_see(trace)
        ),
        default=now,
    )
    return _compared(condition, float(now - oldest))


def _figures(
    database: Database, rules: Sequence[Watched], *, since: int, until: int
) -> dict[str, Measured]:
    """Measure rules with the same window."""
    if not rules:
        return {}
    keys = watched_figures(
        database,
        since=since,
        until=until,
        dimensions={each.condition.dimension for each in rules}
        | {"channel" for each in rules if each.sight.channel},
        keys={each.condition.key for each in rules}
        | {each.sight.channel for each in rules if each.sight.channel},
        audiences={audience for each in rules for audience in each.sight.audiences},
        latency=any(each.condition.measure == "p95" for each in rules),
    )

    @cache
    def in_channel(channel: str, by: str, audiences: frozenset[str]) -> Mapping[str, Group]:
        found = statistics(
            database, since=since, until=until, by=by, channel=channel, audiences=audiences
        )
        return {group.key: group for group in found.groups}

    return {each.rule.id: _level(each.condition, _group(each, keys, in_channel)) for each in rules}


def _group(
    each: Watched,
    keys: Keys,
    in_channel: Callable[[str, str, frozenset[str]], Mapping[str, Group]],
) -> Group | None:
    """Return the figures that a rule watches; None if the channel may not see them."""
    condition, sight = each.condition, each.sight
    dimension, key = condition.dimension, condition.key
    if dimension == "channel" and not sight.may_see_in(key):
        return None
    if sight.channel is not None:
        if dimension in ("agent", "user"):  # Rollups do not tell these apart by channel.
            found = in_channel(sight.channel, dimension, frozenset(sight.audiences))
            return found.get(key) or group_of(key, [])
        if dimension == "channel" and key != sight.channel:
            return None
        dimension, key = "channel", sight.channel
    rows = [row for audience in sight.audiences for row in keys.get((dimension, key, audience), ())]
    return group_of(key, rows)


def _level(condition: Condition, group: Group | None) -> Measured:
    if group is None:
        return Measured("no_data")
    if condition.measure == "no_data":
        return Measured("ok" if group.traces else "alert", float(group.traces))
    return _compared(condition, FIGURES[condition.measure](group))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole >= LEAST else None


FIGURES: Mapping[str, Callable[[Group], float | None]] = {
    "error_rate": lambda group: _share(group.errors, group.traces),
    "thumbs_down": lambda group: _share(group.thumbs_down, group.thumbs_up + group.thumbs_down),
    "p95": lambda group: group.p95_ns if group.traces >= LEAST else None,
    "cost": lambda group: float(group.cost or 0),
    "tokens": lambda group: float(group.input_tokens + group.output_tokens),
    "count": lambda group: float(group.traces),
}


def _compared(condition: Condition, value: float | None) -> Measured:
    if value is None:
        return Measured("no_data")

    def beyond(limit: float) -> bool:
        return value > limit if condition.above else value < limit

    if beyond(condition.limit):
        return Measured("alert", value)
    warned = condition.warning is not None and beyond(condition.warning)
    return Measured("warning" if warned else "ok", value)
