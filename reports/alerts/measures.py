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


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure that a limit is set to, or without an `example` a state that is good or bad.

    `parse` reads a limit and raises `ValueError`, `text` writes it so, and `shown` is for people.
    `of` are the filters that the rule may have. A measure without a `window` is that of now.
    """

    title: str
    means: str
    parse: Callable[[str], float] = float
    text: Callable[[Any], str] = str
    shown: Callable[[Any], str] = str
    example: str = ""
    of: tuple[str, ...] = FIGURES
    window_ns: int = HOUR_NS


def _parse_percent(text: str) -> float:
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,3})?)%?", text.strip(), re.ASCII)
    if match is None or float(match.group(1)) > 100:
        raise ValueError(f"{text!r} is not a share: write a number from 0% to 100%, such as 20%")
    return float(match.group(1)) / 100


def _parse_count(text: str) -> float:
    if not re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):
        raise ValueError(f"{text!r} is not a number of turns: write one such as 100")
    return float(text)


def _percent(share: float) -> str:
    return f"{share * 100:.3g}%"


def _share(title: str, means: str) -> Measure:
    return Measure(
        title=title,
        means=means,
        parse=_parse_percent,
        text=lambda share: f"{round(share * 100, 3):g}%",
        shown=_percent,
        example="20%",
    )


MEASURES: Mapping[str, Measure] = {
    "error_rate": _share("Error share", "the share of turns that failed"),
    "thumbs_down": _share("👎 share", "the share of 👎 among the thumbs"),
    "p95": Measure(
        title="p95",
        means="the time within which 95% of the turns ended",
        parse=parse_length,
        text=lambda ns: length_text(round(ns)),
        shown=formatting.duration,
        example="30s",
    ),
    "cost": Measure(
        title="Cost",
        means="what the turns cost, in dollars",
        parse=parse_dollars,
        text=lambda cost: dollars_text(round(cost)),
        shown=lambda cost: formatting.cost(round(cost)),
        example="5",
    ),
    "tokens": Measure(
        title="Tokens",
        means="the tokens that went in and out",
        parse=parse_tokens,
        text=lambda count: str(round(count)),
        shown=lambda count: formatting.tokens(round(count)),
        example="100k",
    ),
    "count": Measure(
        title="Turns",
        means="the number of turns",
        parse=_parse_count,
        text=lambda count: str(round(count)),
        shown=lambda count: f"{round(count):,}",
        example="100",
    ),
    "running": Measure(
        title="Longest running turn",
        means="how long the oldest turn that still runs has run",
        parse=parse_length,
        text=lambda ns: length_text(round(ns)),
        shown=formatting.duration,
        example="15m",
        window_ns=0,
    ),
    "no_data": Measure(
        title="No turn",
        means="no turn at all in the window",
        window_ns=24 * HOUR_NS,
    ),
    "agent_check": Measure(
        title="Failed check",
        means="an agent cannot be started: its program, folder or key is missing",
        of=("agent",),
        window_ns=0,
    ),
    "database": Measure(
        title="Database problems",
        means="tracebot health finds a problem",
        of=(),
        window_ns=0,
    ),
}
"""The measures by the names that people type."""
