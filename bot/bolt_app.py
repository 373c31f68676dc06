"""The Bolt app without its listeners: it accepts what Slack sends, and asks Slack nothing."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from slack_bolt import App, BoltRequest, BoltResponse
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.middleware.ignoring_self_events import IgnoringSelfEvents
from slack_sdk import WebClient

from bot.settings import Settings
from bot.turns.decision import BotIdentity
from storage import Observability
from storage.writer.dropped import RATE_LIMITED

NEEDED: Mapping[str, tuple[str, ...]] = {
    "message": ("channel", "ts"),
    "app_mention": ("channel", "ts"),
    "reaction_added": ("user", "reaction", "event_ts"),
    "reaction_removed": ("user", "reaction", "event_ts"),
    "agent_session_stopped": ("channel", "thread_ts"),
    "app_home_opened": ("user",),
}
"""The texts without which an event says nothing, by its type."""

TEXTS = ("channel", "user", "ts", "thread_ts", "text")
OBJECTS = ("edited", "message", "previous_message")
"""Fields of these events that are texts or objects if they are there at all."""

logger = logging.getLogger("tracebot")


class TolerantApp(App):
    """A Bolt app that accepts whatever Slack signs, also in a form that Bolt does not expect."""

    def dispatch(self, req: BoltRequest) -> BoltResponse:
        """Answer a request. Slack would send one again that fails, and it would fail again."""
        try:
            return super().dispatch(req)
        except Exception as error:
            logger.error("A request cannot be read by Bolt: %s: %s", type(error).__name__, error)
            return BoltResponse(status=200)


class IgnoringOwnEvents(IgnoringSelfEvents):
    """Drop the events of the bot itself, except that one of its messages was deleted.

    For Bolt these are events of the author, although anybody may have deleted the message.
    """

    @classmethod
    def _is_self_event(
        cls,
        auth_result: AuthorizeResult,
        user_id: str | None,
        bot_id: str | None,
        body: dict[str, Any],
    ) -> bool:
        event = body.get("event")
        if isinstance(event, dict) and event.get("subtype") == "message_deleted":
            return False
        return bool(super()._is_self_event(auth_result, user_id, bot_id, body))


def bolt_app(
    settings: Settings, identity: BotIdentity, *, team: str, observability: Observability
) -> App:
    """Return the app of the bot in the workspace with the id `team`, without listeners."""
    app = TolerantApp(
        # Else Bolt looks for the file that calls it, which takes 10 ms and more. Bolt sets the
        # level of the logger of this name, so it must not be one of ours.
        name="slack_bolt.app",
        # Without a token: listeners post through the clients of `bot.slack.connection`, which keep
        # our secrets, and a token here would be reported as unused beside `authorize`.
        client=WebClient(base_url=settings.slack_api_url),
        # What the start learned. By default Bolt would ask `auth.test` while a request waits.
        authorize=_authorize(identity, team),
        signing_secret=settings.slack_signing_secret.get_secret_value() or "socket mode",
        token_verification_enabled=False,
        # A message is acknowledged once it is stored: else it would be lost with the process.
        process_before_response=True,
        # So that `_report` answers them, without a warning for each.
        raise_error_for_unhandled_request=True,
        ignoring_self_events_enabled=False,
    )
    app.use(IgnoringOwnEvents())
    app.use(_ignore_other_workspaces(team))
    app.use(_ignore_incomplete_events)
    app.error(partial(_report, observability))
    return app


def _ignore_other_workspaces(team: str) -> Callable[..., BoltResponse | None]:
    """Return a middleware that accepts events of other workspaces, and does nothing.

    Slack sends them if other workspaces have installed the app, too. Nothing in their channels is
    for people of *team*.
    """

    def check(body: dict[str, Any], next: Callable[[], Any]) -> BoltResponse | None:
        if _is_for(team, body):
            next()
            return None
        logger.debug("An event is not for %s", team)
        return BoltResponse(status=200)

    return check


def _is_for(team: str, body: Mapping[str, Any]) -> bool:
    """Return False for an event that Slack sends for the app in other workspaces only.

    In a channel of Slack Connect the event's own `team_id` may be any of the companies in it.
    """
    authorized = {each.get("team_id") for each in body.get("authorizations") or ()}
    authorized.add(body.get("context_team_id"))
    return team in authorized or not any(authorized)


def _ignore_incomplete_events(body: dict[str, Any], next: Callable[[], Any]) -> BoltResponse | None:
    """Accept an event that lacks what its listener reads, and do nothing."""
    event = body.get("event")
    if isinstance(event, dict) and not _is_complete(event):
        logger.info("An event of type %s is incomplete", event.get("type"))
        return BoltResponse(status=200)
    next()
    return None


def _is_complete(event: Mapping[str, Any]) -> bool:
    needed = NEEDED.get(str(event.get("type")), ())
    if not needed:
        return True
    texts = all(isinstance(event.get(name) or "", str) for name in TEXTS)
    objects = all(isinstance(event.get(name) or {}, dict) for name in OBJECTS)
    return texts and objects and all(map(event.get, needed))


def _authorize(identity: BotIdentity, team: str) -> Callable[..., AuthorizeResult]:
    """Return what tells Bolt who the bot is: always the same, as it is in one workspace."""

    def authorize(enterprise_id: str | None, user_id: str | None) -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team,
            bot_user_id=identity.user,
            bot_id=identity.bot_id,
            user_id=user_id,
        )

    return authorize


def _report(observability: Observability, error: Exception, body: dict[str, Any]) -> BoltResponse:
    """Log a listener's error, and accept the request; also one that has no listener.

    Slack would send it again, and would stop to send any if that is true of most of them.
    """
    if not isinstance(error, BoltUnhandledRequestError):
        logger.error("A request of type %s failed", body.get("type"), exc_info=error)
    elif body.get("type") == "app_rate_limited":
        observability.count(RATE_LIMITED, "min")  # One for each minute.
    return BoltResponse(status=200)
