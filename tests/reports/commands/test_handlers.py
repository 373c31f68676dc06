"""Commands as people type them, and the answers and advice that they get."""

import json
from argparse import Namespace
from dataclasses import asdict, replace

import pytest
from peewee import Database

from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.commands.typed import split_slack
from reports.digest.contents import Scope, last_day
from reports.digest.order import parse_order
from reports.errors import UsageError
from reports.render import json_output, slack, terminal
from reports.units import parse_duration
from reports.views.messages import MessageView, help_view
from reports.views.statistics import StatsView
from reports.views.trace_list import TraceListView
from reports.views.trace_tree import TraceView
from reports.views.views import View
from reports.views.why import WhyView
from storage import Observability
from storage.model.span import own_audience
from storage.queries.cursors import Cursor
from tests.support.factories import (
    ALICE,
    BOB,
    FOLLOW_UP,
    GENERAL,
    MINUTE,
    MS,
    NOW,
    SECRET,
    TEAM,
    THREAD,
    record,
    record_an_hour,
)

HOUR_NS = 3_600 * 1_000_000_000
PARSER, _ = build_parser(prog="tracebot", shell=True)


def typed(text: str) -> dict[str, object]:
    """Parse `/trace TEXT`, and return the arguments and filters that are set."""
    parser, _ = build_parser(prog="/trace", shell=False)
    return given(parse(parser, split_slack(text)))


def given(args: Namespace) -> dict[str, object]:
    filters = asdict(args.filters) if "filters" in args else {}
    values = {**vars(args), **filters, "filters": None}
    return {name: value for name, value in values.items() if value}


def refused(text: str) -> str:
    with pytest.raises(UsageError) as refusal:
        typed(text)
    return str(refusal.value)


@pytest.mark.parametrize("text", ["", "   ", "help", "--help", "stats --help", "-h"])
def test_an_empty_command_and_every_form_of_help_show_the_help(text: str) -> None:
    assert typed(text) == {"command": "help"}


def test_help_shows_the_command_that_it_names_and_all_if_there_is_no_such_command() -> None:
    assert [command for command, _ in help_view("why").commands] == ["why LINK"]
    assert typed("help why") == {"command": "help", "about": "why"}
    assert help_view("nothing") == help_view()


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("ls —agent claude", {"agent": "claude"}),
        ("ls –since 24h", {"since": "24h"}),
        ("ls “release notes”", {"words": ["release notes"]}),
        ("ls 'release notes'", {"words": ["release notes"]}),
        ("ls it's broken", {"words": ["it's", "broken"]}),
        ("ls it’s “don’t”", {"words": ["it's", "don't"]}),
        ("ls before—after", {"words": ["before—after"]}),
        ("ls --channel <#C1|general> --user <@U1|alice>", {"channel": "C1", "user": "U1"}),
        ("ls --agent claude release notes", {"agent": "claude", "words": ["release", "notes"]}),
        ("Ls --all", {"all": True}),
        ("ls\u00a0--all", {"all": True}),
        ("\u3000ls\u2003--since\u202f24h\u00a0", {"since": "24h"}),
        ("ls ——agent claude", {"agent": "claude"}),
        ("ls -–agent claude", {"agent": "claude"}),
        ("ls −−all －－agent claude", {"all": True, "agent": "claude"}),
        ("ls «release notes» ＂x y＂", {"words": ["release notes", "x y"]}),
        ("ls --user \u2068@alice\u2069 \ufeffnotes", {"user": "alice", "words": ["notes"]}),
        ("ls --agent @claude --channel #ops", {"agent": "claude", "channel": "ops"}),
        (
            "ls agent:@claude channel:#ops user:@ann",
            {"agent": "claude", "channel": "ops", "user": "ann"},
        ),
        ("ls channel:<#C1|ops> user:<@U1> x", {"channel": "C1", "user": "U1", "words": ["x"]}),
        (
            "ls Status:error platform:cli since:7d",
            {"status": "error", "platform": "cli", "since": "7d"},
        ),
        (
            'ls channel:"#ops" https://x/y error: 12:30',
            {"channel": "ops", "words": ["https://x/y", "error:", "12:30"]},
        ),
        ("ls −5", {"words": ["−5"]}),
        ("/trace ls", {}),
        ("ls agent:a\0b x\ud800", {"agent": "a\ufffdb", "words": ["x?"]}),
        ("tracebot LS --all", {"all": True}),
        ("$ tracebot ls", {}),
        ("`ls --all`", {"all": True}),
        ("/trace ls --all # the newest, with skipped ones", {"all": True}),
        ("ls channel:#ops #1", {"channel": "ops", "words": ["#1"]}),
    ],
)
def test_typographic_quotes_dashes_and_slack_links_are_understood(
    text: str, understood: dict[str, object]
) -> None:
    assert typed(text) == {"command": "ls", "limit": 10, **understood}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sats", "did you mean stats?"),
        ("frobnicate", "see /trace help"),
        ("stats --by agnt", "did you mean agent?"),
        ("ls --agnt claude", "did you mean --agent?"),
        ("doctor", "doctor works only in a shell: tracebot doctor."),
        ("agents", "agents works only in a shell: tracebot agents."),
        ("ls --json", "--json works only in a shell: tracebot ls --json."),
        ("stats --zone Asia/Seoul", "--zone works only in a shell: tracebot stats --zone."),
        ("stats by agent", "did you mean --by?"),
        ("cost since 30d", "did you mean --since?"),
        ("ls -5", "ls does not take -5: did you mean -n 5?"),
        ("ls --status eror", "did you mean error?"),
        ("ls --zzz", "see /trace help"),
        ("stats yesterday", "stats does not take yesterday"),
        ("stats agent", "--by is missing: write /trace stats --by agent."),
        ('ls "release', "A quote is not closed"),
        ("ls --since soon", "write 30m, 24h, 7d or 2w"),
        ("ls --limit 0", "from 1 to 10"),
        ("ls --limit 50", "from 1 to 10"),
        ("slow -n 11", "from 1 to 10"),
        ("logs -n 101", "from 1 to 100"),
        ("ls status:eror", "choose from running"),
        ("ls since:soon", "write 30m, 24h, 7d or 2w"),
        ("ls --agent", "--agent needs a value: see /trace help ls."),
        ("why", "/trace why needs LINK: see /trace help why."),
    ],
)
def test_a_command_that_makes_no_sense_gets_one_sentence_with_advice(text: str, said: str) -> None:
    assert said in refused(text)
    assert "\n" not in refused(text)


