"""What people, and other apps, do in the scripted workspace. Each method is one thing to do."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox import Channel, Message, Sandbox, User
from bot.slack.reactions import READ, WAITING
from reports.render.block_kit import STOP

KINDS = {
    "short": 8,
    "stream": 6,
    "code": 2,
    "long": 2,
    "korean": 2,
    "control": 2,
    "leak": 1,
    "fail": 2,
    "hang": 1,
    "empty": 1,
}
"""How agents answer, as `agent.py` knows it, and how often beside the others."""

SAID = (
    "why does it say `if (a &lt; b &amp;&amp; c)`?",
    "로그를 확인해 주세요",
    "このログを見てください",
    "see <https://e.example?a=1&amp;b=2|the page> and <!subteam^S0NOBODY>",
    "please",
)
NAMES = ("", "", "", "@beta ", "@gamma ", "@alpha @beta ", "@alpha @beta @gamma ", "@beta야 ")
SECRET = "xoxb-123456789012-1234567890123-CANARYcanaryCANARYcanary"
"""Pasted by somebody; it must not be stored."""

COMMANDS = ("ls", "ls --all", "stats --by agent", "errors", "slow", "cost", "ps", "health", "help")

Action = Callable[[], None]


@dataclass(slots=True)
class Posted:
    """A message that somebody posted. `is_question`: the bot is mentioned, or it is a DM."""

    message: Message
    user: User
    key: str = ""
    is_question: bool = False
    deleted: bool = False
    edited_at: float = 0.0
    """When it was edited last, in seconds since the epoch."""


@dataclass
class People:
    """Act at random, from one generator. `threads` holds the roots of threads that go on."""

    sandbox: Sandbox
    random: random.Random
    done: Counter[str] = field(default_factory=Counter)
    posted: list[Posted] = field(default_factory=list)

    def __post_init__(self) -> None:
        sandbox = self.sandbox
        self.users = [sandbox.add_user(name) for name in ("alice", "bob", "carol", "dan")]
        stranger = sandbox.add_user("eve", external=True)
        everyone = self.users
        self.channels = [
            sandbox.add_channel("general", everyone),
            sandbox.add_channel("ops", everyone),
            sandbox.add_channel("board", everyone[:3], private=True, with_bot=False),
            sandbox.add_channel("partners", [*everyone, stranger]),
            *(sandbox.open_dm(user) for user in everyone[:3]),
            sandbox.open_dm(*everyone[1:3]),
        ]
        self.stranger = stranger
        self.alerts = sandbox.add_bot("grafana", legacy=True)
        sandbox.join(self.alerts, self.channels[1])
        self.roots: list[Message] = []
        self._waiting: list[Future[Any]] = []
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="people")
        self._keys = 0
        self._lock = threading.Lock()

    def close(self) -> None:
        self._pool.shutdown(wait=True)

    def actions(self) -> dict[Action, int]:
        """Return each thing to do, and how often it is done beside the others."""
        return {
            self.ask: 10,
            self.follow_up: 5,
            self.ask_with_a_file: 2,
            self.paste_a_secret: 1,
            self.ask_as_a_stranger: 1,
            self.chat: 3,
            self.alert: 1,
            self.forward: 2,
            self.edit: 1,
            self.edit_a_mention_in: 1,
            self.delete: 1,
            self.react: 2,
            self.command: 2,
            self.open_home: 1,
            self.stop: 2,
        }

    def write_a_long_thread(self, length: int) -> None:
        """Let people talk at length before the bot joins: later questions come with all of it."""
        channel, root = self.channels[2], None
        for number in range(length):
            user = self.users[number % 3]
            said = self._post(user, channel, f"note {number}: 배포 was fine", thread=root)
            root = root or said
        assert root is not None
        self.sandbox.join(self.sandbox.bot_user_id, channel)
        self.posted.clear()
        self.roots += [root] * 3

    def ask(self) -> None:
        user, channel = self._somewhere()
        self.roots.append(self._ask(user, channel))

    def follow_up(self) -> None:
        """Write in a thread, with a mention or without."""
        if not self.roots:
            self.roots.append(self._ask(self.users[0], self.channels[0]))
        root = self.random.choice(self.roots[-30:])
        channel, mention = self._channel(root), self.random.random() < 0.5
        self._ask(self._member(channel), channel, thread=root, mention=mention)

    def ask_with_a_file(self) -> None:
        user, channel = self._somewhere()
        name = self.random.choice(("app.log", "판매-2025.csv", "photo.heic", "big.txt"))
        size = 200_000 if name == "big.txt" else 300
        mimetype = "image/heic" if name.endswith("heic") else "text/plain"
        file = (name, mimetype, b"GET /index 500 \xe9\n" * (size // 16))
        self.roots.append(self._ask(user, channel, files=[file]))

    def paste_a_secret(self) -> None:
        user, channel = self._somewhere()
        self._ask(user, channel, more=f"\nSLACK_BOT_TOKEN={SECRET}")

    def ask_as_a_stranger(self) -> None:
        self._ask(self.stranger, self.channels[3])

    def chat(self) -> None:
        """Write what is not for the bot."""
        self._post(self.random.choice(self.users), self.channels[0], "lunch? 점심?")

    def forward(self) -> None:
        """Forward a message to the bot, and say something about it."""
        if self.roots:
            message = self.random.choice(self.roots[-10:])
            user = self._member(self._channel(message))
            direct = self.sandbox.open_dm(user)
            said = self.sandbox.forward(
                user, message, direct, f"and this? [{self._new_key()} short]"
            )
            self.posted.append(Posted(said, user, f"q{self._keys}", is_question=True))

    def alert(self) -> None:
        """Let another app post an alert, in blocks or attachments, and somebody ask why."""
        text = {"type": "mrkdwn", "text": "*CPU* of web-1 &gt; 95%"}
        blocks, attachment = [{"type": "section", "text": text}], {"title": "CPU", "text": "95%"}
        said: dict[str, Any] = self.random.choice(
            ({"blocks": blocks}, {"attachments": [attachment]})
        )
        root = self.sandbox.post(self.alerts, self.channels[1], **said)
        self.posted.append(Posted(root, self.alerts))
        self._ask(self.users[0], self.channels[1], thread=root)

    def edit(self) -> None:
        if each := self._recent():
            self.sandbox.edit(each.user, each.message, f"{each.message.text} (edited)")
            each.edited_at = time.time()

    def edit_a_mention_in(self) -> None:
        """Mention the bot in a message only after it was posted."""
        said = self._post(self.users[0], self.channels[0], "is it me?")
        key = self._new_key()
        self.sandbox.edit(self.users[0], said, f"{self.sandbox.mention} is it me? [{key} short]")

    def delete(self) -> None:
        """Delete a question, often while it is being answered."""
        if each := self._recent():
            each.deleted = True
            self.sandbox.delete(each.user, each.message)

    def react(self) -> None:
        """React to one of the bot's replies, or take that back."""
        channel = self.random.choice(self.channels)
        replies = [m for m in self._messages(channel) if m.user == self.sandbox.bot_user_id]
        if replies:
            user, reply = self._member(channel), self.random.choice(replies[-5:])
            name = self.random.choice(("+1", "-1", "tada"))
            here = user.id in reply.reactions.get(name, ())
            (self.sandbox.unreact if here else self.sandbox.react)(user, reply, name)

    def command(self) -> None:
        user, channel = self._somewhere()
        words = self.random.choice(COMMANDS)
        self._later(lambda: self.sandbox.command(user, channel, "/trace", words))

    def open_home(self) -> None:
        self.sandbox.open_home(self.random.choice(self.users))

    def stop(self) -> None:
        """Press Stop on a reply that is at work, or Slack's own button."""
        messages = [m for channel in self.channels for m in self._messages(channel)[-20:]]
        running = [m for m in messages if is_running(m)]
        if not running:
            return
        message = self.random.choice(running)
        user = self._member(self._channel(message))
        has_button = any(block["type"] == "actions" for block in message.blocks)
        if message.thread_ts and (not has_button or self.random.random() < 0.5):
            self.sandbox.stop_agent(user, message.channel, message.thread_ts)
        else:
            self._later(lambda: self.sandbox.click(user, message, STOP))

    def in_work(self) -> list[Message]:
        """Return the messages at which the bot shows that it has read them, or that they wait."""
        bot = self.sandbox.bot_user_id
        return [
            message
            for channel in self.channels
            for message in self._messages(channel)
            if any(bot in message.reactions.get(name, ()) for name in (READ, WAITING))
        ]

    def _ask(
        self,
        user: User,
        channel: Channel,
        *,
        thread: Message | None = None,
        mention: bool = True,
        more: str = "",
        files: list[tuple[str, str, bytes]] | None = None,
    ) -> Message:
        key = self._new_key()
        (kind,) = self.random.choices(list(KINDS), list(KINDS.values()))
        direct = channel.kind == "im"
        at = f"{self.sandbox.mention} " if mention and not direct else ""
        said = f"{self.random.choice(NAMES)}{self.random.choice(SAID)}"
        text = f"{at}{said} [{key} {kind}]{more}"
        self.done[f"answer {kind}"] += 1
        return self._post(user, channel, text, thread=thread, key=key, files=files or [])

    def _post(
        self,
        user: User,
        channel: Channel,
        text: str,
        *,
        thread: Message | None = None,
        key: str = "",
        files: list[tuple[str, str, bytes]] | None = None,
    ) -> Message:
        message = self.sandbox.post(
            user, channel, text, thread_ts=thread.ts if thread else None, files=files or []
        )
        asks = channel.kind == "im" or self.sandbox.mention in text
        self.posted.append(Posted(message, user, key, asks))
        return message

    def _new_key(self) -> str:
        self._keys += 1
        return f"q{self._keys}"

    def _somewhere(self) -> tuple[User, Channel]:
        channel = self.random.choice(self.channels)
        return self._member(channel), channel

    def _member(self, channel: Channel) -> User:
        return self.random.choice([user for user in self.users if user.id in channel.members])

    def _channel(self, message: Message) -> Channel:
        return next(each for each in self.channels if each.id == message.channel)

    def _messages(self, channel: Channel) -> list[Message]:
        return self.sandbox.messages(channel)

    def _recent(self) -> Posted | None:
        recent = [each for each in self.posted[-8:] if each.key and not each.deleted]
        return self.random.choice(recent) if recent else None

    def _later(self, act: Callable[[], Any]) -> None:
        """Do what waits for the bot's answer on another thread; the bot may be dead."""
        self._waiting.append(self._pool.submit(act))


def is_running(message: Message) -> bool:
    """Return True if a reply still has its Stop button, or says that its agent is at work."""
    return any(
        str(block.get("block_id")).startswith("running:")
        or (block["type"] == "plan" and "at work" in block["title"])
        for block in message.blocks
    )
