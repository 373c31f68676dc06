"""Answer `/trace`, its buttons and the message shortcut.

Answers are ephemeral: only the person who asked sees them, and they contain only what that person
may see.
"""

import logging
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from peewee import PeeweeException
from slack_sdk import WebClient

from bot.access import Access
from bot.jobs.digests import Digests
from bot.slack.conversation.names import Names
from bot.slack.directory import Directory
from bot.slack.errors import SLACK_ERRORS, error_code
from bot.slack.threads import reply_payload
from bot.trace_ui.alert_form import alert_form
from bot.trace_ui.alerts import AlertOrders
from bot.trace_ui.budgets import Budgets
from bot.trace_ui.digest_form import digest_form
from bot.trace_ui.digest_settings import DigestSettings
from bot.trace_ui.filter_names import resolve
from bot.trace_ui.forget import Forget
from bot.trace_ui.key_names import key_names
from bot.trace_ui.modal import Form, in_message
from bot.trace_ui.requester import Requester
from bot.trace_ui.share import post_once
from bot.turns.ask_again import AskAgain
from bot.turns.cancel import TurnCanceller
from reports.alerts.grammar import EXAMPLE
from reports.commands.budget_orders import parse_order as parse_budget_order
from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, only_reads, parse
from reports.commands.typed import READING, split_slack
from reports.digest.order import Order, parse_order
from reports.errors import UsageError
from reports.render import json_output
from reports.render.block_kit import Block, context, escape
from reports.render.slack import fallback, render
from reports.views.messages import MessageView, not_found
from reports.views.trace_tree import RawView, TraceView
from reports.views.views import View
from storage import ActiveSpan, Observability
from storage.model.redaction import redacted_start
from storage.model.span import own_audience
from storage.queries.traces import traces_by_id

Respond = Callable[..., Any]

OUT_OF_DATE = "This button is out of date. Type the command again."

NOT_FOR_EVERYONE = (
    "Not everyone in this channel may see this trace: it is from a private conversation, or guests "
    "or people of other organisations can read this channel. Share it in the conversation that it "
    "comes from."
)

logger = logging.getLogger("tracebot.slash_command")

NOT_IN_CHANNEL = frozenset(("channel_not_found", "not_in_channel"))
"""Slack's error codes for a conversation that the bot has not joined."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A view for one person, and a sentence on what is missing from it, if anything is."""

    view: View
    note: str = ""
    form: Form | None = None
    """The form that a modal shows in the place of the view."""

    @property
    def blocks(self) -> list[Block]:
        return [*render(self.view), *([context(escape(self.note))] if self.note else [])]


