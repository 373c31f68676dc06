"""Attribute names: OpenTelemetry's, ours, and the older names that are accepted as input.

The GenAI conventions are still in development, so their names are here and nowhere else.
Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/ (November 2026).
"""

import re
from collections.abc import Mapping
from functools import lru_cache

SCHEMA_URL = "https://opentelemetry.io/schemas/1.38.0"

ATTRIBUTES: Mapping[str, str] = {
    "platform": "tracebot.platform",
    "audience": "tracebot.audience",
    "team": "slack.team.id",
    "channel": "messaging.destination.name",
    "thread_ts": "slack.thread_ts",
    "message_ts": "messaging.message.id",
    "user": "slack.user.id",
    "agent": "gen_ai.agent.name",
    "configured_provider": "tracebot.provider.configured",
    "provider": "gen_ai.provider.name",
    "model": "gen_ai.response.model",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    "cost": "tracebot.cost.microusd",
    "cost_source": "tracebot.cost.source",
    "decision": "tracebot.decision",
    "reason": "tracebot.decision.reason",
    "text": "tracebot.text",
    "error_type": "error.type",
    "error_message": "error.message",
}
"""Field of `Span` → conventional name of the attribute. Our API also accepts the field's name."""

REQUEST_MODEL = "gen_ai.request.model"

OLDER: Mapping[str, str] = {
    REQUEST_MODEL: "model",
    "gen_ai.system": "provider",
    "gen_ai.response.prompt_tokens": "input_tokens",
    "gen_ai.response.completion_tokens": "output_tokens",
    "llm.model": "model",
    "llm.model_name": "model",
    "llm.request.model": "model",
    "llm.request.model_name": "model",
    "llm.response.model": "model",
    "llm.response.model_name": "model",
    "embedding.model_name": "model",
    "reranker.model_name": "model",
    "llm.provider": "provider",
    "llm.system": "provider",
    "llm.vendor": "provider",
    "langfuse.observation.model.name": "model",
    "ai.model.id": "model",
    "ai.model.provider": "provider",
    "ai.response.model": "model",
    "ai.usage.tokens": "input_tokens",
    "mlflow.llm.model": "model",
    "mlflow.llm.provider": "provider",
}
"""Older attribute name → field of `Span`. A conventional name on the same span has precedence.

gen_ai before 1.37, OpenInference and OpenLLMetry (`llm.*`), Vercel's AI SDK (`ai.*`), MLflow,
Semantic Kernel (`gen_ai.response.prompt_tokens`). `usage_name` knows the other names of tokens.
"""

FIELDS: Mapping[str, str] = {
    **OLDER,
    **{name: field for field, name in ATTRIBUTES.items()},
    **{field: field for field in ATTRIBUTES},
}
"""Accepted name → field of `Span`. `field_of` has those of tokens as well."""

NAMELESS = frozenset(("", "none", "None", "null", "undefined", "unknown", "Unknown", "n/a", "N/A"))
"""Names that libraries send for a model, a provider or an agent whose name they do not know."""

INHERITED: frozenset[str] = frozenset(
    {"platform", "audience", "team", "channel", "thread_ts", "message_ts", "user", "agent"}
)
"""Fields that a child span inherits, so that each row can be read without its parents."""

PASSED_ON: Mapping[str, str] = {**{name: name for name in INHERITED}, ATTRIBUTES["agent"]: "agent"}
"""Names of attributes → the field that the children of a span of our own inherit; the last counts.

Frameworks name their agent by convention, and only in the span of its run.
"""

PASSED_ON_BY_LIBRARIES: Mapping[str, str] = {ATTRIBUTES["agent"]: "agent"}
"""The same for the span of another library, see `measured_field`."""

INTEGERS: frozenset[str] = frozenset({"input_tokens", "output_tokens", "cached_tokens", "cost"})


# What other processes send.

MEASURED: frozenset[str] = frozenset(
    {
        *("provider", "model", "input_tokens", "output_tokens", "cached_tokens"),
        *("error_type", "error_message"),
    }
)
"""Fields that another process may set. Those that decide who can see a span are not among them."""

MEASURED_BY_LIBRARIES = MEASURED | {"agent"}
"""Fields that another library in this process may set, by conventional and older names."""

