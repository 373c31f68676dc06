"""Leave out spans that are noise. Their children move to the nearest span above that is kept.

In: the spans of a sender whose spans are mostly noise (`storage.otlp.sources`). Out: those to keep,
and for each the place among them. Exporters cut a trace into requests anywhere, and send children
first, so the links between recent spans are remembered, and what leads up to a span that has not
been seen waits for it (`storage.otlp.waiting`).
"""

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from cachetools import LRUCache

from storage.model.prices import estimated_cost
from storage.model.semconv import CACHE_WRITE
from storage.model.span import Span, reports_usage
from storage.model.token_counts import count_of
from storage.model.trace_context import Ids
from storage.otlp.ancestors import nearest_above
from storage.otlp.request import MAX_ITEMS
from storage.otlp.scope import Resource
from storage.otlp.waiting import Sent

REMEMBERED = 10_000
"""Spans of one sender whose links are remembered, or those of its last request if they are more.

codex sends 600 for one prompt, opencode 1,000. Of all senders together MAX_ITEMS are remembered.
"""


class Link(NamedTuple):
    """The facts of a span that are remembered."""

    span_id: str
    parent_id: str | None
    kept: bool
    model: str | None


class NoiseFilter:
    """Tell noise from what is kept. For one thread at a time."""

    def __init__(self) -> None:
        self._recent: LRUCache[Resource, dict[Ids, Link]] = LRUCache(MAX_ITEMS, getsizeof=len)

    @property
    def remembered(self) -> int:
        return int(self._recent.currsize)

    def kept(self, resource: Resource, spans: Sequence[Span]) -> list[Span]:
        """Return the spans to keep, and remember the links of all."""
        recent = self._recent.get(resource, {})
        keeps = resource.source.keeps
        for span in spans:  # One that is sent again is a recent one, too.
            recent.pop((span.trace_id, span.span_id), None)
        recent |= {(span.trace_id, span.span_id): _link(span, keeps(span)) for span in spans}
        excess = len(recent) - max(REMEMBERED, len(spans))
        for ids in [*islice(recent, max(excess, 0))]:
            del recent[ids]
        self._recent[resource] = recent
        return [span for span in spans if recent[span.trace_id, span.span_id].kept]

    def lift(self, resource: Resource, sent: Sequence[Sent]) -> None:
        """Move each kept span to the nearest span above that is kept, as far as those are known.

        A call without a model has that of the nearest span up to it: codex names it in the noise.
        """
        recent = self._recent.get(resource, {})
        ids = [(each.span.trace_id, each.span.span_id) for each in sent]
        for key, each in zip(ids, sent, strict=True):
            recent.setdefault(key, _link(each.span, True))
        above = nearest_above(recent, lambda link: link.kept, of=ids)
        named = nearest_above(recent, lambda link: link.kept or link.model is not None, of=ids)
        for key, each in zip(ids, sent, strict=True):
            span, end = each.span, above[key]
            if span.model is None and reports_usage(span):
                _name_model(span, named[key].model)
            each.above = None
            if end.kept and end is not recent[key]:
                span.parent_id = end.span_id
                continue
            span.parent_id = end.parent_id
            if span.parent_id is not None:
                unseen = span.trace_id, span.parent_id
                if unseen in recent:  # A ring.
                    span.parent_id = None
                else:
                    each.above = unseen


def _link(span: Span, kept: bool) -> Link:
    return Link(span.span_id, span.parent_id, kept, span.model)


def _name_model(call: Span, model: str | None) -> None:
    """Give a call a model, and with it a price."""
    call.model = model
    if call.cost is None:
        call.cost = estimated_cost(
            model,
            provider=call.provider,
            input_tokens=call.input_tokens,
            output_tokens=call.output_tokens,
            cached_tokens=call.cached_tokens,
            cache_write_tokens=count_of(call.attributes.get(CACHE_WRITE)),
            at=call.started_at,
        )
        call.cost_source = None if call.cost is None else "estimated"
