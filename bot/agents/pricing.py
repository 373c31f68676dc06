"""Estimate the cost of a reply from the public prices of its models."""

from collections.abc import Mapping
from dataclasses import replace

from bot.agents.types import Reply
from storage.model.prices import estimated_cost

VENDORS: Mapping[str, str] = {"claude": "anthropic", "codex": "openai", "gemini": "google"}
"""Program → the vendor of its models."""


def with_estimated_cost(reply: Reply) -> Reply:
    """Return the reply with an estimated cost if it has none and its models have public prices."""
    if reply.cost is not None or reply.output_tokens is None:
        return reply
    several = reply.api_url is None  # A program calls its model again and again.
    costs = [
        estimated_cost(
            _with_vendor(usage.model, reply.provider),
            api_url=reply.api_url,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            several=several,
        )
        for usage in reply.models
    ] or [
        estimated_cost(
            _with_vendor(reply.model, reply.provider),
            api_url=reply.api_url,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            cached_tokens=reply.cached_tokens,
            cache_write_tokens=reply.cache_write_tokens,
            several=several,
        )
    ]
    known = [cost for cost in costs if cost is not None]
    # Part of a cost would be taken for all of it.
    if len(known) < len(costs):
        return reply
    return replace(reply, cost=sum(known), cost_source="estimated")


def _with_vendor(model: str | None, provider: str) -> str | None:
    vendor = VENDORS.get(provider)
    return f"{vendor}/{model}" if vendor and model else model