RECEIVED: Mapping[str, str] = {
    **{name: field for name, field in FIELDS.items() if field in MEASURED and name != field},
    "gen_ai.agent.name": "agent",
    "agent.name": "agent",
    "langsmith.metadata.lc_agent_name": "agent",
}
"""Conventional or older name → field, on a span of another process."""

CACHE_READ = ATTRIBUTES["cached_tokens"]
CACHE_WRITE = "gen_ai.usage.cache_write.input_tokens"
REASONING = "gen_ai.usage.reasoning.output_tokens"
TOTAL = "gen_ai.usage.total_tokens"

USAGE = re.compile(r"(?:gen_ai|llm|ai)\.(?:\w+_)?((?:usage|token_count)\..+)")
WORD = re.compile(r"[A-Z]?[a-z]+|[^._]")
WHOLES: Mapping[str, str] = {
    "input": ATTRIBUTES["input_tokens"],
    "prompt": ATTRIBUTES["input_tokens"],
    "output": ATTRIBUTES["output_tokens"],
    "completion": ATTRIBUTES["output_tokens"],
    "candidates": ATTRIBUTES["output_tokens"],
    "total": TOTAL,
}
TOKENS = frozenset(("token", "tokens", "count"))
CACHE = frozenset(("cache", "cached"))
WRITTEN = frozenset(("creation", "write"))
THOUGHTS = frozenset(("reasoning", "thinking", "thoughts"))
OTHER = frozenset(("usage", "details", "experimental", "read", "hit", "content"))
USAGE_WORDS = TOKENS | CACHE | WRITTEN | THOUGHTS | OTHER | WHOLES.keys()
"""The words of names of tokens. Those with others, as `audio` and `5m`, are not of a whole kind."""


@lru_cache(maxsize=8_192)
def usage_name(name: str) -> str:
    """Return the conventional name of a count of tokens; the same name if it is not one.

    Each library has its own words for the same few counts, as in
    `gen_ai.usage.prompt_tokens_details.cache_read`, `llm.usage.cached_tokens`,
    `ai.usage.inputTokenDetails.cacheWriteTokens`, `llm.token_count.completion_details.reasoning`.
    """
    found = USAGE.fullmatch(name)
    words = {word.lower() for word in WORD.findall(found[1])} if found else set()
    if not words <= USAGE_WORDS or not words & TOKENS:
        return name
    if words & CACHE:
        return CACHE_WRITE if words & WRITTEN else CACHE_READ
    if words & THOUGHTS:
        return REASONING
    return WHOLES.get("".join(words - TOKENS - {"usage"}), name)


def field_of(name: str) -> str | None:
    """Return the field of `Span` that an attribute of this name fills, None if there is none."""
    return FIELDS.get(name) or FIELDS.get(usage_name(name))


def measured_field(name: str) -> str | None:
    """Return the field that an attribute of this name fills on a span of another library.

    Such a library knows neither our fields nor who may see the span: its `channel` may be anything.
    """
    field = field_of(name)
    return field if field != name and field in MEASURED_BY_LIBRARIES else None


def is_older(name: str) -> bool:
    """Return True if a conventional name has precedence over this one."""
    return name in OLDER or usage_name(name) != name


OPERATION = "gen_ai.operation.name"

RENAMED: Mapping[str, str] = {
    "ai.response.id": "gen_ai.response.id",
    "ai.toolCall.name": "gen_ai.tool.name",
    "ai.toolCall.id": "gen_ai.tool.call.id",
    "session.id": "gen_ai.conversation.id",
    "tool.name": "gen_ai.tool.name",
    "tool_call.id": "gen_ai.tool.call.id",
    "openinference.span.kind": OPERATION,
    "traceloop.span.kind": OPERATION,
    "mlflow.spanType": OPERATION,
    "langfuse.observation.type": OPERATION,
    "lmnr.span.type": OPERATION,
}
"""Older attribute name → conventional attribute name."""

