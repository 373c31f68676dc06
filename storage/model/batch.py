"""A batch: what a writer stores in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from storage.model.records import Log, Metric, Score
from storage.model.span import Span


@dataclass(slots=True)
class Batch:
    """The rows that one writer stores next. `number` grows by one: storing it twice is harmless."""

    process: str
    number: int
    spans: list[Span] = field(default_factory=list)
    resumed: set[str] = field(default_factory=set)
    """The ids of spans in this batch that an earlier one stored as running."""
    metrics: list[Metric] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)

    @property
    def trace_ids(self) -> set[str]:
        """Return the traces that the batch changes."""
        return {span.trace_id for span in self.spans} | {score.trace_id for score in self.scores}

    def __len__(self) -> int:
        return len(self.spans) + len(self.metrics) + len(self.logs) + len(self.scores)


def together(batches: Sequence[Batch]) -> Batch:
    """Return consecutive batches of one writer as one, with the number of the last of them."""
    if len(batches) == 1:
        return batches[0]
    whole = Batch(batches[-1].process, batches[-1].number)
    for each in batches:
        whole.spans += each.spans
        whole.resumed |= each.resumed
        whole.metrics += each.metrics
        whole.logs += each.logs
        whole.scores += each.scores
    return whole
