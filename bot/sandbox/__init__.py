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

`sandbox.faults` makes things go wrong, `sandbox.clock.advance` lets time pass for whatever has a
deadline, `sandbox.calls("chat.postMessage")` tells what the app asked for.
"""

from bot.sandbox.api import ApiCall
from bot.sandbox.manifest import Manifest
from bot.sandbox.refusal import SandboxError
from bot.sandbox.sandbox import Sandbox
from bot.sandbox.values import Channel, File, Message, User

__all__ = ["ApiCall", "Channel", "File", "Manifest", "Message", "Sandbox", "SandboxError", "User"]
