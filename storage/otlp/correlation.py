"""Attach received telemetry to the local span that started its sender.

That span decides who can see it. In: the values of one request, by `Resource`, from
`storage.otlp.decoder`. Out: the same values with their trace, parent and conversation, for the
writer. Next: `storage.otlp.span_lookup`, which is asked for stored spans; then
`storage.store.deduplication`, when they are stored.

A process that we started names the span that started it. If that span is stored, everything the
process sends hangs under it, in its trace and conversation. Naming it takes 144 random bits that
only that process was given; nothing else that a sender says about people and places is believed.
What names no stored span keeps its own trace, with platform `otlp` and no conversation.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from cachetools import LRUCache

from storage.model.records import Log, Metric
from storage.model.semconv import INHERITED, RESPONSE_ID
from storage.model.span import WITHIN, Span
from storage.model.trace_context import Ids
from storage.otlp.attributes import Resource
from storage.otlp.span_lookup import SpanLookup

T = TypeVar("T")

REMEMBERED = 10_000
"""Responses remembered, so that the same response reported by two spans is noticed."""

Together = Mapping[Ids, Span]
"""Spans of one resource and scope that came in one request, by their ids."""


class TraceCorrelator:
    """Attach each received value to its place. For one thread at a time."""

    def __init__(self, lookup: SpanLookup) -> None:
        self.filtered: Counter[str] = Counter()
        """How many spans, log records and data points were left out as noise, by service name."""
        self._lookup = lookup
        self._responses: LRUCache[Ids, str] = LRUCache(REMEMBERED)

    def spans(self, resource: Resource, spans: Sequence[Span]) -> Sequence[Span]:
        """Return the spans to store, attached to their place. They are changed, not copied."""
        parent = self._parent(resource)
        kept = self._without_noise(resource, spans, attached=parent is not None)
        if parent is None:
            self._keep_in_own_traces(kept)
        else:
            for span in kept:
                _attach(span, parent)
        self._name_usage_owners(kept, parent)
        return kept

    def logs(self, resource: Resource, logs: Sequence[Log]) -> Iterable[Log]:
        logs = self._without_ignored(resource, logs, name="message")
        parent = self._parent(resource)
        if parent is not None:
            trace_id, span_id = parent.trace_id, parent.span_id
            return (replace(log, trace_id=trace_id, span_id=log.span_id or span_id) for log in logs)
        ours = self._lookup.local_traces({log.trace_id for log in logs if log.trace_id})
        return (replace(log, trace_id=_other(log.trace_id, ours)) for log in logs)

    def metrics(self, resource: Resource, metrics: Sequence[Metric]) -> Iterable[Metric]:
        metrics = self._without_ignored(resource, metrics, name="name")
        parent = self._parent(resource)
        if parent is None:
            return metrics
        trace_id, span_id = parent.trace_id, parent.span_id
        return (replace(metric, trace_id=trace_id, span_id=span_id) for metric in metrics)

    def _without_ignored(self, resource: Resource, items: Sequence[T], *, name: str) -> Sequence[T]:
        source = resource.source
        if not source.ignored:
            return items
        kept = [item for item in items if not source.ignores(getattr(item, name))]
        self.filtered[resource.service] += len(items) - len(kept)
        return kept

    def _parent(self, resource: Resource) -> Span | None:
        return None if resource.parent is None else self._lookup.span(resource.parent)

    def _without_noise(
        self, resource: Resource, spans: Sequence[Span], *, attached: bool
    ) -> Sequence[Span]:
        """Leave out noise. Its children move to the nearest span above that is kept, or the top."""
        source = resource.source
        if not source.kept:
            return spans
        together = _by_ids(spans)
        kept = [span for span in spans if source.keeps(span)]
        self.filtered[resource.service] += len(spans) - len(kept)
        parents = []
        for span in kept:
            _, *above = _upwards(span, together)
            top = above[-1] if above else span
            nearest = next((each.span_id for each in above if source.keeps(each)), None)
            parents.append(nearest or (None if attached else top.parent_id))
        for span, parent_id in zip(kept, parents, strict=True):
            span.parent_id = parent_id
        return kept

    def _keep_in_own_traces(self, spans: Sequence[Span]) -> None:
        together = _by_ids(spans)
        for span in spans:
            # Its parent is in another process, or has yet to come. Until the root of the trace
            # arrives, an entry span stands for it.
            span.entry = (
                span.parent_id is not None and (span.trace_id, span.parent_id) not in together
            )
        ours = self._lookup.local_traces({span.trace_id for span in spans})
        if ours:
            self._attach_by_traceparent([span for span in spans if span.trace_id in ours], together)

    def _attach_by_traceparent(self, spans: Sequence[Span], together: Together) -> None:
        """Attach spans that passed on only TRACEPARENT, if it leads up to a stored span."""
        found: dict[Ids, Span | None] = {}
        for span in spans:
            up = (span.trace_id, _upwards(span, together)[-1].parent_id or "")
            found[span.trace_id, span.span_id] = self._lookup.span(up)
        for span in spans:
            parent = found[span.trace_id, span.span_id]
            if parent is None:
                span.trace_id = _other(span.trace_id, {span.trace_id}) or ""
            else:
                _attach(span, parent)

    def _name_usage_owners(self, spans: Iterable[Span], parent: Span | None) -> None:
        """Note on each span with tokens or cost which other span reports the same usage."""
        reporting = [span for span in spans if _reports_usage(span)]
        if not reporting:
            return
        together = _by_ids(spans)
        attempt = parent.span_id if parent is not None and parent.configured_provider else None
        for span in reporting:
            above = (each.span_id for each in _upwards(span, together)[1:] if _reports_usage(each))
            owner = next(above, None) or self._reported_before(span) or attempt
            if owner is not None:
                span.attributes = {**span.attributes, WITHIN: owner}

    def _reported_before(self, span: Span) -> str | None:
        """Return the id of the first span that had this span's response id, if it is another."""
        response = span.attributes.get(RESPONSE_ID)
        if not isinstance(response, str):
            return None
        first: str = self._responses.setdefault((span.trace_id, response), span.span_id)
        return first if first != span.span_id else None


def _attach(span: Span, parent: Span) -> None:
    """Move a span to the parent's trace and conversation, whatever it says itself."""
    agent = parent.agent or span.agent
    for name in INHERITED:
        setattr(span, name, getattr(parent, name))
    span.agent = agent
    span.trace_id = parent.trace_id
    span.parent_id = span.parent_id or parent.span_id
    span.entry = False


def _reports_usage(span: Span) -> bool:
    figures = (span.input_tokens, span.output_tokens, span.cost)
    return any(figure is not None for figure in figures)


def _by_ids(spans: Iterable[Span]) -> Together:
    return {(span.trace_id, span.span_id): span for span in spans}


def _upwards(span: Span, together: Together) -> list[Span]:
    """Return the span and its ancestors among `together`, stopping if they form a ring."""
    chain, passed = [span], {span.span_id}
    while above := together.get((span.trace_id, chain[-1].parent_id or "")):
        if above.span_id in passed:
            break
        passed.add(above.span_id)
        chain.append(above)
    return chain


def _other(trace_id: str | None, ours: Collection[str]) -> str | None:
    """Return a different, stable id for a sender that uses one of our trace ids without right."""
    if trace_id is None or trace_id not in ours:
        return trace_id
    return hashlib.sha256(f"otlp {trace_id}".encode()).hexdigest()[:32]
