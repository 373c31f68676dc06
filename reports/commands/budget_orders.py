"""Parse the arguments of `budget`, and carry out what they order."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from reports import formatting
from reports.commands.typed import without_mark
from reports.errors import CommandFailed, UsageError
from reports.units import parse_dollars
from reports.views.budgets import limit_text, named
from reports.views.messages import MessageView
from storage.coordination.budgets import (
    Budget,
    Dimension,
    Period,
    add_budget,
    budgets,
    raise_budget,
    remove_budget,
)
from storage.database.base import Database

SYNTAX = (
    "write `budget add 20/day agent:claude [hard:30] [Europe/Berlin]`, `budget raise ID 30` or "
    "`budget remove ID`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order to `list`, `add`, `raise` or `remove`. Amounts are in micro-dollars."""

    what: str
    id: str = ""
    dimension: Dimension = "all"
    key: str = ""
    period: Period = "day"
    soft: int = 0
    hard: int | None = None
    time_zone: str | None = None


def parse_order(arguments: Sequence[str]) -> Order:
    """Parse the arguments of `budget`. Raises `UsageError`."""
    what, *rest = arguments or ("",)
    match what.lower(), rest:
        case "" | "list", _ if not any(rest):
            return Order(what="list")
        case "add", [limit, *more]:
            return _with(_limit(limit), more)
        case "remove", [id]:
            return Order(what="remove", id=id.lower())
        case "raise", [id, amount, *more] if len(more) < 2:
            hard = _hard(more[0]) if more else None
            return Order(what="raise", id=id.lower(), soft=_amount(amount), hard=hard)
    raise UsageError(f"That is not a budget command: {SYNTAX}.", word=what)


def _limit(text: str) -> Order:
    amount, _, period = text.partition("/")
    for known in get_args(Period):
        if period.lower() == known:
            return Order(what="add", soft=_amount(amount), period=known)
    raise UsageError(f"{text!r} is not a limit: write 20/day, 100/week or 300/month.", word=text)


def _with(order: Order, words: Sequence[str]) -> Order:
    """Add whose budget it is, its hard limit and its time zone."""
    for word in words:
        name, _, key = word.partition(":")
        match name.lower():
            case "agent" | "channel" | "user" as dimension if key:
                if order.key:
                    raise UsageError(
                        f"A budget is for one agent, channel or person: leave {word} out, or add "
                        "another budget for it.",
                        word=word,
                    )
                order = replace(order, dimension=dimension, key=without_mark(dimension, key))
            case "hard":
                order = replace(order, hard=_amount(key))
            case _:
                order = replace(order, time_zone=_time_zone(word))
    if order.hard is not None and order.hard < order.soft:
        raise UsageError("The hard limit must not be below the soft one: write 20/day hard:30.")
    return order


def _hard(word: str) -> int:
    name, _, amount = word.partition(":")
    if name.lower() != "hard":
        raise UsageError(f"{word!r} is not a hard limit: write hard:30.", word=word)
    return _amount(amount)


def _amount(text: str) -> int:
    try:
        amount = parse_dollars(text)
    except ValueError as error:
        raise UsageError(f"{error}.", word=text) from None
    if not amount:
        raise UsageError("A budget needs an amount above 0, such as 20/day.", word=text)
    return amount


def _time_zone(word: str) -> str:
    try:
        return ZoneInfo(word).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"{word!r} is not a part of a budget: {SYNTAX}. A time zone has a name such as "
            "Europe/Berlin.",
            word=word,
        ) from None


def carry_out(
    order: Order,
    database: Database,
    *,
    by: str,
    now: int,
    team: str = "",
    channel: str | None = None,
    time_zone: str = "UTC",
    may_see: Callable[[Budget], bool] = lambda budget: True,
    name_of: Callable[[str, str], str] = lambda by, key: key,
) -> MessageView:
    """Add, raise or remove a budget. Raises `UsageError`.

    One that the person may not see is not found.
    """
    if order.what == "add":
        budget = Budget(
            id=secrets.token_hex(3),
            dimension=order.dimension,
            key=order.key,
            period=order.period,
            soft=order.soft,
            hard=order.hard,
            team=team,
            time_zone=order.time_zone or time_zone,
            channel=channel,
            created_by=by,
            created_at=now,
        )
        add_budget(database, budget)
        return _done(budget, "is set", name_of)
    budget = _found(order.id, database, team=team or None, may_see=may_see)
    if order.what == "remove":
        remove_budget(database, budget.id)
        return _done(budget, "is removed", name_of)
    soft = max(order.soft, budget.soft)
    if order.hard is not None and order.hard < soft:
        raise UsageError(
            f"The hard limit must not be below the soft one, which is {formatting.cost(soft)}."
        )
    if order.soft <= budget.soft and (order.hard or 0) <= (budget.hard or 0):
        raise UsageError(
            f"The budget has {limit_text(budget)}: raise it to more, or remove it and add another."
        )
    raise_budget(database, budget.id, soft=order.soft, hard=order.hard)
    after = _found(order.id, database, team=team or None, may_see=may_see)
    return _done(after, "is raised", name_of)


def _found(
    id: str, database: Database, *, team: str | None, may_see: Callable[[Budget], bool]
) -> Budget:
    for budget in budgets(database, team=team):
        if budget.id == id and may_see(budget):
            return budget
    raise CommandFailed(f"There is no budget {formatting.plain(id)}: `budget` lists them.", word=id)


def _done(budget: Budget, what: str, name_of: Callable[[str, str], str]) -> MessageView:
    return MessageView(
        text=f"The budget {budget.id} {what}: {limit_text(budget)} for "
        f"{named(budget, name_of)}, in the time zone {budget.time_zone}.",
        found=True,
    )
