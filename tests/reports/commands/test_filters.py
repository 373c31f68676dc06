"""The filter language: what it means, and what it says about a mistake."""

import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.commands.filters import KINDS, PLATFORMS, STATUSES, TAKEN, filter_words
from reports.commands.handlers import Viewer, answer
from reports.commands.lists import period_start
from reports.commands.parser import build_parser, parse
from reports.commands.typed import split_slack, without_mark
from reports.errors import UsageError
from reports.render.slack import render
from reports.units import DAYS, parse_since
from reports.views.statistics import StatsView
from reports.views.trace_list import TraceListView
from storage import Observability
from storage.model.filters import EQUAL, Filters
from storage.model.span import own_audience
from tests.support.factories import ALICE, BOB, GENERAL, NOW, SECRET, TEAM, record_an_hour

PARSER, _ = build_parser(prog="/trace", shell=False)
ANYONE = Viewer()


def filters(text: str) -> Filters:
    read: Filters = parse(PARSER, split_slack(text)).filters
    return read


def refusal(text: str) -> UsageError:
    with pytest.raises(UsageError) as refused:
        parse(PARSER, split_slack(text))
    return refused.value


@pytest.mark.parametrize(
    ("word", "option", "means"),
    [
        ("agent:@claude", "--agent @claude", Filters(agent="claude")),
        ("Status:ERROR", "--status error", Filters(status="error")),
        ("provider:openai", "--provider openai", Filters(provider="openai")),
        ("model:gpt-5:latest", "--model gpt-5:latest", Filters(model="gpt-5:latest")),
        ("feedback:down", "--feedback down", Filters(feedback="down")),
        ("cost>0.5", "--cost-above 0.5", Filters(cost_above=500_000)),
        ("cost<$2", "--cost-below $2", Filters(cost_below=2_000_000)),
        ("cost>.000001", "--cost-above 0.000001", Filters(cost_above=1)),
        ("duration>30s", "--duration-above 30s", Filters(duration_above=30_000_000_000)),
        ("duration<1.5min", "--duration-below 90s", Filters(duration_below=90_000_000_000)),
        ("duration>250ms", "--duration-above 250ms", Filters(duration_above=250_000_000)),
        ("tokens>10k", "--tokens-above 10000", Filters(tokens_above=10_000)),
        ("tokens<1.5M", "--tokens-below 1500k", Filters(tokens_below=1_500_000)),
        ("agent：claude", "--agent claude", Filters(agent="claude")),
        ("-agent:claude", None, Filters(without=(("agent", "claude"),))),
        (
            "-status:ok -user:<@U1>",
            None,
            Filters(without=(("status", "ok"), ("user", "U1"))),
        ),
    ],
)
def test_a_word_and_an_option_mean_the_same(word: str, option: str | None, means: Filters) -> None:
    assert filters(f"ls {word}") == means
    assert filters(f"search x {word}") == means
    assert filters(f"slow {word}") == means
    if option is not None:
        assert filters(f"errors {option}") == means


@pytest.mark.parametrize(
    ("argument", "means"),
    [
        ("agent: claude", Filters(agent="claude")),
        ("agent:big bot", Filters(agent="big bot")),
        (
            "agent:claude  -status:ok cost> 1",
            Filters(agent="claude", cost_above=1_000_000, without=(("status", "ok"),)),
        ),
    ],
)
def test_filters_in_quotes_together_are_several_in_a_shell(argument: str, means: Filters) -> None:
    shell, _ = build_parser(prog="tracebot", shell=True)
    args = parse(shell, ["ls", argument])
    assert (args.words, args.filters) == ([], means)
    assert parse(shell, ["ls", f"why {argument}"]).words == [f"why {argument}"]


def test_filters_may_stand_anywhere_between_words() -> None:
    args = parse(PARSER, split_slack("ls nightly agent:claude import --all cost>1 failed"))
    assert args.words == ["nightly", "import", "failed"]
    assert (args.all, args.filters) == (True, Filters(agent="claude", cost_above=1_000_000))


@pytest.mark.parametrize(
    "text",
    [
        "12:30",
        "https://x.slack.com/archives",
        "error: gone",
        "a<b",
        "x>y",
        "std::string",
        "ms=5",
        "a=b",
    ],
)
def test_other_words_with_such_signs_are_searched_for(text: str) -> None:
    args = parse(PARSER, ["ls", *text.split()])
    assert (args.words, args.filters) == (text.split(), Filters())


