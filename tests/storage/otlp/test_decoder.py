"""OTLP's bytes become our values: every dialect, both encodings, and whatever else may come."""

import contextlib
import gzip
import json
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_service

from storage.model.records import Log
from storage.model.span import Span
from storage.otlp.decoder import BadTelemetry, Encoding, Signal, answer, read, refusal
from storage.otlp.request import MAX_ITEMS, TooManyItems
from tests.support.otlp_bytes import as_protobuf, with_bytes
from tests.support.otlp_requests import (
    PARENT,
    SPAN,
    START,
    TRACE,
    a_span,
    attributes,
    metrics_of,
    read_json,
    request,
    spans_of,
)

SECRET = "xoxb-" + "123456789012-1234567890123-" + "abcdefghijklmnopqrstuvwx"


def span_with(facts: dict[str, Any], *, service: str = "shop", capture: Any = str) -> Span:
    (span,) = spans_of(read_json(request(a_span(facts), service=service), capture=capture))
    return span


def test_a_span_keeps_what_it_says() -> None:
    sent = a_span(
        {
            "server.address": "api.openai.com",
            "retries": 2,
            "ratio": 0.5,
            "tags": ["a", {"b": True}],
        },
        events=[{"name": "retry", "timeUnixNano": START + 1, "attributes": attributes({"n": 1})}],
        links=[{"traceId": TRACE, "spanId": PARENT, "attributes": attributes({"why": "batch"})}],
    )
    (span,) = spans_of(read_json(request(sent)))
    assert (span.trace_id, span.span_id, span.parent_id) == (TRACE, SPAN, PARENT)
    assert (span.name, span.kind, span.status, span.scope) == ("chat gpt-5", "client", "ok", "lib")
    assert (span.started_at, span.ended_at, span.duration_ns) == (START, START + 1_500, 1_500)
    assert (span.platform, span.audience, span.received) == ("otlp", None, True)
    assert span.attributes == {
        "service.name": "shop",
        "server.address": "api.openai.com",
        "retries": 2,
        "ratio": 0.5,
        "tags": ["a", {"b": True}],
    }
    assert list(span.events) == [{"name": "retry", "at": START + 1, "attributes": {"n": 1}}]
    link = {"trace_id": TRACE, "span_id": PARENT, "attributes": {"why": "batch"}}
    assert list(span.links) == [link]


def test_protobuf_and_json_mean_the_same() -> None:
    message = trace_service.ExportTraceServiceRequest()
    scope = message.resource_spans.add().scope_spans.add(schema_url="https://example.com/1")
    span = scope.spans.add(
        trace_id=bytes.fromhex(TRACE),
        span_id=bytes.fromhex(SPAN),
        name="work",
        start_time_unix_nano=START,
        end_time_unix_nano=START + 5,
    )
    span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 12
    span.attributes.add(key="raw").value.bytes_value = b"123"
    span.status.code = 2
    content = MessageToDict(message)
    (sent,) = content["resourceSpans"][0]["scopeSpans"][0]["spans"]
    sent |= {"traceId": TRACE, "spanId": SPAN, "parentSpanId": ""}
    body = message.SerializeToString()
    binary = read(body, "traces", encoding="protobuf", capture=str)
    assert spans_of(binary) == spans_of(read_json(content))
    (read_span,) = spans_of(binary)
    assert read_span.input_tokens == 12
    assert read_span.attributes == {"raw": "[3 bytes]", "otel.schema_url": "https://example.com/1"}


@pytest.mark.parametrize("kind", [3, "SPAN_KIND_CLIENT"])
@pytest.mark.parametrize("start", [START, str(START), "1.54471266e18", 1.54471266e18])
@pytest.mark.parametrize("parent", ["", None])
def test_json_may_be_written_in_several_ways(kind: Any, start: Any, parent: Any) -> None:
    sent = a_span(kind=kind, startTimeUnixNano=start, parentSpanId=parent, unknownField={"a": [1]})
    sent["traceId"] = TRACE.upper()
    (span,) = spans_of(read_json(request(sent)))
    assert (span.kind, span.started_at, span.parent_id) == ("client", START, None)
    assert span.trace_id == TRACE


