"""Parse commands, which are the same in Slack and in a shell."""

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from reports.commands.filters import TAKEN, add_options, apart, read_filters, take_words
from reports.commands.mistakes import Parser, before_command, option_left_out, option_like, refusal
from reports.commands.typed import READING, copied_id, split_shell, with_times
from reports.errors import UsageError

DIMENSIONS = (
    "agent",
    "provider",
    "model",
    "platform",
    "channel",
    "user",
    "decision",
    "hour",
    "day",
)
"""The values of `stats --by`."""

LEVELS = ("trace", "debug", "info", "warning", "error", "critical")
"""The levels of log lines, from the lowest on."""

TABULAR = frozenset(
    (
        *("ls", "search", "slow", "ps", "thread", "stats", "cost", "errors", "logs", "metrics"),
        *("budget", "alerts"),
    )
)
"""The commands whose answers are rows, which `--tsv` prints."""
LONG = TABULAR | {"show", "why", "health", "digest"}
"""The commands whose answers a terminal shows in a pager if they are longer than it is high."""

DATABASE = "instead of the one in TRACEBOT_DATABASE_URL"
"""The help of `--database`."""
DEFAULT_LIMIT = 10
"""Traces in a list; in Slack at most so many, which fit into a message."""
LIMITS: Mapping[str, int | None] = {
    **dict.fromkeys(("ls", "search", "slow"), DEFAULT_LIMIT),
    "ps": 50,
    "logs": 100,
    "errors": None,
}
"""The commands that list, and how many lines unless `--limit` says so; None stands for all."""


class Options(Protocol):
    """A command's parser, as far as its options and arguments are added."""

    def add_argument(self, *names: str, **facts: Any) -> object: ...


class Omitted:
    """Stands for the parser of a command that the command line does not name."""

    def add_argument(self, *names: str, **facts: Any) -> None:
        """Do nothing."""


def build_parser(
    *, prog: str, shell: bool, only: str | None = None, parser_class: type[Parser] = Parser
) -> tuple[Parser, Any]:
    """Return the parser, and argparse's subparsers, to which the shell adds its own commands.

    `shell` adds options of the output and `--database`, and allows longer lists. `only` is the one
    command that the parser has to know: all of them take 10 ms. `parser_class` shows the help.
    """
    parser = parser_class(prog=prog, description="Query the traces of agents.", add_help=shell)
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=parser_class, required=False
    )
    command = _adder(commands, shell=shell, only=only)
    _add_lists(command)
    _add_statistics(command, shell=shell)
    _add_traces(command)
    _add_records(command)
    _add_running(command)
    _add_forget(command, shell=shell)
    health = command("health", "Check the recording and its database.")
    if shell:
        told = "do not check the whole file, and write nothing: for a check each minute"
        health.add_argument("--quick", action="store_true", help=told)
    _add_digest(command, shell=shell)
    _add_limits(command)
    about = command("help", "List the commands, or describe one.")
    about.add_argument("about", nargs="?", metavar="COMMAND", help="the command to describe")
    if shell:
        about.add_argument("--man", action="store_true", help="print a man page of all commands")
    return parser, commands


def _adder(commands: Any, *, shell: bool, only: str | None) -> Callable[..., Options]:
    """Return the function that adds a command, with the options that all commands have."""
    everywhere = Parser(add_help=False)
    if shell:
        everywhere.add_argument("--json", action="store_true", help="print one JSON object")
        everywhere.add_argument("--database", metavar="PATH", help=DATABASE)

    def add(name: str, help: str) -> Options:
        if only not in (name, None):
            return Omitted()
        made: Parser = commands.add_parser(
            name,
            help=help,
            description=help,
            parents=[] if name == "help" else [everywhere],
            add_help=shell,
        )
        if name in TAKEN:
            add_options(made, name)
        if name in LIMITS:
            _add_limit(made, LIMITS[name], shell=shell)
        if shell:
            _add_output(made, name)
        return made

    return add


def _add_limit(made: Parser, default: int | None, *, shell: bool) -> None:
    """Add the length of a list, which has no ceiling in a shell."""
    made.add_argument(
        "-n",
        "--limit",
        type=_limit_to(None if shell else default),
        default=default,
        metavar="N",
        help=f"at most N lines; {default or 'all'} by default",
    )


