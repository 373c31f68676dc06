"""Anthropic's Messages API in its version 2023-06-01.

Version 2026-10-21 takes no temperature, and servers that imitate the API do not know it; everything
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
"""The API requires a number; every model since 2024 can write this much."""

INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
"""The parts of the input: `input_tokens` leaves out what is written to or read from the cache."""


def _body(request: ModelRequest) -> dict[str, object]:
    body: dict[str, object] = {
        "model": request.model,
        "max_tokens": request.max_tokens or MAX_TOKENS,
        "messages": [_message(each) for each in request.messages],
        "stream": True,
    }
    if request.instructions:
        body["system"] = request.instructions
    if request.temperature is not None:
        body["temperature"] = request.temperature
    return body


def _message(message: ChatMessage) -> dict[str, object]:
    if not message.images:
        return {"role": message.role, "content": message.text}
    texts = [{"type": "text", "text": message.text}] if message.text else []
    return {"role": message.role, "content": [*map(_image, message.images), *texts]}


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
    """Take counts, which are for the whole answer so far; later events may leave some out."""
    for name in (*INPUT, "output_tokens"):
        if (tokens := count(usage.get(name))) is not None:
            answer.usage[name] = tokens
    if "input_tokens" in answer.usage:
        answer.input_tokens = sum(answer.usage.get(name, 0) for name in INPUT)
    answer.output_tokens = answer.usage.get("output_tokens")
    answer.cached_tokens = answer.usage.get("cache_read_input_tokens")
    answer.cache_write_tokens = answer.usage.get("cache_creation_input_tokens")


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
