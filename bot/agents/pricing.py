"""Estimate the cost of a reply from its model's public price.

The prices come with genai-prices and are those of its release: nothing is fetched.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from bot.agents.types import Reply

if TYPE_CHECKING:
    from genai_prices import Usage
    from genai_prices.types import PriceCalculation

VENDORS: Mapping[str, str] = {"claude": "anthropic", "codex": "openai", "gemini": "google"}
"""Program → the vendor of its models, as genai-prices names it."""

logger = logging.getLogger("tracebot.prices")


def with_estimated_cost(reply: Reply) -> Reply:
    """Return the reply with an estimated cost if it has none and its model has a public price."""
    if reply.cost is not None:
        return reply
    cost = _estimate(reply)
    return reply if cost is None else replace(reply, cost=cost, cost_source="estimated")


@cache
def load_in_background() -> None:
    """Import the prices on a thread, once per process, while an agent works.

    The import takes longer than the rest of our share in an answer. A caller that needs a price
    earlier waits for this import, because Python holds a lock for each module being imported.
    """
    threading.Thread(target=_load, name="prices", daemon=True).start()


def _load() -> None:
    import genai_prices.data  # noqa: F401


def _estimate(reply: Reply) -> int | None:
    """Return micro-dollars, or None if the model, its tokens or its price are not known."""
    if reply.model is None or reply.input_tokens is None or reply.output_tokens is None:
        return None
    from genai_prices import Usage

    usage = Usage(
        input_tokens=reply.input_tokens,
        output_tokens=reply.output_tokens,
        cache_read_tokens=reply.cached_tokens,
    )
    try:
        found = _calculation(usage, reply.model, provider=reply.provider, api_url=reply.api_url)
    except (LookupError, ValueError):
        return None
    except Exception as error:  # A reply without a cost is better than none.
        logger.warning("The cost of %s cannot be estimated", reply.model, exc_info=error)
        return None
    return round(found.total_price * 1_000_000)


def _calculation(
    usage: "Usage", model: str, *, provider: str, api_url: str | None
) -> "PriceCalculation":
    """Find the price by the API's address, else by the vendor, else by the model's name alone.

    The address comes first because a model on a local server may be named like a paid one. A vendor
    may also stand before the model's name, as in `anthropic/claude-sonnet-4-5`.
    """
    from genai_prices import calc_price

    if api_url is not None:
        return calc_price(usage, model, provider_api_url=api_url)
    vendor, slash, name = model.partition("/")
    if slash:
        return calc_price(usage, name, provider_id=vendor)
    return calc_price(usage, model, provider_id=VENDORS.get(provider))
