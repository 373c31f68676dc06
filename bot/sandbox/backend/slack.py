"""The collaborators that every Web API method is given."""

from dataclasses import dataclass, field

from bot.sandbox.backend.activity import Activity
from bot.sandbox.backend.callbacks import Callbacks
from bot.sandbox.delivery.outbox import Outbox
from bot.sandbox.delivery.sockets import SocketHub
from bot.sandbox.state.clock import Clock
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.manifest import Manifest
from bot.sandbox.state.values import ChannelKind, File, Json
from bot.sandbox.state.workspace import Workspace

Thread = tuple[str, str]
"""(channel, thread_ts)"""


STATUS_SECONDS = 120.0
"""assistant.threads.setStatus is shown at most this long."""


@dataclass(slots=True)
class Stream:
    """A message that is being streamed.

    `mode` is `timeline` or `plan`. `content` is the argument that gave its first content,
    `markdown_text` or `chunks`: Slack takes no other later.
    """

    started_at: float
    mode: str
    content: str | None = None


@dataclass(slots=True)
class Session:
    """An agent's session in a thread, which Slack lists with its title."""

    status: str
    title: str | None = None
    initiator: str | None = None


@dataclass(frozen=True, slots=True)
class Slack:
    """One workspace with its delivery. `base` is the sandbox's address, without a final slash."""

    clock: Clock
    manifest: Manifest
    workspace: Workspace
    activity: Activity
    callbacks: Callbacks
    outbox: Outbox
    sockets: SocketHub
    base: str
    uploads: dict[str, File] = field(default_factory=dict)
    """Files requested with files.getUploadURLExternal and not completed yet."""
    streams: dict[Thread, Stream] = field(default_factory=dict)
    """Messages that are being streamed."""
    stopped_streams: set[Thread] = field(default_factory=set)
    """Messages whose stream a person has stopped."""
    views: dict[str, Json] = field(default_factory=dict)
    """The views that people see: `home:U…` is an App Home, `modal:U…` an open modal."""
    statuses: dict[Thread, tuple[str, float]] = field(default_factory=dict)
    """Thread → the text that assistant.threads.setStatus shows under it, and since when."""
    sessions: dict[Thread, Session] = field(default_factory=dict)
    prompts: dict[str, list[Json]] = field(default_factory=dict)
    """Direct message with the app → the prompts that are suggested there."""

    def shown_statuses(self) -> dict[Thread, str]:
        """Return the statuses that are shown now: each ends by itself after two minutes."""
        now = self.clock.now()
        return {
            thread: text
            for thread, (text, since) in self.statuses.items()
            if text and now - since < STATUS_SECONDS
        }

    def set_session(self, thread: Thread, status: str) -> None:
        """Set the status of a session, create it if it does not exist, and tell the app."""
        self.sessions.setdefault(thread, Session(status)).status = status
        if (first := self.workspace.find(*thread)) is not None:
            self.activity.edit(first, agent_session={"status": status})

    def need_scope(self, *scopes: str) -> None:
        """Raise `Refusal` unless the app has one of these scopes."""
        if scopes and not self.manifest.scopes.intersection(scopes):
            provided = ",".join(sorted(self.manifest.scopes))
            raise Refusal("missing_scope", needed=",".join(scopes), provided=provided)

    def need_kind_scope(self, kind: ChannelKind, verb: str) -> None:
        """Raise `Refusal` unless the app has the scope of this kind, such as `groups:history`."""
        noun = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}[kind]
        self.need_scope(f"{noun}:{verb}")
