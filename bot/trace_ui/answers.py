"""An answer to one person, and how it is sent.

Answers are ephemeral: only the person who asked sees them.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from peewee import PeeweeException
from slack_sdk import WebClient

from bot.slack.errors import SLACK_ERRORS, error_code
from bot.trace_ui.modal import Form, in_direct_message, in_message
from bot.trace_ui.requester import Requester
from reports.errors import UsageError
from reports.render.block_kit import Block, context, escape
from reports.render.slack import fallback, render
from reports.views.messages import MessageView
from reports.views.views import View
from storage import ActiveSpan, Observability
from storage.model.redaction import redacted_start
from storage.model.span import own_audience

Respond = Callable[..., Any]

NOT_IN_CHANNEL = frozenset(("channel_not_found", "not_in_channel"))
"""Slack's error codes for a conversation that the bot has not joined."""

logger = logging.getLogger("tracebot.slash_command")


@dataclass(frozen=True, slots=True)
class Answer:
    """A view for one person, and a sentence on what is missing from it, if anything is."""

    view: View
    note: str = ""
    form: Form | None = None
    """The form that a modal shows in place of the view."""

    @property
    def blocks(self) -> list[Block]:
        return [*render(self.view), *([context(escape(self.note))] if self.note else [])]


class AnswerSender:
    """Send answers. What goes wrong is answered, too, and each of them is recorded as a trace."""

    def __init__(self, client: WebClient, observability: Observability) -> None:
        self._client = client
        self._observability = observability

    def send(
        self,
        name: str,
        requester: Requester,
        answer: Callable[[], Answer],
        respond: Respond,
        *,
        replace_original: bool = False,
        only_refusals: bool = False,
    ) -> None:
        """Send what *answer* returns, or a sentence on what it raises.

        `name` is that of the command. If `only_refusals` is set, a success is not answered,
        because the message with the button shows it.
        """
        with self._observability.span(
            f"/trace {redacted_start(name, 40)}",
            kind="consumer",
            team=requester.team,
            user=requester.user,
            channel=requester.channel,
            audience=own_audience(requester.team, requester.user),
            decision="skip",  # No agent runs, so lists and statistics leave this trace out.
        ) as span:
            given, blocks = _safely(answer, span)
            if only_refusals and isinstance(given.view, MessageView) and given.view.found:
                return
            try:
                respond(
                    blocks=blocks,
                    text=fallback(given.view),
                    response_type="ephemeral",
                    replace_original=replace_original,
                    thread_ts=requester.thread_ts,
                    **({"form": given.form} if given.form else {}),
                )
            except SLACK_ERRORS as error:
                span.fail("slack_api", error_code(error))
                who = requester.user
                logger.warning("/trace %s of %s was not answered: %s", name, who, error)

    def send_for_form(self, name: str, requester: Requester, answer: Callable[[], Answer]) -> None:
        """Send the answer to a form, for which Slack gives no URL.

        Of a form on the Home tab, which shows a success, only a refusal is sent: as a direct
        message.
        """
        is_home = not requester.channel
        respond = (in_direct_message if is_home else in_message)(self._client, requester)
        self.send(name, requester, answer, respond, only_refusals=is_home)


def _safely(answer: Callable[[], Answer], span: ActiveSpan) -> tuple[Answer, list[Block]]:
    """Return an answer and its blocks, or a sentence on what went wrong with either."""
    try:
        given = answer()
        return given, given.blocks
    except UsageError as error:
        span.fail("usage", str(error))
        text = str(error)
    except SLACK_ERRORS as error:
        span.fail("slack_api", error_code(error))
        text = _slack_problem(error_code(error))
    except PeeweeException as error:
        span.fail("database", str(error))
        logger.error("/trace could not be answered", exc_info=error)
        text = "The database does not answer at the moment. Please ask again in a minute."
    except Exception as error:
        # Our own fault. Without this its asker would wait for an answer that never comes.
        span.record_exception(error)
        span.fail(type(error).__name__, str(error))
        logger.exception("/trace could not be answered in trace %s", span.trace_id)
        text = (
            "I could not answer because of an error of mine, which is in my log. Please tell "
            f"whoever runs me: {span.trace_id}."
        )
    told = Answer(MessageView(text=text))
    return told, told.blocks


def _slack_problem(code: str) -> str:
    if code in NOT_IN_CHANNEL:
        return "I am not a member of this channel. Invite me with /invite, then ask again."
    return f"Slack did not answer my question about this channel ({code}). Please ask again later."
