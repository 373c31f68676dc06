"""Parse what claude prints."""

from collections.abc import Mapping

from bot.agents.programs.output.answer import ParsedAnswer
from bot.agents.programs.output.error_types import error_type_of
from bot.agents.programs.output.json_path import any_known, at, count, items, micro_dollars, text
from bot.agents.programs.output.parsers.tools import main_argument, result_text
from bot.agents.programs.output.reader import Event
from bot.agents.types import ModelUsage

MAX_RETRIES = 2
"""How often claude may repeat a request whose key was refused; it would do so 10 times."""


def parse(event: Event, answer: ParsedAnswer) -> None:
    """Parse `claude -p --output-format stream-json --verbose --include-partial-messages`."""
    if text(event, "parent_tool_use_id") is not None:  # A subagent talks to claude, not to us.
        return
    answer.session_id = text(event, "session_id") or answer.session_id
    match text(event, "type"):
        case "stream_event":
            answer.say(text(event, "event", "delta", "text") or "")
        case "assistant":
            _message(event, answer)
        case "user":
            _results(event, answer)
        case "system":
            _system(event, answer)
        case "result":
            _result(event, answer)


def _message(event: Event, answer: ParsedAnswer) -> None:
    model = text(event, "message", "model")
    if model == "<synthetic>":  # Written by the program, not by a model: an error.
        return
    answer.model = model or answer.model
    answer.response_id = text(event, "message", "id") or answer.response_id
    for block in items(event, "message", "content"):
        match text(block, "type"):
            case "tool_use":
                tool, arguments = text(block, "name") or "tool", at(block, "input")
                answer.use(text(block, "id"), tool, main_argument(arguments), arguments)
            case "text" if not answer.messages[-1]:  # Else its pieces have arrived already.
                answer.say(text(block, "text") or "")


def _results(event: Event, answer: ParsedAnswer) -> None:
    for block in items(event, "message", "content"):
        if text(block, "type") == "tool_result":
            output = result_text(at(block, "content"))
            failed = at(block, "is_error") is True
            answer.used(text(block, "tool_use_id"), output, failed=failed)


def _system(event: Event, answer: ParsedAnswer) -> None:
    if text(event, "subtype") == "init":
        answer.model = text(event, "model")
    if text(event, "subtype") == "api_retry" and text(event, "error") == "authentication_failed":
        tried = count(event, "attempt") or 0
        message = "the API refused its key"
        answer.fail("authentication", message, hopeless=tried > MAX_RETRIES)


def _result(event: Event, answer: ParsedAnswer) -> None:
    answer.complete = True
    answer.failure = None
    _usage(event, answer)
    answer.turns = count(event, "num_turns")
    answer.stop_reason = text(event, "stop_reason")
    result, subtype = text(event, "result"), text(event, "subtype") or ""
    # Of older versions is_error was false if the limit of --max-turns ended the answer.
    if at(event, "is_error") is not True and not subtype.startswith("error_"):
        answer.final_text = result
    elif answer.stop_reason == "refusal":
        answer.fail("refused", result)
    else:
        reasons = filter(None, map(text, items(event, "errors")))
        message = result or "; ".join(reasons) or subtype
        status = count(event, "api_error_status")
        answer.fail(
            "quota" if "budget" in subtype else error_type_of(message, status=status), message
        )


USAGE = {
    "input_tokens": "inputTokens",
    "cache_read_input_tokens": "cacheReadInputTokens",
    "cache_creation_input_tokens": "cacheCreationInputTokens",
    "output_tokens": "outputTokens",
}
"""Names of counts in `usage`, which leaves out subagents, and in `modelUsage`, which has all."""


def _usage(event: Event, answer: ParsedAnswer) -> None:
    found = at(event, "modelUsage")
    models = found if isinstance(found, Mapping) else {}
    sums: list[int | None] = []
    for name, of_model in USAGE.items():
        each = [count(models, model, of_model) for model in models]
        known = [number for number in each if number is not None]
        sums.append(sum(known) if known else count(event, "usage", name))
    fresh, read, written, output = sums
    answer.input_tokens = _whole(fresh, read, written)
    answer.cached_tokens, answer.cache_write_tokens = read, written
    answer.output_tokens = output
    usages = [_of_model(str(model), usage) for model, usage in models.items()]
    known_usages = tuple(usage for usage in usages if usage is not None)
    if len(known_usages) == len(usages):  # Else the price of some would be taken for that of all.
        answer.models = known_usages
    answer.cost = micro_dollars(event, "total_cost_usd")
    costs = [micro_dollars(usage, "costUSD") for usage in models.values()]
    if answer.cost is None and any_known(tuple(costs)) and None not in costs:
        answer.cost = sum(cost or 0 for cost in costs)


def _of_model(model: str, usage: object) -> ModelUsage | None:
    """Return what one model used, for its price; None if its tokens are not known."""
    fresh, read, written, output = (count(usage, each) for each in USAGE.values())
    whole = _whole(fresh, read, written)
    if whole is None or output is None:
        return None
    return ModelUsage(
        model=model,
        input_tokens=whole,
        output_tokens=output,
        cached_tokens=read,
        cache_write_tokens=written,
    )


def _whole(fresh: int | None, read: int | None, written: int | None) -> int | None:
    """Return the input: Anthropic's leaves out what was read from the cache or written to it."""
    parts = (fresh, read, written)
    return sum(part or 0 for part in parts) if any_known(parts) else None
