"""An agent that repeats its prompt: it needs no program and no key, so that a first turn works."""

from dataclasses import dataclass

from bot.agents.types import Reply, Request


@dataclass(frozen=True, kw_only=True, slots=True)
class EchoProvider:
    """A provider that answers with what it was given."""

    name: str = "echo"
    model: str | None = None

    def answer(self, request: Request) -> Reply:
        return Reply(text=echo(request), provider=self.name)


def echo(request: Request) -> str:
    """Return the prompt, and how many earlier messages and files came with it."""
    prompt = f"You said: {request.prompt}"
    history = _history(len(request.history))
    files = _files([request.name_of(path) for path in request.files])
    return "\n".join(line for line in (prompt, history, files) if line)


def _history(count: int) -> str:
    if count == 0:
        return ""
    return f"I have read {count} earlier message{'' if count == 1 else 's'} of this thread."


def _files(names: list[str]) -> str:
    if not names:
        return ""
    return f"I was given {len(names)} file{'' if len(names) == 1 else 's'}: {', '.join(names)}."
