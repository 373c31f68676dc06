"""Attribute names: OpenTelemetry's, our words for them, and the older names accepted on the way in.

The GenAI conventions are still in development, so their names stand here and nowhere else.
Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/ (November 2026).
"""

from collections.abc import Mapping

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
"""Span field → the attribute's conventional name. The field's own name is the word in our API."""

OLDER: Mapping[str, str] = {
    "gen_ai.request.model": "model",
    "gen_ai.system": "provider",
    "gen_ai.usage.prompt_tokens": "input_tokens",
    "gen_ai.usage.completion_tokens": "output_tokens",
    "llm.model_name": "model",
    "llm.provider": "provider",
    "llm.token_count.prompt": "input_tokens",
    "llm.token_count.completion": "output_tokens",
    "llm.token_count.prompt_details.cache_read": "cached_tokens",
    "llm.usage.prompt_tokens": "input_tokens",
    "llm.usage.completion_tokens": "output_tokens",
}
"""Names of older dialects (gen_ai before 1.37, OpenInference, OpenLLMetry) → span field."""

FIELDS: Mapping[str, str] = {
    **OLDER,
    **{name: field for field, name in ATTRIBUTES.items()},
    **{field: field for field in ATTRIBUTES},
}
"""Any accepted name or word → span field."""

INHERITED: frozenset[str] = frozenset(
    {"platform", "audience", "team", "channel", "thread_ts", "message_ts", "user", "agent"}
)
"""Words that a child span takes over from its parent, so that each row carries its own context."""

INTEGERS: frozenset[str] = frozenset({"input_tokens", "output_tokens", "cached_tokens", "cost"})
