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

HIGHEST = 10**15
"""No figure that is recorded is higher, and no sum of figures that is stored.

Thousands of them can still be added up in 64 bits.
"""

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


def whole_usage(
    input_tokens: int,
    output_tokens: int | None,
    *,
    cached: int,
    written: int,
    thoughts: int,
    total: int | None,
    excludes_cache: bool = False,
) -> tuple[int, int | None]:
    """Return the tokens of the input with those of the cache, and of the output with thoughts.

    Programs that leave these parts out are known (`excludes_cache`), or show it: a part is larger
    than the whole, or is what the total holds besides input and output.
    """
    part, output = cached + written, output_tokens or 0
    besides = 0 if total is None else total - input_tokens - output
    shown = besides in (part, part + thoughts)
    if shown or excludes_cache or part > input_tokens:
        input_tokens += part
    if shown:  # Each token of the total is of one part only.
        besides -= part
    if besides == thoughts or thoughts > output:
        output += thoughts
    return input_tokens, None if output_tokens is None else output


def detailed_tokens(attributes: Mapping[str, Any]) -> dict[str, int]:
    """Return what attributes with tokens by kind say, by field of `Span` or conventional name."""
    found = _langfuse(attributes.get(USAGE_DETAILS))
    for name in TOKEN_DETAILS.keys() & attributes.keys():
        counts = _counts(_flat(kinds_of(attributes[name])))
        kinds = TOKEN_DETAILS[name]
        found |= {kinds[kind]: tokens for kind, tokens in counts.items() if kind in kinds}
        if lasting := sum(tokens for kind, tokens in counts.items() if "ephemeral_" in kind):
            found.setdefault(CACHE_WRITE, lasting)
    return found


def _langfuse(details: Any) -> dict[str, int]:
    """Return the tokens of Langfuse's usage by kind.

    Kinds that begin with `input` or `output` exclude each other, unless the total shows that
    `input` and `output` are the whole. Before other names of the cache, as of Anthropic, `input`
    excludes it, too. OpenAI's usage has its cache and thoughts in mappings of their own, which
    `input_tokens` and `prompt_tokens` include.
    """
    kinds = kinds_of(details)
    counts = _counts(kinds)
    parts: dict[str, int] = {}
    for kind in kinds.values():
        parts |= _counts(kind)
    cached = {name: tokens for name, tokens in counts.items() if "cache" in name}
    written = sum(tokens for name, tokens in cached.items() if CACHE_WRITTEN.search(name))
    if counts.get("total") == counts.get("input", 0) + counts.get("output", 0):
        counts = {name: n for name, n in counts.items() if name in ("input", "output")}
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
    return {name: n for name, sent in kinds_of(details).items() if (n := count_of(sent))}


def _flat(kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with what its mappings hold, under names with a dot."""
    within = {
        f"{name}.{kind}": tokens
        for name, inner in kinds.items()
        if isinstance(inner, dict)
        for kind, tokens in inner.items()
    }
    return {**kinds, **within}


def kinds_of(details: Any) -> Mapping[str, Any]:
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
