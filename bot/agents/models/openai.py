"""OpenAI's Chat Completions API, which most local servers and hosts of models offer too.

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
from storage.model.token_counts import whole_usage


def _body(request: ModelRequest) -> dict[str, object]:
    messages = [_message(each) for each in request.messages]
    if request.instructions:
        messages.insert(0, {"role": "system", "content": request.instructions})
    body: dict[str, object] = {
        "model": request.model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.max_tokens is not None:
        # OpenAI's newer models accept only the first name, many other servers only the second.
        name = "max_completion_tokens" if request.official else "max_tokens"
        body[name] = request.max_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    return body


def _message(message: ChatMessage) -> dict[str, object]:
    if not message.images:
        return {"role": message.role, "content": message.text}
    texts = [{"type": "text", "text": message.text}] if message.text else []
    return {"role": message.role, "content": [*texts, *map(_image, message.images)]}


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
    prompt, completion = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    details = mapping(usage.get("prompt_tokens_details"))
    answer.cached_tokens = count(details.get("cached_tokens"))
    answer.cache_write_tokens = count(details.get("cache_write_tokens"))  # OpenRouter's name.
    answer.input_tokens, answer.output_tokens = prompt, completion
    if prompt is not None and completion is not None:
        cached, written = answer.cached_tokens or 0, answer.cache_write_tokens or 0
        total = count(usage.get("total_tokens"))
        thoughts = count(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens"))
        if thoughts is None and not cached + written:  # Gemini tells them only in the total.
            thoughts = max((total or 0) - prompt - completion, 0)
        # xAI, Gemini and proxies for it leave thoughts out of the completion, and bill them.
        answer.input_tokens, answer.output_tokens = whole_usage(
            prompt,
            completion,
            cached=cached,
            written=written,
            thoughts=thoughts or 0,
            total=total,
        )
    cost = usage.get("cost")
    # OpenRouter reports what it charges, in dollars.
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
