"""Budgets: what is spent of each, and when the money will be gone at this pace."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from reports import formatting
from reports.views.messages import MessageView
from storage.coordination.budgets import Budget
from storage.queries.spending import Spending

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS

WARNED = 0.8
"""The used part of the soft limit from which a budget warns."""

EVERYONE = "everyone"
BAR = 10
LONGEST_NAME = 30
"""Letters of a name in a line of the digest, which has little room left in Slack."""

EMPTY = (
    "There is no budget yet. An admin adds one: budget add 20/day agent:claude, or 300/month "
    "hard:400 for everyone."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLine:
    """One budget as text. `status` is `ok`, `warning`, `suspended` or `refused`."""

    id: str
    name: str
    limit: str
    spent: str
    share: str
    bar: str
    status: str
    forecast: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetsView:
    """Lines of text with their raw values; `empty_at` are the times at which they are used up."""

    title: str
    lines: tuple[BudgetLine, ...]
    found: tuple[Spending, ...]
    empty_at: tuple[int | None, ...]
    empty: str = EMPTY


def budgets_view(
    found: Sequence[Spending], *, name_of: Callable[[str, str], str], now: int
) -> BudgetsView:
    ends = tuple(empty_at(each, now=now) for each in found)
    return BudgetsView(
        title="Budgets",
        lines=tuple(
            BudgetLine(
                id=each.budget.id,
                name=named(each.budget, name_of),
                limit=limit_text(each.budget),
                spent=formatting.cost(each.total),
                share=f"{each.share:.0%}",
                bar=_bar(each.share),
                status=_status(each),
                forecast=_forecast(each, end, now=now),
            )
            for each, end in zip(found, ends, strict=True)
        ),
        found=tuple(found),
        empty_at=ends,
    )


def warning(found: Spending, *, amounts: bool, now: int) -> MessageView:
    """Tell how much of a budget is spent, and what that leads to."""
    budget, share = found.budget, f"{found.share:.0%}"
    whose = {
        "all": "all agents together",
        "agent": formatting.plain(budget.key),
        "channel": "this channel",
        "user": "your questions",
    }[budget.dimension]
    of = f" ({formatting.cost(found.total)} of {formatting.cost(budget.soft)})" if amounts else ""
    return MessageView(
        text=f"⚠ {share} of the budget for {whose} is spent{of}: "
        f"{_forecast(found, empty_at(found, now=now), now=now)}. See `/trace budget`.",
        found=True,
    )


def in_a_line(found: Spending, *, now: int) -> str:
    """Tell how much of the budget of an agent or of everyone is spent."""
    whose = named(found.budget, lambda by, key: formatting.shortened(key, LONGEST_NAME))
    forecast = _forecast(found, empty_at(found, now=now), now=now)
    return f"Budget of {whose}: {found.share:.0%} of {limit_text(found.budget)}, {forecast}"


def named(budget: Budget, name_of: Callable[[str, str], str]) -> str:
    """Return whose budget it is."""
    if budget.dimension == "all":
        return EVERYONE
    return formatting.plain(name_of(budget.dimension, budget.key))


def limit_text(budget: Budget) -> str:
    """Return `$20.00 a day`, and the hard limit if there is one."""
    soft = f"{formatting.cost(budget.soft)} a {budget.period}"
    return soft if budget.hard is None else f"{soft}, at most {formatting.cost(budget.hard)}"


def empty_at(spending: Spending, *, now: int) -> int | None:
    """Return when the soft limit is reached at the pace of this period, None if not within it.

    The pace is that of at least an hour: the first question of a day does not make a trend.
    """
    if spending.suspends:
        return now
    if not spending.total:
        return None
    # By multiplication first: these are integers, and nanoseconds are exact.
    elapsed = max(now - spending.since, HOUR_NS)
    end = now + (spending.budget.soft - spending.total) * elapsed // spending.total
    return end if end < spending.until else None


def until_text(spending: Spending) -> str:
    """Return when the next period begins: `tomorrow`, `on Monday`, `on 1 December`."""
    zone = ZoneInfo(spending.budget.time_zone)
    day = datetime.fromtimestamp(spending.until / SECOND_NS, zone)
    texts: Mapping[str, str] = {
        "day": f"at midnight ({spending.budget.time_zone})",
        "week": f"on Monday, {day.day} {day:%B}",
        "month": f"on {day.day} {day:%B}",
    }
    return texts[spending.budget.period]


def _forecast(spending: Spending, end: int | None, *, now: int) -> str:
    if spending.refuses:
        return f"used up: nothing is asked; begins again {until_text(spending)}"
    if spending.suspends:
        return f"used up: each question waits for a yes; begins again {until_text(spending)}"
    if not spending.total:
        return "nothing spent yet"
    if end is None:
        return f"lasts for the {spending.budget.period} at this pace"
    zone = ZoneInfo(spending.budget.time_zone)
    moment, today = (datetime.fromtimestamp(each / SECOND_NS, zone) for each in (end, now))
    if moment.date() == today.date():
        return f"used up today at about {moment:%H:%M} at this pace"
    return f"used up on {moment:%A}, {moment.day} {moment:%B} at this pace"


def _status(spending: Spending) -> str:
    if spending.refuses:
        return "refused"
    if spending.suspends:
        return "suspended"
    return "warning" if spending.share >= WARNED else "ok"


def _bar(share: float) -> str:
    filled = min(round(share * BAR), BAR)
    return "█" * filled + "░" * (BAR - filled)
