"""Anthropic's Messages API, as of its version 2023-06-01.

Version 2026-10-21 takes no temperature, and the servers that imitate the API do not know it; all
else that is used here is the same in both.
https://platform.claude.com/docs/en/api/messages-streaming
https://platform.claude.com/docs/en/api/versioning
"""

from bot.agents.models.api import (
    Event,
    ModelAnswer,
    ModelApi,
    ModelRequest,
    count,
    mapping,
    name_or_id,
    text,
)
from bot.agents.models.conversation import ChatMessage, Image

VERSION = "2023-06-01"
MAX_TOKENS = 8_192
"""The API wants a number; every model since 2024 can write as much."""

INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
"""`input_tokens` leaves out what the cache took or gave."""


def _body(question: ModelRequest) -> dict[str, object]:
    body: dict[str, object] = {
        "model": question.model,
        "max_tokens": question.max_tokens or MAX_TOKENS,
        "messages": [_message(turn) for turn in question.turns],
        "stream": True,
    }
    if question.instructions:
        body["system"] = question.instructions
    if question.temperature is not None:
        body["temperature"] = question.temperature
    return body


def _message(turn: ChatMessage) -> dict[str, object]:
    if not turn.images:
        return {"role": turn.role, "content": turn.text}
    said = [{"type": "text", "text": turn.text}] if turn.text else []
    return {"role": turn.role, "content": [*map(_image, turn.images), *said]}


def _image(image: Image) -> dict[str, object]:
    source = {"type": "base64", "media_type": image.media_type, "data": image.data}
    return {"type": "image", "source": source}


def _read(event: Event, answer: ModelAnswer) -> str:
    kind = event.get("type")
    if kind == "message_start":
        message = mapping(event.get("message"))
        answer.model = name_or_id(message.get("model"))
        answer.response_id = name_or_id(message.get("id"))
        _read_usage(mapping(message.get("usage")), answer)
    elif kind == "message_delta":
        stop_reason = name_or_id(mapping(event.get("delta")).get("stop_reason"))
        answer.stop_reason = stop_reason or answer.stop_reason
        answer.refused = answer.stop_reason == "refusal"
        _read_usage(mapping(event.get("usage")), answer)
    elif kind == "message_stop":
        answer.ended = True
    elif kind == "content_block_start":
        return text(mapping(event.get("content_block")).get("text"))
    elif kind == "content_block_delta":
        return text(mapping(event.get("delta")).get("text"))
    return ""


def _read_usage(usage: Event, answer: ModelAnswer) -> None:
    """Counts are of the whole answer so far, and the later ones need not repeat the earlier."""
    for name in (*INPUT, "output_tokens"):
        if (tokens := count(usage.get(name))) is not None:
            answer.usage[name] = tokens
    if "input_tokens" in answer.usage:
        answer.input_tokens = sum(answer.usage.get(name, 0) for name in INPUT)
    answer.output_tokens = answer.usage.get("output_tokens")
    answer.cached_tokens = answer.usage.get("cache_read_input_tokens")


ANTHROPIC = ModelApi(
    name="anthropic",
    base_url="https://api.anthropic.com",
    path="/v1/messages",
    key_variable="ANTHROPIC_API_KEY",
    headers={"anthropic-version": VERSION},
    key_headers=lambda key: {"x-api-key": key},
    body=_body,
    read=_read,
    cut_reasons=("max_tokens", "model_context_window_exceeded"),
)
