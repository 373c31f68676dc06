"""Read commands as people type and paste them.

Slack, phones and web pages put typographic quotes, dashes and spaces in place of ASCII's,
and Slack wraps links, channels and users in angle brackets. Names are written with a `#` or an `@`.
"""

import re
import shlex
from collections.abc import Mapping, Sequence

from reports.errors import UsageError
from storage.model.text import storable

ESCAPED = re.compile(r"<[#@]([A-Z0-9]+)(?:\|[^<>]*)?>|<(https?://[^<|>]+)(?:\|[^<>]*)?>")
"""A channel, a user or a link as Slack sends it: `<#C1|ops>`, `<@U1>`, `<https://…|label>`."""

QUOTES = str.maketrans({**dict.fromkeys("“”„‟«»″＂", '"'), **dict.fromkeys("‘’‚‛′＇‹›", "'")})
SPACES = re.compile(r"[^\S\n]")
INVISIBLE = re.compile(r"[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Characters without a width that come along when text is copied: marks of direction, breaks."""

DASH = re.compile(r"(?<!\S)(?:[—–―‒−‐‑－]{1,2}|-[—–―‒−])(?=[^\W\d])")
"""A dash before an option: phones make one of `--`."""

COMMAND = ("$", "/trace", "tracebot")
"""Comes along when a whole line is pasted behind `/trace`."""

DATE = re.compile(r"(?:^|\s)(?:--since[= ]|since[:：])(?:\d{4}-\d\d-\d\d|[a-z]+)$", re.IGNORECASE)
"""The day of a filter: a time may follow it after a space."""

AROUND = r"[\W_]*"
ID = re.compile(
    rf"{AROUND}(?:00-(?=[0-9a-f]{{32}}-))?([0-9a-f]{{4,32}})(?:-[0-9a-f]{{16}}-\d\d)?{AROUND}",
    re.IGNORECASE,
)
"""The first digits of an id, with what stands around it in sentences, lists and headers."""

APOSTROPHE, KEPT = re.compile(r"(?<=\w)'(?=\w)"), "\ue000"
"""An apostrophe within a word, and what stands for it while `shlex` looks for quotes: a character
of Unicode's private area, which nobody types."""

MARKS: Mapping[str, str] = {"agent": "@＠", "channel": "#＃", "user": "@＠"}
"""The marks before names, by kind."""

READING = frozenset(
    (
        *("ls", "search", "show", "why", "thread", "stats", "cost", "errors", "slow", "ps"),
        *("logs", "metrics"),
    )
)
"""The commands that show what is recorded."""


def split_slack(text: str) -> list[str]:
    """Split the text of a slash command into arguments. Raises `UsageError`."""
    plain = SPACES.sub(" ", INVISIBLE.sub("", storable(text))).translate(QUOTES)
    plain = ESCAPED.sub(_inside, DASH.sub("--", plain.strip(" `")))  # It was shown as code.
    try:
        words = shlex.split(APOSTROPHE.sub(KEPT, plain))
    except ValueError:
        raise UsageError(
            'A quote is not closed: write "two words" with a quote at both ends.'
        ) from None
    words = [word.replace(KEPT, "'") for word in words]
    if "#" in words:  # A command pasted with the comment that explains it.
        del words[words.index("#") :]
    while words and words[0].lower() in COMMAND:
        del words[0]
    if not words or {"-h", "--help"} & set(words):
        return ["help"]
    return [words[0].lower(), *words[1:]]  # Phones capitalise the first word.


def split_shell(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command that reads, split also at other spaces than ASCII's."""
    first = SPACES.split(arguments[0])[0] if arguments else ""
    if first not in READING:
        return list(arguments)
    return [part for each in arguments for part in _parts(each, is_first=each is arguments[0])]


def with_times(words: Sequence[str]) -> list[str]:
    """Return the arguments, with the date of `--since` and the time after it as one of them."""
    joined: list[str] = []
    for word in words:
        is_time = re.fullmatch(r"\d\d?:\d\d(:\d\d)?", word, re.ASCII)
        if is_time and DATE.search(" ".join(joined[-2:])):
            joined[-1] += f"T{word}"
        else:
            joined.append(word)
    return joined


def _parts(argument: str, *, is_first: bool) -> list[str]:
    plain = DASH.sub("--", INVISIBLE.sub("", argument))
    if is_first or plain.startswith("-"):
        # Not at ASCII's space, which somebody has quoted.
        return [part for part in re.split(r"(?! )[^\S\n]", plain) if part]
    return [plain.strip("“”„‟«»″＂")]


def copied_id(text: str) -> str:
    """Return an id without what was copied along, such as `,` or `…`; of a `traceparent` the trace.

    Other text, such as a link, is returned as it is, but for spaces at its ends.
    """
    match = ID.fullmatch(text)
    return match[1] if match else text.strip()


def without_mark(kind: str, name: str) -> str:
    """Return the name of an agent, a channel or a user without its mark, or its id in a link."""
    return ESCAPED.sub(_inside, storable(name)).lstrip(MARKS[kind])


def _inside(match: re.Match[str]) -> str:
    return match.group(1) or match.group(2)
