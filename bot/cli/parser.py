"""Add the commands of a shell to `reports.commands.parser`. Imports nothing slow."""

from collections.abc import Callable
from typing import Any

from reports.commands.parser import Parser, build_parser

EXAMPLES = """\
examples:
  tracebot demo                    a workspace on this machine, to look around in
  tracebot run -- pytest -x        record a command
  tracebot ls --since 24h          what happened since yesterday
  tracebot show 01a20b7c           one trace, step by step
  tracebot stats --by agent        which agent fails, what it costs, whether it gets slower
  tracebot serve                   answer in your Slack workspace
"""
QUERY_EXAMPLES = """\
examples:
  tracebot query "what is new in this folder?"          the default agent
  tracebot query "@claude review it" "@codex review it"  two at once, under one trace
  git diff | tracebot query -                           the question from stdin
"""
AGENTS_EXAMPLES = """\
examples:
  tracebot agents                            those of TRACEBOT_AGENTS, else echo alone
  TRACEBOT_AGENTS=new.toml tracebot agents   check a file before it is used
  tracebot agents --json | jq '.agents[] | select(.last_error) | .name'
"""


def shell_parser() -> tuple[Parser, Any]:
    """The grammar with what only a shell has, and its commands by name."""
    parser, commands = build_parser(prog="tracebot", shell=True)
    parser.epilog = EXAMPLES
    _add_commands(commands)
    return parser, commands


def _add_commands(commands: Any) -> None:
    """What Slack does not have."""

    def command(name: str, help: str) -> Any:
        return commands.add_parser(name, help=help, description=help)

    command("run", "Record a command: tracebot run -- COMMAND …")
    serve = command("serve", "Answer in a Slack workspace, in Socket Mode.")
    serve.add_argument("--http", action="store_true", help="in HTTP mode: /slack/events")
    collect = command("collect", "Take OpenTelemetry (OTLP over HTTP) from any program.")
    collect.add_argument("--host", default="127.0.0.1", help="others need TRACEBOT_OTLP_TOKEN")
    collect.add_argument("--port", type=int, default=4318, help="4318 unless told; 0 is any")
    collect.add_argument("--database", metavar="PATH")
    demo = command("demo", "Play a short conversation in a workspace on this machine.")
    demo.add_argument("--keep", action="store_true", help="leave it running, with its page")
    query = command("query", "Ask one or several agents, side by side.")
    query.epilog = QUERY_EXAMPLES
    query.add_argument("texts", nargs="+", metavar="QUESTION", help="- is read from stdin")
    query.add_argument("--mode", choices=["query", "execute"], default="query")
    query.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="for all of them")
    query.add_argument("--json", action="store_true", help="one object, for scripts")
    query.add_argument("--database", metavar="PATH", default="")
    agents = command("agents", "List the agents: is each one found, which version, what failed.")
    agents.epilog = AGENTS_EXAMPLES
    agents.add_argument("--json", action="store_true", help="one object, for scripts")
    agents.add_argument("--database", metavar="PATH")
    importing = command("import", "Turn another tool's agents into an agents file.")
    importing.epilog = "example:\n  tracebot import crewx crewx.yaml --output agents.toml"
    importing.add_argument("format", choices=["crewx"])
    importing.add_argument("file")
    importing.add_argument("--output", metavar="FILE", help="a new file; else it is printed")
    doctor = command("doctor", "Look at settings, Slack, agents and database; say what is wrong.")
    doctor.add_argument("--json", action="store_true", help="one object, for scripts")
    doctor.add_argument("--database", metavar="PATH")
    _add_maintenance(command)


def _add_maintenance(command: Callable[[str, str], Any]) -> None:
    """What is done to the database itself."""
    move = command("checkpoint", "Move SQLite's write-ahead log into the database.")
    move.add_argument("--truncate", action="store_true", help="and empty the log's file")
    clean = command("clean", "Remove old traces; statistics stay.")
    clean.add_argument("--older-than", metavar="PERIOD", help="such as 30d")
    clean.add_argument("--down-to", metavar="SIZE", help="such as 2GB: the oldest go until it fits")
    clean.add_argument("--dry-run", action="store_true", help="only say what would go")
    copy = command("backup", "Copy the database to a file, while others write, and check it.")
    copy.add_argument("file", metavar="FILE")
    copy.add_argument("--force", action="store_true", help="in the place of a file that is there")
    back = command("restore", "Put a backup in the place of the database, which is kept.")
    back.add_argument("file", metavar="FILE")
    back.add_argument("--force", action="store_true", help="even while others have it open")
    for maintenance in (move, clean, copy, back):
        maintenance.add_argument("--database", metavar="PATH")


def _seconds(words: str) -> float:
    from reports.errors import UsageError

    try:
        seconds = float(words)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise UsageError(f"{words!r} is no time limit: write a number of seconds, such as 90.")
    return seconds
