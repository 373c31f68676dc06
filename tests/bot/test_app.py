"""The wired app: refused tokens and scopes, HTTP mode, and listeners as Bolt fills them."""

import inspect
import logging
from typing import Any

import httpx
import pytest
from slack_bolt.kwargs_injection.args import Args

from bot.agents.config.roster import load_roster
from bot.app import build_bot
from bot.lifecycle import Bot, connect, listen
from bot.sandbox import Channel, Manifest, Sandbox, User
from bot.settings import Settings, SettingsError, load_settings
from bot.slack.connection.credentials import SCOPES
from bot.slack.errors import SlackUnavailable
from storage import Observability
from tests.support.conversations import StartBot


def settings_for(sandbox: Sandbox, **changes: Any) -> Settings:
    return load_settings(
        _env_file=None,
        **{
            "SLACK_BOT_TOKEN": sandbox.bot_token,
            "SLACK_APP_TOKEN": sandbox.app_token,
            "SLACK_SIGNING_SECRET": sandbox.signing_secret,
            "SLACK_API_URL": sandbox.api_url,
            "PORT": 0,
            **changes,
        },
    )


def build(settings: Settings, observability: Observability) -> Bot:
    return build_bot(settings, roster=load_roster(None), observability=observability)


def test_a_bot_token_that_slack_refuses_is_named(
    sandbox: Sandbox, observability: Observability
) -> None:
    settings = settings_for(sandbox, SLACK_BOT_TOKEN="xoxb-wrong")
    with pytest.raises(SettingsError, match=r"SLACK_BOT_TOKEN \(invalid_auth\)"):
        build(settings, observability)


def test_bolt_does_not_set_the_level_of_our_log(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    start_bot()
    question = sandbox.post(alice, general, f"{sandbox.mention} hello")
    sandbox.wait_for_reply(general, question.ts, containing="hello")
    assert logging.getLogger("tracebot").level == logging.NOTSET


def test_an_app_token_that_slack_refuses_is_named(
    sandbox: Sandbox, observability: Observability
) -> None:
    settings = settings_for(sandbox, SLACK_APP_TOKEN="xapp-wrong")
    bot = build(settings, observability)
    with pytest.raises(SettingsError, match="SLACK_APP_TOKEN"):
        connect(bot, settings)
    bot.stop()


def test_an_unreachable_slack_is_one_sentence(
    sandbox: Sandbox, observability: Observability
) -> None:
    settings = settings_for(sandbox, SLACK_API_URL="http://127.0.0.1:9/api/")
    with pytest.raises(SlackUnavailable, match="SLACK_API_URL"):
        build(settings, observability)


def test_a_missing_scope_is_named_at_the_start(
    sandbox: Sandbox, observability: Observability
) -> None:
    with (
        Sandbox.start(_without(sandbox.manifest, "files:read")) as poorer,
        pytest.raises(SettingsError, match="files:read"),
    ):
        build(settings_for(poorer), observability)


def _without(manifest: Manifest, scope: str) -> Manifest:
    from dataclasses import replace

    return replace(manifest, scopes=manifest.scopes - {scope})


def test_the_manifest_asks_for_every_scope_that_the_bot_needs(sandbox: Sandbox) -> None:
    assert sandbox.manifest.scopes >= set(SCOPES)


def test_http_mode_answers_with_the_same_listeners(
    sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    settings = settings_for(sandbox)
    bot = build(settings, observability)
    server = listen(bot, settings)
    try:
        base = f"http://127.0.0.1:{server.port}"
        sandbox.deliver_to(f"{base}/slack/events")
        question = sandbox.post(alice, general, f"{sandbox.mention} over http?")
        sandbox.wait_for_reply(general, question.ts, containing="over http?")
        (shown,) = sandbox.command(alice, general, "/trace", "help")
        assert "What you can ask" in str(shown.blocks)
        assert httpx.get(f"{base}/health").json() == {"ok": True}
        forged = {"X-Slack-Request-Timestamp": "soon", "X-Slack-Signature": "v0=00"}
        assert httpx.post(f"{base}/slack/events", headers=forged, json={}).status_code == 401
        assert httpx.post(f"{base}/slack/events", json={}).status_code == 401
    finally:
        bot.stop()


def test_listeners_take_only_arguments_that_bolt_fills(start_bot: StartBot) -> None:
    """A keyword-only parameter is never filled, and an unknown one arrives as None."""
    known = set(inspect.signature(Args.__init__).parameters)
    listeners = start_bot().app._listeners
    assert listeners
    for listener in listeners:
        function = listener.ack_function
        for parameter in inspect.signature(function).parameters.values():
            assert parameter.kind is not inspect.Parameter.KEYWORD_ONLY, function
            assert parameter.name in known, function


def test_a_dropped_socket_is_opened_again(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    start_bot()
    sandbox.drop_sockets()
    question = sandbox.post(alice, general, f"{sandbox.mention} are you back?")
    sandbox.wait_for_reply(general, question.ts, containing="are you back?")


@pytest.mark.parametrize("fault", ["fails", "hangs"])
def test_no_event_waits_for_slack_to_say_who_the_bot_is(
    sandbox: Sandbox,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    # Bolt would install the bot by OAuth if these were set.
    monkeypatch.setenv("SLACK_CLIENT_ID", "1.2")
    monkeypatch.setenv("SLACK_CLIENT_SECRET", "of another program")
    start_bot()
    if fault == "fails":
        sandbox.faults.error("auth.test", "fatal_error", times=100)
    else:
        sandbox.faults.latency("auth.test", 60.0, times=100)
    question = sandbox.post(alice, general, f"{sandbox.mention} hello")
    sandbox.wait_for_reply(general, question.ts, containing="hello", timeout=5)
    (shown,) = sandbox.command(alice, general, "/trace", "help")
    assert "What you can ask" in str(shown.blocks)
    assert len(sandbox.calls("auth.test")) == 1


def test_scopes_that_slack_does_not_tell_keep_nobody_from_starting(
    sandbox: Sandbox, start_bot: StartBot, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.scopes_header = None
    start_bot()
    assert "Slack does not say which scopes the app has" in caplog.text


def test_no_token_is_in_the_database(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    tokens = (sandbox.bot_token, sandbox.app_token, sandbox.signing_secret)
    question = sandbox.post(alice, general, f"{sandbox.mention} keep {tokens[0]}")
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    observability.flush()
    database = observability.database
    for table in database.get_tables():
        rows = str(database.execute_sql(f'SELECT * FROM "{table}"').fetchall())
        assert not any(token in rows for token in tokens), table
