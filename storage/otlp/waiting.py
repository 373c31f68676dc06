"""Hold received spans for a moment whose parent is not known yet.

Exporters send children before their parents, and our own span may be stored a second after what it
started has sent. A span that names one of our traces by its id alone must not join it, so it waits
here until its parent comes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from storage.model.span import Span
from storage.model.trace_context import Ids
from storage.otlp.scope import Resource

HOLD_NS = 30 * 1_000_000_000
"""How long a span waits. Exporters send every five seconds."""

MAX_SPANS = 2_000
MAX_PARENTS = 500
"""How many spans wait at most, and for how many parents: others could send any number of them."""


@dataclass(slots=True)
class Sent:
    """A span as it was sent, and until when it may wait (nanoseconds since the epoch)."""

    resource: Resource
    span: Span
    until: int
    above: Ids | None = None
    """A span that has not been seen and may be noise, as its parent; see `storage.otlp.noise`."""


@dataclass(slots=True)
class Waiting:
    """Spans by the ids of the parent for which they wait. For one thread at a time."""

    _by_parent: dict[Ids, list[Sent]] = field(default_factory=dict)
    _spans: int = 0

    def __len__(self) -> int:
        return self._spans

    @property
    def parents(self) -> list[Ids]:
        return list(self._by_parent)

    def hold(self, sent: Sent, parent: Ids, *, now: int) -> bool:
        """Hold a span. False if it has waited long enough, or too many do."""
        group = self._by_parent.get(parent)
        full = self._spans >= MAX_SPANS or (group is None and len(self._by_parent) >= MAX_PARENTS)
        if full or now >= sent.until:
            return False
        if group is None:
            self._by_parent[parent] = [sent]
        else:
            group.append(sent)
        self._spans += 1
        return True

    def of(self, parents: Iterable[Ids]) -> list[Sent]:
        """Return what waits for these parents, and goes on waiting until it is released."""
        return [sent for ids in parents for sent in self._by_parent.get(ids, ())]

    def release(self, parents: Iterable[Ids]) -> None:
        for ids in parents:
            self._spans -= len(self._by_parent.pop(ids, ()))

    def expired(self, now: int) -> list[Ids]:
        """Return the parents that have not come in time."""
        return [ids for ids, group in self._by_parent.items() if now >= group[0].until]

    def expire(self) -> None:
        """Let nothing wait any longer, also if it leads up to another parent."""
        for sent in self.of(self._by_parent):
            sent.until = 0
