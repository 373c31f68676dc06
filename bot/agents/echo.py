"""The agent that needs nothing: it says what it was told, so that a first turn can be seen."""

from dataclasses import dataclass

from bot.agents.types import Reply, Request


@dataclass(frozen=True, kw_only=True, slots=True)
class EchoProvider:
    name: str = "echo"
    model: str | None = None

    def answer(self, request: Request) -> Reply:
        return Reply(text=echo(request), provider=self.name)


def echo(request: Request) -> str:
    told = f"You said: {request.prompt}"
    earlier = _earlier(len(request.history))
    files = _files([path.name for path in request.files])
    return "\n".join(line for line in (told, earlier, files) if line)


def _earlier(count: int) -> str:
    if count == 0:
        return ""
    return f"I have read {count} earlier message{'' if count == 1 else 's'} of this thread."


def _files(names: list[str]) -> str:
    if not names:
        return ""
    return f"I was given {len(names)} file{'' if len(names) == 1 else 's'}: {', '.join(names)}."
