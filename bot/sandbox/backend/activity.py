"""Changes to the workspace, by people and by the app alike: make the change, then tell the app."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bot.sandbox.blocks.emoji import canonical
from bot.sandbox.delivery import events
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.values import Channel, Json, Message
from bot.sandbox.state.workspace import Workspace

Tell = Callable[[str, Json], None]
"""Sends an event under the name of its subscription, without waiting for the app."""


class Activity:
    """Post, edit and delete messages, react to them, join and leave channels.

    Each change and its event are made under one lock, so that the app is told of the changes in
    the order in which they happened.
    """

    def __init__(self, workspace: Workspace, tell: Tell) -> None:
        self._workspace = workspace
        self._tell = tell

    def post(self, message: Message) -> Message:
        """Add a message to its channel, or to the ephemeral messages if it is for one person."""
        workspace = self._workspace
        with workspace.changing():
            if message.ephemeral_to is not None:
                workspace.ephemerals.append(message)
                return message
            with self._telling_of(workspace.parent(message)):
                workspace.messages[message.channel].append(message)
                for file in message.files:
                    file.channels.append(message.channel)
                for subscription, event in events.posted(workspace, message):
                    self._tell_member(message.channel, subscription, event)
        return message

    def edit(self, message: Message, **changes: Any) -> None:
        with self._workspace.changing(), self._telling_of(message):
            for name, value in changes.items():
                setattr(message, name, value)

    def delete(self, message: Message) -> None:
        """Delete a message; a parent with replies leaves a tombstone, as in Slack."""
        workspace = self._workspace
        if workspace.replies(message.channel, message.ts):
            self.edit(
                message,
                subtype="tombstone",
                text="This message was deleted.",
                user="USLACKBOT",
                blocks=[],
                files=[],
                bot=None,
            )
            return
        with workspace.changing():
            previous = workspace.shown(message)
            channel = workspace.channels[message.channel]
            with self._telling_of(workspace.parent(message)):
                workspace.messages[channel.id].remove(message)
                self._tell_member(channel.id, *events.deleted(workspace, channel, previous))

    def react(self, message: Message, *, user: str, name: str) -> None:
        name = _emoji(name)
        with self._workspace.changing():
            users = message.reactions.get(name, [])
            if user in users:
                raise Refusal("already_reacted")
            message.reactions[name] = [*users, user]
            self._tell_reaction(message, user=user, name=name, added=True)

    def unreact(self, message: Message, *, user: str, name: str) -> None:
        name = _emoji(name)
        with self._workspace.changing():
            users = message.reactions.get(name, [])
            if user not in users:
                raise Refusal("no_reaction")
            message.reactions[name] = [each for each in users if each != user]
            if not message.reactions[name]:
                del message.reactions[name]
            self._tell_reaction(message, user=user, name=name, added=False)

    def join(self, channel: Channel, user: str) -> None:
        workspace = self._workspace
        with workspace.changing():
            if user in channel.members:
                return
            channel.members.append(user)
            channel.is_ext_shared |= workspace.users[user].external
            event = events.membership(workspace, channel, user, joined=True)
            self._tell_member(channel.id, event["type"], event)

    def leave(self, channel: Channel, user: str) -> None:
        workspace = self._workspace
        with workspace.changing():
            if user == workspace.bot.id:
                self._tell_of(channel, "left")
            channel.members.remove(user)
            event = events.membership(workspace, channel, user, joined=False)
            self._tell_member(channel.id, event["type"], event)

    def archive(self, channel: Channel, *, archived: bool) -> None:
        with self._workspace.changing():
            channel.is_archived = archived
            self._tell_of(channel, "archive" if archived else "unarchive")

    def share(self, channel: Channel, *, shared: bool) -> None:
        """Share a channel with another organisation through Slack Connect, or end that."""
        with self._workspace.changing():
            channel.is_ext_shared = shared
            self._tell_of(channel, "shared" if shared else "unshared")

    def remove(self, channel: Channel) -> None:
        workspace = self._workspace
        with workspace.changing():
            self._tell_of(channel, "deleted")
            del workspace.channels[channel.id], workspace.messages[channel.id]

    def convert(self, channel: Channel, *, private: bool, user: str) -> None:
        """Make a public channel private, or the other way; a message in the channel says so."""
        workspace = self._workspace
        kind = "private" if private else "public"
        with workspace.changing():
            channel.kind = "group" if private else "channel"
            self.post(
                Message(
                    channel=channel.id,
                    ts=workspace.clock.timestamp(),
                    text=f"made this channel {kind}",
                    user=user,
                    team=workspace.team,
                    subtype=f"channel_convert_to_{kind}",
                )
            )

    @contextmanager
    def _telling_of(self, message: Message | None) -> Iterator[None]:
        """Tell how a message has changed afterwards: a parent does with each of its replies."""
        previous = self._workspace.shown(message) if message is not None else {}
        yield
        if message is not None:
            for subscription, event in events.changed(self._workspace, message, previous):
                self._tell_member(message.channel, subscription, event)

    def _tell_of(self, channel: Channel, what: str) -> None:
        event = events.channel_event(self._workspace, channel, what)
        self._tell_member(channel.id, event["type"], event)

    def _tell_reaction(self, message: Message, *, user: str, name: str, added: bool) -> None:
        event = events.reaction(self._workspace, message, user=user, name=name, added=added)
        self._tell_member(message.channel, *event)

    def _tell_member(self, channel: str, subscription: str, event: Json) -> None:
        # Slack sends an app events only from conversations that its bot is in.
        if self._workspace.bot.id in self._workspace.channels[channel].members:
            self._tell(subscription, event)


def _emoji(name: str) -> str:
    known = canonical(name)
    if known is None:
        raise Refusal("invalid_name")
    return known