def test_a_failed_span_says_why() -> None:
    raised = attributes({"exception.type": "ValueError", "exception.message": "no"})
    sent = a_span(
        status={"code": 2, "message": "it broke"}, events=[{"name": "e", "attributes": raised}]
    )
    (span,) = spans_of(read_json(request(sent)))
    assert (span.status, span.error_type, span.error_message) == ("error", "ValueError", "it broke")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (
            {
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-5",
                "gen_ai.response.model": "gpt-5-2026",
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 3,
                "gen_ai.usage.cache_read.input_tokens": 4,
            },
            ("openai", "gpt-5-2026", 10, 3, 4),
        ),
        (
            {
                "gen_ai.response.model": "gpt-5-2026",
                "gen_ai.request.model": "gpt-5",
                "gen_ai.system": "openai",
                "gen_ai.usage.prompt_tokens": 10,
                "gen_ai.usage.completion_tokens": 3,
            },
            ("openai", "gpt-5-2026", 10, 3, None),
        ),
        (
            {
                "openinference.span.kind": "LLM",
                "llm.provider": "anthropic",
                "llm.model_name": "claude",
                "llm.token_count.prompt": 10,
                "llm.token_count.completion": 3,
                "llm.token_count.prompt_details.cache_read": 4,
            },
            ("anthropic", "claude", 10, 3, 4),
        ),
        (
            {
                "traceloop.span.kind": "task",
                "llm.vendor": "cohere",
                "llm.request.model": "command",
                "llm.usage.prompt_tokens": "10",
                "llm.usage.completion_tokens": 3,
            },
            ("cohere", "command", 10, 3, None),
        ),
        (
            {
                "ai.model.provider": "anthropic.messages",
                "ai.model.id": "claude",
                "ai.usage.promptTokens": 10,
                "ai.usage.completionTokens": 3,
            },
            ("anthropic.messages", "claude", 10, 3, None),
        ),
        (
            {
                "ai.model.provider": "anthropic.messages",
                "ai.response.model": "claude",
                "ai.usage.inputTokens": 10,
                "ai.usage.outputTokens": 3,
                "ai.usage.inputTokenDetails.cacheReadTokens": 4,
            },
            ("anthropic.messages", "claude", 10, 3, 4),
        ),
        (
            {"ai.model.provider": "openai.embedding", "ai.model.id": "e", "ai.usage.tokens": 9},
            ("openai.embedding", "e", 9, None, None),
        ),
        (
            {"embedding.model_name": "e", "llm.token_count.prompt": 9},
            (None, "e", 9, None, None),
        ),
        ({"reranker.model_name": "rerank-3"}, (None, "rerank-3", None, None, None)),
        (
            {
                "mlflow.llm.provider": '"openai"',
                "mlflow.llm.model": '"gpt-5"',
                "mlflow.chat.tokenUsage": '{"input_tokens": 10, "output_tokens": 3, '
                '"total_tokens": 13, "cache_read_input_tokens": 4}',
            },
            ("openai", "gpt-5", 10, 3, 4),
        ),
        (
            {
                "mlflow.llm.model": "gpt-5",
                "mlflow.chat.tokenUsage": {"input_tokens": 10, "output_tokens": 3},
            },
            (None, "gpt-5", 10, 3, None),
        ),
        (
            {
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 3,
                "gen_ai.usage.input_token_details": "{'cache_read': 4, 'audio': 0}",
            },
            (None, None, 10, 3, 4),
        ),
        (
            {
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 3,
                "gen_ai.usage.details.cache_read_tokens": 4,
            },
            (None, None, 10, 3, 4),
        ),
        (
            {
                "langfuse.observation.usage_details": json.dumps(
                    {
                        "prompt_tokens": 10,
                        "completion_tokens": 3,
                        "total_tokens": 13,
                        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1},
                        "completion_tokens_details": {"reasoning_tokens": 2},
                    }
                )
            },
            (None, None, 10, 3, 4),
        ),
        (
            {
                "langfuse.observation.usage_details": {
                    "input_tokens": 10,
                    "output_tokens": 3,
                    "input_tokens_details": {"cached_tokens": 4},
                }
            },
            (None, None, 10, 3, 4),
        ),
        (
            {"gen_ai.response.model": "", "gen_ai.request.model": "gpt-5", "gen_ai.system": ""},
            (None, "gpt-5", None, None, None),
        ),
        (
            {
                "gen_ai.aggregated_usage.input_tokens": 10,
                "gen_ai.aggregated_usage.output_tokens": 3,
                "gen_ai.aggregated_usage.cache_read.input_tokens": 4,
            },
            (None, None, 10, 3, 4),
        ),
        (
            {
                "llm.model": "gpt-5",
                "llm.usage.input_tokens": 10,
                "llm.usage.output_tokens": 3,
                "llm.usage.cache_read_input_tokens": 4,
            },
            (None, "gpt-5", 10, 3, 4),
        ),
        (
            {
                "gen_ai.system": "unknown",
                "gen_ai.request.model": "gpt-5",
                "gen_ai.response.model": "none",
                "gen_ai.usage.input_tokens": "10",
            },
            (None, "gpt-5", 10, None, None),
        ),
        (
            {"gen_ai.usage.input_tokens": "10.0", "gen_ai.usage.output_tokens": 3.0},
            (None, None, 10, 3, None),
        ),
        (
            {
                "langsmith.usage_metadata": json.dumps(
                    {
                        "input_tokens": 3,
                        "output_tokens": 3,
                        "total_tokens": 10,
                        "input_token_details": {"cache_read": 4, "ephemeral_5m_input_tokens": 0},
                    }
                )
            },
            (None, None, 7, 3, 4),
        ),
        (
            {
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 3,
                "langsmith.metadata.usage_metadata": json.dumps(
                    {
                        "input_tokens": 10,
                        "output_tokens": 3,
                        "total_tokens": 13,
                        "input_token_details": {"cache_read": 4, "ephemeral_1hr_input_tokens": 2},
                    }
                ),
            },
            (None, None, 10, 3, 4),
        ),
        (
            {
                "gen_ai.system": "openai",
                "gen_ai.request.model": "gpt-5",
                "gen_ai.response.prompt_tokens": 10,
                "gen_ai.response.completion_tokens": 3,
            },
            ("openai", "gpt-5", 10, 3, None),
        ),
        (
            {
                "llm.token_count.completion": 0,
                "gen_ai.usage.completion_tokens": 3,
                "gen_ai.usage.prompt_tokens": 10,
                "gen_ai.usage.input_tokens": 0,
            },
            (None, None, 10, 3, None),
        ),
        (
            {
                "gen_ai.usage.input_tokens": 0,
                "gen_ai.usage.output_tokens": 0,
                "langfuse.observation.usage_details": '{"input": 10, "output": 3}',
            },
            (None, None, 10, 3, None),
        ),
    ],
    ids=[
        *("conventions", "before 1.37", "OpenInference", "OpenLLMetry", "AI SDK 4", "AI SDK 6"),
        *("AI SDK embeddings", "OpenInference embeddings", "OpenInference rerank", "MLflow JSON"),
        *("MLflow", "LangSmith", "pydantic-ai", "Langfuse of OpenAI", "Langfuse of responses"),
        *(
            "empty names",
            "pydantic-ai, a run",
            "by hand",
            "Spring AI",
            "floats and texts",
            "LangSmith's metadata",
            "LangChain by LangSmith",
        ),
        "Semantic Kernel 1.16",
        *("zeros under another name", "zeros beside Langfuse's"),
    ],
)
def test_every_dialect_fills_the_same_columns(
    facts: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    span = span_with(facts)
    columns = (span.provider, span.model, span.input_tokens, span.output_tokens, span.cached_tokens)
    assert columns == expected


IN, OUT = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"


@pytest.mark.parametrize(
    ("cached", "written", "thoughts"),
    [
        ("cache_read.input_tokens", "cache_creation.input_tokens", "reasoning.output_tokens"),
        ("cache_read_tokens", "cache_write_tokens", "reasoning_tokens"),
        ("cache_read_tokens", "cache_creation_tokens", "reasoning_tokens"),
        ("input_tokens.cached", "input_tokens.cache_write", "output_tokens.reasoning"),
        ("input_tokens.cache_read", "input_tokens.cache_write", "output_tokens.reasoning"),
        ("cached_input_tokens", "cache_write_input_tokens", "experimental.reasoning_tokens"),
        ("cached_tokens", "cache_write_input_tokens", "reasoning_tokens"),
        ("input_cached_tokens", "cache_write_input_tokens", "reasoning_tokens"),
        ("cache_read_input_tokens", "cache_creation_input_tokens", "reasoning_output_tokens"),
        (
            "prompt_token_details.cached_read_tokens",
            "prompt_token_details.cached_write_tokens",
            "completion_token_details.reasoning_tokens",
        ),
        (
            "prompt_tokens_details.cache_read",
            "prompt_tokens_details.cache_write",
            "completion_tokens_details.reasoning",
        ),
        ("cached_content_tokens", "cache_write_tokens", "thoughts_token_count"),
        ("cache_hit_tokens", "cache_creation_input_tokens", "thinking_tokens"),
    ],
    ids=[
        *("conventions", "OpenClaw", "Claude Code plug-ins", "Sentry, OpenRouter", "OpenLIT"),
        *("Mastra, Google ADK", "others", "LiveKit", "Laminar", "Bifrost", "OpenLIT for Go"),
        *("Gemini", "AG2"),
    ],
)
def test_the_parts_of_a_usage_have_many_names(cached: str, written: str, thoughts: str) -> None:
    parts = {cached: 500, written: 300, thoughts: 60}
    # Parts of a part, and what is no count of tokens, are none of these.
    parts |= {"prompt_token_details.cached_write_tokens_5m": 1, "cache_read_cost": 2}
    parts |= {"prompt_tokens_details.audio": 3, "cache_creation": 4, "details.input_tokens": 5}
    facts = {f"gen_ai.usage.{name}": value for name, value in parts.items()}
    span = span_with({IN: 1_000, OUT: 100, "gen_ai.request.model": "claude-sonnet-4-5", **facts})
    assert (span.input_tokens, span.output_tokens, span.cached_tokens) == (1_000, 100, 500)
    assert span.attributes["gen_ai.usage.reasoning.output_tokens"] == 60
    assert span.cost == 200 * 3 + 150 + 1_125 + 1_500


OI = "llm.token_count."
MLFLOW = {"input_tokens": 50, "output_tokens": 10, "cache_read_input_tokens": 30}


@pytest.mark.parametrize(
    ("facts", "whole"),
    [
        (
            {
                IN: 14_299,
                OUT: 631,
                "gen_ai.usage.total_tokens": 23_291,
                "gen_ai.usage.cache_read_input_tokens": 3_574,
                "gen_ai.usage.cache_write_input_tokens": 4_787,
            },
            (22_660, 631, 3_574),
        ),
        (
            {
                f"{OI}prompt": 50,
                f"{OI}completion": 10,
                f"{OI}total": 97,
                f"{OI}prompt_details.cache_read": 30,
                f"{OI}completion_details.reasoning": 7,
            },
            (80, 17, 30),
        ),
        (
            {
                "ai.usage.inputTokens": 50,
                "ai.usage.outputTokens": 10,
                "ai.usage.totalTokens": 67,
                "ai.usage.reasoningTokens": 7,
                "ai.usage.cachedInputTokens": 30,
            },
            (50, 17, 30),
        ),
        (
            {
                IN: 50,
                OUT: 10,
                "llm.usage.total_tokens": 60,
                "gen_ai.usage.cache_read.input_tokens": 30,
                "gen_ai.usage.reasoning.output_tokens": 7,
            },
            (50, 10, 30),
        ),
        ({"mlflow.chat.tokenUsage": json.dumps({**MLFLOW, "total_tokens": 90})}, (80, 10, 30)),
        ({"mlflow.chat.tokenUsage": json.dumps({**MLFLOW, "total_tokens": 60})}, (50, 10, 30)),
        (
            {
                IN: 50,
                OUT: 10,
                "gen_ai.usage.total_tokens": 67,
                "gen_ai.usage.cached_tokens": 7,
                "gen_ai.usage.reasoning.output_tokens": 7,
            },
            (57, 10, 7),
        ),
        (
            {IN: 50, "gen_ai.usage.cached_tokens": 30, "gen_ai.usage.total_tokens": 50},
            (50, None, 30),
        ),
    ],
    ids=[
        *("Strands on Bedrock", "opencode's plug-in", "AI SDK 5 on Gemini", "nothing left out"),
        *("MLflow on Anthropic", "MLflow on OpenAI", "equal parts", "no output"),
    ],
)
def test_a_total_shows_which_parts_are_left_out(
    facts: dict[str, Any], whole: tuple[int | None, ...]
) -> None:
    span = span_with(facts)
    assert (span.input_tokens, span.output_tokens, span.cached_tokens) == whole


def test_langfuses_total_shows_that_its_input_is_the_whole() -> None:
    usage = {"input": 117_231, "cache_read_input_tokens": 115_584, "output": 225}
    usage |= {"output_reasoning_tokens": 64, "total": 117_456}
    span = span_with({"langfuse.observation.usage_details": json.dumps(usage)})
    figures = (span.input_tokens, span.output_tokens, span.cached_tokens)
    assert figures == (117_231, 225, 115_584)


@pytest.mark.parametrize(
    ("facts", "operation"),
    [
        ({"openinference.span.kind": "LLM"}, "chat"),
        ({"openinference.span.kind": "TOOL"}, "execute_tool"),
        ({"traceloop.span.kind": "workflow"}, "invoke_workflow"),
        ({"mlflow.spanType": '"TOOL"'}, "execute_tool"),
        ({"langfuse.observation.type": "generation"}, "chat"),
        ({"langfuse.observation.type": "span"}, None),
        ({"lmnr.span.type": "TOOL"}, "execute_tool"),
        ({"gen_ai.operation.name": "chat"}, "chat"),
    ],
)
def test_an_operation_has_its_conventional_name(
    facts: dict[str, Any], operation: str | None
) -> None:
    assert span_with(facts).attributes.get("gen_ai.operation.name") == operation


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("gen_ai.usage.cache_creation.input_tokens", 400),
        ("gen_ai.usage.cache_write_input_tokens", 400),
        ("gen_ai.usage.details.cache_write_tokens", 400),
        ("ai.usage.inputTokenDetails.cacheWriteTokens", 400),
        (
            "gen_ai.usage.input_token_details",
            "{'ephemeral_5m_input_tokens': 100, 'ephemeral_1hr_input_tokens': 300}",
        ),
    ],
)
def test_what_is_written_to_the_cache_has_its_price(name: str, sent: object) -> None:
    call = {"gen_ai.request.model": "claude-sonnet-4-5", "gen_ai.usage.input_tokens": 1_000}
    assert span_with({**call, name: sent}).cost == 600 * 3 + 1_500


