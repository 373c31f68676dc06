"""Buttons below the words of a reply."""

from collections.abc import Sequence
from dataclasses import dataclass

from reports import formatting
from reports.render.block_kit import SHOW, Block, button

TRY_AGAIN, TRY_ANOTHER = "turn_try_again", "turn_try_another"
"""The action ids of the button, and of the menu of other agents."""

MOST_OPTIONS, LONGEST_OPTION, LONGEST_VALUE = 100, 75, 150
"""Slack's limits of a menu: its options, and the characters of their texts and values."""

ASK_ANYWAY, RAISE_BUDGET = "turn_ask_anyway", "budget_raise"
"""The action ids of the buttons of a question that a budget holds back."""

UNTOLD = "-"
"""Stands in the value of *Raise* for a limit that not all readers may know."""

FEEDBACK = "reply_feedback"
"""The action id of the thumbs below an answer."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An agent to ask again: the trace of the turn that failed, and the `ts` of its question."""

    trace_id: str
    message_ts: str
    agent: str

    @property
    def value(self) -> str:
        """Return it as the value of a button or an option."""
        return f"{self.trace_id} {self.message_ts} {self.agent}"

    @classmethod
    def read(cls, value: str) -> "Attempt":
        """Return what `value` returned. Raises `ValueError` if it did not."""
        trace_id, message_ts, agent = value.split(" ", 2)
        return cls(trace_id, message_ts, agent)


def failure_buttons(failed: Attempt, others: Sequence[str]) -> Block:
    """Return *Show trace*, *Try again*, and a menu of the *others* if there are any."""
    options = []
    for agent in others:
        value = Attempt(failed.trace_id, failed.message_ts, agent).value
        if agent != failed.agent and len(value) <= LONGEST_VALUE:
            text = {"type": "plain_text", "text": agent[:LONGEST_OPTION]}
            options.append({"text": text, "value": value})
    menu = {
        "type": "static_select",
        "action_id": TRY_ANOTHER,
        "placeholder": {"type": "plain_text", "text": "Ask another agent"},
        "options": options[:MOST_OPTIONS],
    }
    return {
        "type": "actions",
        "elements": [
            button("Show trace", SHOW, failed.trace_id),
            button("Try again", TRY_AGAIN, failed.value),
            *([menu] if options else []),
        ],
    }


def suspended_buttons(
    suspended: Attempt, *, cheaper: str | None, budget: str, raised: int, amounts: bool
) -> Block:
    """Return *Ask anyway*, *Use CHEAPER* if there is such an agent, and *Raise to …* for admins.

    The value of the last one is the budget's id, the new limit in micro-dollars, and the attempt.
    Without *amounts* neither the label nor the value tells the limit: all who can read a message
    can read the values of its buttons.
    """
    use = []
    if cheaper is not None:
        other = Attempt(suspended.trace_id, suspended.message_ts, cheaper)
        use = [button(f"Use {cheaper}"[:LONGEST_OPTION], TRY_AGAIN, other.value)]
    limit = f"Raise to {formatting.cost(raised)}" if amounts else "Raise the budget"
    amount = raised if amounts else UNTOLD
    return {
        "type": "actions",
        "elements": [
            button("Ask anyway", ASK_ANYWAY, suspended.value),
            *use,
            button(limit, RAISE_BUDGET, f"{budget} {amount} {suspended.value}"),
        ],
    }


def feedback_buttons(trace_id: str) -> Block:
    """Return the two thumbs of an answer. Their values tell the thumb and the trace."""

    def thumb(name: str, label: str) -> Block:
        return {
            "text": {"type": "plain_text", "text": label},
            "value": f"{name} {trace_id}",
            "accessibility_label": label,
        }

    buttons = {
        "type": "feedback_buttons",
        "action_id": FEEDBACK,
        "positive_button": thumb("+1", "Good answer"),
        "negative_button": thumb("-1", "Bad answer"),
    }
    return {"type": "context_actions", "elements": [buttons]}