@pytest.mark.parametrize(
    ("arguments", "understood"),
    [
        (["ls\u00a0--all"], {"all": True}),
        (["ls", "--agent\u00a0@claude"], {"agent": "claude"}),
        (["ls", "—all", "“release", "notes”"], {"all": True, "words": ["release", "notes"]}),
        (["ls", "--channel", "#ops", "--user", "<@U1|ann>"], {"channel": "ops", "user": "U1"}),
        (["ls", "channel:#ops", "two words"], {"channel": "ops", "words": ["two words"]}),
        (["ls", "agent:b\udcff", "--model", "\udcff"], {"agent": "b?", "model": "?"}),
    ],
)
def test_the_shell_understands_what_is_pasted(
    arguments: list[str], understood: dict[str, object]
) -> None:
    assert given(parse(PARSER, arguments)) == {"command": "ls", "limit": 10, **understood}


def test_a_search_takes_filters(database: Database) -> None:
    assert typed("search apples agent:@claude channel:#ops") == {
        "command": "search",
        "words": ["apples"],
        "agent": "claude",
        "channel": "ops",
        "limit": 10,
    }


def test_the_shell_has_a_longer_list_and_its_own_options() -> None:
    parser, commands = build_parser(prog="tracebot", shell=True)
    commands.add_parser("serve")
    words = parse(parser, ["ls", "-n", "500", "--json", "--database", "x.db"])
    assert (words.limit, words.json, words.database) == (500, True, "x.db")
    assert parse(parser, ["serve"]).command == "serve"


@pytest.mark.parametrize(
    ("words", "hours"), [("30m", 0.5), ("24h", 24), ("7d", 168), ("2w", 336), (" 1H ", 1)]
)
def test_periods_are_written_with_a_letter(words: str, hours: float) -> None:
    assert parse_duration(words) == hours * HOUR_NS


@pytest.mark.parametrize("words", ["", "h", "0h", "-1h", "1.5h", "7 d", "²h", "1y"])
def test_other_periods_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="write 30m, 24h, 7d or 2w"):
        parse_duration(words)


def ask(observability: Observability, *words: str, viewer: Viewer | None = None) -> View:
    parser, _ = build_parser(prog="tracebot", shell=True)
    return answer(
        parse(parser, words), database=observability.database, viewer=viewer or Viewer(), now=NOW
    )


