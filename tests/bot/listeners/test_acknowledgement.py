"""Every request is acknowledged at once in both modes, whatever Slack's Web API does meanwhile."""

import re
import time
from collections.abc import Callable

import pytest

from bot.agents.config.roster import load_roster
from bot.app import build_bot
from bot.http import server
from bot.lifecycle import Bot, connect, listen
from bot.sandbox import Channel, Sandbox, User
from bot.sandbox.methods import METHODS
from storage import Observability
from storage.health import health
from tests.support.conversations import finished
from tests.support.running_bot import settings_for

START = ("auth.test", "apps.connections.open")

StartBot = Callable[[], Bot]


@pytest.fixture(params=["Socket Mode", "HTTP"])
def start(
    request: pytest.FixtureRequest,
    sandbox: Sandbox,
    observability: Observability,
    monkeypatch: pytest.MonkeyPatch,
) -> StartBot:
    monkeypatch.setattr(server, "KEEP_ALIVE_S", 0.2)

    def run() -> Bot:
        settings = settings_for(sandbox, observability)
        bot = build_bot(settings, roster=load_roster(None), observability=observability)
        if request.param == "HTTP":
            port = listen(bot, settings).port
            sandbox.deliver_to(f"http://127.0.0.1:{port}/slack/events")
        else:
            connect(bot, settings)
            sandbox.wait_for_app()
        return bot

    return run


def test_no_request_waits_for_a_call_to_slack(
    start: StartBot,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
) -> None:
    bot = start()
    question = sandbox.post(alice, general, f"{sandbox.mention} hello")
    finished(observability, general, question.ts)
    (shown,) = sandbox.command(alice, general, "/trace", "ls")
    (button, *_) = re.findall("'action_id': '(trace_show[^']*)'", str(shown.blocks))
    sandbox.settle()
    sandbox.retry_waits = ()
    before = len(sandbox.calls())
    go = sandbox.faults.hold(*METHODS)
    try:
        sandbox.post(alice, general, f"{sandbox.mention} and now?")
        sandbox.post(alice, sandbox.open_dm(alice), "and here?")
        sandbox.edit(alice, question, f"{sandbox.mention} hello there")
        sandbox.react(alice, question, "+1")
        sandbox.join(sandbox.add_user("bob"), general)
        sandbox.share(general)
        sandbox.convert(general, private=True)
        sandbox.open_home(alice)
        sandbox._slack.set_session((general.id, question.ts), "processing")
        sandbox.stop_agent(alice, general, question.ts)
        sandbox.command(alice, general, "/trace", "ls", responses=0)
        sandbox.shortcut(alice, question, "show_trace")
        sandbox.click(alice, shown, button, responses=0)
        sandbox.delete(alice, question)
        sandbox.settle()
        assert sandbox._slack.outbox.lost == []
        assert len(sandbox.calls()) == before
    finally:
        go.set()
        bot.stop(grace=0.1)


def test_events_that_slack_withholds_are_counted(
    start: StartBot, sandbox: Sandbox, observability: Observability
) -> None:
    bot = start()
    sandbox.withhold_events()
    sandbox.settle()
    bot.stop()
    assert observability.flush()
    assert sandbox._slack.outbox.lost == []
    observability.close()
    assert health(observability.database, now=time.time_ns()).rate_limited == 1
