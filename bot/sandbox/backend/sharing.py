"""The attachment in which Slack shows a message that was forwarded."""

from datetime import UTC, datetime

from bot.sandbox.state.translation import translated
from bot.sandbox.state.values import Json, Message
from bot.sandbox.state.workspace import URL, Workspace


def shared(workspace: Workspace, message: Message) -> Json:
    """Return the attachment for a forwarded message; the caller holds the workspace's lock.

    It has the message's own text, blocks and files, and who wrote it where; without them if they
    are empty, as in the messages of many apps.
    """
    writer = workspace.users.get(message.user or "")
    name = message.username or (writer.name if writer else "")
    channel = workspace.channels[message.channel]
    link = workspace.permalink(message)
    said = datetime.fromtimestamp(float(message.ts), UTC).strftime("%B %d, %Y %H:%M")
    inner = {"team": message.team, "channel": message.channel, "ts": message.ts}
    attachment: Json = {
        "id": 1,
        "is_share": True,
        "is_msg_unfurl": True,
        "ts": message.ts,
        "channel_id": message.channel,
        "channel_team": message.team,
        "author_id": message.user,
        "author_name": name,
        "author_subname": name,
        "author_link": f"{URL}team/{message.user}",
        "from_url": link,
        "original_url": link,
        "fallback": f"[{said}] {name}: {message.text}",
        "text": message.text,
        "message_blocks": [{**inner, "message": {"blocks": translated(message.blocks)}}],
        "files": message.files_json,
        "mrkdwn_in": ["text"],
        "footer": "Direct message" if channel.kind == "im" else f"Posted in #{channel.name}",
    }
    return {key: value for key, value in attachment.items() if value not in (None, "", [])}
