"""A stand-in Slack workspace on loopback, for the demo and the tests.

It speaks Socket Mode, signed HTTP delivery and the Web API over real sockets, and refuses what
Slack refuses. People's side of it is Python, from any thread:

    with Sandbox.start(Path("manifest.yml")) as sandbox:
        alice = sandbox.add_user("alice", tz="Europe/Berlin")
        general = sandbox.add_channel("general", [alice])
        ...  # start the app with sandbox.api_url, .bot_token, .app_token
        sandbox.wait_for_app()
        question = sandbox.post(alice, general, f"{sandbox.mention} what is new?")
        answer = sandbox.wait_for_reply(general, question.ts, containing="new")
        sandbox.react(alice, answer, "+1")
        shown = sandbox.command(alice, general, "/trace", "ls")
        sandbox.click(alice, shown[0], "next_page", responses=1)

Where a user or a channel is asked for, the object or its id will do. Texts are as Slack stores
them: `<@U…>` is a mention, `&amp;` an ampersand.

Looking and waiting: `messages`, `thread`, `ephemerals`, `reactions`, `home`, `modal`, `events`
(what the app was told), `calls` (what it asked for, without tokens), `wait_for_reply`,
`wait_for_message`, `wait_for_reaction`, `wait_for_call`, `wait_until`, `settle`.

Trouble: `sandbox.faults` (`rate_limit`, `server_error`, `error`, `latency`, `wrong_content`,
`redirect`, `duplicate_event`, `lose_ack`), `drop_sockets`, `refresh_sockets`, `redeliver`,
`revoke_tokens`, `retry_waits` for Slack's tries, and `clock.advance` for whatever has a deadline.
A manifest that lacks something: `Sandbox.start(Manifest.read(path).without("files:read"))`.

An app that listens instead of connecting is reached with `sandbox.deliver_to(url)`. People find
the workspace in a browser at `sandbox.page_url`; `#user/channel/thread` leads to one place in it.
"""

from bot.sandbox.endpoints.web_api import ApiCall
from bot.sandbox.sandbox import Sandbox
from bot.sandbox.state.errors import SandboxError
from bot.sandbox.state.manifest import Manifest
from bot.sandbox.state.values import Channel, File, Message, User

__all__ = ["ApiCall", "Channel", "File", "Manifest", "Message", "Sandbox", "SandboxError", "User"]
