"""The filter language, the same in every command: `agent:claude cost>0.5 -status:ok since:7d`.

A filter is a word or an option: `status:error` means `--status error`, and `cost>0.5` means
`--cost-above 0.5`. A minus sign before a word leaves out what it names.
"""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.commands.typed import without_mark
from reports.errors import UsageError
from reports.units import (
    dollars_text,
    length_text,
    parse_dollars,
    parse_length,
    parse_since,
    parse_tokens,
)
from storage.model.filters import EQUAL, THUMBS, Filters
from storage.model.text import storable

STATUSES = ("running", "ok", "error", "timeout", "cancelled", "abandoned")
"""The values of `status:`: those of `storage.model.span.Status`."""
PLATFORMS = ("slack", "cli", "mcp", "otlp")
"""The values of `platform:`: where a trace began."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A filter: what its value is called in the help, what it limits to, and what reads it.

    `parse` raises `ValueError`, whose message says what would be valid. `text` writes a value as
    `parse` reads it. A filter with an `example` is compared, `cost>0.5`; others are equal to
    something, `agent:claude`.
    """

    metavar: str
    help: str
    parse: Callable[[str], str | int]
    example: str = ""
    text: Callable[[Any], str] = str


def _one_of(name: str, choices: Sequence[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() in choices:
            return text.lower()
        close = _close(text.lower(), choices)
        hint = f"did you mean {close[0]}? Or " if close else ""
        raise ValueError(f"{text} is not a {name}: {hint}choose from {', '.join(choices)}")

    return parse


def _close(word: str, choices: Iterable[str], *, cutoff: float = 0.6) -> list[str]:
    from difflib import get_close_matches  # Here, because most commands need not wait for it.

    return get_close_matches(word, list(choices), n=1, cutoff=cutoff)


def _name(kind: str) -> Callable[[str], str]:
    return lambda text: without_mark(kind, text)


KINDS: Mapping[str, Kind] = {
    "agent": Kind("NAME", "only this agent", _name("agent")),
    "status": Kind("STATUS", f"only {', '.join(STATUSES)}", _one_of("status", STATUSES)),
    "channel": Kind("ID", "only this channel; in Slack also its name", _name("channel")),
    "user": Kind("ID", "only this user; in Slack also a name", _name("user")),
    "platform": Kind("NAME", f"only {', '.join(PLATFORMS)}", _one_of("platform", PLATFORMS)),
    "provider": Kind("NAME", "only this provider", storable),
    "model": Kind("NAME", "only this model", storable),
    "feedback": Kind("THUMB", "only with this thumb, up or down", _one_of("thumb", THUMBS)),
    "cost": Kind("DOLLARS", "with a cost", parse_dollars, "0.5", dollars_text),
    "duration": Kind("TIME", "with a duration", parse_length, "30s", length_text),
    "tokens": Kind("COUNT", "with tokens", parse_tokens, "10k"),
    "since": Kind(
        "PERIOD", "only newer ones, such as 24h, 7d, yesterday or 2026-11-20", parse_since
    ),
}
"""The filters by their names, in the order of the help."""

SIDES: Mapping[str, str] = {">": "above", "<": "below"}
COUNTED = ("agent", "provider", "model", "platform", "channel", "user")
"""The filters that are dimensions of statistics."""

TAKEN: Mapping[str, Sequence[str]] = {
    "ls": tuple(KINDS),
    "search": tuple(KINDS),
    "slow": tuple(KINDS),
    "errors": tuple(KINDS),
    "ps": COUNTED,
    "stats": (*COUNTED, "since"),
    "cost": ("since",),
    "logs": ("since",),
    "metrics": ("since",),
}
"""The filters that each command can answer.

Any other word may be the name of a metric: Prometheus has colons in them, such as `model:latency`.
"""

WHY: Mapping[str, str] = {
    "ps": "it lists what is running",
    "stats": "its figures are added up for each agent, provider, model, platform, channel or user",
    "cost": "its figures are added up for each model and each agent",
    "logs": "it lists the lines of one trace, or of all in a period",
}
DEFAULTS: Mapping[str, str] = {
    **dict.fromkeys(("stats", "cost", "errors", "slow", "metrics"), "7d"),
    "logs": "24h",
}
"""The periods of commands that have one without `since:`."""

WORD = re.compile(r"(-?)([a-z]+)([:<>=：＜＞＝])(.*)", re.IGNORECASE | re.DOTALL)
NEXT = re.compile(rf"\s+(?=-?(?:{'|'.join(KINDS)})[:<>：＜＞])", re.IGNORECASE)
"""The space before another filter."""

SIGNS = str.maketrans("：＜＞＝", ":<>=")
CLOSE = 0.8
"""How similar a misspelt name is. Below that it is a word to search for, such as `error:`."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter as somebody wrote it. `sign` is `:`, `<` or `>`."""

    word: str
    name: str
    sign: str
    value: str
    negated: bool = False


def add_options(parser: ArgumentParser, command: str) -> None:
    """Add the options that mean the same as the filters of a command."""
    for name in TAKEN[command]:
        kind, default = KINDS[name], DEFAULTS.get(command) if name == "since" else None
        if not kind.example:
            said = f"{kind.help}; {default} by default" if default else kind.help
            parser.add_argument(f"--{name}", metavar=kind.metavar, help=said)
            continue
        for side in SIDES.values():
            parser.add_argument(
                f"--{name}-{side}",
                metavar=kind.metavar,
                help=f"only {kind.help} {side} this, such as {kind.example}",
            )


def take_words(arguments: Sequence[str]) -> tuple[list[Condition], list[str]]:
    """Separate the filters of a command from the other arguments. Raises `UsageError`."""
    known = TAKEN["metrics"] if arguments[0] == "metrics" else tuple(KINDS)
    found = [(word, _condition(word, known)) for word in arguments]
    conditions = [condition for _, condition in found if condition is not None]
    return conditions, [word for word, condition in found if condition is None]


def apart(argument: str) -> list[str]:
    """Return the filters in an argument, several of which somebody has put in quotes together.

    It is for a shell: the buttons of Slack hold names as they are, whatever is in them.
    """
    parts = NEXT.split(argument)
    first = WORD.fullmatch(parts[0])
    if first is None or first[2].lower() not in KINDS:
        return [argument]
    return [re.sub(r"(?<=[:<>：＜＞])\s+", "", part, count=1) for part in parts]


def _condition(word: str, known: Sequence[str]) -> Condition | None:
    match = WORD.fullmatch(word)
    if match is None:
        return None
    minus, name, sign, value = match.groups()
    name, sign = name.lower(), sign.translate(SIGNS)
    if sign == "=":
        if name in known:
            raise UsageError(f"{word} is not a filter: {_meant(name, value)}", word=word)
        return None
    if name in known:
        return Condition(word, name, sign, value, bool(minus))
    close = _close(name, known, cutoff=CLOSE) if value else []
    if close:
        raise UsageError(
            f"{name}{sign} is not a filter: did you mean {minus}{close[0]}{sign}{value}? "
            f"To search for it, leave out the sign {sign}",
            word=word,
        )
    return None


def _meant(name: str, value: str) -> str:
    if KINDS[name].example:
        return f"did you mean {name}>{value} or {name}<{value}?"
    return f"did you mean {name}:{value}? To search for it, leave out the sign ="


def read_filters(args: Namespace, words: Sequence[Condition]) -> None:
    """Put `filters` and `since` in place of the options of filters. Raises `UsageError`."""
    command = args.command
    conditions = [*words, *_options(args)]
    found: dict[str, Any] = {}
    without = []
    for each in conditions:
        value = _value(each, command)
        if each.negated:
            without.append((each.name, str(value)))
            continue
        field = each.name if each.sign == ":" else f"{each.name}_{SIDES[each.sign]}"
        if found.setdefault(field, value) != value:
            raise UsageError(f"{each.word} is given twice: give one value.", word=each.word)
    default = DEFAULTS.get(command)
    args.since = found.pop("since", default)
    args.filters = Filters(**found, without=tuple(without))
    if command == "stats":
        _check_statistics(conditions, by=args.by)


def _options(args: Namespace) -> list[Condition]:
    """Take the options of filters from *args*."""
    conditions = []
    for name in TAKEN[args.command]:
        signs = ("<", ">") if KINDS[name].example else (":",)
        for sign in signs:
            option = name if sign == ":" else f"{name}_{SIDES[sign]}"
            value = vars(args).pop(option)
            if value == "":
                written = f"--{option.replace('_', '-')}"
                raise UsageError(f"{written} has no value: write {written} {KINDS[name].metavar}.")
            if value is not None:
                conditions.append(Condition(value, name, sign, value))
    return conditions


def _value(condition: Condition, command: str) -> str | int:
    name, sign, value, word = condition.name, condition.sign, condition.value, condition.word
    kind = KINDS[name]
    if name not in TAKEN[command]:
        raise UsageError(_does_not_take(command, word), word=word)
    if (sign == ":") == bool(kind.example):
        means = f"{name}:{value or 'NAME'}"
        if kind.example:
            means = f"{name}>{kind.example} or {name}<{kind.example}"
        raise UsageError(f"{word} has a wrong sign: write {means}.", word=word)
    if not value:
        example = f"{name}{sign}{kind.example or kind.metavar}"
        raise UsageError(f"{word} has no value: write {example}, without a space.", word=word)
    if condition.negated and name not in EQUAL:
        names = ", ".join(f"-{each}:" for each in EQUAL)
        raise UsageError(f"{word} cannot be left out: only {names} can.", word=word)
    try:
        return kind.parse(value)
    except ValueError as error:
        raise UsageError(f"{error}.", word=word) from None


def _does_not_take(command: str, word: str) -> str:
    taken = ", ".join(f"{name}:" for name in TAKEN[command])
    return (
        f"{command} does not take {word}, because {WHY[command]}. It takes {taken}; ls takes every "
        "filter."
    )


def _check_statistics(conditions: Sequence[Condition], *, by: str | None) -> None:
    """Refuse what rollups cannot tell: they have one dimension each. Raises `UsageError`."""
    limits = [each for each in conditions if each.name != "since"]
    for each in limits:
        if each.negated:
            raise UsageError(_does_not_take("stats", each.word), word=each.word)
    names = list(dict.fromkeys(each.name for each in limits))
    if len(names) > 1:
        first, second = names[:2]
        raise UsageError(
            f"stats takes either {first}: or {second}:, because its figures are added up for each "
            f"{first} and for each {second}, but not for both together. ls takes both.",
            word=next(each.word for each in limits if each.name == second),
        )
    if names and by not in (None, "hour", "day", names[0]):
        raise UsageError(
            f"{limits[0].word} cannot be combined with --by {by}, because figures are added up for "
            f"each {names[0]} and for each {by}, but not for both together. Leave one of them out.",
            word=limits[0].word,
        )


def filter_words(filters: Filters, *, since: str | None = None) -> list[str]:
    """Return the words that mean these filters."""
    words = [
        f"{name}:{value}"
        for name in (*EQUAL, "feedback")
        if (value := getattr(filters, name)) is not None
    ]
    words += [f"-{name}:{value}" for name, value in filters.without]
    words += [
        f"{name}{sign}{kind.text(value)}"
        for name, kind in KINDS.items()
        if kind.example
        for sign, side in SIDES.items()
        if (value := getattr(filters, f"{name}_{side}")) is not None
    ]
    return [*words, f"since:{since}"] if since else words
