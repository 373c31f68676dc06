"""Answer the buttons below digests, and the form that changes when they come."""

from dataclasses import replace

from bot.trace_ui.answers import Answer, AnswerSender, Respond
from bot.trace_ui.digest_form import digest_form
from bot.trace_ui.digest_settings import DigestSettings
from bot.trace_ui.requester import Requester
from reports.digest.order import Order
from reports.views.messages import MessageView


class DigestButtons:
    """Answer the buttons of digests. `DigestSettings` checks what their user may do."""

    def __init__(self, settings: DigestSettings, sender: AnswerSender) -> None:
        self._settings = settings
        self._sender = sender

    def off(self, channel: str, requester: Requester, respond: Respond) -> None:
        """End the digest of a channel. The button is below a digest, which stays."""
        here = replace(requester, channel=channel)
        self._sender.send("digest", requester, lambda: self._changed(Order("off"), here), respond)

    def form(self, channel: str, requester: Requester, respond: Respond) -> None:
        """Show the form that changes the digest of a channel."""
        here = replace(requester, channel=channel)

        def view() -> Answer:
            self._settings.check(here)
            form = digest_form(self._settings.current(here))
            text = "Slack opened no form. Type /trace digest here weekdays at 09:00 instead."
            return Answer(MessageView(text=text), form=form)

        self._sender.send("digest", requester, view, respond)

    def submitted(self, order: Order, requester: Requester) -> None:
        """Change the digest of the channel that the form was opened for, and say so there."""
        self._sender.send_for_form("digest", requester, lambda: self._changed(order, requester))

    def _changed(self, order: Order, requester: Requester) -> Answer:
        self._settings.check(requester)
        return Answer(self._settings.change(order, requester))
