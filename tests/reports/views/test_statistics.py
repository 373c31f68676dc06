"""Statistics as text: the hours and the names that people know."""

import json
import re
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from reports.commands.handlers import answer
from reports.commands.parser import build_parser, parse
from reports.commands.viewer import Viewer
from reports.render import json_output as as_json
from reports.render import terminal
from reports.render.block_kit import Block
from reports.render.slack import render
from reports.views.statistics import StatsView, statistics_view
from storage import Observability
from storage.model.retention import OTHERS
from storage.queries.statistics import Group, Statistics
from storage.store.grains import Grains
from tests.support.factories import record

HOUR_NS = 3_600 * 10**9
MINUTE = HOUR_NS // 60
PARSER, _ = build_parser(prog="/trace", shell=False)
SHELL, _ = build_parser(prog="tracebot", shell=True)
NOW = 1_764_000_000 * 10**9


def group(key: str) -> Group:
    return Group(
        key=key,
        traces=1,
        errors=0,
        p50_ns=1e9,
        p95_ns=1e9,
        p99_ns=1e9,
        input_tokens=0,
        output_tokens=0,
        cached_tokens=0,
        cost=None,
    )


@pytest.mark.parametrize(("tokens", "empty"), [(0, True), (5, False)])
def test_tokens_of_traces_that_began_elsewhere_are_not_nothing(tokens: int, empty: bool) -> None:
    total = replace(group(""), traces=0, output_tokens=tokens)
    found = Statistics(NOW, NOW + 24 * HOUR_NS, total, ())
    assert bool(statistics_view(found, by=None, time_zone="UTC").note) is empty


def test_slack_shows_the_newest_hours_in_the_zone_of_the_reader() -> None:
    hours = tuple(group(str(NOW + number * HOUR_NS)) for number in range(100))
    found = Statistics(NOW, NOW + 100 * HOUR_NS, group(""), hours)
    shown = str(render(statistics_view(found, by="hour", time_zone="Asia/Seoul")))
    # 1,764,000,000 is 24 November 2025, 16:00 UTC.
    assert "by hour (Asia/Seoul)" in shown
    assert "11-29 04:00" in shown
    assert "11-25 01:00" not in shown
    assert re.search(r"1 to \d+ of 100", shown)


def test_the_buttons_below_a_table_lead_to_all_of_its_rows_and_back() -> None:
    hours = tuple(group(str(NOW + number * HOUR_NS)) for number in range(100))
    agents = tuple(group(f"agent {number}") for number in range(100))
    for by, groups, (back, on) in (
        ("hour", hours, ("Later", "Earlier")),
        ("agent", agents, ("Previous", "Next")),
    ):
        found = Statistics(NOW, NOW + 100 * HOUR_NS, replace(group(""), traces=100), groups)
        starts, keys = [0], []
        while True:
            view = statistics_view(found, by=by, time_zone="UTC", start=starts[-1])
            (table,) = [each for each in render(view) if each["type"] == "data_table"]
            keys += [row[0]["text"] for row in table["rows"][1:]]
            moves = {
                button["text"]["text"]: button["value"]
                for block in render(view)
                if block["type"] == "actions"
                for button in block["elements"]
            }
            assert (back in moves) == (starts[-1] > 0)
            if on not in moves:
                break
            parsed = parse(PARSER, moves[on].split())
            assert (parsed.by, parsed.since) == (by, "100h")
            starts.append(parsed.cursor)
        assert moves[back].endswith(f"--cursor {2 * starts[-1] - 100}")
        assert len(keys) == len(set(keys)) == 100


def test_groups_of_agents_add_up_to_the_total() -> None:
    found = Statistics(NOW, NOW, replace(group(""), traces=5, errors=2), (group("claude"),))
    view = statistics_view(found, by="agent", time_zone="UTC")
    assert [(line.key, line.traces, line.errors) for line in view.lines] == [
        ("claude", "1", "0"),
        ("no agent", "4", "2"),
    ]


def test_a_row_says_how_it_differs_from_the_period_before() -> None:
    groups = (replace(group("claude"), traces=3, p95_ns=2e9), group("codex"), group("gemini"))
    found = Statistics(NOW, NOW, replace(group(""), traces=5), groups)
    earlier = (group("claude"), replace(group("codex"), traces=4))
    before = Statistics(0, NOW, replace(group(""), traces=5), earlier)
    view = statistics_view(found, by="agent", time_zone="UTC", before=before)
    changes = [(line.key, line.change.traces, line.change.p95) for line in view.lines]
    assert changes == [("claude", "+200%", "+100%"), ("codex", "−75%", ""), ("gemini", "new", "")]
    assert "3 +200%" in str(render(view))


