"""A Bolt app that is connected to the sandbox, with the listeners of a test."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from bot.sandbox import Sandbox


@contextmanager
def running(sandbox: Sandbox, register: Callable[[App], object]) -> Iterator[App]:
    """Connect a real Bolt app."""
    client = WebClient(token=sandbox.bot_token, base_url=sandbox.api_url)
    app = App(client=client)
    register(app)
    handler = SocketModeHandler(app, sandbox.app_token, ping_interval=0.2)
    handler.connect()
    sandbox.wait_for_app()
    try:
        yield app
    finally:
        sandbox.settle()
        handler.client.closed = True
        # The client's message processor waits up to a second for a message before it stops.
        handler.client.message_queue.put("")
        handler.close()
