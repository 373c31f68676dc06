"""`tracebot`: the same words as `/trace`, and what only a shell has."""

import sys
from collections.abc import Sequence
from typing import NoReturn

EXIT_DONE, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    sys.exit(tracebot(sys.argv[1:] if arguments is None else list(arguments)))


def tracebot(arguments: list[str]) -> int:
    """Do what the words say; the exit code: 0 done, 1 failed or not there, 2 no sense."""
    if arguments[:1] == ["run"]:
        # Before anything else is imported: the command should not wait for us.
        from bot.run import main as run

        return run(arguments[1:])
    return 2
