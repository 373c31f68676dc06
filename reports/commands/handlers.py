"""What the words ask for, answered as far as the one who asks may see it."""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import Database

from reports.errors import UsageError
from reports.views import health as healthiness
from reports.views import trace_list as lists
from reports.views import views
from reports.views.costs import costs
from reports.views.failures import failures
from reports.views.trace_tree import trace_tree
from storage.database.query_timeout import time_limit
from storage.database.shared_file import SharedDatabase
from storage.errors import TookTooLong
from storage.health import health
from storage.queries import failures as outliers
from storage.queries import traces as queries
from storage.queries.removed_traces import Tombstone, tombstones
from storage.queries.statistics import statistics
from storage.queries.traces import BadCursor, TraceSummary

PERMALINK = re.compile(r"/archives/([A-Z0-9]+)/p(\d{10})(\d{6})(?:\?.*?thread_ts=([\d.]+))?")

FAILED_TRACES = 1_000
"""How many of the newest are read for `errors`."""

SLOWEST = 10


ANSWER_S = 30.0
"""How long a question may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who asks, and from where. `audiences` of None: a shell on the database's own machine."""

    audiences: frozenset[str] | None = None
    may_see: Callable[[TraceSummary | Tombstone], bool] = lambda trace: True
    team: str | None = None
    user: str | None = None
    channel: str | None = None
    time_zone: str = "UTC"


def answer(
    words: argparse.Namespace, *, database: Database, viewer: Viewer, now: int
) -> views.View:
    """What the words ask for, as `viewer` may see it. Raises `UsageError`."""
    try:
        with time_limit(database, ANSWER_S):
            return ANSWERS[words.command](words, database, viewer, now)
    except TookTooLong as error:
        return views.MessageView(text=str(error))


