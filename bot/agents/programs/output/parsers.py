"""Parse what each agent's program prints: a JSON object on each line.

The formats were read from the programs themselves (tests/support/agents_output has what they
printed): claude 2.1.197, codex 0.169.0, gemini 0.61.0, copilot 1.0.102, opencode 1.18.33.
"""

from collections.abc import Mapping

from bot.agents.programs.output.answer import ParsedAnswer
from bot.agents.programs.output.error_types import error_type_of
from bot.agents.programs.output.json_path import at, count, items, micro_dollars, text
from bot.agents.programs.output.reader import Event
from bot.agents.types import ModelUsage

MAX_RETRIES = 2
"""How often claude may repeat a request whose key was refused; it would do so 10 times."""


def claude(event: Event, answer: ParsedAnswer) -> None:
    """Parse `claude -p --output-format stream-json --verbose --include-partial-messages`."""
    if text(event, "parent_tool_use_id") is not None:  # A subagent talks to claude, not to us.
        return
    answer.session_id = text(event, "session_id") or answer.session_id
    match text(event, "type"):
        case "stream_event":
            answer.say(text(event, "event", "delta", "text") or "")
        case "assistant":
            _claude_message(event, answer)
        case "user":
            _claude_results(event, answer)
        case "system":
            _claude_system(event, answer)
        case "result":
            _claude_result(event, answer)


def _claude_message(event: Event, answer: ParsedAnswer) -> None:
    model = text(event, "message", "model")
    if model == "<synthetic>":  # Written by the program, not by a model: an error.
        return
    answer.model = model or answer.model
    answer.response_id = text(event, "message", "id") or answer.response_id
    for block in items(event, "message", "content"):
        match text(block, "type"):
            case "tool_use":
                tool, arguments = text(block, "name") or "tool", at(block, "input")
                answer.use(text(block, "id"), tool, _main_argument(arguments), arguments)
            case "text" if not answer.messages[-1]:  # Else its pieces have arrived already.
                answer.say(text(block, "text") or "")


def _claude_results(event: Event, answer: ParsedAnswer) -> None:
    for block in items(event, "message", "content"):
        if text(block, "type") == "tool_result":
            output = _result_text(at(block, "content"))
            failed = at(block, "is_error") is True
            answer.used(text(block, "tool_use_id"), output, failed=failed)


