"""Menus that change a list: other agents, statuses and periods."""

import shlex
from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import replace

from reports.commands.filters import DEFAULTS, STATUSES, filter_words
from reports.commands.parser import LIMITS
from reports.formatting import beginning, plain
from reports.units import is_duration
from reports.views.trace_list import Choice, Menu
from storage.model.filters import Filters

PERIODS = {"1h": "Last hour", "24h": "Last 24 hours", "7d": "Last 7 days", "30d": "Last 30 days"}


def list_again(args: Namespace, filters: Filters, since: str | None) -> str:
    """Return the command that lists by other filters, from the first page on."""
    words, limit = filter_words(filters, since=since), limit_words(args)
    if args.command == "slow":
        return shlex.join(["slow", *limit, *words])
    flags = ["--all"] if args.command == "ls" and args.all else []
    return shlex.join([args.command, *flags, *limit, *words, *args.words])


def limit_words(args: Namespace) -> list[str]:
    """Return the option for the length of a list, unless it is the usual one."""
    return [] if args.limit == LIMITS[args.command] else ["--limit", str(args.limit)]


def menus(args: Namespace, agents: Iterable[str]) -> tuple[Menu, ...]:
    """Return a menu for the agent, the status and the period of a list."""
    filters, since = args.filters, args.since
    any_time = [] if args.command in DEFAULTS else [None]

    def of_agent(agent: str | None) -> Choice:
        command = list_again(args, replace(filters, agent=agent), since)
        return Choice(plain(agent or "Any agent"), command, agent == filters.agent)

    def of_status(status: str | None) -> Choice:
        command = list_again(args, replace(filters, status=status), since)
        return Choice(status or "Any status", command, status == filters.status)

    def of_period(period: str | None) -> Choice:
        command = list_again(args, filters, period)
        return Choice(_label(period), command, period == since)

    return (
        Menu("agent", _choices(of_agent, [None, *agents, filters.agent])),
        Menu("status", _choices(of_status, [None, *STATUSES])),
        Menu("period", _choices(of_period, [*any_time, *PERIODS, since])),
    )


def _label(period: str | None) -> str:
    if period is None:
        return "Any time"
    if is_duration(period):
        return PERIODS.get(period, f"Last {period}")
    return f"Since {beginning(period)}"


def _choices(
    choice_of: Callable[[str | None], Choice], values: Iterable[str | None]
) -> tuple[Choice, ...]:
    """Return a choice for each value once; None stands for any."""
    return tuple(map(choice_of, dict.fromkeys(values)))
