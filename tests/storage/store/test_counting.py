"""A token or a dollar counts once in its trace, however many spans report it and when they come."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peewee import Database

from storage.database.models import RollupRow, SpanRow, TraceRow
from storage.model.batch import Batch
from storage.model.semconv import RESPONSE_ID
from storage.model.span import WITHIN, Span
from storage.recovery.merging import recompute_summary
from storage.recovery.opening import open_database
from storage.store.batch import store
from storage.store.counting import FIGURES, node_of, own_figures
from storage.store.facts import merge_facts
from storage.store.grains import Grains
from storage.store.recount import recount
from storage.store.rollups import EVERYONE, ISSUE, SUMS, with_days

NOW = 1_764_000_000 * 10**9
SECOND = 10**9
TRACE = "0123456789abcdef0123456789abcdef"
numbers = count(1)


def span(number: int, parent: int | None = None, **fields: Any) -> Span:
    """A span of another process, which ended."""
    given: dict[str, Any] = {"started_at": NOW, "ended_at": NOW + SECOND, "duration_ns": SECOND}
    given |= {"trace_id": TRACE, "name": "chat", "status": "ok", "received": True}
    attributes = {RESPONSE_ID: fields.pop("call", None), WITHIN: fields.pop("within", None)}
    given["attributes"] = {name: value for name, value in attributes.items() if value is not None}
    parent_id = None if parent is None else f"{parent:016x}"
    return Span(span_id=f"{number:016x}", parent_id=parent_id, **given | fields)


def own(*spans: Span) -> list[tuple[int | None, ...]]:
    """The own figures of each span, without the last ones if they are None."""
    found = own_figures({each.span_id: node_of(each) for each in spans})
    figures = [found.get(each.span_id, (None,) * 4) for each in spans]
    return [each[:2] if each[2:] == (None, None) else each for each in figures]


def total(*spans: Span) -> list[int]:
    found = own_figures({each.span_id: node_of(each) for each in spans}).values()
    return [sum(figure or 0 for figure in column) for column in zip(*found, strict=True)]


def test_an_agent_span_adds_only_what_its_calls_do_not_report() -> None:
    spans = (
        span(1, input_tokens=100, output_tokens=10),
        span(2, 1, input_tokens=60, output_tokens=8),
        span(3, 1, input_tokens=30, output_tokens=4),
    )
    assert own(*spans) == [(10, 0), (60, 8), (30, 4)]


def test_figures_are_compared_with_all_below_also_across_spans_without_any() -> None:
    spans = (span(1, input_tokens=100), span(2, 1), span(3, 2), span(4, 3, input_tokens=99))
    assert own(*spans) == [(1, None), (None, None), (None, None), (99, None)]


def test_a_wrapper_with_zeros_or_only_a_cost_hides_nothing() -> None:
    call = {"input_tokens": 60, "output_tokens": 8}
    assert own(span(1, input_tokens=0, output_tokens=0), span(2, 1, **call)) == [(0, 0), (60, 8)]
    assert own(span(1, cost=5), span(2, 1, **call)) == [(None, None, None, 5), (60, 8)]
    assert own(span(1, input_tokens=60), span(2, 1, output_tokens=8)) == [(60, None), (None, 8)]


@pytest.mark.parametrize("parents", [(None, None), (9, 9), (None, 1), (2, None)])
def test_the_same_call_reported_by_two_instrumentations_counts_once(
    parents: tuple[int | None, int | None],
) -> None:
    call = {"call": "r1", "input_tokens": 60, "output_tokens": 8}
    first = span(1, parents[0], **call, cached_tokens=7)
    second = span(2, parents[1], **call, cost=5)
    assert total(first, second) == total(second, first) == [60, 8, 7, 5]


@pytest.mark.parametrize("parents", [(None, None), (None, 1), (2, None)])
def test_of_one_call_the_cost_that_was_told_counts(parents: tuple[int | None, int | None]) -> None:
    call = {"call": "r1", "input_tokens": 60, "output_tokens": 8}
    estimated = span(1, parents[0], **call, cost=5, cost_source="estimated")
    told = span(2, parents[1], **call, cost=7, cost_source="reported")
    assert total(estimated, told) == total(told, estimated) == [60, 8, 0, 7]


def test_the_innermost_span_of_a_call_owns_it_so_that_its_wrapper_is_explained() -> None:
    call = {"call": "r1", "input_tokens": 60, "output_tokens": 8}
    agent = span(1, input_tokens=100)
    assert own(agent, span(2, 1, **call), span(3, **call)) == [(40, None), (60, 8), (0, 0)]


def test_calls_are_different_if_the_id_is_empty_or_tokens_or_times_differ() -> None:
    call = {"input_tokens": 60, "output_tokens": 8}
    later = {"started_at": NOW + SECOND, "ended_at": NOW + 2 * SECOND}
    for nameless in ("", " ", "None", "null"):
        assert total(span(1, **call, call=nameless), span(2, **call, call=nameless))[0] == 120
    assert total(span(1, **call), span(2, **call))[0] == 120
    first = span(1, **call, call="chatcmpl-0")
    assert total(first, span(2, **call, call="chatcmpl-0", **later))[0] == 120
    assert total(first, span(2, input_tokens=61, output_tokens=8, call="chatcmpl-0"))[0] == 121


def test_an_estimate_counts_for_the_tokens_that_nothing_below_has_priced() -> None:
    estimated = {"input_tokens": 300, "output_tokens": 100, "cost": 900, "cost_source": "estimated"}
    agent = span(1, **estimated)
    priced = span(2, 1, input_tokens=300, output_tokens=100, cost=400)
    unpriced = replace(priced, cost=None)
    half = span(3, 1, input_tokens=200, output_tokens=0, cost=200)
    assert total(agent, priced)[3] == 400
    assert total(agent, unpriced)[3] == 900
    assert total(agent, half)[3] == 650
    assert total(agent, span(2, 1, cost=400))[3] == 900
    assert total(agent, span(2, 1, cost=1_000))[3] == 1_000


def test_an_estimate_gives_way_to_a_lower_cost_that_a_span_above_was_told() -> None:
    estimated = {"input_tokens": 10, "cost": 900, "cost_source": "estimated"}
    calls = (span(2, 1), span(3, 2, **estimated), span(4, 1, **estimated, model="other"))
    told = span(5, 1, cost=300, cost_source="reported")
    for cost, counted in ((700, 700), (1_800, 1_800), (2_000, 2_000), (0, 1_800), (None, 1_800)):
        assert total(span(1, cost=cost), *calls)[3] == counted
    assert total(span(1, cost=700), *calls, told)[3] == 700
    assert total(span(1, cost=100), *calls, told)[3] == 300
    assert total(span(1, cost=9_000), span(2, 1, cost=700), *calls[1:])[3] == 9_000
    costs = [figures[-1] for figures in own(span(1, cost=701), *calls)]
    assert costs == [1, None, 350, 350]


@pytest.mark.parametrize("step", [(), (span(3, 9),)], ids=["alone", "below a step"])
def test_what_an_agent_reports_counts_once_if_its_own_span_is_never_sent(
    step: tuple[Span, ...],
) -> None:
    figures = {"input_tokens": 60, "output_tokens": 8, "cost": 5}
    attempt = span(1, received=False, input_tokens=100, output_tokens=8, cost=5)
    call = span(4, 3 if step else 9, **figures, within=attempt.span_id)
    assert total(attempt, *step, call) == [100, 8, 0, 5]
    assert total(attempt, *step, replace(call, attributes={})) == [160, 16, 0, 10]
    assert total(*step, call) == [60, 8, 0, 5]


def test_rings_lose_nothing_and_their_earliest_span_is_the_outer_one() -> None:
    ring = (
        span(1, 3, input_tokens=5, started_at=NOW + 1),
        span(2, 1, input_tokens=7, started_at=NOW + 2),
        span(3, 2, input_tokens=9),
        span(4, 2, input_tokens=2),
        span(5, 5, input_tokens=1),
    )
    assert own(*ring) == [(0, None), (5, None), (2, None), (2, None), (1, None)]


def test_a_chain_of_ten_thousand_is_counted() -> None:
    chain = [span(n, n - 1 or None, input_tokens=n % 7) for n in range(1, 10_001)]
    assert total(*chain)[0] == 6
    ring = [span(n, n % 10_000 + 1, input_tokens=1) for n in range(1, 10_001)]
    assert total(*ring)[0] == 1


# Trees in which it is known what was really spent.


AMOUNTS = st.tuples(*[st.integers(0, 50)] * 4)


class Spent:
    """Build a trace in which it is known what was really spent."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.spans: list[Span] = []

    def add(self, parent: int | None, **fields: Any) -> int:
        self.spans.append(span(len(self.spans) + 1, parent, **fields))
        return len(self.spans)

    def call(self, parent: int | None) -> Sequence[int]:
        """Add a call that is reported up to three times, and return its figures."""
        figures = self.draw(AMOUNTS)
        reported = {**dict(zip(FIGURES, figures, strict=True)), "call": f"r{len(self.spans)}"}
        number = self.add(parent, **reported)
        for where in self.draw(st.lists(st.sampled_from(("beside", "below")), max_size=2)):
            self.add(number if where == "below" else parent, **reported)
        return figures

    def wrapper(self, parent: int | None, depth: int) -> Sequence[int]:
        """Add a span above others, and return what it and they spent."""
        number = self.add(parent)
        sums: Sequence[int] = (0, 0, 0, 0)
        for _ in range(self.draw(st.integers(0, 3))):
            is_call = depth == 0 or self.draw(st.booleans())
            spent = self.call(number) if is_call else self.wrapper(number, depth - 1)
            sums = [a + b for a, b in zip(sums, spent, strict=True)]
        reported = [self.reported(below) for below in sums]
        fields = dict(zip(FIGURES, reported, strict=True))
        self.spans[number - 1] = span(number, parent, **fields)
        return [max(a, b or 0) for a, b in zip(sums, reported, strict=True)]

    def reported(self, below: int) -> int | None:
        extra = self.draw(st.integers(0, 20))
        return self.draw(st.sampled_from((None, 0, below // 2, below, below + extra)))


@st.composite
def spent(draw: st.DrawFn) -> tuple[list[Span], list[int]]:
    """Return the spans of a trace in any order, and the figures that were really spent."""
    built = Spent(draw)
    roots = [built.wrapper(None, 2) for _ in range(draw(st.integers(1, 3)))]
    return draw(st.permutations(built.spans)), [sum(column) for column in zip(*roots, strict=True)]


@given(spent())
def test_the_sums_are_what_was_really_spent(case: tuple[list[Span], list[int]]) -> None:
    spans, truth = case
    assert (total(*spans) or [0, 0, 0, 0]) == truth


# Any spans at all, cut into batches in any way.


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = open_database(Path(tmp_path_factory.mktemp("counting")) / "t.db")
    yield opened
    opened.close()


@st.composite
def any_spans(draw: st.DrawFn) -> list[Span]:
    """Return ended spans with any parents (unknown ones and rings as well) and any figures.

    Those of others may be within a call of any of them.
    """
    size = draw(st.integers(1, 9))
    ids = st.integers(1, size + 1).map("{:016x}".format)
    figures = st.none() | st.integers(0, 40)
    spans = []
    for number in range(1, size + 1):
        told = {name: draw(figures) for name in FIGURES}
        begins = NOW + draw(st.integers(0, 3)) * SECOND
        spans.append(
            span(
                number,
                draw(st.none() | st.integers(1, size + 2)),
                **told,
                started_at=begins,
                ended_at=begins + draw(st.integers(0, 3)) * SECOND,
                cost_source=draw(st.sampled_from(("reported", "estimated"))),
                call=draw(st.sampled_from((None, "", "r1"))),
                within=draw(st.none() | ids),
                model=draw(st.sampled_from((None, "small", "large"))),
                status=draw(st.sampled_from(("ok", "error"))),
                received=draw(st.booleans()),
                agent=draw(st.sampled_from((None, None, "one", "two"))),
            )
        )
    return spans


def running(ended: Span) -> Span:
    return replace(ended, status="running", ended_at=None, duration_ns=None)


def arrivals(chance: random.Random, spans: Sequence[Span], *, ours_too: bool) -> list[Batch]:
    """Return batches with the spans in any order: some first as running, some twice.

    With `ours_too`, others send spans of ours as well, before or after these.
    """
    batches = [Batch("", 0) for _ in range(chance.randint(1, 5))]
    for each in chance.sample(spans, len(spans)):
        places = sorted(chance.choices(range(len(batches)), k=2))
        if chance.random() < 0.4:
            batches[places[0]].spans.append(running(each))
            if not each.received:
                batches[places[1]].resumed.add(each.span_id)
        batches[places[1]].spans.append(each)
        if (each.received or ours_too) and chance.random() < 0.3:
            sent = replace(each, received=True)
            chance.choice(batches).spans.append(chance.choice([sent, sent, running(sent)]))
    return batches


def stored(
    database: Database, batches: Sequence[Batch], *, name: str, together: bool = False
) -> dict[str, Any]:
    """Store batches under a new trace and `name`, each by itself or all *together*.

    Return its sums, and its part of the rollups.
    """
    number = next(numbers)
    trace_id = f"{number:032x}"
    for batch in batches:
        batch.process, batch.number = "counting", next(numbers)
        batch.spans = [_placed(each, trace_id, name) for each in batch.spans]
    for group in [batches] if together else [[batch] for batch in batches]:
        assert store(database, *group)
    (trace,) = TraceRow.select().where(TraceRow.trace_id == trace_id).dicts().execute(database)
    return {"trace": _sums(trace), "rollups": _rollups(database, name), "id": trace_id}


def _placed(each: Span, trace_id: str, name: str) -> Span:
    model, agent = (one and f"{name} {one}" for one in (each.model, each.agent))
    process = None if each.received else "counting"
    return replace(
        each, trace_id=trace_id, model=model, agent=agent, audience=name, team=name, process=process
    )


def _sums(trace: Mapping[str, Any]) -> dict[str, Any]:
    return {each: trace[each] for each in ("span_count", "error_count", "usage_count", *FIGURES)}


def _rollups(database: Database, name: str) -> dict[tuple[Any, ...], list[Any]]:
    merge_facts(database)
    # Issues have keys of their own in each workspace, see test_issues.py.
    of_name = (RollupRow.audience == name) & (RollupRow.dimension != ISSUE)
    query = RollupRow.select().where(of_name)
    rows = list(query.dicts().execute(database))
    return {
        (row["level"], row["starts_at"], row["dimension"], row["key"].removeprefix(name)): [
            *(row[each] for each in SUMS),
            row["latency"] and bytes(row["latency"]),
        ]
        for row in rows
    }


def test_each_root_that_is_received_counts_in_one_batch_or_two(database: Database) -> None:
    roots = [span(1, started_at=NOW), span(2, started_at=NOW)]
    batches = [Batch("", 0, spans=[root]) for root in roots]
    apart = stored(database, batches, name=f"n{next(numbers)}")
    whole = stored(database, [Batch("", 0, spans=roots)], name=f"n{next(numbers)}")
    assert apart["rollups"] == whole["rollups"]


def sums_in(found: Mapping[str, Any]) -> dict[tuple[Any, ...], list[Any]]:
    """Return the rollups without latencies, and without rows of which nothing is left."""
    return {key: row[:-1] for key, row in found["rollups"].items() if any(row[:-1])}


@settings(max_examples=40)
@given(any_spans(), st.randoms(use_true_random=False), st.booleans())
def test_the_sums_do_not_depend_on_order_or_batches(
    database: Database, spans: list[Span], chance: random.Random, ours_too: bool
) -> None:
    name = f"n{next(numbers)}"
    whole = stored(database, [Batch("", 0, spans=list(spans))], name=f"{name}whole")
    batches, more = (arrivals(chance, spans, ours_too=ours_too) for _ in range(2))
    parts = stored(database, batches, name=f"{name}parts")
    joined = stored(database, more, name=f"{name}joined", together=True)
    assert parts["trace"] == whole["trace"] == joined["trace"]
    assert sums_in(parts) == sums_in(whole) == sums_in(joined)
    if not ours_too:  # Else a latency that others sent remains.
        assert parts["rollups"] == whole["rollups"] == joined["rollups"]
    counted = list(own_figures({each.span_id: node_of(each) for each in spans}).values())
    for place, figure in enumerate(FIGURES):
        known = [own for figures in counted if (own := figures[place]) is not None]
        assert parts["trace"][figure] == (sum(known) if known else None)

    anew = with_days(recount(database, [parts["id"]], audiences=[f"{name}parts"]), Grains())
    assert {
        (*key[:3], key[3].removeprefix(f"{name}parts")): sums
        for key, added in anew.items()
        if key[4] != EVERYONE and key[2] != ISSUE
        if any(sums := [getattr(added, each) for each in SUMS])
    } == sums_in(parts)
    recompute_summary(database, parts["id"])
    (trace,) = TraceRow.select().where(TraceRow.trace_id == parts["id"]).dicts().execute(database)
    assert _sums(trace) == parts["trace"]


def test_a_span_that_others_sent_counts_once_if_ours_begins_and_ends_in_one_batch(
    database: Database,
) -> None:
    ours, name = span(1, input_tokens=10, received=False), f"n{next(numbers)}"
    sent = Batch("", 0, spans=[replace(ours, received=True)])
    both = Batch("", 0, spans=[running(ours), ours], resumed={ours.span_id})
    parts = stored(database, [sent, both], name=f"{name}parts")
    whole = stored(database, [Batch("", 0, spans=[ours])], name=f"{name}whole")
    assert parts["trace"] == whole["trace"]
    assert sums_in(parts) == sums_in(whole)


def test_a_trace_that_an_older_tracebot_stored_is_read_when_more_comes(database: Database) -> None:
    first = span(2, 1, input_tokens=60)
    trace_id = stored(database, [Batch("", 0, spans=[first])], name="older")["id"]
    TraceRow.update(usage_count=None).where(TraceRow.trace_id == trace_id).execute(database)
    late = [replace(span(1, input_tokens=100), trace_id=trace_id)]
    assert store(database, Batch("counting", next(numbers), spans=late))
    (trace,) = TraceRow.select().where(TraceRow.trace_id == trace_id).dicts().execute(database)
    assert (trace["input_tokens"], trace["usage_count"]) == (100, None)
    assert SpanRow.select().where(SpanRow.trace_id == trace_id).count(database) == 2


def test_spans_of_a_very_long_trace_are_compared_within_a_batch_only(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.store.batch.MAX_SPANS", 2)
    calls = [span(number, 1, input_tokens=10) for number in (2, 3, 4)]
    trace_id = stored(database, [Batch("", 0, spans=calls)], name="long")["id"]
    late = [span(1, input_tokens=30), span(5, 1, input_tokens=10)]
    late = [replace(each, trace_id=trace_id) for each in late]
    assert store(database, Batch("counting", next(numbers), spans=late))
    (trace,) = TraceRow.select().where(TraceRow.trace_id == trace_id).dicts().execute(database)
    assert trace["input_tokens"] == 30 + 30