def _ls(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    try:
        page = queries.recent_traces(
            database,
            audiences=viewer.audiences,
            words=" ".join(words.words),
            agent=words.agent,
            status=words.status,
            channel=words.channel,
            user=words.user,
            platform=words.platform,
            since=now - words.since if words.since else None,
            skipped=words.all,
            limit=words.limit,
            cursor=words.cursor,
        )
    except BadCursor as error:
        raise UsageError(str(error)) from None
    seen = tuple(trace for trace in page.traces if viewer.may_see(trace))
    return lists.trace_list(seen, next=page.next, words=_again(words), now=now)


def _search(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    """`ls` of everything."""
    everything = {"agent": None, "status": None, "channel": None, "user": None, "platform": None}
    vars(words).update(everything, all=True)
    return _ls(words, database, viewer, now)


def _again(words: argparse.Namespace) -> dict[str, Any]:
    """What the next page is asked with."""
    kept = ("words", "agent", "status", "channel", "user", "platform", "since", "limit", "all")
    return {name: value for name in kept if (value := getattr(words, name))}


def _show(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    link = PERMALINK.search(words.id)
    if link:
        found = queries.message_traces(
            database,
            channel=link.group(1),
            message_ts=f"{link.group(2)}.{link.group(3)}",
            audiences=viewer.audiences,
        ) or _thread_of(link, database, viewer)
        found = found[-1:]
    elif re.fullmatch(r"[0-9a-fA-F]{4,32}", words.id):
        found = queries.traces_by_id(database, words.id, audiences=viewer.audiences)
    else:
        raise UsageError(
            f"{words.id} is no trace's id: give at least 4 of its digits, or a message's link."
        )
    seen = [trace for trace in found if viewer.may_see(trace)]
    if not seen:
        return _removed(words.id, database, viewer)
    if len(seen) > 1:
        return views.ambiguous(words.id, [trace.trace_id for trace in seen])
    return trace_tree(seen[0], queries.trace_spans(database, seen[0].trace_id), now=now)


def _removed(trace_id: str, database: Database, viewer: Viewer) -> views.View:
    """That it is gone, to those who might have seen it; to others it never was."""
    found = tombstones(database, trace_id, audiences=viewer.audiences)
    seen = [tombstone for tombstone in found if viewer.may_see(tombstone)]
    if len(seen) != 1:
        return views.not_found(trace_id)
    return views.removed(seen[0], time_zone=viewer.time_zone)


def _thread_of(link: re.Match[str], database: Database, viewer: Viewer) -> tuple[TraceSummary, ...]:
    """The link may be of an answer: its thread's turns that began before it."""
    if link.group(4) is None:
        return ()
    turns = queries.thread_traces(
        database, channel=link.group(1), thread_ts=link.group(4), audiences=viewer.audiences
    )
    answered = int(link.group(2)) * 1_000_000_000 + int(link.group(3)) * 1_000
    return tuple(
        turn for turn in turns if turn.decision == "answer" and turn.started_at <= answered
    )


def _thread(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    channel, thread_ts = _place(words.place, database, viewer)
    found = queries.thread_traces(
        database, channel=channel, thread_ts=thread_ts, audiences=viewer.audiences
    )
    seen = tuple(trace for trace in found if viewer.may_see(trace))
    if not seen:
        return views.not_found("that thread")
    return lists.thread(seen, now=now)


def _place(place: Sequence[str], database: Database, viewer: Viewer) -> tuple[str, str]:
    if not place:
        return _latest_thread(database, viewer)
    if len(place) == 1 and (link := PERMALINK.search(place[0])):
        return link.group(1), link.group(4) or f"{link.group(2)}.{link.group(3)}"
    if len(place) == 2 and re.fullmatch(r"\d+\.\d+", place[1]):
        return place[0], place[1]
    raise UsageError(
        "That names no thread: give a message's link (… → Copy link), or a channel's id and "
        "the thread's time stamp."
    )


def _latest_thread(database: Database, viewer: Viewer) -> tuple[str, str]:
    page = queries.recent_traces(
        database, audiences=viewer.audiences, channel=viewer.channel, platform="slack", limit=20
    )
    for trace in page.traces:
        if trace.channel and trace.thread_ts and viewer.may_see(trace):
            return trace.channel, trace.thread_ts
    raise UsageError("There is no thread here yet: give the link of one of its messages.")


def _stats(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    found = statistics(
        database, since=now - words.since, until=now, by=words.by, audiences=viewer.audiences
    )
    return views.statistics(found, by=words.by, time_zone=viewer.time_zone)


def _cost(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    by_model, by_agent = (
        statistics(database, since=now - words.since, until=now, by=by, audiences=viewer.audiences)
        for by in ("model", "agent")
    )
    return costs(by_model, by_agent)


def _errors(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    since = now - words.since
    found = outliers.failed_traces(
        database, since=since, audiences=viewer.audiences, limit=FAILED_TRACES
    )
    seen = [trace.trace_id for trace in found if viewer.may_see(trace)]
    spans = outliers.failed_spans(database, seen)
    return failures(spans, since=since, now=now, all_of_them=len(found) < FAILED_TRACES)


def _slow(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    since = now - words.since
    found = outliers.slowest_traces(
        database, since=since, audiences=viewer.audiences, limit=SLOWEST
    )
    return lists.slowest(tuple(filter(viewer.may_see, found)), since=since, now=now)


def _ps(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    found = queries.running_traces(database, audiences=viewer.audiences)
    return lists.running(tuple(filter(viewer.may_see, found)), now=now)


def _health(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    assert isinstance(database, SharedDatabase)
    if viewer.audiences == frozenset():
        raise UsageError("How the database is, is for full members of this workspace.")
    in_slack = viewer.audiences is not None
    return healthiness.view(health(database, now=now), now=now, private=in_slack)


def _digest(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    from reports.digest import last_day, parse_order

    if parse_order(words.order).what != "now":
        raise UsageError("A digest is of a channel: type /trace digest there. Here is digest now.")
    return last_day(database, audiences=viewer.audiences, now=now)


def _help(words: argparse.Namespace, database: Database, viewer: Viewer, now: int) -> views.View:
    return views.help_words()


ANSWERS: dict[str, Callable[[argparse.Namespace, Database, Viewer, int], views.View]] = {
    "ls": _ls,
    "show": _show,
    "thread": _thread,
    "stats": _stats,
    "cost": _cost,
    "errors": _errors,
    "slow": _slow,
    "search": _search,
    "ps": _ps,
    "health": _health,
    "digest": _digest,
    "help": _help,
}
