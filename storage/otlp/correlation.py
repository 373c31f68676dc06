"""Attach received telemetry to the local span that started its sender.

That span decides who can see it. In: the values of one request, by `Resource`, from
`storage.otlp.decoder`. Out: the same values with their trace, parent and conversation, for the
writer. Next: `storage.otlp.span_lookup`, which is asked for stored spans; then
`storage.store.deduplication`, when they are stored.

A process that we started names the span that started it. If that span is stored, everything the
process sends hangs under it, in its trace and conversation. Naming it takes 144 random bits, and a
span that ended long ago takes nothing more: its ids may have become known to people who can see it.
Nothing else that a sender says about people and places is believed, and `bounds` removes figures
and times that cannot be true. What names no stored span keeps its own trace, with platform `otlp`
and no conversation.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from storage.model.records import Log, Metric
from storage.model.semconv import INHERITED
from storage.model.span import WITHIN, Span, reports_usage
from storage.model.trace_context import Ids
from storage.otlp.attributes import Resource
from storage.otlp.bounds import Bounds
from storage.otlp.span_lookup import SpanLookup

T = TypeVar("T")

LATE_NS = 600 * 1_000_000_000
"""How long after its end a span takes what its process sends. Exporters retry for a minute."""

Together = Mapping[Ids, Span]
"""Spans of one resource and scope that came in one request, by their ids."""


RECEIVED_PLATFORM = "otlp"
"""The platform of a span that belongs to none of our traces."""


class TraceCorrelator:
    """Attach each received value to its place. For one thread at a time."""

    def __init__(
        self,
        lookup: SpanLookup,
        *,
        now: Callable[[], int] = time.time_ns,
        refused: Callable[[str], object] = lambda cause: None,
    ) -> None:
        """Take `refused`, which is told the cause of each value that is left out."""
        self.filtered: Counter[str] = Counter()
        """How many spans, log records and data points were left out as noise, by service name."""
        self._lookup = lookup
        self._now = now
        self._bounds = Bounds(now=now, refused=refused)

    def spans(self, resource: Resource, spans: Sequence[Span]) -> Sequence[Span]:
        """Return the spans to store, attached to their place. They are changed, not copied."""
        parent = self._parent(resource)
        kept = self._without_noise(resource, spans, attached=parent is not None)
        if parent is None:
            kept = self._keep_in_own_traces(kept)
        else:
            kept = [span for span in kept if self._attach(span, parent)]
        return kept

    def logs(self, resource: Resource, logs: Sequence[Log]) -> Iterable[Log]:
        logs = self._without_ignored(resource, logs, name="message")
        parent = self._parent(resource)
        logs = [self._bounds.dated(log, parent) for log in logs]
        if parent is not None:
            trace_id, span_id = parent.trace_id, parent.span_id
            admitted = (log for log in logs if self._bounds.admits(parent, "logs"))
            return (
                replace(log, trace_id=trace_id, span_id=log.span_id or span_id) for log in admitted
            )
        ours = self._lookup.local_traces({log.trace_id for log in logs if log.trace_id})
        return (replace(log, trace_id=_other(log.trace_id, ours)) for log in logs)

    def metrics(self, resource: Resource, metrics: Sequence[Metric]) -> Iterable[Metric]:
        metrics = self._without_ignored(resource, metrics, name="name")
        parent = self._parent(resource)
        metrics = [self._bounds.dated(metric, parent) for metric in metrics]
        if parent is None:
            return metrics
        trace_id, span_id = parent.trace_id, parent.span_id
        admitted = (each for each in metrics if self._bounds.admits(parent, "metrics"))
        return (replace(metric, trace_id=trace_id, span_id=span_id) for metric in admitted)

    def _without_ignored(self, resource: Resource, items: Sequence[T], *, name: str) -> Sequence[T]:
        source = resource.source
        if not source.ignored:
            return items
        kept = [item for item in items if not source.ignores(getattr(item, name))]
        self.filtered[resource.service] += len(items) - len(kept)
        return kept

    def _parent(self, resource: Resource) -> Span | None:
        return None if resource.parent is None else self._find(resource.parent)

    def _find(self, ids: Ids) -> Span | None:
        """Return the stored span with these ids, unless it ended long ago."""
        span = self._lookup.span(ids)
        if span is None or (span.ended_at and span.ended_at < self._now() - LATE_NS):
            return None
        return span

    def _attach(self, span: Span, parent: Span) -> bool:
        """Move a span to the parent's trace and conversation, whatever it says itself.

        Return False if the trace takes no more.
        """
        if not self._bounds.admits(parent, "spans"):
            return False
        agent = parent.agent or span.agent
        for name in INHERITED:
            setattr(span, name, getattr(parent, name))
        span.agent = agent
        span.trace_id = parent.trace_id
        span.parent_id = span.parent_id or parent.span_id
        span.entry = False
        attempt = parent.span_id if parent.configured_provider else parent.within
        if attempt is not None and reports_usage(span):
            span.attributes = {**span.attributes, WITHIN: attempt}
        self._bounds.check(span, parent)
        return True

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

    def _keep_in_own_traces(self, spans: Sequence[Span]) -> Sequence[Span]:
        together = _by_ids(spans)
        for span in spans:
            # Its parent is in another process, or has yet to come. Until the root of the trace
            # arrives, an entry span stands for it.
            span.entry = (
                span.parent_id is not None and (span.trace_id, span.parent_id) not in together
            )
        ours = self._lookup.local_traces({span.trace_id for span in spans})
        foreign = [span for span in spans if span.trace_id in ours]
        refused = self._attach_by_traceparent(foreign, together)
        for span in spans:
            if span.platform == RECEIVED_PLATFORM:
                self._bounds.check(span, None)
        return [span for span in spans if id(span) not in refused] if refused else spans

    def _attach_by_traceparent(self, spans: Sequence[Span], together: Together) -> set[int]:
        """Attach spans that passed on only TRACEPARENT, if it leads up to a stored span.

        Return the `id` of those that are refused.
        """
        found: dict[Ids, Span | None] = {}
        for span in spans:
            up = (span.trace_id, _upwards(span, together)[-1].parent_id or "")
            found[span.trace_id, span.span_id] = self._find(up)
        refused = set()
        for span in spans:
            parent = found[span.trace_id, span.span_id]
            if parent is None:
                span.trace_id = _other(span.trace_id, {span.trace_id}) or ""
            elif not self._attach(span, parent):
                refused.add(id(span))
        return refused


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
