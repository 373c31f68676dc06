"""Name a request, so that it is handled once however often it arrives."""

import uuid
from collections.abc import Mapping
from typing import Any

from slack_bolt import BoltRequest


def event_key(body: Mapping[str, Any]) -> str:
    """Return the key of an event: Slack's retries have the same id."""
    return f"event:{body.get('event_id') or uuid.uuid4()}"


def interaction_key(body: Mapping[str, Any], request: BoltRequest) -> str:
    """Return the key of a command, a button or a shortcut.

    `trigger_id` is new for each of them and part of what Slack signs, so a replay has the same. A
    request without one is known by its signature. Socket Mode has neither replays nor signatures.
    """
    if trigger := body.get("trigger_id"):
        return f"trigger:{trigger}"
    (signature, *_) = request.headers.get("x-slack-signature") or [str(uuid.uuid4())]
    return f"signature:{signature}"