@pytest.mark.parametrize(("operation", "cost"), [("chat", 1_500_000), ("invoke_agent", 750_000)])
def test_the_sum_of_an_agents_calls_is_no_long_context(operation: str, cost: int) -> None:
    call = {"gen_ai.request.model": "gpt-5.4", "gen_ai.usage.input_tokens": 300_000}
    assert span_with({**call, "gen_ai.operation.name": operation}).cost == cost


def test_langfuses_tokens_to_the_cache_have_their_price() -> None:
    usage = {"input": 600, "output": 10, "cache_creation_input_tokens": 400}
    facts = {"langfuse.observation.usage_details": json.dumps(usage)}
    span = span_with({"gen_ai.request.model": "claude-sonnet-4-5", **facts})
    assert (span.input_tokens, span.cost) == (1_000, 600 * 3 + 1_500 + 150)


@pytest.mark.parametrize(
    ("kind", "agent", "tool"),
    [("agent", "planner", None), ("tool", None, "planner"), ("workflow", None, None)],
)
def test_openllmetrys_name_is_of_what_its_kind_says(
    kind: str, agent: str | None, tool: str | None
) -> None:
    span = span_with({"traceloop.entity.name": "planner", "traceloop.span.kind": kind})
    assert (span.agent, span.attributes.get("gen_ai.tool.name")) == (agent, tool)


