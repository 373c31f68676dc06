"""OpenAI's chat completions, which most local servers and hosts of models speak too.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

from bot.agents.models.api import Answer, Dialect, Event, Question, count, mapping, text, word
from bot.agents.models.conversation import Image, Turn


def _body(question: Question) -> dict[str, object]:
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


def _message(turn: Turn) -> dict[str, object]:
    if not turn.images:
        return {"role": turn.role, "content": turn.text}
    said = [{"type": "text", "text": turn.text}] if turn.text else []
    return {"role": turn.role, "content": [*said, *map(_image, turn.images)]}


def _image(image: Image) -> dict[str, object]:
    url = f"data:{image.media_type};base64,{image.data}"
    return {"type": "image_url", "image_url": {"url": url}}


def _read(event: Event, answer: Answer) -> str:
    answer.model = word(event.get("model")) or answer.model
    answer.response_id = word(event.get("id")) or answer.response_id
    _read_usage(mapping(event.get("usage")), answer)
    choices = event.get("choices")
    choice = mapping(choices[0]) if isinstance(choices, list) and choices else {}
    delta = mapping(choice.get("delta"))
    answer.stop_reason = word(choice.get("finish_reason")) or answer.stop_reason
    if answer.stop_reason == "content_filter" or text(delta.get("refusal")):
        answer.refused = True
    return text(delta.get("content"))


def _read_usage(usage: Event, answer: Answer) -> None:
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


OPENAI = Dialect(
    name="openai",
    base_url="https://api.openai.com/v1",
    path="/chat/completions",
    key_variable="OPENAI_API_KEY",
    headers={},
    show_key=lambda key: {"Authorization": f"Bearer {key}"},
    body=_body,
    read=_read,
    cut=("length",),
)
