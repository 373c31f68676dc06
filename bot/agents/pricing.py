"""Estimate the cost of a reply from its model's public price."""

from collections.abc import Mapping
from dataclasses import replace

from bot.agents.types import Reply
from storage.model.prices import estimated_cost

VENDORS: Mapping[str, str] = {"claude": "anthropic", "codex": "openai", "gemini": "google"}
"""Program → the vendor of its models."""


def with_estimated_cost(reply: Reply) -> Reply:
    """Return the reply with an estimated cost if it has none and its model has a public price."""
    if reply.cost is not None or reply.output_tokens is None:
        return reply
    vendor = VENDORS.get(reply.provider)
    cost = estimated_cost(
        f"{vendor}/{reply.model}" if vendor and reply.model else reply.model,
        api_url=reply.api_url,
        input_tokens=reply.input_tokens,
        output_tokens=reply.output_tokens,
        cached_tokens=reply.cached_tokens,
        cache_write_tokens=reply.cache_write_tokens,
    )
    return reply if cost is None else replace(reply, cost=cost, cost_source="estimated")
