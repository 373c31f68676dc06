"""Answer in a modal: opened at once, because a trigger lives for 3 seconds, and filled afterwards.

A press of a button in a modal is answered in it, and one on the Home tab in a new modal. If no
modal can be opened or filled, the answer is an ephemeral message; as the Home tab has no place for
one, a direct message asks to try again.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from slack_sdk import WebClient

from bot.slack.connection.response_url import post_privately
from bot.slack.errors import SLACK_ERRORS, error_code
from bot.trace_ui.requester import Requester
from reports.render.block_kit import SHARE, Block, section
from reports.render.slack.plain import plain

Body = Mapping[str, Any]
Respond = Callable[..., Any]

TITLE = "Trace"
BLOCKS = 100
"""Slack's limit for a view."""

CLOSED = frozenset(("not_found", "view_not_found"))
"""Slack's error codes for a modal that somebody has closed."""

logger = logging.getLogger("tracebot.modals")


@dataclass(frozen=True, slots=True)
class Form:
    """Inputs that a modal shows, with a button to submit them. They are about *channel*."""

    callback_id: str
    title: str
    channel: str
    blocks: tuple[Block, ...]


def form_input(name: str, label: str, **element: Any) -> Block:
    """Return an input of a form, whose block and action have the same id."""
    return {
        "type": "input",
        "block_id": name,
        "label": {"type": "plain_text", "text": label},
        "element": {**element, "action_id": name},
    }


def form_option(value: str, label: str) -> Block:
    """Return one of the choices of an input."""
    return {"text": {"type": "plain_text", "text": label}, "value": value}


class Modals:
    """Open modals. The *client* does not repeat calls: a late modal is worse than a message."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def opened(self, body: Body, requester: Requester, instead: Respond) -> Respond:
        """Open a modal that waits for an answer; return the function that fills it.

        In a modal, it is that one that is filled. `instead` is returned if none can be opened.
        """
        instead = self._outside(body, requester, instead)
        if view_id := _open_modal(body):
            return _Modal(self._client, view_id, requester, instead=instead)
        view = _view([section("Looking it up …")], requester)
        try:
            opened = self._client.views_open(trigger_id=str(body.get("trigger_id")), view=view)
        except SLACK_ERRORS as error:
            logger.warning("No modal was opened for %s: %s", requester.user, error_code(error))
            return _without_form(instead)
        return _Modal(self._client, opened["view"]["id"], requester, instead=instead)

    def around(self, body: Body, requester: Requester, respond: Respond) -> Respond:
        """Return *respond*, or for a button of a modal or of the Home tab, what answers in a modal.

        In a modal the answer stands above what it shows, unless it is to replace it.
        """
        if is_home(body):
            return self.opened(body, requester, respond)
        if view_id := _open_modal(body):
            instead, shown = self._outside(body, requester, respond), body["view"]["blocks"]
            return _Modal(self._client, view_id, requester, instead=instead, below=shown)
        return respond

    def _outside(self, body: Body, requester: Requester, respond: Respond) -> Respond:
        """Return what answers without a modal: *respond* only works with a `response_url`."""
        return respond if body.get("response_url") else in_message(self._client, requester)


class _Modal:
    """An open modal, which takes an answer as a `response_url` does."""

    def __init__(
        self,
        client: WebClient,
        view_id: str,
        requester: Requester,
        *,
        instead: Respond,
        below: list[Block] | None = None,
    ) -> None:
        self._client = client
        self._view_id = view_id
        self._requester = requester
        self._instead = instead
        self._below = below or []

    def __call__(self, *, blocks: list[Block], form: Form | None = None, **message: Any) -> None:
        """Show the form, else the blocks. Raises one of `SLACK_ERRORS`."""
        below = [] if message.get("replace_original") else self._below
        divider: list[Block] = [{"type": "divider"}] if below else []
        view = _view([*blocks, *divider, *below], self._requester)
        if form is not None:
            view |= _inputs(form)
        try:
            self._client.views_update(view_id=self._view_id, view=view)
        except SLACK_ERRORS as error:
            if error_code(error) in CLOSED:
                return
            logger.warning("A modal was not filled: %s", error_code(error))
            self._instead(blocks=blocks, **message)


def in_message(client: WebClient, requester: Requester) -> Respond:
    """Return a function that answers where somebody is, else in a direct message.

    Slack gives no `response_url` for a press in a modal or on the Home tab, and for a form.
    """

    def answer(**message: Any) -> None:
        place = {"thread_ts": requester.thread_ts}
        post_privately(client, requester.channel, requester.user, **{**message, **place})

    return answer


def in_direct_message(client: WebClient, requester: Requester) -> Respond:
    """Return a function that answers in the direct message between the bot and somebody."""

    def answer(*, blocks: list[Block], text: str, **options: Any) -> None:
        opened = client.conversations_open(users=requester.user)
        client.chat_postMessage(channel=opened["channel"]["id"], blocks=blocks, text=text)

    return answer


def _without_form(respond: Respond) -> Respond:
    """Return a function that answers without a form, which only a modal can show."""

    def answer(*, form: Form | None = None, **message: Any) -> None:
        respond(**message)

    return answer


def _inputs(form: Form) -> dict[str, Any]:
    """Return what is different in a modal that is submitted."""
    return {
        "callback_id": form.callback_id,
        "title": {"type": "plain_text", "text": form.title},
        "submit": {"type": "plain_text", "text": "Save"},
        "close": {"type": "plain_text", "text": "Cancel"},
        "blocks": list(form.blocks),
        "private_metadata": json.dumps({"channel": form.channel}),
    }


def place_in(view: Body) -> Mapping[str, str]:
    """Return the `channel` and the `thread_ts` in which a modal was opened, as far as known."""
    try:
        place = json.loads(view.get("private_metadata") or "{}")
    except ValueError:
        return {}
    return place if isinstance(place, dict) else {}


def is_home(body: Body) -> bool:
    """Return whether a button was pressed on the Home tab."""
    return bool((body.get("view") or {}).get("type") == "home")


def _open_modal(body: Body) -> str | None:
    """Return the id of the modal in which a button was pressed; None if it was elsewhere."""
    view = body.get("view") or {}
    return str(view["id"]) if view.get("type") == "modal" else None


def _view(blocks: list[Block], requester: Requester) -> dict[str, Any]:
    # A modal takes no tables and no charts.
    shown = plain(blocks)
    if not requester.channel:  # On the Home tab there is no place to share in.
        shown = [block for block in map(_without_share, shown) if block.get("elements") != []]
    place = {"channel": requester.channel, "thread_ts": requester.thread_ts}
    return {
        "type": "modal",
        "title": {"type": "plain_text", "text": TITLE},
        "close": {"type": "plain_text", "text": "Close"},
        "blocks": shown[:BLOCKS],
        "private_metadata": json.dumps({name: value for name, value in place.items() if value}),
    }


def _without_share(block: Block) -> Block:
    """Return the block without the button that shares a trace where somebody is."""
    if block["type"] != "actions":
        return block
    kept = [each for each in block["elements"] if each.get("action_id") != SHARE]
    return {**block, "elements": kept}
