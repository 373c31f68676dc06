"""`tracebot`: the same words as `/trace`, and what only a shell has."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from argparse import Namespace

    from reports.views.views import View
    from storage.database.shared_file import SharedDatabase

DONE, FAILED, NO_SENSE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    sys.exit(tracebot(sys.argv[1:] if arguments is None else list(arguments)))


def tracebot(arguments: list[str]) -> int:
    """Do what the words say; the exit code: 0 done, 1 failed or not there, 2 no sense."""
    if arguments[:1] == ["run"]:
        # Before anything else is imported: the command should not wait for us.
        from bot.cli.commands.run import main as run

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
        from storage.database.error_causes import CAUSES, cause_of

        cause = cause_of(error)
        if cause not in CAUSES.values():
            raise
        advice = "tracebot health says more, and replaces a database that is damaged"
        return _refuse(f"The database cannot do that ({cause}): {advice}.", arguments, code=FAILED)


def _refuse(message: str, arguments: list[str], *, code: int) -> int:
    if "--json" in arguments:
        from reports.render.json_output import error

        print(error(message))  # noqa: T201
    else:
        sys.stderr.write(f"tracebot: {message}\n")
    return code


def _do(arguments: list[str]) -> int:
    from bot.cli.parser import shell_parser
    from reports.commands.parser import parse

    parser, _ = shell_parser()
    words = parse(parser, arguments)
    if words.command == "help":
        parser.print_help()
        return DONE
    return OWN.get(words.command, _read)(words)


def _open(words: "Namespace") -> "SharedDatabase":
    from storage.recovery.opening import prepare

    database = _locate(words)
    prepare(database)
    return database


def _locate(words: "Namespace", environ: Mapping[str, str] = os.environ) -> "SharedDatabase":
    from storage.database.connect import BUSY_TIMEOUT_MS, locate

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

    from reports.commands.handlers import Viewer, answer
    from reports.views.health import HealthView
    from reports.views.messages import MessageView

    database = _open(words)
    try:
        if words.command == "health":
            from bot.cli.commands.database import look_through

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
        from reports.render.json_output import render as render_json

        print(render_json(view))  # noqa: T201
        return
    import shutil

    from reports.render.terminal import render

    on_terminal = sys.stdout.isatty()
    colour = on_terminal and "NO_COLOR" not in os.environ
    width = shutil.get_terminal_size().columns if on_terminal else 120
    print(render(view, width=width, colour=colour))  # noqa: T201


def _serve(words: "Namespace") -> int:
    from bot.cli.commands.serve import serve

    return serve(http=words.http)


def _collect(words: "Namespace") -> int:
    from bot.cli.commands.collect import collect
    from bot.settings import load_settings

    return collect(load_settings(), host=words.host, port=words.port, database=words.database)


def _demo(words: "Namespace") -> int:
    from bot.cli.commands.demo import demo

    return demo(keep=words.keep)


def _agents(words: "Namespace") -> int:
    from bot.cli.commands.agents import show_agents

    return show_agents(database=words.database or "", as_json=words.json)


def _import(words: "Namespace") -> int:
    from bot.cli.commands.agents import import_agents

    return import_agents(path=words.file, output=words.output)


def _doctor(words: "Namespace") -> int:
    from bot.cli.commands.doctor import doctor

    return doctor(database=words.database, as_json=words.json)


def _query(words: "Namespace") -> int:
    from bot.cli.commands.query import Order, run_query

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
    from bot.turns.cancel import stop_from_shell

    database = _open(words)
    try:
        said = stop_from_shell(database, words.id)
    finally:
        database.close()
    _show(said, as_json=words.json)
    return DONE if said.found else FAILED


def _maintain(words: "Namespace") -> int:
    from bot.cli.commands.database import OWN as maintenance

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
