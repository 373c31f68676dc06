"""Each view in Slack, on a terminal and as JSON, within every limit and for any text."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.jobs.digests import Digests
from bot.sandbox.blocks.validate import violations
from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.periods import period_before
from reports.render import json_output as as_json
from reports.render import slack, terminal, tsv
from reports.render.block_kit import escape
from reports.render.html import page
from reports.render.slack.plain import plain
from reports.views.alerts import alert_view, alerts_view
from reports.views.budgets import budgets_view, in_a_line
from reports.views.costs import costs_view
from reports.views.digest import Day, DigestFacts, DigestView, Thread, digest_view
from reports.views.failures import failures_view
from reports.views.health import health_view
from reports.views.processes import processes_view
from reports.views.ratings import ratings
from reports.views.records import logs_view, metric_view
from reports.views.statistics import statistics_view
from reports.views.trace_list import Choice, Menu, thread_view, trace_line, trace_list_view
from reports.views.trace_tree import RawView, trace_view
from reports.views.views import View
from reports.views.why import why_view
from storage import Observability
from storage.coordination.alert_rules import AlertRule, AlertState
from storage.coordination.budgets import Budget
from storage.coordination.heartbeats import Heartbeat
from storage.coordination.issue_states import IssueState
from storage.database.shared_file import SharedDatabase
from storage.health import health
from storage.model.records import Log, Metric, Score
from storage.model.span import Span
from storage.queries.digests import ThreadSum
from storage.queries.failures import FailedSpan, Issue
from storage.queries.figures import Figure, Figures
from storage.queries.spending import Spending
from storage.queries.statistics import Group, Statistics
from storage.queries.traces import Page, TraceSummary, recent_traces
from tests.support.factories import NOW, TEAM, THREAD, FixedSight, record_an_hour

PARSER, _ = build_parser(prog="tracebot", shell=True)
MOST = 13_000
"""Characters of a message's blocks."""

WHOLE = {f"{number:032x}": f"{number:032x}" for number in range(500)}
"""Ids of which none can be shortened."""

HOSTILE = (
    "&" * 400,
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
    view = trace_view(trace(text), [span(text, number) for number in range(count)], now=NOW)
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


def some_statistics(text: str, count: int) -> View:
    def group(key: str) -> Group:
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

    groups = tuple(group(f"{text}{number}") for number in range(count))
    keys = [f"provider:{text}{number}:model:{text}" for number in range(count)]
    measured = [Figure(key=key, count=10**9, share=1.0) for key in keys]
    return statistics_view(
        Statistics(0, NOW, group(""), groups),
        by="provider",
        time_zone="Europe/Berlin",
        figures=Figures("provider", 0, tuple(measured)),
    )


def cost(text: str, count: int) -> View:
    def group(key: str, price: int | None) -> Group:
        counts = dict.fromkeys(("traces", "errors", "input_tokens", "output_tokens"), 10**12)
        times = dict.fromkeys(("p50_ns", "p95_ns", "p99_ns"), 1e13)
        return Group(key=key, **counts, **times, cached_tokens=10**12, cost=price)  # type: ignore[arg-type]

    groups = tuple(group(f"{text}{number}", (None, 10**12)[number % 2]) for number in range(count))
    found = Statistics(0, NOW, group("", 10**12), groups)
    return costs_view(found, found)


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
        found, since=NOW - 3_600 * 10**9, now=NOW, all_of_them=False, short_ids=WHOLE, again=text
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
    return logs_view(logs, since=0, now=NOW, time_zone="Europe/Berlin", short_ids=WHOLE)


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
    *(some_logs, a_metric, some_budgets, some_processes, an_alert, some_alerts, a_digest),
)


def checked(blocks: Sequence[slack.Block]) -> str:
    """Check that Slack accepts the blocks, and return their text."""
    assert violations(list(blocks), "message") == []
    # As Slack receives them: repr() would count an unassigned character as its long escape.
    assert len(json.dumps(blocks, ensure_ascii=False)) <= MOST
    return "\n".join(mrkdwn(blocks))


def mrkdwn(value: object) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from mrkdwn(each)
    elif isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            yield value["text"]
        yield from mrkdwn(list(value.values()))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("count", [1, 10, 200])
@pytest.mark.parametrize("make", MAKERS)
def test_slack_accepts_every_view_whatever_its_length_and_text(
    make: type, count: int, text: str
) -> None:
    shown = checked(slack.render(make(text, count)))
    assert "<!channel>" not in shown
    assert "<@U1>" not in shown


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("make", MAKERS)
def test_a_view_in_plain_blocks_fits_into_a_message_and_into_a_modal(make: type, text: str) -> None:
    blocks = plain(slack.render(make(text, 100)))
    checked(blocks)
    assert violations(blocks, "modal") == []


@example(text="\U00018cd6" * 300, count=30)
@given(text=st.text(max_size=300), count=st.integers(0, 30))
def test_slack_accepts_any_text(text: str, count: int) -> None:
    for make in MAKERS:
        checked(slack.render(make(text, count)))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("make", MAKERS)
def test_a_terminal_never_gets_control_characters_from_recorded_text(make: type, text: str) -> None:
    shown = terminal.render(make(text, 5), width=100)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("make", MAKERS)
def test_a_row_of_values_is_one_line_whatever_its_text(make: type, text: str) -> None:
    lines = "".join(tsv.rows(make(text, 5))).split("\n")[:-1]
    assert len({line.count("\t") for line in lines}) <= 1
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "".join(lines))


