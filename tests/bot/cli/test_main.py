"""The command line as a user meets it, and the JSON that scripts rely on.

What depends on a process (its streams, its start, its locks) is asked of a real one.
"""

import json
import os
import resource
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from reports.views.digest import DigestView
from storage import Observability
from storage.database.connect import connect
from tests.support.command_line import run_here, tracebot
from tests.support.confined import as_root

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def recorded(db_path: Path) -> Path:
    """Return the path of a database with a turn, a failure and a skipped message."""
    with Observability.open(db_path, platform="slack") as observability:
        with observability.span(
            "slack message", team="T1", channel="C1", thread_ts="1.0", user="U1", agent="claude"
        ) as root:
            root.set(text="what is new?", decision="answer")
            with observability.span("decide", decision="answer", reason="mentioned"):
                pass
            with observability.span(
                "attempt claude",
                configured_provider="claude",
                provider="claude",
                model="opus",
                input_tokens=1200,
                output_tokens=80,
                cost=12_345,
                cost_source="reported",
            ) as attempt:
                attempt.event("first token", ms=900)
        with observability.span("run make", agent="codex") as failed:
            failed.fail("exit_code", "exit code 2")
        with observability.span("slack message", channel="C1", decision="skip") as skipped:
            skipped.set(text="lunch?")
            with observability.span("decide", decision="skip", reason="not_mentioned"):
                pass
    return db_path


def make_older(recorded: Path) -> None:
    """Make the traces 40 days older, but not their statistics."""
    database = connect(recorded)
    for table in ("traces", "spans"):
        database.execute_sql(f"UPDATE {table} SET started_at = started_at - 86400000000000 * 40")
    database.close()


def as_json(db_path: Path, *words: str, run: Run = run_here) -> dict[str, Any]:
    result = run(db_path, *words, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


TRACE_KEYS = {
    *("trace_id", "name", "status", "platform", "agent", "channel_id", "thread_ts", "user_id"),
    *("started_at", "duration_ms", "span_count", "error_count"),
    *("input_tokens", "output_tokens", "cost_usd"),
}
GROUP_KEYS = {
    *("traces", "errors", "error_rate", "p50_ms", "p95_ms", "p99_ms"),
    *("input_tokens", "output_tokens", "cost_usd"),
}
SPAN_KEYS = {
    *("span_id", "parent_id", "name", "kind", "status", "started_at", "duration_ms"),
    *("attributes", "events", "error"),
}
STEP_KEYS = {"kind", "depth", "title", "status", "started_at", "duration_ms", "facts"}


def test_ls_as_json_keeps_its_contract(recorded: Path) -> None:
    answer = as_json(recorded, "ls", run=tracebot)
    assert answer.keys() == {"traces", "next", "previous"}
    failed, turn = answer["traces"]
    assert turn.keys() >= TRACE_KEYS
    assert (turn["agent"], turn["channel_id"], turn["user_id"]) == ("claude", "C1", "U1")
    assert (turn["span_count"], turn["error_count"]) == (3, 0)
    assert (turn["input_tokens"], turn["output_tokens"]) == (1200, 80)
    assert turn["cost_usd"] == 0.012345
    assert turn["started_at"].endswith("Z")
    assert (failed["status"], failed["error_count"], failed["cost_usd"]) == ("error", 1, None)
    assert answer["next"] is None


def test_ls_pages_with_a_cursor(recorded: Path) -> None:
    first = as_json(recorded, "ls", "--all", "--limit", "2")
    second = as_json(recorded, "ls", "--all", "--limit", "2", "--cursor", first["next"])
    ids = [trace["trace_id"] for trace in first["traces"] + second["traces"]]
    assert len(set(ids)) == 3
    assert second["next"] is None


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ([], 2),
        (["--all"], 3),
        (["--agent", "claude"], 1),
        (["--status", "error"], 1),
        (["--channel", "C1"], 1),
        (["--channel", "C1", "--all"], 2),
        (["--user", "U1"], 1),
        (["--platform", "cli"], 0),
        (["--since", "1h"], 2),
        (["new"], 1),
        (["what", "new"], 1),
        (["lunch", "--all"], 1),
    ],
)
def test_ls_filters(recorded: Path, words: list[str], count: int) -> None:
    assert len(as_json(recorded, "ls", *words)["traces"]) == count


