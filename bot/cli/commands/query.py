"""`tracebot query "@claude …" "@codex …"`: several agents at once from a shell."""

import json
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bot.agents.cancellation import Cancellation
from bot.agents.config.roster import Roster
from bot.agents.parallel import AgentQuery, QueryResult, query
from bot.agents.types import Mode, Request
from bot.cli.agents_file import load_agents
from bot.cli.commands.signals import Interrupted, interruptible
from bot.cli.exit_codes import DONE, FAILED, INTERRUPTED
from bot.settings import load_settings
from bot.turns.agent_mentions import addressed, missed_message
from reports import formatting
from reports.errors import UsageError
from reports.formatting import visible, visible_json, without_controls
from storage import Observability
from storage.model.redaction import redact

UNKNOWN = re.compile(r"@[\w-]+(?=[\s,:]|$)")
"""A name with which a question begins, although no agent has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions:
    """The arguments of `query`. Each text is a question to the agents that it mentions."""

    texts: Sequence[str]
    mode: Mode
    timeout_s: float | None
    as_json: bool
    database: str | None


def run_query(options: QueryOptions) -> int:
    """Print the answers; 1 if an agent gave none. Raises `UsageError` and `RosterError`."""
    settings = load_settings()
    roster = load_agents(settings, database=options.database or "")
    if settings.agents is None:
        sys.stderr.write(
            "tracebot: No agents file is set, so echo answers: tracebot init writes one with the "
            "agents on this machine, or set TRACEBOT_AGENTS to yours.\n"
        )
    cancellation = Cancellation()
    questions = list(_questions(options, roster, cancellation, settings.captured))
    with Observability.open(
        options.database or settings.database_url or None,
        platform="cli",
        busy_timeout_ms=settings.busy_timeout_ms,
    ) as observability:
        limit_s = options.timeout_s or 0
        timer = threading.Timer(limit_s, cancellation.cancel, [f"--timeout {limit_s:g}"])
        timer.daemon = True
        if options.timeout_s is not None:
            timer.start()
        try:
            with interruptible():
                answers = query(questions, observability=observability)
        except Interrupted as interrupted:
            return interrupted.exit_code
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            timer.cancel()
    sys.stdout.write(_as_json(answers) if options.as_json else visible(_as_text(answers)))
    return DONE if all(answer.reply for answer in answers) else FAILED


def _questions(
    options: QueryOptions,
    roster: Roster,
    cancellation: Cancellation,
    captured: Callable[[str], str | None],
) -> Iterator[AgentQuery]:
    for text in options.texts:
        named = addressed(sys.stdin.read() if text == "-" else text, roster.names)
        if not named.prompt:
            place = "stdin" if text == "-" else repr(text)
            raise UsageError(f'{place} has no question: write "@{roster.default} what is new?"')
        asked = named.agents or (roster.default,)
        if named.misses:
            sys.stderr.write(f"tracebot: {missed_message(named.misses, asked)}\n")
        elif not named.agents and (unknown := UNKNOWN.match(named.prompt)):
            sys.stderr.write(
                f"tracebot: There is no agent {unknown[0]}: {roster.default} is asked. tracebot "
                "agents lists them.\n"
            )
        for name in asked:
            agent = roster.agent(name)
            if options.mode == "execute" and agent.mode == "query":
                raise UsageError(
                    f'{name} may only read: set mode = "execute" in the agents file to let it '
                    "change files."
                )
            request = Request(
                prompt=named.prompt,
                mode=options.mode,
                platform="cli",
                cancellation=cancellation,
                captured=captured,
            )
            yield AgentQuery(agent=agent, request=request)


def _as_text(answers: Sequence[QueryResult]) -> str:
    """Return each answer below a line about its agent, and how to show the trace."""
    parts = [f"{_heading(answer)}\n{_said(answer)}\n" for answer in answers]
    parts.append(f"tracebot show {answers[0].trace_id}\n")
    return "\n".join(parts)


def _heading(answer: QueryResult) -> str:
    facts = [answer.agent, formatting.duration(answer.duration_ns)]
    if reply := answer.reply:
        facts.append(reply.provider if reply.provider != answer.agent else "")
        facts.append(formatting.token_pair(reply.input_tokens, reply.output_tokens))
        facts.append("" if reply.cost is None else formatting.cost(reply.cost))
    return " · ".join(filter(None, facts))


def _said(answer: QueryResult) -> str:
    if answer.reply is not None:
        return without_controls(answer.reply.text).strip()
    assert answer.error is not None
    return f"No answer ({answer.error.error_type}): {redact(answer.error.message)}"


def _as_json(answers: Sequence[QueryResult]) -> str:
    found = {"trace_id": answers[0].trace_id, "answers": [_as_object(each) for each in answers]}
    return visible_json(json.dumps(found, ensure_ascii=False, indent=2)) + "\n"


def _as_object(answer: QueryResult) -> dict[str, Any]:
    reply, error = answer.reply, answer.error
    return {
        "agent": answer.agent,
        "text": reply and reply.text,
        "provider": reply and reply.provider,
        "model": reply and reply.model,
        "duration_ms": answer.duration_ns / 1e6,
        "input_tokens": reply and reply.input_tokens,
        "output_tokens": reply and reply.output_tokens,
        "cached_tokens": reply and reply.cached_tokens,
        "cost_usd": None if reply is None or reply.cost is None else reply.cost / 1e6,
        "error": error and {"type": error.error_type, "message": redact(error.message)},
    }