OPERATIONS: Mapping[str, str] = {
    "LLM": "chat",
    "CHAT_MODEL": "chat",
    "GENERATION": "chat",
    "CHAIN": "invoke_workflow",
    "WORKFLOW": "invoke_workflow",
    "AGENT": "invoke_agent",
    "TOOL": "execute_tool",
    "EMBEDDING": "embeddings",
    "RETRIEVER": "retrieval",
    **dict.fromkeys(("SPAN", "EVENT", "DEFAULT", "UNKNOWN"), ""),
}
"""The span kinds of other libraries → OPERATION, or an empty text if they say nothing."""

DOLLARS: frozenset[str] = frozenset(
    (
        *("gen_ai.usage.cost", "gen_ai.usage.cost_usd", "gen_ai.usage.cost.total"),
        *("gen_ai.usage.total_cost", "gen_ai.usage.total_cost_usd"),
        *("llm.cost.total", "llm.usage.cost", "llm.usage.total_cost"),
        *("operation.cost", "gen_ai.cost.total_cost", "litellm.cost.total"),
        *("langfuse.observation.total_cost", "langfuse.observation.cost_details.total"),
    )
)
"""Names of a call's cost in dollars: OpenInference's, pydantic-ai's, LiteLLM's, Langfuse's, …"""

COST_DETAILS = ("langfuse.observation.cost_details", "mlflow.llm.cost")
"""Names of a call's cost in dollars, by kind of usage, as JSON."""

USAGE_WITH_COST = ("langsmith.usage_metadata", "langsmith.metadata.usage_metadata")
"""Names of a call's tokens and costs in dollars, each by kind, as JSON: those end in `_cost`."""

COST_PARTS = (
    ("gen_ai.usage.input_cost", "gen_ai.usage.output_cost"),
    ("gen_ai.cost.input_cost", "gen_ai.cost.output_cost"),
    ("llm.cost.prompt", "llm.cost.completion"),
)
"""Names of the cost in dollars of a call's input and output."""

LEVEL, LEVEL_MESSAGE = "langfuse.observation.level", "langfuse.observation.status_message"
"""Names by which Langfuse's SDK for JavaScript tells an error, without the span's status."""

USAGE_DETAILS = "langfuse.observation.usage_details"
"""A call's tokens, by kind, as JSON."""

LANGSMITH_USAGE: Mapping[str, str] = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "total_tokens": TOTAL,
    "input_token_details.cache_read": "cached_tokens",
    "input_token_details.cache_creation": CACHE_WRITE,
    "output_token_details.reasoning": REASONING,
}
TOKEN_DETAILS: Mapping[str, Mapping[str, str]] = {
    "mlflow.chat.tokenUsage": {
        "input_tokens": "input_tokens",
        "output_tokens": "output_tokens",
        "cache_read_input_tokens": "cached_tokens",
        "cache_creation_input_tokens": CACHE_WRITE,
        "total_tokens": TOTAL,
    },
    "gen_ai.usage.input_token_details": {
        "cache_read": "cached_tokens",
        "cache_creation": CACHE_WRITE,
    },
    "gen_ai.usage.output_token_details": {"reasoning": REASONING},
    "langsmith.usage_metadata": LANGSMITH_USAGE,
    "langsmith.metadata.usage_metadata": LANGSMITH_USAGE,
}
"""The same of MLflow and LangSmith: name → each kind → its field of `Span`, or conventional name.

A kind with a dot is within a mapping.

LangSmith writes Python's form of a dict, not JSON. For Claude it tells what was written to the
cache only by how long it stays, as in `ephemeral_5m_input_tokens`.
"""

ENTITY = "traceloop.entity.name"
"""The name of an agent, a tool, or a step of a workflow, as the operation says."""
INVOKE_AGENT = "invoke_agent"
OF_SEVERAL = (INVOKE_AGENT, "invoke_workflow")
"""The operations whose tokens are those of several calls of a model."""

EXECUTE_TOOL = "execute_tool"
"""The operation of a span, or the name of an event of an attempt, that is a use of a tool."""
TOOL_NAME = "gen_ai.tool.name"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_CALL = "tools/call"
"""The method of the Model Context Protocol that calls a tool, with which such spans are named."""

FALLBACK = "tracebot.fallback"
"""True if an attempt stands in for a provider that failed."""
READ_THREAD, REPLY = "read thread", "reply"
"""The names of the spans of a turn that read its thread, and that posted its reply."""
HANDLED_ELSEWHERE = "handled_elsewhere"
"""The reason of a decision to skip a message that another trace, of another process, is about."""

