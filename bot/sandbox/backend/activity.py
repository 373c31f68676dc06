"""Changes to the workspace, by people and by the app alike: make the change, then tell the app."""

from collections.abc import Callable
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
            workspace.messages[message.channel].append(message)
            for file in message.files:
                file.channels.append(message.channel)
            for subscription, event in events.posted(workspace, message):
                self._tell_member(message.channel, subscription, event)
        return message

    def edit(self, message: Message, **changes: Any) -> None:
        workspace = self._workspace
        with workspace.changing():
            previous = workspace.shown(message)
            for name, value in changes.items():
                setattr(message, name, value)
            self._tell_member(message.channel, *events.changed(workspace, message, previous))

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
            workspace.messages[message.channel].remove(message)
            channel = workspace.channels[message.channel]
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
        with self._workspace.changing():
            if user not in channel.members:
                channel.members.append(user)

    def leave(self, channel: Channel, user: str) -> None:
        with self._workspace.changing():
            channel.members.remove(user)

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
