"""Ask a question again whose turn failed, or that a budget held back, for whoever pressed a button.

It is below the failed reply or the bot's note, or in the trace that `show` shows.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from peewee import PeeweeException
from slack_sdk import WebClient

from bot.agents.config.roster import Roster
from bot.concurrency.event_dedup import EventDedup
from bot.replies.buttons import ASK_ANYWAY, Attempt
from bot.replies.messages import REFUSALS, refusal_message
from bot.slack.directory import Directory, channel_type
from bot.slack.errors import SLACK_ERRORS, error_code
from bot.slack.types import AskedAgain, IncomingMessage, parse_message
from bot.turns.accepted import read_message
from bot.turns.decision import Reason
from bot.turns.inbox import Inbox
from bot.turns.permission import Permission
from storage.database.base import Database
from storage.model.trace_context import Ids
from storage.queries.traces import TraceSummary, trace_spans

OUT_OF_DATE = "This button is out of date. Please ask again in a message."
DELETED = "The question was deleted, so it cannot be asked again."
ALREADY = "It is being asked again already: the reply is in this thread."
UNREADABLE = "Slack did not give me the question ({code}). Please ask again in a message."

logger = logging.getLogger("tracebot.ask_again")

Tell = Callable[[str], object]
"""Tells the person who pressed the button, and nobody else."""


class AskAgain:
    """Ask once for each failed reply. The person who asks again needs the same permissions."""

    def __init__(
        self,
        *,
        client: WebClient,
        team: str,
        roster: Roster,
        permission: Permission,
        directory: Directory,
        dedup: EventDedup,
        inbox: Inbox,
        database: Database,
    ) -> None:
        self._client = client
        self._team = team
        self._roster = roster
        self._permission = permission
        self._directory = directory
        self._dedup = dedup
        self._inbox = inbox
        self._database = database

    def pressed(self, body: dict[str, Any], tell: Tell) -> None:
        """Handle a click on the button or a choice from the menu."""
        action, user = body["actions"][0], body["user"]
        chosen = action.get("selected_option") or action
        try:
            attempt = Attempt.read(str(chosen.get("value") or ""))
            reply = body["container"]
            channel = reply["channel_id"]
            # What only one person sees below a question outside of a thread has none.
            thread_ts = reply.get("thread_ts") or attempt.message_ts
        except (ValueError, KeyError):
            tell(OUT_OF_DATE)
            return
        company = user.get("team_id")
        problem = self._ask(
            attempt,
            channel=channel,
            thread_ts=thread_ts,
            user=user["id"],
            company=company if company != self._team else None,
            key=f"ask again:{channel}:{reply['message_ts']}",
            anyway=action.get("action_id") == ASK_ANYWAY,
        )
        if problem:
            tell(problem)

    def ask_of(self, trace: TraceSummary, user: str) -> str:
        """Ask the question of a trace again, once; return why not, "" if it is asked.

        *user* is a full member who may see the trace.
        """
        if not (trace.channel and trace.message_ts and trace.agent):
            return OUT_OF_DATE
        return self._ask(
            Attempt(trace.trace_id, trace.message_ts, trace.agent),
            channel=trace.channel,
            thread_ts=trace.thread_ts or trace.message_ts,
            user=user,
            key=f"ask again:{trace.trace_id}",
        )

    def _ask(
        self,
        attempt: Attempt,
        *,
        channel: str,
        thread_ts: str,
        user: str,
        company: str | None = None,
        key: str,
        anyway: bool = False,
    ) -> str:
        """Return why it is not asked again. Nothing is asked twice for the same *key*.

        *company* is the workspace of a user of another one.
        """
        try:
            question = self._question(channel, thread_ts, attempt)
            kind = channel_type(self._directory.channel(channel))
        except SLACK_ERRORS as error:
            return UNREADABLE.format(code=error_code(error))
        if question is None:
            return DELETED
        asked = replace(
            question,
            channel_type=kind,
            user=user,
            user_team=company,
            asked_again=AskedAgain(
                agent=attempt.agent,
                trace_id=attempt.trace_id,
                author=question.user,
                anyway=anyway,
            ),
        )
        if refusal := self._refusal(asked, attempt.agent):
            return refusal
        if not self._is_first(key):
            return ALREADY
        self._inbox.ask_again(asked, self._root_of(attempt.trace_id))
        return ""

    def _question(self, channel: str, thread_ts: str, attempt: Attempt) -> IncomingMessage | None:
        """Return the question as it is in Slack now, None if it was deleted."""
        message, _ = read_message(self._client, channel, thread_ts, attempt.message_ts)
        if message is None:
            return None
        # Whatever wrote it: the person who asks again decides on whether it is asked.
        event = {**message, "channel": channel, "subtype": None, "bot_id": None}
        return parse_message({"event": event}, team=self._team)

    def _refusal(self, message: IncomingMessage, name: str) -> str | None:
        agent = self._roster.agents.get(name)
        reason = Reason.AGENT_GONE if agent is None else self._permission.refusal(agent, message)
        if reason is None:
            return None
        if reason not in REFUSALS:
            return f"You may not ask {name}."
        return refusal_message([name], reason)

    def _is_first(self, key: str) -> bool:
        return self._dedup.is_new(key) and self._dedup.claim(key)

    def _root_of(self, trace_id: str) -> Ids | None:
        try:
            spans = trace_spans(self._database, trace_id)
        except PeeweeException as error:
            logger.warning("The trace that failed before is not linked: %s", error)
            return None
        return (trace_id, spans[0].span_id) if spans else None