class SlashCommand:
    """Answer commands and buttons. Each of them asks `Access` anew what its user may see."""

    def __init__(
        self,
        *,
        client: WebClient,
        bot_id: str,
        access: Access,
        directory: Directory,
        names: Names,
        digests: Digests,
        budgets: Budgets,
        alerts: AlertOrders,
        canceller: TurnCanceller,
        ask_again: AskAgain,
        observability: Observability,
        workspace: str,
    ) -> None:
        """Take the URL of the *workspace*, with which links to its messages begin."""
        self._client = client
        self._bot_id = bot_id
        self._access = access
        self._directory = directory
        self._names_of_ids = names
        self._digests = digests
        self._budgets = budgets
        self._alerts = alerts
        self._canceller = canceller
        self._ask_again = ask_again
        self._workspace = workspace
        self._forget = Forget(directory, observability)
        self._settings = DigestSettings(access, directory, observability.database)
        self._observability = observability
        self._parser, commands = build_parser(prog="/trace", shell=False)
        self._names = frozenset(commands.choices)

    def ask(self, text: str, requester: Requester, respond: Respond) -> None:
        """Answer the text after `/trace`."""
        name = next(iter(text.lower().split()), "help")
        name = name if name in self._names else "?"  # A span's name must not be somebody's text.
        self._respond(name, requester, lambda: self.answer(text, requester), respond)

    def answer(self, text: str, requester: Requester, *, only_read: bool = False) -> Answer:
        """Answer a command; refuse one that changes something if it may *only read*.

        Raises `UsageError`, `SLACK_ERRORS` and `PeeweeException`.
        """
        args = parse(self._parser, split_slack(text))
        if only_read and not only_reads(args):
            raise UsageError(OUT_OF_DATE)
        own = {
            "digest": self._digest,
            "alerts": self._alert,
            "cancel": self._cancel,
            "forget": self._ask_to_forget,
            "budget": self._budget,
        }
        return own.get(args.command, self._answer)(args, requester)

    def run(
        self, text: str, requester: Requester, respond: Respond, *, in_place: bool = True
    ) -> None:
        """Answer the command in a button; `in_place` in the place of the message with the button.

        A message that everybody sees must stay: the answer is only for the one who pressed.
        """
        name = next(iter(text.split()), "")
        self._respond(
            name if name in READING else "?",
            requester,
            lambda: self.answer(text, requester, only_read=True),
            respond,
            replace_original=in_place,
        )

    def show_message(self, message: dict[str, Any], requester: Requester, respond: Respond) -> None:
        """Show the trace of a message: of the turn it started, or of the one it is a reply of.

        Of a message that was not answered, say why.
        """
        wanted = str(reply_payload(message, bot_id=self._bot_id).get("trace_id") or "")
        if not wanted:
            ts = str(message["ts"]).replace(".", "")
            wanted = f"https://slack/archives/{requester.channel}/p{ts}"

        def view() -> Answer:
            given = self.answer(f"show {wanted}", requester)
            if isinstance(given.view, TraceView) and given.view.trace.decision == "skip":
                return self.answer(f"why {given.view.trace.trace_id}", requester)
            return given

        self._respond("show", requester, view, respond)

    def raw(self, trace_id: str, requester: Requester, respond: Respond) -> None:
        """Show all that is stored of a trace, as JSON."""

        def view() -> Answer:
            given = self.answer(f"show {trace_id}", requester)
            if not isinstance(given.view, TraceView):
                return given
            trace = given.view.trace
            title = f"Everything that is stored of {trace.trace_id}"
            text = json_output.render(given.view)
            return Answer(RawView(title=title, trace_id=trace.trace_id, text=text), given.note)

        self._respond("raw", requester, view, respond)

    def again(self, trace_id: str, requester: Requester, respond: Respond) -> None:
        """Ask the question of a trace again, in its thread and for the requester."""

        def view() -> Answer:
            given = self.answer(f"show {trace_id}", requester)
            if not isinstance(given.view, TraceView):
                return given
            if not given.view.can_be_asked_again:
                raise UsageError(OUT_OF_DATE)
            if problem := self._ask_again.ask_of(given.view.trace, requester.user):
                raise UsageError(problem)
            text = "It is being asked again: the reply comes in the thread of the question."
            return Answer(MessageView(text=text, found=True))

        self._respond("again", requester, view, respond)

    def change_issue(self, change: str, requester: Requester, respond: Respond) -> None:
        """Change an issue from its button. The list of issues is shown anew in its place.

        `change` is what follows the command `errors`: what to do, the id, and the list's filters.
        """

        def view() -> Answer:
            what, _, rest = change.partition(" ")
            issue, _, filters = rest.partition(" ")
            changed = self.answer(f"errors {what} {issue}", requester)
            if not (isinstance(changed.view, MessageView) and changed.view.found):
                return changed
            return self.answer(f"errors {filters}", requester, only_read=True)

        self._respond("errors", requester, view, respond, replace_original=True)

    def share(self, trace_id: str, requester: Requester, respond: Respond) -> None:
        """Post a trace in the channel or the thread, if everyone there may see it."""

        def view() -> Answer:
            sight = self._access.sight(requester.team, requester.user)
            found = traces_by_id(self._observability.database, trace_id, audiences=sight.audiences)
            if len(found) != 1 or not sight.may_see(found[0]):
                return Answer(not_found(trace_id), sight.note)
            if not self._access.sight_in(requester.team, requester.channel).may_see(found[0]):
                return Answer(MessageView(text=NOT_FOR_EVERYONE))
            shown = self._answer(parse(self._parser, ["show", trace_id]), requester)
            blocks = [block for block in render(shown.view) if block["type"] != "actions"]
            shared = post_once(
                self._client,
                self._observability.database,
                trace_id=found[0].trace_id,
                blocks=blocks,
                requester=requester,
            )
            return Answer(shared)

        self._respond("share", requester, view, respond)

    def stop(self, trace_id: str, requester: Requester, respond: Respond) -> None:
        """Cancel from the button of a running reply.

        Only a refusal is answered, because the reply itself shows that its agent was stopped.
        """
        args = Namespace(id=trace_id)
        self._respond(
            "cancel", requester, lambda: self._cancel(args, requester), respond, only_refusals=True
        )

    def forget(self, user: str, requester: Requester, respond: Respond) -> None:
        """Erase what `user` wrote. The button was in a question, which is replaced."""

        def view() -> Answer:
            return Answer(self._forget.confirmed(user, requester))

        self._respond("forget", requester, view, respond, replace_original=True)

    def _ask_to_forget(self, args: Namespace, requester: Requester) -> Answer:
        return Answer(self._forget.ask(args, requester))

    def _cancel(self, args: Namespace, requester: Requester) -> Answer:
        sight = self._access.sight(requester.team, requester.user)
        view = self._canceller.by_id(args.id, sight, user=requester.user)
        return Answer(view, sight.note)

    def _answer(self, args: Namespace, requester: Requester) -> Answer:
        sight = self._access.sight(requester.team, requester.user)
        resolve(args, requester, sight, self._directory)
        view = answer(
            args,
            database=self._observability.database,
            viewer=Viewer(
                audiences=sight.audiences,
                may_see=sight.may_see,
                may_name=sight.may_name,
                may_see_budget=lambda budget: self._budgets.may_see(budget, sight, requester),
                may_read=lambda channel: channel == requester.channel or sight.may_see_in(channel),
                name_of=key_names(self._names_of_ids, self._directory, sight),
                team=requester.team,
                user=requester.user,
                channel=requester.channel,
                workspace=self._workspace,
                time_zone=self._settings.time_zone(requester.user),
            ),
            now=time.time_ns(),
        )
        # Read after the answer, which may have met a channel that Slack did not tell about.
        return Answer(view, "" if args.command == "help" else sight.note)

    def _budget(self, args: Namespace, requester: Requester) -> Answer:
        order = parse_budget_order(args.order)
        if order.what == "list":
            return self._answer(args, requester)
        zone = self._settings.time_zone(requester.user)
        return Answer(self._budgets.order(order, requester, time_zone=zone))

    def _alert(self, args: Namespace, requester: Requester) -> Answer:
        if not args.order:
            return self._answer(args, requester)
        return Answer(self._alerts.obey(args.order, requester))

    def acknowledge_alert(self, rule_id: str, requester: Requester, respond: Respond) -> None:
        """Note that somebody looks after an alert, which its message then shows."""
        self._respond(
            "alerts",
            requester,
            lambda: Answer(self._alerts.acknowledge(rule_id, requester)),
            respond,
            only_refusals=True,
        )

    def alert_form(self, requester: Requester, respond: Respond) -> None:
        """Show the form that adds an alert in the channel of its button."""

        def view() -> Answer:
            self._alerts.check(requester)
            text = f"Slack opened no form. Type /trace alerts add {EXAMPLE} instead."
            return Answer(MessageView(text=text), form=alert_form(requester.channel))

        self._respond("alerts", requester, view, respond)

    def alert_submitted(self, words: list[str], requester: Requester) -> None:
        """Add the alert of a form in the channel that it was opened in, and say so there."""
        self._respond(
            "alerts",
            requester,
            lambda: Answer(self._alerts.obey(["add", *words], requester)),
            in_message(self._client, requester),
        )

    def snooze_alert(
        self, rule_id: str, requester: Requester, respond: Respond, *, only_refusals: bool
    ) -> None:
        """Silence an alert, which its message then shows."""
        self._respond(
            "alerts",
            requester,
            lambda: Answer(self._alerts.snooze(rule_id, requester)),
            respond,
            only_refusals=only_refusals,
        )

    def _digest(self, args: Namespace, requester: Requester) -> Answer:
        order = parse_order(args.order)
        sight = self._access.sight(requester.team, requester.user)
        if not sight.audiences:
            raise UsageError(sight.note)
        if order.what == "now":
            here = self._access.sight_in(requester.team, requester.channel).within(sight)
            zone = self._settings.time_zone(requester.user)
            view = self._digests.last_24_hours(here, now=time.time_ns(), time_zone=zone)
            return Answer(view, here.note)
        return Answer(self._settings.change(order, requester))

    def digest_off(self, channel: str, requester: Requester, respond: Respond) -> None:
        """End the digest of a channel. The button is below a digest, which stays."""
        here = replace(requester, channel=channel)

        def view() -> Answer:
            self._settings.check(here)
            return Answer(self._settings.change(Order("off"), here))

        self._respond("digest", requester, view, respond)

    def digest_form(self, channel: str, requester: Requester, respond: Respond) -> None:
        """Show the form that changes the digest of a channel."""
        here = replace(requester, channel=channel)

        def view() -> Answer:
            self._settings.check(here)
            form = digest_form(self._settings.current(here))
            text = "Slack opened no form. Type /trace digest here weekdays at 09:00 instead."
            return Answer(MessageView(text=text), form=form)

        self._respond("digest", requester, view, respond)

    def digest_submitted(self, order: Order, requester: Requester) -> None:
        """Change the digest of the channel that the form was opened for, and say so there."""

        def view() -> Answer:
            self._settings.check(requester)
            return Answer(self._settings.change(order, requester))

        self._respond("digest", requester, view, in_message(self._client, requester))

    def _respond(
        self,
        name: str,
        requester: Requester,
        answer: Callable[[], Answer],
        respond: Respond,
        *,
        replace_original: bool = False,
        only_refusals: bool = False,
    ) -> None:
        with self._observability.span(
            f"/trace {redacted_start(name, 40)}",
            kind="consumer",
            team=requester.team,
            user=requester.user,
            channel=requester.channel,
            audience=own_audience(requester.team, requester.user),
            decision="skip",  # No agent runs, so lists and statistics leave this trace out.
        ) as span:
            given = self._safely(answer, span)
            if only_refusals and isinstance(given.view, MessageView) and given.view.found:
                return
            try:
                respond(
                    blocks=given.blocks,
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

    def _safely(self, answer: Callable[[], Answer], span: ActiveSpan) -> Answer:
        try:
            return answer()
        except UsageError as error:
            span.fail("usage", str(error))
            return Answer(MessageView(text=str(error)))
        except SLACK_ERRORS as error:
            span.fail("slack_api", error_code(error))
            return Answer(MessageView(text=_slack_problem(error_code(error))))
        except PeeweeException as error:
            span.fail("database", str(error))
            logger.error("/trace could not be answered", exc_info=error)
            text = "The database does not answer at the moment. Please ask again in a minute."
            return Answer(MessageView(text=text))
        except Exception as error:
            # Our own fault. Without this its asker would wait for an answer that never comes.
            span.record_exception(error)
            span.fail(type(error).__name__, str(error))
            logger.exception("/trace could not be answered in trace %s", span.trace_id)
            text = "I could not answer because of an error of mine, which is in my log. "
            return Answer(MessageView(text=f"{text}Please tell whoever runs me: {span.trace_id}."))


def _slack_problem(code: str) -> str:
    if code in NOT_IN_CHANNEL:
        return "I am not a member of this channel. Invite me with /invite, then ask again."
    return f"Slack did not answer my question about this channel ({code}). Please ask again later."
