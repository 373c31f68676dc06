"""Parse what gemini prints."""

from collections.abc import Mapping

from bot.agents.programs.output.answer import ParsedAnswer
from bot.agents.programs.output.error_types import error_type_of
from bot.agents.programs.output.json_path import at, count, text
from bot.agents.programs.output.parsers.tools import main_argument
from bot.agents.programs.output.reader import Event
from bot.agents.types import ModelUsage


def parse(event: Event, answer: ParsedAnswer) -> None:
    """Parse `gemini --output-format stream-json`."""
    match text(event, "type"):
        case "init":
            answer.session_id = text(event, "session_id")
        case "message" if text(event, "role") == "assistant":
            answer.say(text(event, "content") or "")
        case "tool_use":
            tool, arguments = text(event, "tool_name") or "tool", at(event, "parameters")
            answer.use(text(event, "tool_id"), tool, main_argument(arguments), arguments)
        case "tool_result":
            output = text(event, "output") or text(event, "error", "message")
            failed = text(event, "status") == "error"
            answer.used(text(event, "tool_id"), output, failed=failed)
        case "error":
            message = text(event, "message") or ""
            if text(event, "severity") == "error":
                answer.fail(error_type_of(message), message)
        case "result":
            _result(event, answer)


def _result(event: Event, answer: ParsedAnswer) -> None:
    answer.complete = True
    answer.failure = None
    stats = at(event, "stats")
    answer.input_tokens = count(stats, "input_tokens")
    answer.output_tokens = _output(stats)
    answer.cached_tokens = count(stats, "cached")
    answer.tool_calls = count(stats, "tool_calls")
    models = at(stats, "models")
    if isinstance(models, Mapping) and models:
        # A small model chooses the one that answers; that one has used the most tokens.
        answer.model = max(models, key=lambda name: count(models, name, "total_tokens") or 0)
        answer.models = tuple(
            ModelUsage(
                model=str(name),
                input_tokens=count(usage, "input_tokens") or 0,
                output_tokens=_output(usage) or 0,
                cached_tokens=count(usage, "cached"),
            )
            for name, usage in models.items()
        )
    if text(event, "status") == "error":
        message = text(event, "error", "message") or ""
        answer.fail(error_type_of(message), message)


def _output(stats: object) -> int | None:
    """Return the output tokens with those spent on thinking, which only the total includes."""
    total, read = count(stats, "total_tokens"), count(stats, "input_tokens")
    output = count(stats, "output_tokens")
    if total is None or read is None or output is None:
        return output
    return max(total - read, output)
