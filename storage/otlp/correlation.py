"""Attach received telemetry to the local span that started its sender.

That span decides who can see it. In: the values of one request, by `Resource`, from
`storage.otlp.decoder`. Out: the same values with their trace, parent and conversation, for the
writer. Next: `storage.otlp.span_lookup`, which is asked for stored spans; then
`storage.store.deduplication`, when they are stored.

A process that we started names the span that started it. If that span is stored, everything the
process sends hangs under it, in its trace and conversation. Naming it takes 144 random bits, and a
span that ended long ago takes nothing more: its ids may have become known to people who can see it.
Nothing else that a sender says about people and places is believed, and `bounds` removes figures
and times that cannot be true. What names no stored span waits for it a moment
(`storage.otlp.waiting`), then keeps its own trace, with platform `otlp` and no conversation.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from storage.model.records import Log, Metric
from storage.model.semconv import INHERITED
from storage.model.span import WITHIN, Span, reports_usage
from storage.model.trace_context import Ids
from storage.otlp.ancestors import Together, by_ids, nearest_above
from storage.otlp.bounds import Bounds
from storage.otlp.noise import NoiseFilter
from storage.otlp.scope import Resource
from storage.otlp.span_lookup import SpanLookup
from storage.otlp.waiting import HOLD_NS, Sent, Waiting

T = TypeVar("T")

LATE_NS = 600 * 1_000_000_000
"""How long after its end a span takes what its process sends. Exporters retry for a minute."""


QUIET_NS = 300 * 1_000_000_000
MAX_ROOTLESS = 20_000
"""How long a trace waits for its root after a span that may stand for it, and how many wait."""


class Place(NamedTuple):
    """The place of a received span."""

    parent: Span | None
    """The span of ours to which it leads up."""
    awaited: Ids | None
    """Ids of a span that may yet come, and that it leads up to. It waits for it first."""
    trace_id: str
    """The id of its trace if it belongs to none of ours."""


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
        self._noise = NoiseFilter()
        self._waiting = Waiting()
        self._rootless: dict[str, int] = {}
        """Traces without a root, and until when it may come."""

    def spans(self, request: Sequence[tuple[Resource, Sequence[Span]]]) -> list[Span]:
        """Return the spans to store, attached to their place. They are changed, not copied.

        The spans of a request belong together, whatever their resource and scope. Those that wait
        for their parent are returned by a later call, or by `waited`.
        """
        resources: dict[Resource, list[Span]] = {}
        for resource, spans in request:
            resources.setdefault(resource, []).extend(spans)
        until = self._now() + HOLD_NS
        sent: list[Sent] = []
        come: set[Ids] = set()
        for resource, spans in resources.items():
            kept: Sequence[Span] = spans
            if resource.source.kept:
                kept = self._noise.kept(resource, spans)
                self.filtered[resource.service] += len(spans) - len(kept)
                come.update((span.trace_id, span.span_id) for span in spans)
            sent += [Sent(resource, span, until) for span in kept]
        return self._place(sent, come.intersection(self._waiting.parents))

    @property
    def waiting(self) -> int:
        """Return how many spans wait for their parent."""
        return len(self._waiting)

    @property
    def rootless(self) -> int:
        """Return how many traces wait for their root."""
        return len(self._rootless)

    def take_rootless(self, *, at_once: bool = False) -> list[str]:
        """Return the traces whose root has not come in time; all if they are many, or `at_once`."""
        now = self._now()
        at_once = at_once or self.rootless > MAX_ROOTLESS
        late = [each for each, until in self._rootless.items() if at_once or now >= until]
        for trace_id in late:
            del self._rootless[trace_id]
        return late

    def keep_rootless(self, trace_ids: Sequence[str]) -> None:
        """Let traces that could not be counted wait once more, as far as there is room."""
        until = self._now() + QUIET_NS
        for trace_id in trace_ids[: max(MAX_ROOTLESS - self.rootless, 0)]:
            self._rootless.setdefault(trace_id, until)

    def waited(self, *, at_once: bool = False) -> list[Span]:
        """Return the spans whose parent has come, or has not come in time.

        With `at_once` all are returned, because nothing more will come.
        """
        if at_once:
            self._waiting.expire()
        come = [ids for ids in self._waiting.parents if self._find(ids) is not None]
        return self._place([], {*come, *self._waiting.expired(self._now())})

    def rest(self) -> list[Span]:
        """Return the spans that still wait, apart from our traces, without asking the database."""
        sent = self._waiting.of(self._waiting.parents)
        self._waiting.release(self._waiting.parents)
        together = by_ids(each.span for each in sent)
        for each in sent:
            trace_id = each.span.trace_id
            self._settle(each, Place(None, None, _other(trace_id, (trace_id,))), together)
        return [each.span for each in sent]

    def _place(self, sent: Sequence[Sent], come: Collection[Ids] = ()) -> list[Span]:
        """Return spans at their place, with those that wait for one of them, or that have `come`.

        Nothing has changed if the database cannot be read: the sender was told that what waits is
        stored, and sends only the others again.
        """
        taken = set(come)
        sent = [*sent, *self._waiting.of(taken)]
        together = by_ids(each.span for each in sent)
        while more := [
            ids for ids in self._waiting.parents if ids in together and ids not in taken
        ]:
            taken.update(more)
            sent = [*sent, *self._waiting.of(more)]
            together = by_ids(each.span for each in sent)
        self._leave_noise(sent)
        # All places first: attaching a span changes the ids by which others find it.
        places = self._places(sent, together)
        self._waiting.release(taken)
        settled = [
            (each.span, place)
            for each, place in zip(sent, places, strict=True)
            if self._settle(each, place, together)
        ]
        _end_rings(span for span, place in settled if place.parent is None)
        return [span for span, _ in settled]

    def _leave_noise(self, sent: Sequence[Sent]) -> None:
        among_noise: dict[int, list[Sent]] = {}
        for each in sent:
            if each.resource.source.kept:
                among_noise.setdefault(id(each.resource), []).append(each)
        for some in among_noise.values():
            self._noise.lift(some[0].resource, some)

    def _places(self, sent: Sequence[Sent], together: Together) -> list[Place]:
        # By identity: hashing a resource for each of its spans would take longer than the rest.
        resources = {id(each.resource): each.resource for each in sent}
        starters = {key: self._parent(resource) for key, resource in resources.items()}
        started = {id(each.span): found for each in sent if (found := starters[id(each.resource)])}
        rest = {each.span.trace_id for each in sent if id(each.span) not in started}
        ours = self._lookup.local_traces(rest)
        above: Together = {}
        if ours or started:
            above = nearest_above(together, lambda span: id(span) in started, of=together)
        places = []
        for each in sent:
            span, awaited = each.span, each.resource.parent
            parent = starters[id(each.resource)]
            if parent is None and above:
                top = above[span.trace_id, span.span_id]
                parent = started.get(id(top))
                # What waits may be another sender's, and lead up to the span of another turn.
                if parent is not None and not each.resource.may_join(parent.trace_id):
                    parent = None
                may_join = each.resource.may_join(span.trace_id)
                if parent is None and span.trace_id in ours and may_join:
                    # It passed on only TRACEPARENT. The id of a trace alone, which people can see,
                    # leads nowhere.
                    awaited = (top.trace_id, top.parent_id) if top.parent_id else None
                    parent = None if awaited is None else self._find(awaited)
            awaited = self._awaited(each, parent, awaited, together)
            places.append(Place(parent, awaited, _other(span.trace_id, ours)))
        return places

    def _awaited(
        self, sent: Sent, parent: Span | None, named: Ids | None, together: Together
    ) -> Ids | None:
        """Return the ids of the span that this one waits for before it goes below its parent."""
        if sent.above is not None:
            above = parent.trace_id if parent else sent.span.trace_id, sent.above[1]
            if sent.above in together or self._lookup.span(above) is not None:
                sent.above = None
        if parent is None and named is not None and self._lookup.span(named) is None:
            return named  # Else it has ended long ago.
        return sent.above

    def _settle(self, sent: Sent, place: Place, together: Together) -> bool:
        """Attach a span to its parent, else keep it in a trace of its own.

        Return False if it waits, or if the trace takes no more.
        """
        span, awaited = sent.span, place.awaited
        if awaited is not None and self._waiting.hold(sent, awaited, now=self._now()):
            return False
        if place.parent is not None:
            if sent.above is not None and not reports_usage(span):
                # What reports usage may yet be part of what comes with the span above it.
                span.parent_id = None
            return self._attach(span, place.parent)
        # Its parent is in another process, or has yet to come. Until the root of the trace
        # arrives, an entry span stands for it.
        sent_in, span.trace_id = span.trace_id, place.trace_id
        if span.parent_id is None:
            self._rootless.pop(span.trace_id, None)
        elif (sent_in, span.parent_id) not in together:
            span.entry = True
            self._rootless[span.trace_id] = self._now() + QUIET_NS
        self._bounds.check(span, None)
        return True

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
        return (
            replace(log, trace_id=_other(log.trace_id, ours)) if log.trace_id else log
            for log in logs
        )

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


def _end_rings(spans: Iterable[Span]) -> None:
    """Let a span stand for the root of each trace in which all spans are below one another.

    A broken sender's trace would be running for ever.
    """
    below: dict[str, Span] = {}
    ended: set[str] = set()
    for span in spans:
        if span.parent_id is None or span.entry:
            ended.add(span.trace_id)
        else:
            below.setdefault(span.trace_id, span)
    for trace_id, span in below.items():
        span.entry = trace_id not in ended


def _other(trace_id: str, ours: Collection[str]) -> str:
    """Return a different, stable id for a sender that uses one of our trace ids without right."""
    if trace_id not in ours:
        return trace_id
    return hashlib.sha256(f"otlp {trace_id}".encode()).hexdigest()[:32]
