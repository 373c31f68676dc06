"""Help, and answers of one sentence: what cannot be found, or what was done."""

from collections.abc import Sequence
from dataclasses import dataclass

from reports import formatting
from storage.queries.removed_traces import RemovedTrace
from storage.recovery.replacement import Recovery

HELP = (
    ("ls [words]", "traces, newest first; --agent --status --user --since 24h --all"),
    ("show ID or link", "one trace: each step, how long it took, how it ended"),
    ("thread [link]", "all turns of a thread; without a link the latest one here"),
    ("stats [--by agent]", "counts, errors, latency, tokens and cost; --since 7d"),
    ("cost [--since 30d]", "what was spent, by model and by agent"),
    ("errors", "what failed, by error and agent, with the latest trace; --since 7d"),
    ("slow", "what took longest; --since 7d"),
    ("search words", "like ls, skipped messages too"),
    ("ps", "what runs now"),
    ("cancel ID", "stop an answer that is being written"),
    ("digest here at 09:00", "a morning summary in this channel; digest now, digest off"),
    ("health", "how the recording and its database are"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpView:
    title: str
    commands: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """One sentence: what is not there, or what was done."""

    text: str
    found: bool = False


def help_view() -> HelpView:
    return HelpView(title="What you can ask", commands=HELP)


def not_found(what: str) -> MessageView:
    return MessageView(
        text=f"Nothing is found for {what}: see ls for what there is, or give more digits."
    )


def removed(tombstone: RemovedTrace, *, time_zone: str) -> MessageView:
    day = formatting.local(tombstone.removed_at, time_zone, form="%Y-%m-%d")
    return MessageView(
        text=f"Trace {tombstone.trace_id} was removed on {day} by retention; "
        "the statistics still count it."
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


def ambiguous(prefix: str, ids: Sequence[str]) -> MessageView:
    return MessageView(text=f"{prefix} begins several traces: {', '.join(ids)}.")
