"""The help, and messages that say what was done or what could not be found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports import formatting

if TYPE_CHECKING:
    from storage.coordination.digest_subscriptions import Subscription
    from storage.queries.removed_traces import RemovedTrace
    from storage.recovery.replacement import Recovery

HELP = (
    ("ls [FILTER…]", "list traces, newest first: agent:claude status:error cost>0.5 since:24h"),
    ("show [ID or LINK]", "show one trace, or the newest: how it ended, what the agent did"),
    ("why LINK", "say why a message was answered or not, and what would have to be different"),
    ("thread [LINK]", "show all turns of a thread; without a link, the latest thread here"),
    ("stats [--by agent]", "show counts, failures, latency, tokens and cost; --since 7d"),
    ("cost [--since 30d]", "show the cost by model and by agent"),
    ("errors", "list failures as issues, with state and latest trace; --since 7d"),
    ("slow", "list the slowest traces; --since 7d"),
    ("search WORD…", "list traces that contain all words, skipped ones too; filters as in ls"),
    ("logs [ID]", "list the log lines of a trace, or of the last day; --level warning"),
    ("metrics [NAME]", "list the metrics, or chart one; --since 7d"),
    ("ps", "list what is running now"),
    ("cancel ID", "stop a running turn"),
    ("digest here weekdays at 09:00", "post a digest in this channel; digest now, digest off"),
    ("budget", "list budgets and what is spent of them; budget add 20/day agent:claude"),
    ("alerts", "list the alerts; alerts add error_rate>20% agent:claude, test ID, snooze ID 2h"),
    ("forget", "erase the text of what you asked; figures stay"),
    ("health", "check the recording and its database"),
)

WEEKDAYS = {
    "mon": "Monday",
    "tue": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "fri": "Friday",
    "sat": "Saturday",
    "sun": "Sunday",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpView:
    """Pairs of a command and what it does."""

    title: str
    commands: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """A message. `found` is False if the command failed or found nothing."""

    text: str
    found: bool = False


def help_view(about: str | None = None) -> HelpView:
    """Return the help of all commands, or of the one that `about` names."""
    named = tuple(pair for pair in HELP if pair[0].split()[0] == about)
    return HelpView(title="What you can ask", commands=named or HELP)


def not_found(what: str) -> MessageView:
    return MessageView(
        text=f"Nothing found for {what}. `ls` lists the newest traces, and `search` finds "
        "their words."
    )


def removed(tombstone: RemovedTrace, *, time_zone: str) -> MessageView:
    day = formatting.local(tombstone.removed_at, time_zone, form="%Y-%m-%d")
    return MessageView(
        text=f"Trace {tombstone.trace_id} was removed on {day} by retention. "
        "Statistics still include it."
    )


def recovered(recovery: Recovery, *, now: int) -> MessageView:
    """Tell that a damaged database was replaced, and how much of it was saved."""
    lost = recovery.lost.get("spans")
    how_many = "it is not known how many were lost" if lost is None else f"{lost:,} were lost"
    return MessageView(
        text=f"The bot's database was damaged {formatting.ago(recovery.at, now=now)} and has been "
        f"replaced: {recovery.saved.get('spans', 0):,} spans were saved, {how_many}. Recording "
        "goes on. See /trace health for details.",
        found=True,
    )


def digest_set(subscription: Subscription) -> MessageView:
    """Say when a channel gets its digest."""
    quiet = " Nothing is posted if nothing happened." if subscription.quiet == "silence" else ""
    return MessageView(
        text=f"This channel gets a digest {schedule(subscription)}.{quiet} `/trace digest off` "
        "ends it.",
        found=True,
    )


def schedule(subscription: Subscription) -> str:
    """Return when a digest is posted: `each day at 09:00 (Europe/Berlin)`."""
    days = {"daily": "each day", "weekdays": "on weekdays"}.get(subscription.days)
    days = days or f"each {WEEKDAYS[subscription.days]}"
    return f"{days} at {subscription.local_time} ({subscription.time_zone})"


def ambiguous(prefix: str, begun: Mapping[str, int], *, now: int) -> MessageView:
    """Name the traces whose ids begin with *prefix*, with when they began, the newest first."""
    newest = sorted(begun.items(), key=lambda each: -each[1])
    each = (f"{trace_id}, {formatting.ago(at, now=now)}" for trace_id, at in newest)
    return MessageView(
        text="\n".join(
            (f"Several traces begin with {prefix}: give more digits. The newest are", *each)
        )
    )