def listed(view: View, ids: dict[str, str]) -> list[str]:
    """Return the short names of the traces in a list."""
    assert isinstance(view, TraceListView)
    names = {id: name for name, id in ids.items()}
    return [names[line.trace_id] for line in view.lines]


def said(view: View) -> str:
    assert isinstance(view, MessageView)
    return view.text


MAY_SEE = Viewer(
    audiences=frozenset({TEAM, own_audience(TEAM, ALICE)}), team=TEAM, user=ALICE, channel=GENERAL
)
"""Alice is not in the private channel."""


def test_a_list_is_newest_first_without_skipped_messages(
    observability: Observability,
) -> None:
    ids = record_an_hour(observability)
    names = ["running", "command", "direct", "private", "follow-up", "question"]
    assert listed(ask(observability, "ls"), ids) == names
    assert "skipped" in listed(ask(observability, "ls", "--all"), ids)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--agent", "echo"], ["direct"]),
        (["--status", "timeout"], ["follow-up"]),
        (["--channel", SECRET], ["private"]),
        (["--user", BOB, "--all"], ["private", "skipped"]),
        (["--platform", "cli"], ["running", "command"]),
        (["--since", "3m"], ["running", "command", "direct"]),
        (["what", "new"], ["question"]),
    ],
)
def test_a_list_is_narrowed_by_each_filter(
    observability: Observability, words: list[str], names: list[str]
) -> None:
    ids = record_an_hour(observability)
    assert listed(ask(observability, "ls", *words), ids) == names


def test_a_cursor_goes_on_where_the_page_ended(observability: Observability) -> None:
    ids = record_an_hour(observability)
    seen: list[str] = []
    more: list[str] = []
    for _ in range(3):
        page = ask(observability, "ls", "--limit", "2", *more)
        assert isinstance(page, TraceListView)
        seen += listed(page, ids)
        more = ["--cursor", page.next or ""]
    assert seen == ["running", "command", "direct", "private", "follow-up", "question"]
    assert page.next is None


@pytest.mark.parametrize("cursor", ["yesterday", f"{'9' * 5_000}-a", f"{2**63}-a", "1-"])
def test_an_invalid_cursor_is_refused(observability: Observability, cursor: str) -> None:
    with pytest.raises(UsageError, match="use the one from the previous page"):
        ask(observability, "ls", "--cursor", cursor)


def test_a_hidden_trace_gets_the_same_answer_as_a_missing_one(
    observability: Observability,
) -> None:
    ids = record_an_hour(observability)
    secret = said(ask(observability, "show", ids["private"], viewer=MAY_SEE))
    nothing = said(ask(observability, "show", "f" * 32, viewer=MAY_SEE))
    assert secret.replace(ids["private"], "") == nothing.replace("f" * 32, "")
    thread = said(ask(observability, "thread", SECRET, "1763999760.000400", viewer=MAY_SEE))
    assert thread == said(ask(observability, "thread", "C9", "1.2", viewer=MAY_SEE))


def test_lists_and_statistics_include_only_traces_that_the_viewer_may_see(
    observability: Observability,
) -> None:
    ids = record_an_hour(observability)
    assert listed(ask(observability, "ls", viewer=MAY_SEE), ids) == [
        "direct",
        "follow-up",
        "question",
    ]
    shown = ask(observability, "stats", "--by", "channel", viewer=MAY_SEE)
    assert isinstance(shown, StatsView)
    assert SECRET not in {line.key for line in shown.lines}
    assert listed(ask(observability, "ps", viewer=MAY_SEE), ids) == []


def test_ps_leaves_out_commands_that_are_just_being_answered(
    observability: Observability,
) -> None:
    turn = observability.start_span("slack message", {"decision": "answer"}, kind="consumer")
    command = observability.start_span("/trace ps", {"decision": "skip"}, kind="consumer")
    assert observability.flush()
    ids = {"turn": turn.trace_id, "command": command.trace_id}
    assert listed(ask(observability, "ps"), ids) == ["turn"]


def test_what_began_by_a_clock_that_is_ahead_has_run_for_no_time_yet(
    observability: Observability,
) -> None:
    ahead = NOW + 3_000 * MS
    turn = observability.start_span("slack message", {"decision": "answer"}, started_at=ahead)
    call = {"configured_provider": "claude", "agent": "claude"}
    observability.start_span("attempt claude", call, parent=turn, started_at=ahead)
    assert observability.flush()
    listed, shown = ask(observability, "ps"), ask(observability, "show", turn.trace_id)
    assert isinstance(listed, TraceListView)
    assert isinstance(shown, TraceView)
    lines = (*listed.lines, shown.line, *shown.spans, *shown.work)
    assert {line.duration for line in lines} == {"0 µs"}
    assert len(lines) == 5


