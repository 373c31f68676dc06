"""What a test may look at in the sandbox, and wait for."""

import copy
from collections.abc import Callable

from bot.sandbox.backend.slack import Slack
from bot.sandbox.endpoints.web_api import Api, ApiCall
from bot.sandbox.state.errors import SandboxError
from bot.sandbox.state.values import Json, Message
from bot.sandbox.users.people import Where, Who, id_of


class Watching:
    """Hands out copies only. What waits is woken by each change, and raises `TimeoutError`."""

    def __init__(self, slack: Slack, api: Api) -> None:
        self._slack = slack
        self._workspace = slack.workspace
        self._api = api

    def messages(self, channel: Where) -> list[Message]:
        """All that stands in a channel, replies too, oldest first."""
        return self._workspace.copies(self._workspace.messages[id_of(channel)])

    def thread(self, channel: Where, ts: str) -> list[Message]:
        """The parent and its replies, oldest first."""
        everything = self._workspace.messages[id_of(channel)]
        return self._workspace.copies([m for m in everything if ts in (m.ts, m.thread_ts)])

    def ephemerals(self, user: Who, channel: Where) -> list[Message]:
        """What only this person sees there."""
        wanted = (id_of(user), id_of(channel))
        mine = [m for m in self._workspace.ephemerals if (m.ephemeral_to, m.channel) == wanted]
        return self._workspace.copies(mine)

    def home(self, user: Who) -> Json:
        """The view that the app published in this person's App Home."""
        return self._view(f"home:{id_of(user)}")

    def modal(self, user: Who) -> Json:
        """The modal that stands open before this person."""
        return self._view(f"modal:{id_of(user)}")

    def _view(self, key: str) -> Json:
        with self._workspace.reading():
            if key not in self._slack.views:
                raise SandboxError(f"There is no view {key}.")
            return copy.deepcopy(self._slack.views[key])

    def reactions(self, channel: Where, ts: str) -> dict[str, list[str]]:
        """Emoji name → who reacted with it."""
        return self._workspace.copies([self._workspace.message(id_of(channel), ts)])[0].reactions

    def calls(self, method: str | None = None) -> list[ApiCall]:
        """The Web API calls so far. Never holds a token."""
        with self._workspace.reading():
            return [call for call in self._api.calls if method in (None, call.method)]

    def events(self, type_: str | None = None) -> list[Json]:
        """The payloads of events that the app was told of; `redeliver` takes one."""
        with self._workspace.reading():
            told = list(self._slack.outbox.events)
        return [each for each in told if type_ in (None, each["event"]["type"])]

    def wait_until(self, predicate: Callable[[], bool], timeout: float = 10.0) -> None:
        """Raises `TimeoutError`. The predicate is asked again after each change."""
        if not self._workspace.wait_until(predicate, timeout):
            raise TimeoutError(f"It did not come about within {timeout:g} s.")

    def wait_for_message(
        self,
        channel: Where,
        *,
        thread_ts: str | None = None,
        containing: str = "",
        user: Who | None = None,
        timeout: float = 10.0,
    ) -> Message:
        """A message of the bot (or of `user`), in this thread if one is named."""
        writer = self._workspace.bot.id if user is None else id_of(user)

        def matching() -> list[Message]:
            return [
                message
                for message in self._workspace.messages[id_of(channel)]
                if message.user == writer
                and containing in message.text
                and thread_ts in (None, message.thread_ts)
            ]

        if not self._workspace.wait_until(lambda: bool(matching()), timeout):
            there = [message.text for message in self.messages(channel)]
            raise TimeoutError(f"No such message within {timeout:g} s; there are {there}.")
        return self._workspace.copies(matching()[:1])[0]

    def wait_for_reply(
        self, channel: Where, thread_ts: str, *, containing: str = "", timeout: float = 10.0
    ) -> Message:
        """The bot's first reply in a thread that has this text in it."""
        return self.wait_for_message(
            channel, thread_ts=thread_ts, containing=containing, timeout=timeout
        )

    def wait_for_reaction(
        self, channel: Where, ts: str, name: str, *, timeout: float = 10.0
    ) -> None:
        """The bot's own reaction to a message."""
        message = self._workspace.message(id_of(channel), ts)
        self.wait_until(
            lambda: self._workspace.bot.id in message.reactions.get(name, []), timeout=timeout
        )

    def wait_for_call(self, method: str, *, count: int = 1, timeout: float = 10.0) -> list[ApiCall]:
        self.wait_until(lambda: len(self.calls(method)) >= count, timeout)
        return self.calls(method)

    def wait_for_app(self, *, connections: int = 1, opened: int = 1, timeout: float = 10.0) -> None:
        """Until the app has so many connections, of so many that it ever opened."""
        hub = self._slack.sockets
        self.wait_until(
            lambda: len(hub.connections) >= connections and hub.opened >= opened, timeout
        )

    def settle(self, timeout: float = 10.0) -> None:
        """Until every event is acknowledged or given up. The app may still be at work on them."""
        self.wait_until(lambda: self._slack.outbox.idle, timeout)
