"""`tracebot`: the same words as `/trace`, and what only a shell has."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from argparse import Namespace

    from reports.grammar import Parser
    from reports.views import View
    from storage.shared import SharedDatabase

DONE, FAILED, NO_SENSE = 0, 1, 2

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


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    sys.exit(tracebot(sys.argv[1:] if arguments is None else list(arguments)))


def tracebot(arguments: list[str]) -> int:
    """Do what the words say; the exit code: 0 done, 1 failed or not there, 2 no sense."""
    if arguments[:1] == ["run"]:
        # Before anything else is imported: the command should not wait for us.
        from bot.run import main as run

        return run(arguments[1:])

    from bot.errors import ConfigurationError
    from reports.errors import UsageError
    from storage.errors import StorageError

    try:
        return _do(arguments)
    except UsageError as error:
        return _refuse(str(error), arguments, code=NO_SENSE)
    except (StorageError, ConfigurationError) as error:
        return _refuse(str(error), arguments, code=FAILED)
    except BrokenPipeError:  # `tracebot ls | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        from storage.database import CAUSES, cause_of

        cause = cause_of(error)
        if cause not in CAUSES.values():
            raise
        advice = "tracebot health says more, and replaces a database that is damaged"
        return _refuse(f"The database cannot do that ({cause}): {advice}.", arguments, code=FAILED)


def _refuse(message: str, arguments: list[str], *, code: int) -> int:
    if "--json" in arguments:
        from reports.render.json import error

        print(error(message))  # noqa: T201
    else:
        sys.stderr.write(f"tracebot: {message}\n")
    return code


def shell_parser() -> tuple["Parser", Any]:
    """The grammar with what only a shell has, and its commands by name."""
    from reports.grammar import build_parser

    parser, commands = build_parser(prog="tracebot", shell=True)
    parser.epilog = EXAMPLES
    _add_commands(commands)
    return parser, commands


def _do(arguments: list[str]) -> int:
    from reports.grammar import parse

    parser, _ = shell_parser()
    words = parse(parser, arguments)
    if words.command == "help":
        parser.print_help()
        return DONE
    return OWN.get(words.command, _read)(words)


def _add_commands(commands: Any) -> None:
    """What Slack does not have."""
    from bot.maintenance import add_commands as add_maintenance

    def command(name: str, help: str) -> Any:
        return commands.add_parser(name, help=help, description=help)

    command("run", "Record a command: tracebot run -- COMMAND …")
    serve = command("serve", "Answer in a Slack workspace, in Socket Mode.")
    serve.add_argument("--http", action="store_true", help="in HTTP mode: /slack/events")
    collect = command("collect", "Take OpenTelemetry (OTLP over HTTP) from any program.")
    collect.add_argument("--host", default="127.0.0.1", help="others need TRACEBOT_OTLP_TOKEN")
    collect.add_argument("--port", type=int, default=4318, help="4318 unless told; 0 is any")
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
    collect.add_argument("--database", metavar="PATH")
    doctor = command("doctor", "Look at settings, Slack, agents and database; say what is wrong.")
    doctor.add_argument("--json", action="store_true", help="one object, for scripts")
    doctor.add_argument("--database", metavar="PATH")
    add_maintenance(command)


def _open(words: "Namespace") -> "SharedDatabase":
    from storage.database import prepare

    database = _locate(words)
    prepare(database)
    return database


def _locate(words: "Namespace", environ: Mapping[str, str] = os.environ) -> "SharedDatabase":
    from storage.database import BUSY_TIMEOUT_MS, locate

    url, busy_timeout_ms = environ.get("TRACEBOT_DATABASE_URL", ""), BUSY_TIMEOUT_MS
    if os.path.exists(".env") or "TRACEBOT_BUSY_TIMEOUT_MS" in environ:
        # Only then: reading all settings takes longer than most answers.
        from bot.settings import load_settings

        settings = load_settings()
        url, busy_timeout_ms = settings.database_url, settings.busy_timeout_ms
    return locate(words.database or url, busy_timeout_ms=busy_timeout_ms)


def _read(words: "Namespace") -> int:
    """The words that Slack has too."""
    import time

    from reports.commands import Viewer, answer
    from reports.healthiness import HealthView
    from reports.views import MessageView

    database = _open(words)
    try:
        if words.command == "health":
            from bot.maintenance import look_through

            look_through(database)
        view = answer(words, database=database, viewer=Viewer(), now=time.time_ns())
    finally:
        database.close()
    _show(view, as_json=words.json)
    if isinstance(view, MessageView) and not view.found:
        return FAILED
    return FAILED if isinstance(view, HealthView) and not view.ok else DONE


def _show(view: "View", *, as_json: bool) -> None:
    if as_json:
        from reports.render.json import render as render_json

        print(render_json(view))  # noqa: T201
        return
    import shutil

    from reports.render.terminal import render

    on_terminal = sys.stdout.isatty()
    colour = on_terminal and "NO_COLOR" not in os.environ
    width = shutil.get_terminal_size().columns if on_terminal else 120
    print(render(view, width=width, colour=colour))  # noqa: T201


def _serve(words: "Namespace") -> int:
    from bot.serve import serve

    return serve(http=words.http)


def _collect(words: "Namespace") -> int:
    from bot.collect import collect
    from bot.settings import load_settings

    return collect(load_settings(), host=words.host, port=words.port, database=words.database)


def _demo(words: "Namespace") -> int:
    from bot.demo import demo

    return demo(keep=words.keep)


def _agents(words: "Namespace") -> int:
    from bot.agents_command import show_agents

    return show_agents(database=words.database or "", as_json=words.json)


def _import(words: "Namespace") -> int:
    from bot.agents_command import import_agents

    return import_agents(path=words.file, output=words.output)


def _doctor(words: "Namespace") -> int:
    from bot.doctor import doctor

    return doctor(database=words.database, as_json=words.json)


def _seconds(words: str) -> float:
    from reports.errors import UsageError

    try:
        seconds = float(words)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise UsageError(f"{words!r} is no time limit: write a number of seconds, such as 90.")
    return seconds


def _query(words: "Namespace") -> int:
    from bot.query import Order, run_query

    return run_query(
        Order(
            texts=words.texts,
            mode=words.mode,
            timeout_s=words.timeout,
            as_json=words.json,
            database=words.database,
        )
    )


def _cancel(words: "Namespace") -> int:
    from bot.stopping import stop_from_shell

    database = _open(words)
    try:
        said = stop_from_shell(database, words.id)
    finally:
        database.close()
    _show(said, as_json=words.json)
    return DONE if said.found else FAILED


def _maintain(words: "Namespace") -> int:
    from bot.maintenance import OWN as maintenance

    # What is to be replaced may be damaged, or not there.
    database = _locate(words) if words.command == "restore" else _open(words)
    try:
        return maintenance[words.command](words, database)
    finally:
        database.close()


OWN: Mapping[str, Callable[["Namespace"], int]] = {
    "serve": _serve,
    "collect": _collect,
    "demo": _demo,
    "agents": _agents,
    "import": _import,
    "query": _query,
    "cancel": _cancel,
    "doctor": _doctor,
    **dict.fromkeys(("checkpoint", "clean", "backup", "restore"), _maintain),
}