def test_a_page_of_a_thread_as_json_names_the_pages_beside_it(
    observability: Observability,
) -> None:
    place = {"channel": GENERAL, "thread_ts": THREAD}
    ids = [
        record(observability, "slack message", ago=minute * MINUTE, ms=9, **place)
        for minute in range(25, 0, -1)
    ]
    assert observability.flush()
    later = str(Cursor(NOW - 5 * MINUTE, ids[20]))
    page = json.loads(
        json_output.render(ask(observability, "thread", GENERAL, THREAD, "--cursor", later))
    )
    assert [each["trace_id"] for each in page["traces"]] == ids[10:20]
    earlier = ask(observability, "thread", GENERAL, THREAD, "--cursor", page["next"])
    newer = ask(observability, "thread", GENERAL, THREAD, "--cursor", page["previous"])
    assert isinstance(earlier, TraceListView)
    assert isinstance(newer, TraceListView)
    assert [trace.trace_id for trace in earlier.traces] == ids[:10]
    assert [trace.trace_id for trace in newer.traces] == ids[20:]


def test_channels_whose_names_are_hidden_are_counted_as_other_ones(
    observability: Observability,
) -> None:
    record_an_hour(observability)
    viewer = replace(MAY_SEE, may_name=lambda channel: channel != GENERAL)
    view = ask(observability, "stats", "--by", "channel", viewer=viewer)
    assert isinstance(view, StatsView)
    names = [line.key for line in view.lines]
    assert "other channels" in names
    assert not {GENERAL, "no channel"} & set(names)
    everything = ask(observability, "stats", "--by", "channel")
    assert isinstance(everything, StatsView)
    assert "other channels" not in [line.key for line in everything.lines]


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("day", ["2025-11-22 Sat"]),
        ("hour", ["11-22 14:00"]),
        ("decision", ["the bot was not mentioned"]),
    ],
)
def test_the_groups_of_the_period_before_have_names_in_json(
    observability: Observability, by: str, names: list[str]
) -> None:
    decided = ("decide", 1, 1, {"decision": "skip", "reason": "not_mentioned"})
    record(observability, "slack message", ago=50 * HOUR_NS, ms=9, steps=(decided,))
    assert observability.flush()
    view = ask(observability, "stats", "--by", by, "--since", "48h", "--compare")
    before = json.loads(json_output.render(view))["before"]
    assert [group["name"] for group in before["groups"]] == names


def test_each_trace_is_checked_with_the_viewer(
    observability: Observability,
) -> None:
    ids = record_an_hour(observability)
    viewer = Viewer(may_see=lambda trace: trace.trace_id != ids["question"])
    assert "question" not in listed(ask(observability, "ls", viewer=viewer), ids)
    assert "Nothing found" in said(ask(observability, "show", ids["question"], viewer=viewer))
    thread = ask(observability, "thread", GENERAL, THREAD, viewer=viewer)
    assert listed(thread, ids) == ["follow-up"]


def test_the_first_digits_of_an_id_are_enough_if_they_are_unique(
    observability: Observability,
) -> None:
    ids = record_an_hour(observability)
    shown = ask(observability, "show", ids["question"][:20].upper())
    assert isinstance(shown, TraceView)
    assert shown.line.trace_id == ids["question"]
    lines = said(ask(observability, "show", ids["question"][:4])).splitlines()
    assert "Several traces begin with" in lines[0]
    newest = ask(observability, "ls", "--all")
    assert isinstance(newest, TraceListView)
    begun = {trace.trace_id: trace.started_at for trace in newest.traces}
    times = [begun[line.split(",")[0]] for line in lines[1:]]
    assert len(times) > 1
    assert times == sorted(times, reverse=True)
    assert lines[1].endswith(" ago")


@pytest.mark.parametrize(
    "copied", ["`{}`", "{},", "{}…", "({})", " {}\n", "#{}", "“{}”.", "00-{}-00f067aa0ba902b7-01"]
)
def test_an_id_is_found_with_what_is_copied_along(
    observability: Observability, copied: str
) -> None:
    ids = record_an_hour(observability)
    for command in ("show", "why", "logs"):
        parser, _ = build_parser(prog="tracebot", shell=True)
        assert parse(parser, [command, copied.format(ids["question"])]).id == ids["question"]
    thread = ask(observability, "thread", copied.format(ids["question"]))
    assert listed(thread, ids) == listed(ask(observability, "thread", GENERAL, THREAD), ids)


