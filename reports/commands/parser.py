"""Parse commands, which are the same in Slack and in a shell."""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

from reports.commands.typed import split_shell, take_filters
from reports.errors import UsageError
from reports.units import parse_duration

DIMENSIONS = ("agent", "provider", "model", "platform", "channel", "user", "decision", "hour")
"""The values of `stats --by`."""
STATUSES = ("running", "ok", "error", "timeout", "cancelled", "abandoned")
"""The values of `ls --status`: those of `storage.model.span.Status`."""
PLATFORMS = ("slack", "cli", "mcp", "otlp")
"""The values of `ls --platform`: where a trace began."""

DATABASE = "instead of the one in TRACEBOT_DATABASE_URL"
"""The help of `--database`."""
SLACK_PAGE = 10
"""Traces on one page in Slack: more would not fit into a message. A button shows the next page."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `UsageError` instead of printing and exiting."""

    def __init__(self, **options: Any) -> None:
        # Keeps the lines of the examples apart.
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        # Then argparse raises for a wrong value. For other mistakes it calls `error`.
        super().__init__(**options, exit_on_error=False)

    def error(self, message: str) -> NoReturn:
        raise UsageError(_sentence(message, self.prog))


def _sentence(message: str, prog: str) -> str:
    """Turn a message of argparse into a sentence that suggests what to write instead.

    Its exceptions do not say which word was wrong, but for their message.
    """
    import difflib  # Here, because most commands make sense and need not wait for it.

    choice = r"argument (\S+): invalid choice: '([^']*)' \(choose from (.*)\)"
    if match := re.search(choice, message):
        argument, word, choices = *match.groups()[:2], re.findall(r"[\w-]+", match.group(3))
        close = difflib.get_close_matches(word, choices, n=1)
        hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(choices)}."
        kind = "a command" if argument == "COMMAND" else f"a value of {argument}"
        return f"{word} is not {kind}: {hint}"
    return f"{message[:1].upper()}{message[1:]}. See {prog.split()[0]} help."


LS_EXAMPLES = """\
examples:
  ls                                list the newest traces
  ls --agent claude --since 24h     list what claude did since yesterday
  ls --status error                 list what failed
  ls release notes                  list traces that contain both words
"""
STATS_EXAMPLES = """\
examples:
  stats                     show the last 7 days in total
  stats --by agent          compare the agents
  stats --by decision       count why messages were answered or skipped
  stats --compare           compare with the 7 days before
"""


class Options(Protocol):
    """A command's parser, as far as its options and arguments are added."""

    def add_argument(self, *names: str, **facts: Any) -> object: ...


class Omitted:
    """Stands for the parser of a command that the command line does not name."""

    def add_argument(self, *names: str, **facts: Any) -> None:
        """Do nothing."""


def build_parser(*, prog: str, shell: bool, only: str | None = None) -> tuple[Parser, Any]:
    """Return the parser, and argparse's subparsers, to which the shell adds its own commands.

    `shell` adds `--help`, `--json` and `--database`, and allows longer lists. `only` is the one
    command that the parser has to know: all of them take 10 ms.
    """
    parser = Parser(prog=prog, description="Query the traces of agents.", add_help=shell)
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=Parser, required=False
    )
    everywhere = Parser(add_help=False)
    if shell:
        everywhere.add_argument("--json", action="store_true", help="print one JSON object")
        everywhere.add_argument("--database", metavar="PATH", help=DATABASE)

    def command(name: str, help: str, examples: str = "") -> Options:
        if only not in (name, None):
            return Omitted()
        made: Parser = commands.add_parser(
            name,
            help=help,
            description=help,
            epilog=examples,
            parents=[everywhere],
            add_help=shell,
        )
        return made

    _add_lists(command, longest=100 if shell else SLACK_PAGE)
    _add_statistics(command)
    show = command("show", "Show one trace: each step, how long it took, how it ended.")
    show.add_argument("id", metavar="ID", help="a trace id, its first digits, or a message's link")
    why = command(
        "why", "Say why a message was answered or not, and what would have to be different."
    )
    why.add_argument("id", metavar="LINK", help="a message's link, or a trace id")
    thread = command("thread", "Show all turns of a thread.")
    thread.add_argument(
        "place",
        nargs="*",
        metavar="LINK",
        help="a message's link, or a channel id and a time stamp",
    )
    command("ps", "List what is running now.")
    cancel = command("cancel", "Stop a running turn.")
    cancel.add_argument("id", metavar="ID", help="its trace id, or the first digits of it: see ps")
    _add_forget(command, shell=shell)
    command("health", "Check the recording and its database.")
    digest = command("digest", "Summarise the last 24 hours, or post a daily digest in a channel.")
    digest.add_argument(
        "order", nargs="*", metavar="WHEN", help="now; in Slack also: here at 09:00, off"
    )
    command("help", "List the commands.")
    return parser, commands


