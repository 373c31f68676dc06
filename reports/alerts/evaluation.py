"""Measure what rules watch: with one query for each window, however many rules there are.

A rule counts only what everybody in its channel may see. Windows of hours are added up from
rollups, shorter ones and the time to the first token from the newest turns.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Protocol

from reports.alerts.grammar import Condition, stored_condition
from reports.alerts.measures import HOUR_NS, OF_THE_BOT
from reports.errors import UsageError
from reports.formatting import lasting
from storage.coordination.alert_rules import AlertRule, Level
from storage.database.base import Database
from storage.model.filters import names_in
from storage.queries.lookups import running_traces
from storage.queries.recent_turns import (
    by_owner,
    first_outputs,
    in_channel,
    recent_turns,
)
from storage.queries.rollup_sums import Row
from storage.queries.statistics import Group, channel_rows, group_of
from storage.queries.traces import TraceSummary
from storage.queries.watched_figures import Keys, watched_figures

LEAST = 3
"""Turns or thumbs from which a share or a percentile means anything."""

MOST_RUNNING = 1_000
"""Running traces that are looked through for the oldest."""

logger = logging.getLogger("tracebot.alerts")


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


def _names(trace: TraceSummary, condition: Condition) -> Sequence[str]:
    return names_in(condition.dimension, getattr(trace, condition.dimension))


Problems = Callable[[], Mapping[str, bool]]
"""The problems of now, by the name of an agent or of a fact of the database; True if it is bad."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A rule with its condition, and what everybody in its channel may see."""

    rule: AlertRule
    condition: Condition
    sight: Sight


def watched(rules: Sequence[AlertRule], sights: Mapping[str, Sight]) -> list[Watched]:
    """Return the rules of the channels whose sight is known.

    One that cannot be read, as a newer version may have stored it, keeps no other from being told.
    """
    found = []
    for rule in rules:
        try:
            condition = stored_condition(rule.condition)
        except UsageError as error:
            logger.warning("Alert %s is not evaluated: %s", rule.id, error)
            continue
        if rule.channel in sights:
            found.append(Watched(rule, condition, sights[rule.channel]))
    return found


def measure(
    database: Database,
    rules: Sequence[Watched],
    *,
    agents: Problems,
    health: Problems,
    now: int,
) -> dict[str, Measured]:
    """Return what each rule measures at `now`, by the rule's id.

    `agents` and `health` are only called if a rule watches them, and once. If one fails, the rules
    that watch it measure nothing.
    """
    found: dict[str, Measured] = {}
    by_source: defaultdict[tuple[Source, int], list[Watched]] = defaultdict(list)
    states = {
        "agent_check": cache(partial(_told, agents)),
        "database": cache(partial(_told, health)),
    }
    running = cache(lambda: running_traces(database, limit=MOST_RUNNING))
    for each in rules:
        name = each.condition.measure
        if name in OF_THE_BOT and each.sight.channel is not None:
            found[each.rule.id] = Measured("no_data")
        elif name in OF_THE_BOT:
            if (problems := states[name]()) is not None:
                found[each.rule.id] = _state(each.condition, problems)
        elif name == "running":
            found[each.rule.id] = _running(each, running(), now)
        else:
            by_source[_source(each.condition), each.condition.window_ns].append(each)
    for (source, window_ns), some in by_source.items():
        keys, by_key = source(database, some, max(now - window_ns, 0), now)
        for each in some:
            found[each.rule.id] = _level(each.condition, _group(each, keys, by_key))
    return found


def _told(problems: Problems) -> Mapping[str, bool] | None:
    try:
        return problems()
    except Exception:  # Other rules are to speak nonetheless.
        logger.exception("Alerts on agents or on the database are not evaluated.")
        return None


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
            and (condition.dimension == "all" or condition.key in _names(trace, condition))
            and sight.may_see(trace)
        ),
        default=now,
    )
    return _compared(condition, float(lasting(oldest, now=now)))


InChannel = Callable[[str, str, frozenset[str]], Mapping[str, Group]]
"""Returns the figures of one channel by agent or user, of those with some audiences."""

Source = Callable[[Database, Sequence[Watched], int, int], tuple[Keys, InChannel]]
"""Reads the figures that rules watch in a window."""


def _source(condition: Condition) -> Source:
    if condition.measure == "first_token":
        return _outputs
    return _hours if condition.window_ns >= HOUR_NS else _turns


def _hours(
    database: Database, rules: Sequence[Watched], since: int, until: int
) -> tuple[Keys, InChannel]:
    keys = watched_figures(
        database,
        since=since,
        until=until,
        dimensions={each.condition.dimension for each in rules}
        | {"channel" for each in rules if each.sight.channel},
        keys={each.condition.key for each in rules}
        | {each.sight.channel for each in rules if each.sight.channel},
        audiences=_audiences(rules),
        latency=any(each.condition.measure == "p95" for each in rules),
    )

    @cache
    def by_key(channel: str, by: str, audiences: frozenset[str]) -> Mapping[str, Group]:
        found: defaultdict[str, list[Row]] = defaultdict(list)
        for row in channel_rows(
            database, channel, since=since, until=until, by=by, audiences=audiences
        ):
            for name in names_in(by, row[1]) if row[0] == by else ():
                found[name].append(row)
        return {name: group_of(name, rows) for name, rows in found.items()}

    return keys, by_key


def _turns(
    database: Database, rules: Sequence[Watched], since: int, until: int
) -> tuple[Keys, InChannel]:
    found = recent_turns(database, since=since, until=until, audiences=_audiences(rules))
    return by_owner(found), cache(partial(in_channel, found))


def _outputs(
    database: Database, rules: Sequence[Watched], since: int, until: int
) -> tuple[Keys, InChannel]:
    found = first_outputs(database, since=since, until=until, audiences=_audiences(rules))
    return by_owner(found), cache(partial(in_channel, found))


def _audiences(rules: Iterable[Watched]) -> set[str]:
    return {audience for each in rules for audience in each.sight.audiences}


def _group(each: Watched, keys: Keys, by_key: InChannel) -> Group | None:
    """Return the figures that a rule watches; None if the channel may not see them."""
    condition, sight = each.condition, each.sight
    dimension, key = condition.dimension, condition.key
    if dimension == "channel" and not sight.may_see_in(key):
        return None
    if sight.channel is not None:
        if dimension in ("agent", "user"):  # Rollups do not tell these apart by channel.
            found = by_key(sight.channel, dimension, frozenset(sight.audiences))
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


def _p95(group: Group) -> float | None:
    return group.p95_ns if group.traces >= LEAST else None


FIGURES: Mapping[str, Callable[[Group], float | None]] = {
    "error_rate": lambda group: _share(group.errors, group.traces),
    "thumbs_down": lambda group: _share(group.thumbs_down, group.thumbs_up + group.thumbs_down),
    "p95": _p95,
    "first_token": _p95,
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