def test_a_chart_of_hours_has_those_without_a_trace_and_each_name_once() -> None:
    # Summer time ends in Berlin on 26 October 2025 at 01:00 UTC: 02:00 comes twice.
    end = 1_761_440_400 * 10**9
    hours = tuple(group(str(end + number * HOUR_NS)) for number in (-2, 1))
    found = Statistics(end, end, group(""), hours)
    view = statistics_view(found, by="hour", time_zone="Europe/Berlin")
    (chart,) = [block for block in render(view) if block["type"] == "data_visualization"]
    traces, _ = chart["chart"]["series"]
    assert [point["value"] for point in traces["data"]] == [1, 0, 0, 1]
    labels = ["Sun 01:00", "Sun 02:00", "Sun 02:00*", "Sun 03:00"]
    assert chart["chart"]["axis_config"]["categories"] == labels


@pytest.mark.parametrize(
    ("hours", "unit", "labels"),
    [
        (48, "3 hours", ["Mon 16:00", "Mon 19:00"]),
        (20, "hour", ["Mon 16:00", "Mon 17:00"]),
    ],
)
def test_statistics_without_groups_show_the_whole_period_over_time(
    hours: int, unit: str, labels: list[str]
) -> None:
    every = tuple(group(str(NOW + number * HOUR_NS)) for number in range(hours - 1))
    total = replace(group(""), traces=hours - 1)
    times = Statistics(NOW, NOW + hours * HOUR_NS, total, every)
    found = replace(times, groups=())
    view = statistics_view(found, by=None, time_zone="UTC", over_time=("hour", times))
    (chart,) = [block for block in render(view) if block["type"] == "data_visualization"]
    assert chart["title"] == f"Traces by {unit} (UTC)"
    assert chart["chart"]["axis_config"]["categories"][:2] == labels
    # The last hour had none.
    assert sum(point["value"] for point in chart["chart"]["series"][0]["data"]) == hours - 1
    shown = terminal.render(view, width=60)
    drawn = "█" * 23 + "▅" if hours == 48 else "█" * 19 + "▁"
    assert f"traces  {drawn}" in shown
    assert "at most 1 an hour\nby hour, Mon 16:00 to" in shown
    assert "errors  ▁" not in shown


def test_days_have_the_names_of_the_readers_zone_and_older_ones_those_of_utc() -> None:
    midnight = NOW - 16 * HOUR_NS  # 24 November 2025, 00:00 UTC; in New York it is the 23rd.
    grains = Grains(hours_since=midnight, days_since=midnight - 23 * 24 * HOUR_NS)
    kept = (midnight - 54 * 24 * HOUR_NS, midnight - 24 * HOUR_NS, midnight, midnight + 5 * HOUR_NS)
    groups = tuple(group(str(each)) for each in kept)
    found = Statistics(kept[0], midnight + 54 * HOUR_NS, group(""), groups, grains)
    view = statistics_view(found, by="day", time_zone="America/New_York")
    names = ["2025-10", "2025-11-23 UTC", "2025-11-23 Sun", "2025-11-24 Mon"]
    assert [line.key for line in view.lines] == names
    assert [(each.label, each.traces) for each in view.timeline] == [
        ("Sun 23 Nov", 2),
        ("Mon 24 Nov", 1),
        ("Tue 25 Nov", 0),
        ("Wed 26 Nov", 0),
    ]
    told = json.loads(as_json.render(view))
    assert told["groups"][2]["key"] == "2025-11-24T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("by", "zone", "then", "now"),
    [
        ("hour", "UTC", "2026-03-28T10:00Z", "2026-03-30T10:00Z"),
        # Summer time begins in between: the day before the day before began an hour later.
        ("day", "Europe/Berlin", "2026-03-27T23:00Z", "2026-03-29T22:00Z"),
    ],
)
def test_times_are_compared_with_those_that_are_a_period_earlier(
    by: str, zone: str, then: str, now: str
) -> None:
    start, end = (int(datetime.fromisoformat(each).timestamp()) * 10**9 for each in (then, now))
    length = 48 * HOUR_NS
    found = Statistics(end, end + length, group(""), (replace(group(str(end)), traces=3),))
    before = Statistics(start, start + length, group(""), (group(str(start)),))
    view = statistics_view(found, by=by, time_zone=zone, before=before)
    assert [line.change.traces for line in view.lines] == ["+200%"]