def test_a_trace_outside_of_a_thread_has_none_to_show(observability: Observability) -> None:
    ids = record_an_hour(observability)
    viewer = Viewer(may_see=lambda trace: False)
    with pytest.raises(UsageError, match="the id of a trace in it"):
        ask(observability, "thread", ids["question"], viewer=viewer)
    with observability.span("run make") as span:
        pass
    observability.flush(10)
    with pytest.raises(UsageError, match="the id of a trace in it"):
        ask(observability, "thread", span.trace_id)


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["show", "zz"], "`show` without an id"),
        (["show", "0123456789"], "`ls` lists the newest traces, and `search` finds"),
        (["ps"], "`ls` lists what has ended."),
        (["errors", "resolve", "zz"], "the digits that `errors` shows."),
        (["metrics", "nothing"], "`metrics` lists the names."),
    ],
)
def test_a_command_within_a_sentence_is_set_apart(
    observability: Observability, words: list[str], advice: str
) -> None:
    try:
        view = ask(observability, *words)
    except UsageError as refusal:
        assert advice in str(refusal)
    else:
        assert advice in terminal.render(view)
        (shown, *_) = slack.render(view)
        assert advice in shown["text"]["text"]


def test_an_empty_id_is_named_as_such(observability: Observability) -> None:
    for command in ("show", "logs", "why"):
        with pytest.raises(UsageError, match="^'' is not a trace id"):
            ask(observability, command, "")


def test_text_that_is_not_an_id_is_refused_with_advice(observability: Observability) -> None:
    with pytest.raises(UsageError, match="at least 4 of its digits, or a message's link"):
        ask(observability, "show", "that one")


@pytest.mark.parametrize("link", [FOLLOW_UP, f"{FOLLOW_UP}?thread_ts={THREAD}&cid={GENERAL}"])
def test_a_messages_link_shows_its_trace(observability: Observability, link: str) -> None:
    ids = record_an_hour(observability)
    place = f"https://acme.slack.com/archives/{GENERAL}/p{link.replace('.', '', 1)}"
    shown = ask(observability, "show", place)
    assert isinstance(shown, TraceView)
    assert shown.line.trace_id == ids["follow-up"]


def test_a_message_that_two_processes_received_is_shown_and_counted_once(
    observability: Observability,
) -> None:
    place = {"channel": GENERAL, "team": TEAM, "audience": TEAM}
    message = {"thread_ts": FOLLOW_UP, "message_ts": FOLLOW_UP, **place}
    for ago, decision, reason in (
        (2 * MINUTE, "answer", "mentioned"),
        (2 * MINUTE - MS, "skip", "handled_elsewhere"),
    ):
        decided = ("decide", 1, 1, {"decision": decision, "reason": reason})
        root = {**message, "decision": decision}
        record(observability, "slack message", ago=ago, ms=5, steps=(decided,), **root)
    assert observability.flush()
    link = f"https://acme.slack.com/archives/{GENERAL}/p{FOLLOW_UP.replace('.', '', 1)}"
    shown, why = ask(observability, "show", link), ask(observability, "why", link)
    assert isinstance(shown, TraceView)
    assert isinstance(why, WhyView)
    assert (shown.trace.decision, why.reason) == ("answer", "mentioned")
    thread = ask(observability, "thread", link)
    assert isinstance(thread, TraceListView)
    assert (thread.title, len(thread.lines)) == ("Thread with 1 turn, oldest first", 1)
    counted = ask(observability, "stats", "--by", "decision")
    assert isinstance(counted, StatsView)
    assert [(line.key, line.traces) for line in counted.lines] == [("the bot was mentioned", "1")]
    scope = Scope(audiences=frozenset({TEAM}))
    told = last_day(observability.database, scope, now=NOW)
    assert told.left == ""


def test_the_link_of_a_reply_shows_its_turn(
    observability: Observability,
) -> None:
    ids = record_an_hour(observability)
    place = f"https://acme.slack.com/archives/{GENERAL}/p1763999404000900?thread_ts={THREAD}"
    shown = ask(observability, "show", place)
    assert isinstance(shown, TraceView)
    assert shown.line.trace_id == ids["question"]


