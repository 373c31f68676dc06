"""Try the promises of docs/explanation/security.md and print which of them held.

Without options everything runs against an installation of its own: a temporary folder, a Slack
workspace on this machine, and the real bot. The options try yours instead of that.
"""

import argparse
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.agents.config.roster import load_roster
from bot.app import build_bot
from bot.http.otlp_receiver import Collector
from bot.lifecycle import listen
from bot.sandbox import Sandbox
from bot.settings import load_settings
from storage import Observability
from storage.database.connect import database_path
from storage.recovery.opening import open_database
from tests.attack.agents import attack_files
from tests.attack.attempt import Attempt
from tests.attack.doors import attack_collector, attack_slack_door
from tests.attack.people import attack_people
from tests.attack.secrets import attack_secrets
from tests.support.paths import MANIFEST
from tests.support.ports import free_port
from tests.support.running_bot import settings_for

EXAMPLES = """examples:
  scripts/attack                                    everything, against an installation of its own
  scripts/attack --installation /srv/bot            an agent against your database and settings
  scripts/attack --http http://127.0.0.1:3000       your HTTP mode, without Slack's secret
  scripts/attack --collector http://127.0.0.1:4318  your receiver; its token in TRACEBOT_OTLP_TOKEN
"""
MARKS = {True: "held", False: "BROKEN", None: "not tried"}


def main() -> int:
    args = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="tracebot-attack-") as folder:
        attempts = []
        for attempt in _attempts(args, Path(folder)):
            attempts.append(attempt)
            if not args.json:
                _show(attempt)
    broken = sum(attempt.held is False for attempt in attempts)
    untried = sum(attempt.held is None for attempt in attempts)
    if args.json:
        print(json.dumps([_as_json(attempt) for attempt in attempts], indent=2))  # noqa: T201
    else:
        print(  # noqa: T201
            f"\n{len(attempts)} attempts: {len(attempts) - broken - untried} held, "
            f"{broken} broken, {untried} not tried."
        )
    return 1 if broken or not attempts else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/attack",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--installation", type=Path, metavar="FOLDER", help="has the .env file")
    parser.add_argument("--http", metavar="URL", help="base URL of HTTP mode")
    parser.add_argument("--collector", metavar="URL", help="base URL of the receiver")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    return parser


def _attempts(args: argparse.Namespace, folder: Path) -> Iterator[Attempt]:
    if args.installation:
        yield from _installation(args.installation, folder)
    if args.http:
        yield from attack_slack_door(args.http)
    if args.collector:
        yield from attack_collector(args.collector, os.environ.get("TRACEBOT_OTLP_TOKEN", ""))
    if not (args.installation or args.http or args.collector):
        yield from _invented(folder)


def _installation(home: Path, folder: Path) -> Iterator[Attempt]:
    """Send the spy after the files that the settings in `home` name."""
    before = Path.cwd()
    os.chdir(home)
    try:
        settings = load_settings()
        database = database_path(settings.database_url).resolve()
        paths = {"the database": database, "the settings": home.resolve() / ".env"}
        if settings.agents:
            paths["the agents file"] = Path(settings.agents).resolve()
        for name in ("spool", "wal"):
            beside = next(iter(database.parent.glob(f"{database.name}*{name}*")), None)
            if beside is not None:
                paths[f"the {name}"] = beside
        if file := next((f for f in database.parent.glob("files/*/*") if f.is_file()), None):
            paths["a file of a turn"] = file
        yield from attack_files(paths, os.environ, folder)
    finally:
        os.chdir(before)


def _invented(folder: Path) -> Iterator[Attempt]:
    yield from attack_files(_bot_files(folder / "bot"), _environment(folder / "bot"), folder)
    yield from attack_people(folder / "people")
    with _bot_with_doors(folder / "doors") as (slack_door, collector):
        yield from attack_slack_door(slack_door)
        yield from attack_collector(collector)
    yield from attack_secrets(folder / "secrets")


def _bot_files(home: Path) -> dict[str, Path]:
    """Create the files of a bot, with nothing but words in them."""
    paths = {
        "a backup": home / "backup.db",
        "the settings": home / ".env",
        "a file of another turn": home / "files" / "TRACE-0" / "F0.txt",
        "the spool": home / "tracebot.db.spool" / "0.spool",
    }
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("planted\n")
    open_database(home / "tracebot.db").close()
    return {"the database": home / "tracebot.db", **paths}


def _environment(home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(home),
        "TRACEBOT_DATABASE_URL": str(home / "tracebot.db"),
    }


@contextmanager
def _bot_with_doors(folder: Path) -> Iterator[tuple[str, str]]:
    """Run a bot in HTTP mode with a receiver; yield the base URLs of both."""
    folder.mkdir()
    with (
        Sandbox.start(MANIFEST) as sandbox,
        Observability.open(folder / "tracebot.db", platform="slack") as observability,
    ):
        port = free_port()
        settings = settings_for(sandbox, observability, PORT=port)
        receiver = Collector(observability, capture=settings.captured, key=secrets.token_hex(16))
        bot = build_bot(settings, roster=load_roster(None), observability=observability)
        listen(bot, settings)
        try:
            yield f"http://127.0.0.1:{port}", receiver.listen()
        finally:
            bot.stop(grace=1.0)
            receiver.stop()


def _show(attempt: Attempt) -> None:
    detail = f"  ({attempt.detail})" if attempt.detail else ""
    print(f"{MARKS[attempt.held]:<10} {attempt.promise:<48} {attempt.tried}{detail}")  # noqa: T201


def _as_json(attempt: Attempt) -> dict[str, object]:
    names = ("promise", "tried", "held", "detail")
    return {name: getattr(attempt, name) for name in names}


if __name__ == "__main__":
    sys.exit(main())
