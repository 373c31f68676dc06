"""Find what the spans of a batch change in the usage (tokens and cost) of their traces.

In: the spans of a batch, in its transaction, before they are stored. Out: the same spans with their
own figures (`storage.store.counting`), and the stored spans whose own figures they change: a parent
may come after its children, in another batch, and from another process.

Hardly any trace has more than one span that reports usage. Its summary has the number of these, so
that only the spans of the others are read again.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import orjson

from storage.database.base import Database
from storage.database.models import SpanRow
from storage.database.statements import Statement
from storage.model.semconv import RESPONSE_ID
from storage.model.span import WITHIN, Span, reports_usage, span_of
from storage.store.counting import (
    FIGURES,
    NOTHING,
    Figures,
    Node,
    Nodes,
    inherited_agents,
    node_of,
    own_figures,
    response_id_of,
)
from storage.store.deduplication import Key, key_of

LOOKED_UP = 200
"""Spans in one statement."""

MAX_SPANS = 20_000
"""In a trace with more stored spans, those of a batch are compared with each other only.

Reading so many takes a tenth of a second, in which other processes cannot write.
"""

Correction = tuple[Span, Span]
"""A stored span as it has counted, and as it counts from now: its own figures, and its agent."""

Counted = tuple[Figures, str | None]
"""The figures that are a span's own, and the agent that it has only from another one."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The ended and running spans of a batch with their own figures, and stored ones corrected."""

    spans: Sequence[Span]
    reporting: Mapping[str, int]
    """How many of these spans report usage, by trace."""
    corrected: Sequence[Correction] = ()
    agents: Mapping[int, str] = field(default_factory=dict)
    """The agents of these spans that have none of their own, by `id` of the span."""


def own_usage(spans: Sequence[Span]) -> Usage:
    """Return all spans of some traces with their own figures."""
    nodes: defaultdict[str, dict[str, Node]] = defaultdict(dict)
    for span in spans:
        nodes[span.trace_id][span.span_id] = node_of(span)
    own = {trace_id: own_figures(its_nodes) for trace_id, its_nodes in nodes.items()}
    agents = {trace_id: inherited_agents(each, each) for trace_id, each in nodes.items()}
    counted = [_with(span, own[span.trace_id].get(span.span_id)) for span in spans]
    reporting = Counter([span.trace_id for span in spans if reports_usage(span)])
    inherited = {
        id(span): agent
        for span in counted
        if (agent := agents[span.trace_id].get(span.span_id)) is not None
    }
    return Usage(counted, reporting, agents=inherited)


def count_usage(
    database: Database,
    spans: Sequence[Span],
    stored: Mapping[str, int],
    *,
    resumed: Collection[Key],
    replaced: Collection[str],
    with_agent: Collection[str] | None,
) -> Usage:
    """Return the own figures of `spans`, and the corrections of spans that are stored.

    `stored` has the stored traces among those of the spans, with the number of their spans that
    report usage. In the traces `replaced`, spans take the place of stored forms that have counted.
    `with_agent` are those that have an agent; None if all spans are our own.
    """
    reporters = [span for span in spans if reports_usage(span)]
    reporting = Counter([span.trace_id for span in reporters])
    several = {each for each, number in reporting.items() if number + stored.get(each, 0) > 1}
    if connected := {each for each, number in stored.items() if number > 1} - reporting.keys():
        # A span that reports nothing may still connect others, unless it was stored at its start.
        several |= {s.trace_id for s in spans if key_of(s) not in resumed} & connected
    several |= stored.keys() & replaced
    if with_agent is not None:
        several |= _inheriting(spans, reporters, stored, with_agent)
    if not several:
        return Usage(spans, reporting)
    members: defaultdict[str, list[Span]] = defaultdict(list)
    for span in spans:
        if span.trace_id in several:
            members[span.trace_id].append(span)
    own: dict[int, Figures] = {}
    agents: dict[int, str] = {}
    corrected: list[Correction] = []
    for trace_id, its_spans in members.items():
        nodes = _stored_nodes(database, trace_id) if trace_id in stored else {}
        figures, its_agents, changes = _changes(nodes, its_spans)
        own |= figures
        agents |= its_agents
        corrected += _corrections(database, trace_id, changes)
    counted = [_with(span, own.get(id(span))) for span in spans]
    inherited = {
        id(after): agents[id(before)]
        for before, after in zip(spans, counted, strict=True)
        if id(before) in agents
    }
    return Usage(counted, reporting, corrected, inherited)


def _inheriting(
    spans: Iterable[Span],
    reporters: Iterable[Span],
    stored: Mapping[str, int],
    with_agent: Collection[str],
) -> set[str]:
    """Return the traces in which a new span may bring the agent of another, or lack its own.

    If several spans of a trace report usage, it is read anyway, so only those with one are found.
    """
    lacking = {span.trace_id for span in reporters if span.agent is None and span.received}
    alone = {trace_id for trace_id, number in stored.items() if number == 1}
    if not (lacking or alone):
        return set()
    found = lacking | alone
    return {
        span.trace_id
        for span in spans
        if (span.agent is not None or span.trace_id in with_agent)
        and span.received
        and span.trace_id in found
    }