def test_openinferences_agent_has_its_name() -> None:
    assert span_with({"openinference.span.kind": "AGENT", "agent.name": "planner"}).agent


def test_langchains_agent_has_its_name() -> None:
    assert span_with({"langsmith.metadata.lc_agent_name": "planner"}).agent == "planner"


def test_claudes_input_tokens_are_told_without_the_cached_ones() -> None:
    facts = {
        "model": "claude-opus-4-8",
        "input_tokens": 100,
        "output_tokens": 7,
        "cache_read_tokens": 900,
        "cache_creation_tokens": 50,
    }
    span = span_with(facts, service="claude-code")
    assert (span.input_tokens, span.output_tokens, span.cached_tokens) == (1_050, 7, 900)
    assert (span.model, span.agent) == ("claude-opus-4-8", "claude")
    elsewhere = span_with(facts)
    assert (elsewhere.input_tokens, elsewhere.attributes["input_tokens"]) == (None, 100)


def test_claude_is_known_by_its_scope_if_its_service_has_another_name() -> None:
    facts = {"model": "claude-opus-4-8", "input_tokens": 100, "output_tokens": 7}
    sent = a_span({**facts, "cache_read_tokens": 50})
    scope = "com.anthropic.claude_code.tracing"
    (span,) = spans_of(read_json(request(sent, service="our-team", scope=scope)))
    assert (span.input_tokens, span.output_tokens, span.cached_tokens) == (150, 7, 50)
    assert (span.agent, span.attributes["service.name"]) == ("claude", "our-team")


