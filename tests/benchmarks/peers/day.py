"""The benchmarks' traces, moved into one day, in the format that drivers read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from storage.model.semconv import ATTRIBUTES
from storage.model.span import Span
from tests.benchmarks.traces import COLUMNS, DAY, DAYS, MS, NOW, make_traces

UNTIL = NOW
SINCE = NOW - DAY


def write_day(folder: Path, *, spans: int, parts: int) -> Iterator[tuple[Path, int]]:
    """Write files of whole traces, one per line, and return each file with its number of spans."""
    traces = [*make_traces(spans)][:-1]  # The last one may be cut.
    for part in range(parts):
        first, end = (len(traces) * number // parts for number in (part, part + 1))
        some = [[as_json(span) for span in trace] for trace in traces[first:end]]
        path = folder / f"part-{part}.jsonl"
        path.write_text("\n".join(map(json.dumps, some)))
        yield path, sum(map(len, some))


def as_json(span: Span) -> dict[str, Any]:
    """Return a span with its columns as attributes under their conventional names."""
    began = _within_the_day(span.started_at)
    trace_began = _within_the_day(int(span.trace_id[:12], 16) * MS)  # Of all its spans the same.
    columns = {ATTRIBUTES[word]: getattr(span, word) for word in COLUMNS if word in ATTRIBUTES}
    known = {name: value for name, value in columns.items() if value is not None}
    return {
        "trace_id": f"{trace_began // MS:012x}{span.trace_id[12:]}",
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": span.name,
        "kind": span.kind,
        "status": span.status,
        "started_at": began,
        "ended_at": began + (span.duration_ns or 0),
        "attributes": {**known, **span.attributes},
    }


def _within_the_day(moment: int) -> int:
    """Map a moment of the benchmarks' month to the day that represents it."""
    return SINCE + (moment - (NOW - DAYS * DAY)) // DAYS