def _add_traces(command: Callable[..., Options]) -> None:
    show = command("show", "Show one trace: how it ended, what the agent did, each step.")
    told = "a trace id, its first digits, or a message's link; the newest without it"
    show.add_argument("id", type=copied_id, nargs="?", metavar="ID", help=told)
    why = command("why", "Say why a message was answered or not.")
    why.add_argument("id", type=copied_id, metavar="LINK", help="a message's link, or a trace id")
    thread = command("thread", "Show all turns of a thread.")
    told = "a message's link, a trace id, or a channel id and a time stamp"
    thread.add_argument("place", nargs="*", metavar="LINK", help=told)
    told = "the turns beside those that a page shows"
    thread.add_argument("--cursor", metavar="CURSOR", help=told)


def _add_records(command: Callable[..., Options]) -> None:
    logs = command("logs", "List the log lines of a trace, or the newest of a period.")
    told = "a trace id, or a message's link"
    logs.add_argument("id", type=copied_id, nargs="?", metavar="ID", help=told)
    told = f"only lines of this level and above: {', '.join(LEVELS)}"
    logs.add_argument("--level", type=str.lower, choices=LEVELS, metavar="LEVEL", help=told)
    metrics = command("metrics", "List the metrics, or chart one of them.")
    metrics.add_argument("name", nargs="?", metavar="NAME", help="the metric to chart")


def _add_running(command: Callable[..., Options]) -> None:
    ps = command("ps", "List what is running now.")
    told = "list the processes of the bot instead, on all hosts"
    ps.add_argument("--processes", action="store_true", help=told)
    cancel = command("cancel", "Stop a running turn.")
    told = "its trace id, or the first digits of it: see ps"
    cancel.add_argument("id", type=copied_id, metavar="ID", help=told)


def _add_limits(command: Callable[..., Options]) -> None:
    budget = command("budget", "List budgets, or add, raise and remove them.")
    budget.add_argument(
        "order", nargs="*", metavar="WORD", help="add LIMIT, raise ID LIMIT, or remove ID"
    )
    alerts = command("alerts", "List the alerts; add, test, silence or remove one.")
    told = "add RULE, test ID, snooze ID 2h, or remove ID"
    alerts.add_argument("order", nargs="*", metavar="WORD", help=told)


def _add_digest(command: Callable[..., Options], *, shell: bool) -> None:
    digest = command("digest", "Summarise the last 24 hours, or post a digest in a channel.")
    when = "now; in Slack also: here weekdays at 09:00, off"
    digest.add_argument("order", nargs="*", metavar="WHEN", help=when)
    if shell:
        told = "write a page for a mail or a wiki; - is the standard output"
        digest.add_argument("--html", metavar="FILE", help=told)


def _add_output(made: Parser, name: str) -> None:
    """Add how a shell shows what a command answers."""
    if name in TABULAR:
        made.add_argument("--tsv", action="store_true", help="print tab-separated raw values")
    if name in LONG:
        made.add_argument("--no-pager", action="store_true", help="do not open $PAGER")
    if name in ("ls", "ps"):
        told = "add a line when a trace begins and when it ends"
        made.add_argument("--follow", action="store_true", help=told)
    if name == "stats":
        made.add_argument("--watch", action="store_true", help="redraw every two seconds")


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
    forget.add_argument("--user", metavar="ID", help="their member ID in Slack")
    forget.add_argument("--team", metavar="ID", help="only in this workspace")
    forget.add_argument("--yes", action="store_true", help="do not ask first")


def _add_lists(command: Callable[..., Options]) -> None:
    ls = command("ls", "List traces, newest first.")
    ls.add_argument("words", nargs="*", metavar="WORD", help="only traces that contain every word")
    ls.add_argument("--all", action="store_true", help="include skipped messages")
    search = command("search", "List traces that contain all words, skipped messages included.")
    search.add_argument("words", nargs="*", metavar="WORD", help="a word, or the beginning of one")
    for each in (ls, search):
        each.add_argument("--cursor", metavar="CURSOR", help="continue a list where it ended")


