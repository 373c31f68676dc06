"""A stand-in Slack workspace on loopback, for the demo and the tests.

It speaks Socket Mode, signed HTTP delivery and the Web API over real sockets, and refuses what
Slack refuses. The people in it are driven from Python, from any thread:

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

A user or a channel can be given as the object or as its id. Texts are as Slack stores them:
`<@U…>` is a mention, `&amp;` an ampersand.

Reading and waiting: `messages`, `thread`, `ephemerals`, `reactions`, `home`, `modal`, `events`
(sent to the app), `calls` (its Web API calls, without tokens), `pings` (whom a message notifies),
`wait_for_reply`, `wait_for_message`, `wait_for_reaction`, `wait_for_call`, `wait_until`, `settle`.

Faults: `sandbox.faults` (`answer`, `rate_limit`, `server_error`, `error`, `latency`, `hold`,
`wrong_content`, `redirect`, `duplicate_event`, `lose_ack`, `refuse_blocks`), `drop_sockets`,
`break_sockets`, `refresh_sockets`, `withhold_events`, `redeliver`, `revoke_tokens`,
`scopes_header`, `retry_waits` for Slack's attempts, and `clock.advance` for anything with a
deadline. To start without a scope or a subscription:
`Sandbox.start(Manifest.read(path).without("files:read"))`.

`sandbox.deliver_to(url)` switches from Socket Mode to signed HTTP requests. The workspace can be
opened in a browser at `sandbox.page_url`; add `#user/channel/thread` to open one place in it.
"""

from bot.sandbox.endpoints.web_api import ApiCall
from bot.sandbox.sandbox import Sandbox
from bot.sandbox.state.errors import SandboxError
from bot.sandbox.state.manifest import Manifest
from bot.sandbox.state.values import Channel, File, Message, User

__all__ = ["ApiCall", "Channel", "File", "Manifest", "Message", "Sandbox", "SandboxError", "User"]
