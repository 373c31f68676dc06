"""Count each token and each dollar of a trace once, whichever of its spans report it.

The same call is often reported by several spans: an agent's and those of its calls, or those of two
instrumentations of one client. `own_figures` says how much of what a span reports is its own: what
no span below it reports as well. It looks at each figure by itself, and only at the set of spans,
so that their order, and the requests and processes that brought them, do not matter.

- A figure is the span's own as far as it exceeds the sum of those below it. None reports nothing,
  and 0 hides nothing.
- Spans with the same response id, the same tokens and overlapping times report the same call. The
  innermost of them owns it, and the innermost that was told the cost owns that. Servers that repeat
  their ids do so for calls that follow each other.
- An estimated cost is as much the span's own as the tokens that no span below it has priced, if
  those below report tokens. If a span above reports less than those below it together, it was told
  the price, and the estimates below it share what it reports.
- A span whose parent is not known is a root. If it or one below it was reported within a call of an
  agent of ours, that call is its parent: a killed agent never sends its own span.
- A ring begins with its earliest span.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from storage.model.semconv import NAMELESS, RESPONSE_ID
from storage.model.span import Span, reports_usage

FIGURES = ("input_tokens", "output_tokens", "cached_tokens", "cost")

Figures = tuple[int | None, int | None, int | None, int | None]
"""Values of FIGURES."""

NOTHING: Figures = (None, None, None, None)


@dataclass(slots=True)
class Node:
    """Hold the facts of a span that counting needs. While it is running it only links others."""

    span_id: str
    parent_id: str | None
    figures: Figures
    estimated: bool
    """True if the cost is estimated from the tokens."""
    response_id: str | None
    started_at: int
    ended_at: int
    running: bool
    abandoned: bool
    process: str | None
    """The writer that recorded it; None if another process sent it."""
    agent: str | None
    within: str | None
    """Our call of an agent in which it reports something, see `Span.within`."""

    @property
    def reports(self) -> bool:
        return not self.running and self.figures != NOTHING


Nodes = Mapping[str, Node]
"""The nodes of one trace by their span ids."""

COST, ESTIMATED, UNPRICED = 3, 4, 5
"""Places in `Amounts`."""

Amounts = list[int]
"""Sums of FIGURES, of the estimated part of the cost, and of the tokens that have no cost."""


def response_id_of(sent: object) -> str | None:
    """Return the id of a call, None if it names none: some servers send the same for each."""
    return sent if isinstance(sent, str) and sent.strip() not in NAMELESS else None


def node_of(span: Span) -> Node:
    return Node(
        span.span_id,
        span.parent_id,
        (span.input_tokens, span.output_tokens, span.cached_tokens, span.cost),
        span.cost_source == "estimated",
        response_id_of(span.attributes.get(RESPONSE_ID)),
        span.started_at,
        span.ended_at or span.started_at,
        span.status == "running",
        span.status == "abandoned",
        span.process,
        span.agent,
        span.within if reports_usage(span) else None,
    )


def own_figures(nodes: Nodes) -> dict[str, Figures]:
    """Return the own figures of each span that reports any, in linear time."""
    parents, order = _leaves_first(nodes)
    repeated = _repeated(nodes, parents, order)
    reported: dict[str, Amounts] = {}
    own: dict[str, Figures] = {}
    told: dict[str, int] = {}
    for span_id in order:
        node, below = nodes[span_id], reported.pop(span_id, None)
        if node.reports:
            below = below or [0] * (UNPRICED + 1)
            if not node.estimated and 0 < (node.figures[COST] or 0) < below[COST]:
                told[span_id] = below[ESTIMATED]
                below[COST] -= below[ESTIMATED]
                below[ESTIMATED] = 0
            figures = _without(_own(node, below), repeated.get(span_id, ()))
            own[span_id] = figures
            below = _together(below, figures, estimated=node.estimated)
        parent = parents.get(span_id)
        if parent is not None and below is not None:
            beside = reported.get(parent)
            reported[parent] = below if beside is None else _sum(beside, below)
    return _shared(own, told, nodes, parents, order) if told else own


def _shared(
    own: dict[str, Figures],
    told: Mapping[str, int],
    nodes: Nodes,
    parents: Mapping[str, str],
    order: Sequence[str],
) -> dict[str, Figures]:
    """Return the figures with costs that spans were `told` shared among the estimates below them.

    `told` has the sum of these estimates. Rounding leaves the rest with the span that was told.
    """
    whole = {span_id: own[span_id][COST] or 0 for span_id in told}
    sharers: dict[str, str] = {}
    for span_id in reversed(order):
        parent = parents.get(span_id, "")
        sharer = parent if parent in told else sharers.get(parent)
        if sharer is None:
            continue
        sharers[span_id] = sharer
        cost = own.get(span_id, NOTHING)[COST]
        if nodes[span_id].estimated and cost:
            part = cost * whole[sharer] // told[sharer]
            own[span_id] = _costing(own[span_id], part)
            own[sharer] = _costing(own[sharer], (own[sharer][COST] or 0) - part)
    return own


def _costing(figures: Figures, cost: int) -> Figures:
    return (figures[0], figures[1], figures[2], cost)


def inherited_agents(nodes: Nodes, of: Iterable[str]) -> dict[str, str]:
    """Return the agents of those of some spans that were sent with figures and without an agent.

    That is the agent of the nearest span above that has one and was sent, too: frameworks name it
    only in its own span. What is below spans of ours has been given theirs.
    """
    wanted = [span_id for span_id in of if _lacks_agent(nodes[span_id])]
    found: dict[str, str | None] = {}
    for span_id in wanted:
        path: dict[str, None] = {}
        above, agent = span_id, None
        while agent is None and above not in path and _was_sent(nodes.get(above)):
            if above in found:
                agent = found[above]
                break
            path[above] = None
            agent, above = nodes[above].agent, nodes[above].parent_id or ""
        found |= dict.fromkeys(path, agent)
    return {span_id: agent for span_id in wanted if (agent := found[span_id]) is not None}


def _was_sent(node: Node | None) -> bool:
    return node is not None and node.process is None


def _lacks_agent(node: Node) -> bool:
    return node.agent is None and node.process is None and node.reports


def _own(node: Node, below: Amounts) -> Figures:
    figures = node.figures
    exceeding = [
        None if figure is None else max(figure - amount, 0)
        for figure, amount in zip(figures, below, strict=False)
    ]
    tokens = (figures[0] or 0) + (figures[1] or 0)
    if node.estimated and (cost := figures[COST]) is not None and tokens and any(below[:2]):
        unpriced = (exceeding[0] or 0) + (exceeding[1] or 0) + below[UNPRICED]
        exceeding[COST] = cost * min(unpriced, tokens) // tokens
    return (exceeding[0], exceeding[1], exceeding[2], exceeding[3])


def _together(below: Amounts, own: Figures, *, estimated: bool) -> Amounts:
    """Return what a span and all below it report."""
    sums = [amount + (figure or 0) for amount, figure in zip(below, own, strict=False)]
    sums.append(below[ESTIMATED] + (own[COST] or 0 if estimated else 0))
    unpriced = below[UNPRICED] + (own[0] or 0) + (own[1] or 0)
    return [*sums, unpriced if own[COST] is None else 0]


def _sum(one: Amounts, other: Amounts) -> Amounts:
    return [a + b for a, b in zip(one, other, strict=True)]


def _without(figures: Figures, places: Iterable[int]) -> Figures:
    kept = list(figures)
    for place in places:
        kept[place] = 0
    return (kept[0], kept[1], kept[2], kept[3])


def _leaves_first(nodes: Nodes) -> tuple[dict[str, str], list[str]]:
    """Return the known parents, without rings, and all span ids, each before its parent's."""
    parents = {
        span_id: node.parent_id
        for span_id, node in nodes.items()
        if node.parent_id is not None and node.parent_id in nodes
    }
    order = _ordered(nodes, parents)
    if lost := _calls_above(nodes, parents, order):
        parents |= lost
        order = _ordered(nodes, parents)
    return parents, order


