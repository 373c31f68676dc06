"""How each agent's program says what it does: one JSON object a line.

Read from the programs themselves (tests/agents_output has what they printed): claude 2.1.197,
codex 0.169.0, gemini 0.61.0, copilot 1.0.102, opencode 1.18.33.
"""

from collections.abc import Mapping

from bot.agents.programs.output.answer import ParsedAnswer
from bot.agents.programs.output.error_types import error_type_of
from bot.agents.programs.output.json_path import at, count, items, micro_dollars, text
from bot.agents.programs.output.reader import Event

PATIENCE = 2
"""How often claude may try again where it was refused as a stranger; it would try 10 times."""


def claude(event: Event, heard: ParsedAnswer) -> None:
    """`claude -p --output-format stream-json --verbose --include-partial-messages`."""
    if text(event, "parent_tool_use_id") is not None:  # What an agent of its own says to it.
        return
    heard.session_id = text(event, "session_id") or heard.session_id
    match text(event, "type"):
        case "stream_event":
            heard.say(text(event, "event", "delta", "text") or "")
        case "assistant":
            _claude_message(event, heard)
        case "system":
            _claude_system(event, heard)
        case "result":
            _claude_result(event, heard)


def _claude_message(event: Event, heard: ParsedAnswer) -> None:
    model = text(event, "message", "model")
    if model == "<synthetic>":  # Claude's own words, about an error.
        return
    heard.model = model or heard.model
    heard.response_id = text(event, "message", "id") or heard.response_id
    for block in items(event, "message", "content"):
        match text(block, "type"):
            case "tool_use":
                heard.use(text(block, "name") or "tool", _main_argument(at(block, "input")))
            case "text" if not heard.messages[-1]:  # Else it came in pieces before.
                heard.say(text(block, "text") or "")


def _claude_system(event: Event, heard: ParsedAnswer) -> None:
    if text(event, "subtype") == "init":
        heard.model = text(event, "model")
    if text(event, "subtype") == "api_retry" and text(event, "error") == "authentication_failed":
        tried = count(event, "attempt") or 0
        message = "the API does not know its key"
        heard.fail("authentication", message, hopeless=tried > PATIENCE)


def _claude_result(event: Event, heard: ParsedAnswer) -> None:
    heard.complete = True
    heard.failure = None
    usage = at(event, "usage")
    cached = count(usage, "cache_read_input_tokens")
    parts = (count(usage, "input_tokens"), cached, count(usage, "cache_creation_input_tokens"))
    # Anthropic's input_tokens leave out what was read from the cache, or written to it.
    heard.input_tokens = sum(part or 0 for part in parts) if any_known(parts) else None
    heard.cached_tokens = cached
    heard.output_tokens = count(usage, "output_tokens")
    heard.cost = micro_dollars(event, "total_cost_usd")
    heard.turns = count(event, "num_turns")
    heard.stop_reason = text(event, "stop_reason")
    result = text(event, "result")
    if at(event, "is_error") is not True:
        heard.answer = result
    elif heard.stop_reason == "refusal":
        heard.fail("refused", result)
    else:
        subtype = text(event, "subtype") or ""
        message = result or subtype
        status = count(event, "api_error_status")
        heard.fail(
            "quota" if "budget" in subtype else error_type_of(message, status=status), message
        )


def any_known(parts: tuple[int | None, ...]) -> bool:
    return any(part is not None for part in parts)


CODEX_TOOLS = {
    "command_execution": "command",
    "mcp_tool_call": "tool",
    "file_change": None,
    "web_search": "query",
}
"""Type of item → where it says what it does."""


def codex(event: Event, heard: ParsedAnswer) -> None:
    """`codex exec --json`. It neither names its model nor its cost."""
    match text(event, "type"):
        case "thread.started":
            heard.session_id = text(event, "thread_id")
        case "item.started" | "item.completed":
            _codex_item(event, heard)
        case "turn.completed":
            heard.complete = True
            heard.failure = None
            heard.spend(
                input=count(event, "usage", "input_tokens"),
                output=count(event, "usage", "output_tokens"),
                cached=count(event, "usage", "cached_input_tokens"),
            )
        case "turn.failed":
            heard.complete = True
            message = text(event, "error", "message") or ""
            heard.fail(error_type_of(message), message)
        case "error":  # It may go on after one.
            message = text(event, "message") or ""
            heard.fail(error_type_of(message), message)