@pytest.mark.parametrize(
    ("text", "word", "said"),
    [
        ("ls agnt:claude", "agnt:claude", "did you mean agent:claude?"),
        ("ls -stauts:ok", "-stauts:ok", "did you mean -status:ok?"),
        ("ls durations>3s", "durations>3s", "did you mean duration>3s?"),
        ("ls status:eror", "status:eror", "eror is not a status: did you mean error?"),
        ("ls --status eror", "eror", "eror is not a status: did you mean error?"),
        ("ls platform:email", "platform:email", "choose from slack, cli, mcp, otlp"),
        ("ls feedback:good", "feedback:good", "choose from up, down"),
        ("ls cost:0.5", "cost:0.5", "write cost>0.5 or cost<0.5"),
        ("ls agent>claude", "agent>claude", "write agent:claude"),
        ("ls agent=claude", "agent=claude", "did you mean agent:claude?"),
        ("ls Since＝7d", "Since＝7d", "did you mean since:7d?"),
        ("ls cost=1", "cost=1", "did you mean cost>1 or cost<1?"),
        ("ls cost>much", "cost>much", "write 0.5 or 20"),
        ("ls cost>=1", "cost>=1", "write 0.5 or 20"),
        ("ls cost>-1", "cost>-1", "write 0.5 or 20"),
        ("ls cost>1e9", "cost>1e9", "write 0.5 or 20"),
        ("ls duration>30", "duration>30", "write 500ms, 30s, 5m or 1h"),
        ("ls duration>٣s", "duration>٣s", "write 500ms, 30s, 5m or 1h"),
        ("ls tokens>many", "tokens>many", "write 500, 10k or 2M"),
        ("ls since:soon", "since:soon", "write 30m, 24h, 7d or 2w"),
        ("ls since:2026-02-30", "since:2026-02-30", "2026-11-20 or 2026-11-20T14:00"),
        ("ls --since 2026-11-20 25:00", "2026-11-20T25:00", "2026-11-20 or 2026-11-20T14:00"),
        ("ls --since 14:00", "14:00", "2026-11-20 or 2026-11-20T14:00"),
        ("ls --since ''", "", "--since has no value: write --since PERIOD."),
        ("ls --cost-above ''", "", "--cost-above has no value: write --cost-above DOLLARS."),
        ("ls agent: claude", "agent:", "write agent:NAME, without a space"),
        ("ls -cost>1", "-cost>1", "only -agent:, -status:"),
        ("ls -feedback:up", "-feedback:up", "only -agent:, -status:"),
        ("ls agent:a agent:b", "agent:b", "given twice"),
        ("ls agent:a --agent b", "b", "given twice"),
        ("stats cost>1", "cost>1", "stats does not take cost>1"),
        ("stats -agent:claude", "-agent:claude", "stats does not take -agent:claude"),
        ("stats agent:a model:b", "model:b", "either agent: or model:"),
        ("stats agent:a --by model", "agent:a", "cannot be combined with --by model"),
        ("cost agent:a", "agent:a", "cost does not take agent:a"),
        ("ps status:error", "status:error", "ps does not take status:error"),
    ],
)
def test_a_mistake_names_the_word_and_what_would_be_valid(text: str, word: str, said: str) -> None:
    refused = refusal(text)
    assert refused.word == word
    assert said in str(refused)
    assert "\n" not in str(refused)


def test_statistics_of_one_dimension_take_its_filter() -> None:
    for text in ("stats agent:claude", "stats model:opus --by hour", "stats user:U1 --by user"):
        assert filters(text) != Filters()


def test_statistics_of_one_key_add_up_only_its_traces(observability: Observability) -> None:
    record_an_hour(observability)
    viewer = Viewer(audiences=frozenset({TEAM, own_audience(TEAM, ALICE)}), team=TEAM, user=ALICE)

    def counted(text: str, viewer: Viewer = ANYONE) -> tuple[int, list[int]]:
        args = parse(PARSER, split_slack(text))
        view = answer(args, database=observability.database, viewer=viewer, now=NOW)
        assert isinstance(view, StatsView)
        groups = [group.traces for group in view.statistics.groups]
        return view.statistics.total.traces, groups

    assert counted("stats agent:claude") == (3, [])
    assert counted("stats agent:claude", viewer) == (2, [])
    assert counted("stats agent:claude --by hour") == (3, [3])
    assert counted("stats agent:claude --by agent") == (3, [3])
    assert counted("stats agent:nobody") == (0, [])
    assert counted(f"stats channel:{GENERAL}", viewer) == (2, [])
    hidden = replace(viewer, may_name=lambda channel: False)
    assert counted(f"stats channel:{GENERAL}", hidden) == (0, [])
    assert counted(f"stats channel:{SECRET}", viewer) == (0, [])
    assert counted(f"stats user:{BOB}") == (1, [])