@pytest.mark.parametrize("command", ["ls", "slow", "errors", "stats", "ps"])
@pytest.mark.parametrize(
    ("filter", "hint"),
    [
        ("user:Alice", "tracebot stats --by user"),
        ("channel:general", "tracebot stats --by channel"),
        ("agent:cladue", "tracebot stats --by agent"),
    ],
)
def test_a_name_for_which_nothing_is_recorded_is_told(
    recorded: Path, command: str, filter: str, hint: str
) -> None:
    found = run_here(recorded, command, filter)
    said = filter.replace(":", " ")
    assert found.stderr.startswith(f"tracebot: Nothing is recorded for {said}.")
    assert hint in found.stderr
    assert found.returncode == 0


@pytest.mark.parametrize("filter", ["user:U1", "channel:C1", "agent:CLAUDE"])
def test_a_list_that_is_empty_for_another_reason_blames_no_name(
    recorded: Path, filter: str
) -> None:
    assert run_here(recorded, "ps", filter).stderr == ""


def test_a_name_that_only_statistics_still_have_is_recorded(recorded: Path) -> None:
    make_older(recorded)
    assert run_here(recorded, "clean", "--older-than", "30d").returncode == 0
    found = run_here(recorded, "ls", "agent:claude")
    assert "No traces match" in found.stdout
    assert found.stderr == ""


def test_forget_says_that_it_knows_nobody_of_that_name(recorded: Path) -> None:
    found = run_here(recorded, "forget", "--user", "Alice", "--yes")
    assert "Nothing is recorded for user Alice. A shell knows the IDs of people" in found.stderr
    assert "0 messages" in found.stdout


def test_show_as_json_keeps_its_contract(recorded: Path) -> None:
    trace_id = as_json(recorded, "ls", "--agent", "claude")["traces"][0]["trace_id"]
    answer = as_json(recorded, "show", trace_id[:24], run=tracebot)
    assert answer.keys() == {"trace", "spans", "timeline", "last_words", "link"}
    assert answer["trace"]["trace_id"] == trace_id
    root, _, attempt = answer["spans"]
    assert attempt.keys() == SPAN_KEYS
    assert attempt["parent_id"] == root["span_id"]
    assert attempt["attributes"]["gen_ai.usage.input_tokens"] == 1200
    assert attempt["events"][0]["name"] == "first token"
    assert attempt["error"] is None
    (step,) = answer["timeline"]
    assert step.keys() == STEP_KEYS
    assert (step["kind"], step["started_at"]) == ("attempt", attempt["started_at"])


def test_stats_as_json_keeps_its_contract(recorded: Path) -> None:
    answer = as_json(recorded, "stats", "--by", "agent", "--since", "1d", run=tracebot)
    assert answer.keys() == {"since", "until", "counted_since", "total", "groups", "figures"}
    assert answer["total"].keys() >= GROUP_KEYS
    groups = {group["key"]: group for group in answer["groups"]}
    assert groups.keys() == {"claude", "codex"}
    assert (groups["claude"]["traces"], groups["claude"]["errors"]) == (1, 0)
    assert groups["claude"]["cost_usd"] == 0.012345
    assert groups["claude"]["p50_ms"] > 0
    assert (groups["codex"]["error_rate"], groups["codex"]["cost_usd"]) == (1.0, None)
    assert answer["total"]["traces"] == 2


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("provider", {"claude"}),
        ("model", {"opus"}),
        ("platform", {"slack"}),
        ("channel", {"C1"}),
        ("user", {"U1"}),
        ("decision", {"mentioned", "not_mentioned"}),
    ],
)
def test_stats_by_each_dimension(recorded: Path, by: str, keys: set[str]) -> None:
    assert {group["key"] for group in as_json(recorded, "stats", "--by", by)["groups"]} == keys


def test_stats_by_hour_are_in_their_order(recorded: Path) -> None:
    (hour,) = as_json(recorded, "stats", "--by", "hour")["groups"]
    assert hour["key"].endswith(":00:00.000000Z")
    assert hour["traces"] == 2


