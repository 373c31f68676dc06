"""Read what programs tell of the tools that their agents use."""

from bot.agents.programs.output.json_path import text

MAIN_ARGUMENTS = ("command", "cmd", "file_path", "path", "pattern", "query", "url", "description")


def main_argument(arguments: object) -> str | None:
    """Return what a tool works on: the first text argument of `MAIN_ARGUMENTS`."""
    return next((found for name in MAIN_ARGUMENTS if (found := text(arguments, name))), None)


def result_text(content: object) -> str:
    """Return the text of a result: a text itself, or parts that have one."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(filter(None, (text(part, "text") for part in parts)))