def _add_statistics(command: Callable[..., Options], *, shell: bool) -> None:
    stats = command("stats", "Show counts, failures, latency, tokens and cost.")
    told = f"add one line for each of these: {', '.join(DIMENSIONS)}"
    stats.add_argument("--by", type=str.lower, choices=DIMENSIONS, metavar="WHAT", help=told)
    stats.add_argument(
        "--cursor",
        type=_row,
        default=0,
        metavar="ROW",
        help="leave out the first ROW lines, or the newest ROW hours or days",
    )
    stats.add_argument("--compare", action="store_true", help="compare with the period before")
    if shell:
        stats.add_argument(
            "--zone",
            type=_time_zone,
            default="UTC",
            metavar="ZONE",
            help="the time zone of hours and days, such as Europe/Berlin; UTC by default",
        )
    cost = command("cost", "Show the cost by model and agent; list models without a known cost.")
    cost.add_argument("--compare", action="store_true", help="compare with the period before")
    errors = command("errors", "List failures as issues, by error, agent and kind of message.")
    errors.add_argument(
        "change",
        nargs="*",
        metavar="resolve|mute|reopen ID",
        help="mark an issue as solved, silence it, or take either back",
    )
    command("slow", "List the slowest traces.")


def _row(text: str) -> int:
    if not re.fullmatch("[0-9]{1,6}", text):
        raise UsageError(f"{text} is not a row: write the number of lines to leave out.", word=text)
    return int(text)


def _time_zone(text: str) -> str:
    from reports.digest.order import check_time_zone  # Here, because hardly anybody gives one.

    return check_time_zone(text)


def _limit_to(most: int | None) -> Callable[[str], int]:
    def limit(text: str) -> int:
        valid = f"a number from 1 to {most}" if most else "a number, such as 50"
        if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= (most or int(text)):
            raise UsageError(f"{text!r} is not a limit: write {valid}.", word=text)
        return int(text)

    return limit


def parse(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command; `help` if there is none. Raises `UsageError`."""
    words = split_shell(arguments)
    takes_filters = bool(words) and words[0] in TAKEN
    if takes_filters and parser.prog == "tracebot":
        words = [word for each in words for word in apart(each)]
    words = with_times(words)
    # Before argparse, which would take `-agent:claude` for an option.
    filters, words = take_words(words) if takes_filters else ([], words)
    try:
        args, rest = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise refusal(str(error), f"{parser.prog} {words[0]}") from None
    _take_rest(rest, args, parser)
    args.command = args.command or "help"
    if getattr(args, "database", None) == "":
        # A variable of the shell that is not set: the one of the settings is not meant.
        raise UsageError(f"--database needs a path: see tracebot help {args.command}.")
    if args.command == "ls":
        _refuse_number(args.words)
    if args.command in TAKEN:
        read_filters(args, filters)
    return args


def _has_in_shell(command: str | None, word: str) -> bool:
    parser, _ = build_parser(prog="tracebot", shell=True, only=command)
    return word.startswith("--") and option_like(word, parser, command) == word[2:]


def _refuse_number(words: Sequence[str]) -> None:
    """Refuse `ls -5`, which other tools have for `-n 5`, and which would be searched for."""
    for word in words:
        if re.fullmatch("-[0-9]+", word):
            raise UsageError(f"ls does not take {word}: did you mean -n {word[1:]}?", word=word)


def only_reads(args: argparse.Namespace) -> bool:
    """Return whether a button may hold the command, because it shows something and changes nothing.

    Of the commands that read, `errors` also takes a change.
    """
    return args.command in READING and not getattr(args, "change", None)


def _take_rest(rest: Sequence[str], args: argparse.Namespace, parser: Parser) -> None:
    """Accept search words that follow an option, which argparse leaves over; refuse the rest."""
    for word in rest:
        if word.startswith("-") or not hasattr(args, "words"):
            close = option_like(word, parser, args.command)
            if word == f"--{close}":
                raise before_command(parser.prog, word, args.command)
            if parser.prog != "tracebot" and _has_in_shell(args.command, word):
                raise UsageError(
                    f"{word} works only in a shell: tracebot {args.command} {word}.", word=word
                )
            if left_out := option_left_out(word, parser, args.command):
                raise left_out
            more = f"see {' '.join(filter(None, (parser.prog, 'help', args.command)))}."
            hint = f"did you mean --{close}?" if close else more
            raise UsageError(
                f"{args.command or parser.prog} does not take {word}: {hint}", word=word
            )
    if rest:
        args.words = [*args.words, *rest]
