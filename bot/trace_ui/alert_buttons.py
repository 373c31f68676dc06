"""Answer the buttons below alerts, and the form that adds one."""

from bot.trace_ui.alert_form import alert_form
from bot.trace_ui.alerts import AlertOrders
from bot.trace_ui.answers import Answer, AnswerSender, Respond
from bot.trace_ui.requester import Requester
from reports.alerts.grammar import EXAMPLE
from reports.views.messages import MessageView


class AlertButtons:
    """Answer the buttons of alerts. `AlertOrders` checks what their user may do."""

    def __init__(self, alerts: AlertOrders, sender: AnswerSender) -> None:
        self._alerts = alerts
        self._sender = sender

    def acknowledge(
        self, rule_id: str, requester: Requester, respond: Respond, *, only_refusals: bool
    ) -> None:
        """Note that somebody looks after an alert, which its message then shows."""
        self._sender.send(
            "alerts",
            requester,
            lambda: Answer(self._alerts.acknowledge(rule_id, requester)),
            respond,
            only_refusals=only_refusals,
        )

    def snooze(
        self, rule_id: str, requester: Requester, respond: Respond, *, only_refusals: bool
    ) -> None:
        """Silence an alert, which its message then shows."""
        self._sender.send(
            "alerts",
            requester,
            lambda: Answer(self._alerts.snooze(rule_id, requester)),
            respond,
            only_refusals=only_refusals,
        )

    def form(self, requester: Requester, respond: Respond) -> None:
        """Show the form that adds an alert where its button is; on the Home tab in any channel."""

        def view() -> Answer:
            if requester.channel:
                self._alerts.check(requester)
            text = f"Slack opened no form. Type /trace alerts add {EXAMPLE} instead."
            return Answer(MessageView(text=text), form=alert_form(requester.channel))

        self._sender.send("alerts", requester, view, respond)

    def submitted(self, words: list[str], requester: Requester) -> None:
        """Add the alert of a form in the channel that it was opened in or names, and say so."""
        self._sender.send_for_form(
            "alerts", requester, lambda: Answer(self._alerts.obey(["add", *words], requester))
        )
