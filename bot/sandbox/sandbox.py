"""The stand-in workspace as tests and the demo hold it."""

import copy
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Route, WebSocketRoute

from bot.sandbox.activity import Activity
from bot.sandbox.api import Api, ApiCall
from bot.sandbox.callbacks import Callbacks
from bot.sandbox.clock import Clock
from bot.sandbox.downloads import Downloads
from bot.sandbox.faults import Faults
from bot.sandbox.http_delivery import HttpDelivery
from bot.sandbox.interactions import Interactions
from bot.sandbox.manifest import Manifest
from bot.sandbox.outbox import Outbox, Undelivered
from bot.sandbox.page import Page
from bot.sandbox.people import People, Where, Who, id_of
from bot.sandbox.refusal import SandboxError
from bot.sandbox.responding import Responding
from bot.sandbox.server import Server, listen
from bot.sandbox.slack import Slack
from bot.sandbox.sockets import SocketHub
from bot.sandbox.values import Channel, Json, Message, User
from bot.sandbox.workspace import TEAM, Workspace

# The sandbox is for this machine alone: a page elsewhere must not reach it by a name of its own.
HOSTS = ["127.0.0.1", "localhost"]


class Sandbox:
    """See `bot.sandbox`. Made by `Sandbox.start`, and a context manager."""

    def __init__(self, manifest: Manifest, *, port: int = 0) -> None:
        self._listener = listen(port)
        self.base = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.bot_token = f"xoxb-{_digits(12)}-{_digits(13)}-{secrets.token_hex(12)}"
        self.app_token = f"xapp-1-A0TRACEBOT-{_digits(13)}-{secrets.token_hex(32)}"
        self.signing_secret = secrets.token_hex(16)
        self.faults = Faults()
        self.clock = Clock()
        self._workspace = Workspace(self.clock, bot_name=manifest.name)
        token = secrets.token_hex(12)
        hub = SocketHub(self._workspace)
        outbox = Outbox(self._workspace, manifest, hub, self.faults, token=token)
        self._slack = Slack(
            clock=self.clock,
            manifest=manifest,
            workspace=self._workspace,
            activity=Activity(self._workspace, outbox.tell),
            callbacks=Callbacks(self.clock, self.base),
            outbox=outbox,
            sockets=hub,
            base=self.base,
        )
        self._api = Api(self._slack, self.faults, {self.bot_token: "bot", self.app_token: "app"})
        self._people = People(self._slack)
        responding = Responding(self._slack)
        self._interactions = Interactions(self._slack, self._people, responding, token)
        page = Page(self._slack, self._people, self._interactions)
        downloads = Downloads(self._slack, self._api, self.faults)
        self._server = Server(
            _application(self._api, hub, responding, downloads, page),
            self._listener,
            on_start=outbox.start,
            before_stop=self._before_stop,
        )
        self._bind(downloads)

    def _bind(self, downloads: Downloads) -> None:
        """The verbs of people, as the sandbox's own."""
        self.post = self._people.post
        self.add_file = self._people.add_file
        self.edit = self._people.edit
        self.delete = self._people.delete
        self.react = self._people.react
        self.unreact = self._people.unreact
        self.command = self._interactions.command
        self.click = self._interactions.click
        self.shortcut = self._interactions.shortcut
        self.submit = self._interactions.submit
        self.open_home = self._interactions.open_home
        self.stop_agent = self._interactions.stop_agent
        self.strangers = downloads.strangers

    @classmethod
    def start(cls, manifest: Path | Manifest, *, port: int = 0) -> "Sandbox":
        """Serve on loopback in a thread; port 0 takes a free one."""
        read = Manifest.read(manifest) if isinstance(manifest, Path) else manifest
        sandbox = cls(read, port=port)
        sandbox._server.start()
        return sandbox

    def stop(self) -> None:
        self._server.stop()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def _before_stop(self) -> None:
        await self._slack.outbox.stop()
        await self._slack.sockets.close()

    @property
    def api_url(self) -> str:
        return f"{self.base}/api/"

    @property
    def page_url(self) -> str:
        return f"{self.base}/"

    @property
    def elsewhere_url(self) -> str:
        """A page under another host's name, for redirects; `strangers` tells who came with a
        token."""
        return f"{self.base.replace('127.0.0.1', 'localhost')}/elsewhere"

    @property
    def manifest(self) -> Manifest:
        return self._slack.manifest

    @property
    def team_id(self) -> str:
        return TEAM

    @property
    def bot_user_id(self) -> str:
        return self._workspace.bot.id

    @property
    def bot_id(self) -> str:
        return self._workspace.bot.bot_id or ""

    @property
    def mention(self) -> str:
        """What stands in a text that mentions the bot."""
        return self._workspace.bot.mention

    def add_user(
        self, name: str, *, tz: str = "UTC", guest: bool = False, external: bool = False
    ) -> User:
        """A person. `external` ones come from another workspace, through Slack Connect."""
        return self._workspace.add_user(name, tz=tz, guest=guest, external=external)

    def add_bot(self, name: str, *, legacy: bool = False) -> User:
        """Another app's bot. A `legacy` one posts as `bot_message`, without a user."""
        return self._workspace.add_user(name, is_bot=True, legacy=legacy)

    def add_channel(
        self,
        name: str,
        members: Sequence[Who] = (),
        *,
        private: bool = False,
        with_bot: bool = True,
    ) -> Channel:
        ids = [id_of(each) for each in members] + ([self.bot_user_id] if with_bot else [])
        return self._workspace.add_channel(name, "group" if private else "channel", ids)

    def open_dm(self, *users: Who) -> Channel:
        """The direct message of these people and the bot: a group of them when there are more."""
        return self._workspace.direct([self.bot_user_id, *(id_of(each) for each in users)])

    def join(self, user: Who, channel: Channel) -> None:
        self._slack.activity.join(channel, id_of(user))

    def leave(self, user: Who, channel: Channel) -> None:
        self._slack.activity.leave(channel, id_of(user))

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
        writer = self.bot_user_id if user is None else id_of(user)

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
            lambda: self.bot_user_id in message.reactions.get(name, []), timeout=timeout
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

    def deliver_to(self, url: str) -> None:
        """From now on send signed requests to the app, instead of Socket Mode's envelopes.

        Raises `SandboxError` if the app does not answer Slack's verification."""
        delivery = HttpDelivery(url, signing_secret=self.signing_secret)
        try:
            self._server.run(delivery.verify())
        except Undelivered as failure:
            raise SandboxError(f"{url} is no request URL for Slack: {failure.reason}.") from failure
        self._slack.outbox.transport = delivery

    @property
    def retry_waits(self) -> Sequence[float]:
        """Seconds before the second, third and fourth try of an event; Slack's unless set."""
        return self._slack.outbox.retry_waits

    @retry_waits.setter
    def retry_waits(self, waits: Sequence[float]) -> None:
        self._slack.outbox.retry_waits = waits

    def settle(self, timeout: float = 10.0) -> None:
        """Until every event is acknowledged or given up. The app may still be at work on them."""
        self.wait_until(lambda: self._slack.outbox.idle, timeout)

    def redeliver(self, payload: Json) -> None:
        """Send an event a second time, with the same `event_id`."""
        self._slack.outbox.redeliver(payload)

    def revoke_tokens(self) -> None:
        """Take the app's tokens away, as an uninstallation does."""
        self._api.revoked = True

    def drop_sockets(self) -> None:
        """Cut the app's connections off without a word."""
        self._server.run(self._server.abort_sockets())
        self.wait_until(lambda: not self._slack.sockets.connections)

    def refresh_sockets(self, reason: str = "refresh_requested") -> None:
        """Ask the app to connect anew, as Slack does every few hours."""
        self._server.run(self._slack.sockets.refresh(reason))


def _digits(count: int) -> str:
    return str(secrets.randbelow(9 * 10 ** (count - 1)) + 10 ** (count - 1))


def _application(
    api: Api, hub: SocketHub, responding: Responding, downloads: Downloads, page: Page
) -> Starlette:
    return Starlette(
        routes=[
            Route("/api/{method}", api.endpoint, methods=["GET", "POST"]),
            WebSocketRoute("/link/", hub.serve),
            Route("/response/{key:path}", responding.endpoint, methods=["POST"]),
            Route("/files-pri/{id}/{name:path}", downloads.fetch),
            Route("/upload/v1/{id}", downloads.upload, methods=["POST"]),
            Route("/elsewhere", downloads.elsewhere),
            Route("/", page.show),
            Route("/page/state", page.state),
            Route("/page/act", page.act, methods=["POST"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)],
    )
