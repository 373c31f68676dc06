"""Read counts of tokens: one number, or several by kind in one attribute.

Used for what other processes send (`storage.otlp.attributes`), and for what an instrumented library
records in this one (`storage.writer.span_values`).
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from storage.model.semconv import CACHE_WRITE, REASONING, TOKEN_DETAILS, USAGE_DETAILS

LAST = 2**63 - 1
"""The largest number that a column takes: SQLite has 64 bits."""

DETAILS = frozenset((*TOKEN_DETAILS, USAGE_DETAILS))
"""Names of attributes with tokens by kind."""

CACHE_WRITTEN = re.compile("creat|writ")


def count_of(value: Any) -> int | None:
    """Return a count, which some senders write as a float or as text; None if it is not one."""
    if value is None or isinstance(value, bool):  # An exception would take ten times as long.
        return None
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = _whole(value)
    return number if 0 <= number <= LAST else None


def _whole(text: Any) -> int:
    """Return the count in a text such as `12.0`, or -1."""
    try:
        return int(float(text))
    except (TypeError, ValueError, OverflowError):
        return -1


def whole_input(tokens: int, *, cached: int, written: int, excludes: bool = False) -> int:
    """Return the tokens of the input with those read from the cache and written to it.

    Programs that leave them out are known (`excludes`), or show it: the part is larger than the
    whole.
    """
    part = cached + written
    return tokens + part if excludes or part > tokens else tokens


def whole_output(tokens: int, *, thoughts: int) -> int:
    """Return the tokens of the output with those spent on thinking, in the same way."""
    return tokens + thoughts if thoughts > tokens else tokens


def detailed_tokens(attributes: Mapping[str, Any]) -> dict[str, int]:
    """Return what attributes with tokens by kind say, by field of `Span` or conventional name."""
    found = _langfuse(attributes.get(USAGE_DETAILS))
    for name in TOKEN_DETAILS.keys() & attributes.keys():
        counts = _counts(attributes[name])
        kinds = TOKEN_DETAILS[name]
        found |= {kinds[kind]: tokens for kind, tokens in counts.items() if kind in kinds}
    return found


def _langfuse(details: Any) -> dict[str, int]:
    """Return the tokens of Langfuse's usage by kind.

    Kinds that begin with `input` or `output` exclude each other. Before other names of the cache,
    as of Anthropic, `input` excludes it, too. OpenAI's usage has its cache and thoughts in mappings
    of their own, which `input_tokens` and `prompt_tokens` include.
    """
    kinds = _kinds(details)
    counts = _counts(kinds)
    parts: dict[str, int] = {}
    for kind in kinds.values():
        parts |= _counts(kind)
    cached = {name: tokens for name, tokens in counts.items() if "cache" in name}
    written = sum(tokens for name, tokens in cached.items() if CACHE_WRITTEN.search(name))
    found = {
        "input_tokens": counts.get("prompt_tokens")
        or sum(n for name, n in counts.items() if name.startswith(("input", "cache"))),
        "output_tokens": counts.get("completion_tokens")
        or sum(n for name, n in counts.items() if name.startswith("output")),
        "cached_tokens": sum(cached.values()) - written or parts.get("cached_tokens", 0),
        CACHE_WRITE: written,
        REASONING: parts.get("reasoning_tokens", 0),
    }
    return {name: tokens for name, tokens in found.items() if tokens}


def _counts(details: Any) -> dict[str, int]:
    """Return the counts in a mapping of tokens by kind."""
    return {name: n for name, sent in _kinds(details).items() if (n := count_of(sent))}


def _kinds(details: Any) -> Mapping[str, Any]:
    """Return a mapping, also from JSON or Python's form of it; an empty one from all else."""
    if isinstance(details, str):
        written = details.replace("'", '"').replace("None", "null")
        details = _from_json(details) or _from_json(written)
    return details if isinstance(details, dict) else {}


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
