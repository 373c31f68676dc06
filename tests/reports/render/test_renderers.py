"""Each view in Slack, on a terminal and as JSON, within every limit and for any text."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.jobs.digests import Digests
from bot.sandbox.blocks.validate import violations
from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.periods import HOUR_NS
from reports.render import json_output as as_json
from reports.render import slack, terminal, tsv
from reports.render.block_kit import escape
from reports.render.html import page
from reports.render.slack.plain import plain
from reports.views.digest import DigestView
from reports.views.failures import FailuresView, failures_view
from reports.views.health import health_view
from reports.views.trace_list import running_view
from reports.views.trace_tree import RawView, TraceView, trace_view
from storage import Observability
from storage.database.shared_file import SharedDatabase
from storage.health import health
from storage.queries.traces import recent_traces
from tests.support.factories import NOW, TEAM, FixedSight, record_an_hour
from tests.support.hostile_views import (
    HOSTILE,
    MAKERS,
    WHOLE,
    a_digest,
    a_list,
    a_tree,
    failed,
    line_of,
    raw_spans,
    some_logs,
    span,
    trace,
)

PARSER, _ = build_parser(prog="tracebot", shell=True)
MOST = 13_000
"""Characters of a message's blocks."""


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


def test_a_tree_of_any_depth_is_as_wide_as_its_names() -> None:
    view = a_tree("step", 1)
    assert isinstance(view, TraceView)
    deep = replace(view, spans=[replace(view.spans[0], depth=depth) for depth in range(3_000)])
    shown = terminal.render(deep, width=None).split("\n")
    assert max(map(len, shown)) < 300


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


def test_a_list_of_what_was_not_all_read_does_not_say_how_much_is_left_out() -> None:
    logs = checked(slack.render(some_logs("slow", 100)))
    assert "Only the newest 30 are shown: --since 1h or --level warning lists fewer." in logs
    traces = [trace(number=number, status="running") for number in range(50)]
    running = checked(slack.render(running_view(traces, line_of)))
    assert "Only the first 10 are shown: a filter, as in `/trace ps agent:claude`" in running
    assert "Only the" not in checked(slack.render(running_view(traces[:10], line_of)))


def test_issues_of_ten_years_have_as_many_lines_as_those_of_a_week() -> None:
    found = failed("claude did not answer within 30 s.", 10)
    assert isinstance(found, FailuresView)
    week, decade = (
        failures_view(
            found.failures,
            since=NOW - days * 24 * HOUR_NS,
            now=NOW,
            period=f"{days}d",
            all_of_them=True,
            short_ids=WHOLE,
        )
        for days in (7, 3_650)
    )
    assert len(decade.charts[0]) == 3_650
    for view in (week, decade):
        shown = checked(slack.render(view))
        assert shown.count("issue `") == 10
        assert "rarer" not in shown
    assert {line.chart[-1] for line in decade.lines} == {"█"}


@pytest.mark.parametrize("days", [1, 2, 7, 30, 90])
def test_the_chart_of_an_issue_fits_into_one_line_on_a_phone(days: int) -> None:
    found = failed("claude did not answer within 30 s.", 1)
    assert isinstance(found, FailuresView)
    view = failures_view(
        found.failures,
        since=NOW - days * 24 * HOUR_NS,
        now=NOW,
        period=f"{days}d",
        all_of_them=True,
        short_ids=WHOLE,
    )
    # In Slack on a screen of 390 px a line holds about thirty of these letters.
    assert 7 <= len(view.lines[0].chart) <= 24


@pytest.mark.parametrize("text", ['<a class="b">&nbsp;</a>\n' * 30, '"' * 400, "a < b && c\n" * 99])
@pytest.mark.parametrize("count", [1, 10, 200])
def test_a_trace_full_of_code_fits_into_a_message(count: int, text: str) -> None:
    blocks = slack.render(a_tree(text, count))
    checked(blocks)
    checked(plain(blocks))


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (
            "Its **connection pool** is **exhausted**: 64.",
            "Its *connection pool* is *exhausted*: 64.",
        ),
        (
            "**Use `f(**all)` now**, then `**/*.py` or `**/*.ts`",
            "*Use `f(**all)` now*, then `**/*.py`",
        ),
        ("2**3**4 is 2 ** 81 ** and ****", "2**3**4 is 2 ** 81 ** and ****"),
        ("It has **no end", "It has **no end"),
    ],
)
def test_bold_words_of_an_answer_are_bold_in_slack_too(answer: str, shown: str) -> None:
    view = a_tree("step", 1)
    assert isinstance(view, TraceView)
    assert f"&gt; {shown}" in checked(slack.render(replace(view, answers=(answer,))))


def test_the_last_words_are_cut_at_their_beginning() -> None:
    view = a_tree("step", 1)
    assert isinstance(view, TraceView)
    shown = checked(slack.render(replace(view, last_words=("<" * 200,) * 8 + ("the reason",))))
    assert "the reason```" in shown


def test_a_waterfall_says_what_it_leaves_out_and_where_that_is() -> None:
    shown = checked(slack.render(a_tree("step", 100)))
    assert "65 more steps: press *Raw* in `/trace show 0000000000000000`" in shown


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
