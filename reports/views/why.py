"""Explain why a message was answered or not: the rule that held, and how to get an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reports import formatting
from reports.views.trace_list import TraceLine
from storage.model.span import Span
from storage.queries.traces import TraceSummary

RULES: tuple[tuple[str, frozenset[str]], ...] = (
    (
        "It is empty, a copy, an edit or a bot's",
        frozenset(
            (
                *("handled_elsewhere", "own_message", "bot_message", "not_a_message"),
                *("mention_by_edit", "empty"),
            )
        ),
    ),
    ("Somebody pressed Try again or Ask anyway", frozenset(("asked_again",))),
    ("The bot is mentioned", frozenset(("mentioned",))),
    ("Another bot is mentioned", frozenset(("other_bot_mentioned",))),
    ("It is a direct message", frozenset(("direct_message",))),
    ("It is outside of a thread", frozenset(("not_mentioned",))),
    ("The bot answers only mentions", frozenset(("mention_only",))),
    ("Its thread cannot be read", frozenset(("thread_unreadable",))),
    ("No agent has answered in its thread", frozenset(("no_active_speaker",))),
    ("This bot spoke last in its thread", frozenset(("active_speaker",))),
    ("Another agent spoke last in its thread", frozenset(("other_agent_active",))),
)
"""The rules of `bot.turns.decision` in their order, with the reasons of each: the first holds."""

BUDGETS = frozenset(("budget_suspended", "budget_spent"))
BUDGET = "It would be answered, but a budget is used up"
"""The rule behind the reasons in `BUDGETS`."""

GONE = "It would be answered, but its agent has left the agents file"
"""The rule behind `agent_gone`."""

PERMISSION = "It would be answered, but its author may not ask the agent here"
"""The rule behind all other reasons."""

INSTEAD: Mapping[str, str] = {
    "own_message": "Nothing: the bot never answers itself.",
    "bot_message": (
        "A person has to write it. A workflow may ask with a mention, if the agent's rule has "
        "workflows = true."
    ),
    "not_a_message": "Write a new message with the question.",
    "empty": "Write the question beside the mention.",
    "other_bot_mentioned": "Mention this bot, too.",
    "mention_only": "Mention the bot, or unset TRACEBOT_MENTION_ONLY.",
    "other_agent_active": "Mention this bot: then it answers, and goes on in the thread.",
    "no_active_speaker": (
        "Mention the bot once in the thread: then it goes on without a mention. A file without "
        "words always needs one."
    ),
    "thread_unreadable": "Ask again. If it stays so, tracebot doctor says which scope is missing.",
    "not_mentioned": "Mention the bot, or write to it directly.",
    "mention_by_edit": "Write a new message with the mention, or set TRACEBOT_ANSWER_EDITS.",
    "handled_elsewhere": "Nothing: the trace of that process has the answer.",
    "agent_gone": "Ask another agent in a message.",
    "asker_unknown": "Ask again: Slack did not say who the author is.",
    "guest_may_not_ask": "The agent's rule has to allow it: guests = true, or the guest's id.",
    "stranger_may_not_ask": (
        "The agent's rule has to allow it: strangers = true, or the person's id."
    ),
    "only_bots_talk": "A person has to write in the thread.",
    "workflow_may_not_ask": (
        "The agent's rule has to allow it: workflows = true, or the workflow's bot id."
    ),
    "person_not_allowed": "The agent's rule has to name the author in people or groups.",
    "channel_not_allowed": "Ask in one of the agent's channels, or add this one to its rule.",
    "shared_channel_not_allowed": (
        "Ask in a channel of full members only, or allow it: shared_channels = true."
    ),
    "readers_unknown": "Ask again: Slack did not say who can read the channel.",
    "budget_suspended": (
        "Press Ask anyway below the bot's note, ask a cheaper agent, or let an admin raise the "
        "budget: `budget` lists them."
    ),
    "budget_spent": (
        "Ask another agent, wait until the budget's next period, or let an admin raise it: "
        "`budget` lists them."
    ),
}
"""How to get an answer, by the reason why there was none."""

CHOSEN: Mapping[str, str] = {
    "named": "the message names it",
    "spoke_last": "it spoke last in the thread",
    "channel": "it is the agent of this channel",
    "default": "it is the default agent",
    "asked_again": "the button was for it",
}
"""Why an agent was chosen, by `chosen_by` of the decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyView:
    """The decision on one message. `rules` end with the one that held.

    `reason` and `trace` are raw values.
    """

    title: str
    line: TraceLine
    rules: tuple[str, ...]
    instead: str
    """How to get an answer, or "" if there was one."""
    facts: tuple[str, ...]
    """Sentences: who spoke last, which agents were asked and refused, and why."""
    reason: str
    trace: TraceSummary


def why_view(trace: TraceSummary, spans: Sequence[Span], line: TraceLine) -> WhyView | None:
    """Return the view of a trace and its line; None if no decision is recorded in it."""
    decided = next((span for span in spans if span.reason), None)
    if decided is None or decided.reason is None:
        return None
    reason = decided.reason
    verb = "Answered" if decided.decision == "answer" else "Not answered"
    return WhyView(
        title=f"{verb} because {formatting.reason(reason)}",
        # The title says why it was skipped.
        line=replace(line, note="") if line.status == "skipped" else line,
        rules=_rules(reason),
        instead=INSTEAD.get(reason, ""),
        facts=tuple(_facts(decided)),
        reason=reason,
        trace=trace,
    )


def _rules(reason: str) -> tuple[str, ...]:
    for number, (_, reasons) in enumerate(RULES, 1):
        if reason in reasons:
            return tuple(text for text, _ in RULES[:number])
    if reason == "agent_gone":
        return (GONE,)
    return (BUDGET if reason in BUDGETS else PERMISSION,)


def _facts(decided: Span) -> list[str]:
    facts = []
    if speaker := decided.attributes.get("active_speaker"):
        facts.append(f"{formatting.plain(str(speaker))} spoke last in the thread.")
    if chosen := CHOSEN.get(str(decided.attributes.get("chosen_by"))):
        facts += [
            f"{formatting.plain(agent)} was asked, because {chosen}."
            for agent in _listed(decided, "agents")
        ]
    for each in _listed(decided, "refused"):
        agent, _, reason = each.partition(": ")
        facts.append(
            f"{formatting.plain(agent)} was not asked, because {formatting.reason(reason)}."
        )
    return facts


def _listed(span: Span, attribute: str) -> list[str]:
    values = span.attributes.get(attribute)
    return [str(value) for value in values] if isinstance(values, list | tuple) else []
