"""Publish the app's Home tab, and suggest questions in its messages tab."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from peewee import PeeweeException
from slack_sdk import WebClient

from bot.agents.config.roster import Roster
from bot.slack.errors import SLACK_ERRORS, error_code
from bot.slack.types import IncomingMessage
from bot.trace_ui import home_blocks
from bot.trace_ui.answers import Answer
from bot.trace_ui.requester import Requester
from bot.trace_ui.suggestions import prompts, questions
from bot.turns.permission import Permission
from reports.render.block_kit import Block, context, escape, section
from reports.render.slack import render
from reports.views.alerts import AlertsView
from reports.views.budgets import BudgetsView
from reports.views.statistics import StatsView
from reports.views.trace_list import TraceListView
from storage import Observability
from storage.coordination.digest_subscriptions import Subscription
from storage.model.span import own_audience
from storage.tracing.current import CurrentSpan

logger = logging.getLogger("tracebot.app_home")

READ = home_blocks.MOST_LINES + 3
"""How many of a person's traces are read: those that still run are left out."""

SILENT = "The database does not answer at the moment. Please open this tab again later."


class AppHome:
    """Publish the tab: what runs, the latest, the week, money, alerts, digests, agents.

    `answer` answers a command for a person as `/trace` does, and `digests` returns the digests of
    the conversations that a person is in.
    """

    def __init__(
        self,
        client: WebClient,
        answer: Callable[[str, Requester], Answer],
        digests: Callable[[Requester], Sequence[Subscription]],
        observability: Observability,
        *,
        team: str,
        roster: Roster,
        permission: Permission,
    ) -> None:
        self._client = client
        self._team = team
        self._answer = answer
        self._digests = digests
        self._observability = observability
        self._roster = roster
        self._permission = permission

    def opened(self, body: Mapping[str, Any]) -> None:
        """Handle `app_home_opened`: publish the tab, or suggest questions in the messages tab."""
        event = body["event"]
        if event.get("tab") == "home":
            self.publish(event["user"])
        elif event.get("tab") == "messages":
            self.suggest(event["user"], event["channel"])

    def publish(self, user: str) -> None:
        """Show a person the tab as of now."""
        requester = Requester(team=self._team, user=user, channel="")
        with self._span("app home", user) as span:
            try:
                view = {"type": "home", "blocks": self._blocks(requester)}
                self._client.views_publish(user_id=requester.user, view=view)
            except SLACK_ERRORS as error:
                span.fail("slack_api", error_code(error))
                logger.warning("Slack did not accept a Home tab: %s", error_code(error))

    def suggest(self, user: str, channel: str) -> None:
        """Suggest questions to a person in their direct messages with the bot."""
        requester = Requester(team=self._team, user=user, channel=channel)
        with self._span("suggest prompts", user) as span:
            try:
                if found := self._prompts(requester):
                    # With a thread_ts, Slack would ignore the call of an app with agent_view.
                    self._client.assistant_threads_setSuggestedPrompts(
                        channel_id=channel, prompts=found
                    )
            except SLACK_ERRORS as error:
                span.fail("slack_api", error_code(error))
                logger.warning("Slack did not accept suggested prompts: %s", error_code(error))

    def _span(self, name: str, user: str) -> CurrentSpan:
        return self._observability.span(
            name,
            kind="consumer",
            team=self._team,
            user=user,
            audience=own_audience(self._team, user),
            decision="skip",  # No agent runs, so lists and statistics leave this trace out.
        )

    def _prompts(self, requester: Requester) -> list[dict[str, str]]:
        roster, permission = self._roster, self._permission
        default = roster.agents[roster.default]
        agents = [default, *(each for each in roster.agents.values() if each is not default)]
        message = IncomingMessage(
            team=self._team,
            channel=requester.channel,
            channel_type="im",
            ts="",
            thread_ts=None,
            user=requester.user,
            text="",
        )
        asked = [each for each in agents if permission.refusal(each, message) is None]
        try:
            latest = self._answer(f"ls user:{requester.user} --limit 1", requester).view
        except PeeweeException as error:
            logger.error("Earlier questions could not be read for the prompts", exc_info=error)
            latest = TraceListView(title="", lines=(), traces=())
        return prompts(latest, asked) if isinstance(latest, TraceListView) else []

    def _blocks(self, requester: Requester) -> list[Block]:
        user = requester.user
        is_member = self._permission.is_member(user)
        commands = [
            *("ps", f"ls user:{user} --limit {READ}", "stats --since 7d --compare", "budget"),
            *(["alerts"] if is_member else []),
            "help",
        ]
        try:
            answers = [self._answer(command, requester) for command in commands]
            digests = [home_blocks.digests(self._digests(requester))] if is_member else []
        except PeeweeException as error:
            logger.error("A Home tab could not be filled", exc_info=error)
            return [section(SILENT)]
        notes = dict.fromkeys(answer.note for answer in answers if answer.note)
        parts = [
            *(_part(answer, user) for answer in answers[:2]),
            *_questions(answers),
            *(_part(answer, user) for answer in answers[2:-1]),
            *digests,
            home_blocks.may_ask(self._roster.agents.values(), user, self._permission),
            render(answers[-1].view),
        ]
        return [*(context(escape(note)) for note in notes), *_divided(filter(None, parts))]


def _questions(answers: Sequence[Answer]) -> Iterable[list[Block]]:
    views = [answer.view for answer in answers]
    latest = [view for view in views if isinstance(view, TraceListView) and view.kind == "ls"]
    weeks = [view for view in views if isinstance(view, StatsView)]
    return [questions(week, own) for week in weeks for own in latest]


def _part(answer: Answer, user: str) -> list[Block]:
    """Draw an answer, which is a sentence if there is no time to answer."""
    match answer.view:
        case TraceListView(kind="ps") as view:
            return home_blocks.running(view)
        case TraceListView() as view:
            return home_blocks.latest(view, user)
        case StatsView() as view:
            return home_blocks.week(view)
        case BudgetsView() as view:
            return home_blocks.budgets(view)
        case AlertsView() as view:
            return home_blocks.alerts(view)
        case view:
            return render(view)


def _divided(parts: Iterable[list[Block]]) -> list[Block]:
    return [block for part in parts for block in (*part, home_blocks.DIVIDER)][:-1]
