"""OpenAI's chat completions, which most local servers and hosts of models speak too.

https://platform.openai.com/docs/api-reference/chat-streaming
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


def _body(question: ModelRequest) -> dict[str, object]:
    messages = [_message(turn) for turn in question.turns]
    if question.instructions:
        messages.insert(0, {"role": "system", "content": question.instructions})
    body: dict[str, object] = {
        "model": question.model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if question.max_tokens is not None:
        # OpenAI's newer models know only the one name, many other servers only the older one.
        name = "max_completion_tokens" if question.official else "max_tokens"
        body[name] = question.max_tokens
    if question.temperature is not None:
        body["temperature"] = question.temperature
    return body


def _message(turn: ChatMessage) -> dict[str, object]:
    if not turn.images:
        return {"role": turn.role, "content": turn.text}
    said = [{"type": "text", "text": turn.text}] if turn.text else []
    return {"role": turn.role, "content": [*said, *map(_image, turn.images)]}


def _image(image: Image) -> dict[str, object]:
    url = f"data:{image.media_type};base64,{image.data}"
    return {"type": "image_url", "image_url": {"url": url}}


def _read(event: Event, answer: ModelAnswer) -> str:
    answer.model = name_or_id(event.get("model")) or answer.model
    answer.response_id = name_or_id(event.get("id")) or answer.response_id
    _read_usage(mapping(event.get("usage")), answer)
    choices = event.get("choices")
    choice = mapping(choices[0]) if isinstance(choices, list) and choices else {}
    delta = mapping(choice.get("delta"))
    answer.stop_reason = name_or_id(choice.get("finish_reason")) or answer.stop_reason
    if answer.stop_reason == "content_filter" or text(delta.get("refusal")):
        answer.refused = True
    return text(delta.get("content"))


def _read_usage(usage: Event, answer: ModelAnswer) -> None:
    if not usage:
        return
    answer.input_tokens = count(usage.get("prompt_tokens"))
    answer.output_tokens = count(usage.get("completion_tokens"))
    details = mapping(usage.get("prompt_tokens_details"))
    answer.cached_tokens = count(details.get("cached_tokens"))
    cost = usage.get("cost")
    # OpenRouter says what it charges, in dollars.
    if isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost < 1e6:
        answer.cost = round(cost * 1_000_000)


OPENAI = ModelApi(
    name="openai",
    base_url="https://api.openai.com/v1",
    path="/chat/completions",
    key_variable="OPENAI_API_KEY",
    headers={},
    key_headers=lambda key: {"Authorization": f"Bearer {key}"},
    body=_body,
    read=_read,
    cut_reasons=("length",),
)
