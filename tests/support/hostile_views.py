"""Views of each kind, with any text and any number of lines."""

import re
import shlex
from dataclasses import replace
from datetime import date
from functools import partial

from reports.periods import HOUR_NS, period_before
from reports.render import json_output as as_json
from reports.views.alerts import alert_view, alerts_view
from reports.views.budgets import budgets_view, in_a_line
from reports.views.costs import costs_view
from reports.views.digest import Day, DigestFacts, Thread, digest_view
from reports.views.failures import failures_view
from reports.views.processes import processes_view
from reports.views.ratings import ratings
from reports.views.records import logs_view, metric_view
from reports.views.statistics import statistics_view
from reports.views.trace_list import Choice, Menu, thread_view, trace_line, trace_list_view
from reports.views.trace_tree import RawView, trace_view
from reports.views.views import View
from reports.views.why import why_view
from storage.coordination.alert_rules import AlertRule, AlertState
from storage.coordination.budgets import Budget
from storage.coordination.heartbeats import Heartbeat
from storage.coordination.issue_states import IssueState
from storage.model.records import Log, Metric, Score
from storage.model.semconv import EXECUTE_TOOL, REPLY, TOOL_ARGUMENTS, TOOL_NAME
from storage.model.span import Span
from storage.queries.digests import ThreadSum
from storage.queries.failures import FailedSpan
from storage.queries.figures import Figure, Figures
from storage.queries.issues import Issue
from storage.queries.spending import Spending
from storage.queries.statistics import Group, Statistics
from storage.queries.traces import Page, TraceSummary
from tests.support.factories import NOW, TEAM, THREAD

WHOLE = {f"{number:032x}": f"{number:032x}" for number in range(500)}
"""Ids of which none can be shortened."""


HOSTILE = (
    "&" * 400,
    '"' * 400,
    '<a class="b">&nbsp;</a>\n' * 30,
    "```" * 100,
    "<!channel> <@U1> *x* _y_",
    "a\nb\tc",
    "𝔘" * 300,
    "\x1b[31mred\a",
)


PLACE = {
    "platform": "slack",
    "message_ts": "1763999404.000900",
    "thread_ts": THREAD,
    "thumbs_up": 12,
    "thumbs_down": 3,
}


def trace(text: str = "why?", *, number: int = 0, **changes: object) -> TraceSummary:
    known = dict.fromkeys(TraceSummary.__dataclass_fields__)
    known |= {"trace_id": f"{number:032x}", "name": text, "status": "error", "text": text}
    known |= {"started_at": NOW, "span_count": 3, "error_count": 1, "error_message": text}
    return TraceSummary(**{**known, "agent": text, "channel": "C1", **PLACE, **changes})  # type: ignore[arg-type]


line_of = partial(trace_line, now=NOW, workspace="https://acme.slack.com/")


def span(text: str, number: int) -> Span:
    parent = f"{number - 1:016x}" if number else None
    return Span(
        trace_id="0" * 32,
        span_id=f"{number:016x}",
        parent_id=parent,
        name=text,
        status="error",
        started_at=NOW + number,
        ended_at=NOW + number + 1,
        duration_ns=1,
        model=text,
        error_type="crash",
        error_message=text,
        attributes={"mode": text},
    )


def a_list(text: str, count: int) -> View:
    traces = [trace(text, number=number) for number in range(count)]
    again = shlex.join(["ls", text])
    choices = tuple(
        Choice(text, f"ls {'x' * 130} {number}", number == count - 1) for number in range(count)
    )
    return trace_list_view(
        traces,
        line_of,
        next="1-a",
        previous="newer-1-a",
        again=again,
        filters=text,
        menus=tuple(Menu(name, choices) for name in ("agent", "status", "period") if count),
    )


def a_thread(text: str, count: int) -> View:
    turns = tuple(trace(text, number=number) for number in range(count))
    return thread_view(Page(turns, "1-a", "newer-1-a"), line_of, turns=count, again="thread C1 1.1")


