"""All that a Web API method needs to answer."""

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
    """`base` is the sandbox's own address, without a slash at the end."""

    clock: Clock
    manifest: Manifest
    workspace: Workspace
    activity: Activity
    callbacks: Callbacks
    outbox: Outbox
    sockets: SocketHub
    base: str
    uploads: dict[str, File] = field(default_factory=dict)
    """Files asked for with files.getUploadURLExternal and not completed yet."""
    streams: dict[Thread, float] = field(default_factory=dict)
    """Messages that are being streamed, and since when."""
    views: dict[str, Json] = field(default_factory=dict)
    """What a person has before them: `home:U…` is App Home, `modal:U…` the open modal."""
    statuses: dict[Thread, str] = field(default_factory=dict)
    """What assistant.threads.setStatus shows under a thread."""
    sessions: dict[Thread, str] = field(default_factory=dict)
    prompts: dict[Thread, list[Json]] = field(default_factory=dict)

    def need_scope(self, *scopes: str) -> None:
        """Refuse unless the app has one of these."""
        if scopes and not self.manifest.scopes.intersection(scopes):
            provided = ",".join(sorted(self.manifest.scopes))
            raise Refusal("missing_scope", needed=",".join(scopes), provided=provided)

    def need_kind_scope(self, kind: ChannelKind, verb: str) -> None:
        """Reading a conversation needs the scope of its kind: `groups:history`, `im:read`."""
        noun = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}[kind]
        self.need_scope(f"{noun}:{verb}")
