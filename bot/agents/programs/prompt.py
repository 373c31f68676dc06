"""Write the prompt of a program: instructions, the thread, the files, and the question once."""

from collections.abc import Iterator

from bot.agents.types import Request, time_of


def render(request: Request) -> str:
    """Return the prompt, alone if there is no context."""
    parts = [request.instructions.strip(), _history(request), _files(request)]
    context = [part for part in parts if part]
    if not context:
        return request.prompt
    return "\n\n".join([*context, f"Answer this message{_asked(request)}:", request.prompt])


def fitting(prompt: bytes, most: int) -> bytes:
    """Return a prompt in UTF-8, without its middle if it has more than *most* bytes.

    The agent's instructions are at the beginning, and the question is at the end.
    """
    if len(prompt) <= most:
        return prompt
    note = b"\n[... The middle of this text is left out here, because it is too long ...]\n"
    end = (most - len(note)) * 3 // 4
    parts = prompt[: most - len(note) - end], prompt[-end:]
    # A cut may fall within a character, whose rest is ignored.
    head, tail = (part.decode("utf-8", "ignore").encode() for part in parts)
    return head + note + tail


def _history(request: Request) -> str:
    history = request.history
    if not history:
        return ""
    heading = "The conversation so far:" if request.session is None else "Since your last answer:"
    return "\n".join([heading, *(message.line for message in history)])


def _asked(request: Request) -> str:
    """Return who asks and when, as far as it is known."""
    by = f" by {request.author}" if request.author else ""
    when = f" ({time})" if (time := time_of(request.ts)) else ""
    return f"{by}{when}"


def _files(request: Request) -> str:
    if not request.files:
        return ""
    return "\n".join(["Files of this conversation:", *_file_lines(request)])


def _file_lines(request: Request) -> Iterator[str]:
    for path in request.files:
        name = request.name_of(path)
        yield str(path) if name == path.name else f"{path} ({name})"
