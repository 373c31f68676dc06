"""What must hold once everything in the scripted workspace is well again."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.sandbox import Message, Sandbox
from bot.slack.reactions import DONE, FAILED, READ, STOPPED, WAITING
from bot.slack.threads import REPLY_EVENT
from storage.database.connect import connect
from storage.database.models import AcceptedMessageRow, SpanRow, UnfinishedReplyRow
from storage.queries.lookups import message_traces
from storage.queries.traces import TraceSummary
from tests.support.workspace.bot_process import BotProcess
from tests.support.workspace.people import SECRET, People, Posted, is_running

MARK = re.compile(r"q\d+-(?:alpha|beta|gamma)-\d{4}")
SECOND_NS = 1_000_000_000

KILL_WINDOW_S = 20.0
"""What was asked or taken so long before a kill may be lost with the process; it is counted."""

CUT_OFF_S = 1.0
"""A kill so soon after an agent's end may come before the bot has read its last words."""

MOST_MEMORY_MB = 40
"""Growth from the tenth second in which it answers until its end, without what threads take."""


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that an agent gave: its program ended well after all of these marks."""

    key: str
    agent: str
    kind: str
    marks: list[str]
    at: float


class Findings:
    """Compare Slack, the record and what the agents said."""

    def __init__(self, sandbox: Sandbox, bot: BotProcess, people: People) -> None:
        self._sandbox = sandbox
        self._bot = bot
        self._people = people
        self.seen: Counter[str] = Counter()

    def stale(self) -> list[str]:
        """Return what still looks as if the bot were at work."""
        return [*self._stale_messages(), *self._stale_reactions(), *self._stale_sessions()]

    def unposted(self) -> list[str]:
        """Return what the bot has still to answer and to post, as its database tells."""
        with closing(connect(self._bot.database)) as database:
            rows = UnfinishedReplyRow.select().execute(database)
            # Without a message to post it only looks for what may be left of a reply.
            replies = [f"unposted reply {row.id}" for row in rows if row.ending != "[]"]
            accepted = AcceptedMessageRow.select().execute(database)
            return [*replies, *(f"unanswered message {row.message_ts}" for row in accepted)]

    def _messages(self) -> Iterator[Message]:
        for channel in self._sandbox._workspace.channels:
            yield from self._sandbox.messages(channel)

    def _ours(self) -> Iterator[Message]:
        bot = self._sandbox.bot_user_id
        return (message for message in self._messages() if message.user == bot)

    def _stale_messages(self) -> Iterator[str]:
        for message in self._ours():
            if is_running(message) or "is at work" in message.text:
                yield f"stale message {message.channel} {message.ts}: {message.text[:80]!r}"

    def _stale_reactions(self) -> Iterator[str]:
        for message in self._messages():
            for name in (READ, WAITING):
                if self._sandbox.bot_user_id in message.reactions.get(name, ()):
                    yield f"stale :{name}: at {message.channel} {message.ts}: {message.text[:80]!r}"

    def _stale_sessions(self) -> Iterator[str]:
        with self._sandbox._workspace.reading():
            for (channel, ts), session in self._sandbox._slack.sessions.items():
                # Nobody sees the session of a thread that was deleted while the bot was down.
                exists = self._sandbox._workspace.find(channel, ts) is not None
                if session.status == "processing" and exists:
                    yield f"stale session {channel} {ts}"

    def after_the_end(self) -> list[str]:
        """Return everything else that is wrong. The bot has been stopped."""
        messages = list(self._ours())
        shown = Counter(mark for message in messages for mark in MARK.findall(words(message)))
        traces = self._traces()
        return [
            *self._lost(shown, messages, traces),
            *(f"shown {count} times: {mark}" for mark, count in shown.items() if count > 1),
            *self._double(messages),
            *self._outside_threads(messages),
            *self._unrecorded(traces),
            *self._unanswered(messages, traces),
            *self._contradicting(traces),
            *self._running(),
            *self._tracebacks(),
            *self._leaks(messages),
        ]

    def _given(self) -> Iterator[Given]:
        for path in self._bot.answers.glob("*.json"):
            yield Given(**json.loads(path.read_text()))

    def _traces(self) -> Mapping[str, Sequence[TraceSummary]]:
        """Return the traces of each message, by its `ts`."""
        with closing(connect(self._bot.database)) as database:
            return {
                each.message.ts: message_traces(
                    database, channel=each.message.channel, message_ts=each.message.ts
                )
                for each in self._people.posted
            }

    def _lost(
        self,
        shown: Mapping[str, int],
        messages: Sequence[Message],
        traces: Mapping[str, Sequence[TraceSummary]],
    ) -> Iterator[str]:
        by_key = {each.key: each for each in self._people.posted if each.key}
        for given in self._given():
            self.seen["answers given"] += 1
            missing = [mark for mark in given.marks if mark not in shown]
            if not missing:
                continue
            asked = by_key.get(given.key)
            if asked is None or asked.deleted:
                self.seen["answers to deleted questions"] += 1
                continue
            told = self._told(asked, messages, traces, agent=given.agent)
            if told:
                self.seen[f"answers replaced by a word: {told}"] += 1
            if told and self._was_cut_off(given):
                self.seen["answers that a kill cut off"] += 1
                continue
            if told and asked.edited_at > given.at:
                # Slack did not take it, and what the record had of it may quote the old question.
                self.seen["answers erased with an edit"] += 1
                continue
            if not told or len(missing) < len(given.marks):
                yield (
                    f"lost {len(missing)} of {len(given.marks)} lines of {given.key} "
                    f"({given.kind}) of {given.agent} in {asked.message.channel} "
                    f"{asked.message.ts}, told: {told}"
                )

    def _was_cut_off(self, given: Given) -> bool:
        return any(abs(at - given.at) < CUT_OFF_S for at in self._bot.killed_at)

    def _told(
        self,
        asked: Posted,
        messages: Sequence[Message],
        traces: Mapping[str, Sequence[TraceSummary]],
        agent: str = "",
    ) -> str:
        """Return how the asker was told that there is no answer, empty if they were not."""
        private = [*self._sandbox._workspace.ephemerals, *messages]
        for trace in traces[asked.message.ts]:
            for message in messages:
                payload = (message.metadata or {}).get("event_payload", {})
                mine = payload.get("trace_id") == trace.trace_id
                if mine and agent in ("", payload.get("agent")):
                    return "stopped" if "Stopped" in message.text else "a note"
            for message in private:
                if trace.trace_id[:16] in words(message):
                    return "privately" if message.metadata is None else "a note"
        return ""

    def _double(self, messages: Sequence[Message]) -> Iterator[str]:
        parts: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        for message in messages:
            if message.metadata and message.metadata["event_type"] == REPLY_EVENT:
                payload = message.metadata["event_payload"]
                parts[payload["trace_id"], payload["agent"], payload.get("part", "")] += 1
        for (trace, agent, part), count in parts.items():
            self.seen["replies"] += count
            if count > 1:
                yield f"{count} replies of {agent} in trace {trace}, part {part}"

    def _outside_threads(self, messages: Sequence[Message]) -> Iterator[str]:
        for message in messages:
            if message.thread_ts is None and message.metadata is not None:
                yield f"a reply outside threads: {message.channel} {message.ts}"

    def _unrecorded(self, traces: Mapping[str, Sequence[TraceSummary]]) -> Iterator[str]:
        lost = self._sandbox._slack.outbox.lost  # Interactions and commands among them.
        never = {payload.get("event", {}).get("ts") for payload in lost}
        for each in self._people.posted:
            found = traces[each.message.ts]
            if each.message.ts in never:
                self.seen["events never delivered"] += 1
            elif not any(trace.decision for trace in found):
                if self._at_a_kill(each, found):
                    self.seen["messages without a decision at a kill"] += 1
                elif not each.deleted or not found:
                    yield f"no decision is recorded for {each.message.channel} {each.message.ts}"

    def _unanswered(
        self, messages: Sequence[Message], traces: Mapping[str, Sequence[TraceSummary]]
    ) -> Iterator[str]:
        for each in self._people.posted:
            asked = [t for t in traces[each.message.ts] if t.decision == "answer"]
            self.seen["questions"] += each.is_question
            if not asked or each.deleted:
                continue
            marks = {mark for m in messages for mark in MARK.findall(words(m))}
            if any(mark.startswith(f"{each.key}-") for mark in marks):
                self.seen["questions answered"] += 1
            elif self._told(each, messages, traces):
                self.seen["questions with a note"] += 1
            elif self._at_a_kill(each, asked):
                self.seen["questions left at a kill"] += 1
            else:
                yield f"nothing was said about {each.message.channel} {each.message.ts} {each.key}"

    def _at_a_kill(self, each: Posted, traces: Sequence[TraceSummary]) -> bool:
        # While no bot is connected, Slack keeps what is posted: it is taken later.
        taken = [float(each.message.ts), *(trace.started_at / SECOND_NS for trace in traces)]
        return any(0 <= kill - at <= KILL_WINDOW_S for kill in self._bot.killed_at for at in taken)

    def _contradicting(self, traces: Mapping[str, Sequence[TraceSummary]]) -> Iterator[str]:
        endings = {"ok": {DONE}, "cancelled": {STOPPED, FAILED}}
        # What Slack did not take at first, and took later.
        repaired = set(re.findall(r"in trace (\w+) is ended", self._bot.log.read_text()))
        posted = {each.message.ts: each for each in self._people.posted}
        for message in self._messages():
            bot = self._sandbox.bot_user_id
            shown = {n for n in (DONE, FAILED, STOPPED) if bot in message.reactions.get(n, ())}
            if not shown or not traces.get(message.ts):  # See `_unrecorded`.
                continue
            self.seen["reactions"] += 1
            # A turn that a kill ended may not have been decided yet.
            answered = [
                trace
                for trace in traces.get(message.ts, ())
                if trace.decision == "answer" or trace.status == "abandoned"
            ]
            if any(trace.trace_id in repaired for trace in answered):
                continue
            # A turn may be killed before it is recorded. The next process ends it all the same.
            ended = not answered and shown <= {FAILED, STOPPED}
            if ended and self._at_a_kill(posted[message.ts], ()):
                continue
            statuses = {trace.status for trace in answered}
            wanted = {name for each in statuses for name in endings.get(each, {FAILED, STOPPED})}
            if "abandoned" not in statuses and (len(shown) > 1 or not shown <= wanted):
                yield f"{shown} at {message.channel} {message.ts}, recorded as {statuses}"

    def _running(self) -> Iterator[str]:
        with closing(connect(self._bot.database)) as database:
            rows = SpanRow.select(SpanRow.trace_id, SpanRow.name).where(SpanRow.status == "running")
            for trace_id, name in rows.tuples().execute(database):
                yield f"still running: {name} in {trace_id}"
            self.seen["spans"] = SpanRow.select().count(database)

    def _tracebacks(self) -> Iterator[str]:
        log = self._bot.log.read_text()
        for found in re.finditer(r"Traceback \(most recent call last\)", log):
            yield f"in the log: {log[max(found.start() - 300, 0) : found.end() + 1_500]}"

    def _leaks(self, messages: Sequence[Message]) -> Iterator[str]:
        own = (self._sandbox.bot_token, self._sandbox.app_token, self._sandbox.signing_secret)
        files = sorted(self._bot.database.parent.glob("tracebot.db*"))
        for path in [self._bot.log, *(each for each in files if each.is_file())]:
            for secret in (SECRET, *own):
                if secret.encode() in path.read_bytes():
                    yield f"{secret[:12]}… is in {Path(path).name}"
        sent = [json.dumps(call.arguments) for call in self._sandbox.calls()]
        sent += [words(message) for message in messages]
        for secret in own:
            if any(secret in each for each in sent):
                yield f"{secret[:12]}… was posted"


def words(message: Message) -> str:
    """Return everything that a message says, in its blocks and files, or else in its text."""
    said = json.dumps(message.blocks, ensure_ascii=False) if message.blocks else message.text
    files: Any = [file.content.decode(errors="replace") for file in message.files]
    return "\n".join([said, *files])
