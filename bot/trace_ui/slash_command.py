"""Answer `/trace`, its buttons and the message shortcut.

Answers are ephemeral: only the person who asked sees them, and they contain only what that person
may see.
"""

import json
import logging
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from peewee import PeeweeException
from slack_sdk import WebClient

from bot.access import Access
from bot.jobs.digests import Digests
from bot.slack.directory import Directory
from bot.slack.errors import SLACK_ERRORS, error_code
from bot.slack.threads import REPLY_EVENT
from bot.turns.cancel import TurnCanceller
from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse, split_slack
from reports.digest import parse_order
from reports.errors import UsageError
from reports.render.slack import fallback, render
from reports.views.messages import MessageView, not_found
from reports.views.views import View
from storage import ActiveSpan, Observability
from storage.coordination.digest_subscriptions import Subscription, subscribe, unsubscribe
from storage.queries.traces import traces_by_id

Respond = Callable[..., Any]

logger = logging.getLogger("tracebot.slash_command")

NOT_IN_CHANNEL = frozenset(("channel_not_found", "not_in_channel"))
"""Slack's error codes for a conversation that the bot has not joined."""


@dataclass(frozen=True, slots=True)
class Requester:
    """The person who asks, and the channel they ask in; it is empty on the Home tab."""

    team: str
    user: str
    channel: str