@pytest.mark.parametrize("width", [60, 100, 200])
def test_lines_on_a_terminal_fit_its_width(width: int) -> None:
    for make in MAKERS:
        shown = terminal.render(make("word " * 50, 5), width=width)
        assert max(map(len, shown.splitlines())) <= width


def test_colour_is_used_only_on_request() -> None:
    view = a_list("why?", 3)
    assert "\x1b[" in terminal.render(view, colour=True)
    assert "\x1b[" not in terminal.render(view)


SHOWING_A_MESSAGE = """
import sys
from reports.render.terminal import render
from reports.views.messages import MessageView
render(MessageView(text="Done."))
room = "reports.render.terminal."
print(*sorted(name.removeprefix(room) for name in sys.modules if name.startswith(room)))
"""


def test_a_terminal_loads_only_the_renderer_that_it_needs() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", SHOWING_A_MESSAGE], capture_output=True, text=True, check=True
    )
    assert shown.stdout == "messages parts\n"


@pytest.mark.parametrize("make", MAKERS)
def test_json_is_one_object_of_raw_values(make: type) -> None:
    shown = json.loads(as_json.render(make("\x1b[31m ünï", 3)))
    assert isinstance(shown, dict)
    assert "\x1b[31m ünï" in str(shown) or "\\x1b[31m ünï" in str(shown)


def test_every_kind_of_view_can_be_rendered_everywhere(
    observability: Observability,
) -> None:
    record_an_hour(observability)
    database = observability.database
    words = ["ls", "stats", "ps", "health", "help", "show ffffffff", "cost", "errors", "slow"]
    found = [
        answer(parse(PARSER, each.split()), database=database, viewer=Viewer(), now=NOW)
        for each in words
    ]
    for view in found:
        checked(slack.render(view))
        assert terminal.render(view).strip()
        assert json.loads(as_json.render(view))
        assert slack.fallback(view)


def test_a_digest_fits_in_a_message(observability: Observability) -> None:
    record_an_hour(observability)
    digests = Digests(
        observability.database,
        post=lambda channel, view, key: None,
        posted=lambda channel, key: False,
        team=TEAM,
        workspace="https://acme.slack.com/",
        sight_in=lambda team, channel: FixedSight(frozenset({team})),
    )
    view = digests.last_24_hours(FixedSight(frozenset({TEAM})), now=NOW)
    checked(slack.render(view))
    hostile = tuple(replace(line, key="&" * 500) for line in view.agents * 40)
    checked(slack.render(replace(view, agents=hostile)))


def test_a_waterfall_says_what_it_leaves_out_and_where_that_is() -> None:
    shown = checked(slack.render(a_tree("step", 100)))
    assert "60 more steps: press *Raw* in `/trace show 0000000000000000`" in shown


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_the_pages_of_raw_have_every_line(text: str) -> None:
    view = raw_spans(text, 30)
    assert isinstance(view, RawView)
    pages, at = [""], 0
    while at < len(pages):
        blocks = slack.render(replace(view, page=at))
        pages[at] = "".join(each["text"]["text"].strip("`") for each in blocks[1:-1])
        labels = {each["text"]["text"]: each["value"] for each in blocks[-1]["elements"]}
        assert ("Previous" in labels) == (at > 0)
        at += 1
        if "Next" in labels:
            assert labels["Next"] == f"{view.trace_id} {at}"
            pages.append("")
    shown = "".join(pages).replace("\n", "")
    assert len(pages) > 1
    assert shown == escape(view.text.replace("```", "'''")).replace("\n", "")


def test_a_reaction_after_the_turn_does_not_shrink_the_bars(observability: Observability) -> None:
    ids = record_an_hour(observability)
    database = observability.database
    (found,) = [t for t in recent_traces(database).traces if t.trace_id == ids["question"]]
    spans = [span("step", 0), span("thumb", 1)]
    times = (found.started_at, found.ended_at, found.duration_ns)
    spans[0] = replace(spans[0], started_at=times[0], ended_at=times[1], duration_ns=times[2])
    spans[1] = replace(spans[1], started_at=NOW + 10**15)
    tree = trace_view(found, spans, now=NOW)
    assert tree.spans[0].width > 0.9


def test_health_as_json_has_raw_numbers(database: SharedDatabase, db_path: Path) -> None:
    shown = json.loads(
        as_json.render(health_view(health(database, now=NOW), now=NOW, private=False))
    )
    assert (shown["path"], shown["spans"]) == (str(db_path), 0)


class Reader(HTMLParser):
    """Remembers the elements of a page, their attributes and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("text", [*HOSTILE, "<script>alert(1)</script>", '"><img src=//evil>'])
def test_a_page_holds_text_as_text_and_asks_nobody_for_more(text: str) -> None:
    view = a_digest(text, 3)
    assert isinstance(view, DigestView)
    html = page(view)
    read, usual = Reader(html), Reader(page(a_digest("why?", 3)))  # type: ignore[arg-type]
    assert read.elements == usual.elements, "no text becomes an element"
    assert not {"script", "img", "link", "iframe"} & set(read.elements)
    outside = [value for name, value in read.attributes if name in ("src", "href", "style")]
    assert not outside or all(str(each).startswith("https://acme.slack.com/") for each in outside)
    assert "url(" not in html and "@import" not in html
    assert not re.search("[\x00-\x08\x1b]", html)
    assert "prefers-color-scheme: dark" in html
