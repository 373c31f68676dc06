"""The figures that a rule of an alert can watch."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reports import formatting
from reports.units import (
    dollars_text,
    length_text,
    parse_dollars,
    parse_length,
    parse_tokens,
)

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS

FIGURES = ("agent", "channel", "user")
"""The filters by which figures are added up apart."""


@dataclass(frozen=True, slots=True)
class Unit:
    """How limits are written.

    `parse` reads a limit and raises `ValueError`, `text` writes it so, and `shown` is for people.
    """

    parse: Callable[[str], float]
    text: Callable[[Any], str]
    shown: Callable[[Any], str]


def _parse_percent(text: str) -> float:
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,3})?)%?", text.strip(), re.ASCII)
    if match is None or float(match.group(1)) > 100:
        raise ValueError(f"{text!r} is not a share: write a number from 0% to 100%, such as 20%")
    return float(match.group(1)) / 100


def _parse_count(text: str) -> float:
    if not re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):
        raise ValueError(f"{text!r} is not a number of turns: write one such as 100")
    return float(text)


NUMBER = Unit(parse=float, text=str, shown=str)
SHARE = Unit(
    parse=_parse_percent,
    text=lambda share: f"{round(share * 100, 3):g}%",
    shown=lambda share: f"{share * 100:.3g}%",
)
LENGTH = Unit(
    parse=parse_length,
    text=lambda ns: length_text(round(ns)),
    shown=formatting.duration,
)
DOLLARS = Unit(
    parse=parse_dollars,
    text=lambda cost: dollars_text(round(cost)),
    shown=lambda cost: formatting.cost(round(cost)),
)
TOKENS = Unit(
    parse=parse_tokens,
    text=lambda count: str(round(count)),
    shown=lambda count: formatting.tokens(round(count)),
)
COUNT = Unit(
    parse=_parse_count,
    text=lambda count: str(round(count)),
    shown=lambda count: f"{round(count):,}",
)


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure that a limit is set to, or without an `example` a state that is good or bad.

    `of` are the filters that the rule may have. A measure without a `window` is that of now;
    others take one of at most `longest_ns`.
    """

    title: str
    means: str
    unit: Unit = NUMBER
    example: str = ""
    of: tuple[str, ...] = FIGURES
    window_ns: int = HOUR_NS
    longest_ns: int = 30 * 24 * HOUR_NS


MEASURES: Mapping[str, Measure] = {
    "error_rate": Measure("Error share", "the share of turns that failed", SHARE, "20%"),
    "thumbs_down": Measure("👎 share", "the share of 👎 among the thumbs", SHARE, "20%"),
    "p95": Measure("p95", "the time within which 95% of the turns ended", LENGTH, "30s"),
    "first_token": Measure(
        "Time to first token",
        "the time within which 95% of the agents began to answer",
        LENGTH,
        "5s",
        longest_ns=24 * HOUR_NS,
    ),
    "cost": Measure("Cost", "what the turns cost, in dollars", DOLLARS, "5"),
    "tokens": Measure("Tokens", "the tokens that went in and out", TOKENS, "100k"),
    "count": Measure("Turns", "the number of turns", COUNT, "100"),
    "running": Measure(
        "Longest running turn",
        "how long the oldest turn that still runs has run",
        LENGTH,
        "15m",
        window_ns=0,
    ),
    "no_data": Measure("No turn", "no turn at all in the window", window_ns=24 * HOUR_NS),
    "agent_check": Measure(
        "Failed check",
        "an agent cannot be started: its program, folder or key is missing",
        of=("agent",),
        window_ns=0,
    ),
    "database": Measure("Database problems", "tracebot health finds a problem", of=(), window_ns=0),
}
"""The measures by the names that people type."""

OF_THE_BOT = ("agent_check", "database")
"""Those of how the bot itself fares, which belongs to no channel and is not for its guests."""