def test_buttons_show_the_same_of_another_period_and_compare_it() -> None:
    found = Statistics(NOW - 168 * HOUR_NS, NOW, group(""), (group("claude"),))
    actions = render(statistics_view(found, by="agent", time_zone="UTC"))[-1]["elements"]
    assert [each["value"] for each in actions] == [
        "stats --by agent --since 24h",
        "stats --by agent --since 7d",
        "stats --by agent --since 30d",
        "stats --by agent --compare --since 7d",
    ]
    assert [each.get("style") for each in actions] == [None, "primary", None, None]


def test_keys_have_names_if_somebody_knows_them() -> None:
    found = Statistics(NOW, NOW, group(""), (group("U1"), group("U2"), group("")))
    names = {"U1": "Ann"}
    view = statistics_view(
        found, by="user", time_zone="UTC", name_of=lambda by, key: names.get(key, key)
    )
    assert [line.key for line in view.lines] == ["Ann", "U2", "nobody named"]


def test_days_and_months_stand_in_the_place_of_hours_that_are_not_kept() -> None:
    today = NOW - 16 * HOUR_NS  # 24 November 2025.
    grains = Grains(hours_since=today, days_since=today - 23 * 24 * HOUR_NS)
    kept = (today - 54 * 24 * HOUR_NS, today - 24 * HOUR_NS, today + HOUR_NS)
    found = Statistics(NOW, NOW, group(""), tuple(group(str(at)) for at in kept), grains)
    view = statistics_view(found, by="hour", time_zone="Asia/Seoul")
    assert [line.key for line in view.lines] == ["2025-10", "2025-11-23", "11-24 10:00"]


@pytest.mark.parametrize(
    ("days", "hours", "said"),
    [
        (0, 0, ""),
        (0, 10, "Counted from 2025-11-24 00:00 UTC: statistics of that time are only kept by day."),
        (9, 10, "Counted from 2025-11-01 00:00 UTC: … only kept by month."),
    ],
)
def test_the_reader_is_told_that_an_old_period_begins_earlier(
    days: int, hours: int, said: str
) -> None:
    grains = Grains(hours_since=hours and NOW + HOUR_NS, days_since=days and NOW + HOUR_NS)
    found = Statistics(NOW, NOW + HOUR_NS, group(""), (), grains)
    view = statistics_view(found, by="agent", time_zone="UTC")
    assert view.note == said.replace("…", "statistics of that time are")
    assert view.note in str(render(view))


@pytest.mark.parametrize("minute", [10, 43])
@pytest.mark.parametrize("since", ["1h", "150m", "24h", "today"])
def test_the_period_before_is_as_long_and_has_the_same_hours(
    observability: Observability, since: str, minute: int
) -> None:
    for minutes in range(5, 50 * 60, 10):
        record(observability, "turn", ago=minutes * MINUTE, ms=1)
    assert observability.flush()
    view = compared(observability, "hour", since, now=NOW - (60 - minute) * MINUTE)
    assert view.before is not None
    # Six an hour, but for the last one, which has not ended.
    assert [each.traces for each in view.earlier] == [6] * len(view.lines)
    assert 0 <= len(view.lines) * 6 - view.before.total.traces <= 6


@pytest.mark.parametrize("minute", [0, 10, 43])
@pytest.mark.parametrize("since", ["7d", "14d"])
def test_a_day_of_the_week_is_compared_with_the_same_one(
    observability: Observability, since: str, minute: int
) -> None:
    for day in range(40):
        record(observability, "turn", ago=day * 24 * HOUR_NS + 6 * HOUR_NS, ms=1)
        if day % 7 == 0:
            record(observability, "turn", ago=day * 24 * HOUR_NS + 7 * HOUR_NS, ms=1)
    assert observability.flush()
    view = compared(observability, "day", since, now=NOW + minute * MINUTE)
    now = [each.traces for each in view.statistics.groups]
    assert [each.traces for each in view.earlier] == now
    assert now.count(2) == int(since[:-1]) // 7


