"""Statistics as text: the hours and the names that people know."""

import re

from reports.render.slack import render
from reports.views.statistics import statistics_view
from storage.queries.statistics import Group, Statistics

HOUR_NS = 3_600 * 10**9
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


def test_slack_shows_the_newest_hours_in_the_zone_of_the_reader() -> None:
    hours = tuple(group(str(NOW + number * HOUR_NS)) for number in range(100))
    found = Statistics(NOW, NOW + 100 * HOUR_NS, group(""), hours)
    shown = str(render(statistics_view(found, by="hour", time_zone="Asia/Seoul")))
    # 1,764,000,000 is 24 November 2025, 16:00 UTC.
    assert "by hour (Asia/Seoul)" in shown
    assert "11-29 04:00" in shown
    assert "11-25 01:00" not in shown
    assert re.search(r"\d+ earlier: see tracebot stats in a shell", shown)


def test_keys_have_names_if_somebody_knows_them() -> None:
    found = Statistics(NOW, NOW, group(""), (group("U1"), group("U2"), group("")))
    names = {"U1": "Ann"}
    view = statistics_view(
        found, by="user", time_zone="UTC", name_of=lambda by, key: names.get(key, key)
    )
    assert [line.key for line in view.lines] == ["Ann", "U2", ""]