FIRST_WORD, TIME_TO_ANSWER = "slack.time_to_first_word", "slack.time_to_answer"
"""Seconds from the arrival of a message until the first of its reply was shown, and all of it."""

RESPONSE_ID = "gen_ai.response.id"
FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
"""Seconds from a call until the first piece of its answer."""
DROPPED_ATTRIBUTES = "tracebot.dropped.attributes"
DROPPED_EVENTS = "tracebot.dropped.events"
DROPPED_LINKS = "tracebot.dropped.links"
"""How many of each were left out of a received item, because it has too many."""

PARENT_TRACE_ID = "tracebot.parent.trace_id"
PARENT_SPAN_ID = "tracebot.parent.span_id"
"""The resource attributes by which a process says which of our spans started it."""

CONTENT: frozenset[str] = frozenset(
    (
        *("gen_ai.prompt", "gen_ai.completion", "gen_ai.system_instructions"),
        *("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.tool.definitions"),
        *("gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "gen_ai.retrieval.documents"),
        *("input.value", "output.value", "llm.prompts", "llm.completions"),
        *("llm.input_messages", "llm.output_messages", "llm.prompt_template.variables"),
        *("traceloop.entity.input", "traceloop.entity.output"),
        *("ai.prompt", "ai.response.text", "ai.response.object", "ai.response.reasoning"),
        *("ai.response.toolCalls", "ai.toolCall.args", "ai.toolCall.result", "ai.documents"),
        *(
            "ai.request.text",
            "ai.schema",
            "ai.value",
            "ai.values",
            "ai.embedding",
            "ai.embeddings",
            "ai.response.files",
        ),
        *("langfuse.observation.input", "langfuse.observation.output", "langfuse.trace.input"),
        *("langfuse.trace.output", "langfuse.experiment.item.expected_output"),
        *("mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.traceInputs", "mlflow.traceOutputs"),
        *("mlflow.chat.messages", "mlflow.chat.tools", "mlflow.trace.intermediate_outputs"),
        *("pydantic_ai.all_messages", "all_messages_events", "events", "final_result"),
        *("tool_arguments", "tool_response", "model_request_parameters"),
        *("request_data", "response_data", "gen_ai.event.content", "message", "tool.result"),
        *("gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response"),
        *("gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.tool_response"),
        *("gcp.vertex.agent.data", "tool.parameters", "llm.function_call", "llm.choices"),
        *("prompt", "user_prompt", "response", "completion", "content", "body", "text"),
        *("request_text", "response_text", "function_args", "arguments", "input", "output"),
        *("tool_input", "tool_output", "tool_parameters", "full_command", "new_context"),
        *("gen_ai.response.text", "gen_ai.response.tool_calls", "gen_ai.tool.args"),
    )
)
CONTENT_PREFIXES = (
    *("gen_ai.prompt.", "gen_ai.completion.", "gen_ai.input.messages.", "gen_ai.output.messages."),
    *("llm.input_messages.", "llm.output_messages.", "llm.prompts.", "llm.completions."),
    *("retrieval.documents.", "reranker.", "embedding.text", "embedding.embeddings."),
    *(
        "ai.prompt.",
        "ai.decision.",
        "llm.tools.",
        "llm.choices.",
        "input.documents.",
        "output.documents.",
    ),
    *("input.images.", "output.images.", "llm.request.functions.", "lk.pii."),
)
"""Attributes with text of people, models and tools. TRACEBOT_CAPTURE decides what is stored."""

CONTENT_ENDINGS: frozenset[str] = frozenset(
    (
        *("messages", "prompt", "prompts", "completion", "completions", "choices", "candidates"),
        *("content", "contents", "input", "inputs", "output", "outputs", "arguments"),
        *("input_data", "output_data", "input_json", "output_json", "instructions", "transcript"),
        *("stringified_raw_response", "chat_ctx", "user_input", "input_text"),
    )
)
"""Last words of attribute names that mean the same after any others, unless they have a number.

As in `llm.openai.messages` of LiteLLM, `haystack.component.input`, `genkit:output`: each framework
has such names of its own.
"""
