"""The events that Slack sends an app, each with the subscription that it needs."""

import json
from collections.abc import Iterator
from typing import Any

from bot.sandbox.state.values import Channel, Json, Message, User
from bot.sandbox.state.workspace import APP, OTHER_TEAM, Workspace

SUBSCRIPTION = {
    "channel": "message.channels",
    "group": "message.groups",
    "im": "message.im",
    "mpim": "message.mpim",
}


def posted(workspace: Workspace, message: Message) -> Iterator[tuple[str, Json]]:
    """Yield (subscription, event) for a new message: two if it mentions the bot."""
    channel = workspace.channels[message.channel]
    event = _event(workspace, message)
    if message.broadcast:
        event["subtype"] = "thread_broadcast"
    yield SUBSCRIPTION[channel.kind], event | {"channel_type": channel.kind}
    yield from _mentions(workspace, message, event)


def _mentions(workspace: Workspace, message: Message, event: Json) -> Iterator[tuple[str, Json]]:
    kind = workspace.channels[message.channel].kind
    own = message.user == workspace.bot.id
    if kind != "im" and _is_mentioned(workspace.bot, message) and not own:
        yield "app_mention", event | {"type": "app_mention"}


def _is_mentioned(bot: User, message: Message) -> bool:
    """Return True for a mention in the text, or in what an app says in blocks or attachments."""
    if bot.mention in message.text:
        return True
    said = json.dumps([message.blocks, message.attachments]) if message.bot else ""
    return bot.mention in said or f'"user_id": "{bot.id}"' in said


def _event(workspace: Workspace, message: Message) -> Json:
    event = {
        **workspace.shown(message, metadata=message.bot is not None),
        "channel": message.channel,
        "event_ts": message.ts,
    }
    event.pop("reactions", None)
    writer = workspace.users.get(message.user or "")
    if writer is not None and writer.external:
        event |= {"user_team": writer.team_id, "source_team": writer.team_id}
    return event


def _hidden(workspace: Workspace, channel: Channel, subtype: str, **fields: Any) -> Json:
    ts = workspace.clock.timestamp()
    return {
        "type": "message",
        "subtype": subtype,
        "channel": channel.id,
        "channel_type": channel.kind,
        "hidden": True,
        "ts": ts,
        "event_ts": ts,
        **fields,
    }


def changed(workspace: Workspace, message: Message, previous: Json) -> Iterator[tuple[str, Json]]:
    """Yield the events of a change: a person's edit of a mention is a mention once more."""
    channel = workspace.channels[message.channel]
    event = _hidden(
        workspace,
        channel,
        "message_changed",
        message=workspace.shown(message),
        previous_message=previous,
    )
    yield SUBSCRIPTION[channel.kind], event
    if message.edited != previous.get("edited"):
        yield from _mentions(workspace, message, _event(workspace, message))


def deleted(workspace: Workspace, channel: Channel, previous: Json) -> tuple[str, Json]:
    event = _hidden(
        workspace,
        channel,
        "message_deleted",
        deleted_ts=previous["ts"],
        previous_message=previous,
    )
    return SUBSCRIPTION[channel.kind], event


def reaction(
    workspace: Workspace, message: Message, *, user: str, name: str, added: bool
) -> tuple[str, Json]:
    type_ = "reaction_added" if added else "reaction_removed"
    return type_, {
        "type": type_,
        "user": user,
        "reaction": name,
        "item": {"type": "message", "channel": message.channel, "ts": message.ts},
        "item_user": message.user,
        "event_ts": workspace.clock.timestamp(),
    }


def membership(workspace: Workspace, channel: Channel, user: str, *, joined: bool) -> Json:
    return {
        "type": "member_joined_channel" if joined else "member_left_channel",
        "user": user,
        "channel": channel.id,
        "channel_type": "G" if channel.is_private else "C",
        "team": workspace.team,
        "event_ts": workspace.clock.timestamp(),
    }


def channel_event(workspace: Workspace, channel: Channel, what: str, **fields: Any) -> Json:
    """Return an event such as `channel_archive`, which is `group_archive` in a private channel."""
    noun = "group" if channel.is_private and what not in ("shared", "unshared") else "channel"
    return {
        "type": f"{noun}_{what}",
        "channel": channel.id,
        "event_ts": workspace.clock.timestamp(),
        **fields,
    }


def envelopes(workspace: Workspace, event: Json) -> Iterator[Json]:
    """Wrap an event into its payloads, each under a new `event_id`.

    What happens in a channel of Slack Connect is sent once for each company in it.
    """
    place = event.get("channel") or event.get("item", {}).get("channel") or ""
    channel = workspace.channels.get(place if isinstance(place, str) else "")
    if channel is not None and channel.is_ext_shared:
        yield _wrapped(workspace, event, team=OTHER_TEAM, shared=True)
        yield _wrapped(workspace, event, team=workspace.team, shared=True)
    else:
        yield _wrapped(workspace, event, team=workspace.team, shared=False)


def _wrapped(workspace: Workspace, event: Json, *, team: str, shared: bool) -> Json:
    return {
        "token": workspace.verification_token,
        "team_id": team,
        "context_team_id": workspace.team,
        "context_enterprise_id": None,
        "api_app_id": APP,
        "event": event,
        "type": "event_callback",
        "event_id": workspace.new_id("Ev"),
        "event_time": int(workspace.clock.now()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": workspace.team,
                "user_id": workspace.bot.id,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": shared,
    }


def app_rate_limited(workspace: Workspace) -> Json:
    """Return what Slack sends, once a minute, in place of events beyond 30,000 in an hour."""
    return {
        "token": "verification",
        "type": "app_rate_limited",
        "team_id": workspace.team,
        "minute_rate_limited": int(workspace.clock.now()) // 60 * 60,
        "api_app_id": APP,
    }