def compared(observability: Observability, by: str, since: str, *, now: int) -> StatsView:
    args = parse(SHELL, ["stats", "--by", by, "--since", since, "--compare"])
    view = answer(args, database=observability.database, viewer=Viewer(), now=now)
    assert isinstance(view, StatsView)
    return view


def days_of(first: int, last: int, grains: Grains, zone: str) -> Statistics:
    """Return a group for each day, with the number of its date as its traces."""
    groups = {}
    for at in range(first, last, 24 * HOUR_NS):
        kept = "UTC" if grains.level(at) == "day" else zone
        local = datetime.fromtimestamp(at // 10**9, ZoneInfo(kept))
        start = max(int(local.replace(hour=0).timestamp()) * 10**9, grains.start(at) - 24 * HOUR_NS)
        start = start if kept == "UTC" else max(start, grains.hours_since)
        groups[start] = replace(group(str(start)), traces=local.toordinal())
    return Statistics(first, last, group(""), tuple(groups.values()), grains)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Seoul", "America/Los_Angeles"])
@pytest.mark.parametrize("days", [1, 7, 30])
def test_a_day_is_compared_with_the_one_that_is_as_many_days_earlier(zone: str, days: int) -> None:
    day = 24 * HOUR_NS
    grains = Grains(hours_since=NOW - 16 * HOUR_NS - (days + 5) * day)
    found = days_of(NOW - days * day, NOW, grains, zone)
    before = days_of(NOW - 2 * days * day, NOW - days * day, grains, zone)
    view = statistics_view(found, by="day", time_zone=zone, before=before)
    apart = [
        now.traces - then.traces
        for now, then in zip(found.groups, view.earlier, strict=True)
        if then.traces
    ]
    # A day of UTC before the first one of the zone may be another one.
    assert len(apart) >= days - 1
    assert set(apart) <= {days}


def test_the_reader_is_told_that_old_months_name_only_some_users() -> None:
    found = Statistics(0, NOW, group(""), (), Grains(hours_since=NOW, days_since=NOW - HOUR_NS))
    notes = {
        dimension: statistics_view(found, by=None, time_zone="UTC", only=(dimension, "x")).note
        for dimension in ("user", "channel", "agent")
    }
    assert notes == {
        "user": "Months before 2025-11 only tell apart the 50 users that are counted most.",
        "channel": "Months before 2025-11 only tell apart the 50 channels that are counted most.",
        "agent": "",
    }


def test_others_are_named_without_looking_them_up() -> None:
    found = Statistics(NOW, NOW, group(""), (group(OTHERS),))
    view = statistics_view(found, by="user", time_zone="UTC", name_of=lambda by, key: "Ann")
    assert [line.key for line in view.lines] == ["others"]


def test_thumbs_have_columns_if_anybody_rated_a_trace() -> None:
    claude = replace(group("claude"), traces=4, thumbs_up=1_200, thumbs_down=1)
    found = Statistics(NOW, NOW, replace(claude, traces=5, thumbs_down=3), (claude,))
    before = replace(found, total=group(""), groups=(replace(claude, thumbs_up=600),))
    view = statistics_view(found, by="agent", time_zone="UTC", before=before)
    assert [(line.key, line.thumbs_up, line.thumbs_down) for line in view.lines] == [
        ("claude", "1,200", "1"),
        ("no agent", "", "2"),
    ]
    header, first, *_ = _table(render(view))
    assert [cell["text"] for cell in header[-2:]] == ["👍", "👎"]
    assert [(cell["value"], cell["text"]) for cell in first[-2:]] == [
        (1_200, "1,200 +100%"),
        (1, "1"),
    ]
    assert "👍 *1,200* _new_ · 👎 *3* _new_" in str(render(view))
    shown = terminal.render(view)
    assert re.search(r"cost +👍 +👎", shown) and re.search(r"1,200 \+100% +1\n", shown)
    told = json.loads(as_json.render(view))
    assert (told["total"]["thumbs_up"], told["groups"][0]["thumbs_down"]) == (1_200, 1)

    unrated = statistics_view(
        Statistics(NOW, NOW, group(""), (group("claude"),)), by="agent", time_zone="UTC"
    )
    assert "👍" not in str(render(unrated)) + terminal.render(unrated)


def _table(blocks: list[Block]) -> list[list[Block]]:
    (found,) = (block["rows"] for block in blocks if block["type"] == "data_table")
    return list(found)
