"""Record turns of which only the cost matters."""

from storage import Observability
from tests.support.factories import ALICE, CALL, GENERAL, MINUTE, record, said


def spend(
    observability: Observability,
    cost: int,
    *,
    ago: int = MINUTE,
    channel: str = GENERAL,
    **more: str,
) -> str:
    """Record a turn that cost so many micro-dollars, an ended one of ALICE to claude by default."""
    turn = {"agent": "claude", "decision": "answer", **more}
    user = turn.pop("user", ALICE)
    call = {**CALL, "agent": turn["agent"], "cost": cost, "cost_source": "reported"}
    steps = (("attempt", 1, 10, call),)
    facts = said(channel, user, "why?") | turn
    return record(observability, "slack message", ago=ago, ms=20, steps=steps, **facts)
