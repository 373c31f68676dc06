"""Draw the parts of the Home tab. Whatever they show was checked for its reader before."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from bot.agents.config.status import who_may_ask
from bot.agents.types import Agent
from bot.turns.decision import Reason
from bot.turns.permission import Permission
from reports.formatting import reason
from reports.render.block_kit import (
    DIGEST_CHANGE,
    DIGEST_OFF,
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
from reports.render.slack.alerts import ADD, alert_lines
from reports.render.slack.trace_list import trace_lines
from reports.views.alerts import AlertsView
from reports.views.budgets import BudgetsView
from reports.views.messages import schedule
from reports.views.statistics import StatsView
from reports.views.trace_list import TraceListView
from storage.coordination.digest_subscriptions import Subscription

Part = list[Block]

DIVIDER: Block = {"type": "divider"}
MOST_LINES = 5
"""How many traces a part of the tab lists."""
MOST_RULES = 8
"""How many budgets, and how many alerts, are listed."""
MOST_AGENTS = 20
"""How many agents are listed. A Home tab holds 100 blocks."""


def running(view: TraceListView) -> Part:
    """List what runs. Each line has a button that stops it."""
    if not view.lines:
        return [header("Running now"), context("Nothing is running.")]
    lines = trace_lines(view.lines[:MOST_LINES], kind="ps")
    # How many run is not known: only so many were read.
    more = context(f"Only the first {MOST_LINES} are shown: type /trace ps in a channel.")
    return [header("Running now"), *lines, *([more] if len(view.lines) > MOST_LINES else [])]


def latest(view: TraceListView, user: str) -> Part:
    """List what a person asked last, without what still runs. Each line has a button *Show*."""
    ended = [line for line in view.lines if line.status != "running"]
    if not ended:
        hint = "Ask an agent: mention me in a channel, or write to me under Messages."
        return [header("Your latest"), context(hint)]
    more = button("More", f"{RUN}_mine", f"ls user:{user}")
    return [header("Your latest"), *trace_lines(ended[:MOST_LINES]), *actions(more)]


def week(view: StatsView) -> Part:
    """Compare the figures of the last 7 days with those of the 7 before, and chart the days."""
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
    more = button("By agent", f"{RUN}_by_agent", "stats --by agent --compare --since 7d")
    compared = {"type": "section", "fields": fields}
    title = header("The last 7 days, compared with the 7 before")
    return [title, compared, *charts, *actions(more)]


def _changed(change: str) -> str:
    return f"  _{escape(change)}_" if change else ""


def budgets(view: BudgetsView) -> Part:
    """List the budgets that a person may know of; nothing if there are none."""
    shown = replace(view, lines=view.lines[:MOST_RULES])
    return [*render(shown), *_more(len(view.lines), MOST_RULES, "budget")] if view.lines else []


def alerts(view: AlertsView) -> Part:
    """List the alerts that a person may know of, with their buttons, and one that adds one."""
    if not view.lines:
        return [header("Alerts"), context(escape(view.empty)), *ADD]
    lines = chain.from_iterable(alert_lines(view.lines[:MOST_RULES]))
    return [header("Alerts"), *lines, *_more(len(view.lines), MOST_RULES, "alerts"), *ADD]


def _more(count: int, shown: int, command: str) -> Part:
    """Say how many of so many lines are not shown, and which command lists them."""
    hidden = count - shown
    return [context(f"{hidden} more: type /trace {command} in a channel.")] if hidden > 0 else []


def digests(found: Sequence[Subscription]) -> Part:
    """List the digests of somebody's conversations, with buttons that change and end them."""
    if not found:
        hint = "No conversation of yours gets a digest. Type /trace digest here at 09:00 in one."
        return [header("Digests"), context(hint)]
    lines = [block for n, each in enumerate(found[:MOST_LINES]) for block in _digest(n, each)]
    hidden = len(found) - MOST_LINES
    more = [context(f"{hidden} more: their own buttons change them.")] if hidden > 0 else []
    return [header("Digests"), *lines, *more]


def _digest(place: int, subscription: Subscription) -> Part:
    channel = subscription.channel
    where = "Your direct messages" if channel.startswith("D") else f"<#{channel}>"
    quiet = ", if anything happened" if subscription.quiet == "silence" else ""
    return [
        section(f"{where}: {escape(schedule(subscription))}{quiet}"),
        *actions(
            button("Change", f"{DIGEST_CHANGE}_{place}", channel),
            button("Off", f"{DIGEST_OFF}_{place}", channel),
        ),
    ]


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
