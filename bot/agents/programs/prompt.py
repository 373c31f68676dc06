"""What a text-in, text-out agent is given: who it is, the thread, the files, the question, once."""

from bot.agents.types import HistoryMessage, Request


def render(request: Request) -> str:
    """The prompt alone where there is nothing else to know."""
    parts = [request.instructions.strip(), _history(request.history), _files(request)]
    context = [part for part in parts if part]
    if not context:
        return request.prompt
    return "\n\n".join([*context, "Answer this message:", request.prompt])


def _history(history: tuple[HistoryMessage, ...]) -> str:
    if not history:
        return ""
    return "\n".join(["The conversation so far:", *(_line(message) for message in history)])


def _line(message: HistoryMessage) -> str:
    # Indented, so that a line of somebody's text cannot pass for another author's.
    return f"{message.author}: " + message.text.replace("\n", "\n    ")


def _files(request: Request) -> str:
    if not request.files:
        return ""
    return "\n".join(["Files that came with this message:", *map(str, request.files)])
