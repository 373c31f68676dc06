"""The app's Home tab: what its reader asked lately, the last week, and the words to ask with."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from peewee import PeeweeException
from slack_sdk import WebClient

from bot.slack.errors import SLACK_ERRORS, error_code
from bot.trace_ui.slash_command import Requester
from reports.render.block_kit import Block, section
from reports.render.slack import render
from reports.views.views import View
from storage import Observability

logger = logging.getLogger("tracebot.home")

DIVIDER = {"type": "divider"}


class AppHome:
    """Publishes the tab. `view` answers words as `/trace` does, for one who asks."""

    def __init__(
        self,
        client: WebClient,
        view: Callable[[str, Requester], View],
        observability: Observability,
    ) -> None:
        self._client = client
        self._view = view
        self._observability = observability

    def opened(self, body: Mapping[str, Any]) -> None:
        event = body["event"]
        if event.get("tab") != "home":
            return
        requester = Requester(team=body.get("team_id") or "", user=event["user"], channel="")
        with self._observability.span(
            "app home",
            kind="consumer",
            team=requester.team,
            user=requester.user,
            audience=requester.user,
            decision="skip",  # No agent is asked: lists and statistics leave it out.
        ) as span:
            try:
                view = {"type": "home", "blocks": self._blocks(requester)}
                self._client.views_publish(user_id=requester.user, view=view)
            except SLACK_ERRORS as error:
                span.fail("slack_api", error_code(error))
                logger.warning("A Home tab could not be published: %s", error_code(error))

    def _blocks(self, requester: Requester) -> list[Block]:
        asked = (f"ls --user {requester.user} --limit 5", "stats --since 7d", "help")
        try:
            shown = [self._view(words, requester) for words in asked]
        except PeeweeException as error:
            logger.error("A Home tab could not be filled", exc_info=error)
            return [section("The database does not answer at the moment: please look in again.")]
        blocks = [[*map(_still, render(view)), DIVIDER] for view in shown]
        return [block for part in blocks for block in part if block["type"] != "actions"][:-1]


def _still(block: Block) -> Block:
    """Without its button: a home view has nowhere to answer to."""
    return {key: value for key, value in block.items() if key != "accessory"}
