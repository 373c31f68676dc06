"""Every command that reads answers the same on SQLite and on PostgreSQL, whatever is recorded.

The server's database sorts as a language does, if it can (`tests.support.postgres`).
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from copy import deepcopy
from itertools import cycle, product

import pytest

from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.render.json_output import render
from storage.database.base import Database
from storage.database.models import TABLES
from storage.model.batch import Batch
from storage.model.records import FEEDBACK, Log, Metric, Score
from storage.model.retention import Folding
from storage.model.span import Span, Status, own_audience
from storage.recovery.opening import open_database
from storage.store.batch import store
from storage.store.facts import merge_facts
from storage.store.search_index import add_all
from storage.upkeep import folding
from tests.support.factories import ALICE, BOB, DAY, GENERAL, MINUTE, MS, NOW, SECRET, TEAM, THREAD

PARSER, _ = build_parser(prog="tracebot", shell=True)
VIEWERS = {
    "shell": Viewer(),
    "person": Viewer(
        audiences=frozenset({TEAM, own_audience(TEAM, SECRET)}), team=TEAM, user=ALICE
    ),
}

NAMES = (
    *("claude", "Claude", "code_x", "code-x", "codex", "코덱스", "é", "É", "z", "a\0b"),
    "x" * 700,
)
TEXTS = (
    *("배포가 왜 실패했나요?", "東京都の天気は", "Deploy v1.2", "deployment of v1.23", "Straße"),
    *("cafe\u0301", "a\0b", "x\ud800y", "50%_\\ done", "z" * 60_000, "🙂👍🏽", "", None),
)
STATUSES: tuple[Status, ...] = ("ok", "error", "ok", "timeout", "running", "cancelled", "abandoned")
STARTS = (
    *[NOW - 10 * MINUTE] * 4,
    *(NOW - 10 * MINUTE + 1, NOW - 3 * DAY, NOW + MINUTE, 1, 2**63 - DAY),
)
"""The times at which traces began, most of them together; one in 2262."""
LENGTHS = (0, 1_500_000, 2_500_000, MS, 5_000 * MS, 5_000 * MS)
COUNTS = (None, 0, 7, 2**31, 2**45)
HUGE = sys.float_info.max


def traces() -> Iterator[list[Span]]:
    """Yield traces that differ in all that two databases may see differently."""
    texts, agents, statuses = cycle(TEXTS), cycle(NAMES), cycle(STATUSES)
    lengths, counts, users = cycle(LENGTHS), cycle(COUNTS), cycle((ALICE, BOB, None))
    places = (GENERAL, THREAD, TEAM), (SECRET, THREAD, own_audience(TEAM, SECRET)), (None,) * 3
    for number, (start, place) in enumerate(product(STARTS, places * 4)):
        channel, thread_ts, audience = place
        context = {"team": audience and TEAM, "channel": channel, "audience": audience}
        context |= {"thread_ts": thread_ts, "message_ts": thread_ts, "user": next(users)}
        trace_id = f"{'abcdef' if number % 2 else '000000'}{number * 7_919 % 991:026x}"

        def span(name: str, at: int, status: Status, **more: object) -> Span:
            length = None if status == "running" else next(lengths)
            more |= {"error_message": next(texts)} if status in ("error", "timeout") else {}
            return Span(
                trace_id=trace_id,  # noqa: B023
                span_id=f"{at:016x}",
                name=name,
                started_at=start,  # noqa: B023
                duration_ns=length,
                ended_at=None if length is None else start + length,  # noqa: B023
                parent_id=f"{at - 1:016x}" if at > 1 else None,
                status=status,
                process="host:1:1",
                **context,  # noqa: B023
                **more,
            )

        agent, status = next(agents), next(statuses)
        decided = ("answer", "answer", "skip", None)[number % 4]
        numbers = {"large": 2**70, "not": float("nan"), "text": next(texts)}
        yield [
            span("slack message", 1, status, agent=agent, decision=decided, text=next(texts)),
            span("decide", 2, "ok", decision=decided, reason="mentioned"),
            span(f"invoke_agent {agent}", 3, status, agent=agent, attributes=numbers),
            span(
                f"attempt {agent}",
                4,
                status,
                agent=agent,
                configured_provider=agent,
                provider=agent,
                model=agent,
                input_tokens=next(counts),
                output_tokens=next(counts),
                cost=next(counts),
            ),
        ]


def batches() -> Iterator[Batch]:
    found = list(traces())
    ids = [spans[0].trace_id for spans in found]
    spans = [span for spans in found for span in spans]
    half = len(spans) // 2 + 1
    yield Batch("host:1:1", 1, spans=spans[:half])
    yield Batch("host:1:1", 2, spans=spans[half:])
    yield Batch("host:1:1", 3, spans=spans[:9])
    # Ratings, values and lines of the same time.
    said = list(product(ids[:40:3], (FEEDBACK, "other"), (ALICE, BOB), ("1.0:+1", "1.0:-1", "b")))
    values, texts, of = cycle((1.0, 0.0, None, 0.5)), cycle(TEXTS), cycle((*ids[:20], None))
    scores = [
        Score(
            **dict(zip(("trace_id", "name", "user", "source"), each, strict=True)),
            value=next(values),
            label=None,
            recorded_at=NOW,
            text=next(texts),
        )
        for each in said
    ]
    beside = {"recorded_at": NOW - MINUTE, "span_id": None}
    metrics = [
        Metric(name=name, value=value, labels={"agent": name}, trace_id=next(of), **beside)
        for name in ("a_b", "a-b", "aB", "ab", "Ab", "é", "코", "B")
        for value in (0.1, 0.2, 0.3, 1 / 3, 7.7, 1e15)
    ]
    metrics += [
        Metric(name=name, value=value, labels={}, trace_id=None, **beside)
        for name, values in {"most": (HUGE, HUGE), "both": (HUGE, HUGE, -HUGE, -HUGE)}.items()
        for value in values
    ]
    logs = [
        Log(level=level, message=text or "", attributes=facts, trace_id=next(of), **beside)
        for level in ("WARNING", "info", "Error")
        for text, facts in zip(TEXTS, cycle(({"n": 2**70}, {"n": float("nan")}, {})), strict=False)
    ]
    yield Batch("host:1:1", 4, scores=scores, metrics=metrics, logs=logs)


@pytest.fixture(scope="module", params=["fresh", "added up", "folded"])
def both(
    request: pytest.FixtureRequest,
    new_postgres: Callable[[str], str],
    language_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Database, Database]]:
    """Return a file and a server with the same records, at three times of their lives."""
    path = tmp_path_factory.mktemp("both") / "t.db"
    with (
        closing(open_database(path)) as sqlite,
        closing(open_database(new_postgres(language_template))) as postgres,
    ):
        for database in (sqlite, postgres):
            for batch in batches():
                assert store(database, deepcopy(batch))
            if request.param != "fresh":
                merge_facts(database)
                add_all(database)
            if request.param == "folded":
                folding.fold(database, Folding(), now=NOW + 500 * DAY)
        yield sqlite, postgres


COMMANDS = (
    *("ls --all", "ls --all --limit 7", "slow", "errors", "errors --limit 3", "ps", "digest now"),
    *("stats --compare", "cost --compare", "stats since:90d", "slow since:90d --limit 500"),
    *(f"stats --by {by}" for by in ("agent", "model", "channel", "user", "decision", "day")),
    *("logs --limit 10", "logs --level warning", "metrics", "metrics ab", "metrics most"),
    *("metrics both", f"thread {GENERAL} {THREAD}", f"thread {SECRET} {THREAD}"),
    *(f"ls --all --limit 50 --agent {name}" for name in ("claude", "Claude", "코덱스", "é", "z")),
    *(f"ls --all -agent:{name}" for name in ("claude", "code_x", "코덱스")),
    *(f"ls --all --limit 50 --model {name}" for name in ("CLAUDE", "code_X", "é", "É", "none")),
    *(f"ls --all --limit 50 -model:{name}" for name in ("CLAUDE", "é")),
    *(f"ls --all --status {status} --limit 99" for status in sorted({*STATUSES})),
    *("ls tokens>8589934592", "ls cost<1 cost>0", "ls --all duration>2ms duration<5s"),
    *("ls --all feedback:down", "ls --all feedback:up", "errors --channel G0SECRET"),
    *(f"search {word} --limit 50" for word in ("배포", "실패", "京都", "東京 天気", "DEPLOY")),
    *(f"search {word} --limit 50" for word in ("v1.2", "strasse", "CAFÉ", "🙂", "50%_", "a_b")),
    *(f"{name} {id}" for name in ("show", "why", "logs") for id in ("abcdef", "ABCDEF", "0000")),
    *(f"show {'abcdef' if n % 2 else '000000'}{n * 7_919 % 991:026x}" for n in range(4)),
)


@pytest.mark.parametrize("viewer", VIEWERS)
@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_prints_the_same_json_on_both(
    both: tuple[Database, Database], words: str, viewer: str
) -> None:
    args = parse(PARSER, words.split())
    here, there = (
        render(answer(args, database=each, viewer=VIEWERS[viewer], now=NOW)) for each in both
    )
    assert here == there


def test_every_table_holds_the_same_on_both(both: tuple[Database, Database]) -> None:
    for table in TABLES:
        left_out = {"processes": ("started_at",), "facts": ("id",)}.get(table._meta.table_name, ())
        columns = [each for each in table._meta.sorted_fields if each.name not in left_out]
        here, there = (
            sorted(map(repr, table.select(*columns).tuples().execute(each))) for each in both
        )
        assert here == there, table