class SlashCommand:
    """Answer commands and buttons. Each of them asks `Access` anew what its user may see."""

    def __init__(
        self,
        *,
        client: WebClient,
        access: Access,
        directory: Directory,
        digests: Digests,
        canceller: TurnCanceller,
        observability: Observability,
    ) -> None:
        self._client = client
        self._access = access
        self._directory = directory
        self._digests = digests
        self._canceller = canceller
        self._observability = observability
        self._parser, _ = build_parser(prog="/trace", shell=False)

    def ask(self, text: str, requester: Requester, respond: Respond) -> None:
        """Answer the text after `/trace`."""
        name = text.partition(" ")[0] or "help"
        self._respond(name, requester, lambda: self.view(text, requester), respond)

    def view(self, text: str, requester: Requester) -> View:
        """Answer a command. Raises `UsageError`, `SLACK_ERRORS` and `PeeweeException`."""
        args = parse(self._parser, split_slack(text))
        own = {"digest": self._digest, "cancel": self._cancel}
        return own.get(args.command, self._answer)(args, requester)

    def next_page(self, value: str, requester: Requester, respond: Respond) -> None:
        """Replace a list by its next page. `value` is the JSON in the button that was pressed."""

        def view() -> View:
            asked = json.loads(value)
            args = parse(self._parser, ["ls"])
            vars(args).update(asked["filters"], cursor=asked["cursor"])
            return self._answer(args, requester)

        self._respond("ls", requester, view, respond, replace_original=True)

    def show_message(self, message: dict[str, Any], requester: Requester, respond: Respond) -> None:
        """Show the trace of a message: the turn it started, or the turn it is the reply of."""
        metadata = message.get("metadata") or {}
        if metadata.get("event_type") == REPLY_EVENT:
            wanted = str(metadata["event_payload"].get("trace_id"))
        else:
            ts = str(message["ts"]).replace(".", "")
            wanted = f"https://slack/archives/{requester.channel}/p{ts}"
        self.ask(f"show {wanted}", requester, respond)

    def share(self, trace_id: str, requester: Requester, respond: Respond) -> None:
        """Post a trace in the channel, if everyone there may see it."""

        def view() -> View:
            found = traces_by_id(self._observability.database, trace_id)
            if not found or not self._access.may_see(found[0], requester.team, requester.user):
                return not_found(trace_id)
            if not self._access.may_be_shown_in(found[0], requester.team, requester.channel):
                return MessageView(
                    text="This trace is from a private conversation, and not everyone in this "
                    "channel may see it. Share it in the conversation that it comes from."
                )
            shown = self._answer(parse(self._parser, ["show", trace_id]), requester)
            blocks = [block for block in render(shown) if block["type"] != "actions"]
            self._client.chat_postMessage(
                channel=requester.channel,
                blocks=blocks,
                text=f"<@{requester.user}> shares a trace",
                unfurl_links=False,
                unfurl_media=False,
            )
            return MessageView(text="The trace was posted in this channel.", found=True)

        self._respond("share", requester, view, respond)

    def stop(self, trace_id: str, requester: Requester, respond: Respond) -> None:
        """Cancel from the button of a running reply.

        Only a refusal is answered, because the reply itself shows that its agent was stopped.
        """
        args = Namespace(id=trace_id)
        self._respond(
            "cancel", requester, lambda: self._cancel(args, requester), respond, only_refusals=True
        )

    def _cancel(self, args: Namespace, requester: Requester) -> View:
        return self._canceller.by_id(args.id, team=requester.team, user=requester.user)

    def _answer(self, args: Namespace, requester: Requester) -> View:
        return answer(
            args,
            database=self._observability.database,
            viewer=Viewer(
                audiences=self._access.audiences(requester.team, requester.user),
                may_see=lambda trace: self._access.may_see(trace, requester.team, requester.user),
                team=requester.team,
                user=requester.user,
                channel=requester.channel,
                time_zone=self._time_zone(requester.user),
            ),
            now=time.time_ns(),
        )

    def _digest(self, args: Namespace, requester: Requester) -> View:
        if not self._access.is_member(requester.team, requester.user):
            raise UsageError("Only full members of this workspace can set up digests, not guests.")
        order, database = parse_order(args.order), self._observability.database
        if order.what == "now":
            return self._digests.last_24_hours(
                requester.team, requester.channel, now=time.time_ns()
            )
        if order.what == "off":
            ended = unsubscribe(database, team=requester.team, channel=requester.channel)
            text = "The digest is off." if ended else "This channel has no digest."
            return MessageView(text=text, found=True)
        # Slack shows public channels to everyone, but lets only members post in them.
        if not self._directory.channel(requester.channel).get("is_member", True):
            raise UsageError(
                "I am not a member of this channel, so I cannot post a digest here. Invite me with "
                "/invite, then ask again in a minute."
            )
        zone = order.time_zone or self._time_zone(requester.user)
        subscription = Subscription(
            team=requester.team,
            channel=requester.channel,
            local_time=order.local_time,
            time_zone=zone,
            created_by=requester.user,
            created_at=time.time_ns(),
        )
        subscribe(database, subscription)
        return MessageView(
            text=f"This channel gets a digest each day at {order.local_time} ({zone}). "
            "/trace digest off ends it.",
            found=True,
        )

    def _time_zone(self, user: str) -> str:
        try:
            return str(self._directory.user(user).get("tz") or "UTC")
        except SLACK_ERRORS:
            return "UTC"

    def _respond(
        self,
        name: str,
        requester: Requester,
        view: Callable[[], View],
        respond: Respond,
        *,
        replace_original: bool = False,
        only_refusals: bool = False,
    ) -> None:
        with self._observability.span(
            f"/trace {name[:40]}",
            kind="consumer",
            team=requester.team,
            user=requester.user,
            channel=requester.channel,
            audience=requester.user,
            decision="skip",  # No agent runs, so lists and statistics leave this trace out.
        ) as span:
            shown = self._view(view, span)
            if only_refusals and isinstance(shown, MessageView) and shown.found:
                return
            respond(
                blocks=render(shown),
                text=fallback(shown),
                response_type="ephemeral",
                replace_original=replace_original,
            )

    def _view(self, view: Callable[[], View], span: ActiveSpan) -> View:
        try:
            return view()
        except UsageError as error:
            span.fail("usage", str(error))
            return MessageView(text=str(error))
        except SLACK_ERRORS as error:
            span.fail("slack_api", error_code(error))
            return MessageView(text=_slack_problem(error_code(error)))
        except PeeweeException as error:
            span.fail("database", str(error))
            logger.error("/trace could not be answered", exc_info=error)
            return MessageView(
                text="The database does not answer at the moment. Please ask again in a minute."
            )


def _slack_problem(code: str) -> str:
    if code in NOT_IN_CHANNEL:
        return "I am not a member of this channel. Invite me with /invite, then ask again."
    return f"Slack did not answer my question about this channel ({code}). Please ask again later."