@pytest.mark.parametrize("name", ["llm.cost.total", "gen_ai.usage.cost"])
@pytest.mark.parametrize(
    ("dollars", "cost"), [(0.0125, 12_500), ("0.5", 500_000), (-1.0, None), ("free", None)]
)
def test_a_cost_in_dollars_is_one_of_ours(name: str, dollars: Any, cost: int | None) -> None:
    span = span_with({name: dollars})
    source = None if cost is None else "reported"
    assert (span.cost, span.cost_source) == (cost, source)


@pytest.mark.parametrize("tokens", [-1, "many", 2**63 - 1, 1.5, [1], True, "9" * 5_000])
def test_numbers_that_make_no_sense_are_left_out_or_whole(tokens: Any) -> None:
    found = span_with({"gen_ai.usage.input_tokens": tokens}).input_tokens
    assert found is None or 0 <= found < 2**63


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("gen_ai.usage.input_tokens", -5),
        ("llm.token_count.completion", "1,234"),
        ("gen_ai.usage.input_tokens", True),
        ("gen_ai.usage.output_tokens", [1, 2]),
        ("gen_ai.usage.cost", "$0.02"),
        ("llm.cost.total", -1.0),
    ],
)
def test_a_figure_that_is_left_out_is_told_by_its_name(name: str, sent: Any) -> None:
    losses = read_json(request(a_span({name: sent}), a_span({name: sent}))).losses
    assert losses.cuts == {"invalid value": 2}
    assert losses.reasons[0].startswith(f"{name} is not a ")


@pytest.mark.parametrize("after", ["", "Traceback (most recent call last):\n\n\n  File"])
def test_an_exceptions_message_stands_for_that_of_the_status(after: str) -> None:
    message = f"no such model{after}"
    raised = attributes({"exception.type": "ValueError", "exception.message": message})
    sent = a_span(status={"code": 2}, events=[{"name": "exception", "attributes": raised}])
    (span,) = spans_of(read_json(request(sent)))
    assert (span.error_type, span.error_message) == ("ValueError", "no such model")


