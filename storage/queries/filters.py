"""The conditions of `storage.model.filters.Filters` in SQL."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from peewee import SQL, fn

from storage.database.base import Database
from storage.database.models import NOT_OK, RATED_DOWN, RATED_UP, TraceRow
from storage.database.statements import Statement
from storage.model.filters import EQUAL, Filters, meant

IN_ANY_CASE = ("provider", "model")
"""Names that are compared without their case. Agents are looked up; the others are ids."""

MOST_AGENTS = 2_000
"""So many names of agents are looked through for one; received telemetry may have any number."""


def for_each_agent(
    database: Database, filters: Filters, *, audiences: Collection[str] | None
) -> tuple[Filters, ...]:
    """Return the filters for each stored name that is meant by their agent.

    Which those are is not asked of each trace: so a list is read from the index by agent, once for
    each name, and there are several only if agents were asked together.
    """
    without_agents = [said for kind, said in filters.without if kind == "agent"]
    if filters.agent is None and not without_agents:
        return (filters,)
    stored = [name for (name,) in AGENTS.fetch(database, ())]
    others = [each for each in filters.without if each[0] != "agent"]
    for said in without_agents:
        others += (("agent", name) for name in _meant(database, said, stored, audiences))
    filters = replace(filters, without=tuple(others))
    if filters.agent is None:
        return (filters,)
    names = _meant(database, filters.agent, stored, audiences) or (filters.agent,)
    return tuple(replace(filters, agent=name) for name in names)


def _meant(
    database: Database, said: str, stored: Sequence[str], audiences: Collection[str] | None
) -> tuple[str, ...]:
    """Return the agents that somebody of these audiences means.

    A name that is equal, but only in traces of others, must not hide one in another case: they
    would learn from the empty list that it exists.
    """
    equal = meant("agent", said, stored)
    alike = meant("agent", said, [name for name in stored if name not in equal])
    if audiences is None or not alike:
        return equal
    seen = TraceRow.select(SQL("1")).where(
        TraceRow.agent.in_(equal), TraceRow.audience.in_(list(audiences))
    )
    return equal if seen.limit(1).scalar(database) is not None else alike


def all_conditions(
    database: Database, filters: Filters, *, audiences: Collection[str] | None
) -> list[Any]:
    """Build the conditions of a query of `TraceRow` that need not be read by agent."""
    each = for_each_agent(database, filters, audiences=audiences)
    if len(each) == 1:
        return conditions(database, each[0])
    one_of = TraceRow.agent.in_([one.agent for one in each])
    return [*conditions(database, replace(each[0], agent=None)), one_of]


def conditions(database: Database, filters: Filters) -> list[Any]:
    """Build the conditions of a query of `TraceRow`, for the agent of exactly this name."""
    wanted = {name: getattr(filters, name) for name in EQUAL}
    made: list[Any] = [
        _is(database, name, value) for name, value in wanted.items() if value is not None
    ]
    if filters.status not in (None, "ok"):
        made.append(NOT_OK)
    for name, value in filters.without:
        made.append(getattr(TraceRow, name).is_null() | ~_is(database, name, value))
    if filters.feedback is not None:
        made.append({"up": RATED_UP, "down": RATED_DOWN}[filters.feedback])
    return [*made, *_compared(filters)]


def _is(database: Database, name: str, value: str) -> Any:
    column = getattr(TraceRow, name)
    same = column == value
    if name not in IN_ANY_CASE:
        return same
    # From A to Z only, as SQLite does. The length is compared first, because LOWER takes PostgreSQL
    # longer than to read the row.
    low, lowered = value.lower(), fn.LOWER(column.collate(database.by_code_point))
    return same | ((fn.OCTET_LENGTH(column) == fn.OCTET_LENGTH(low)) & (lowered == low))


def _compared(filters: Filters) -> list[Any]:
    tokens = fn.COALESCE(TraceRow.input_tokens, 0) + fn.COALESCE(TraceRow.output_tokens, 0)
    known = TraceRow.input_tokens.is_null(False) | TraceRow.output_tokens.is_null(False)
    made = [
        *_between(TraceRow.cost, filters.cost_above, filters.cost_below),
        *_between(TraceRow.duration_ns, filters.duration_above, filters.duration_below),
        *_between(tokens, filters.tokens_above, filters.tokens_below),
    ]
    return [*made, known] if filters.tokens_below is not None else made


def _between(value: Any, above: int | None, below: int | None) -> list[Any]:
    over = [value > above] if above is not None else []
    return [*over, value < below] if below is not None else over


# Each step goes to the next name in the index: it reads as many entries as there are names.
# PostgreSQL plans ORDER BY in less time than MIN.
AGENTS = Statement(
    lambda database: (
        f"""
    WITH RECURSIVE names (agent) AS (
        SELECT (SELECT agent FROM traces WHERE agent IS NOT NULL ORDER BY agent LIMIT 1)
        UNION ALL
        SELECT (SELECT agent FROM traces WHERE agent > names.agent ORDER BY agent LIMIT 1)
        FROM names WHERE names.agent IS NOT NULL
    )
    SELECT agent FROM names WHERE agent IS NOT NULL LIMIT {MOST_AGENTS}"""
    )
)