names = st.text("abcé日 '\"-.:<>$", min_size=1, max_size=8).filter(lambda text: text.strip())
amounts = st.none() | st.integers(0, 10**15)
written = st.builds(
    Filters,
    agent=st.none() | st.sampled_from(["claude", "a b"]),
    status=st.none() | st.sampled_from(STATUSES),
    platform=st.none() | st.sampled_from(PLATFORMS),
    provider=st.none() | names,
    model=st.none() | names,
    feedback=st.none() | st.sampled_from(["up", "down"]),
    cost_above=amounts,
    cost_below=amounts,
    duration_above=amounts,
    tokens_below=st.none() | st.integers(0, 10**12 - 1),
    without=st.lists(st.tuples(st.sampled_from(["provider", "model"]), names), max_size=2).map(
        tuple
    ),
)


periods = st.integers(1, 10**6).map(lambda seconds: parse_since(f"{seconds}s"))
beginnings = st.sampled_from(list(DAYS)) | st.datetimes().map(str)


@given(written, st.none() | periods | beginnings.map(parse_since))
def test_what_is_written_for_the_next_page_is_read_as_the_same(
    wanted: Filters, since: str | None
) -> None:
    words = shlex.split(shlex.join(["ls", *filter_words(wanted, since=since)]))
    args = parse(PARSER, words)
    assert (args.filters, args.since, args.words) == (wanted, since, [])


FRIDAY = int(datetime(2026, 11, 27, 1, 30, tzinfo=UTC).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("text", "start"),
    [  # It is Friday at 10:30 in Seoul.
        ("--since 24h", "2026-11-26T10:30"),
        ("--since today", "2026-11-27T00:00"),
        ("since:yesterday", "2026-11-26T00:00"),
        ("since:Fri", "2026-11-27T00:00"),
        ("--since Monday", "2026-11-23T00:00"),
        ("--since saturday", "2026-11-21T00:00"),
        ("--since yesterday 9:00", "2026-11-26T09:00"),
        ("--since friday 10:30", "2026-11-27T10:30"),
        ("--since friday 10:31", "2026-11-20T10:31"),
        ("--since 'sat 23:00'", "2026-11-21T23:00"),
        ("since:satT23:00", "2026-11-21T23:00"),
        ("since:Tue 14:00:30", "2026-11-24T14:00:30"),
        ("since:todayT00:30", "2026-11-27T00:30"),
        ("since:2026-11-20", "2026-11-20T00:00"),
        ("since:2026-11-20 14:00", "2026-11-20T14:00"),
        ("--since 2026-11-20 9:05:30", "2026-11-20T09:05:30"),
        ("--since=2026-11-20 14:00", "2026-11-20T14:00"),
        ("--since '2026-11-20 14:00'", "2026-11-20T14:00"),
        ("--since 2026-11-20t05:00:00.5z", "2026-11-20T14:00:00.5"),
        ("--since 2026-11-19T23:00-06:00", "2026-11-20T14:00"),
        ("--since 0001-01-01", "1970-01-01T09:00"),
        ("--since 9999999d", "1970-01-01T09:00"),
    ],
)
def test_a_period_begins_at_a_day_or_a_time_of_the_viewers_zone(text: str, start: str) -> None:
    args = parse(PARSER, split_slack(f"stats {text}"))
    seoul = Viewer(time_zone="Asia/Seoul")
    moment = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo("Asia/Seoul"))
    began = period_start(args, seoul, FRIDAY)
    assert began == int(moment.timestamp() * 1_000) * 1_000_000


def test_a_day_begins_at_its_midnight_even_if_clocks_were_changed_since_then() -> None:
    sunday = int(datetime(2026, 10, 25, 12, tzinfo=UTC).timestamp()) * 1_000_000_000
    args = parse(PARSER, ["stats", "--since", "today"])
    hours = (sunday - period_start(args, Viewer(time_zone="Europe/Berlin"), sunday)) / 3.6e12
    assert hours == 14


@pytest.mark.parametrize(
    ("since", "said"), [("2026-11-28", "2026-11-28"), ("today 23:00", "today 23:00")]
)
def test_a_period_that_begins_in_the_future_is_refused(since: str, said: str) -> None:
    args = parse(PARSER, ["ls", "--since", since])
    with pytest.raises(UsageError, match=f"{said} is in the future") as refused:
        period_start(args, ANYONE, FRIDAY)
    assert refused.value.word == args.since