def test_cost_and_errors_as_json_keep_their_contract(recorded: Path) -> None:
    told = json.loads(tracebot(recorded, "cost", "--json").stdout)
    assert set(told) == {"since", "until", "total", "models", "agents", "unpriced"}
    spent = {
        "input_tokens": 1200,
        "output_tokens": 80,
        "cached_tokens": 0,
        "cost_usd": 0.012345,
    }
    assert told["total"] == spent
    assert told["models"] == [{"key": "opus", **spent}]
    assert told["agents"] == [{"key": "claude", **spent}]
    assert told["unpriced"] == []
    told = json.loads(run_here(recorded, "errors", "--json").stdout)
    assert set(told) == {"since", "until", "bucket_seconds", "errors"}
    (error,) = told["errors"]
    assert (error["error_type"], error["agent"], error["traces"]) == ("exit_code", "codex", 1)
    assert set(error["latest"]) == {"trace_id", "name", "started_at", "message"}
    assert (error["state"], error["count"], sum(error["sparkline"])) == ("new", 1, 1)
    assert error["first_seen"] == error["last_seen"] == error["latest"]["started_at"]
    assert (error["changed_by"], error["changed_at"]) == (None, None)


def test_a_shell_resolves_an_issue_and_opens_it_again(recorded: Path) -> None:
    def error() -> dict[str, Any]:
        (told,) = as_json(recorded, "errors")["errors"]
        return dict(told)

    issue = error()["id"]
    said = run_here(recorded, "errors", "resolve", issue[:6]).stdout
    assert said.startswith("exit_code of codex is resolved.")
    assert (error()["state"], error()["changed_by"]) == ("resolved", None)
    assert "takes it back" in as_json(recorded, "errors", "mute", issue)["message"]
    assert error()["state"] == "muted"
    assert run_here(recorded, "errors", "reopen", issue).returncode == 0
    assert error()["state"] == "new"
    assert run_here(recorded, "errors", "resolve", "0123abcd").returncode == 1
    for words in (["resolve"], ["resolve", "x!"], ["forgive", issue], ["resolve", issue, issue]):
        assert run_here(recorded, "errors", *words).returncode == 2


@pytest.mark.parametrize(("words", "count"), [(["slow"], 2), (["search", "lunch"], 1)])
def test_slow_and_search_as_json_are_lists_of_traces(
    recorded: Path, words: list[str], count: int
) -> None:
    told = json.loads(run_here(recorded, *words, "--json").stdout)
    assert len(told["traces"]) == count


def test_thread_as_json_includes_skipped_messages(recorded: Path) -> None:
    link = "https://x.slack.com/archives/C1/p1700000001000000?thread_ts=1.0&cid=C1"
    for place in (["C1", "1.0"], [link]):
        (turn,) = as_json(recorded, "thread", *place)["traces"]
        assert [step["kind"] for step in turn["timeline"]] == ["attempt"]


def test_ps_shows_what_runs(recorded: Path) -> None:
    assert as_json(recorded, "ps") == {"traces": []}
    with Observability.open(recorded, platform="cli") as observability:
        span = observability.start_span("long work")
        observability.flush()
        (trace,) = as_json(recorded, "ps")["traces"]
        observability.end_span(span)
    assert (trace["name"], trace["status"]) == ("long work", "running")