def _codex_item(event: Event, heard: ParsedAnswer) -> None:
    kind = text(event, "item", "type") or ""
    started = text(event, "type") == "item.started"
    if kind in CODEX_TOOLS:
        # What changes files has no beginning of its own.
        if started or kind == "file_change":
            where = CODEX_TOOLS[kind]
            heard.use(kind.replace("_", " "), text(event, "item", where) if where else None)
    elif kind == "agent_message" and not started:
        heard.begin()
        heard.say(text(event, "item", "text") or "")


def gemini(event: Event, heard: ParsedAnswer) -> None:
    """`gemini --output-format stream-json`."""
    match text(event, "type"):
        case "init":
            heard.session_id = text(event, "session_id")
        case "message" if text(event, "role") == "assistant":
            heard.say(text(event, "content") or "")
        case "tool_use":
            name = text(event, "tool_name") or "tool"
            heard.use(name, _main_argument(at(event, "parameters")))
        case "error":
            message = text(event, "message") or ""
            if text(event, "severity") == "error":
                heard.fail(error_type_of(message), message)
        case "result":
            _gemini_result(event, heard)


def _gemini_result(event: Event, heard: ParsedAnswer) -> None:
    heard.complete = True
    heard.failure = None
    heard.input_tokens = count(event, "stats", "input_tokens")
    heard.output_tokens = count(event, "stats", "output_tokens")
    heard.cached_tokens = count(event, "stats", "cached")
    heard.tool_calls = count(event, "stats", "tool_calls")
    models = at(event, "stats", "models")
    if isinstance(models, Mapping) and models:
        # It asks a small model which one to ask; the one that worked has the most tokens.
        heard.model = max(models, key=lambda name: count(models, name, "total_tokens") or 0)
    if text(event, "status") == "error":
        message = text(event, "error", "message") or ""
        heard.fail(error_type_of(message), message)


def copilot(event: Event, heard: ParsedAnswer) -> None:
    """`copilot --output-format json`. It tells tokens only in its telemetry."""
    match text(event, "type"):
        case "assistant.turn_start":
            heard.turns = (heard.turns or 0) + 1
            heard.begin()
        case "assistant.message_delta":
            heard.say(text(event, "data", "deltaContent") or "")
        case "assistant.message":
            _copilot_message(event, heard)
        case "tool.execution_start":
            name = text(event, "data", "toolName") or "tool"
            heard.use(name, _main_argument(at(event, "data", "arguments")))
        case "session.error":
            message = text(event, "data", "message") or ""
            status = count(event, "data", "statusCode")
            heard.fail(error_type_of(message, status=status), message)
        case "result":
            heard.complete = True
            heard.session_id = text(event, "sessionId")


def _copilot_message(event: Event, heard: ParsedAnswer) -> None:
    heard.failure = None
    heard.model = text(event, "data", "model") or heard.model
    heard.response_id = text(event, "data", "apiCallId") or heard.response_id
    if not heard.messages[-1]:  # Else it came in pieces before.
        heard.say(text(event, "data", "content") or "")


def opencode(event: Event, heard: ParsedAnswer) -> None:
    """`opencode run --format json`. It does not name its model."""
    heard.session_id = text(event, "sessionID") or heard.session_id
    part = at(event, "part")
    match text(event, "type"):
        case "step_start":
            heard.turns = (heard.turns or 0) + 1
            heard.begin()
        case "text":
            heard.say(text(part, "text") or "")
        case "tool_use":
            heard.use(text(part, "tool") or "tool", text(part, "state", "title"))
        case "step_finish":
            _opencode_step(part, heard)
        case "error":
            message = text(event, "error", "data", "message") or text(event, "error", "name") or ""
            status = count(event, "error", "data", "statusCode")
            heard.fail(error_type_of(message, status=status), message)


def _opencode_step(part: object, heard: ParsedAnswer) -> None:
    heard.stop_reason = text(part, "reason")
    heard.complete = heard.stop_reason != "tool-calls"
    heard.failure = None
    tokens = at(part, "tokens")
    read, written = count(tokens, "cache", "read"), count(tokens, "cache", "write")
    parts = (count(tokens, "input"), read, written)
    output = (count(tokens, "output"), count(tokens, "reasoning"))
    heard.spend(
        input=sum(each or 0 for each in parts) if any_known(parts) else None,
        output=sum(each or 0 for each in output) if any_known(output) else None,
        cached=read,
    )
    # It says 0 for a model whose price it does not know.
    if spent := micro_dollars(part, "cost"):
        heard.cost = (heard.cost or 0) + spent


MAIN_ARGUMENTS = ("command", "cmd", "file_path", "path", "pattern", "query", "url", "description")


def _main_argument(arguments: object) -> str | None:
    """What a tool is to work on, in a few words."""
    return next((found for name in MAIN_ARGUMENTS if (found := text(arguments, name))), None)
