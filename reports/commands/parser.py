"""The grammar: the words that people ask with, the same in Slack and in a shell."""

import argparse
import difflib
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from reports.errors import UsageError
from reports.units import parse_duration

DIMENSIONS = ("agent", "provider", "model", "platform", "channel", "user", "decision", "hour")
STATUSES = ("running", "ok", "error", "timeout", "cancelled", "abandoned")
PLATFORMS = ("slack", "cli", "mcp", "otlp")

ESCAPED = re.compile(r"<[#@]([A-Z0-9]+)(?:\|[^>]*)?>|<(https?://[^|>]+)(?:\|[^>]*)?>")
TYPED = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'"})
DASH = re.compile(r"(?<!\S)[—–](?=\w)")
APOSTROPHE, KEPT = re.compile(r"(?<=\w)'(?=\w)"), "\ue000"

PERIODICALS = {
    "cost": "What was spent, by model and by agent, and what has no known price.",
    "errors": "What failed, by error and agent, with the latest trace of each.",
    "slow": "What took longest.",
}

SLACK_PAGE = 10
"""Traces in a message: more would not fit into it, and its button goes on from there."""


class Parser(argparse.ArgumentParser):
    """Raises `UsageError` where argparse would print and exit."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options, exit_on_error=False)

    def error(self, message: str) -> NoReturn:
        raise UsageError(_sentence(message, self.prog))


def _sentence(message: str, prog: str) -> str:
    if match := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
        word, choices = match.group(1), re.findall(r"[\w-]+", match.group(2))
        close = difflib.get_close_matches(word, choices, n=1)
        hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(choices)}."
        return f"{word} is not something {prog} knows: {hint}"
    return f"{message[:1].upper()}{message[1:]}. See {prog.split()[0]} help."


LS_EXAMPLES = """\
examples:
  ls                                the newest turns, commands and calls
  ls --agent claude --since 24h     what claude did since yesterday
  ls --status error                 what failed
  ls release notes                  those that speak of release and of notes
"""
STATS_EXAMPLES = """\
examples:
  stats                     the last 7 days
  stats --by agent          … of each agent
  stats --by decision       why messages were answered, or not
"""


def build_parser(*, prog: str, shell: bool) -> tuple[Parser, Any]:
    """The grammar, and the place where the shell adds commands of its own."""
    parser = Parser(prog=prog, description="Ask what the agents did.", add_help=shell)
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=Parser, required=False
    )
    own = Parser(add_help=False)
    if shell:
        own.add_argument("--json", action="store_true", help="one JSON object, with raw numbers")
        own.add_argument("--database", metavar="PATH", help="instead of TRACEBOT_DATABASE_URL")

    def command(name: str, help: str, examples: str = "") -> Parser:
        made: Parser = commands.add_parser(
            name, help=help, description=help, epilog=examples, parents=[own], add_help=shell
        )
        return made

    ls = command("ls", "List traces, newest first.", LS_EXAMPLES)
    ls.add_argument("words", nargs="*", help="words that it has to speak of")
    ls.add_argument("--agent", metavar="NAME")
    ls.add_argument("--status", choices=STATUSES)
    ls.add_argument("--channel", metavar="ID")
    ls.add_argument("--user", metavar="ID")
    ls.add_argument("--platform", choices=PLATFORMS)
    ls.add_argument("--since", type=_period, metavar="PERIOD", help="such as 24h or 7d")
    most = 100 if shell else SLACK_PAGE
    ls.add_argument(
        "--limit", type=_limit_to(most), default=10, metavar="N", help=f"at most {most}"
    )
    ls.add_argument("--all", action="store_true", help="also messages that were only skipped")
    ls.add_argument("--cursor", metavar="CURSOR", help="go on where a list ended")
    show = command("show", "Show one trace: each step, how long it took, how it ended.")
    show.add_argument("id", metavar="ID", help="a trace's id, its beginning, or a message's link")
    thread = command("thread", "Show all turns of a thread.")
    thread.add_argument("place", nargs="*", metavar="LINK", help="a message's link, or CHANNEL TS")
    stats = command("stats", "Counts, errors, latency, tokens and cost.", STATS_EXAMPLES)
    stats.add_argument("--by", choices=DIMENSIONS)
    stats.add_argument("--since", type=_period, default=_period("7d"), metavar="PERIOD")
    for name, help in PERIODICALS.items():
        asked = command(name, help)
        asked.add_argument("--since", type=_period, default=_period("7d"), metavar="PERIOD")
    search = command("search", "List every trace that speaks of these words, skipped ones too.")
    search.add_argument("words", nargs="+", metavar="WORD")
    search.add_argument("--since", type=_period, metavar="PERIOD")
    search.add_argument(
        "--limit", type=_limit_to(most), default=10, metavar="N", help=f"at most {most}"
    )
    search.add_argument("--cursor", metavar="CURSOR", help="go on where a list ended")
    command("ps", "Show what runs now.")
    cancel = command("cancel", "Stop an answer that is being written.")
    cancel.add_argument("id", metavar="ID", help="its trace's id, or the beginning of it: see ps")
    command("health", "Say how the recording and its database are.")
    command("help", "Show these words.")
    digest = command("digest", "A summary of the last day; in Slack each morning in a channel.")
    digest.add_argument("order", nargs="*", help="now; in Slack also: here at 09:00, off")
    return parser, commands


def _period(words: str) -> int:
    try:
        return parse_duration(words)
    except ValueError as error:
        raise UsageError(f"{error}.") from None


def _limit_to(most: int) -> Callable[[str], int]:
    def limit(words: str) -> int:
        if not words.isdecimal() or not 1 <= int(words) <= most:
            raise UsageError(f"{words!r} is no limit: write a number from 1 to {most}.")
        return int(words)

    return limit


def parse(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """The words as a namespace with a `command`. Raises `UsageError`."""
    try:
        words, rest = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise UsageError(_sentence(str(error), parser.prog)) from None
    words.command = words.command or "help"
    _take(rest, words, parser.prog)
    return words


def _take(rest: Sequence[str], words: argparse.Namespace, prog: str) -> None:
    """What argparse leaves over: words that follow an option, or what makes no sense."""
    for word in rest:
        if word.startswith("-") or not hasattr(words, "words"):
            options = [f"--{name.replace('_', '-')}" for name in vars(words) if name != "command"]
            close = difflib.get_close_matches(word.partition("=")[0], options, n=1)
            hint = f"did you mean {close[0]}?" if close else f"see {prog} help."
            raise UsageError(f"{words.command} does not take {word}: {hint}")
    if rest:
        words.words = [*words.words, *rest]


def split_slack(text: str) -> list[str]:
    """The words of a slash command as it was typed: quotes and dashes as Slack bends them."""
    plain = DASH.sub("--", text.translate(TYPED))
    plain = ESCAPED.sub(lambda match: match.group(1) or match.group(2), plain)
    try:
        words = shlex.split(APOSTROPHE.sub(KEPT, plain))
    except ValueError:
        raise UsageError(
            'A quote is not closed: write "two words" with a quote at both ends.'
        ) from None
    words = [word.replace(KEPT, "'") for word in words]
    if not words or {"-h", "--help"} & set(words):
        return ["help"]
    return [words[0].lower(), *words[1:]]  # A telephone begins with a capital.