def test_health_counts_what_is_there(recorded: Path) -> None:
    health = as_json(recorded, "health")
    assert (health["traces"], health["spans"], health["running"]) == (3, 6, 0)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["lss"], 2, "did you mean ls?"),
        (["ls", "--agnt", "x"], 2, "--agnt"),
        (["ls", "--status", "bad"], 2, "choose from"),
        (["ls", "--since", "soon"], 2, "write 30m, 24h, 7d or 2w"),
        (["ls", "--limit", "0"], 2, "write a number, such as 50"),
        (["ls", "--cursor", "x"], 2, "cursor"),
        (["why"], 2, "LINK"),
        (["show", "zz"], 2, "at least 4 of its digits"),
        (["show", "deadbeef"], 1, "Nothing found for deadbeef"),
        (["thread", "C1", "9.9"], 1, "Nothing found"),
        (["why", "deadbeef"], 1, "No decision is recorded for deadbeef"),
        (["logs", "deadbeef"], 1, "Nothing found for deadbeef"),
        (["cancel", "deadbeef"], 1, "Nothing found for deadbeef"),
        (["errors", "resolve", "deadbeef"], 1, "There is no issue deadbeef"),
        (["alerts", "remove", "xyz"], 1, "There is no alert xyz"),
        (["alerts", "test", "beef"], 1, "There is no alert beef"),
        (["alerts", "snooze", "beef", "2h"], 1, "There is no alert beef"),
        (["alerts", "add", "errors>2", "in:C9"], 2, "is not a measure"),
        (["alerts", "add", "count>2", "over:1h", "in:C999"], 1, "Nothing is recorded from C999"),
        (["budget", "remove", "xyz"], 1, "There is no budget xyz"),
        (["budget", "raise", "beef", "30"], 1, "There is no budget beef"),
        (["digest", "--html", "nowhere/x.html"], 1, "nowhere/x.html cannot be written"),
        (["thread", "nonsense"], 2, "is not a thread"),
        (["clean", "--older-than", "x"], 2, "not a period"),
        (["clean", "--down-to", "x"], 2, "not a size"),
        (["clean"], 2, "--older-than 30d or --down-to 2GB"),
        (["collect", "--port", "99999"], 2, "is not a port: write a number from 0 to 65535"),
        (["ls", "--database="], 2, "--database needs a path: see tracebot help ls."),
        (["clean", "--down-to", "1MB", "--database", ""], 2, "--database needs a path"),
        (["restore", "--force", "--database=", "x.db"], 2, "--database needs a path"),
        (["doctor", "--database="], 2, "--database needs a path"),
        (["query", "--database=", "hello"], 2, "--database needs a path"),
        (["rehearse", "--database="], 2, "--database needs a path"),
    ],
)
def test_a_mistake_gets_one_sentence_and_an_exit_code(
    recorded: Path, words: list[str], code: int, sentence: str
) -> None:
    result = run_here(recorded, *words)
    said, *pointed = (result.stdout + result.stderr).splitlines()
    assert result.returncode == code
    assert sentence in said
    assert [line.strip(" ^") for line in pointed] in ([], [shlex.join(["tracebot", *words]), ""])


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            ["ls", "agent:claude", "status:eror", "since:7d"],
            ["  tracebot ls agent:claude status:eror since:7d", f"{' ' * 27}^^^^^^^^^^^"],
        ),
        (
            ["search", "京都", "cost:1"],
            ["  tracebot search '京都' cost:1", f"{' ' * 25}^^^^^^"],
        ),
        (
            ["stats", "duration>30s", "--by", "agent"],
            ["  tracebot stats 'duration>30s' --by agent", f"{' ' * 18}^^^^^^^^^^^^"],
        ),
        (["show", "ab", "t"], ["  tracebot show ab t", f"{' ' * 19}^"]),
        (["ls", "a" * 90, "status:eror"], []),
    ],
)
def test_a_mistake_is_pointed_at(recorded: Path, words: list[str], lines: list[str]) -> None:
    said = tracebot(recorded, *words).stderr.splitlines()
    assert said[1:] == lines


def test_a_mistake_as_json_is_an_object_too(recorded: Path) -> None:
    for words in (["show", "deadbeef"], ["ls", "--since", "x"]):
        result = run_here(recorded, *words, "--json")
        assert json.loads(result.stdout).keys() == {"error"}


def test_a_pipe_gets_no_colour_and_whole_lines(recorded: Path) -> None:
    for words in (["ls"], ["stats", "--by", "agent"], ["health"], ["help"]):
        result = tracebot(recorded, *words)
        assert result.returncode == 0
        assert "\x1b" not in result.stdout


def test_show_draws_a_tree_with_bars(recorded: Path) -> None:
    trace_id = as_json(recorded, "ls", "--agent", "claude")["traces"][0]["trace_id"]
    shown = tracebot(recorded, "show", trace_id).stdout
    assert "slack message" in shown
    assert "    attempt claude" not in shown.splitlines()[0]
    assert "█" in shown
    assert "answered: the bot was mentioned" in shown
    assert "opus, 1.2k → 80, $0.0123" in shown


def test_a_skipped_message_says_why(recorded: Path) -> None:
    assert "skipped: the bot was not mentioned" in tracebot(recorded, "ls", "--all").stdout


