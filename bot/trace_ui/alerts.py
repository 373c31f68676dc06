"""Alerts in Slack: `/trace alerts`, and the buttons of their messages."""

import time
from collections.abc import Callable
from dataclasses import replace

from bot.access import Access, Sight
from bot.jobs.alerts import Alerts
from bot.slack.directory import Directory
from bot.trace_ui.alert_orders import Orderer, added, obey, rule_of
from bot.trace_ui.names import resolve_key
from bot.trace_ui.requester import Requester
from reports.alerts.grammar import Condition, parse_condition
from reports.alerts.measures import OF_THE_BOT
from reports.errors import UsageError
from reports.render.slack.alerts import SNOOZE
from reports.units import parse_duration
from reports.views.messages import MessageView
from storage.coordination.alert_rules import AlertRule, AlertState, change_state
from storage.database.base import Database


class AlertOrders:
    """Carry out what people in Slack order about alerts, if they may see the alert's channel."""

    def __init__(
        self, database: Database, alerts: Alerts, access: Access, directory: Directory
    ) -> None:
        self._database = database
        self._alerts = alerts
        self._access = access
        self._directory = directory

    def check(self, requester: Requester) -> None:
        """Raise `UsageError` if the person may not add an alert in the channel of *requester*."""
        sight = self._sight(requester)
        if not requester.channel:
            raise UsageError("Type /trace alerts in the channel that should be told, and add it.")
        # A form may be older than somebody's leaving.
        if not self._access.is_reader(requester.channel, sight):
            raise UsageError("Only those who are in a conversation can add an alert to it.")
        # Slack shows public channels to everyone, but lets only members post in them.
        if not self._directory.channel(requester.channel).get("is_member", True):
            raise UsageError(
                "I am not a member of this channel, so I cannot post alerts here. Invite me with "
                "/invite, then ask again in a minute."
            )

    def obey(self, words: list[str], requester: Requester) -> MessageView:
        """Carry out the words after `/trace alerts`. Raises `UsageError` and `SLACK_ERRORS`."""
        now = time.time_ns()
        if words[0].lower() == "add":
            condition = parse_condition(words[1:])
            if not requester.channel and condition.channel:  # A form on the Home tab names it.
                requester = replace(requester, channel=condition.channel)
            condition = self._with_ids(condition, requester)
            view = added(self._database, condition, self._orderer(requester), now=now)
        else:
            orderer = self._orderer(requester)
            view = obey(self._database, words, orderer, now=now)
            if words[0].lower() == "snooze":
                self._alerts.redraw(rule_of(self._database, words[1], orderer), now=now)
        # At once: a test message is waited for.
        self._alerts.send(now=now)
        return view

    def acknowledge(self, rule_id: str, requester: Requester) -> MessageView:
        """Note on an alert's message that somebody looks after it."""
        rule = self._change(
            rule_id, requester, lambda state: replace(state, acknowledged_by=requester.user)
        )
        return MessageView(text=f"You have acknowledged alert {rule.id}.", found=True)

    def snooze(self, rule_id: str, requester: Requester) -> MessageView:
        """Silence an alert for the time that its button says."""
        until = time.time_ns() + parse_duration(SNOOZE)
        rule = self._change(rule_id, requester, lambda state: replace(state, snoozed_until=until))
        return MessageView(text=f"Alert {rule.id} is silent for {SNOOZE}.", found=True)

    def _change(
        self, rule_id: str, requester: Requester, change: Callable[[AlertState], AlertState]
    ) -> AlertRule:
        rule = rule_of(self._database, rule_id, self._orderer(requester))
        change_state(self._database, rule.id, change)
        self._alerts.redraw(rule, now=time.time_ns())
        return rule

    def _orderer(self, requester: Requester) -> Orderer:
        sight = self._sight(requester)

        def may_read(channel: str) -> bool:
            if not (is_one := sight.may_see_in(channel)) and sight.note:
                raise UsageError(sight.note)
            return is_one

        return Orderer(
            user=requester.user,
            team=requester.team,
            channel=requester.channel,
            may_read=may_read,
            audiences=sight.audiences,
        )

    def _sight(self, requester: Requester) -> Sight:
        """Return what the person may see. Raises `UsageError` if that is nothing."""
        sight = self._access.sight(requester.team, requester.user)
        if not sight.audiences:
            raise UsageError(sight.note)
        return sight

    def _with_ids(self, condition: Condition, requester: Requester) -> Condition:
        """Replace names with ids. Raises `UsageError`, `SLACK_ERRORS`."""
        self.check(requester)
        sight = self._access.sight(requester.team, requester.user)
        key = resolve_key(condition.dimension, condition.key, requester, sight, self._directory)
        here = self._access.sight_in(requester.team, requester.channel)
        if condition.dimension == "channel" and not here.may_see_in(key):
            raise UsageError(
                "Not everyone in this channel may see the other one, so its figures cannot be "
                "told here. Add the alert there."
            )
        if condition.measure in OF_THE_BOT and here.channel is not None:
            raise UsageError(
                "Guests or people of other organisations can read this channel, so how the bot "
                "itself fares cannot be told here. Add the alert in another channel."
            )
        return replace(condition, key=key)
