"""Look at what leaves for Slack: no secret of the bot does, and no block that Slack refuses.

Both hold for calls of the Web API. Answers to requests hold no secrets either.
"""

import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from slack_bolt import App, BoltContext
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.connection.checked_client import CheckedClient
from bot.slack.connection.response_url import or_else, patient, post_privately
from bot.slack.errors import error_code
from bot.slack.own_secrets import OwnSecrets
from reports.render.slack.plain import plain

REFUSED = frozenset(("invalid_blocks", "invalid_arguments", "msg_blocks_too_long"))
"""Error codes of a refusal that plainer blocks may avoid. It had no effect."""

logger = logging.getLogger("tracebot.secrets")
blocks_logger = logging.getLogger("tracebot.blocks")


class PlainClient(CheckedClient):
    """A client that sends tables, charts and cards as text if Slack refuses them."""

    def api_call(self, api_method: str, **call: Any) -> Any:
        """Call a method of Slack's Web API. Raises one of `SLACK_ERRORS`."""
        try:
            return super().api_call(api_method, **call)
        except SlackApiError as error:
            plainer = _plainer(call.get("json")) if error_code(error) in REFUSED else None
            if plainer is None:
                raise
            blocks_logger.warning(
                "Slack refuses the blocks of %s: %s", api_method, error_code(error)
            )
        return super().api_call(api_method, **{**call, "json": plainer})


def _plainer(arguments: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the arguments with plain blocks, None if they would stay the same."""
    if not arguments:
        return None
    if view := arguments.get("view"):
        view = json.loads(view) if isinstance(view, str) else view
        inner = _plainer(view)
        return None if inner is None else {**arguments, "view": json.dumps(inner)}
    blocks = arguments.get("blocks")
    blocks = json.loads(blocks) if isinstance(blocks, str) else blocks
    made = plain(blocks) if blocks else blocks
    return None if made == blocks else {**arguments, "blocks": made}


class GuardedClient(PlainClient):
    """A client through which no secret of the bot leaves: the last look at each call to Slack.

    A reply is looked at before, as a whole, because a secret may be cut in two.
    """

    def __init__(self, *args: Any, secrets: OwnSecrets, **options: Any) -> None:
        super().__init__(*args, **options)
        self._secrets = secrets

    def api_call(self, api_method: str, **call: Any) -> Any:
        """Call a method of Slack's Web API. The token itself travels in a header."""
        for part in ("json", "params", "data"):
            if call.get(part) and isinstance(call[part], dict):
                given = call[part]
                call[part] = {**self._secrets.removed_from(given), **_token(given)}
                if call[part] != given:
                    logger.warning("A secret of the bot was removed from a call of %s", api_method)
        return super().api_call(api_method, **call)


def guard_answers(app: App, secrets: OwnSecrets, client: WebClient) -> None:
    """Let no secret leave through the answers to commands and buttons.

    They need no *client*, unless Slack does not take them.
    """

    @app.middleware
    def guard(context: BoltContext, next: Callable[[], Any]) -> Any:
        respond = context.respond if context.response_url else None
        if respond is not None:
            where = (context.channel_id or "", context.user_id or "")
            send = or_else(patient(respond), partial(post_privately, client, *where))
            context["respond"] = lambda **message: send(**secrets.removed_from(message))
        return next()


def _token(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"token": arguments["token"]} if "token" in arguments else {}
