"""Say in one sentence what kind of day it was, compared with what is usual."""

from collections.abc import Callable
from dataclasses import dataclass

from reports import formatting
from storage.queries.statistics import Group, Statistics

MUCH = 1.5
"""How many times the usual is worth a word."""

FEWEST_TURNS, FEWEST_FAILURES = 5, 3
"""Below these numbers nothing is said of a change: it may be chance."""

WORDS = 2
"""How many words describe a day."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A word for a day, if `holds(now, usual)`, and what proves it."""

    word: str
    holds: Callable[[Group, Group], bool]
    proof: Callable[[Group, Group], str]


def _share(group: Group) -> float:
    return group.errors / group.traces if group.traces else 0.0


def _more(now: float | None, usual: float | None) -> bool:
    return now is not None and usual is not None and now > MUCH * usual


def _turns(count: int) -> str:
    return f"{count:,} turn{'' if count == 1 else 's'}"


KINDS = (
    Kind(
        "bad",
        lambda now, usual: now.errors >= FEWEST_FAILURES and _share(now) > MUCH * _share(usual),
        lambda now, usual: (
            f"{now.errors:,} of {_turns(now.traces)} failed, usually "
            f"{usual.errors:,} of {usual.traces:,}"
        ),
    ),
    Kind(
        "slow",
        lambda now, usual: now.traces >= FEWEST_TURNS and _more(now.p95_ns, usual.p95_ns),
        lambda now, usual: (
            f"95% took up to {formatting.duration(now.p95_ns)}, usually "
            f"{formatting.duration(usual.p95_ns)}"
        ),
    ),
    Kind(
        "expensive",
        lambda now, usual: now.traces >= FEWEST_TURNS and _more(now.cost, usual.cost),
        lambda now, usual: (
            f"it cost {formatting.cost(now.cost)}, usually {formatting.cost(usual.cost)}"
        ),
    ),
    Kind(
        "busy",
        lambda now, usual: now.traces >= FEWEST_TURNS and _more(now.traces, usual.traces),
        lambda now, usual: f"{_turns(now.traces)}, usually {usual.traces:,}",
    ),
    Kind(
        "calm",
        lambda now, usual: usual.traces >= FEWEST_TURNS and _more(usual.traces, now.traces),
        lambda now, usual: f"{_turns(now.traces)}, usually {usual.traces:,}",
    ),
)
"""The most important first."""


def sentence(agents: Statistics, usual: Group | None, *, noun: str) -> str:
    """Describe a period, whose *noun* is for instance `Thursday` or `week`."""
    now = agents.total
    if not now.traces:
        known = f", and usually {_turns(usual.traces)} run" if usual and usual.traces else ""
        return f"Nobody asked an agent{known}."
    if usual is None:
        return f"{_turns(now.traces)}, {_failed(agents)}. It is too early to say what is usual."
    found = [kind for kind in KINDS if kind.holds(now, usual)][:WORDS]
    if not found:
        return f"A usual {noun}: {_turns(now.traces)}, {_failed(agents)}."
    words = " and ".join(kind.word for kind in found)
    proofs = "; ".join(kind.proof(now, usual) for kind in found)
    if found[0].word == "bad":
        return f"A {words} {noun}: {proofs}{_culprit(agents)}."
    article = "An" if words.startswith("e") else "A"
    return f"{article} {words} {noun}: {proofs}; {_failed(agents)}."


def _failed(agents: Statistics) -> str:
    errors = agents.total.errors
    return f"{errors:,} failed{_culprit(agents)}" if errors else "none failed"


def _culprit(agents: Statistics) -> str:
    """Name the agent of most failures, if there are several agents and failures."""
    errors = agents.total.errors
    worst = max(agents.groups, key=lambda group: group.errors, default=None)
    if worst is None or len(agents.groups) < 2 or errors < FEWEST_FAILURES:
        return ""
    if 2 * worst.errors <= errors:
        return ""
    many = "all" if worst.errors == errors else f"{worst.errors:,}"
    return f" ({many} of them with {formatting.shortened(worst.key, 40)})"
