"""The actions of people, and of other apps' bots, on messages."""

import re
import uuid
from collections.abc import Sequence
from typing import Any

from bot.sandbox.backend.sharing import shared
from bot.sandbox.backend.slack import Slack
from bot.sandbox.blocks.richtext import rich_text
from bot.sandbox.state.errors import SandboxError
from bot.sandbox.state.values import Channel, File, Json, Message, User

Attachment = tuple[str, str, bytes]
"""(name, mimetype, content)"""
PERMALINK = re.compile(r"/archives/([A-Z0-9]+)/p(\d{10})(\d{6})")
Who = User | str
Where = Channel | str


def id_of(thing: User | Channel | str) -> str:
    return thing if isinstance(thing, str) else thing.id


class People:
    """Post, edit, delete and react as a user. Raises `SandboxError` if Slack does not allow it."""

    def __init__(self, slack: Slack) -> None:
        self._slack = slack
        self._workspace = slack.workspace

    def post(
        self,
        user: Who,
        channel: Where,
        text: str = "",
        *,
        thread_ts: str | None = None,
        files: Sequence[Attachment | File] = (),
        blocks: Sequence[Json] = (),
        attachments: Sequence[Json] = (),
        metadata: Json | None = None,
        through: User | None = None,
    ) -> Message:
        """Post a message; return a copy of it.

        `text` is as Slack stores it: `<@U…>` is a mention, `&amp;` an ampersand. Apps often leave
        it empty and say everything in `blocks` or `attachments`. `through` is the bot of an app
        that posts for the person, with their user token.
        """
        writer = self._workspace.user(id_of(user))
        place = self._workspace.member_channel(id_of(channel), writer.id)
        if thread_ts is not None and self._workspace.find(place.id, thread_ts) is None:
            raise SandboxError(f"There is no message {thread_ts} in {place.id} to reply to.")
        attached = [
            each if isinstance(each, File) else self.add_file(user, *each) for each in files
        ]
        with self._workspace.changing():
            message = Message(
                channel=place.id,
                ts=self._slack.clock.timestamp(),
                text=text,
                user=writer.id,
                team=writer.team_id,
                thread_ts=thread_ts,
                subtype="file_share" if files else None,
                files=attached,
                blocks=list(blocks),
                attachments=list(attachments),
                metadata=metadata,
            )
            _sign(message, writer, through)
            self._slack.activity.post(message)
            posted = self._workspace.copies([message])[0]
        if previews := self._linked(posted, writer):
            self.unfurl(posted, *previews)
        return posted

    def _linked(self, message: Message, writer: User) -> list[Json]:
        """Return previews of the messages to which a person links, if they may see them."""
        if message.bot is not None:
            return []
        workspace, previews = self._workspace, []
        with workspace.reading():
            for channel, seconds, fraction in PERMALINK.findall(message.text):
                place = workspace.channels.get(channel)
                if place is None or (place.is_private and writer.id not in place.members):
                    continue
                if (found := workspace.find(channel, f"{seconds}.{fraction}")) is not None:
                    preview = shared(workspace, found)
                    del preview["is_share"]
                    previews.append(preview)
        return previews

    def transcribe(self, message: Message, words: str) -> None:
        """Write down what is said in a voice clip, as Slack does a while after it was posted."""
        with self._workspace.changing():
            for file in message.files:
                self._workspace.files[file.id].transcript = words

    def forward(
        self,
        user: Who,
        message: Message,
        channel: Where,
        comment: str = "",
        *,
        thread_ts: str | None = None,
    ) -> Message:
        """Forward a message, with or without a comment; return a copy of the new message."""
        forwarded = self.seen(user, message)
        with self._workspace.reading():
            attachment = shared(self._workspace, forwarded)
        return self.post(user, channel, comment, attachments=[attachment], thread_ts=thread_ts)

    def unfurl(self, message: Message, *previews: Json) -> None:
        """Add previews of links to a message, as Slack does a moment after it was posted.

        Each preview is an attachment, such as `{"from_url": …, "title": …, "text": …}`.
        """
        live = self._workspace.message(message.channel, message.ts)
        numbered = [each | {"id": n} for n, each in enumerate(previews, len(live.attachments) + 1)]
        self._slack.activity.edit(live, attachments=[*live.attachments, *numbered])

    def edit(self, user: Who, message: Message, text: str) -> None:
        live = self._own(user, message)
        edited = {"user": id_of(user), "ts": self._slack.clock.timestamp()}
        self._slack.activity.edit(live, text=text, blocks=[rich_text(text)], edited=edited)

    def delete(self, user: Who, message: Message) -> None:
        """Delete a message of the user's own; admins delete those of others, too."""
        is_admin = self._workspace.users[id_of(user)].admin
        found = self.seen(user, message) if is_admin else self._own(user, message)
        self._slack.activity.delete(found)

    def react(self, user: Who, message: Message, name: str) -> None:
        self._slack.activity.react(self.seen(user, message), user=id_of(user), name=name)

    def unreact(self, user: Who, message: Message, name: str) -> None:
        self._slack.activity.unreact(self.seen(user, message), user=id_of(user), name=name)

    def seen(self, user: Who, message: Message) -> Message:
        """Return the stored message of which the caller holds a copy."""
        channel = self._workspace.member_channel(message.channel, id_of(user))
        found = self._workspace.find(channel.id, message.ts)
        if found is not None:
            return found
        for each in self._workspace.ephemerals:
            if each.ts == message.ts and each.ephemeral_to == id_of(user):
                return each
        raise SandboxError(f"{id_of(user)} cannot see the message {message.ts} in {channel.id}.")

    def _own(self, user: Who, message: Message) -> Message:
        live = self.seen(user, message)
        if live.user != id_of(user):
            raise SandboxError(
                f"{id_of(user)} did not write the message {live.ts} and may not change it."
            )
        return live

    def add_file(
        self, user: Who, name: str, mimetype: str, content: bytes, **overrides: Any
    ) -> File:
        """Return a file to post later; `overrides` replace fields of its JSON."""
        writer = self._workspace.user(id_of(user))
        file = File(
            id=self._workspace.new_id("F"),
            name=name,
            mimetype=mimetype,
            content=content,
            user=writer.id,
            created=int(self._slack.clock.now()),
            base=self._slack.base,
            overrides=overrides,
        )
        with self._workspace.changing():
            self._workspace.files[file.id] = file
        return file


def _sign(message: Message, writer: User, through: User | None) -> None:
    """Add the fields by which Slack tells apart people, bots and legacy bots."""
    if through is not None:
        message.bot = through.bot_profile()
        return
    if writer.bot_id is None:
        message.client_msg_id = str(uuid.uuid4())
        message.blocks = message.blocks or ([rich_text(message.text)] if message.text else [])
        return
    message.bot = writer.bot_profile()
    if writer.legacy:
        message.user, message.username, message.subtype = None, writer.name, "bot_message"