def a_tree(text: str, count: int) -> View:
    # An agent failed with its last words, and three others answered.
    attempt = replace(span(text, 1_000), configured_provider="claude", agent=text)
    attempt.attributes["process.stderr"] = f"{text}\n" * 10
    tool = {TOOL_NAME: text, TOOL_ARGUMENTS: text, "status": "error"}
    calls = [{"name": EXECUTE_TOOL, "at": NOW, "attributes": tool}] * 30
    reply = replace(span(text, 2_000), name=REPLY, text=text, agent=text)
    spans = [
        *(replace(attempt, span_id=f"{2_000 + number:016x}", events=calls) for number in range(2)),
        *(replace(reply, span_id=f"{3_000 + number:016x}") for number in range(3)),
        *(span(text, number) for number in range(count)),
    ]
    view = trace_view(trace(text), spans, now=NOW, asker=text)
    scores = tuple(
        Score(
            trace_id="0" * 32,
            name=("user_feedback", text)[number % 2],
            user=text,
            value=0.0,
            label=text,
            recorded_at=NOW,
            text=text,
        )
        for number in range(count)
    )
    return replace(view, scores=scores, ratings=ratings(scores, lambda by, key: key))


def counted(key: str) -> Group:
    return Group(
        key=key,
        traces=10**9,
        errors=10**8,
        p50_ns=1e13,
        p95_ns=1e13,
        p99_ns=1e13,
        input_tokens=10**12,
        output_tokens=10**12,
        cached_tokens=0,
        cost=10**12,
    )


def some_statistics(text: str, count: int) -> View:
    groups = tuple(counted(f"{text}{number}") for number in range(count))
    keys = [f"provider:{text}{number}:model:{text}" for number in range(count)]
    measured = [Figure(key=key, count=10**9, share=1.0) for key in keys]
    return statistics_view(
        Statistics(0, NOW, counted(""), groups),
        by="provider",
        time_zone="Europe/Berlin",
        figures=Figures("provider", 0, tuple(measured)),
    )


def statistics_of_one(text: str, count: int) -> View:
    """Statistics of one provider, with a chart of their hours and figures of its models."""
    hours = tuple(counted(str(NOW - NOW % HOUR_NS - hour * HOUR_NS)) for hour in range(count))
    keys = [f"provider:{text}:model:{text}{number}" for number in range(count)]
    measured = [Figure(key=key, count=10**9, p50=1e13, p95=1e13, share=1.0) for key in keys]
    return statistics_view(
        Statistics(0, NOW, counted(""), ()),
        by=None,
        time_zone="Europe/Berlin",
        only=("provider", text),
        over_time=("hour", Statistics(0, NOW, counted(""), hours)),
        figures=Figures("provider", 0, tuple(measured)),
    )


def cost(text: str, count: int) -> View:
    def group(key: str, price: int | None) -> Group:
        counts = dict.fromkeys(("traces", "errors", "input_tokens", "output_tokens"), 10**12)
        times = dict.fromkeys(("p50_ns", "p95_ns", "p99_ns"), 1e13)
        return Group(key=key, **counts, **times, cached_tokens=10**12, cost=price)  # type: ignore[arg-type]

    groups = tuple(group(f"{text}{number}", (None, 10**12)[number % 2]) for number in range(count))
    found = Statistics(0, NOW, group("", 10**12), groups)
    return costs_view(found, found, period="7d")


def failed(text: str, count: int) -> View:
    spans = [
        FailedSpan(
            trace_id=f"{number:032x}",
            name=text,
            team="T1",
            agent=text,
            status="error",
            started_at=NOW,
            error_type=f"{text}{number}",
            error_message=text,
        )
        for number in range(count)
    ]
    states = (None, IssueState("resolved", text, NOW), IssueState("muted", None, NOW))
    found = [
        Issue(
            id=each.issue,
            error_type=str(each.error_type),
            agent=each.agent,
            latest=each,
            starts=(NOW,) * (number + 1),
            count=10**9,
            first_seen=0,
            changed=states[number % 3],
            back_since=NOW if number % 4 == 1 else None,
        )
        for number, each in enumerate(spans)
    ]
    return failures_view(
        found,
        since=NOW - 3_600 * 10**9,
        now=NOW,
        period="1h",
        all_of_them=False,
        short_ids=WHOLE,
        again=text,
    )


def a_decision(text: str, count: int) -> View:
    refused = [f"{text}: guest_may_not_ask"] * count
    decided = replace(span(text, 0), reason="person_not_allowed", decision="skip")
    decided.attributes.update(active_speaker=text, refused=refused)
    view = why_view(trace(text), [decided], trace_line(trace(text), now=NOW))
    assert view is not None
    return view


def some_logs(text: str, count: int) -> View:
    logs = [
        Log(
            level=(text, "error")[number % 2],
            message=text,
            attributes={text: text},
            recorded_at=NOW,
            trace_id=f"{number:032x}",
            span_id=None,
        )
        for number in range(count)
    ]
    return logs_view(
        logs, since=0, now=NOW, period="7d", time_zone="Europe/Berlin", short_ids=WHOLE
    )


