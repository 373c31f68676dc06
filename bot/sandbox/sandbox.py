"""The stand-in workspace, wired together: the object that tests and the demo use."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Route, WebSocketRoute

from bot.sandbox.backend.activity import Activity
from bot.sandbox.backend.callbacks import Callbacks
from bot.sandbox.backend.slack import Slack
from bot.sandbox.delivery import events
from bot.sandbox.delivery.line_faults import LineFault
from bot.sandbox.delivery.outbox import Outbox, Undelivered
from bot.sandbox.delivery.server import Server, listen
from bot.sandbox.delivery.sockets import SocketHub
from bot.sandbox.endpoints.files import FileHost
from bot.sandbox.endpoints.response_urls import ResponseUrls
from bot.sandbox.endpoints.web_api import WebApi
from bot.sandbox.page.page import Page
from bot.sandbox.state.clock import Clock
from bot.sandbox.state.errors import SandboxError
from bot.sandbox.state.faults import Faults
from bot.sandbox.state.manifest import Manifest
from bot.sandbox.state.values import Channel, Json, User
from bot.sandbox.state.workspace import TEAM, Workspace
from bot.sandbox.tokens import Tokens
from bot.sandbox.users.interactions import Interactions
from bot.sandbox.users.people import People, Who, id_of
from bot.sandbox.users.watching import WorkspaceWatcher

# Only this machine may use the sandbox. Checking the Host header also stops DNS rebinding: a web
# page elsewhere cannot reach it under its own host name.
HOSTS = ["127.0.0.1", "localhost"]


class Sandbox(WorkspaceWatcher):
    """A running workspace, started by `Sandbox.start`; a context manager. See `bot.sandbox`."""

    def __init__(
        self, manifest: Manifest, *, port: int = 0, team: str = TEAM, tokens: Tokens | None = None
    ) -> None:
        listener = listen(port)
        self.base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        tokens = tokens or Tokens()
        self.bot_token = tokens.bot
        self.app_token = tokens.app
        self.signing_secret = tokens.signing_secret
        self.clock = Clock()
        self.faults = Faults()
        slack = _slack(manifest, self.clock, self.faults, self.base, team)
        api = WebApi(slack, self.faults, {self.bot_token: "bot", self.app_token: "app"})
        super().__init__(slack, api)
        people = People(slack)
        response_urls = ResponseUrls(slack, self.faults)
        interactions = Interactions(slack, people, response_urls)
        files = FileHost(slack, api, self.faults)
        page = Page(slack, people, interactions)
        self._server = Server(
            _application(api, slack.sockets, response_urls, files, page),
            listener,
            on_start=slack.outbox.start,
            before_stop=self._before_stop,
        )
        self.tokens_elsewhere = files.tokens_elsewhere
        self.downloads = files.downloads
        # Bound directly: forwarding methods would repeat each signature and add nothing.
        self.post = people.post
        self.add_file = people.add_file
        self.forward = people.forward
        self.unfurl = people.unfurl
        self.transcribe = people.transcribe
        self.edit = people.edit
        self.delete = people.delete
        self.react = people.react
        self.unreact = people.unreact
        self.command = interactions.command
        self.click = interactions.click
        self.press = interactions.press
        self.shortcut = interactions.shortcut
        self.submit = interactions.submit
        self.open_home = interactions.open_home
        self.stop_agent = interactions.stop_agent

    @classmethod
    def start(
        cls,
        manifest: Path | Manifest,
        *,
        port: int = 0,
        team: str = TEAM,
        tokens: Tokens | None = None,
    ) -> "Sandbox":
        """Serve on loopback in a thread of its own; port 0 picks a free port.

        `team` is the id of the workspace. Without `tokens`, its app has new ones.
        """
        read = Manifest.read(manifest) if isinstance(manifest, Path) else manifest
        sandbox = cls(read, port=port, team=team, tokens=tokens)
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
        """A URL on another host, as a target for redirects; see `tokens_elsewhere`."""
        return f"{self.base.replace('127.0.0.1', 'localhost')}/elsewhere"

    @property
    def manifest(self) -> Manifest:
        return self._slack.manifest

    @property
    def team_id(self) -> str:
        return self._workspace.team

    @property
    def bot_user_id(self) -> str:
        return self._workspace.bot.id

    @property
    def bot_id(self) -> str:
        return self._workspace.bot.bot_id or ""

    @property
    def mention(self) -> str:
        """The text that mentions the bot: `<@U…>`."""
        return self._workspace.bot.mention

    def add_user(
        self,
        name: str,
        *,
        tz: str = "UTC",
        guest: bool = False,
        external: bool = False,
        admin: bool = False,
        home: str | None = None,
    ) -> User:
        """Add a person; `external` ones belong to another workspace, through Slack Connect.

        `home` makes a member who is in an Enterprise Grid: another workspace of it or the
        organisation, which `users.info` names in place of ours.
        """
        return self._workspace.add_user(
            name, tz=tz, guest=guest, external=external, admin=admin, home=home
        )

    def add_bot(self, name: str, *, legacy: bool = False) -> User:
        """Add another app's bot; a `legacy` one posts as `bot_message`, without a user."""
        return self._workspace.add_user(name, is_bot=True, legacy=legacy)

    def add_user_group(self, *members: Who, handle: str = "developers") -> str:
        """Add a group of people, such as @developers; return its id."""
        group = self._workspace.new_id("S")
        with self._workspace.changing():
            self._workspace.user_groups[group] = [id_of(each) for each in members]
            self._workspace.handles[group] = handle
        return group

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
        """Return the direct message of the bot and these people, or their group message."""
        return self._workspace.direct([self.bot_user_id, *(id_of(each) for each in users)])

    def join(self, user: Who, channel: Channel) -> None:
        self._slack.activity.join(channel, id_of(user))

    def leave(self, user: Who, channel: Channel) -> None:
        self._slack.activity.leave(channel, id_of(user))

    def archive(self, channel: Channel, *, archived: bool = True) -> None:
        self._slack.activity.archive(self._live(channel), archived=archived)

    def restrict(self, channel: Channel, restriction: str | None) -> None:
        """Let posts fail with this error, one of `RESTRICTIONS`; None allows them again."""
        with self._workspace.changing():
            self._live(channel).restriction = restriction

    def share(self, channel: Channel, *, shared: bool = True) -> None:
        """Share a channel with another organisation through Slack Connect, or end that."""
        self._slack.activity.share(self._live(channel), shared=shared)

    def convert(self, channel: Channel, *, private: bool) -> None:
        """Make a public channel private, or the other way, as its creator."""
        live = self._live(channel)
        self._slack.activity.convert(live, private=private, user=live.creator)

    def delete_channel(self, channel: Channel) -> None:
        self._slack.activity.remove(self._live(channel))

    def _live(self, channel: Channel) -> Channel:
        return self._workspace.channels[channel.id]

    def deliver_to(self, url: str) -> None:
        """Send signed HTTP requests to the app from now on, instead of Socket Mode envelopes.

        Raises `SandboxError` if the app does not answer Slack's verification.
        """
        from bot.sandbox.delivery.http import HttpDelivery  # Late: it imports httpx.

        delivery = HttpDelivery(url, signing_secret=self.signing_secret)
        try:
            self._server.run(delivery.verify())
        except Undelivered as failure:
            raise SandboxError(
                f"Slack would not accept {url} as a request URL: {failure.reason}."
            ) from failure
        self._slack.outbox.transport = delivery

    @property
    def retry_waits(self) -> Sequence[float]:
        """Seconds before the second, third and fourth attempt at an event; Slack's unless set."""
        return self._slack.outbox.retry_waits

    @retry_waits.setter
    def retry_waits(self, waits: Sequence[float]) -> None:
        self._slack.outbox.retry_waits = waits

    def redeliver(self, payload: Json) -> None:
        """Send an event again, under the same `event_id`."""
        self._slack.outbox.redeliver(payload)

    def install_for_organisation(self) -> None:
        """Make the token one of an organisation of Enterprise Grid, in place of a workspace."""
        self._workspace.org_wide = True

    def revoke_tokens(self) -> None:
        """Revoke the app's tokens, as uninstalling it does."""
        self._api.revoked = True

    def drop_sockets(self) -> None:
        """Reset the app's TCP connections, without a close frame."""
        self.break_sockets("reset")
        self.wait_until(lambda: not self._slack.sockets.connections)

    def break_sockets(self, fault: LineFault) -> None:
        """Do something to the app's TCP connections that Slack does not notice.

        `reset` and `end` them, `silence` them, send `half a frame` and no more, or send messages in
        `fragments` from now on.
        """
        self._server.run(self._server.break_sockets(fault))

    def refresh_sockets(
        self, reason: str = "refresh_requested", *, leave_after: float = 10.0
    ) -> None:
        """Ask the app to reconnect, as Slack does every few hours.

        Slack ends the old connections by itself, after `leave_after` seconds.
        """
        self._server.run(self._slack.sockets.refresh(reason, leave_after))

    def withhold_events(self) -> None:
        """Tell the app that it is sent no more events this minute, because there were too many."""
        self._slack.outbox.redeliver(events.app_rate_limited(self._workspace))

    @property
    def scopes_header(self) -> str | None:
        """The name of the header that says which scopes the app has; None sends no such header."""
        return self._api.scopes_header

    @scopes_header.setter
    def scopes_header(self, name: str | None) -> None:
        self._api.scopes_header = name


