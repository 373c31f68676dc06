"""Draw the parts of the Home tab. Whatever they show was checked for its reader before."""

from collections.abc import Iterable

from bot.agents.config.status import who_may_ask
from bot.agents.types import Agent
from bot.turns.decision import Reason
from bot.turns.permission import Permission
from reports.formatting import reason
from reports.render.block_kit import (
    RUN,
    Block,
    actions,
    button,
    context,
    escape,
    header,
    section,
)
from reports.render.slack import render
from reports.render.slack.trace_list import trace_lines
from reports.views.statistics import StatsView
from reports.views.trace_list import TraceListView

Part = list[Block]

DIVIDER: Block = {"type": "divider"}
MOST_LINES = 5
"""How many traces a part of the tab lists."""
MOST_AGENTS = 20
"""How many agents are listed. A Home tab holds 100 blocks."""


def running(view: TraceListView) -> Part:
    """List what runs. Each line has a button that stops it."""
    if not view.lines:
        return [header("Running now"), context("Nothing is running.")]
    shown, hidden = view.lines[:MOST_LINES], len(view.lines) - MOST_LINES
    more = [context(f"{hidden} more: type /trace ps in a channel.")] if hidden > 0 else []
    return [header("Running now"), *trace_lines(shown, kind="ps"), *more]


def latest(view: TraceListView, user: str) -> Part:
    """List what a person asked last, without what still runs. Each line has a button *Show*."""
    ended = [line for line in view.lines if line.status != "running"]
    if not ended:
        hint = "Ask an agent: mention me in a channel, or write to me under Messages."
        return [header("Your latest"), context(hint)]
    more = button("More", f"{RUN}_mine", f"ls user:{user}")
    return [header("Your latest"), *trace_lines(ended[:MOST_LINES]), *actions(more)]


def week(view: StatsView) -> Part:
    """Compare the figures of this week with those of last week, and chart its days."""
    total, change = view.total, view.total.change
    figures = [
        ("Traces", total.traces, change.traces),
        ("Failed", f"{total.errors} ({total.error_rate})", change.errors),
        ("95% within", total.p95, change.p95),
        ("Cost", total.cost, change.cost),
    ]
    if total.is_rated:
        up, down = total.thumbs_up or "0", total.thumbs_down or "0"
        thumbs = f"👍 {up}{_changed(change.thumbs_up)}  👎 {down}"
        figures.append(("Feedback", thumbs, change.thumbs_down))
    fields = [
        {"type": "mrkdwn", "text": f"*{name}*\n{value}{_changed(new)}"}
        for name, value, new in figures
    ]
    charts = [block for block in render(view) if block["type"] == "data_visualization"]
    more = [
        button("By agent", f"{RUN}_by_agent", "stats --by agent --compare --since 7d"),
        button("Issues", f"{RUN}_issues", "errors --since 7d"),
    ]
    compared = {"type": "section", "fields": fields}
    return [header("This week, compared with last week"), compared, *charts, *actions(*more)]


def _changed(change: str) -> str:
    return f"  _{escape(change)}_" if change else ""


def may_ask(agents: Iterable[Agent], user: str, permission: Permission) -> Part:
    """Return a line for each agent: for full members its whole rule, for others only theirs."""
    lines = [header("Agents, and who may ask them")]
    is_member = permission.is_member(user)
    for agent in list(agents)[:MOST_AGENTS]:
        refusal = permission.person_refusal(agent, user)
        if refusal is None and not is_member:
            told = "you"
        elif refusal in (None, Reason.PERSON_NOT_ALLOWED) and is_member:
            told = who_may_ask(agent, name=_mention) + (" (not you)" if refusal else "")
        else:
            told = f"not you, because {reason(refusal)}"
        lines.append(section(f"*{escape(agent.name)}* ({agent.mode}): {told}"))
    return lines


def _mention(identity: str) -> str:
    """Return what Slack shows as a name; of a private channel only to its members."""
    if identity.startswith("S"):
        return f"<!subteam^{identity}>"
    return f"<@{identity}>" if identity[0] in "UW" else f"<#{identity}>"
