"""Suggest what to ask: of the agents in the messages tab, and of the record on the Home tab.

Only questions that have an answer are suggested, from a person's own traces and from figures that
they may see.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from bot.agents.types import Agent
from reports.formatting import shortened
from reports.render.block_kit import RUN, Block, actions, button, header
from reports.views.statistics import StatsView
from reports.views.trace_list import TraceListView
from storage.model.filters import agents_of
from storage.model.span import FAILED_STATUSES

MOST_PROMPTS = 4
"""https://docs.slack.dev/reference/methods/assistant.threads.setSuggestedPrompts"""
TITLE, QUESTION = 60, 300
"""Characters of a prompt's title, and of a question that is suggested again: it must be whole."""

UNANSWERED = frozenset((*FAILED_STATUSES, "cancelled"))
FILE = {"title": "Summarise a file", "message": "Summarise the attached file."}

Prompt = dict[str, str]
"""The title that people see, and the message that they send by it."""


def prompts(latest: TraceListView, agents: Sequence[Agent]) -> list[Prompt]:
    """Return prompts for a person who may ask the *agents*, from their *latest* questions.

    Nothing is suggested to those who may ask nobody.
    """
    if not agents:
        return []
    names = [agent.name for agent in agents]
    found = [*_unanswered(latest, names), *map(_introduction, names), FILE]
    return found[:MOST_PROMPTS]


def _unanswered(latest: TraceListView, names: Sequence[str]) -> list[Prompt]:
    """Return the newest question if no agent answered it, so that it can be asked again."""
    for trace in latest.traces[:1]:
        agent, text = trace.agent or "", trace.text or ""
        is_whole = text and len(text) <= QUESTION
        if trace.status in UNANSWERED and is_whole and agent in names:
            named = text if agent.lower() in text.lower() else f"{agent}: {text}"
            return [{"title": shortened(f"Ask again: {text}", TITLE), "message": named}]
    return []


def _introduction(name: str) -> Prompt:
    return {"title": shortened(f"Ask {name}", TITLE), "message": f"{name}: what can you do?"}


def questions(week: StatsView, latest: TraceListView) -> list[Block]:
    """Return buttons with commands about a person's *latest* questions and the *week*."""
    total = week.statistics.total
    agents = Counter(name for trace in latest.traces for name in agents_of(trace.agent))
    asked: Iterable[tuple[str, str, object]] = (
        *_reasons(latest),
        ("What failed this week?", "errors --since 7d", total.errors),
        ("Which answers got 👎?", "ls feedback:down since:7d", total.thumbs_down),
        ("What took longest?", "slow --since 7d", total.traces),
        ("What did it cost?", "cost --since 7d", total.cost),
        *(
            (f"How is {name} doing?", f"stats agent:{name} --compare --since 7d", name)
            for name, _ in agents.most_common(1)
        ),
    )
    buttons = [
        button(shortened(label, TITLE), f"{RUN}_question_{place}", command)
        for place, (label, command, is_there) in enumerate(asked)
        if is_there
    ]
    return [header("Questions to ask"), *actions(*buttons)] if buttons else []


def _reasons(latest: TraceListView) -> list[tuple[str, str, bool]]:
    """Return the question why the newest question that has ended failed, if it did."""
    ended = [line for line in latest.lines if line.status != "running"]
    return [
        (f"Why did “{shortened(line.text or line.name, 30)}” fail?", f"show {line.trace_id}", True)
        for line in ended[:1]
        if line.status in FAILED_STATUSES
    ]
