"""The workspace: its people, channels, messages and files, and who may see them."""

import copy
import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from bot.sandbox.state.clock import Clock
from bot.sandbox.state.errors import Refusal, SandboxError
from bot.sandbox.state.translation import translated
from bot.sandbox.state.values import Channel, ChannelKind, File, Json, Message, User

TEAM = "T0SANDBOX1"
OTHER_TEAM = "T0OUTSIDE1"
APP = "A0TRACEBOT"
URL = "https://tracebot-sandbox.slack.com/"


class Workspace:
    """Everything that is stored, under one lock.

    Read it within `reading()` and change it within `changing()`. The lock is reentrant, so a change
    may consist of others. Each change raises `version` and wakes every thread in `wait_until`.
    """

    def __init__(self, clock: Clock, *, bot_name: str, team: str = TEAM) -> None:
        self.clock = clock
        self.team = team
        self.users: dict[str, User] = {}
        self.user_groups: dict[str, list[str]] = {}
        self.handles: dict[str, str] = {}
        """User group → the name by which it is mentioned, without the @."""
        self.channels: dict[str, Channel] = {}
        self.messages: dict[str, list[Message]] = {}
        self.ephemerals: list[Message] = []
        self.files: dict[str, File] = {}
        self.verification_token = secrets.token_hex(12)
        """The deprecated token in each payload; an app checks the signature instead."""
        self.version = 0
        self.org_wide = False
        """The app is installed for a whole organisation of Enterprise Grid."""
        self._changed = threading.Condition(threading.RLock())
        self._numbers = itertools.count(1)
        self.bot = self.add_user(bot_name, is_bot=True, app_id=APP)
        self.slackbot = self.users.setdefault("USLACKBOT", User("USLACKBOT", "slackbot", team))

    @contextmanager
    def changing(self) -> Iterator[None]:
        with self._changed:
            yield
            self.version += 1
            self._changed.notify_all()

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._changed:
            yield

    def wait_until(self, predicate: Callable[[], bool], timeout: float) -> bool:
        """Return True if the predicate holds within `timeout` seconds.

        It is called under the lock, after every change and at the end.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            return self._changed.wait_for(predicate, deadline - time.monotonic())

    def new_id(self, prefix: str) -> str:
        return f"{prefix}0SBX{next(self._numbers):05d}"

    def add_user(
        self,
        name: str,
        *,
        tz: str = "UTC",
        guest: bool = False,
        admin: bool = False,
        external: bool = False,
        is_bot: bool = False,
        app_id: str | None = None,
        legacy: bool = False,
        home: str | None = None,
    ) -> User:
        with self.changing():
            user = User(
                id=self.new_id("U"),
                name=name,
                team_id=home or (OTHER_TEAM if external else self.team),
                tz=tz,
                guest=guest,
                admin=admin,
                external=external,
                bot_id=self.new_id("B") if is_bot else None,
                app_id=(app_id or self.new_id("A")) if is_bot else None,
                legacy=legacy,
                workspaces=(self.team,) if home else (),
            )
            self.users[user.id] = user
            return user

    def add_channel(self, name: str, kind: ChannelKind, members: Sequence[str]) -> Channel:
        prefix = {"im": "D", "mpim": "G"}.get(kind, "C")
        with self.changing():
            channel = Channel(
                id=self.new_id(prefix),
                name=name,
                kind=kind,
                members=list(dict.fromkeys(members)),
                created=int(self.clock.now()),
                creator=next(iter(members), ""),
                is_ext_shared=any(self.users[each].external for each in members),
            )
            self.channels[channel.id] = channel
            self.messages[channel.id] = []
            return channel

    def direct(self, members: Sequence[str]) -> Channel:
        """Return the direct or group message between these users; create it if needed."""
        wanted = set(members)
        kind: ChannelKind = "im" if len(wanted) == 2 else "mpim"
        with self.changing():
            for channel in self.channels.values():
                if channel.kind == kind and set(channel.members) == wanted:
                    return channel
            names = "--".join(self.users[each].name for each in members)
            return self.add_channel(f"mpdm-{names}-1" if kind == "mpim" else "", kind, members)

    def user(self, id: str) -> User:
        if id not in self.users:
            raise SandboxError(f"There is no user {id}.")
        return self.users[id]

    def member_channel(self, id: str, user: str) -> Channel:
        channel = self.channels.get(id)
        if channel is None or user not in channel.members:
            raise SandboxError(f"{user} is not a member of {id}.")
        return channel

    def visible_channel(self, id: str | None) -> Channel:
        """Return a channel that the bot may see. Raises `Refusal`."""
        channel = self.channels.get(id or "")
        if channel is None or (channel.is_private and self.bot.id not in channel.members):
            raise Refusal("channel_not_found")
        return channel

    def joined_channel(self, id: str | None) -> Channel:
        channel = self.visible_channel(id)
        if self.bot.id not in channel.members:
            raise Refusal("not_in_channel")
        return channel

    def find(self, channel: str, ts: str | None) -> Message | None:
        return next((each for each in self.messages[channel] if each.ts == ts), None)

    def message(self, channel: str, ts: str | None) -> Message:
        """Return a posted message; ephemeral ones cannot be found. Raises `Refusal`."""
        found = self.find(channel, ts)
        if found is None:
            raise Refusal("message_not_found")
        return found

    def parent(self, message: Message) -> Message | None:
        """Return the first message of a reply's thread."""
        return self.find(message.channel, message.thread_ts) if message.thread_ts else None

    def replies(self, channel: str, ts: str) -> list[Message]:
        return [each for each in self.messages[channel] if each.thread_ts == ts]

    def shown(self, message: Message, *, metadata: bool = False) -> Json:
        """Return the message as the API shows it: a parent with the count of its replies.

        What was sent as Markdown is shown as the blocks that Slack makes of it.
        """
        shape = message.as_slack(metadata=metadata)
        if message.blocks:
            shape["blocks"] = translated(shape["blocks"])
        if message.thread_ts is not None:
            parent = self.parent(message)
            return shape | ({"parent_user_id": parent.user} if parent and parent.user else {})
        replies = self.replies(message.channel, message.ts)
        if not replies:
            return shape
        writers = list(dict.fromkeys(each.user or each.bot_id for each in replies))
        return shape | {
            "thread_ts": message.ts,
            "reply_count": len(replies),
            "reply_users_count": len(writers),
            "reply_users": writers,
            "latest_reply": replies[-1].ts,
            "is_locked": False,
            "subscribed": True,
        }

    def permalink(self, message: Message) -> str:
        link = f"{URL}archives/{message.channel}/p{message.ts.replace('.', '')}"
        if message.thread_ts is None:
            return link
        return f"{link}?thread_ts={message.thread_ts}&cid={message.channel}"

    def copies(self, messages: Sequence[Message]) -> list[Message]:
        """Return copies, which another thread may read without the lock."""
        with self.reading():
            return copy.deepcopy(list(messages))