def _result_text(content: object) -> str:
    """Return the text of a result: a text itself, or parts that have one."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(filter(None, (text(part, "text") for part in parts)))


def _claude_system(event: Event, answer: ParsedAnswer) -> None:
    if text(event, "subtype") == "init":
        answer.model = text(event, "model")
    if text(event, "subtype") == "api_retry" and text(event, "error") == "authentication_failed":
        tried = count(event, "attempt") or 0
        message = "the API refused its key"
        answer.fail("authentication", message, hopeless=tried > MAX_RETRIES)


def _claude_result(event: Event, answer: ParsedAnswer) -> None:
    answer.complete = True
    answer.failure = None
    _claude_usage(event, answer)
    answer.cost = micro_dollars(event, "total_cost_usd")
    answer.turns = count(event, "num_turns")
    answer.stop_reason = text(event, "stop_reason")
    result = text(event, "result")
    if at(event, "is_error") is not True:
        answer.final_text = result
    elif answer.stop_reason == "refusal":
        answer.fail("refused", result)
    else:
        subtype = text(event, "subtype") or ""
        message = result or subtype
        status = count(event, "api_error_status")
        answer.fail(
            "quota" if "budget" in subtype else error_type_of(message, status=status), message
        )


CLAUDE_USAGE = {
    "input_tokens": "inputTokens",
    "cache_read_input_tokens": "cacheReadInputTokens",
    "cache_creation_input_tokens": "cacheCreationInputTokens",
    "output_tokens": "outputTokens",
}
"""Names of counts in `usage`, which leaves out subagents, and in `modelUsage`, which has all."""


def _claude_usage(event: Event, answer: ParsedAnswer) -> None:
    models = at(event, "modelUsage")
    models = models if isinstance(models, Mapping) else {}
    sums: list[int | None] = []
    for name, of_model in CLAUDE_USAGE.items():
        each = [count(models, model, of_model) for model in models]
        known = [number for number in each if number is not None]
        sums.append(sum(known) if known else count(event, "usage", name))
    fresh, read, written, output = sums
    # Anthropic's input tokens leave out what was read from the cache or written to it.
    parts = (fresh, read, written)
    answer.input_tokens = sum(part or 0 for part in parts) if any_known(parts) else None
    answer.cached_tokens, answer.cache_write_tokens = read, written
    answer.output_tokens = output


def any_known(parts: tuple[int | None, ...]) -> bool:
    return any(part is not None for part in parts)


CODEX_TOOLS = {
    "command_execution": "command",
    "mcp_tool_call": "tool",
    "file_change": None,
    "web_search": "query",
}
"""Type of item → the field that says what the tool works on."""


def codex(event: Event, answer: ParsedAnswer) -> None:
    """Parse `codex exec --json`, which names neither its model nor its cost."""
    match text(event, "type"):
        case "thread.started":
            answer.session_id = text(event, "thread_id")
        case "item.started" | "item.completed":
            _codex_item(event, answer)
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


def _codex_item(event: Event, answer: ParsedAnswer) -> None:
    kind = text(event, "item", "type") or ""
    started = text(event, "type") == "item.started"
    if kind in CODEX_TOOLS:
        # A file change is only announced when it is complete.
        if started or kind == "file_change":
            where = CODEX_TOOLS[kind]
            what = text(event, "item", where) if where else None
            answer.use(text(event, "item", "id"), kind.replace("_", " "), what, _codex_input(event))
        if not started:
            _codex_result(event, answer)
    elif kind == "agent_message" and not started:
        answer.begin()
        answer.say(text(event, "item", "text") or "")


def _codex_input(event: Event) -> object:
    changes = [
        f"{text(change, 'kind') or 'change'} {text(change, 'path') or ''}"
        for change in items(event, "item", "changes")
    ]
    arguments = at(event, "item", "arguments") or text(event, "item", "command")
    return "\n".join(changes) or arguments


def _codex_result(event: Event, answer: ParsedAnswer) -> None:
    item = at(event, "item")
    said = text(item, "aggregated_output") or _result_text(at(item, "result", "content"))
    output = said or text(item, "error", "message")
    failed = text(item, "status") == "failed" or (count(item, "exit_code") or 0) != 0
    answer.used(text(item, "id"), output, failed=failed)


def gemini(event: Event, answer: ParsedAnswer) -> None:
    """Parse `gemini --output-format stream-json`."""
    match text(event, "type"):
        case "init":
            answer.session_id = text(event, "session_id")
        case "message" if text(event, "role") == "assistant":
            answer.say(text(event, "content") or "")
        case "tool_use":
            tool, arguments = text(event, "tool_name") or "tool", at(event, "parameters")
            answer.use(text(event, "tool_id"), tool, _main_argument(arguments), arguments)
        case "tool_result":
            output = text(event, "output") or text(event, "error", "message")
            failed = text(event, "status") == "error"
            answer.used(text(event, "tool_id"), output, failed=failed)
        case "error":
            message = text(event, "message") or ""
            if text(event, "severity") == "error":
                answer.fail(error_type_of(message), message)
        case "result":
            _gemini_result(event, answer)


def _gemini_result(event: Event, answer: ParsedAnswer) -> None:
    answer.complete = True
    answer.failure = None
    stats = at(event, "stats")
    answer.input_tokens = count(stats, "input_tokens")
    answer.output_tokens = _gemini_output(stats)
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
                output_tokens=_gemini_output(usage) or 0,
                cached_tokens=count(usage, "cached"),
            )
            for name, usage in models.items()
        )
    if text(event, "status") == "error":
        message = text(event, "error", "message") or ""
        answer.fail(error_type_of(message), message)


def _gemini_output(stats: object) -> int | None:
    """Return the output tokens with those spent on thinking, which only the total includes."""
    total, read = count(stats, "total_tokens"), count(stats, "input_tokens")
    output = count(stats, "output_tokens")
    if total is None or read is None or output is None:
        return output
    return max(total - read, output)


def copilot(event: Event, answer: ParsedAnswer) -> None:
    """Parse `copilot --output-format json`, which reports tokens only in its telemetry."""
    match text(event, "type"):
        case "assistant.turn_start":
            answer.turns = (answer.turns or 0) + 1
            answer.begin()
        case "assistant.message_delta":
            answer.say(text(event, "data", "deltaContent") or "")
        case "assistant.message":
            _copilot_message(event, answer)
        case "tool.execution_start":
            tool, arguments = (
                text(event, "data", "toolName") or "tool",
                at(event, "data", "arguments"),
            )
            answer.use(
                text(event, "data", "toolCallId"), tool, _main_argument(arguments), arguments
            )
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
            answer.complete = True
            answer.session_id = text(event, "sessionId")


def _copilot_message(event: Event, answer: ParsedAnswer) -> None:
    answer.failure = None
    answer.model = text(event, "data", "model") or answer.model
    answer.response_id = text(event, "data", "apiCallId") or answer.response_id
    if not answer.messages[-1]:  # Else its pieces have arrived already.
        answer.say(text(event, "data", "content") or "")


def opencode(event: Event, answer: ParsedAnswer) -> None:
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
            _opencode_tool(part, answer)
        case "step_finish":
            _opencode_step(part, answer)
        case "error":
            message = text(event, "error", "data", "message") or text(event, "error", "name") or ""
            status = count(event, "error", "data", "statusCode")
            answer.fail(error_type_of(message, status=status), message)


def _opencode_tool(part: object, answer: ParsedAnswer) -> None:
    """Note a tool, which is told of once it has been used."""
    id, state = text(part, "callID"), at(part, "state")
    answer.use(id, text(part, "tool") or "tool", text(state, "title"), at(state, "input"))
    output = text(state, "output") or text(state, "error")
    answer.used(id, output, failed=text(state, "status") == "error")


def _opencode_step(part: object, answer: ParsedAnswer) -> None:
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


MAIN_ARGUMENTS = ("command", "cmd", "file_path", "path", "pattern", "query", "url", "description")


def _main_argument(arguments: object) -> str | None:
    """Return what a tool works on: the first text argument of `MAIN_ARGUMENTS`."""
    return next((found for name in MAIN_ARGUMENTS if (found := text(arguments, name))), None)
