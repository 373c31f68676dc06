"""Look at what leaves for Slack: no secret of the bot does, and no block that Slack refuses.

Both hold for calls of the Web API. Answers to requests hold no secrets either.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from slack_bolt import App, BoltContext
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.connection.checked_client import CheckedClient
from bot.slack.connection.response_url import or_else, patient, post_privately
from bot.slack.errors import BLOCKS_REFUSED, error_code
from bot.slack.own_secrets import OwnSecrets
from reports.render.slack.plain import plainer_messages

logger = logging.getLogger("tracebot.secrets")
blocks_logger = logging.getLogger("tracebot.blocks")


class PlainClient(CheckedClient):
    """A client that sends tables, charts and cards as text if Slack refuses them.

    With `words_at_last` a message whose plain blocks are refused, too, is sent without any.
    """

    words_at_last = False

    def api_call(self, api_method: str, **call: Any) -> Any:
        """Call a method of Slack's Web API. Raises one of `SLACK_ERRORS`."""
        plainer = self._plainer(call.get("json") or {})
        while True:
            try:
                return super().api_call(api_method, **call)
            except SlackApiError as error:
                arguments = next(plainer, None) if error_code(error) in BLOCKS_REFUSED else None
                if arguments is None:
                    raise
                blocks_logger.warning(
                    "Slack refuses the blocks of %s: %s", api_method, error_code(error)
                )
            call = {**call, "json": arguments}

    def _plainer(self, arguments: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the arguments of a call in their plainer forms. A view always has blocks."""
        if view := arguments.get("view"):
            forms = plainer_messages(json.loads(view) if isinstance(view, str) else view)
            yield from ({**arguments, "view": json.dumps(form)} for form in forms if form["blocks"])
            return
        blocks = arguments.get("blocks")
        blocks = json.loads(blocks) if isinstance(blocks, str) else blocks
        for form in plainer_messages({**arguments, "blocks": blocks}):
            if form["blocks"] or self.words_at_last:
                yield form


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
