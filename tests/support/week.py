"""A week of turns in a workspace, for pictures of what /trace shows."""

import random
import time
from collections.abc import Sequence
from typing import Any

from bot.sandbox import Channel, User
from storage import Observability
from storage.model.batch import Batch
from storage.model.records import FEEDBACK, Log, Metric
from storage.queries.traces import recent_traces
from storage.store.batch import store
from tests.support.factories import MINUTE, SECOND, Step, record

HOUR = 60 * MINUTE
MODELS = {"claude": "claude-sonnet-5", "codex": "gpt-5.2-codex", "gemini": "gemini-3-pro"}
QUESTIONS = (
    "why is checkout slow since this morning?",
    "write the release notes of 2.4",
    "which tests are flaky?",
    "summarise the incident of last night for the people who were asleep",
    "배포 절차를 알려줘",
    "what does `retry_after` return for an HTTP date?",
)
LINES = (
    ("warning", "The first token came late."),
    ("error", "Slack took no part of the reply: msg_too_long"),
    ("info", "The session of the thread goes on."),
)
ERRORS = (
    ("rate_limited", "The model took no more requests (429)."),
    ("crash", "It exited with 1: Error: model gpt-9 does not exist"),
    ("timeout", "It did not answer within 300 s."),
)


def record_a_week(
    observability: Observability,
    *,
    team: str,
    channel: Channel,
    people: Sequence[User],
    weeks: int = 1,
) -> None:
    """Record some 200 turns of each of the last weeks, the same each time but for the clock."""
    chance = random.Random(7)
    now = time.time_ns()
    for hour in range(1, weeks * 7 * 24):
        # People ask by day, and hardly at night.
        busy = 3 if 8 <= hour % 24 <= 17 else 0.3
        for _ in range(int(chance.expovariate(1 / busy))):
            _turn(observability, chance, team, channel, chance.choice(people), now, hour)
    observability.flush()
    store(observability.database, Batch("week:1:1", 1, **_beside(observability, chance)))


def _beside(observability: Observability, chance: random.Random) -> dict[str, Any]:
    """Return a metric of each of the newest turns, and what some of them logged."""
    logs, metrics = [], []
    for turn in recent_traces(observability.database, limit=100).traces:
        of: dict[str, Any] = {
            "recorded_at": turn.started_at,
            "trace_id": turn.trace_id,
            "span_id": None,
        }
        depth = float(chance.randrange(1, 9))
        metrics.append(
            Metric(name="queue.depth", value=depth, labels={"agent": turn.agent or ""}, **of)
        )
        if chance.random() < 0.2:
            level, message = chance.choice(LINES)
            facts = {"logger": "tracebot.replies", "ms": chance.randrange(6_000)}
            logs.append(Log(level=level, message=message, attributes=facts, **of))
    return {"logs": logs, "metrics": metrics}


def _turn(
    observability: Observability,
    chance: random.Random,
    team: str,
    channel: Channel,
    person: User,
    now: int,
    hour: int,
) -> None:
    agent = chance.choices(list(MODELS), (6, 3, 1))[0]
    ago = hour * HOUR - chance.randrange(50) * MINUTE
    asked = f"{(now - ago) / SECOND:.6f}"
    ms = int(chance.lognormvariate(9, 1))
    failed = chance.random() < (0.15 if agent == "codex" else 0.03)
    spent = {
        "input_tokens": chance.randrange(500, 60_000),
        "output_tokens": chance.randrange(2_000),
    }
    call = {"agent": agent, "configured_provider": agent, "provider": agent, "model": MODELS[agent]}
    seconds = ms / 1_000
    answered = {"slack.time_to_first_word": seconds / 4, "slack.time_to_answer": seconds}
    earlier = {"active_speaker": "claude", "agents": [agent]} if hour % 3 else {}
    trace_id = record(
        observability,
        "slack message",
        now=now,
        ago=ago,
        ms=ms,
        steps=(
            ("decide", 1, 1, {"decision": "answer", "reason": "mentioned"} | earlier),
            *_read(hour),
            (f"invoke_agent {agent}", 40, ms - 100, {"agent": agent}),
            (f"  attempt {agent}", 45, ms - 120, call | spent | _cost(agent, spent)),
            ("reply", ms - 50, 40, {"characters": 812} | ({} if failed else answered)),
        ),
        status="error" if failed else "ok",
        error=chance.choice(ERRORS) if failed else None,
        platform="slack",
        team=team,
        audience=team,
        channel=channel.id,
        user=person.id,
        thread_ts=asked,
        message_ts=asked,
        agent=agent,
        decision="answer",
        text=chance.choice(QUESTIONS),
    )
    if chance.random() < 0.3:
        value = float(chance.random() < (0.5 if failed else 0.9))
        reason = None if value else "It did not read the runbook, and guessed."
        observability.record_score(
            trace_id, name=FEEDBACK, user=person.id, value=value, text=reason
        )


def _read(hour: int) -> Sequence[Step]:
    """Return the steps of a turn that reads its thread, and sometimes a file."""
    if not hour % 3:
        return ()
    thread = {"thread_length": 2 + hour % 11, "cache": "hit" if hour % 4 else "miss"}
    files = ("fetch files", 12, 25, {"files": 2, "fetched": 2 - hour % 2, "refused": hour % 2})
    return (("read thread", 3, 8, thread), *([files] if not hour % 5 else []))


def _cost(agent: str, spent: dict[str, int]) -> dict[str, object]:
    """Return the cost in micro-dollars; nobody knows what gemini's model costs."""
    if agent == "gemini":
        return {}
    cost = spent["input_tokens"] * 3 + spent["output_tokens"] * 15
    return {"cost": cost, "cost_source": "reported"}
