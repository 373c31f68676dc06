"""What a call cost: as its sender reported it under any name, else by the public price."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, Provider

from storage import Observability
from storage.model import prices
from storage.model.prices import estimated_cost, take_reported_cost
from storage.queries.traces import recent_traces

SONNET, REGIONAL, GEMINI, GPT = 4_500, 4_950, 2_250, 3_500
"""Micro-dollars for 1,000 tokens in and 100 out."""


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.usage.cost": 0.25},
        {"gen_ai.usage.cost_usd": "0.25"},
        {"gen_ai.usage.total_cost": 0.25},
        {"gen_ai.usage.cost.total": 0.25, "gen_ai.usage.cost.prompt": 0.1},
        {"llm.cost.total": 0.25, "llm.cost.prompt": 0.1, "llm.cost.completion": 0.15},
        {"llm.cost.prompt": 0.1, "llm.cost.completion": 0.15},
        {"gen_ai.usage.input_cost": 0.1, "gen_ai.usage.output_cost": 0.15},
        {"gen_ai.cost.total_cost": 0.25},
        {"litellm.cost.total": 0.25},
        {"operation.cost": 0.25},
        {"langfuse.observation.cost_details": json.dumps({"total": 0.25, "input": 0.1})},
        {"langfuse.observation.cost_details": json.dumps({"input": 0.1, "output": 0.15})},
        {"langfuse.observation.cost_details": {"total_cost": 0.25}},
        {"mlflow.llm.cost": json.dumps({"input_cost": 0.1, "output_cost": 0.15})},
        {"mlflow.llm.cost": {"input_cost": 0.1, "output_cost": 0.15, "total_cost": 0.25}},
        {"langsmith.usage_metadata": str({"input_tokens": 9, "total_cost": 0.25})},
        {"langsmith.usage_metadata": json.dumps({"input_cost": 0.1, "output_cost": 0.15})},
        {"operation.cost": "free", "gen_ai.usage.cost": 0.25},
        {"gen_ai.usage.cost": 0, "operation.cost": 0.25},
        {"llm.cost.total": 0, "llm.cost.prompt": 0.1, "llm.cost.completion": 0.15},
    ],
    ids=str,
)
def test_a_cost_is_taken_under_any_of_its_names(attributes: dict[str, Any]) -> None:
    assert take_reported_cost(attributes) == 250_000


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"gen_ai.usage.cost": "much"},
        {"gen_ai.usage.cost": -1},
        {"gen_ai.usage.cost": float("nan")},
        {"gen_ai.usage.cost": 1e300},
        {"langfuse.observation.cost_details": "[1"},
        {"langfuse.observation.cost_details": "[1]"},
        {"langfuse.observation.cost_details": "{}"},
        {"langfuse.observation.cost_details": 5},
        {"langfuse.observation.cost_details": {"input": [1]}},
        {"langfuse.observation.cost_details": {"input": -90, "output": 100}},
        {"langfuse.observation.cost_details": {"input": 0.1, "cached": True}},
        {"gen_ai.usage.cost": True},
        {"langsmith.usage_metadata": json.dumps({"input_tokens": 9, "output_tokens": 1})},
        {"mlflow.llm.cost": "[" * 100_000},
    ],
    ids=lambda attributes: str(attributes)[:60],
)
def test_what_is_not_an_amount_is_not_a_cost(attributes: dict[str, Any]) -> None:
    assert take_reported_cost(attributes) is None


@pytest.mark.parametrize(
    ("provider", "model", "cost"),
    [
        (None, "claude-sonnet-4-5", SONNET),
        (None, "claude-sonnet-4-5-20250929", SONNET),
        ("anthropic", "claude-sonnet-4-5@20250929", SONNET),
        (None, "anthropic/claude-sonnet-4.5:beta", SONNET),
        ("openrouter", "anthropic/claude-sonnet-4.5", SONNET),
        ("openai", "claude-sonnet-4-5", SONNET),
        (None, "anthropic:claude-sonnet-4-5", SONNET),
        (None, "vertex_ai/claude-sonnet-4-5@20250929", SONNET),
        (None, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", REGIONAL),
        ("aws.bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", REGIONAL),
        (None, "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", REGIONAL),
        (None, "models/gemini-2.5-pro", GEMINI),
        (None, "gemini/gemini-2.5-pro", GEMINI),
        ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-pro", GEMINI),
        ("google-gla", "gemini-2.5-pro", GEMINI),
        (None, "openai/gpt-4o", GPT),
        ("azure.ai.openai", "gpt-4o-2024-08-06", GPT),
        (None, "azure/gpt-4o", GPT),
        ("openai", "text-embedding-3-small", 20),
        (None, "text-embedding-3-small", 20),
    ],
)
def test_a_model_has_its_price_under_any_of_its_names(
    provider: str | None, model: str, cost: int
) -> None:
    found = estimated_cost(model, provider=provider, input_tokens=1_000, output_tokens=100)
    assert found == cost


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("ollama", "gpt-4o"),
        ("ollama_chat", "deepseek-chat"),
        ("hosted_vllm", "gpt-oss-20b"),
        ("lm-studio", "gpt-oss-20b"),
        ("LM Studio", "gpt-oss-20b"),
        ("llama.cpp", "gpt-oss-20b"),
        ("llama_cpp", "deepseek-reasoner"),
        (None, "hosted_vllm/gpt-oss-20b"),
        ("openai", "deepseek-r1:8b"),
        (None, "qwen3:latest"),
        (None, "nobody/claude-sonnet-4-5"),
        (None, "my-model"),
        (None, "/"),
        (None, ""),
        (None, None),
    ],
)
def test_a_model_without_a_public_price_has_none(provider: str | None, model: str | None) -> None:
    found = estimated_cost(model, provider=provider, input_tokens=1_000, output_tokens=100)
    assert found is None


def test_what_is_written_to_the_cache_costs_more_and_what_is_read_from_it_less() -> None:
    tokens = {"input_tokens": 100_000, "output_tokens": 1_000}
    more = {"cached_tokens": 60_000, "cache_write_tokens": 30_000}
    found = estimated_cost("claude-sonnet-4-5", **tokens, **more)
    assert found == 10_000 * 3.00 + 60_000 * 0.30 + 30_000 * 3.75 + 1_000 * 15.00


def test_calls_that_a_library_records_in_process_have_a_cost(observability: Observability) -> None:
    prices.load_in_background()
    assert prices._loaded.wait(30)
    tokens: dict[str, Any] = {"gen_ai.usage.input_tokens": 1_000, "gen_ai.usage.output_tokens": 100}
    with observability.span("agent"):
        with observability.span("a", **{"gen_ai.request.model": "gpt-4o", **tokens}):
            pass
        with observability.span("b", **{"gen_ai.request.model": "mine", "operation.cost": 0.25}):
            pass
    assert observability.flush()
    (trace,) = recent_traces(observability.database).traces
    assert trace.cost == GPT + 250_000


def test_a_cost_is_that_of_genai_prices_for_each_model_and_any_number_of_tokens() -> None:
    chance = random.Random(11)
    for provider, model in every_model():
        counts = [chance.choice((0, 7, 300_000, chance.randrange(10**6))), chance.randrange(10**5)]
        counts += [chance.choice((0, chance.randrange(counts[0] + 2))) for _ in range(2)]
        at = chance.randrange(1_700_000_000, 1_800_000_000)
        usage = Usage(**dict(zip(prices.USAGE, counts, strict=True)))
        try:
            when = datetime.fromtimestamp(at, UTC)
            expected = model.calc_price(usage, provider, genai_request_timestamp=when).total_price
        except ValueError:
            with pytest.raises(ValueError):
                prices._price(provider, model, *counts, at * 10**9)
        else:
            found = prices._price(provider, model, *counts, at * 10**9)
            assert found == expected * 1_000_000, (provider.id, model.id, counts)


def every_model() -> Iterator[tuple[Provider, ModelInfo]]:
    for provider in get_snapshot().providers:
        for model in provider.models:
            yield provider, model
