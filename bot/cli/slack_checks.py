"""Check what `tracebot serve` needs of Slack and of the network, by the code of `serve`."""

import time
from collections.abc import Generator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import partial

from slack_sdk import WebClient

from bot.agents.config.access_rules import refuse_groups_without_scope
from bot.agents.config.toml_section import RosterError
from bot.cli.agents_file import load_agents
from bot.cli.findings import WARNING, WELL, WRONG, Finding, Findings
from bot.errors import ConfigurationError
from bot.http.addresses import EVERYWHERE, LOOPBACK, listening_socket
from bot.settings import Settings, SettingsError
from bot.slack.connection.credentials import (
    APPS,
    SCOPES_UNKNOWN,
    SWITCH_ON,
    app_of_bot,
    identify,
    refuse_token_of_other_app,
    socket_address,
)
from bot.slack.connection.start_client import client_for_start
from bot.slack.errors import SlackUnavailable

PORT_S = 2.0
"""How long to wait for the answer of whatever has a port open, in seconds."""

TRY_AGAIN = "tracebot serve waits until that is over; try again in a few minutes"
CLOCK_S = 60
"""The clock may differ from Slack's by this much, in seconds.

At 5 minutes Slack's signed requests are refused, because they look like replays.
"""


def check_tokens(settings: Settings) -> Findings:
    by_socket = bool(settings.slack_app_token.get_secret_value())
    by_http = bool(settings.slack_signing_secret.get_secret_value())
    yield _token("SLACK_BOT_TOKEN", bool(settings.slack_bot_token.get_secret_value()), "serve")
    # One of these two is enough.
    yield _token("SLACK_APP_TOKEN", by_socket, "serve", needed=not by_http)
    yield _token("SLACK_SIGNING_SECRET", by_http, "serve --http", needed=not by_socket)


def _token(name: str, is_set: bool, user: str, *, needed: bool = True) -> Finding:
    if is_set:
        return Finding(mark=WELL, what=name, found="is set")
    if not needed:
        return Finding(mark=WELL, what=name, found=f"is not set; only tracebot {user} needs it")
    advice = f"tracebot {user} needs it: tracebot init asks for it, or see {APPS}"
    return Finding(mark=WARNING, what=name, found="is not set", advice=advice)


def check_slack(settings: Settings) -> Findings:
    """Check that Slack accepts the bot's token and the app's, if they are set."""
    client = client_for_start(settings)
    bot_id = None
    if settings.slack_bot_token.get_secret_value():
        bot_id = yield from _check_bot(settings, client)
    if settings.slack_app_token.get_secret_value():
        yield from _check_socket_mode(settings, client, bot_id)


def _check_bot(settings: Settings, client: WebClient) -> Generator[Finding, None, str | None]:
    """Check the bot's token, its scopes, and our clock. Return the bot's id if it is known."""
    try:
        bot = identify(client)
    except SlackUnavailable as error:
        yield Finding(mark=WRONG, what="Slack", found=str(error), advice=TRY_AGAIN)
        return None
    except SettingsError as error:
        found = "does not let the bot in"
        yield Finding(mark=WRONG, what="Slack", found=found, advice=str(error))
        return None
    yield Finding(mark=WELL, what="Slack", found=f"accepts the bot in {bot.get('team')}")
    if bot["scopes"] is None:
        yield Finding(mark=WARNING, what="scopes", found="are unknown", advice=SCOPES_UNKNOWN)
    else:
        yield from _groups(settings, bot["scopes"])
    with suppress(TypeError, ValueError):  # No date, or not one of HTTP.
        yield _clock(time.time() - parsedate_to_datetime(bot["date"]).timestamp())
    return bot.get("bot_id")


def _groups(settings: Settings, scopes: frozenset[str]) -> Findings:
    try:
        roster = load_agents(settings)
    except ConfigurationError:
        return  # A finding of `_agents`.
    try:
        roster.require(partial(refuse_groups_without_scope, scopes=scopes))
    except RosterError as error:
        yield Finding(mark=WRONG, what="user groups", found="cannot be read", advice=str(error))


def _check_socket_mode(settings: Settings, client: WebClient, bot_id: str | None) -> Findings:
    """Check that Slack would open a connection with the app's token, and send events on it."""
    try:
        address = socket_address(client, settings.slack_app_token.get_secret_value())
        refuse_token_of_other_app(address, app_of_bot(client, bot_id))
    except SlackUnavailable as error:
        yield Finding(mark=WRONG, what="Socket Mode", found=str(error), advice=TRY_AGAIN)
    except SettingsError as error:
        found = "cannot be used"
        yield Finding(mark=WRONG, what="Socket Mode", found=found, advice=str(error))
    else:
        if address.is_switched_off:
            found = "is switched off, says Slack: the bot hears nothing"
            yield Finding(mark=WARNING, what="Socket Mode", found=found, advice=SWITCH_ON)
        else:
            yield Finding(mark=WELL, what="Socket Mode", found="can be used")


def check_ports(settings: Settings) -> Findings:
    """Check that the ports can be opened which `serve` would open."""
    if settings.slack_signing_secret.get_secret_value():
        yield _port("PORT", EVERYWHERE, settings.port)
    if settings.otlp_port not in (0, "off"):
        yield _port("TRACEBOT_OTLP_PORT", LOOPBACK[0], int(settings.otlp_port))


def _port(variable: str, host: str, port: int) -> Finding:
    try:
        listening_socket(host, port).close()
    except OSError as error:
        if _answers(port):
            return Finding(mark=WELL, what=variable, found=f"tracebot listens on port {port}")
        found = f"port {port} cannot be opened ({error.strerror})"
        return Finding(mark=WRONG, what=variable, found=found, advice="set it to another port")
    return Finding(mark=WELL, what=variable, found=f"port {port} can be opened")


def _answers(port: int) -> bool:
    """Return whether a server of ours has a port of this machine open."""
    import httpx  # Only if a port is taken: it takes 0.1 s.

    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/health", timeout=PORT_S, trust_env=False)
        return bool(answer.json() == {"ok": True})
    except (httpx.HTTPError, ValueError):
        return False


def _clock(ahead: float) -> Finding:
    if abs(ahead) < CLOCK_S:
        return Finding(mark=WELL, what="clock", found="agrees with Slack's clock")
    where = "ahead of" if ahead > 0 else "behind"
    advice = "synchronise it, for example with timedatectl set-ntp true"
    found = f"is {abs(ahead):.0f} s {where} Slack's clock"
    return Finding(mark=WRONG, what="clock", found=found, advice=advice)


SLACK_CHECKS = (check_tokens, check_slack, check_ports)
