"""Publish the app's Home tab: its user's newest traces, the last week, help, and who may ask."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from peewee import PeeweeException
from slack_sdk import WebClient

from bot.agents.config.roster import Roster
from bot.agents.config.status import who_may_ask
from bot.slack.errors import SLACK_ERRORS, error_code
from bot.trace_ui.requester import Requester
from bot.trace_ui.slash_command import Answer
from bot.turns.decision import Reason
from bot.turns.permission import Permission
from reports.formatting import reason
from reports.render.block_kit import Block, escape, section
from storage import Observability
from storage.model.span import own_audience

logger = logging.getLogger("tracebot.app_home")

DIVIDER = {"type": "divider"}

MOST_AGENTS = 20
"""How many agents are listed. A Home tab holds 100 blocks."""


class AppHome:
    """Publish the tab. `answer` answers a command for a person as `/trace` does."""

    def __init__(
        self,
        client: WebClient,
        answer: Callable[[str, Requester], Answer],
        observability: Observability,
        *,
        team: str,
        roster: Roster,
        permission: Permission,
    ) -> None:
        self._client = client
        self._team = team
        self._answer = answer
        self._observability = observability
        self._roster = roster
        self._permission = permission

    def opened(self, body: Mapping[str, Any]) -> None:
        """Handle `app_home_opened`. The messages tab has nothing to publish."""
        event = body["event"]
        if event.get("tab") != "home":
            return
        requester = Requester(team=self._team, user=event["user"], channel="")
        with self._observability.span(
            "app home",
            kind="consumer",
            team=requester.team,
            user=requester.user,
            audience=own_audience(requester.team, requester.user),
            decision="skip",  # No agent runs, so lists and statistics leave this trace out.
        ) as span:
            try:
                view = {"type": "home", "blocks": self._blocks(requester)}
                self._client.views_publish(user_id=requester.user, view=view)
            except SLACK_ERRORS as error:
                span.fail("slack_api", error_code(error))
                logger.warning("Slack did not accept a Home tab: %s", error_code(error))

    def _blocks(self, requester: Requester) -> list[Block]:
        commands = (f"ls --user {requester.user} --limit 5", "stats --since 7d", "help")
        try:
            shown = [self._answer(command, requester) for command in commands]
        except PeeweeException as error:
            logger.error("A Home tab could not be filled", exc_info=error)
            return [
                section(
                    "The database does not answer at the moment. Please open this tab again later."
                )
            ]
        # A button would need a channel to answer in, and the Home tab has none.
        blocks = [[*map(_without_button, answer.blocks), DIVIDER] for answer in shown]
        published = [block for part in blocks for block in part if block["type"] != "actions"]
        return [*published, *self._who_may_ask(requester.user)]

    def _who_may_ask(self, user: str) -> list[Block]:
        """Return a line for each agent: for full members its whole rule, for others only theirs."""
        lines = [section("*Who may ask*")]
        is_member = self._permission.is_member(user)
        for agent in list(self._roster.agents.values())[:MOST_AGENTS]:
            refusal = self._permission.person_refusal(agent, user)
            if refusal is None and not is_member:
                told = "you"
            elif refusal in (None, Reason.PERSON_NOT_ALLOWED) and is_member:
                told = who_may_ask(agent, name=_mention) + (" (not you)" if refusal else "")
            else:
                told = f"not you, because {reason(refusal)}"
            lines.append(section(f"*{escape(agent.name)}* ({agent.mode}): {told}"))
        return lines


def _without_button(block: Block) -> Block:
    return {key: value for key, value in block.items() if key != "accessory"}


def _mention(identity: str) -> str:
    """Return what Slack shows as a name; of a private channel only to its members."""
    if identity.startswith("S"):
        return f"<!subteam^{identity}>"
    return f"<@{identity}>" if identity[0] in "UW" else f"<#{identity}>"
