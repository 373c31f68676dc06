"""Find the cost of a call of a model: as its sender reported it, or estimated from public prices.

The prices come with genai-prices and are those of its release: nothing is fetched. All costs are in
micro-dollars.
"""

import json
import logging
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, lru_cache
from itertools import chain, product
from typing import TYPE_CHECKING, Any

from storage.model.semconv import COST_DETAILS, COST_PARTS, DOLLARS, USAGE_WITH_COST
from storage.model.token_counts import LAST, kinds_of

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider, TieredPrices

FIRST = 1_600_000_000 * 10**9
"""A time before the first price, in nanoseconds since the epoch."""

VENDORS: Mapping[str, str] = {
    "x_ai": "x-ai",
    "vertex_ai": "google",
    "google-gla": "google",
    "google-vertex": "google",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "fireworks_ai": "fireworks",
    "together_ai": "together",
}
"""Provider as OpenTelemetry or LiteLLM names it → as genai-prices does, if it would not know it."""

COSTS = frozenset((*DOLLARS, *COST_DETAILS, *USAGE_WITH_COST, *chain.from_iterable(COST_PARTS)))
"""All names of attributes with a reported cost."""

UNPRICED = re.compile("ollama|vllm|lmstudio|llamacpp|llamafile|localai")
"""Servers of one's own, whose models may be named like paid ones, within a provider's name.

LiteLLM says `ollama_chat` and `hosted_vllm`, others `LM Studio` or `llama.cpp`.
"""

SEPARATORS = re.compile(r"[-_. ]")

LOCAL_SIZE = re.compile(r":(latest|\d+(\.\d+)?[bm])\b")
"""The tag of a model on such a server, as in `deepseek-r1:8b`."""

NAME = re.compile(r"^(?:(?:\w+\.)?anthropic\.)?(.+?)(?:-v\d+)?(?::[\w.-]+)?$")
"""A model's name within `us.anthropic.NAME-v1:0`, `NAME:free` and `NAME`."""

PLACES = re.compile(r"^(projects/[^/]+/locations/[^/]+/)?(publishers/)?(arn:[^/]+/)?")
"""Prefixes that may stand before the vendor in the names of Vertex and Bedrock."""

PREFIX = re.compile(r"^(openai|anthropic|google-gla|google-vertex|groq|mistral|bedrock|cohere):")
"""A vendor as pydantic-ai writes it before a model."""

BEDROCK = re.compile(r"^(\w+\.)?(anthropic|amazon|meta|mistral|cohere|deepseek|ai21|openai)\.")

USAGE = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
PER_TOKEN = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
"""The names of these kinds of tokens in genai-prices, and the dollars for a million of each."""

KNOWN_PRICES = frozenset(
    (*PER_TOKEN, "cache_write_1h_mtok", "web_searches_kcount", "storage_searches_kcount")
)
"""With those of things that no span counts."""

LOADING_S = 5.0
"""How long a fork waits for the import of the prices. It takes a fraction of a second."""

_loaded = threading.Event()
logger = logging.getLogger("tracebot.prices")


def take_reported_cost(attributes: MutableMapping[str, Any]) -> int | None:
    """Take the cost out of a span's attributes, whichever of its names it has.

    Returns None if there is none. One that is 0 says less than another.
    """
    found = DOLLARS.intersection(attributes)
    costs = [_micro_dollars(attributes.pop(name)) for name in sorted(found)]
    details = (attributes.get(name) for name in COST_DETAILS)
    costs += [_total(kinds) for kinds in details if kinds is not None]
    for usage in (kinds_of(attributes[name]) for name in USAGE_WITH_COST if name in attributes):
        costs.append(_total({kind: part for kind, part in usage.items() if kind.endswith("_cost")}))
    for names in COST_PARTS:
        if names[0] in attributes or names[1] in attributes:
            costs.append(_sum(attributes.get(name) for name in names))
    known = [cost for cost in costs if cost is not None]
    return next(filter(None, known), 0 if known else None)


def _total(details: Any) -> int | None:
    """Return the micro-dollars in a cost by kind of usage, which is JSON."""
    try:
        kinds = json.loads(details) if isinstance(details, str) else details
        if (total := kinds.get("total", kinds.get("total_cost"))) is not None:
            return _micro_dollars(total)
        parts = [_micro_dollars(dollars) for dollars in kinds.values()]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    known = [cost for cost in parts if cost is not None]
    return sum(known) if known and len(known) == len(parts) else None


def _sum(dollars: Iterable[Any]) -> int | None:
    parts = [cost for cost in map(_micro_dollars, dollars) if cost is not None]
    return sum(parts) if parts else None


def _micro_dollars(dollars: Any) -> int | None:
    if isinstance(dollars, bool):  # For Python it is a number.
        return None
    try:
        cost = round(float(dollars) * 1_000_000)
    except (TypeError, ValueError, OverflowError):
        return None
    return cost if 0 <= cost <= LAST else None


def estimated_cost(
    model: str | None,
    *,
    provider: str | None = None,
    input_tokens: int | None,
    output_tokens: int | None,
    cached_tokens: int | None = None,
    cache_write_tokens: int | None = None,
    api_url: str | None = None,
    at: int | None = None,
    several: bool = False,
) -> int | None:
    """Return the estimated cost, or None if the model, its tokens or its price are not known.

    `input_tokens` include those read from the cache and written to it, `output_tokens` those spent
    on thinking. `at` is when the call was made, in nanoseconds since the epoch: prices change.
    With `several`, the tokens are those of several calls, whose sum does not show which of them
    had a long context: that has a higher price for some models.
    """
    if model is None or input_tokens is None:
        return None
    try:
        found = _find(model, provider, api_url)
        if found is None:
            return None
        price = _price(
            *found,
            input_tokens,
            output_tokens,
            cached_tokens,
            cache_write_tokens,
            at,
            several=several,
        )
    except (LookupError, ValueError):  # As for more tokens from the cache than there are.
        return None
    except Exception as error:  # A call without a cost is better than none.
        logger.warning("The cost of %s cannot be estimated", model, exc_info=error)
        return None
    return round(price)


