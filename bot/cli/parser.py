"""Add the commands that only a shell has to those of `reports.commands.parser`.

This module imports nothing slow: every command line waits for it.
"""

from argparse import BooleanOptionalAction
from collections.abc import Callable, Sequence
from typing import Any

from reports.commands.mistakes import Parser
from reports.commands.parser import DATABASE, Omitted, Options, build_parser

ABOUT = "Answer in Slack with AI agents, record what they do, and ask the record."
ABOUT_INIT = (
    "A token is pasted, where the terminal does not show it, or read from a file, from stdin, or "
    "from the environment. There is no option for the token itself: it would stand in the shell's "
    "history and in the list of processes. Without a terminal nothing is asked, and what is "
    "missing is named."
)

ABOUT_MOVE = (
    "The bot may go on while it is copied. Stopped by Ctrl-C or killed, the same command goes on. "
    "At its end it says what is left to do. A password need not be in the URL, where others see it "
    "in the list of processes: PGPASSWORD and ~/.pgpass work, too."
)


class ShellParser(Parser):
    """A parser whose help has groups and examples."""

    def format_help(self) -> str:
        """Return the help, as wide as the terminal."""
        from bot.cli.help import help_text

        return help_text(self)


DEMO_PORT = 4400


def parser_for(arguments: Sequence[str]) -> Parser:
    """Return a parser that knows the command of a command line; of all if it names none."""
    if arguments and arguments[0] != "help":
        parser, commands = shell_parser(only=arguments[0])
        if commands.choices:
            return parser
    return shell_parser()[0]


def shell_parser(*, only: str | None = None) -> tuple[Parser, Any]:
    """Return the parser of `tracebot`, and its subparsers: of all commands, or of `only` one."""
    parser, commands = build_parser(
        prog="tracebot", shell=True, only=only, parser_class=ShellParser
    )
    parser.description = ABOUT
    parser.add_argument("-V", "--version", action="store_true", help="print the version")
    _add_commands(commands, only)
    return parser, commands


def _add_commands(commands: Any, only: str | None) -> None:
    def command(name: str, help: str, more: str = "") -> Options:
        if only not in (name, None):
            return Omitted()
        made: Parser = commands.add_parser(name, help=help, description=help, epilog=more)
        return made

    # `bot.cli.commands.run` reads these itself, before anything is imported: they are for the help.
    run = command("run", "Run a command and record how long it took and how it ended.")
    told = "it keeps its input, output, signals and exit code, and is given TRACEPARENT"
    run.add_argument("order", nargs="+", metavar="COMMAND", help=told)
    _add_database(run)
    _add_init(command)
    _add_servers(command)
    _add_agents(command)
    _add_maintenance(command)
    completion = command("completion", "Print a script that completes commands and options.")
    shells = ["bash", "zsh", "fish"]
    completion.add_argument("shell", metavar="SHELL", choices=shells, help=", ".join(shells))


def _add_init(command: Callable[..., Options]) -> None:
    init = command(
        "init",
        "Connect a Slack workspace, step by step.",
        ABOUT_INIT,
    )
    for token, begins in (("bot", "xoxb-"), ("app", "xapp-")):
        init.add_argument(
            f"--{token}-token-file",
            metavar="FILE",
            help=f"read the {token} token, {begins}…, from the first line of a file; - is stdin",
        )
    init.add_argument(
        "--agent",
        action="append",
        default=[],
        metavar="NAME",
        help="claude, codex, gemini, copilot, opencode or echo; again for more, the first one "
        "answers by default (without it: all that are installed)",
    )
    init.add_argument(
        "--force",
        action="store_true",
        help="start over: replace the tokens in .env and an agents file without asking",
    )


def _add_servers(command: Callable[..., Options]) -> None:
    serve = command("serve", "Answer in a Slack workspace, in Socket Mode or over HTTP.")
    serve.add_argument(
        "--http", action="store_true", help="receive requests at /slack/events on PORT"
    )
    collect = command("collect", "Receive OpenTelemetry (OTLP over HTTP) from any program.")
    collect.add_argument(
        "--host", default="127.0.0.1", help="127.0.0.1 by default; others need TRACEBOT_OTLP_TOKEN"
    )
    collect.add_argument(
        "--port", type=_port, default=4318, help="4318 by default; 0 is any free port"
    )
    _add_database(collect)
    demo = command("demo", "Play a short conversation in a workspace on this machine.")
    demo.add_argument("--keep", action="store_true", help="keep the workspace open in a web page")
    demo.add_argument("--open", action="store_true", help="also open that page in a browser")
    demo.add_argument(
        "--port",
        type=_port,
        default=DEMO_PORT,
        help=f"the port of the page, {DEMO_PORT} by default; 0 is any free port",
    )
    demo.add_argument(
        "--fortnight", action="store_true", help="play two weeks of a team in under a minute"
    )


