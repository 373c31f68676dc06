"""Where what other processes sent belongs: under which span of ours, and so who may see it.

A process that we started names the span that started it. Where that span is stored, all that the
process sends hangs under it, in its trace, for those who may see it. Naming it takes 144 random
bits that only that process was given; nothing else it says about people and places is believed.
What names no span of ours keeps its own trace, is of platform `otlp` and of no conversation.
"""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from storage.model.records import Log, Metric
from storage.model.semconv import INHERITED, RESPONSE_ID
from storage.model.span import WITHIN, Span
from storage.model.trace_context import Ids
from storage.otlp.items import Resource

T = TypeVar("T")

REMEMBERED = 10_000
"""How many responses are remembered, so that a second telling of one is known."""

Here = Mapping[Ids, Span]
"""The spans that came together."""


class Record(Protocol):
    """What is stored already."""

    def span(self, ids: Ids) -> Span | None: ...

    def ours(self, trace_ids: Collection[str]) -> Collection[str]:
        """Which of these traces were recorded here rather than received."""


class Placement:
    """Puts each thing in its place, by what is stored. Not for several threads at once."""

    def __init__(self, record: Record) -> None:
        self.noise: Counter[str] = Counter()
        """How many spans, log records and data points were left out, by `service.name`."""
        self._record = record
        self._responses: OrderedDict[Ids, str] = OrderedDict()

    def spans(self, resource: Resource, spans: Sequence[Span]) -> Sequence[Span]:
        """Those that are kept, each in its place. They are changed, not copied."""
        parent = self._parent(resource)
        kept = self._without_noise(resource, spans, adopted=parent is not None)
        if parent is None:
            self._in_own_traces(kept)
        else:
            for span in kept:
                _hang(span, parent)
        self._name_speakers(kept, parent)
        return kept

    def logs(self, resource: Resource, logs: Sequence[Log]) -> Iterable[Log]:
        logs = self._telling(resource, logs, name="message")
        parent = self._parent(resource)
        if parent is not None:
            trace_id, span_id = parent.trace_id, parent.span_id
            return (replace(log, trace_id=trace_id, span_id=log.span_id or span_id) for log in logs)
        ours = self._record.ours({log.trace_id for log in logs if log.trace_id})
        return (replace(log, trace_id=_other(log.trace_id, ours)) for log in logs)

    def metrics(self, resource: Resource, metrics: Sequence[Metric]) -> Iterable[Metric]:
        metrics = self._telling(resource, metrics, name="name")
        parent = self._parent(resource)
        if parent is None:
            return metrics
        trace_id, span_id = parent.trace_id, parent.span_id
        return (replace(metric, trace_id=trace_id, span_id=span_id) for metric in metrics)

    def _telling(self, resource: Resource, items: Sequence[T], *, name: str) -> Sequence[T]:
        sender = resource.sender
        if not sender.noise:
            return items
        telling = [item for item in items if not sender.is_noise(getattr(item, name))]
        self.noise[resource.service] += len(items) - len(telling)
        return telling

    def _parent(self, resource: Resource) -> Span | None:
        return None if resource.parent is None else self._record.span(resource.parent)

    def _without_noise(
        self, resource: Resource, spans: Sequence[Span], *, adopted: bool
    ) -> Sequence[Span]:
        """A child of what is left out hangs under the nearest that is kept, else at the top."""
        sender = resource.sender
        if not sender.kept:
            return spans
        here = _by_ids(spans)
        kept = [span for span in spans if sender.keeps(span)]
        self.noise[resource.service] += len(spans) - len(kept)
        parents = []
        for span in kept:
            _, *above = _upwards(span, here)
            top = above[-1] if above else span
            nearest = next((each.span_id for each in above if sender.keeps(each)), None)
            parents.append(nearest or (None if adopted else top.parent_id))
        for span, parent_id in zip(kept, parents, strict=True):
            span.parent_id = parent_id
        return kept

    def _in_own_traces(self, spans: Sequence[Span]) -> None:
        here = _by_ids(spans)
        for span in spans:
            # Until its root comes, this is the best that is known of the trace.
            span.entry = span.parent_id is not None and (span.trace_id, span.parent_id) not in here
        ours = self._record.ours({span.trace_id for span in spans})
        if ours:
            self._in_our_traces([span for span in spans if span.trace_id in ours], here)

    def _in_our_traces(self, spans: Sequence[Span], here: Here) -> None:
        """Only TRACEPARENT was handed on: believed where it leads up to a span that is stored."""
        found: dict[Ids, Span | None] = {}
        for span in spans:
            up = (span.trace_id, _upwards(span, here)[-1].parent_id or "")
            found[span.trace_id, span.span_id] = self._record.span(up)
        for span in spans:
            parent = found[span.trace_id, span.span_id]
            if parent is None:
                span.trace_id = _other(span.trace_id, {span.trace_id}) or ""
            else:
                _hang(span, parent)

    def _name_speakers(self, spans: Iterable[Span], parent: Span | None) -> None:
        """Note on each span with tokens or cost which other span tells of the same."""
        telling = [span for span in spans if _tells(span)]
        if not telling:
            return
        here = _by_ids(spans)
        attempt = parent.span_id if parent is not None and parent.configured_provider else None
        for span in telling:
            above = (each.span_id for each in _upwards(span, here)[1:] if _tells(each))
            speaker = next(above, None) or self._told_before(span) or attempt
            if speaker is not None:
                span.attributes = {**span.attributes, WITHIN: speaker}

    def _told_before(self, span: Span) -> str | None:
        response = span.attributes.get(RESPONSE_ID)
        if not isinstance(response, str):
            return None
        first = self._responses.setdefault((span.trace_id, response), span.span_id)
        if len(self._responses) > REMEMBERED:
            self._responses.popitem(last=False)
        return first if first != span.span_id else None


def _hang(span: Span, parent: Span) -> None:
    """Into the parent's trace and conversation, whatever the span itself says."""
    agent = parent.agent or span.agent
    for name in INHERITED:
        setattr(span, name, getattr(parent, name))
    span.agent = agent
    span.trace_id = parent.trace_id
    span.parent_id = span.parent_id or parent.span_id
    span.entry = False


def _tells(span: Span) -> bool:
    figures = (span.input_tokens, span.output_tokens, span.cost)
    return any(figure is not None for figure in figures)


def _by_ids(spans: Iterable[Span]) -> Here:
    return {(span.trace_id, span.span_id): span for span in spans}


def _upwards(span: Span, here: Here) -> list[Span]:
    """The span and those above it, as far as they are here. Liars' rings are left after a round."""
    chain, passed = [span], {span.span_id}
    while above := here.get((span.trace_id, chain[-1].parent_id or "")):
        if above.span_id in passed:
            break
        passed.add(above.span_id)
        chain.append(above)
    return chain


def _other(trace_id: str | None, ours: Collection[str]) -> str | None:
    """Another id, always the same, for what claims a trace of ours without a right to it."""
    if trace_id is None or trace_id not in ours:
        return trace_id
    return hashlib.sha256(f"otlp {trace_id}".encode()).hexdigest()[:32]
