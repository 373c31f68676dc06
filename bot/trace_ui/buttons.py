"""Answer the buttons below traces and lists, and the message shortcut.

Most of them hold a command, or the id of a trace. An answer contains only what the person who
pressed may see.
"""

from typing import Any

from slack_sdk import WebClient

from bot.access import Access
from bot.slack.threads import reply_payload
from bot.trace_ui.answers import Answer, AnswerSender, Respond
from bot.trace_ui.forget import Forget
from bot.trace_ui.requester import Requester
from bot.trace_ui.share import post_once
from bot.trace_ui.slash_command import OUT_OF_DATE, SlashCommand
from bot.turns.ask_again import AskAgain
from reports.commands.typed import READING
from reports.errors import UsageError
from reports.render import json_output
from reports.render.slack import render
from reports.views.messages import MessageView, not_found
from reports.views.trace_tree import RawView, TraceView
from storage.database.base import Database
from storage.queries.lookups import traces_by_id

NOT_FOR_EVERYONE = (
    "Not everyone in this channel may see this trace: it is from a private conversation, or guests "
    "or people of other organisations can read this channel. Share it in the conversation that it "
    "comes from."
)


class Buttons:
    """Answer buttons. Each of them asks `Access` anew what its user may see."""

    def __init__(
        self,
        command: SlashCommand,
        sender: AnswerSender,
        *,
        client: WebClient,
        bot_id: str,
        access: Access,
        ask_again: AskAgain,
        forget: Forget,
        database: Database,
    ) -> None:
        self._command = command
        self._sender = sender
        self._client = client
        self._bot_id = bot_id
        self._access = access
        self._ask_again = ask_again
        self._forget = forget
        self._database = database

    def run(
        self, text: str, requester: Requester, respond: Respond, *, in_place: bool = True
    ) -> None:
        """Answer the command in a button; `in_place` in place of the message with the button.

        A message that everybody sees must stay: the answer is only for the one who pressed.
        """
        name = next(iter(text.split()), "")
        self._sender.send(
            name if name in READING else "?",
            requester,
            lambda: self._command.answer(text, requester, only_read=True),
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
            given = self._command.answer(f"show {wanted}", requester)
            if isinstance(given.view, TraceView) and given.view.trace.decision == "skip":
                return self._command.answer(f"why {given.view.trace.trace_id}", requester)
            return given

        self._sender.send("show", requester, view, respond)

    def raw(self, value: str, requester: Requester, respond: Respond) -> None:
        """Show all that is stored of a trace, as JSON; `value` is its id and maybe a page."""
        trace_id, _, page = value.partition(" ")

        def view() -> Answer:
            given = self._command.answer(f"show {trace_id}", requester)
            if not isinstance(given.view, TraceView):
                return given
            trace = given.view.trace
            title = f"Everything that is stored of {trace.trace_id}"
            shown = RawView(
                title=title,
                trace_id=trace.trace_id,
                text=json_output.render(given.view),
                page=int(page) if page.isdecimal() else 0,
            )
            return Answer(shown, given.note)

        self._sender.send("raw", requester, view, respond)

    def again(self, trace_id: str, requester: Requester, respond: Respond) -> None:
        """Ask the question of a trace again, in its thread and for the requester."""

        def view() -> Answer:
            given = self._command.answer(f"show {trace_id}", requester)
            if not isinstance(given.view, TraceView):
                return given
            if not given.view.can_be_asked_again:
                raise UsageError(OUT_OF_DATE)
            if problem := self._ask_again.ask_of(given.view.trace, requester.user):
                raise UsageError(problem)
            text = "It is being asked again: the reply will be in the thread of the question."
            return Answer(MessageView(text=text, found=True))

        self._sender.send("again", requester, view, respond)

    def change_issue(self, change: str, requester: Requester, respond: Respond) -> None:
        """Change an issue from its button. The list of issues is shown anew in its place.

        `change` is what follows the command `errors`: what to do, the id, and the list's filters.
        """

        def view() -> Answer:
            what, _, rest = change.partition(" ")
            issue, _, filters = rest.partition(" ")
            changed = self._command.answer(f"errors {what} {issue}", requester)
            if not (isinstance(changed.view, MessageView) and changed.view.found):
                return changed
            return self._command.answer(f"errors {filters}", requester, only_read=True)

        self._sender.send("errors", requester, view, respond, replace_original=True)

    def share(self, trace_id: str, requester: Requester, respond: Respond) -> None:
        """Post a trace in the channel or the thread, if everyone there may see it."""

        def view() -> Answer:
            sight = self._access.sight(requester.team, requester.user)
            found = traces_by_id(self._database, trace_id, audiences=sight.audiences)
            if len(found) != 1 or not sight.may_see(found[0]):
                return Answer(not_found(trace_id), sight.note)
            if not self._access.is_reader(requester.channel, sight):
                raise UsageError("Only those who are in a conversation can share a trace in it.")
            if not self._access.sight_in(requester.team, requester.channel).may_see(found[0]):
                return Answer(MessageView(text=NOT_FOR_EVERYONE))
            shown = self._command.answer(f"show {trace_id}", requester)
            shared = post_once(
                self._client,
                self._database,
                trace_id=found[0].trace_id,
                blocks=[block for block in render(shown.view) if block["type"] != "actions"],
                requester=requester,
            )
            return Answer(shared)

        self._sender.send("share", requester, view, respond)

    def stop(self, trace_id: str, requester: Requester, respond: Respond) -> None:
        """Cancel from the button of a running reply.

        Only a refusal is answered, because the reply itself shows that its agent was stopped.
        """
        self._sender.send(
            "cancel",
            requester,
            lambda: self._command.answer(f"cancel {trace_id}", requester),
            respond,
            only_refusals=True,
        )

    def forget(self, user: str, requester: Requester, respond: Respond) -> None:
        """Erase what `user` wrote. The button was in a question, which is replaced."""
        self._sender.send(
            "forget",
            requester,
            lambda: Answer(self._forget.confirmed(user, requester)),
            respond,
            replace_original=True,
        )
