"""The modal that asks for the reason of a 👎."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports.render.block_kit import Block, section

REASON = "reply_feedback_reason"
"""The callback id of the modal."""

TEXT, WITHDRAW = "reason", "withdraw"
"""The ids of its two inputs, and of their blocks."""

LONGEST = 1_000
"""Characters of a reason."""


@dataclass(frozen=True, slots=True)
class Reason:
    """The inputs of a submitted modal.

    `pressed_at` is when the thumb was pressed, in nanoseconds since the epoch, and `channel` where.
    If *withdrawn*, the thumb is taken back.
    """

    trace_id: str
    pressed_at: int
    channel: str
    text: str | None = None
    withdrawn: bool = False

    @classmethod
    def submitted(cls, view: Mapping[str, Any]) -> "Reason | None":
        """Return it from the submitted view, None if that is not one of ours."""
        trace_id, _, press = str(view.get("private_metadata")).partition(" ")
        pressed_at, _, channel = press.partition(" ")
        if not pressed_at.isdecimal():
            return None
        inputs: Mapping[str, Any] = (view.get("state") or {}).get("values") or {}
        text = str(_input(inputs, TEXT).get("value") or "").strip()
        withdrawn = bool(_input(inputs, WITHDRAW).get("selected_options"))
        return cls(trace_id, int(pressed_at), channel, text or None, withdrawn)


def _input(inputs: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (inputs.get(name) or {}).get(name) or {}
    return found


def reason_modal(reason: Reason) -> Block:
    """Return the modal for a press of 👎."""
    take_back = {"text": _plain("Take my 👎 back"), "value": WITHDRAW}
    return {
        "type": "modal",
        "callback_id": REASON,
        "private_metadata": f"{reason.trace_id} {reason.pressed_at} {reason.channel}",
        "title": _plain("What was wrong?"),
        "submit": _plain("Send"),
        "close": _plain("Skip"),
        "blocks": [
            section(
                "Your 👎 is counted. If you say why, everybody who may see the trace of this "
                "answer can read it, and `/trace forget` erases it."
            ),
            _optional(
                TEXT,
                "Reason",
                {"type": "plain_text_input", "multiline": True, "max_length": LONGEST},
            ),
            _optional(
                WITHDRAW, "Changed your mind?", {"type": "checkboxes", "options": [take_back]}
            ),
        ],
    }


def _optional(name: str, label: str, element: Block) -> Block:
    return {
        "type": "input",
        "block_id": name,
        "label": _plain(label),
        "optional": True,
        "element": {**element, "action_id": name},
    }


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text}