def test_a_thread_is_found_by_link_by_channel_and_time_stamp_or_as_the_latest(
    observability: Observability,
) -> None:
    ids = record_an_hour(observability)
    link = f"https://acme.slack.com/archives/{GENERAL}/p1763999404000900?thread_ts={THREAD}"
    turns = ["question", "follow-up"]
    assert listed(ask(observability, "thread", link), ids) == turns
    assert listed(ask(observability, "thread", GENERAL, THREAD), ids) == turns
    assert listed(ask(observability, "thread", viewer=MAY_SEE), ids) == turns


def test_a_channel_without_threads_says_so(observability: Observability) -> None:
    with pytest.raises(UsageError, match="No thread is recorded here yet"):
        ask(observability, "thread", viewer=MAY_SEE)
    with pytest.raises(UsageError, match="That is not a thread"):
        ask(observability, "thread", "somewhere")


@pytest.mark.parametrize("command", ["ls", "stats", "stats --by hour", "cost", "errors", "slow"])
def test_a_period_may_be_longer_than_time(database: Database, command: str) -> None:
    words = [*command.split(), "--since", "99999999999d"]
    assert answer(parse(PARSER, words), database=database, viewer=Viewer(), now=NOW)


@pytest.mark.parametrize("command", ["stats", "cost", "errors", "slow", "logs", "metrics"])
@pytest.mark.parametrize(("since", "advised"), [("24h", "30d"), ("30d", "365d"), ("365d", None)])
def test_an_empty_period_advises_a_longer_one(
    database: Database, command: str, since: str, advised: str | None
) -> None:
    args = parse(PARSER, [command, "--since", since])
    view = answer(args, database=database, viewer=Viewer(), now=NOW)
    empty = str(getattr(view, "empty", "") or getattr(view, "note", ""))
    assert empty.partition("Add ")[2] == (
        f"--since {advised} to look further back." if advised else ""
    )


@pytest.mark.parametrize("words", [1, 2, 3, 1_000, 1_900])
def test_a_search_may_have_as_many_words_as_fit_into_a_command(
    observability: Observability, words: int
) -> None:
    text = " ".join(f"word{number}" for number in range(words))
    with observability.span("run", platform="cli", text=text):
        pass
    observability.flush()

    def found(searched: str) -> int:
        asked = parse(PARSER, ["search", *searched.split()])
        view = answer(asked, database=observability.database, viewer=Viewer(), now=NOW)
        assert isinstance(view, TraceListView)
        return len(view.lines)

    assert found(text) == 1
    assert found(f"{text} {text}") == 1
    assert found(f"{text} other") == 0


def test_a_search_that_is_too_long_gets_a_sentence(database: Database) -> None:
    for words in ([str(number) for number in range(2_001)], ["x" * 50_000]):
        with pytest.raises(UsageError, match="too long for a search"):
            answer(parse(PARSER, ["search", *words]), database=database, viewer=Viewer(), now=NOW)


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["x" * 5_000], "help"),
        (["errors", *map(str, range(1_900))], "write errors resolve ID"),
        (["stats", "--by", "q" * 4_000], "choose from"),
        (["show", "a" * 5_000], "digits"),
    ],
)
def test_a_mistake_is_not_repeated_at_any_length(
    database: Database, words: list[str], advice: str
) -> None:
    with pytest.raises(UsageError, match=advice) as raised:
        answer(parse(PARSER, words), database=database, viewer=Viewer(), now=NOW)
    assert len(str(raised.value)) < 1_000


def test_the_case_of_a_time_zone_does_not_matter() -> None:
    shell, _ = build_parser(prog="tracebot", shell=True)
    assert parse(shell, ["stats", "--zone", "europe/berlin"]).zone == "Europe/Berlin"
    assert parse_order(["here", "at", "09:00", "asia/seoul"]).time_zone == "Asia/Seoul"


def test_the_case_of_a_value_that_is_chosen_does_not_matter() -> None:
    assert parse(PARSER, ["stats", "--by", "Agent"]).by == "agent"
    assert parse(PARSER, ["logs", "--level", "WARNING"]).level == "warning"


def test_an_id_is_understood_with_the_space_that_was_copied_with_it(
    observability: Observability,
) -> None:
    ids = record_an_hour(observability)
    args = parse(PARSER, ["show", f" {ids['question'].upper()} "])
    view = answer(args, database=observability.database, viewer=Viewer(), now=NOW)
    assert isinstance(view, TraceView)
