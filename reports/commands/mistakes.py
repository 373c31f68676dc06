"""Say of a command that makes no sense what to write instead."""

import argparse
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from reports.errors import UsageError


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `UsageError` instead of printing and exiting."""

    def __init__(self, **options: Any) -> None:
        # Then argparse raises for a wrong value. For other mistakes it calls `error`.
        super().__init__(**options, exit_on_error=False)

    def error(self, message: str) -> NoReturn:
        raise refusal(message, self.prog)


def refusal(message: str, prog: str) -> UsageError:
    """Turn a message of argparse into a sentence that suggests what to write instead.

    `prog` is the program, and the command if one was named. argparse's exceptions say only in their
    message which word was wrong.
    """
    import difflib  # Here, because most commands make sense and need not wait for it.

    choice = r"argument (\S+): invalid choice: '([^']*)' \(choose from (.*)\)"
    if match := re.search(choice, message):
        argument, word, choices = *match.groups()[:2], re.findall(r"[\w-]+", match.group(3))
        program, first, *_ = [*prog.split(), ""]
        if argument == "COMMAND" and first.startswith("-"):
            return before_command(program, first)
        if argument == "COMMAND" and program != "tracebot" and word in SHELL_ONLY:
            return UsageError(f"{word} works only in a shell: tracebot {word}.", word=word)
        if argument == "COMMAND":
            return UsageError(
                f"{word} is not a command: {_command_like(word, choices, prog.split()[0])}",
                word=word,
            )
        close = difflib.get_close_matches(word, choices, n=1)
        hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(choices)}."
        return UsageError(f"{word} is not a value of {argument}: {hint}", word=word)
    program, *command = prog.split()
    hint = f"see {' '.join((program, 'help', *command))}."
    if match := re.fullmatch(r"argument (\S+): ignored explicit argument '(.*)'", message):
        return UsageError(f"{match[1]} takes no value: leave out ={match[2]}.")
    if match := re.fullmatch(r"argument (\S+): expected one argument", message):
        return UsageError(f"{match[1]} needs a value: {hint}", word=match[1])
    if match := re.fullmatch(r"the following arguments are required: (.*)", message):
        # A shell shows the program's name before each mistake.
        missing = match[1].replace(", ", " and ")
        return UsageError(f"{prog.removeprefix('tracebot ')} needs {missing}: {hint}")
    return UsageError(f"{message[:1].upper()}{message[1:]}: {hint}")


def before_command(program: str, option: str, command: str = "COMMAND") -> UsageError:
    """Refuse an option that stands before the command."""
    return UsageError(
        f"{option} stands before the command: write {program} {command} {option}.", word=option
    )


ELSEWHERE = {
    **dict.fromkeys(("list", "traces", "history", "dir"), "ls"),
    **dict.fromkeys(("tail", "watch", "follow"), "ls --follow"),
    **dict.fromkeys(("top", "jobs", "running"), "ps"),
    **dict.fromkeys(("kill", "stop", "abort"), "cancel"),
    **dict.fromkeys(("get", "view", "open", "trace", "inspect"), "show"),
    **dict.fromkeys(("find", "grep"), "search"),
    **dict.fromkeys(("ask", "chat", "prompt"), "query"),
    **dict.fromkeys(("start", "up", "bot", "server"), "serve"),
    **dict.fromkeys(("login", "auth", "setup", "config", "connect", "install"), "init"),
    **dict.fromkeys(("status", "ping"), "health"),
    **dict.fromkeys(("rm", "delete", "prune", "gc", "vacuum"), "clean"),
    **dict.fromkeys(("exec", "wrap", "record"), "run"),
    **dict.fromkeys(("export", "dump"), "ls --json"),
    **dict.fromkeys(("spend", "usage", "price", "prices"), "cost"),
    "version": "--version",
    "check": "doctor",
}
"""Commands of other tools, and what does the same here."""

SHELL_ONLY = (
    *("run", "query", "agents", "import", "init", "serve", "collect", "demo", "doctor"),
    *("checkpoint", "clean", "backup", "restore", "move", "rehearse", "completion"),
)
"""The commands that Slack does not have."""

SQL = ("sql", "sqlite", "sqlite3", "db", "database", "datasette")


def _command_like(word: str, commands: Sequence[str], prog: str) -> str:
    """Say what to write instead of a word that is not a command."""
    import difflib

    in_shell = prog == "tracebot"
    if in_shell and word in SQL:
        return "the database opens in sqlite-utils and Datasette, tracebot health says where it is."
    known = ELSEWHERE.get(word.lower(), "")
    if known.split()[:1] and (known.split()[0] in commands or (in_shell and known[0] == "-")):
        return f"did you mean {known}?"
    close = difflib.get_close_matches(word.lower(), commands, n=1, cutoff=0.65)
    return f"did you mean {close[0]}?" if close else f"see {prog} help."


SIMILAR: Mapping[str, Sequence[str]] = {
    "csv": ("tsv",),
    **dict.fromkeys(("count", "max", "lines"), ("limit",)),
    "last": ("limit", "since"),
    **dict.fromkeys(("from", "period", "days", "range"), ("since",)),
    **dict.fromkeys(("tail", "f"), ("follow",)),
    **dict.fromkeys(("v", "ver"), ("version",)),
    "m": ("mode",),
}
"""Options of other tools, and ours that do the same: the first of them that the command has."""


def option_like(word: str, parser: Parser, command: str | None) -> str | None:
    """Return the option of a command that somebody probably meant."""
    import difflib

    if not word.startswith("-"):  # `stats by agent`
        return word if f"--{word}" in _options(parser, command) else None
    # Without the dashes, which would make all short options alike.
    options = [each[2:] for each in _options(parser, command) if each.startswith("--")]
    name = word.partition("=")[0].lstrip("-")
    if same := [each for each in SIMILAR.get(name, ()) if each in options]:
        return same[0]
    return next(iter(difflib.get_close_matches(name, options, n=1, cutoff=0.75)), None)


BEHIND = {"move": "--to", "clean": "--older-than", "rehearse": "--agents", "forget": "--user"}
"""Commands that take no word by itself, and the option whose value such a word probably is."""


def option_left_out(word: str, parser: Parser, command: str) -> UsageError | None:
    """Say which option is missing before a word, None if that is not known.

    What has a secret in it, such as a URL with a password, is not repeated.
    """
    if word.startswith("-"):  # An option that the command does not have.
        return None
    options = _options(parser, command)
    is_database = "://" in word or word.endswith(".db")
    option = BEHIND.get(command, "--database" if is_database else "")
    for name, each in options.items():
        if each.choices and word in each.choices:
            option = name
    action = options.get(option)
    if action is None:
        return None
    from storage.model.redaction import redact

    # Some passwords look like examples of one, which are kept elsewhere: `ann:secret@host`.
    is_secret = redact(word) != word or re.search("://[^/@]*:.*@", word) is not None
    value = action.metavar if is_secret else shlex.quote(word)
    return UsageError(
        f"{option} is missing: write {parser.prog} {command} {option} {value}.",
        word="" if is_secret else word,
    )


def _options(parser: Parser, command: str | None) -> Mapping[str, argparse.Action]:
    """Return the options of a command; of the program if it is None."""
    for action in parser._actions if command else ():
        if isinstance(action.choices, dict):  # argparse's subparsers.
            parser = action.choices[command]
    return parser._option_string_actions
