"""Reading the workspace, and waiting for changes in it, from any thread."""

import copy
from collections.abc import Callable

from bot.sandbox.backend.slack import Session, Slack
from bot.sandbox.blocks.pings import pings
from bot.sandbox.endpoints.web_api import ApiCall, WebApi
from bot.sandbox.state.errors import SandboxError
from bot.sandbox.state.values import Json, Message
from bot.sandbox.users.people import Where, Who, id_of

PATIENCE_S = 30.0
"""How long to wait if nobody says: a busy machine may need seconds for what takes none."""


class WorkspaceWatcher:
    """Return copies of what is in the workspace, or wait for it.

    Every `wait_…` and `settle` looks again after each change, so that it returns at once when its
    condition holds. Timeouts are in seconds; `TimeoutError` is raised when one is over.
    """

    def __init__(self, slack: Slack, api: WebApi) -> None:
        self._slack = slack
        self._workspace = slack.workspace
        self._api = api

    def messages(self, channel: Where) -> list[Message]:
        """Return all messages of a channel, replies included, oldest first."""
        return self._workspace.copies(self._workspace.messages[id_of(channel)])

    def thread(self, channel: Where, ts: str) -> list[Message]:
        """Return the parent and its replies, oldest first."""
        everything = self._workspace.messages[id_of(channel)]
        return self._workspace.copies([m for m in everything if ts in (m.ts, m.thread_ts)])

    def ephemerals(self, user: Who, channel: Where) -> list[Message]:
        """Return the messages in this channel that only this person sees."""
        wanted = (id_of(user), id_of(channel))
        mine = [m for m in self._workspace.ephemerals if (m.ephemeral_to, m.channel) == wanted]
        return self._workspace.copies(mine)

    def home(self, user: Who) -> Json:
        """Return the view that the app published in this person's App Home."""
        return self._view(f"home:{id_of(user)}")

    def modal(self, user: Who) -> Json:
        """Return the modal that is open for this person."""
        return self._view(f"modal:{id_of(user)}")

    def _view(self, key: str) -> Json:
        with self._workspace.reading():
            if key not in self._slack.views:
                raise SandboxError(f"The app has not shown the view {key}.")
            return copy.deepcopy(self._slack.views[key])

    def pings(self, message: Message) -> set[str]:
        """Return whom the message notifies: ids, `channel`, `here`, `everyone`, `subteam^…`."""
        return pings(message.text, message.blocks)

    def session(self, channel: Where, thread_ts: str) -> Session | None:
        """Return a copy of the agent's session in a thread."""
        with self._workspace.reading():
            return copy.copy(self._slack.sessions.get((id_of(channel), thread_ts)))

    def reactions(self, channel: Where, ts: str) -> dict[str, list[str]]:
        """Return emoji name → ids of the users who reacted with it."""
        return self._workspace.copies([self._workspace.message(id_of(channel), ts)])[0].reactions

    def calls(self, method: str | None = None) -> list[ApiCall]:
        """Return the Web API calls so far, without tokens."""
        with self._workspace.reading():
            return [call for call in self._api.calls if method in (None, call.method)]

    def events(self, type_: str | None = None) -> list[Json]:
        """Return the payloads of the events sent to the app; `redeliver` accepts one."""
        with self._workspace.reading():
            told = list(self._slack.outbox.events)
        return [each for each in told if type_ in (None, each["event"]["type"])]

    def wait_until(self, predicate: Callable[[], bool], timeout: float = PATIENCE_S) -> None:
        """Wait until the predicate holds."""
        if not self._workspace.wait_until(predicate, timeout):
            raise TimeoutError(f"The condition was not met within {timeout:g} s.")

    def wait_for_message(
        self,
        channel: Where,
        *,
        thread_ts: str | None = None,
        containing: str = "",
        user: Who | None = None,
        timeout: float = PATIENCE_S,
    ) -> Message:
        """Wait for a message of the bot (or of `user`), in one thread or the whole channel."""
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
            raise TimeoutError(f"No such message within {timeout:g} s; the channel has {there}.")
        return self._workspace.copies(matching()[:1])[0]

    def wait_for_reply(
        self, channel: Where, thread_ts: str, *, containing: str = "", timeout: float = PATIENCE_S
    ) -> Message:
        """Wait for the bot's first reply in a thread that contains this text."""
        return self.wait_for_message(
            channel, thread_ts=thread_ts, containing=containing, timeout=timeout
        )

    def wait_for_reaction(
        self, channel: Where, ts: str, name: str, *, timeout: float = PATIENCE_S
    ) -> None:
        """Wait for the bot's own reaction to a message."""
        message = self._workspace.message(id_of(channel), ts)
        self.wait_until(
            lambda: self._workspace.bot.id in message.reactions.get(name, []), timeout=timeout
        )

    def wait_for_call(
        self, method: str, *, count: int = 1, timeout: float = PATIENCE_S
    ) -> list[ApiCall]:
        self.wait_until(lambda: len(self.calls(method)) >= count, timeout)
        return self.calls(method)

    def wait_for_app(
        self, *, connections: int = 1, opened: int = 1, timeout: float = PATIENCE_S
    ) -> None:
        """Wait until the app has this many connections, and has opened this many in all."""
        hub = self._slack.sockets
        self.wait_until(
            lambda: len(hub.connections) >= connections and hub.opened >= opened, timeout
        )

    def settle(self, timeout: float = PATIENCE_S) -> None:
        """Wait until every event is acknowledged or given up; the app may still work on them."""
        self.wait_until(lambda: self._slack.outbox.idle, timeout)
