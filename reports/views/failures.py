"""Failures grouped by error and agent, each with its count and its latest trace."""

from collections.abc import Sequence
from dataclasses import dataclass

from reports import formatting
from storage.queries.failures import FailedSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One error of one agent. `latest` is the deepest failed span of its latest trace."""

    error_type: str
    agent: str | None
    traces: int
    latest: FailedSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureLine:
    """One group of failures as text. `where` is the name of its latest failed span."""

    error_type: str
    agent: str
    traces: str
    when: str
    trace_id: str
    where: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailuresView:
    """Lines of text, most frequent first; `failures` are the raw values."""

    title: str
    lines: tuple[FailureLine, ...]
    note: str
    since: int
    until: int
    failures: tuple[Failure, ...]
    empty: str = "Nothing failed in this period."


def failures_view(
    spans: Sequence[FailedSpan], *, since: int, now: int, all_of_them: bool
) -> FailuresView:
    """Group failed spans, which come latest first.

    `all_of_them` is False if only the newest traces of the period were read.
    """
    groups: dict[tuple[str, str | None], list[FailedSpan]] = {}
    for span in spans:
        groups.setdefault((span.error_type or span.status, span.agent), []).append(span)
    found = [
        Failure(
            error_type=error_type,
            agent=agent,
            traces=len({span.trace_id for span in members}),
            latest=members[0],
        )
        for (error_type, agent), members in groups.items()
    ]
    found.sort(key=lambda failure: (-failure.traces, -failure.latest.started_at))
    return FailuresView(
        title=f"Errors of the {formatting.period(since, now)}",
        lines=tuple(_line(failure, now=now) for failure in found),
        note="" if all_of_them else "Only the newest failures of this period are counted.",
        since=since,
        until=now,
        failures=tuple(found),
    )


def _line(failure: Failure, *, now: int) -> FailureLine:
    latest = failure.latest
    return FailureLine(
        error_type=formatting.plain(failure.error_type),
        agent=formatting.plain(failure.agent or ""),
        traces=f"{failure.traces:,}",
        when=formatting.ago(latest.started_at, now=now),
        trace_id=latest.trace_id,
        where=formatting.plain(latest.name),
        message=formatting.shortened(latest.error_message or "", 120),
    )
