"""Parse what opencode prints."""

from bot.agents.programs.output.answer import ParsedAnswer
from bot.agents.programs.output.error_types import error_type_of
from bot.agents.programs.output.json_path import any_known, at, count, micro_dollars, text
from bot.agents.programs.output.reader import Event


def parse(event: Event, answer: ParsedAnswer) -> None:
    """Parse `opencode run --format json`, which does not name its model."""
    answer.session_id = text(event, "sessionID") or answer.session_id
    part = at(event, "part")
    match text(event, "type"):
        case "step_start":
            answer.turns = (answer.turns or 0) + 1
            answer.begin()
        case "text":
            answer.say(text(part, "text") or "")
        case "tool_use":
            _tool(part, answer)
        case "step_finish":
            _step(part, answer)
        case "error":
            message = text(event, "error", "data", "message") or text(event, "error", "name") or ""
            status = count(event, "error", "data", "statusCode")
            answer.fail(error_type_of(message, status=status), message)


def _tool(part: object, answer: ParsedAnswer) -> None:
    """Note a tool, which is told of once it has been used."""
    id, state = text(part, "callID"), at(part, "state")
    answer.use(id, text(part, "tool") or "tool", text(state, "title"), at(state, "input"))
    output = text(state, "output") or text(state, "error")
    answer.used(id, output, failed=text(state, "status") == "error")


def _step(part: object, answer: ParsedAnswer) -> None:
    answer.stop_reason = text(part, "reason")
    answer.complete = answer.stop_reason != "tool-calls"
    answer.failure = None
    tokens = at(part, "tokens")
    read, written = count(tokens, "cache", "read"), count(tokens, "cache", "write")
    parts = (count(tokens, "input"), read, written)
    output = (count(tokens, "output"), count(tokens, "reasoning"))
    answer.spend(
        input=sum(each or 0 for each in parts) if any_known(parts) else None,
        output=sum(each or 0 for each in output) if any_known(output) else None,
        cached=read,
        written=written,
    )
    # It reports 0 for a model whose price it does not know.
    if spent := micro_dollars(part, "cost"):
        answer.cost = (answer.cost or 0) + spent
