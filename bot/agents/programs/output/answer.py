"""An agent's answer as its output is parsed: the text so far, and its figures."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from dataclasses import fields as fields_of

from bot.agents.types import TOKENS, ModelUsage, Progress, Reply, Session, ToolStatus, ToolUse
from storage.model.redaction import redact, redact_value

MAX_CHARACTERS = 1_000_000
"""Characters of an answer that are kept."""

TOOL_TEXT = 2_000
"""Characters that are kept of a tool's title, of its arguments and of the end of its result. Fewer
are shown, so that a secret which is cut here cannot be seen."""

WHOLE_IN_TITLE = 50
"""Characters of an argument that a title shows whole."""

MAX_RESULT = 1_000_000
"""Characters of a tool's result. Nothing is shown of a longer one: looking for secrets in it takes
too long."""

Failure = tuple[str, str]
"""An error type of `bot.agents.errors`, and the program's own message."""


@dataclass(kw_only=True, slots=True)
class ParsedAnswer:
    """An answer that grows while the agent works. Figures are those of `Reply`; None is unknown.

    An agent says several messages with tools between them; the last message is its answer.
    """

    on_progress: Callable[[Progress], object]
    started_ns: int = field(default_factory=time.monotonic_ns)
    messages: list[list[str]] = field(default_factory=lambda: [[]])
    """The last message, in the pieces in which it arrives, and the last before it with words."""
    characters: int = 0
    """Of the last message."""
    reported: int = 0
    """Characters of all messages that `on_progress` got: who reads them live needs no more."""
    final_text: str | None = None
    """The answer as the program repeats it at the end, if it does."""
    complete: bool = False
    """The program said that the agent is done."""
    failure: Failure | None = None
    hopeless: bool = False
    """The failure will not pass by waiting."""
    stray: str = ""
    """Lines that are not events: a program that cannot begin may say there why."""

    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cost: int | None = None
    models: tuple[ModelUsage, ...] = ()
    turns: int | None = None
    tool_calls: int | None = None
    first_output_ns: int | None = None
    stop_reason: str | None = None
    response_id: str | None = None
    session_id: str | None = None

    def say(self, piece: str) -> None:
        """Add a piece to the current message."""
        if piece:
            self._note_output()
        # One character more than is kept, so that `text` can tell that there was more.
        piece = piece[: max(MAX_CHARACTERS + 1 - self.characters, 0)]
        if piece:
            self.characters += len(piece)
            self.messages[-1].append(piece)
            self._report(piece)

    def begin(self) -> None:
        """Begin another message."""
        said = self.messages[-1]
        if said:
            earlier = said if "".join(said).strip() else self.messages[0]
            self.messages, self.characters = [earlier, []], 0
            self._report("\n\n")

    def use(
        self, id: str | None, tool: str, what: str | None = None, arguments: object = None
    ) -> None:
        """Note that the agent begins to use a tool, which works on *what*.

        *id* is the program's own, by which it tells the result.
        """
        self._note_output()
        self.tool_calls = (self.tool_calls or 0) + 1
        title = " ".join((f"{tool}: {what}" if what else tool).split())
        use = ToolUse(
            id=id or f"tool {self.tool_calls}",
            title=redact(title)[:TOOL_TEXT],
            details=arguments_text(arguments, shown=what)[:TOOL_TEXT],
        )
        self.on_progress(Progress(tool=use))
        self.begin()

    def used(self, id: str | None, output: str | None, *, failed: bool) -> None:
        """Note that the use of a tool has ended with *output*."""
        output = output or ""
        if len(output) > MAX_RESULT:
            output = f"({len(output):,} characters)"
        kept = redact(output.strip())[-TOOL_TEXT:]
        status: ToolStatus = "error" if failed else "complete"
        if id:
            self.on_progress(Progress(tool=ToolUse(id=id, output=kept, status=status)))

    def spend(
        self, *, input: int | None, output: int | None, cached: int | None, written: int | None
    ) -> None:
        """Add tokens; `input` includes those read from the cache and written to it."""
        for name, more in (
            ("input_tokens", input),
            ("output_tokens", output),
            ("cached_tokens", cached),
            ("cache_write_tokens", written),
        ):
            if more is not None:
                setattr(self, name, (getattr(self, name) or 0) + more)

    def subtract(self, session: Session) -> None:
        """Take off what earlier turns of the session used, if the program told the sum of all."""
        for name in TOKENS:
            total, before = getattr(self, name), getattr(session, name)
            if total is not None and total >= before:
                setattr(self, name, total - before)

    def fail(self, error_type: str, message: str | None, *, hopeless: bool = False) -> None:
        """Note a failure; a later success may clear it."""
        self.failure = (error_type, message or "it does not say why")
        self.hopeless = self.hopeless or hopeless

    def text(self) -> str:
        """Return the agent's answer: the last message that is not blank."""
        messages = ("".join(pieces) for pieces in reversed(self.messages))
        text = self.final_text or next((each for each in messages if each.strip()), "")
        if len(text) <= MAX_CHARACTERS:
            return text.strip()
        return f"{text[:MAX_CHARACTERS].strip()}\n[The answer was longer and is cut here.]"

    def reply(self, *, provider: str, model: str | None, exit_code: int | None) -> Reply:
        """Return the reply; `model` is the configured one, for programs that do not name theirs."""
        figures = {name: getattr(self, name) for name in FIGURES}
        return Reply(
            **figures,
            text=self.text(),
            provider=provider,
            model=self.model or model,
            cost_source=None if self.cost is None else "reported",
            exit_code=exit_code,
        )

    def _report(self, text: str) -> None:
        if self.reported < MAX_CHARACTERS:
            self.reported += len(text)
            self.on_progress(Progress(text=text))

    def _note_output(self) -> None:
        if self.first_output_ns is None:
            self.first_output_ns = time.monotonic_ns() - self.started_ns


FIGURES = ({each.name for each in fields_of(Reply)} - {"model"}) & {
    each.name for each in fields_of(ParsedAnswer)
}
"""The fields that a reply takes from here as they are."""


def arguments_text(arguments: object, *, shown: str | None) -> str:
    """Return a tool's arguments without secrets, a line for each, or the text that they are.

    The argument that the title shows is left out, unless it is too long for a title.
    """
    in_title = shown if shown and len(shown) <= WHOLE_IN_TITLE and "\n" not in shown else None
    if isinstance(arguments, str):
        return "" if arguments == in_title else redact(arguments)
    if not isinstance(arguments, Mapping):
        return ""
    left = {name: value for name, value in arguments.items() if value != in_title}
    return "\n".join(f"{name}: {_argument(value)}" for name, value in redact_value(left).items())


def _argument(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
