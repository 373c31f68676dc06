"""Evaluate the rules of alerts each minute, and post what changed, once for all processes.

A lease lets one process evaluate in each minute. What is to be said is then counted in the rule's
state, and any process says it: a lease on the rule lets one do so at a time, and a key in the
message's metadata shows whether one that died meanwhile had said it already.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from reports.alerts.changes import advance
from reports.alerts.evaluation import Measured, Problems, Sight, measure, watched
from reports.errors import UsageError
from reports.render.slack import fallback, render
from reports.views.alerts import AlertView, NameOf, alert_view, trial_view
from storage.coordination.alert_rules import (
    AlertRule,
    AlertState,
    alert_rules,
    alert_states,
    change_states,
    note_posted,
    note_tested,
    replace_file_rules,
)
from storage.coordination.leases import acquire_lease, leased
from storage.coordination.process_identity import this_process
from storage.database.base import Database

SECOND_NS = 1_000_000_000
MINUTE_NS = 50 * SECOND_NS
"""How long nobody else evaluates: less than a minute, as a tick may come a little early."""

LEASE_NS = 300 * SECOND_NS
"""After this time another process may say what one began to say and did not note as said."""

ALERT_EVENT = "tracebot_alert"
PAGE = 100
"""Messages that one call returns."""

logger = logging.getLogger("tracebot.alerts")


class ThreadDeleted(Exception):
    """Somebody deleted the first message of an alert, and its thread with it."""


class Posts(Protocol):
    """The messages of alerts in Slack."""

    def post(self, channel: str, view: AlertView, key: str, thread_ts: str | None) -> str:
        """Post a message and return its time stamp."""

    def find(self, channel: str, key: str, thread_ts: str | None) -> str | None:
        """Return the time stamp of the message with this key, None if it was not posted.

        Raises `ThreadDeleted`.
        """

    def update(self, channel: str, view: AlertView, ts: str) -> None:
        """Replace the contents of a message."""


class SlackPosts:
    """Post, find and update messages with a Web API client."""

    def __init__(self, client: WebClient, bot_id: str) -> None:
        self._client = client
        self._bot_id = bot_id

    def post(self, channel: str, view: AlertView, key: str, thread_ts: str | None) -> str:
        posted = self._client.chat_postMessage(
            channel=channel,
            thread_ts=thread_ts,
            blocks=render(view),
            text=fallback(view),
            metadata={"event_type": ALERT_EVENT, "event_payload": {"key": key}},
            unfurl_links=False,
            unfurl_media=False,
        )
        return str(posted["ts"])

    def find(self, channel: str, key: str, thread_ts: str | None) -> str | None:
        for message in self._messages(channel, thread_ts):
            payload = (message.get("metadata") or {}).get("event_payload") or {}
            if message.get("bot_id") == self._bot_id and payload.get("key") == key:
                return str(message["ts"])
        return None

    def _messages(self, channel: str, thread_ts: str | None) -> Iterator[Mapping[str, Any]]:
        """Yield the newest messages of the channel, or all of the thread."""
        read = self._client.conversations_history
        if thread_ts is not None:
            read = partial(self._client.conversations_replies, ts=thread_ts)
        cursor = None
        while True:
            try:
                page = read(channel=channel, limit=PAGE, include_all_metadata=True, cursor=cursor)
            except SlackApiError as error:
                if error.response.get("error") == "thread_not_found":
                    raise ThreadDeleted from error
                raise
            yield from page["messages"]
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            # Slack lists a channel from its newest message, and a thread from its oldest.
            if thread_ts is None or not cursor:
                return

    def update(self, channel: str, view: AlertView, ts: str) -> None:
        self._client.chat_update(channel=channel, ts=ts, blocks=render(view), text=fallback(view))


class Alerts:
    """Evaluate and tell the alerts of the workspace `team`.

    `sight_in(team, channel)` returns what everyone in that channel may see, and `names_for(sight)`
    a function that names users and channels for them. `agents` and `health` tell what is wrong now.
    `in_file` returns the channels and conditions of the agents file.
    `slack_errors` are raised by `posts` and `sight_in` if Slack does not do what was asked.
    """

    def __init__(
        self,
        database: Database,
        *,
        team: str,
        posts: Posts,
        sight_in: Callable[[str, str], Sight],
        names_for: Callable[[Sight], NameOf],
        agents: Problems,
        health: Problems,
        in_file: Callable[[], Iterable[tuple[str, str]]],
        slack_errors: tuple[type[Exception], ...],
    ) -> None:
        self._database = database
        self._team = team
        self._posts = posts
        self._sight_in = sight_in
        self._names_for = names_for
        self._agents = agents
        self._health = health
        self._in_file = in_file
        self._slack_errors = slack_errors
        # A rule that another version stored may be one that this one cannot read.
        self._unposted: tuple[type[Exception], ...] = (*slack_errors, UsageError)
        self._stored: tuple[tuple[str, str], ...] | None = None
        """The rules of the agents file that this process has stored."""

    def run(self, *, now: int) -> None:
        """Evaluate the rules unless another process did so in this minute, and say what changed."""
        self.evaluate(now=now)
        self.send(now=now)

    def evaluate(self, *, now: int) -> int:
        """Return how many states changed."""
        self._store_file_rules(now)
        rules = alert_rules(self._database, team=self._team)
        key = f"alerts:{self._team}"
        if not rules or not acquire_lease(
            self._database, key, owner=this_process(), now=now, lease_ns=MINUTE_NS
        ):
            return 0
        found = measure(
            self._database,
            watched(rules, self._sights({rule.channel for rule in rules})),
            agents=self._agents,
            health=self._health,
            now=now,
        )

        def changed(measured: Measured, state: AlertState) -> AlertState:
            return advance(state, measured.level, measured.value, now=now)

        return change_states(
            self._database, {id: partial(changed, measured) for id, measured in found.items()}
        )

    def _store_file_rules(self, now: int) -> None:
        """Replace the stored rules of the agents file by those of this process's own.

        Only after its start and after a reload: while another process has another file, as when
        files are changed host by host, the two would undo each other's each minute. And if the
        database has none at all, as one that was restored from an earlier backup.
        """
        in_file = tuple(self._in_file())
        stored = (rule.in_file for rule in alert_rules(self._database, team=self._team))
        if in_file != self._stored or (in_file and not any(stored)):
            rules = [self._file_rule(channel, condition, now) for channel, condition in in_file]
            replace_file_rules(self._database, self._team, rules)
            self._stored = in_file

    def _file_rule(self, channel: str, condition: str, now: int) -> AlertRule:
        named = f"{self._team} {channel} {condition}".encode()
        return AlertRule(
            # The same in every process, and longer than the ids that are made up.
            id=hashlib.sha256(named).hexdigest()[:8],
            team=self._team,
            channel=channel,
            condition=condition,
            created_by="",
            created_at=now,
            in_file=True,
        )

    def send(self, *, now: int) -> int:
        """Post what is still to be said. Return how many messages were posted."""
        states = alert_states(self._database)
        waiting = [
            rule
            for rule in alert_rules(self._database, team=self._team)
            if (state := states.get(rule.id)) and _is_waiting(state)
        ]
        return sum(self._send(rule, now) for rule in waiting)

    def redraw(self, rule: AlertRule, *, now: int) -> None:
        """Update the first message of an alert, after somebody acknowledged or silenced it.

        If that fails, they are told of their change nonetheless: it is stored.
        """
        state = alert_states(self._database).get(rule.id)
        if state is None or state.thread_ts is None:
            return
        try:
            seen, name_of = self._seen(rule, state, now)
            view = alert_view(rule, seen, now=now, name_of=name_of)
            self._posts.update(rule.channel, view, state.thread_ts)
        except self._unposted as error:
            logger.warning("The first message of alert %s was not updated: %s", rule.id, error)

    def _sights(self, channels: set[str]) -> dict[str, Sight]:
        """Return what each channel may see; without those that Slack does not tell about."""
        sights = {}
        for channel in channels:
            try:
                sights[channel] = self._sight_in(self._team, channel)
            except self._slack_errors as error:
                logger.warning("The alerts of %s are not evaluated: %s", channel, error)
        return sights

    def _seen(self, rule: AlertRule, state: AlertState, now: int) -> tuple[AlertState, NameOf]:
        """Return the state with the figure that its channel may see now, and the names.

        Guests may have come since the rule was evaluated.
        """
        sight = self._sight_in(self._team, rule.channel)
        found = measure(
            self._database,
            watched([rule], {rule.channel: sight}),
            agents=self._agents,
            health=self._health,
            now=now,
        )
        measured = found.get(rule.id, Measured("no_data"))
        return replace(state, value=measured.value), self._names_for(sight)

    def _send(self, rule: AlertRule, now: int) -> int:
        """Say what is to be said of one rule, unless another process does."""
        key, owner = f"alert:{rule.id}", this_process()
        with leased(self._database, key, owner=owner, now=now, lease_ns=LEASE_NS) as acquired:
            if not acquired:
                return 0
            try:
                # Read again: another process may have said it before this one got the lease.
                state = alert_states(self._database).get(rule.id)
                return 0 if state is None else self._say(rule, state, now)
            except self._unposted as error:
                logger.warning("Alert %s was not posted: %s", rule.id, error)
                return 0

    def _say(self, rule: AlertRule, state: AlertState, now: int) -> int:
        (state, name_of), posted = self._seen(rule, state, now), 0
        if state.tests > state.tests_posted:
            view = trial_view(rule, state, name_of=name_of)
            _, fresh = self._post_once(rule, view, f"test-{state.tests}", None)
            note_tested(self._database, rule.id, tests=state.tests)
            posted += fresh
        if state.seq > state.posted:
            posted += self._say_change(rule, state, now, name_of)
        return posted

    def _say_change(self, rule: AlertRule, state: AlertState, now: int, name_of: NameOf) -> int:
        """Post the newest change: as a new thread, or in that of the alert, whose root is updated.

        What changed before it and was not said, such as while Slack was away, is not news any more.
        """
        first, root = alert_view(rule, state, now=now, name_of=name_of), state.thread_ts
        if root is not None:
            reply = alert_view(rule, state, now=now, name_of=name_of, is_reply=True)
            try:
                _, fresh = self._post_once(rule, reply, str(state.seq), root)
                self._update(rule, first, root)
            except ThreadDeleted:
                root = None
        if root is None:
            root, fresh = self._post_once(rule, first, str(state.seq), None)
        note_posted(self._database, rule.id, seq=state.seq, thread_ts=root)
        return fresh

    def _update(self, rule: AlertRule, view: AlertView, root: str) -> None:
        """Update the first message. If somebody deleted it, the reply is all that is told."""
        try:
            self._posts.update(rule.channel, view, root)
        except self._slack_errors as error:
            logger.warning("The first message of alert %s was not updated: %s", rule.id, error)

    def _post_once(
        self, rule: AlertRule, view: AlertView, number: str, thread_ts: str | None
    ) -> tuple[str, int]:
        """Return the message's time stamp, and 1 if it had not been posted before."""
        key = f"alert:{rule.id}:{rule.created_at}:{number}"
        found = self._posts.find(rule.channel, key, thread_ts)
        if found is not None:
            return found, 0
        return self._posts.post(rule.channel, view, key, thread_ts), 1


def _is_waiting(state: AlertState) -> bool:
    return state.seq > state.posted or state.tests > state.tests_posted