@pytest.mark.parametrize(
    ("level", "error"),
    [("ERROR", ("error", "error", "the tool broke")), ("WARNING", ("ok", None, None))],
)
def test_langfuses_level_is_an_error_without_a_status(
    level: str, error: tuple[str, str | None, str | None]
) -> None:
    message = {"langfuse.observation.status_message": "the tool broke"}
    span = span_with({"langfuse.observation.level": level, **message})
    assert (span.status, span.error_type, span.error_message) == error


def test_nothing_a_sender_says_decides_who_sees_it() -> None:
    span = span_with(
        {
            "tracebot.audience": "T1",
            "audience": "T1",
            "tracebot.platform": "slack",
            "slack.team.id": "T1",
            "team": "T1",
            "slack.user.id": "U1",
            "user": "U1",
            "messaging.destination.name": "C1",
            "channel": "C1",
            "slack.thread_ts": "1.2",
            "tracebot.decision": "skip",
            "tracebot.within.span_id": PARENT,
            "cost": 5,
            "tracebot.provider.configured": "claude",
            "tracebot.cost.microusd": 5,
        }
    )
    assert span.platform == "otlp"
    trusted = ("audience", "team", "user", "channel", "thread_ts", "decision", "within", "cost")
    assert [getattr(span, name) for name in (*trusted, "configured_provider")] == [None] * 9
    assert not [name for name in span.attributes if name.startswith("tracebot.")]


CONTENT = {
    "gen_ai.input.messages": "said",
    "gen_ai.prompt.0.content": "said",
    "prompt": "said",
    "user_prompt": "said",
    "text": "said",
    "llm.input_messages.0.message.content": "said",
    "traceloop.entity.input": "said",
    "ai.prompt": "said",
    "input.value": "said",
    "gen_ai.tool.call.arguments": {"path": "said"},
    "ai.response.text": "said",
    "ai.value": "said",
    "ai.request.text": "said",
    "ai.decision.questions": "said",
    "llm.tools.0.tool.json_schema": "said",
    "embedding.embeddings.0.embedding.text": "said",
    "langfuse.observation.input": "said",
    "langfuse.trace.output": "said",
    "mlflow.spanInputs": "said",
    "pydantic_ai.all_messages": "said",
    "final_result": "said",
    "request_data": "said",
    "gcp.vertex.agent.llm_request": "said",
    "llm.openai.messages": ["said"],
    "llm.openai.stringified_raw_response": "said",
    "llm.request.functions.0.description": "said",
    "haystack.component.input": {"query": "said"},
    "haystack.pipeline.output_data": "said",
    "genkit:output": "said",
    "lmnr.span.input": "said",
    "lk.pii.user_transcript": "said",
    "gen_ai.response.text": "said",
}


def test_what_people_wrote_is_kept_as_far_as_capture_lets() -> None:
    def none(text: str) -> None:
        return None

    def preview(text: str) -> str:
        return text[:2]

    assert "said" in json.dumps(span_with(CONTENT).attributes)
    assert span_with(CONTENT, capture=none).attributes == {"service.name": "shop"}
    kept = span_with(CONTENT, capture=preview).attributes
    assert set(kept) == {*CONTENT, "service.name"}
    assert "said" not in json.dumps(kept)


def test_a_number_that_is_called_like_a_text_is_kept() -> None:
    span = span_with({"my.tokens.input": 5, "my.cost.output": 0.5}, capture=lambda text: None)
    assert (span.attributes["my.tokens.input"], span.attributes["my.cost.output"]) == (5, 0.5)


def test_a_secret_is_not_cut_in_two() -> None:
    kept = span_with({"prompt": f"use {SECRET}"}, capture=lambda text: text[:20])
    assert "xoxb" not in json.dumps(kept.attributes)


def test_events_and_logs_follow_capture_too() -> None:
    # `message`: as Strands writes an answer into the event gen_ai.choice.
    said = attributes({"gen_ai.prompt": "said", "message": "said", "n": 1})
    (span,) = spans_of(
        read_json(
            request(a_span(events=[{"name": "e", "attributes": said}])), capture=lambda t: None
        )
    )
    assert span.events[0]["attributes"] == {"n": 1}
    (log,) = logs_of(
        {"body": {"kvlistValue": {"values": attributes({"content": "said"})}}, "attributes": said},
        capture=lambda text: None,
    )
    assert "said" not in json.dumps(log.attributes)


def logs_of(*records: dict[str, Any], capture: Any = str) -> list[Log]:
    scope_logs = [{"scope": {"name": "events"}, "logRecords": list(records)}]
    resource = {"attributes": attributes({"service.name": "claude-code"})}
    content = {"resourceLogs": [{"resource": resource, "scopeLogs": scope_logs}]}
    telemetry = read_json(content, "logs", capture=capture)
    return [log for _, logs in telemetry.logs for log in logs]


