"""Parse what copilot prints."""

from bot.agents.programs.output.answer import ParsedAnswer
from bot.agents.programs.output.error_types import error_type_of
from bot.agents.programs.output.json_path import at, count, text
from bot.agents.programs.output.parsers.tools import main_argument
from bot.agents.programs.output.reader import Event


def parse(event: Event, answer: ParsedAnswer) -> None:
    """Parse `copilot --output-format json`, which reports tokens only in its telemetry."""
    match text(event, "type"):
        case "assistant.turn_start":
            answer.turns = (answer.turns or 0) + 1
            answer.begin()
        case "assistant.message_delta":
            answer.say(text(event, "data", "deltaContent") or "")
        case "assistant.message":
            _message(event, answer)
        case "tool.execution_start":
            tool, arguments = (
                text(event, "data", "toolName") or "tool",
                at(event, "data", "arguments"),
            )
            answer.use(text(event, "data", "toolCallId"), tool, main_argument(arguments), arguments)
        case "tool.execution_complete":
            failed = at(event, "data", "success") is False
            output = text(event, "data", "result", "content") or text(
                event, "data", "error", "message"
            )
            answer.used(text(event, "data", "toolCallId"), output, failed=failed)
        case "session.error":
            message = text(event, "data", "message") or ""
            status = count(event, "data", "statusCode")
            answer.fail(error_type_of(message, status=status), message)
        case "result":
            answer.complete = not count(event, "exitCode")
            answer.session_id = text(event, "sessionId")


def _message(event: Event, answer: ParsedAnswer) -> None:
    answer.failure = None
    answer.model = text(event, "data", "model") or answer.model
    answer.response_id = text(event, "data", "apiCallId") or answer.response_id
    if not answer.messages[-1]:  # Else its pieces have arrived already.
        answer.say(text(event, "data", "content") or "")
