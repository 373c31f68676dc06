"""Look at each call to Slack and each answer to a request, so that no secret of the bot leaves."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from slack_bolt import App, BoltContext

from bot.slack.connection.plain_client import PlainClient
from bot.slack.connection.response_url import patient
from bot.slack.own_secrets import OwnSecrets

logger = logging.getLogger("tracebot.secrets")


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


def guard_answers(app: App, secrets: OwnSecrets) -> None:
    """Let no secret leave through the answers to commands and buttons, which need no client."""

    @app.middleware
    def guard(context: BoltContext, next: Callable[[], Any]) -> Any:
        respond = context.respond if context.response_url else None
        if respond is not None:
            send = patient(respond)
            context["respond"] = lambda **message: send(**secrets.removed_from(message))
        return next()


def _token(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"token": arguments["token"]} if "token" in arguments else {}
