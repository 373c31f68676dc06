"""One trace: what was asked, how it ended, what its agents did, and its spans as a tree.

Times are in nanoseconds since the epoch, durations in nanoseconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reports import formatting
from reports.views.agent_work import WorkLine, agent_work
from reports.views.ratings import Rating
from reports.views.trace_list import TraceLine, trace_line
from storage.model.filters import agents_of
from storage.model.records import Score
from storage.model.semconv import REPLY
from storage.model.span import FAILED_STATUSES, Span, parent_among
from storage.queries.traces import TraceSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLine:
    """One span as text; `start` and `width` are shares of the trace's duration, 0 to 1.

    `facts` is one line: why it was answered, its model, tokens, cost, attributes and error.
    """

    depth: int
    icon: str
    status: str
    name: str
    duration: str
    start: float
    width: float
    facts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceView:
    """A trace and its spans: `trace` and `values` are raw, the rest is text.

    `link` is the URL of the message that asked, empty if there is none or it is not known.
    """

    line: TraceLine
    question: str
    asker: str
    link: str
    ending: str
    """How it ended and after how long, with the reason if it failed."""
    last_words: tuple[str, ...]
    """The last lines that the program which failed wrote to stderr, beyond what `ending` says."""
    answers: tuple[str, ...]
    work: tuple[WorkLine, ...]
    spans: tuple[SpanLine, ...]
    trace: TraceSummary
    values: tuple[Span, ...]
    ratings: tuple[Rating, ...] = ()
    scores: tuple[Score, ...] = ()
    """The raw values of the ratings."""

    @property
    def can_be_asked_again(self) -> bool:
        """Return True for a question in Slack that one agent did not answer."""
        trace = self.trace
        asked = trace.platform == "slack" and trace.decision == "answer"
        is_known = trace.channel and trace.message_ts and len(agents_of(trace.agent)) == 1
        return bool(asked and is_known and trace.status in {*FAILED_STATUSES, "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RawView:
    """All that is stored of a trace's spans, as JSON. Slack shows one `page` of it, from 0 on."""

    title: str
    trace_id: str
    text: str
    page: int = 0


def trace_view(
    trace: TraceSummary, spans: Sequence[Span], *, now: int, asker: str = "", link: str = ""
) -> TraceView:
    """Order the spans as a tree, parents before children, with their places in time."""
    begins = min((span.started_at for span in spans), default=trace.started_at)
    ends = max((_end(span, now) for span in spans if not _later(span, trace)), default=begins)
    length = max(ends - begins, 1)  # Never 0, because it is a divisor.
    line = trace_line(trace, now=now)
    ending = _ending(trace, line)
    return TraceView(
        line=line,
        question=formatting.shortened(trace.text or "", QUESTION),
        asker=formatting.plain(asker),
        link=link,
        ending=ending,
        last_words=_last_words(trace, spans, known=ending),
        answers=tuple(_answers(spans)),
        work=agent_work(spans, now=now),
        spans=tuple(
            _span_line(span, depth, begins=begins, length=length, now=now)
            for span, depth in _in_tree_order(spans)
        ),
        trace=trace,
        values=tuple(spans),
    )


ENDINGS = {
    "ok": "Done in",
    "error": "Failed after",
    "timeout": "Ran out of time after",
    "cancelled": "Stopped after",
    "abandoned": "Its process ended after",
    "running": "Running for",
}
QUESTION, ERROR, ANSWER = 300, 500, 300
"""Characters of each that are shown."""

LAST_LINES, LONGEST_LINE = 8, 200
"""How much of a program's last words is shown, in lines and in characters of a line."""


def _ending(trace: TraceSummary, line: TraceLine) -> str:
    if line.status == "skipped":
        return f"Not answered: {formatting.reason(trace.reason)}"
    answered = trace.status == "ok" and trace.decision == "answer"
    verb = "Answered in" if answered else ENDINGS.get(trace.status, trace.status)
    ending = f"{verb} {line.duration}"
    if trace.duration_ns is None and trace.status == "abandoned":
        ending = "Its process ended before it did"
    message = formatting.shortened(trace.error_message or "", ERROR)
    return f"{ending}: {message}" if message and trace.error_count else ending


