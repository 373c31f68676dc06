"""`logs` and `metrics`: of traces that somebody may see, and in a shell of everything."""

import json
from collections.abc import Mapping

import pytest

from bot.sandbox.blocks.validate import violations
from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.formatting import SECOND_NS
from reports.render import json_output, slack, terminal, tsv
from reports.views.records import LogsView, MetricsView
from reports.views.views import View
from storage import Observability
from storage.model.batch import Batch
from storage.model.records import Log, Metric
from storage.store.batch import store
from tests.support.factories import MINUTE, NOW, TEAM, record_an_hour

PARSER, _ = build_parser(prog="tracebot", shell=True)
MEMBER = Viewer(audiences=frozenset({TEAM}))


def log(level: str, message: str, trace_id: str | None, *, ago: int = MINUTE) -> Log:
    return Log(
        level=level,
        message=message,
        attributes={"logger": "x"},
        recorded_at=NOW - ago,
        trace_id=trace_id,
        span_id=None,
    )


def depth(value: float, trace_id: str | None, *, ago: int, agent: str = "claude") -> Metric:
    return Metric(
        name="queue.depth",
        value=value,
        labels={"agent": agent},
        recorded_at=NOW - ago,
        trace_id=trace_id,
        span_id=None,
    )


@pytest.fixture
def ids(observability: Observability) -> Mapping[str, str]:
    """Record log lines and values of a public and of a private trace, and of none."""
    ids = record_an_hour(observability)
    public, private = ids["question"], ids["private"]
    logs = [
        log("WARNING", "slow first token", public, ago=3 * MINUTE),
        log("info", "began", public, ago=4 * MINUTE),
        log("error", "the merger", private, ago=2 * MINUTE),
        log("critical", "disk full", None),
        log("warning", "of last week", None, ago=10_000 * MINUTE),
    ]
    metrics = [
        depth(3, public, ago=9 * MINUTE),
        depth(5, public, ago=2 * MINUTE, agent="codex"),
        depth(1_000, private, ago=MINUTE),
        depth(7, None, ago=30 * MINUTE),
    ]
    assert store(observability.database, Batch("test:1", 1, logs=logs, metrics=metrics))
    return ids


def ask(observability: Observability, words: str, viewer: Viewer = MEMBER) -> View:
    args = parse(PARSER, words.split())
    return answer(args, database=observability.database, viewer=viewer, now=NOW)


def lines(observability: Observability, words: str, viewer: Viewer = MEMBER) -> list[str]:
    view = ask(observability, words, viewer)
    assert isinstance(view, LogsView)
    return [line.message for line in view.lines]


def test_log_lines_are_those_of_visible_traces_and_in_a_shell_all(
    observability: Observability, ids: Mapping[str, str]
) -> None:
    assert lines(observability, "logs") == ["slow first token", "began"]
    shell = lines(observability, "logs", Viewer())
    assert shell == ["disk full", "the merger", "slow first token", "began"]
    assert len(lines(observability, "logs --since 30d", Viewer())) == 5
    assert lines(observability, "logs", Viewer(audiences=frozenset())) == []


def test_a_level_includes_those_above_however_they_are_written(
    observability: Observability, ids: Mapping[str, str]
) -> None:
    assert lines(observability, "logs --level warning") == ["slow first token"]
    assert lines(observability, "logs --level error", Viewer()) == ["disk full", "the merger"]


def test_buttons_in_slack_choose_the_period_and_the_level(
    observability: Observability, ids: Mapping[str, str]
) -> None:
    def buttons(words: str) -> dict[str, str]:
        last = slack.render(ask(observability, words))[-1]
        return {each["text"]["text"]: each["value"] for each in last["elements"]}

    periods = buttons("logs --since 7d")
    assert periods["24h"] == "logs --since 24h"
    assert periods["Only warnings"] == "logs --level warning --since 7d"
    warnings = buttons("logs --level warning")
    assert warnings["30d"] == "logs --level warning --since 30d"
    assert warnings["All levels"] == "logs --since 24h"
    of_one = buttons(f"logs {ids['question']}")
    assert of_one["Only warnings"] == f"logs {ids['question']} --level warning"
    assert buttons("logs --level critical")["All levels"] == "logs --since 24h"