def _add_forget(command: Callable[..., Options], *, shell: bool) -> None:
    forget = command("forget", "Erase the text that somebody wrote; figures stay.")
    if not shell:
        forget.add_argument(
            "person",
            nargs="?",
            metavar="@NAME",
            help="another person (only for admins)",
        )
        return
    forget.add_argument("--user", metavar="ID", required=True, help="their member ID in Slack")
    forget.add_argument("--team", metavar="ID", help="only in this workspace")
    forget.add_argument("--yes", action="store_true", help="do not ask before")


def _add_lists(command: Callable[..., Options], *, longest: int) -> None:
    ls = command("ls", "List traces, newest first.", LS_EXAMPLES)
    ls.add_argument("words", nargs="*", metavar="WORD", help="only traces that contain every word")
    ls.add_argument("--agent", metavar="NAME", help="only this agent")
    ls.add_argument("--status", choices=STATUSES, help="only this status")
    ls.add_argument("--channel", metavar="ID", help="only this channel; in Slack also its name")
    ls.add_argument("--user", metavar="ID", help="only this user; in Slack also a name")
    ls.add_argument("--platform", choices=PLATFORMS, help="only this platform")
    ls.add_argument("--all", action="store_true", help="include skipped messages")
    search = command("search", "List traces that contain all words, skipped messages included.")
    search.add_argument("words", nargs="+", metavar="WORD", help="or how a longer one begins")
    for each in (ls, search):
        each.add_argument(
            "--since", type=_period, metavar="PERIOD", help="only newer ones, such as 24h or 7d"
        )
        each.add_argument(
            "--limit",
            type=_limit_to(longest),
            default=10,
            metavar="N",
            help=f"at most {longest}; 10 by default",
        )
        each.add_argument("--cursor", metavar="CURSOR", help="continue a list where it ended")


def _add_statistics(command: Callable[..., Options]) -> None:
    stats = command("stats", "Show counts, errors, latency, tokens and cost.", STATS_EXAMPLES)
    stats.add_argument("--by", choices=DIMENSIONS, help="add one line for each of these")
    stats.add_argument("--compare", action="store_true", help="compare with the period before")
    cost = command("cost", "Show the cost by model and agent, and models without a known price.")
    errors = command("errors", "Group failures by error and agent, with the latest trace of each.")
    slow = command("slow", "List the slowest traces.")
    for each in (stats, cost, errors, slow):
        each.add_argument(
            "--since",
            type=_period,
            default=_period("7d"),
            metavar="PERIOD",
            help="such as 24h or 4w; 7d by default",
        )


def _period(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{error}.") from None


def _limit_to(most: int) -> Callable[[str], int]:
    def limit(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise UsageError(f"{text!r} is not a limit: write a number from 1 to {most}.")
        return int(text)

    return limit


def _one_of(name: str, choices: Sequence[str]) -> Callable[[str], str]:
    def choice(text: str) -> str:
        if text not in choices:
            raise UsageError(f"{text} is not a {name}: choose from {', '.join(choices)}.")
        return text

    return choice


FILTERS: Mapping[str, Callable[[str], object]] = {
    "agent": str,
    "status": _one_of("status", STATUSES),
    "channel": str,
    "user": str,
    "platform": _one_of("platform", PLATFORMS),
    "since": _period,
}
"""The filters of lists, which are options and words: `--agent claude`, `agent:claude`."""


def parse(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command; `help` if there is none. Raises `UsageError`."""
    try:
        args, rest = parser.parse_known_args(split_shell(arguments))
    except argparse.ArgumentError as error:
        raise UsageError(_sentence(str(error), parser.prog)) from None
    args.command = args.command or "help"
    _take_rest(rest, args, parser.prog)
    if args.command in ("ls", "search"):
        take_filters(args, FILTERS)
    return args


def _take_rest(rest: Sequence[str], args: argparse.Namespace, prog: str) -> None:
    """Accept search words that follow an option, which argparse leaves over; refuse the rest."""
    for word in rest:
        if word.startswith("-") or not hasattr(args, "words"):
            # The namespace has a name for each option. `command` and `version` are not options.
            options = [
                f"--{name.replace('_', '-')}"
                for name in vars(args)
                if name not in ("command", "version")
            ]
            import difflib

            close = difflib.get_close_matches(word.partition("=")[0], options, n=1)
            hint = f"did you mean {close[0]}?" if close else f"see {prog} help."
            raise UsageError(f"{args.command} does not take {word}: {hint}")
    if rest:
        args.words = [*args.words, *rest]