def _last_words(trace: TraceSummary, spans: Sequence[Span], *, known: str) -> tuple[str, ...]:
    """Return the end of the stderr of what failed last; nothing if *known* says it all."""
    failed = [span for span in spans if span.status in FAILED_STATUSES] if trace.error_count else []
    stderr = next(
        (text for span in reversed(failed) if (text := span.attributes.get("process.stderr"))), ""
    )
    if trace.status == "ok":
        return ()  # Another provider answered: the line of the first one says why it did not.
    lines = formatting.without_controls(str(stderr)).expandtabs(4).splitlines()
    words = [line for line in map(str.rstrip, lines) if line]
    if len(words) == 1 and " ".join(words[0].split()) in known:
        return ()
    return tuple(line[:LONGEST_LINE] for line in words[-LAST_LINES:])


def _answers(spans: Sequence[Span]) -> Iterable[str]:
    """Yield how each answer begins, with its agent if there are several."""
    replies = [span for span in spans if span.name == REPLY and span.text]
    for span in replies:
        text = formatting.shortened(span.text or "", ANSWER)
        agent = formatting.plain(span.agent or "")
        yield f"{agent}: {text}" if len(replies) > 1 and agent else text


def _end(span: Span, now: int) -> int:
    if span.ended_at is not None:
        return span.ended_at
    return now if span.status == "running" else span.started_at


def _later(span: Span, trace: TraceSummary) -> bool:
    """Return True for a span after the turn: a thumb next morning must not stretch its bars."""
    return trace.ended_at is not None and span.started_at > trace.ended_at


def _in_tree_order(spans: Sequence[Span]) -> Iterable[tuple[Span, int]]:
    """Yield each span once, with its depth. A span below none of these is at the top."""
    here = {span.span_id for span in spans}
    children: dict[str | None, list[Span]] = {}
    for span in spans:
        children.setdefault(parent_among(span, here), []).append(span)
    yielded = set()
    # After the tops every span again, because a broken sender can report spans that are each
    # other's parents: they are below no top.
    for top in (*children.get(None, []), *spans):
        waiting = [(top, 0)]
        while waiting:
            span, depth = waiting.pop()
            if span.span_id not in yielded:
                yielded.add(span.span_id)
                yield span, depth
                below = reversed(children.get(span.span_id, []))
                waiting += [(child, depth + 1) for child in below]


def _span_line(span: Span, depth: int, *, begins: int, length: int, now: int) -> SpanLine:
    start = min((span.started_at - begins) / length, 1.0)
    took = span.duration_ns
    if took is None and span.status == "running":
        took = formatting.lasting(span.started_at, now=now)
    return SpanLine(
        depth=depth,
        icon=formatting.ICONS.get(span.status, "?"),
        status=span.status,
        name=formatting.plain(span.name),
        duration=formatting.duration(took),
        start=start,
        width=min((took or 0) / length, 1.0 - start),
        facts=_facts(span),
    )


FACTS = (
    "emoji",
    "messages",
    "characters",
    "cache",
    "bytes",
    "mime_type",
    "mode",
    "attempts",
)
"""The attributes of our own spans that are shown beside a span's name."""


def _facts(span: Span) -> str:
    facts = []
    if span.reason:
        verb = "answered" if span.decision == "answer" else "skipped"
        facts.append(f"{verb}: {formatting.reason(span.reason)}")
    if span.provider and span.configured_provider not in (None, span.provider):
        facts.append(f"{span.provider} instead of {span.configured_provider}")
    tokens = formatting.token_pair(span.input_tokens, span.output_tokens)
    facts += [word for word in (span.model, tokens) if word]
    if span.cost is not None:
        estimated = " estimated" if span.cost_source == "estimated" else ""
        facts.append(f"{formatting.cost(span.cost)}{estimated}")
    facts += [f"{name} {span.attributes[name]}" for name in FACTS if name in span.attributes]
    # Beside an error the exit code is in its message.
    if span.error_type is None and (code := span.attributes.get("process.exit.code")) is not None:
        facts.append(f"exit code {code}")
    if span.error_message or span.error_type:
        facts.append(formatting.shortened(f"{span.error_type}: {span.error_message}", 120))
    return formatting.plain(", ".join(facts))
