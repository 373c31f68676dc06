"""A digest in Slack: posted with its key, by which it is found again."""

from slack_sdk import WebClient

from reports.render.slack import fallback, render
from reports.views.views import View

DIGEST_EVENT = "tracebot_digest"
LOOKED_BACK = 100
"""Messages; a digest that was posted just before a crash is among the newest."""


def post_digest(client: WebClient, channel: str, view: View, key: str) -> None:
    client.chat_postMessage(
        channel=channel,
        blocks=render(view),
        text=fallback(view),
        metadata={"event_type": DIGEST_EVENT, "event_payload": {"key": key}},
        unfurl_links=False,
        unfurl_media=False,
    )


def was_posted(client: WebClient, channel: str, key: str) -> bool:
    """Whether the channel's newest messages hold the digest with this key."""
    page = client.conversations_history(
        channel=channel, limit=LOOKED_BACK, include_all_metadata=True
    )
    return any(
        (message.get("metadata") or {}).get("event_payload", {}).get("key") == key
        for message in page["messages"]
    )