def _slack(manifest: Manifest, clock: Clock, faults: Faults, base: str, team: str) -> Slack:
    workspace = Workspace(clock, bot_name=manifest.name, team=team)
    sockets = SocketHub(workspace)
    outbox = Outbox(workspace, manifest, sockets, faults)
    return Slack(
        clock=clock,
        manifest=manifest,
        workspace=workspace,
        activity=Activity(workspace, outbox.tell),
        callbacks=Callbacks(clock, base),
        outbox=outbox,
        sockets=sockets,
        base=base,
    )


def _application(
    api: WebApi, hub: SocketHub, response_urls: ResponseUrls, files: FileHost, page: Page
) -> Starlette:
    return Starlette(
        routes=[
            Route("/api/{method}", api.endpoint, methods=["GET", "POST"]),
            WebSocketRoute("/link/", hub.serve),
            Route("/response/{key:path}", response_urls.endpoint, methods=["POST"]),
            Route("/files-pri/{id}/{name:path}", files.fetch),
            Route("/upload/v1/{id}", files.upload, methods=["POST"]),
            Route("/elsewhere", files.elsewhere),
            Route("/", page.show),
            Route("/page/state", page.state),
            Route("/page/act", page.act, methods=["POST"]),
            Route("/page/{name}", page.file),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)],
    )
