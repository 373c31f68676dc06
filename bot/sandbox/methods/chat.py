"""chat.*: the app's messages. Streams are in `streams.py`."""

from bot.sandbox.backend.slack import Slack
from bot.sandbox.methods import streams
from bot.sandbox.methods.method import Method
from bot.sandbox.methods.place import thread_of, writable
from bot.sandbox.requests.arguments import Arguments
from bot.sandbox.requests.contents import Contents
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.values import Channel, Json, Message

UPDATE_LIMIT = 4000
"""Bytes of UTF-8. chat.update refuses a longer text, which chat.postMessage would accept."""


def _channel(slack: Slack, arguments: Arguments) -> Channel:
    """Return the channel to write to; a user's id means the direct message with them."""
    id = arguments.text("channel")
    if id in slack.workspace.users:
        return slack.workspace.direct([slack.workspace.bot.id, id])
    return slack.workspace.joined_channel(id)


def _message(slack: Slack, channel: Channel, arguments: Arguments) -> Message:
    thread_ts = thread_of(slack, channel, arguments)
    writable(channel, in_thread=thread_ts is not None)
    contents = Contents.read(arguments, new_id=slack.workspace.new_id)
    contents.need_something()
    return Message(
        channel=channel.id,
        ts=slack.clock.timestamp(),
        text=contents.text,
        user=slack.workspace.bot.id,
        team=slack.workspace.team,
        blocks=contents.blocks or [],
        attachments=contents.attachments or [],
        thread_ts=thread_ts,
        broadcast=arguments.flag("reply_broadcast"),
        bot=slack.workspace.bot.bot_profile(),
        metadata=contents.metadata,
    )


def post_message(slack: Slack, arguments: Arguments) -> Json:
    channel = _channel(slack, arguments)
    message = slack.activity.post(_message(slack, channel, arguments))
    slack.statuses.pop((channel.id, message.thread_ts or message.ts), None)
    shown = slack.workspace.shown(message, metadata=True)
    return {"channel": channel.id, "ts": message.ts, "message": shown}


def post_ephemeral(slack: Slack, arguments: Arguments) -> Json:
    channel = slack.workspace.joined_channel(arguments.text("channel"))
    message = _message(slack, channel, arguments)
    message.ephemeral_to = arguments.need("user")
    if message.ephemeral_to not in channel.members:
        raise Refusal("user_not_in_channel")
    slack.activity.post(message)
    return {"message_ts": message.ts}


def _own(slack: Slack, arguments: Arguments, error: str, *, archived: str) -> Message:
    channel = slack.workspace.joined_channel(arguments.text("channel"))
    if channel.is_archived:
        raise Refusal(archived)
    message = slack.workspace.message(channel.id, arguments.text("ts"))
    if message.user != slack.workspace.bot.id:
        raise Refusal(error)
    return message


def update(slack: Slack, arguments: Arguments) -> Json:
    """Replace the fields that are given; the others stay, blocks included."""
    message = _own(slack, arguments, "cant_update_message", archived="is_inactive")
    if streams.is_streaming(slack, message):
        raise Refusal("streaming_state_conflict")
    contents = Contents.read(arguments, new_id=slack.workspace.new_id)
    if len(contents.text.encode()) > UPDATE_LIMIT:
        raise Refusal("msg_too_long")
    contents.need_something()
    changes = contents.changes()
    edited = {"user": slack.workspace.bot.id, "ts": slack.clock.timestamp()}
    slack.activity.edit(message, edited=edited, **changes)
    shown = slack.workspace.shown(message, metadata=True)
    return {"channel": message.channel, "ts": message.ts, "text": message.text, "message": shown}


def delete(slack: Slack, arguments: Arguments) -> Json:
    message = _own(slack, arguments, "cant_delete_message", archived="is_archived")
    if streams.is_streaming(slack, message):
        raise Refusal("cant_delete_message")
    slack.activity.delete(message)
    return {"channel": message.channel, "ts": message.ts}


def get_permalink(slack: Slack, arguments: Arguments) -> Json:
    channel = slack.workspace.visible_channel(arguments.text("channel"))
    message = slack.workspace.message(channel.id, arguments.text("message_ts"))
    return {"channel": channel.id, "permalink": slack.workspace.permalink(message)}


METHODS = {
    "chat.delete": Method(delete, scopes=("chat:write",)),
    "chat.getPermalink": Method(get_permalink),
    "chat.postEphemeral": Method(post_ephemeral, scopes=("chat:write",)),
    "chat.postMessage": Method(post_message, scopes=("chat:write",)),
    "chat.update": Method(update, scopes=("chat:write",)),
    **streams.METHODS,
}
