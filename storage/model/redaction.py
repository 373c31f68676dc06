"""Remove secrets from text before it is stored.

A secret is recognised by its shape (a Slack token, a private key) or by its name (`password=…`).
RE2 finds all of them in one pass, in time that is linear in the length of the text.
"""

import math
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any

import re2

FAILED = "[redaction failed]"
"""Stored in place of a value if redaction itself fails."""

MAX_DEPTH = 8
MAX_ITEMS = 1_000
MAX_TEXT = 65_536
SHORT_NAME = 100
"""Names repeat, so the results for names of up to this length are cached."""

NAMES = (
    r"pass(?:word|wd|phrase|code)|pwd|secret|token|credentials?|authorization|cookie|"
    r"(?:api|access|private|secret|encryption|signing|master|account)[_\-. ]?key|"
    r"webhook[_\-.]?url"
)
"""Endings of names of secrets. `max_tokens`, `tokenizer` and `secretary` do not match."""

SHAPES: Mapping[str, str] = {
    "private_key": r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----[^-]*(?:-----END [A-Z ]+-----)?",
    "slack_token": r"\b(?:xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{8,})",
    "slack_webhook": r"https://hooks\.slack(?:-gov)?\.com/[A-Za-z]+/[A-Za-z0-9/_-]+",
    "aws_key": r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
    "github_token": r"\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,})",
    "gitlab_token": r"\bgl(?:pat|ptt|dt|rt|cbt|soat)-[A-Za-z0-9_.-]{16,}",
    "api_key": r"\bsk-[A-Za-z0-9_-]{16,}",
    "stripe_key": r"\b(?:sk|rk|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,}",
    "google_key": r"\b(?:AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{16,}|GOCSPX-[\w-]{16,})",
    "npm_token": r"\bnpm_[A-Za-z0-9]{30,}",
    "pypi_token": r"\bpypi-[A-Za-z0-9_-]{30,}",
    "huggingface_token": r"\bhf_[A-Za-z0-9]{30,}",
    "jwt": r"\beyJ[A-Za-z0-9_-]{6,}\.eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)?",
}
"""Name of a kind of secret → its shape. The whole match is replaced."""

NAMED: Sequence[str] = (
    # A scheme and what follows it, with or without the header: `Authorization: Bearer …`.
    r"(?P<scheme>(?i:\b(?:bearer|basic)\s+))(?P<sent>[A-Za-z0-9._~+/=-]{8,})",
    # The password in a URL. The host is kept.
    r"(?P<login>\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@\"']*:)(?P<in_url>[^\s/@\"']+)@",
    # name=value, name: value, "name": "value", --name value.
    r"(?P<name>(?i:[A-Za-z0-9_.\-]*(?:" + NAMES + r"))\\?[\"']?\s?[=:]\s?)"
    r"(?P<value>(?i:(?:bearer|basic|token)\s+)?[^\s\"',;&)}\]\\]+"
    r"|\\?\"(?:[^\"\\]|\\.)*\\?\"|'[^']*')",
    r"(?P<option>(?i:--[a-z0-9-]*(?:" + NAMES + r"))\s+)"
    r"(?P<argument>[^\s\-\"'][^\s\"']*|\"[^\"]*\"|'[^']*')",
)

_SECRET = re2.compile(
    "|".join([f"(?P<{name}>{shape})" for name, shape in SHAPES.items()] + list(NAMED))
)
_SECRET_NAME = re2.compile(r"(?i)(?:.*[^a-z])?(?:.*(?:" + NAMES + r"))$")
_HARMLESS = frozenset(("", "null", "none", "true", "false", "undefined", "***"))
_KEPT = {"sent": "scheme", "in_url": "login", "value": "name", "argument": "option"}


def redact(text: str) -> str:
    """Return `text` with each secret replaced by its kind, such as `[redacted:slack_token]`."""
    try:
        return _redact(text)
    except Exception:
        return FAILED


def redact_value(value: object) -> Any:
    """Return `value` without secrets, as values that JSON can hold.

    In mappings, the whole value of a secret name is replaced.
    """
    try:
        return _redact_value(value, depth=0)
    except Exception:
        return FAILED


def suspicious(text: str) -> bool:
    """Return False if `redact` would change nothing in `text`, which may hold several strings.

    One search of a long text is faster than one for each string in it, such as those of a JSON
    document. No pattern depends on where a text begins or ends, so a secret that `redact` would
    find in a string is also found if other text surrounds that string, as long as no letter or
    digit touches it. True may be a false alarm.
    """
    try:
        return "\0" in text or _SECRET.search(text) is not None
    except Exception:  # Lone surrogates cannot be searched.
        return True


def redact_arguments(arguments: Sequence[str]) -> list[str]:
    """Return a command's arguments without secrets, such as X in `--token X` and `TOKEN=X`."""
    redacted: list[str] = []
    for argument in arguments:
        before = redacted[-1] if redacted else ""
        names_a_secret = before.startswith("-") and is_secret_name(before.lstrip("-"))
        hidden = names_a_secret and not argument.startswith("-")
        redacted.append("[redacted:secret]" if hidden else redact(argument))
    return redacted


@lru_cache(maxsize=4_096)
def is_secret_name(name: str) -> bool:
    """Return whether a value of this name is a secret, whatever it looks like."""
    return _SECRET_NAME.match(name) is not None


def _redact(text: str) -> str:
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    if "\0" in text:
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]} [… {len(text) - MAX_TEXT} characters more]"
    if len(text) < 8 or _SECRET.search(text) is None:
        return text
    redacted: str = _SECRET.sub(_replacement, text)
    return redacted


def _replacement(match: Any) -> str:
    kind = match.lastgroup
    groups = match.groupdict()
    for value, before in _KEPT.items():
        if groups[value] is not None:
            return _hide(groups[before], groups[value], after="@" if value == "in_url" else "")
    name = next((name for name in SHAPES if groups[name] is not None), kind)
    return f"[redacted:{name}]"


def _hide(before: str, value: str, *, after: str) -> str:
    bare = value.strip("\\\"'")
    harmless = bare.lower() in _HARMLESS or bare.startswith("[redacted")
    if harmless or (bare.isdecimal() and "pass" not in before.lower()):
        return before + value + after
    quote = value[: len(value) - len(value.lstrip("\\\"'"))]
    return f"{before}{quote}[redacted:secret]{quote}{after}"


def _redact_name(name: str) -> str:
    return _redact_short_name(name) if len(name) <= SHORT_NAME else _redact(name)


@lru_cache(maxsize=4_096)
def _redact_short_name(name: str) -> str:
    return _redact(name)


def _redact_value(value: object, *, depth: int) -> Any:
    if isinstance(value, str):
        return _redact(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth >= MAX_DEPTH:
        return "[too deep]"
    if isinstance(value, Mapping):
        pairs = list(value.items())[:MAX_ITEMS]
        return {
            _redact_name(str(name)): _redact_pair(str(name), item, depth) for name, item in pairs
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_value(item, depth=depth + 1) for item in list(value)[:MAX_ITEMS]]
    return _redact_other(value, depth)


def _redact_other(value: object, depth: int) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if isinstance(value, Enum):
        return _redact_value(value.value, depth=depth + 1)
    return _redact(str(value))


def _redact_pair(name: str, value: object, depth: int) -> Any:
    harmless = value is None or isinstance(value, bool | int | float | Mapping)
    if not harmless and is_secret_name(name):
        return "[redacted:secret]"
    return _redact_value(value, depth=depth + 1)