def test_the_lines_of_a_trace_are_shown_to_those_who_may_see_it(
    observability: Observability, ids: Mapping[str, str]
) -> None:
    private = ids["private"]
    assert lines(observability, f"logs {private}", Viewer()) == ["the merger"]
    refused = ask(observability, f"logs {private}")
    assert refused == ask(observability, f"show {private}"), "as if it were not there"


def test_metrics_are_listed_with_their_last_value_and_count(
    observability: Observability, ids: Mapping[str, str]
) -> None:
    def totals(viewer: Viewer) -> list[tuple[str, float, int]]:
        view = ask(observability, "metrics", viewer)
        assert isinstance(view, MetricsView)
        return [(each.name, each.last, each.count) for each in view.totals]

    assert totals(MEMBER) == [("queue.depth", 5, 2)]
    assert totals(Viewer()) == [("queue.depth", 1_000, 4)]
    assert totals(Viewer(audiences=frozenset())) == []


def test_a_metric_is_shown_by_its_labels_and_over_time(
    observability: Observability, ids: Mapping[str, str]
) -> None:
    view = ask(observability, "metrics queue.depth")
    shown = json.loads(json_output.render(view))
    assert [(group["labels"], group["mean"]) for group in shown["groups"]] == [
        ("agent=codex", 5),
        ("agent=claude", 3),
    ]
    assert [bucket["mean"] for bucket in shown["buckets"]] == [3, 5]
    assert "▅█" in terminal.render(view)


@pytest.mark.parametrize(
    ("apart", "labels"),
    [
        (5 * SECOND_NS, ["15:55:05", "15:55:19", "15:55:34"]),
        (SECOND_NS // 60, ["15:59:59", "15:59:59*", "15:59:59**"]),
        (90 * MINUTE, ["20 Nov 23:30", "21 Nov 03:55", "21 Nov 08:21"]),
    ],
)
def test_the_chart_of_a_metric_has_each_label_once(
    observability: Observability, apart: int, labels: list[str]
) -> None:
    values = [depth(1, None, ago=(59 - number) * apart) for number in range(60)]
    assert store(observability.database, Batch("test:1", 1, metrics=values))
    blocks = slack.render(ask(observability, "metrics queue.depth", Viewer()))
    assert violations(list(blocks), "message") == []
    (chart,) = [block["chart"] for block in blocks if block["type"] == "data_visualization"]
    assert chart["axis_config"]["categories"][:3] == labels


def test_rows_are_raw_values(observability: Observability, ids: Mapping[str, str]) -> None:
    names, newest, _ = (row.split("\t") for row in tsv.rows(ask(observability, "logs")))
    assert dict(zip(names, newest, strict=True))["attributes\n"] == '{"logger": "x"}\n'
    _, depth = tsv.rows(ask(observability, "metrics"))
    assert depth.startswith("queue.depth\t2\t5\t")


@pytest.mark.parametrize("value", [2.5e-7, 1e22, -0.1])
def test_a_value_of_any_size_is_shown_in_a_chart_and_a_row(
    observability: Observability, value: float
) -> None:
    values = [depth(value, None, ago=number * MINUTE) for number in (1, 2)]
    assert store(observability.database, Batch("test:1", 1, metrics=values))
    view = ask(observability, "metrics queue.depth", Viewer())
    (chart,) = [each["chart"] for each in slack.render(view) if "chart" in each]
    assert {point["value"] for point in chart["series"][0]["data"]} == {value}
    _, row = tsv.rows(view)
    last = row.split("\t")[2]
    assert float(last) == value
    assert "e" not in last


def test_without_values_it_says_so(observability: Observability) -> None:
    for words in ("logs", "metrics", "metrics queue.depth"):
        shown = terminal.render(ask(observability, words))
        assert shown.startswith("No ") and " stored " in shown