def test_an_unknown_option_is_not_taken_for_another_short_one(recorded: Path) -> None:
    assert "ps does not take --status: see tracebot help ps." in (
        tracebot(recorded, "ps", "--status", "ok").stderr
    )


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        ("clean --older-then 30d", "clean does not take --older-then: did you mean --older-than?"),
        ("forget --usr U1", "forget does not take --usr: did you mean --user?"),
        ("forget U1", "--user is missing: write tracebot forget --user U1."),
        ("forget --yes", "Say whose text to erase: --user ID"),
        ("forget --user= --yes", "Say whose text to erase: --user ID"),
    ],
)
def test_an_option_that_is_misspelt_or_left_out_is_named(
    recorded: Path, words: str, refusal: str
) -> None:
    refused = run_here(recorded, *words.split())
    assert refusal in refused.stderr
    assert refused.returncode == 2


def test_the_version_is_that_of_the_installed_package(recorded: Path) -> None:
    result = tracebot(recorded, "--version")
    assert (result.returncode, result.stdout) == (0, f"tracebot {version('tracebot')}\n")


def test_a_database_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = tracebot(tmp_path / "file" / "t.db", "ls")
    assert (result.returncode, result.stdout) == (1, "")
    assert "TRACEBOT_DATABASE_URL" in result.stderr


def test_a_locked_database_is_reported_in_one_sentence(recorded: Path) -> None:
    holder = connect(recorded)
    holder.begin()
    busy = {"TRACEBOT_BUSY_TIMEOUT_MS": "1"}
    result = tracebot(recorded, "clean", "--older-than", "1s", environ=busy)
    holder.rollback()
    holder.close()
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "The database failed (locked): another process has written to it" in result.stderr


def test_checkpoint_says_what_blocks_it(recorded: Path) -> None:
    reader = connect(recorded)
    reader.begin("deferred")
    reader.execute_sql("SELECT count(*) FROM spans").fetchall()
    with Observability.open(recorded, platform="cli") as other, other.span("more"):
        pass
    blocked = tracebot(recorded, "checkpoint", "--truncate")
    assert blocked.returncode == 1
    assert "another connection still reads or writes: 0 of " in blocked.stderr
    assert "run this again" in blocked.stderr
    reader.rollback()
    reader.close()
    writer = connect(recorded)
    writer.begin()
    blocked = tracebot(recorded, "checkpoint", "--truncate")
    assert "the log's file cannot be emptied" in blocked.stderr
    writer.rollback()
    writer.close()
    assert tracebot(recorded, "checkpoint", "--truncate").returncode == 0


def test_clean_removes_old_traces_and_keeps_statistics(recorded: Path) -> None:
    make_older(recorded)
    plan = tracebot(recorded, "clean", "--older-than", "30d", "--dry-run").stdout
    assert plan.startswith("3 traces would be removed: 6 spans, about ")
    assert plan.endswith("; 3 slack.\n")
    assert len(as_json(recorded, "ls", "--all")["traces"]) == 3
    gone = as_json(recorded, "ls", "--all")["traces"][0]["trace_id"]
    cleaned = tracebot(recorded, "clean", "--older-than", "30d").stdout
    assert cleaned.startswith("3 traces removed: 6 spans")
    shown = tracebot(recorded, "show", gone)
    assert (shown.returncode, "by retention" in shown.stdout) == (1, True)
    assert "by retention" in tracebot(recorded, "why", gone).stdout
    assert tracebot(recorded, "clean", "--older-than", "30d").stdout == "No traces removed.\n"
    assert as_json(recorded, "ls", "--all")["traces"] == []
    database = connect(recorded)
    marks = "SELECT count(*) FROM rollups WHERE level = 'folded'"
    assert database.execute_sql(marks).fetchall() == [(2,)], "old statistics are folded, too"
    database.close()
    assert as_json(recorded, "stats")["total"]["traces"] == 2


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "SLACK_BOT_TOKEN and SLACK_APP_TOKEN are not set"),
        ({"SLACK_BOT_TOKEN": "rubbish"}, "SLACK_BOT_TOKEN is not valid: it must begin with xoxb-"),
        ({"TRACEBOT_CAPTURE": "all"}, "TRACEBOT_CAPTURE"),
        ({"TRACEBOT_RETENTION": "long"}, "TRACEBOT_RETENTION"),
        ({"PORT": "many"}, "PORT"),
    ],
)
def test_serve_without_what_it_needs_names_the_variable(
    tmp_path: Path, environ: dict[str, str], sentence: str
) -> None:
    result = tracebot(tmp_path / "t.db", "serve", environ=environ)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert sentence in result.stderr