def test_a_log_record_keeps_its_level_and_its_span() -> None:
    record = {
        "timeUnixNano": str(START),
        "severityNumber": 17,
        "body": {"stringValue": "claude_code.api_request"},
        "attributes": attributes({"cost_usd": 0.25}),
        "traceId": TRACE,
        "spanId": SPAN,
    }
    (log,) = logs_of(record)
    assert (log.level, log.message, log.recorded_at) == ("error", "claude_code.api_request", START)
    assert (log.trace_id, log.span_id) == (TRACE, SPAN)
    assert log.attributes == {
        "service.name": "claude-code",
        "otel.scope.name": "events",
        "cost_usd": 0.25,
    }


def test_a_log_record_without_ids_or_body_is_one_all_the_same() -> None:
    (log,) = logs_of({"traceId": "", "spanId": "", "attributes": attributes({"event.name": "hi"})})
    assert (log.message, log.level, log.trace_id, log.span_id) == ("hi", "info", None, None)


def test_each_number_of_a_metric_is_one() -> None:
    labels = attributes({"model": "opus", "n": 1})
    points = [{"asDouble": 0.5, "timeUnixNano": START, "attributes": labels}, {"asInt": "3"}]
    spread = {"dataPoints": [{"count": "4", "sum": 10.5, "bucketCounts": ["4"]}]}
    found = metrics_of(
        {"name": "cost", "sum": {"dataPoints": points, "aggregationTemporality": 1}},
        {"name": "up", "gauge": {"dataPoints": [{"asDouble": "NaN"}, {"asInt": 1}]}},
        {"name": "wait", "histogram": spread},
        {"name": "size", "exponentialHistogram": spread},
        {"name": "lag", "summary": {"dataPoints": [{"count": 2, "sum": 1.0}]}},
    )
    assert [(metric.name, metric.value) for metric in found] == [
        *(("cost", 0.5), ("cost", 3.0), ("up", 1.0)),
        *(("wait.count", 4.0), ("wait.sum", 10.5), ("size.count", 4.0), ("size.sum", 10.5)),
        *(("lag.count", 2.0), ("lag.sum", 1.0)),
    ]
    assert found[0].labels == {"model": "opus", "n": "1"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"traceId": "xyz"},
        {"traceId": "0" * 32},
        {"traceId": TRACE[:-2]},
        {"traceId": 5},
        {"spanId": ""},
        {"spanId": None},
        {"spanId": [[]]},
    ],
    ids=str,
)
def test_a_span_without_ids_among_good_ones_is_rejected_alone(wrong: dict[str, Any]) -> None:
    good = a_span(spanId="1" * 16)
    telemetry = read_json(request(good, a_span(**wrong), a_span(spanId="2" * 16)))
    assert [span.span_id for span in spans_of(telemetry)] == ["1" * 16, "2" * 16]
    assert telemetry.losses.refused == {"invalid id": 1}
    told = json.loads(answer("traces", telemetry.losses, encoding="json"))["partialSuccess"]
    assert told["rejectedSpans"] == "1"
    assert "is not a valid" in told["errorMessage"]
    response = trace_service.ExportTraceServiceResponse.FromString(
        answer("traces", telemetry.losses, encoding="protobuf")
    )
    assert response.partial_success.rejected_spans == 1
    assert response.partial_success.error_message == told["errorMessage"]


def test_where_all_is_well_the_answer_is_empty() -> None:
    telemetry = read_json(request(a_span()))
    assert answer("traces", telemetry.losses, encoding="json") == b"{}"
    assert answer("traces", telemetry.losses, encoding="protobuf") == b""


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"", "json"),
        (b"{", "json"),
        (b"[]", "json"),
        (b'"text"', "json"),
        (b'{"resourceSpans": {}}', "json"),
        (b"[" * 100_000, "json"),
        (b"\xff\xfe", "json"),
        (b"\xff\xff\xff", "protobuf"),
        (b"{}", "protobuf"),
    ],
)
def test_what_cannot_be_read_is_refused(body: bytes, encoding: Encoding) -> None:
    with pytest.raises(BadTelemetry):
        read(body, "traces", encoding=encoding, capture=str)


@pytest.mark.parametrize(
    ("body", "encoding", "told"),
    [
        (b'{"resourceSpans": []}', "protobuf", "Content-Type: application/json"),
        (b"\n{}", "protobuf", "Content-Type: application/json"),
        (gzip.compress(b"{}", mtime=0), "json", "Content-Encoding: gzip"),
        (gzip.compress(b"", mtime=0), "protobuf", "Content-Encoding: gzip"),
    ],
)
def test_who_sends_another_form_than_the_headers_say_is_told(
    body: bytes, encoding: Encoding, told: str
) -> None:
    with pytest.raises(BadTelemetry, match=told):
        read(body, "traces", encoding=encoding, capture=str)