def _changes(
    stored: Nodes, spans: Iterable[Span]
) -> tuple[dict[int, Figures], dict[int, str], dict[str, tuple[Counted, Counted]]]:
    """Return the own figures and the agents of each span, by `id`, and what changes of stored ones.

    The agents are those that a span has only from others.
    """
    new: dict[str, Node] = {}
    sources: dict[str, Span] = {}
    for span in spans:
        there = new.get(span.span_id) or stored.get(span.span_id)
        if there is None or _gives_way(there, span):
            new[span.span_id], sources[span.span_id] = node_of(span), span
    apart = _are_apart(stored, new)
    together = {**stored, **new}
    figures = own_figures(new if apart else together)
    agents = inherited_agents(together, new if apart else together)
    own = {id(span): NOTHING for span in spans}
    own |= {id(span): figures.get(span_id, NOTHING) for span_id, span in sources.items()}
    its_agents = {
        id(span): agents[span_id] for span_id, span in sources.items() if span_id in agents
    }
    before = {} if apart else own_figures(stored)
    agents_before = {} if apart else inherited_agents(stored, stored)
    changes: dict[str, tuple[Counted, Counted]] = {}
    for span_id, counted in before.items():
        was = counted, agents_before.get(span_id)
        now = (NOTHING if span_id in new else figures[span_id]), agents.get(span_id)
        if span_id in new or was != now:
            changes[span_id] = was, now
    return own, its_agents, changes


def _gives_way(there: Node, span: Span) -> bool:
    """Return True if the span replaces a stored one, as the statement that stores it decides."""
    if there.running or span.process is None:
        return there.running
    is_its_end = there.abandoned and there.process == span.process and span.status != "running"
    return there.process is None or is_its_end


def _are_apart(stored: Nodes, new: Nodes) -> bool:
    """Return True if no new span can change the figures of a stored one, nor the other way round.

    As in a long trace whose calls follow each other, below spans that report nothing yet.
    """
    if any(node.parent_id in new for node in stored.values()):
        return False
    # What has no known parent may be below any of the calls of agents.
    within = {node.within for node in chain(stored.values(), new.values()) if node.within}
    if within & new.keys():
        return False
    passed: set[str | None] = set()
    for above in chain((node.parent_id for node in new.values()), within):
        while above not in passed and (upper := stored.get(above or "")) is not None:
            if upper.reports:
                return False
            passed.add(above)
            above = upper.parent_id
    calls = {node.response_id for node in new.values() if node.response_id}
    replaced = any(span_id in stored and stored[span_id].reports for span_id in new)
    return not replaced and not any(node.response_id in calls for node in stored.values())


def _corrections(
    database: Database, trace_id: str, changes: Mapping[str, tuple[Counted, Counted]]
) -> list[Correction]:
    ids, found = list(changes), []
    for start in range(0, len(ids), LOOKED_UP):
        some = ids[start : start + LOOKED_UP]
        query = SpanRow.select().where(SpanRow.trace_id == trace_id, SpanRow.span_id.in_(some))
        for span in map(span_of, query.dicts().execute(database)):
            before, after = (
                _with(span if agent is None else replace(span, agent=agent), figures)
                for figures, agent in changes[span.span_id]
            )
            found.append((before, after))
    return found


def _with(span: Span, figures: Figures | None) -> Span:
    if figures is None or figures == tuple(getattr(span, name) for name in FIGURES):
        return span
    input_tokens, output_tokens, cached_tokens, cost = figures
    return replace(
        span,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=cached_tokens,
        cost=cost,
    )


def _stored_nodes(database: Database, trace_id: str) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    for row in NODES.fetch(database, (trace_id,)):
        span_id, parent_id, status, process, started_at, ended_at, source, agent, *others = row
        attributes, *own = others
        call, within = _ids_within(attributes)
        nodes[span_id] = Node(
            span_id,
            parent_id,
            (own[0], own[1], own[2], own[3]),
            source == "estimated",
            call,
            started_at,
            ended_at or started_at,
            status == "running",
            status == "abandoned",
            process,
            agent,
            within if status != "running" else None,
        )
    return nodes


def _ids_within(attributes: str | None) -> tuple[str | None, str | None]:
    """Return the id of a call, and that of our call of an agent in which it was reported."""
    if attributes is None or not (RESPONSE_ID in attributes or WITHIN in attributes):
        return None, None
    values = orjson.loads(attributes)
    return response_id_of(values.get(RESPONSE_ID)), values.get(WITHIN)


def _select_nodes(database: Database) -> str:
    # Attributes are long, and only spans that report something need theirs.
    some = " OR ".join(f"{name} IS NOT NULL" for name in FIGURES)
    attributes = f"CASE WHEN {some} THEN attributes END"
    columns = ("span_id", "parent_id", "status", "process", "started_at", "ended_at", "cost_source")
    selected = ", ".join((*columns, "agent", attributes, *FIGURES))
    return f"SELECT {selected} FROM spans WHERE trace_id = {database.param}"


NODES = Statement(_select_nodes)