def _add_agents(command: Callable[..., Options]) -> None:
    query = command("query", "Ask one or several agents at the same time.")
    query.add_argument("texts", nargs="+", metavar="QUESTION", help="- reads it from stdin")
    query.add_argument(
        "--mode",
        choices=["query", "execute"],
        default="query",
        help="execute lets agents change files if the agents file allows it",
    )
    query.add_argument(
        "--timeout", type=_seconds, metavar="SECONDS", help="stop all agents after this time"
    )
    agents = command(
        "agents",
        "List the agents: whether each can start, its last error.",
    )
    rehearse = _add_rehearse(command)
    doctor = command("doctor", "Check settings, Slack, agents and database; say what to fix.")
    for each in (query, agents, rehearse, doctor):
        each.add_argument("--json", action="store_true", help="print one JSON object")
        _add_database(each)
    importing = command("import", "Convert the agents of another tool to an agents file.")
    importing.add_argument(
        "format", metavar="FORMAT", choices=["crewx"], help="the other tool: crewx"
    )
    importing.add_argument("file", metavar="FILE", help="its file of agents")
    importing.add_argument(
        "--output", metavar="FILE", help="write a new file instead of printing it"
    )


def _add_rehearse(command: Callable[..., Options]) -> Options:
    rehearse = command(
        "rehearse",
        "Say what other agents or settings would answer differently.",
    )
    rehearse.add_argument("--agents", metavar="FILE", help="the agents file to try")
    rehearse.add_argument(
        "--since", metavar="PERIOD", default="30d", help="a period, a day or a time; 30d by default"
    )
    rehearse.add_argument(
        "--mention-only", action=BooleanOptionalAction, help="try TRACEBOT_MENTION_ONLY"
    )
    rehearse.add_argument(
        "--answer-edits", action=BooleanOptionalAction, help="try TRACEBOT_ANSWER_EDITS"
    )
    return rehearse


def _add_database(command: Options) -> None:
    command.add_argument("--database", metavar="PATH", help=DATABASE)


def _add_maintenance(command: Callable[..., Options]) -> None:
    log = command("checkpoint", "Move SQLite's write-ahead log into the database.")
    log.add_argument("--truncate", action="store_true", help="also empty the log's file")
    clean = command("clean", "Remove old traces; statistics are kept.")
    clean.add_argument("--older-than", metavar="PERIOD", help="traces older than this, such as 30d")
    clean.add_argument(
        "--down-to",
        metavar="SIZE",
        help="the oldest traces until the database is this small, such as 2GB",
    )
    clean.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    copy = command("backup", "Copy the database to a file and check the copy.")
    copy.add_argument("file", metavar="FILE", help="the copy")
    copy.add_argument("--force", action="store_true", help="replace an existing file")
    back = command("restore", "Replace the database with a backup; the old database is kept.")
    back.add_argument("file", metavar="FILE", help="the backup")
    back.add_argument("--force", action="store_true", help="even if other processes have it open")
    move = command("move", "Copy everything to another database, a server or a file.", ABOUT_MOVE)
    move.add_argument("--to", metavar="URL", help="postgresql://USER@HOST/DATABASE, or a file")
    move.add_argument("--json", action="store_true", help="print one JSON object")
    for maintenance in (log, clean, copy, back, move):
        _add_database(maintenance)


def _port(text: str) -> int:
    from reports.errors import UsageError

    if not text.isdecimal() or int(text) > 65535:
        raise UsageError(f"{text!r} is not a port: write a number from 0 to 65535.", word=text)
    return int(text)


def _seconds(text: str) -> float:
    from reports.errors import UsageError

    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise UsageError(f"{text!r} is not a time limit: write a number of seconds, such as 90.")
    return seconds
