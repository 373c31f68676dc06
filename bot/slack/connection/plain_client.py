"""Say with plain blocks what Slack refuses as a table, a chart or a card."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError

from bot.slack.connection.checked_client import CheckedClient
from bot.slack.errors import error_code
from reports.render.slack.plain import plain

REFUSED = frozenset(("invalid_blocks", "invalid_arguments", "msg_blocks_too_long"))
"""Error codes of a refusal that plainer blocks may avoid. It had no effect."""

logger = logging.getLogger("tracebot.blocks")


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
            logger.warning("Slack refuses the blocks of %s: %s", api_method, error_code(error))
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