@pytest.mark.parametrize("name", ["resourceLogs", "resource_logs"])
def test_logs_at_the_address_of_spans_are_refused_with_the_right_one(name: str) -> None:
    with pytest.raises(BadTelemetry, match="send resourceLogs to /v1/logs"):
        read_json({name: [{"scopeLogs": [{"logRecords": [{}]}]}]})


POINT = {"dataPoints": [{"asInt": "1"}]}
LISTS: dict[Signal, tuple[str, str, str]] = {
    "traces": ("resourceSpans", "scopeSpans", "spans"),
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
}
AT_ANOTHER_PATH: list[tuple[Signal, dict[str, Any]]] = [
    ("traces", a_span()),
    ("traces", a_span(parentSpanId="", attributes=[], kind=0)),
    ("logs", {"timeUnixNano": "1", "body": {"stringValue": "x"}}),
    ("logs", {"severityNumber": 9, "body": {"stringValue": "x"}}),
    ("logs", {"observedTimeUnixNano": "1", "traceId": TRACE, "spanId": SPAN}),
    ("metrics", {"name": "m", "gauge": POINT}),
    ("metrics", {"name": "m", "description": "of 8 b", "unit": "1", "sum": POINT}),
    ("metrics", {"name": "seconds", "histogram": {"dataPoints": [{"count": 1}]}}),
]


@pytest.mark.parametrize("path", ["traces", "logs", "metrics"])
@pytest.mark.parametrize(("signal", "item"), AT_ANOTHER_PATH)
def test_protobuf_at_the_address_of_another_signal_is_refused_with_the_right_one(
    signal: Signal, item: dict[str, Any], path: Signal
) -> None:
    resources, scopes, items = LISTS[signal]
    body = as_protobuf({resources: [{scopes: [{items: [item]}]}]}, signal)
    if path == signal:
        assert read(body, path, encoding="protobuf", capture=str).losses.reasons == []
        return
    with pytest.raises(BadTelemetry, match=f"send {resources} to /v1/{signal}"):
        read(body, path, encoding="protobuf", capture=str)


def test_a_metric_with_too_many_points_is_refused_as_a_whole() -> None:
    metric = with_bytes(1, b"m") + with_bytes(5, with_bytes(1, b"") * 100_001)
    body = with_bytes(1, with_bytes(2, with_bytes(2, metric)))
    with pytest.raises(TooManyItems, match="100000 values in one metric"):
        read(body, "metrics", encoding="protobuf", capture=str)


def test_as_many_spans_are_decoded_as_are_taken_at_once() -> None:
    spans = with_bytes(1, with_bytes(2, with_bytes(2, b"") * MAX_ITEMS))
    found = read(spans, "traces", encoding="protobuf", capture=str)
    assert found.losses.refused.total() == MAX_ITEMS


def test_a_refusal_is_a_status_with_a_message() -> None:
    assert json.loads(refusal("too much", encoding="json")) == {"message": "too much"}
    assert refusal("no", encoding="protobuf") == b"\x12\x02no"
    assert len(refusal("x" * 1_000, encoding="protobuf")) == 129


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["traceId", "spanId", "attributes", "key", "value", "kind", "links"])
            | st.sampled_from(["stringValue", "intValue", "arrayValue", "values", "status", "name"])
            | st.sampled_from(["spans", "scopeSpans", "resourceSpans", "resource", "scope"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=200)
@given(
    JSON, st.sampled_from(["attributes", "events", "links", "status", "kind", "name", "traceId"])
)
def test_any_json_is_read_rejected_or_refused(content: Any, where: str) -> None:
    bodies: list[Any] = [content, {"resourceSpans": content}, request(a_span(**{where: content}))]
    bodies.append(request(content))
    for body in bodies:
        try:
            telemetry = read_json(body)
        except BadTelemetry:
            continue
        assert len(spans_of(telemetry)) + telemetry.losses.refused.total() <= 1


@settings(max_examples=300)
@given(st.binary(max_size=300), st.sampled_from(["traces", "logs", "metrics"]))
def test_any_bytes_are_read_or_refused(body: bytes, signal: Signal) -> None:
    for encoding in ("protobuf", "json"):
        try:
            read(body, signal, encoding=encoding, capture=str)
        except BadTelemetry:
            continue


@settings(max_examples=300)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_request_is_read_rejected_or_refused(at: int, byte: int) -> None:
    message = trace_service.ExportTraceServiceRequest()
    span = (
        message.resource_spans.add()
        .scope_spans.add()
        .spans.add(trace_id=b"1" * 16, span_id=b"2" * 8, start_time_unix_nano=START, name="x")
    )
    span.attributes.add(key="a").value.string_value = "b"
    body = bytearray(message.SerializeToString())
    body[at % len(body)] = byte
    with contextlib.suppress(BadTelemetry):
        read(bytes(body), "traces", encoding="protobuf", capture=str)
