"""Parse what codex prints."""

from bot.agents.programs.output.answer import ParsedAnswer
from bot.agents.programs.output.error_types import error_type_of
from bot.agents.programs.output.json_path import at, count, items, text
from bot.agents.programs.output.parsers.tools import result_text
from bot.agents.programs.output.reader import Event

TOOLS = {
    "command_execution": "command",
    "mcp_tool_call": "tool",
    "file_change": None,
    "web_search": "query",
}
"""Type of item → the field that says what the tool works on."""


def parse(event: Event, answer: ParsedAnswer) -> None:
    """Parse `codex exec --json`, which names neither its model nor its cost."""
    match text(event, "type"):
        case "thread.started":
            answer.session_id = text(event, "thread_id")
        case "item.started" | "item.completed":
            _item(event, answer)
        case "turn.completed":
            answer.complete = True
            answer.failure = None
            # Each is the sum of the whole session so far.
            answer.input_tokens = count(event, "usage", "input_tokens")
            answer.output_tokens = count(event, "usage", "output_tokens")
            answer.cached_tokens = count(event, "usage", "cached_input_tokens")
        case "turn.failed":
            answer.complete = True
            message = text(event, "error", "message") or ""
            answer.fail(error_type_of(message), message)
        case "error":  # It may continue after one.
            message = text(event, "message") or ""
            answer.fail(error_type_of(message), message)


def _item(event: Event, answer: ParsedAnswer) -> None:
    kind = text(event, "item", "type") or ""
    started = text(event, "type") == "item.started"
    if kind in TOOLS:
        # A file change is only announced when it is complete.
        if started or kind == "file_change":
            where = TOOLS[kind]
            what = text(event, "item", where) if where else None
            answer.use(text(event, "item", "id"), kind.replace("_", " "), what, _input(event))
        if not started:
            _result(event, answer)
    elif kind == "agent_message" and not started:
        answer.begin()
        answer.say(text(event, "item", "text") or "")


def _input(event: Event) -> object:
    changes = [
        f"{text(change, 'kind') or 'change'} {text(change, 'path') or ''}"
        for change in items(event, "item", "changes")
    ]
    arguments = at(event, "item", "arguments") or text(event, "item", "command")
    return "\n".join(changes) or arguments


def _result(event: Event, answer: ParsedAnswer) -> None:
    item = at(event, "item")
    said = text(item, "aggregated_output") or result_text(at(item, "result", "content"))
    output = said or text(item, "error", "message")
    failed = text(item, "status") == "failed" or (count(item, "exit_code") or 0) != 0
    answer.used(text(item, "id"), output, failed=failed)
