"""The words of a rule: `error_rate>20% agent:claude over:1h warn:10%`.

A rule has one measure with its limit; `warn:` is a limit that is reached earlier. A filter makes it
one of an agent, a channel or a person. The same words are stored, typed and written in the agents
file.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from reports.alerts.measures import FIGURES, HOUR_NS, MEASURES, Measure
from reports.errors import UsageError
from reports.units import duration_text, parse_duration

LIMIT = re.compile(r"([a-z0-9_]+)(<|>|＜|＞|&lt;|&gt;)(.*)", re.IGNORECASE | re.DOTALL)
"""A measure with a limit. Slack writes signs as entities, and Japanese keyboards wide ones."""
OPTION = re.compile(r"([a-z_]+)[:：](.*)", re.IGNORECASE | re.DOTALL)
MARKS = "@＠#＃"
ABOVE = (">", "＞", "&gt;")

MINUTE_NS = HOUR_NS // 60
SHORTEST_NS = 5 * MINUTE_NS
"""The shortest window: a rule is evaluated each minute, and a change must hold for three."""

EXAMPLE = "error_rate>20% agent:claude over:1h warn:10%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """The words of a rule as values. `limit` and `warning` are in the measure's unit.

    `dimension` and `key` say whose figure it is: `("agent", "claude")`, or `("all", "")`. `channel`
    is where the alert is to be posted, if the words say so.
    """

    measure: str
    above: bool = True
    limit: float = 0.0
    warning: float | None = None
    dimension: str = "all"
    key: str = ""
    window_ns: int = 0
    channel: str | None = None

    @property
    def of(self) -> Measure:
        return MEASURES[self.measure]


@lru_cache(maxsize=4_096)
def stored_condition(text: str) -> Condition:
    """Return the condition of a stored rule. Raises `UsageError`."""
    return parse_condition(text.split(" "))


def parse_condition(words: Sequence[str]) -> Condition:
    """Parse the words of a rule. Raises `UsageError`, which names the word that is wrong."""
    found: Condition | None = None
    options: dict[str, tuple[str, str]] = {}
    for word in words:
        if (option := OPTION.fullmatch(word)) and not LIMIT.fullmatch(word):
            _take_option(options, option.group(1).lower(), option.group(2), word)
        elif word.lower() == "all":
            continue
        else:
            first, found = found, _measure(word)
            if first is not None:
                raise UsageError(
                    f"{word} is a second measure: a rule has one. Add another rule for it.",
                    word=word,
                )
    if found is None:
        raise UsageError(f"The rule has no measure: write one such as {EXAMPLE}.")
    return _with_options(found, options)


def _take_option(options: dict[str, tuple[str, str]], name: str, value: str, word: str) -> None:
    if name not in OPTIONS:
        raise UsageError(
            f"{word} is not a part of a rule: {_close(name, OPTIONS)}{', '.join(OPTIONS)}.",
            word=word,
        )
    if not value:
        raise UsageError(f"{word} has no value: write {name}:{OPTIONS[name]}.", word=word)
    if name in options:
        raise UsageError(f"{word} is given twice: give one value.", word=word)
    options[name] = value, word


OPTIONS = {
    "agent": "NAME",
    "channel": "#NAME",
    "user": "@NAME",
    "over": "1h",
    "warn": "10%",
    "in": "C0123456789",
}
"""The options of a rule, with an example each."""


def _measure(word: str) -> Condition:
    match = LIMIT.fullmatch(word)
    name = (match.group(1) if match else word).lower()
    if name not in MEASURES:
        raise UsageError(
            f"{name} is not a measure: {_close(name, MEASURES)}{', '.join(MEASURES)}.", word=word
        )
    measure = MEASURES[name]
    if bool(match) != bool(measure.example):
        means = f"{name}>{measure.example}" if measure.example else f"{name} alone"
        raise UsageError(f"{word} is not complete: write {means}, in a shell in quotes.", word=word)
    if match is None:
        return Condition(measure=name, window_ns=measure.window_ns)
    return Condition(
        measure=name,
        above=match.group(2) in ABOVE,
        limit=_number(measure, match.group(3), word),
        window_ns=measure.window_ns,
    )


def _close(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # Here, because most commands need not wait for it.

    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]}? Or choose from " if close else "choose from "


def _number(measure: Measure, value: str, word: str) -> float:
    try:
        return measure.unit.parse(value)
    except ValueError as error:
        raise UsageError(f"{error}.", word=word) from None


def _with_options(condition: Condition, options: dict[str, tuple[str, str]]) -> Condition:
    whose = [name for name in options if name in FIGURES]
    for name in whose:
        value, word = options[name]
        if name not in condition.of.of:
            raise UsageError(f"{condition.measure} does not take {word}: leave it out.", word=word)
        if name != whose[0]:
            raise UsageError(
                f"A rule is about one agent, one channel or one person: leave {word} out, because "
                "figures are not added up for both together.",
                word=word,
            )
        _refuse_secret(value)
        condition = replace(condition, dimension=name, key=value.lstrip(MARKS))
    if "over" in options:
        condition = replace(condition, window_ns=_window(condition, *options["over"]))
    if "warn" in options:
        condition = replace(condition, warning=_warning(condition, *options["warn"]))
    if "in" in options:
        condition = replace(condition, channel=options["in"][0].lstrip(MARKS))
    return condition


def _refuse_secret(name: str) -> None:
    """Refuse a token in place of a name: rules are stored and posted as they are."""
    from storage.model.redaction import redact  # Here, because it takes long to import.

    if "[redacted:" in redact(name):
        raise UsageError("A name in this rule looks like a secret, so it is not stored.")


def _window(condition: Condition, value: str, word: str) -> int:
    if not condition.of.window_ns:
        raise UsageError(
            f"{condition.measure} looks at this moment only: leave {word} out.", word=word
        )
    try:
        window = parse_duration(value)
    except ValueError as error:
        raise UsageError(f"{error}.", word=word) from None
    most = condition.of.longest_ns
    step = HOUR_NS if window >= HOUR_NS else MINUTE_NS
    if window % step or not SHORTEST_NS <= window <= most:
        raise UsageError(
            f"{word} is not a window of {condition.measure}: write whole minutes from 5m to 59m, "
            f"or whole hours from 1h to {duration_text(most)}.",
            word=word,
        )
    return window


def _warning(condition: Condition, value: str, word: str) -> float:
    if not condition.of.example:
        raise UsageError(f"{condition.measure} has no limit: leave {word} out.", word=word)
    warning = _number(condition.of, value, word)
    if warning == condition.limit or (warning < condition.limit) != condition.above:
        side = "below" if condition.above else "above"
        raise UsageError(
            f"{word} must be {side} the alert's limit, so that it is reached earlier.", word=word
        )
    return warning


def condition_text(condition: Condition) -> str:
    """Return the words of a condition, as they are stored; without the channel of its messages.

    Raises `UsageError` for a name that could not be read again.
    """
    measure, key = condition.of, condition.key
    sign = ">" if condition.above else "<"
    limit = f"{sign}{measure.unit.text(condition.limit)}" if measure.example else ""
    words = [f"{condition.measure}{limit}"]
    if condition.dimension != "all":
        if not key or " " in key:
            raise UsageError(
                f"{key!r} is not a name of an agent, a channel or a person: write {EXAMPLE}.",
                word=key,
            )
        words.append(f"{condition.dimension}:{key}")
    if condition.window_ns:
        words.append(f"over:{duration_text(condition.window_ns)}")
    if condition.warning is not None:
        words.append(f"warn:{measure.unit.text(condition.warning)}")
    return " ".join(words)