@cache
def load_in_background() -> threading.Thread:
    """Import the prices on a thread, once per process, before they are needed.

    The import takes longer than the rest of our share in an answer. A caller that needs a price
    earlier waits for this import, because Python holds a lock for each module being imported.
    """
    # Not a daemon: Python waits for it at exit, because native code that it stops aborts.
    thread = threading.Thread(target=_load, name="prices")
    thread.start()
    return thread


def _finish_loading() -> None:
    # A forked child would have half of the import, whose lock the thread that it lacks still holds.
    if load_in_background.cache_info().currsize:
        load_in_background().join(LOADING_S)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_finish_loading)


def are_loaded() -> bool:
    """Return True if an estimate waits for no import."""
    return _loaded.is_set()


def _load() -> None:
    # The package before its module, as in `_find`. `import genai_prices.data` locks the module
    # first, and deadlocks with a thread that imports the package, which imports the module: Python
    # ends one of them with an error.
    from genai_prices import data  # noqa: F401

    _loaded.set()


def _price(
    provider: "Provider",
    model: "ModelInfo",
    input_tokens: int,
    output_tokens: int | None,
    cached_tokens: int | None,
    cache_write_tokens: int | None,
    at: int | None,
    *,
    several: bool = False,
) -> Decimal:
    """Return the cost of a call in micro-dollars, which are also dollars for a million of it.

    genai-prices takes 100 microseconds for it, twice as long as all else that storing a span takes.
    So it is asked only about models with other prices than those of PER_TOKEN.
    """
    # A clock that is not set says 1970, when there were no prices.
    when = datetime.now(UTC) if at is None or at < FIRST else datetime.fromtimestamp(at / 1e9, UTC)
    counts = (input_tokens, output_tokens or 0, cached_tokens or 0, cache_write_tokens or 0)
    prices = vars(model.get_prices(when))
    if prices.keys() <= KNOWN_PRICES and min(counts) >= 0:
        return _price_per_token(prices, *counts, context=0 if several else input_tokens)
    from genai_prices import Usage

    usage = Usage(**dict(zip(USAGE, counts, strict=True)))
    return model.calc_price(usage, provider, genai_request_timestamp=when).total_price * 1_000_000


def _price_per_token(
    prices: Mapping[str, "Decimal | TieredPrices | None"],
    input_tokens: int,
    output_tokens: int,
    cached_tokens: int,
    cache_write_tokens: int,
    *,
    context: int,
) -> Decimal:
    """Return the same cost, of a model that has only prices per token."""
    rates = [_rate(prices.get(name), context) for name in PER_TOKEN]
    # What is read from the cache or written to it has a price of its own, or that of other input.
    cached = 0 if rates[2] is None else cached_tokens
    written = 0 if rates[3] is None else cache_write_tokens
    rest = input_tokens - cached - written
    if rest < 0 and rates[0] is not None:
        raise ValueError(f"{cached + written} of {input_tokens} tokens come from the cache.")
    counts = (rest, output_tokens, cached, written)
    return sum((rate * n for rate, n in zip(rates, counts, strict=True) if rate), start=Decimal(0))


def _rate(price: "Decimal | TieredPrices | None", context: int) -> Decimal | None:
    """Return the dollars for a million tokens, in a call with so many of input."""
    if price is None or isinstance(price, Decimal):
        return price
    tiers = (tier.price for tier in reversed(price.tiers) if context > tier.start)
    return next(tiers, price.base)


@lru_cache(maxsize=1_000)
def _find(
    model: str, provider: str | None, api_url: str | None
) -> "tuple[Provider, ModelInfo] | None":
    from genai_prices import data_snapshot

    # By the API's address if it is known: a model on a local server may be named like a paid one.
    for vendor, name in _ways(model, provider) if api_url is None else [(None, model)]:
        try:
            return data_snapshot.get_snapshot().find_provider_model(name, None, vendor, api_url)
        except (LookupError, ValueError):
            continue
    return None


def _is_own_server(provider: str) -> bool:
    return UNPRICED.search(SEPARATORS.sub("", provider.lower())) is not None


def _ways(model: str, provider: str | None) -> Iterator[tuple[str | None, str]]:
    """Yield pairs of a vendor and a name under which the model may have a price, best first.

    By the vendors before the name, as in `openrouter/anthropic/NAME`; if there are none, by the
    provider, which may only be the kind of API, and by the name alone.
    """
    provider = (provider or "").lower()
    *vendors, last = PREFIX.sub(r"\1/", PLACES.sub("", model)).split("/")
    vendors = [vendor for vendor in vendors if vendor not in ("models", "accounts")]
    if any(map(_is_own_server, (provider, *vendors))) or LOCAL_SIZE.search(model):
        return
    names = ["/".join((*vendors[start:], last)) for start in range(len(vendors) + 1)]
    if within := NAME.match(last):
        names.append(within[1])
    if BEDROCK.match(last):
        vendors.append("aws")
    likely: list[str | None] = [*vendors, *filter(None, [provider])]
    if not vendors:
        likely += [None, "openai"]  # Some names of OpenAI's say nothing of it.
    for vendor, name in product(likely, names):
        yield vendor and VENDORS.get(vendor.lower(), vendor.lower()), name
