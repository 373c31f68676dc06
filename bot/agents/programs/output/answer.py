"""An agent's answer as its output is parsed: the text so far, and its figures."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from dataclasses import fields as fields_of

from bot.agents.types import TOKENS, Progress, Reply, Session
from storage.model.redaction import redact

MAX_CHARACTERS = 1_000_000
"""Characters of an answer that are kept."""

TOOL_LINE = 100
"""Characters of the line that shows the use of a tool."""

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
    """Each message in the pieces in which it arrived."""
    characters: int = 0
    final_text: str | None = None
    """The answer as the program repeats it at the end, if it does."""
    complete: bool = False
    """The program said that the agent is done."""
    failure: Failure | None = None
    hopeless: bool = False
    """The failure will not pass by waiting."""

    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost: int | None = None
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
            self.on_progress(Progress(text=piece))

    def begin(self) -> None:
        """Begin another message."""
        if self.messages[-1]:
            self.messages.append([])
            self.on_progress(Progress(text="\n\n"))

    def use(self, tool: str, what: str | None = None) -> None:
        """Note that the agent begins to use a tool; the line that shows it has no secrets."""
        self._note_output()
        self.tool_calls = (self.tool_calls or 0) + 1
        line = f"{tool}: {what}" if what else tool
        self.on_progress(Progress(tool=redact(" ".join(line.split()))[:TOOL_LINE]))
        self.begin()

    def spend(self, *, input: int | None, output: int | None, cached: int | None) -> None:
        """Add tokens; `input` includes the cached ones."""
        for name, more in (("input", input), ("output", output), ("cached", cached)):
            if more is not None:
                field_name = f"{name}_tokens"
                setattr(self, field_name, (getattr(self, field_name) or 0) + more)

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
        if len(text) <= MAX_CHARACTERS and self.characters <= MAX_CHARACTERS:
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

    def _note_output(self) -> None:
        if self.first_output_ns is None:
            self.first_output_ns = time.monotonic_ns() - self.started_ns


FIGURES = ({each.name for each in fields_of(Reply)} - {"model"}) & {
    each.name for each in fields_of(ParsedAnswer)
}
"""The fields that a reply takes from here as they are."""
