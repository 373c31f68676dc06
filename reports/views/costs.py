"""Costs by model and by agent, and the models whose price is not known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports import formatting

if TYPE_CHECKING:
    from storage.queries.statistics import Group, Statistics

NOTHING = "No agent reported tokens or a cost."
NO_MODEL, NO_AGENT = "unnamed model", "no agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """The tokens and micro-dollars of one model or agent; a cost of None is unknown, not zero."""

    key: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLine:
    """One row as text. `share` is its part of the total known cost.

    `change` says how much more or less it cost than in the period before, if that is compared.
    """

    key: str
    tokens: str
    cached: str
    cost: str
    share: str
    change: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostView:
    """Lines of text, most expensive first; `total`, `models` and `agents` are the raw values."""

    title: str
    lines: tuple[tuple[str, tuple[CostLine, ...]], ...]
    """Pairs of a dimension (`model`, `agent`) and its lines; the last line is the total."""
    note: str
    since: int
    until: int
    period: str
    """The same as in a command, such as `7d`."""
    total: Spent
    models: tuple[Spent, ...]
    agents: tuple[Spent, ...]
    before: CostView | None = None
    """The period before, if it is compared."""

    @property
    def unpriced(self) -> tuple[Spent, ...]:
        return _unpriced(self.models)


def costs_view(
    by_model: Statistics,
    by_agent: Statistics,
    *,
    period: str,
    before: CostView | None = None,
) -> CostView:
    """Build the view. Both statistics must be of the same period and audiences."""
    total = _spent(by_model.total)
    models, agents = _groups(by_model, NO_MODEL), _groups(by_agent, NO_AGENT)
    compared = ", compared with the period before" if before else ""
    return CostView(
        title=f"Cost {formatting.of_period(by_model.since, by_model.until, period)}{compared}",
        lines=(
            ("model", _lines(models, total, (*before.models, before.total) if before else None)),
            ("agent", _lines(agents, total, (*before.agents, before.total) if before else None)),
        ),
        before=before,
        note=_unpriced_note(models)
        if models or agents
        else formatting.nothing_in(by_model.since, by_model.until, NOTHING),
        since=by_model.since,
        until=by_model.until,
        period=period,
        total=total,
        models=tuple(models),
        agents=tuple(agents),
    )


def unpriced_note(found: Statistics) -> str:
    """Name the models of statistics by model that have no known price; "" if all have one."""
    return _unpriced_note(_spent(group) for group in found.groups if _has_spent(group))


def _unpriced_note(models: Iterable[Spent]) -> str:
    named = [f"{formatting.plain(each.key)} ({_tokens(each)} tokens)" for each in _unpriced(models)]
    return f"No cost known for {', '.join(named)}; not included in totals." if named else ""


def _unpriced(models: Iterable[Spent]) -> tuple[Spent, ...]:
    return tuple(each for each in models if each.cost is None)


def _has_spent(group: Group) -> bool:
    return bool(group.input_tokens or group.output_tokens or group.cost)


def _spent(group: Group) -> Spent:
    return Spent(
        key=group.key or "all",
        input_tokens=group.input_tokens,
        output_tokens=group.output_tokens,
        cached_tokens=group.cached_tokens,
        cost=group.cost,
    )


def _groups(found: Statistics, unnamed: str) -> list[Spent]:
    """Return all groups with a cost or tokens, most expensive first.

    What the total has beyond the groups, of attempts without a model or agent, becomes a group
    named `unnamed`.
    """
    named = [_spent(group) for group in found.groups if _has_spent(group)]
    total = found.total
    rest = Spent(
        key=unnamed,
        input_tokens=total.input_tokens - sum(each.input_tokens for each in named),
        output_tokens=total.output_tokens - sum(each.output_tokens for each in named),
        cached_tokens=total.cached_tokens - sum(each.cached_tokens for each in named),
        cost=((total.cost or 0) - sum(each.cost or 0 for each in named)) or None,
    )
    if rest.input_tokens or rest.output_tokens or rest.cost:
        named.append(rest)
    return sorted(named, key=_dearest)


def _dearest(spent: Spent) -> tuple[int, int, str]:
    return -(spent.cost or 0), -(spent.input_tokens + spent.output_tokens), spent.key


def _lines(
    spent: Sequence[Spent], total: Spent, earlier: Sequence[Spent] | None
) -> tuple[CostLine, ...]:
    """Return a line for each of them and the total, compared with *earlier* ones, if given."""
    if earlier is None:
        return tuple(_line(each, total) for each in (*spent, total))
    costs = {each.key: each.cost for each in earlier}
    return tuple(
        _line(each, total, change=formatting.change(each.cost, costs.get(each.key, 0)))
        for each in (*spent, total)
    )


def _line(spent: Spent, total: Spent, *, change: str = "") -> CostLine:
    known = spent.cost is not None and total.cost
    return CostLine(
        key=formatting.plain(spent.key),
        tokens=_tokens(spent),
        cached=formatting.tokens(spent.cached_tokens),
        cost=formatting.cost(spent.cost),
        share=formatting.percent(spent.cost or 0, total.cost or 0) if known else formatting.UNKNOWN,
        change=change,
    )


def _tokens(spent: Spent) -> str:
    return formatting.token_pair(spent.input_tokens, spent.output_tokens)