@pytest.mark.parametrize("text", ["metrics model:latency", "metrics costs:total since:2h"])
def test_a_metric_may_have_a_colon_in_its_name(text: str) -> None:
    args = parse(PARSER, split_slack(text))
    assert args.name == text.split()[1]
    assert args.since == ("2h" if "since" in text else "7d")


@pytest.mark.parametrize(
    ("text", "title", "again"),
    [
        ("stats since:yesterday", "Statistics since yesterday", "--since yesterday"),
        ("cost since:2020-01-01", "Cost since 2020-01-01", "--since 2020-01-01"),
        ("errors since:monday", "Errors since Monday", ""),
        (
            "slow since:2020-01-01 14:00",
            "Slowest traces since 2020-01-01 14:00",
            "2020-01-01T14:00",
        ),
        ("slow since:mon", "Slowest traces since Monday", "Since Monday"),
        ("logs since:today", "Log lines since today, newest first", "--since today"),
        ("metrics since:7d", "Metrics of the last 7 days", ""),
        ("metrics x since:tue", "x since Tuesday", ""),
        ("stats since:mon 9:00", "Statistics since Monday 09:00", "--since mondayT09:00"),
        ("stats since:5s", "Statistics of the last 5 seconds", "--since 5s"),
        ("stats since:60h", "Statistics of the last 60 hours", "--since 60h"),
        ("errors since:150m", "Errors of the last 150 minutes", ""),
        ("cost since:84h", "Cost of the last 84 hours", ""),
        ("slow since:2w", "Slowest traces of the last 14 days", ""),
        ("logs since:1h", "Log lines of the last hour, newest first", "--since 1h"),
    ],
)
def test_a_title_and_the_buttons_name_the_period_in_the_words_for_it(
    observability: Observability, text: str, title: str, again: str
) -> None:
    viewer = Viewer(audiences=frozenset({TEAM}), team=TEAM, user=ALICE)
    args = parse(PARSER, split_slack(text))
    view = answer(args, database=observability.database, viewer=viewer, now=FRIDAY)
    assert title == getattr(view, "title", "")
    assert again in json.dumps(render(view))


def test_every_filter_is_taken_by_a_list_and_is_written_again() -> None:
    assert set(TAKEN["ls"]) == set(KINDS)
    assert {*EQUAL, "feedback", "cost", "duration", "tokens", "since"} == set(KINDS)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ls agent:echo", ["direct"]),
        ("ls -agent:claude -status:running", ["command", "direct"]),
        ("ls -platform:slack", ["running", "command"]),
        (f"ls -user:{ALICE} -user:nobody platform:slack", ["private"]),
        ("ls feedback:up", ["question"]),
        ("ls feedback:down", ["direct"]),
        ("ls cost>0.01", ["question"]),
        ("ls cost<0.01", []),
        ("ls cost>0.01234 cost<0.01235", ["question"]),
        ("ls cost>0.012345", []),
        ("ls duration>2s duration<4s", ["question"]),
        ("ls duration>3.24s", ["command", "follow-up"]),
        ("ls tokens>1559 tokens<1561", ["question"]),
        ("ls tokens<1561", ["question"]),
        ("ls tokens<1560", []),
        ("ls model:claude-sonnet-5", ["question"]),
        ("search news cost>0.01", ["question"]),
        ("ps agent:nobody", []),
        ("slow -agent:claude duration>1ms", ["command", "direct"]),
    ],
)
def test_each_filter_narrows_a_list(
    observability: Observability, text: str, names: list[str]
) -> None:
    ids = record_an_hour(observability)
    for name, value in (("question", 1.0), ("direct", 0.0)):
        observability.record_score(ids[name], name="user_feedback", user=ALICE, value=value)
    assert observability.flush()
    short = {id: name for name, id in ids.items()}
    args = parse(PARSER, split_slack(text))
    view = answer(args, database=observability.database, viewer=ANYONE, now=NOW)
    assert isinstance(view, TraceListView)
    assert [short[line.trace_id] for line in view.lines] == names


@pytest.mark.parametrize("opened", ["<#C1|", "<http://a"])
def test_links_without_an_end_are_read_in_a_moment(opened: str) -> None:
    assert without_mark("user", opened * 80_000) == opened * 80_000


def test_a_period_with_a_long_run_of_signs_is_refused_in_a_moment() -> None:
    with pytest.raises(ValueError, match="7d"):
        parse_since("T" * 400_000 + "x")
