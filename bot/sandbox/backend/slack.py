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
    streams: dict[Thread, float] = field(default_factory=dict)
    """Messages that are being streamed → start of the stream, in seconds."""
    views: dict[str, Json] = field(default_factory=dict)
    """The views that people see: `home:U…` is an App Home, `modal:U…` an open modal."""
    statuses: dict[Thread, str] = field(default_factory=dict)
    """Thread → the status shown under it, set by assistant.threads.setStatus."""
    sessions: dict[Thread, str] = field(default_factory=dict)

    def need_scope(self, *scopes: str) -> None:
        """Raise `Refusal` unless the app has one of these scopes."""
        if scopes and not self.manifest.scopes.intersection(scopes):
            provided = ",".join(sorted(self.manifest.scopes))
            raise Refusal("missing_scope", needed=",".join(scopes), provided=provided)

    def need_kind_scope(self, kind: ChannelKind, verb: str) -> None:
        """Raise `Refusal` unless the app has the scope of this kind, such as `groups:history`."""
        noun = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}[kind]
        self.need_scope(f"{noun}:{verb}")
