"""Write the prompt of a program: instructions, the thread, the files, and the question once."""

from bot.agents.types import HistoryMessage, Request


def render(request: Request) -> str:
    """Return the prompt, alone if there is no context."""
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
    # Indented, so that a line of somebody's text cannot pass for a message of another author.
    return f"{message.author}: " + message.text.replace("\n", "\n    ")


def _files(request: Request) -> str:
    if not request.files:
        return ""
    return "\n".join(["Files that came with this message:", *map(str, request.files)])
