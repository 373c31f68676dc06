"""What a call cost by its model's public price, where whoever answered does not say.

The prices are those that come with genai-prices, of the day it was released: nothing is fetched.
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
"""Provider → whose models it asks, as genai-prices names them."""

logger = logging.getLogger("tracebot.prices")


def priced(reply: Reply) -> Reply:
    """The reply with an estimated cost, where it has none and its model has a public price."""
    if reply.cost is not None:
        return reply
    cost = _estimate(reply)
    return reply if cost is None else replace(reply, cost=cost, cost_source="estimated")


@cache
def load_in_background() -> None:
    """Import the prices, once, while an agent thinks: they take longer than all else of an answer.

    Whoever needs them sooner waits for this import and does not begin another.
    """
    threading.Thread(target=_load, name="prices", daemon=True).start()


def _load() -> None:
    import genai_prices.data  # noqa: F401


def _estimate(reply: Reply) -> int | None:
    """Micro-dollars, or None where they cannot be known."""
    if reply.model is None or reply.input_tokens is None or reply.output_tokens is None:
        return None
    from genai_prices import Usage

    usage = Usage(
        input_tokens=reply.input_tokens,
        output_tokens=reply.output_tokens,
        cache_read_tokens=reply.cached_tokens,
    )
    try:
        found = _calculation(usage, reply.model, provider=reply.provider, api=reply.api)
    except (LookupError, ValueError):
        return None
    except Exception as error:  # An answer is worth more than its price.
        logger.warning("The cost of %s cannot be estimated", reply.model, exc_info=error)
        return None
    return round(found.total_price * 1_000_000)


def _calculation(
    usage: "Usage", model: str, *, provider: str, api: str | None
) -> "PriceCalculation":
    """By the API where it is known: a model on a server of one's own may be called like another.

    Else by the vendor, which some put before the model's name, else by the name alone.
    """
    from genai_prices import calc_price

    if api is not None:
        return calc_price(usage, model, provider_api_url=api)
    vendor, slash, name = model.partition("/")
    if slash:
        return calc_price(usage, name, provider_id=vendor)
    return calc_price(usage, model, provider_id=VENDORS.get(provider))