def test_a_shell_has_the_digest_of_the_last_24_hours(recorded: Path) -> None:
    shown = tracebot(recorded, "digest", "now").stdout
    assert "What the agents did in the last 24 hours" in shown
    assert "1 message was not answered because the bot was not mentioned." in shown
    told = as_json(recorded, "digest", "now")
    assert {group["key"] for group in told["agents"]} >= {"claude"}
    assert told["left_alone"] == {"not_mentioned": 1}
    refused = tracebot(recorded, "digest", "here", "at", "09:00")
    assert refused.returncode == 2
    assert "type /trace digest in one" in refused.stderr


def test_a_digest_as_a_page_takes_the_place_of_the_last_one_if_there_is_room(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "pages" / "digest.html"
    page.parent.mkdir()
    page.write_text("the last page")
    page.chmod(0o604)
    words = ["digest", "now", "--html", str(page)]
    size, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def page_without_room(view: DigestView) -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        return "x" * 1000

    with monkeypatch.context() as patch:
        patch.setattr("bot.cli.html_page.page", page_without_room)
        try:
            failed = run_here(recorded, *words)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    assert failed.returncode == 1
    assert f"{page} cannot be written (File too large)" in failed.stderr
    assert page.read_text() == "the last page"
    assert run_here(recorded, *words).returncode == 0
    assert "</html>" in page.read_text()
    assert page.stat().st_mode & 0o777 == 0o604
    assert list(page.parent.iterdir()) == [page]


def test_a_new_page_has_the_permissions_of_other_new_files(recorded: Path, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        run_here(recorded, "digest", "now", "--html", str(tmp_path / "digest.html"))
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert (tmp_path / "digest.html").stat().st_mode & 0o777 == 0o640


@as_root
@pytest.mark.parametrize("inherited", [False, True])
def test_a_page_stays_readable_to_its_group(
    recorded: Path, tmp_path: Path, inherited: bool
) -> None:
    page = tmp_path / "pages" / "digest.html"
    page.parent.mkdir()
    if inherited:
        os.chown(page.parent, -1, 33)
        page.parent.chmod(0o2755)
    page.write_text("the last page")
    os.chown(page, -1, 33)
    page.chmod(0o640)
    before = page.stat()
    run_here(recorded, "digest", "now", "--html", str(page))
    after = page.stat()
    assert "</html>" in page.read_text()
    assert (after.st_gid, after.st_mode & 0o777) == (33, 0o640)
    assert (after.st_ino != before.st_ino) is inherited, "as a whole, where that keeps the group"


def test_a_digest_as_a_page_goes_where_no_other_file_can_be_made(recorded: Path) -> None:
    assert "</html>" in tracebot(recorded, "digest", "now", "--html", "/dev/stdout").stdout


def test_ls_does_not_wait_for_what_only_other_commands_need(recorded: Path) -> None:
    result = tracebot(recorded, "ls", environ={"PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "reports.views.trace_list" in imported
    others = {"costs", "digest", "failures", "health", "statistics", "trace_tree"}
    assert not imported & {f"reports.views.{name}" for name in others}
    assert not imported & {"pydantic", "storage.store.erasing", "storage.writer.writer", "zoneinfo"}
    assert not imported & {"rich.console", "rich.table"}


@pytest.mark.parametrize(
    "words", ["thread C1\udcff 1.0", "forget --user \udcff --yes", "ls --cursor 1-\udcff"]
)
def test_a_byte_that_is_not_text_is_answered_with_a_sentence(recorded: Path, words: str) -> None:
    done = run_here(recorded, *words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert "a character that is not text" in done.stderr


@pytest.mark.parametrize("at", ["terminal.guard_warnings", "streams.prepare_streams"])
def test_ctrl_c_while_a_command_is_imported_is_no_traceback(at: str) -> None:
    program = (
        "import bot.cli.terminal, bot.cli.streams\n"
        "def interrupt(*given):\n"
        "    raise KeyboardInterrupt\n"
        f"bot.cli.{at} = interrupt\n"
        "from bot.cli.main import main\n"
        "main(['help'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "")