def _calls_above(nodes: Nodes, parents: Mapping[str, str], order: Sequence[str]) -> dict[str, str]:
    """Return the call of an agent within which each span is whose parent is not known."""
    found: dict[str, str] = {}
    within: dict[str, str] = {}
    for span_id in order:
        node, call = nodes[span_id], within.pop(span_id, None)
        if node.within is not None and node.within in nodes:
            call = min(call or node.within, node.within)
        if call is None or call == span_id:
            continue
        if (parent := parents.get(span_id)) is not None:
            within[parent] = min(within.get(parent, call), call)
        elif node.parent_id is not None and node.parent_id not in nodes:
            found[span_id] = call
    return found


def _ordered(nodes: Nodes, parents: dict[str, str]) -> list[str]:
    """Return all span ids, each before its parent's, and remove the rings among the parents."""
    children = Counter(parents.values())
    order = [span_id for span_id in nodes if span_id not in children]
    for span_id in order:  # It grows meanwhile.
        parent = parents.get(span_id)
        if parent is not None:
            children[parent] -= 1
            if not children[parent]:
                order.append(parent)
    if len(order) < len(nodes):
        for ring in _rings(nodes, parents, nodes.keys() - set(order)):
            del parents[ring[-1]]
            order += ring
    return order


def _rings(nodes: Nodes, parents: Mapping[str, str], left: set[str]) -> Iterator[list[str]]:
    """Yield each ring among those left, in the order of parents, its earliest span last."""
    for first in sorted(left, key=lambda span_id: (nodes[span_id].started_at, span_id)):
        if first in left:
            ring = [parents[first]]
            while ring[-1] != first:
                ring.append(parents[ring[-1]])
            left.difference_update(ring)
            yield ring


def _repeated(
    nodes: Nodes, parents: Mapping[str, str], order: Sequence[str]
) -> Mapping[str, Sequence[int]]:
    """Return the places of figures, by span, that another span of the same call owns."""
    calls: defaultdict[tuple[object, ...], list[Node]] = defaultdict(list)
    for node in nodes.values():
        if node.response_id and node.reports and node.figures[:2] != (None, None):
            calls[node.response_id, *node.figures[:2]].append(node)
    several = [call for call in calls.values() if len(call) > 1]
    if not several:
        return {}
    depths: dict[str, int] = {}
    for span_id in reversed(order):
        depths[span_id] = depths[parents[span_id]] + 1 if span_id in parents else 0
    repeated: defaultdict[str, list[int]] = defaultdict(list)
    for same in chain.from_iterable(map(_overlapping, several)):
        innermost = sorted(same, key=lambda n: (-depths[n.span_id], n.started_at, n.span_id))
        for place in range(len(FIGURES)):
            owners = sorted(
                (node for node in innermost if node.figures[place] is not None),
                key=lambda node: place == COST and node.estimated,
            )
            for node in owners[1:]:
                repeated[node.span_id].append(place)
    return repeated


def _overlapping(nodes: Iterable[Node]) -> list[list[Node]]:
    """Return the spans in groups whose times overlap."""
    groups: list[list[Node]] = []
    begins = ends = 0
    for node in sorted(nodes, key=lambda node: (node.started_at, node.span_id)):
        if groups and (node.started_at < ends or node.started_at == begins):
            groups[-1].append(node)
            ends = max(ends, node.ended_at)
        else:
            groups.append([node])
            ends = node.ended_at
        begins = node.started_at
    return groups
