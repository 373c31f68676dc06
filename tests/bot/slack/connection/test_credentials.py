"""The check of the tokens: what is ours to mend, and what Slack or the network recovers from."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from slack_sdk import WebClient

from bot.sandbox import Manifest, Sandbox
from bot.sandbox.state.faults import LOGIN_PAGE
from bot.settings import Settings, SettingsError
from bot.slack.connection.credentials import SCOPES, identify, socket_url
from bot.slack.connection.start_client import client_for_start
from bot.slack.errors import SlackUnavailable
from tests.support.paths import MANIFEST


def client(sandbox: Sandbox, **changes: str) -> WebClient:
    given = {
        "SLACK_BOT_TOKEN": sandbox.bot_token,
        "SLACK_API_URL": sandbox.api_url,
        **changes,
    }
    return client_for_start(Settings(_env_file=None, **given))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["X-OAuth-Scopes", "x-oauth-scopes", "X-OAUTH-SCOPES"])
def test_scopes_are_read_whatever_the_letters_of_their_header(sandbox: Sandbox, name: str) -> None:
    sandbox.scopes_header = name
    assert identify(client(sandbox))["scopes"] == sandbox.manifest.scopes


def test_scopes_that_are_not_told_are_unknown(sandbox: Sandbox) -> None:
    sandbox.scopes_header = None
    assert identify(client(sandbox))["scopes"] is None


def test_a_token_without_a_bot_is_refused(sandbox: Sandbox) -> None:
    sandbox.faults.answer("auth.test", '{"ok": true, "user_id": "U1", "team_id": "T1"}')
    with pytest.raises(SettingsError, match="knows no bot to which SLACK_BOT_TOKEN belongs"):
        identify(client(sandbox))


def test_scopes_that_are_missing_are_named() -> None:
    with Sandbox.start(replace(Manifest.read(MANIFEST), scopes=frozenset())) as bare:
        with pytest.raises(SettingsError) as caught:
            identify(client(bare))
        assert all(f"{scope} ({use})" in str(caught.value) for scope, use in SCOPES.items())


def test_socket_mode_that_is_off_is_logged_when_the_bot_connects(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Sandbox.start(replace(Manifest.read(MANIFEST), socket_mode=False)) as off:
        assert socket_url(client(off), off.app_token).startswith("ws://")
    assert "Socket Mode is off: the bot hears nothing. Switch it on under" in caplog.text


OURS = {
    "invalid_auth": "Copy it again",
    "not_authed": "Copy it again",
    "token_revoked": "Install the app again",
    "account_inactive": "Install the app again",
    "token_expired": "token rotation",
    "not_allowed_token_type": "SLACK_BOT_TOKEN begins with xoxb-",
    "missing_scope": "connections:write",
    "socket_mode_not_enabled": "Switch it on under Socket Mode",
    "ekm_access_denied": "ask them to allow it",
    "two_factor_setup_required": "ask them to allow it",
    "something_new": "Copy it again",
}


@pytest.mark.parametrize("code", OURS)
def test_what_is_ours_to_mend_says_what_to_do(sandbox: Sandbox, code: str) -> None:
    sandbox.faults.error("apps.connections.open", code)
    with pytest.raises(SettingsError) as caught:
        socket_url(client(sandbox), sandbox.app_token)
    assert f"Slack does not accept SLACK_APP_TOKEN ({code})" in str(caught.value)
    assert OURS[code] in str(caught.value)


@pytest.mark.parametrize(
    "code",
    [
        *("internal_error", "fatal_error", "service_unavailable", "request_timeout"),
        *("ratelimited", "team_added_to_org", "org_login_required"),
    ],
)
def test_slack_that_is_unwell_is_not_a_wrong_token(sandbox: Sandbox, code: str) -> None:
    sandbox.faults.error("auth.test", code)
    with pytest.raises(SlackUnavailable, match=code):
        identify(client(sandbox))


@pytest.mark.parametrize("status", [400, 403, 404, 407, 500, 502, 503, 504])
def test_an_error_of_a_gateway_is_not_a_wrong_token(sandbox: Sandbox, status: int) -> None:
    sandbox.faults.server_error("auth.test", status=status)
    with pytest.raises(SlackUnavailable):
        identify(client(sandbox))


def test_slack_says_how_long_to_wait(sandbox: Sandbox) -> None:
    sandbox.faults.rate_limit("auth.test", retry_after=37)
    with pytest.raises(SlackUnavailable, match="ratelimited") as caught:
        identify(client(sandbox))
    assert caught.value.wait_s == 37.0


@pytest.mark.parametrize("status", [200, 302, 403, 407, 511])
def test_the_login_page_of_a_network_is_not_a_wrong_token(sandbox: Sandbox, status: int) -> None:
    sandbox.faults.answer("auth.test", LOGIN_PAGE, status=status, content_type="text/html")
    with pytest.raises(SlackUnavailable, match="sign in to this network"):
        identify(client(sandbox))


def test_a_redirect_to_a_login_page_takes_no_token_along(sandbox: Sandbox) -> None:
    sandbox.faults.redirect(sandbox.elsewhere_url, method="auth.test")
    with pytest.raises(SlackUnavailable):
        identify(client(sandbox))
    assert sandbox.tokens_elsewhere == [False]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://slack.invalid/api/", "its name cannot be resolved"),
        ("http://127.0.0.1:9/api/", "it refuses connections"),
    ],
)
def test_a_network_that_is_down_is_named(sandbox: Sandbox, url: str, told: str) -> None:
    with pytest.raises(SlackUnavailable, match=told) as caught:
        identify(client(sandbox, SLACK_API_URL=url))
    assert "SLACK_API_URL" in str(caught.value)


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Run a server that sends the same bytes to everybody, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("scheme", "answer", "told"),
    [
        ("https", b"HTTP/1.1 400 Bad Request\r\n\r\n", "no encrypted connection"),
        ("http", b"", "it ended the connection"),
        ("http", b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{", "it ended the connection"),
        ("http", b"SSH-2.0-OpenSSH_9.2\r\n", "it ended the connection"),
    ],
)
def test_a_server_that_is_not_slack_is_not_a_wrong_token(
    sandbox: Sandbox, scheme: str, answer: bytes, told: str
) -> None:
    with answering(answer) as port, pytest.raises(SlackUnavailable, match=told):
        identify(client(sandbox, SLACK_API_URL=f"{scheme}://127.0.0.1:{port}/api/"))
