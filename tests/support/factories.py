"""A realistic hour of recording, for the tests of what people read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storage import Observability
from storage.model.span import Status, own_audience

NOW = 1_764_000_000 * 1_000_000_000
"""2025-11-24 16:00:00 UTC."""

MS = 1_000_000
SECOND = 1_000 * MS
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE

TEAM, GENERAL, SECRET, DIRECT = "T1", "C0GENERAL", "G0SECRET", "D0ALICE"
ALICE, BOB = "U0ALICE", "U0BOB"
THREAD = "1763999400.000100"
"""The thread in #general and its first question."""

FOLLOW_UP = "1763999520.000200"


@dataclass(frozen=True)
class FixedSight:
    """What a channel may be told, as `bot.access.Sight` says it."""

    audiences: frozenset[str]
    channel: str | None = None

    def may_see(self, trace: object) -> bool:
        return True

    def may_see_in(self, channel: str) -> bool:
        return own_audience(TEAM, channel) in self.audiences or channel == GENERAL


Step = tuple[str, int, int, Mapping[str, Any]]
"""Name (two spaces per level of depth), start after the root's in ms, length in ms, attributes."""


def record(
    observability: Observability,
    name: str,
    *,
    ago: int,
    ms: int,
    steps: Sequence[Step] = (),
    status: Status = "ok",
    error: tuple[str, str] | None = None,
    now: int = NOW,
    **attributes: Any,
) -> str:
    """Record a finished trace that began *ago* nanoseconds before *now*, and return its id."""
    started_at = now - ago
    root = observability.start_span(name, attributes, kind="consumer", started_at=started_at)
    parents = [root]
    for step, after, length, facts in steps:
        begins = started_at + after * MS
        depth = (len(step) - len(step.lstrip())) // 2
        given = {key: value for key, value in facts.items() if key != "failure"}
        span = observability.start_span(
            step.strip(), given, parent=parents[depth], started_at=begins
        )
        if "failure" in facts:
            span.fail(*facts["failure"], status=status)
        span.end(begins + length * MS)
        parents[depth + 1 :] = [span]
    if error:
        root.fail(*error, status=status)
    root.end(started_at + ms * MS)
    return root.trace_id


def said(channel: str, user: str, text: str, **more: Any) -> dict[str, Any]:
    """Return the attributes of a turn's root span."""
    private = {SECRET: SECRET, DIRECT: user}.get(channel)
    audience = TEAM if private is None else own_audience(TEAM, private)
    place = {"platform": "slack", "team": TEAM, "channel": channel, "audience": audience}
    return {**place, "user": user, "text": text, **more}


CALL = {"agent": "claude", "configured_provider": "claude", "provider": "claude"}
SPENT = {
    "model": "claude-sonnet-5",
    "input_tokens": 1_204,
    "output_tokens": 356,
    "cached_tokens": 900,
    "cost": 12_345,
    "cost_source": "reported",
}
LATE = ("timeout", "claude did not answer within 30 s.")


def record_an_hour(observability: Observability) -> dict[str, str]:
    """Record the hour before NOW and return trace ids by a short name."""
    turn = {"agent": "claude", "decision": "answer"}
    ids = {
        "question": record(
            observability,
            "slack message",
            ago=10 * MINUTE,
            ms=3_240,
            thread_ts=THREAD,
            message_ts=THREAD,
            steps=(
                ("decide", 1, 1, {"decision": "answer", "reason": "mentioned"}),
                ("add reaction eyes", 4, 35, {}),
                ("fetch files", 42, 210, {"files": 1, "fetched": 1}),
                ("invoke_agent claude", 255, 2_800, {"agent": "claude"}),
                ("  attempt claude", 257, 2_790, CALL | SPENT),
                ("reply", 3_060, 120, {"characters": 1_423}),
            ),
            **said(GENERAL, ALICE, "<@U0BOT> what is new in <#C0NEWS|news> & why?", **turn),
        ),
        "follow-up": record(
            observability,
            "slack message",
            ago=8 * MINUTE,
            ms=31_000,
            status="timeout",
            error=LATE,
            thread_ts=THREAD,
            message_ts=FOLLOW_UP,
            steps=(
                ("decide", 1, 2, {"decision": "answer", "reason": "active_speaker"}),
                ("read thread", 3, 40, {"messages": 2, "characters": 640, "cache": "miss"}),
                ("invoke_agent claude", 50, 30_000, {"failure": LATE}),
                ("  attempt claude", 51, 30_000, CALL | {"failure": LATE}),
            ),
            **said(GENERAL, ALICE, "and since when?", **turn),
        ),
        "skipped": record(
            observability,
            "slack message",
            ago=5 * MINUTE,
            ms=2,
            thread_ts="1763999700.000300",
            message_ts="1763999700.000300",
            steps=(("decide", 0, 1, {"decision": "skip", "reason": "other_bot_mentioned"}),),
            **said(GENERAL, BOB, "<@U0OTHER> and you?", decision="skip"),
        ),
        "private": record(
            observability,
            "slack message",
            ago=4 * MINUTE,
            ms=900,
            thread_ts="1763999760.000400",
            message_ts="1763999760.000400",
            steps=(("decide", 1, 1, {"decision": "answer", "reason": "mentioned"}),),
            **said(SECRET, BOB, "<@U0BOT> the plans?", **turn),
        ),
        "direct": record(
            observability,
            "slack message",
            ago=3 * MINUTE,
            ms=410,
            thread_ts="1763999820.000500",
            message_ts="1763999820.000500",
            steps=(("decide", 1, 1, {"decision": "answer", "reason": "direct_message"}),),
            **said(DIRECT, ALICE, "between us", agent="echo", decision="answer"),
        ),
        "command": record(
            observability,
            "run pytest",
            ago=2 * MINUTE,
            ms=92_000,
            status="error",
            error=("exit_code", "exit code 1"),
            platform="cli",
            **{"process.exit.code": 1},
        ),
    }
    running = observability.start_span(
        "run backup", {"platform": "cli"}, kind="client", started_at=NOW - MINUTE
    )
    ids["running"] = running.trace_id
    assert observability.flush()
    return ids
