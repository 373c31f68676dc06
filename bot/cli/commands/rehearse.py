"""`tracebot rehearse`: which recorded messages another configuration would answer differently."""

import json
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bot.agents.config.roster import Roster, RosterError
from bot.cli.agents_file import load_agents
from bot.cli.exit_codes import DONE, FAILED
from bot.cli.output import show
from bot.settings import Settings, load_settings
from bot.turns.rehearsal import REPEATED, Change, Gap, Kind, Outcome, Rehearsal
from reports import formatting
from reports.errors import UsageError
from reports.formatting import utc, visible_json
from reports.units import parse_since, start_of
from reports.views.messages import MessageView
from storage.database.connect import locate
from storage.database.read_only import reading
from storage.queries.decisions import recorded_decisions

TEXT_LENGTH = 100
SLACK = "https://slack.com/"
"""Leads to the workspace of a channel, whose own address the record lacks."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The changes since a time, and how many messages do not change or cannot be replayed."""

    since: int
    until: int
    changes: tuple[Change, ...]
    same: int
    gaps: Counter[Gap]

    @property
    def kinds(self) -> Counter[Kind]:
        return Counter(change.kind for change in self.changes)

    @property
    def messages(self) -> int:
        return len(self.changes) + self.same + self.gaps.total()


def rehearse(args: Namespace) -> int:
    """Print what would change; 1 if something does. Raises `UsageError` and `RosterError`."""
    if args.agents is None and args.mention_only is None and args.answer_edits is None:
        raise UsageError(
            "There is nothing to try: name an agents file with --agents FILE, or try a setting "
            "with --mention-only or --answer-edits."
        )
    now = time.time_ns()
    try:
        since = start_of(parse_since(args.since), now=now, time_zone="UTC")
    except ValueError as error:
        raise UsageError(f"{error}.", word=args.since) from None
    settings = load_settings()
    rehearsal = _rehearsal(args, settings)
    url = args.database or settings.database_url
    found = _compared(rehearsal, url, since=since, until=now)
    if args.json:
        sys.stdout.write(visible_json(json.dumps(_as_object(found), ensure_ascii=False)) + "\n")
    else:
        show(MessageView(text="\n".join(_lines(found))), args)
    return FAILED if found.changes else DONE


def _rehearsal(args: Namespace, settings: Settings) -> Rehearsal:
    database = args.database or ""
    current: Roster | None = None
    try:
        current = load_agents(settings, database=database)
    except RosterError:
        if args.agents is None:
            raise
    tried = settings
    if args.agents is not None:
        tried = settings.model_copy(update={"agents": Path(args.agents)})
    return Rehearsal(
        new=load_agents(tried, database=database),
        current=current,
        mention_only=args.mention_only,
        answer_edits=args.answer_edits,
    )


def _compared(rehearsal: Rehearsal, url: str, *, since: int, until: int) -> Comparison:
    changes: list[Change] = []
    gaps: Counter[Gap] = Counter()
    same = 0
    with reading(locate(url)) as database:
        for decision in recorded_decisions(database, since=since):
            if decision.reason in REPEATED:
                continue
            found = rehearsal.replay(decision)
            if found is None:
                same += 1
            elif isinstance(found, Gap):
                gaps[found] += 1
            else:
                changes.append(found)
    return Comparison(since, until, tuple(changes), same, gaps)


def _lines(found: Comparison) -> Iterator[str]:
    messages = "1 message" if found.messages == 1 else f"{found.messages} messages"
    yield f"{len(found.changes)} of {messages} would change ({_period(found)})."
    yield ""
    rows = [
        *((count, kind.value) for kind, count in found.kinds.most_common()),
        (found.same, "as before"),
        *((count, f"not replayed: {gap.value}") for gap, count in found.gaps.most_common()),
    ]
    width = len(str(found.messages))
    yield from (f"{count:>{width}}  {what}" for count, what in rows)
    for change in found.changes:
        yield from ("", *_change_lines(change))


def _period(found: Comparison) -> str:
    return formatting.period(found.since, found.until)


def _change_lines(change: Change) -> Iterator[str]:
    decision = change.decision
    when = formatting.local(decision.started_at, "UTC")
    said = formatting.shortened(decision.text or "", TEXT_LENGTH)
    yield f"{when}  {decision.user or decision.bot_id or 'somebody'}: {said or '(no text)'}"
    yield f"  {_outcome(change.before)} → {_outcome(change.after)}"
    yield f"  {_link(change) or decision.trace_id}"


def _outcome(outcome: Outcome) -> str:
    if outcome.agents:
        return ", ".join(outcome.agents)
    return f"not answered, because {formatting.reason(outcome.reason)}"


def _link(change: Change) -> str:
    decision = change.decision
    return formatting.message_link(
        SLACK,
        channel=decision.channel,
        ts=decision.message_ts,
        thread_ts=decision.thread_ts,
    )


def _as_object(found: Comparison) -> dict[str, object]:
    return {
        "since": utc(found.since),
        "until": utc(found.until),
        "messages": found.messages,
        "unchanged": found.same,
        "changed": {kind.name.lower(): found.kinds[kind] for kind in Kind},
        "not_replayed": {gap.name.lower(): found.gaps[gap] for gap in Gap},
        "changes": [_change_object(change) for change in found.changes],
    }


def _change_object(change: Change) -> dict[str, object]:
    decision = change.decision
    return {
        "trace_id": decision.trace_id,
        "at": utc(decision.started_at),
        "team": decision.team,
        "channel": decision.channel,
        "user": decision.user or None,
        "link": _link(change) or None,
        "text": decision.text,
        "change": change.kind.name.lower(),
        "before": asdict(change.before),
        "after": asdict(change.after),
    }