def a_metric(text: str, count: int) -> View:
    values = [
        Metric(
            name=text,
            value=(-1e300, 1e300, 0.1)[number % 3],
            labels={text: f"{text}{number}"},
            recorded_at=NOW - number * 10**12,
            trace_id=None,
            span_id=None,
        )
        for number in range(count)
    ]
    return metric_view(
        text, values, since=0, now=NOW, period="7d", time_zone="Europe/Berlin", limit=count
    )


def some_budgets(text: str, count: int) -> View:
    return budgets_view(spent_of(text, count), name_of=lambda by, key: key, now=NOW)


def spent_of(text: str, count: int) -> list[Spending]:
    budget = Budget(
        id="3f2a1b",
        dimension="agent",
        key=text,
        period="month",
        soft=10**15,
        hard=10**15,
        created_by="U1",
        created_at=0,
    )
    return [Spending(budget, NOW, NOW + 1, number * 10**14, 0) for number in range(count)]


def some_processes(text: str, count: int) -> View:
    heartbeat = Heartbeat(
        process=f"{text.replace(':', '')}:4711:1:1",
        team=TEAM,
        version=text,
        mode="socket",
        state="not connected",
        problem=text,
    )
    return processes_view([heartbeat] * count, {}, now=NOW)


def an_alert(text: str, count: int) -> View:
    rule, state = alert_rule(text), AlertState(rule_id="a1b2", told="alert", value=0.5)
    return alert_view(rule, state, now=NOW, name_of=lambda by, key: text)


def some_alerts(text: str, count: int) -> View:
    state = AlertState(rule_id="a1b2", level="warning", value=0.5, acknowledged_by=text)
    return alerts_view([(alert_rule(text), state)] * count, now=NOW)


def red_alerts(text: str, count: int) -> View:
    state = AlertState(rule_id="a1b2", level="alert", value=0.5)
    return alerts_view([(alert_rule(text), state)] * count, now=NOW)


def alert_rule(text: str) -> AlertRule:
    agent = re.sub(r"\s", "", text) or "claude"  # A rule is words with a space between them.
    condition = f"error_rate>20% agent:{agent} over:1h"
    return AlertRule(
        id="a1b2", team=TEAM, channel=text, condition=condition, created_by=text, created_at=NOW
    )


def a_digest(text: str, count: int) -> View:
    def group(key: str) -> Group:
        counts = ("traces", "errors", "input_tokens", "output_tokens", "cached_tokens", "cost")
        times = dict.fromkeys(("p50_ns", "p95_ns", "p99_ns"), 1e13)
        rated = {"thumbs_up": 10**9, "thumbs_down": 10**9}
        return Group(key=key, **dict.fromkeys(counts, 10**12), **times, **rated)  # type: ignore[arg-type]

    total = group("")
    groups = tuple(group(f"{text}{number}") for number in range(count))
    found = Statistics(0, NOW, total, groups)
    first = trace(text)
    sums = ThreadSum(channel="C0A", thread_ts=THREAD, turns=10**6, cost=10**12, slowest_ns=10**13)
    threads = (Thread(sums=sums, first=first),) * min(count, 3)
    facts = DigestFacts(
        agents=found,
        before=total,
        usual=replace(total, traces=1),
        days=tuple(Day(label=f"Wed {day}", traces=10**9, errors=10**9) for day in range(14)),
        decisions=found,
        silent_agents=((text, 10**9),) * count,
        silent_platforms=((text, 10**9),) * count,
        issues=failed(text, count).failures,  # type: ignore[union-attr]
        failed=(first,) * min(count, 3),
        dearest=threads,
        slowest=threads,
        dropped=10**9,
        problems=("✗ Disk free: free disk space",) * 3,
        budgets=tuple(in_a_line(spent, now=NOW) for spent in spent_of(text, 3)),
    )
    return digest_view(
        facts,
        period_before(date(2026, 9, 17), days="daily", time_zone="UTC"),
        now=NOW,
        short_ids=WHOLE,
        workspace="https://acme.slack.com/",
        channel_only=True,
        subscribed="C0A",
    )


def raw_spans(text: str, count: int) -> View:
    found = a_tree(text, count)
    return RawView(title="Raw", trace_id="0" * 32, text=as_json.render(found), page=count % 3)


MAKERS = (
    raw_spans,
    *(a_list, a_thread, a_tree, some_statistics, cost, failed, a_decision),
    *(some_logs, a_metric, some_budgets, some_processes, an_alert, some_alerts, red_alerts),
    *(statistics_of_one, a_digest),
)
