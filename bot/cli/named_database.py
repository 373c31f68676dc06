"""Find the database that a command is about: the one it names, or else that of the settings.

What a database needs is imported inside of functions: a shell waits for each import.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace

    from storage.database.base import Database


DATABASE_URL = "TRACEBOT_DATABASE_URL"


def open_existing(args: "Namespace") -> "Database":
    """Open a database that exists, to write to it."""
    from storage.recovery.opening import prepare_existing

    database = located(args)
    prepare_existing(database)
    return database


def located(args: "Namespace", environ: Mapping[str, str] = os.environ) -> "Database":
    """Return the database, not opened yet."""
    from storage.database.connect import BUSY_TIMEOUT_MS, locate

    given = _in_capitals(environ)
    url, busy_timeout_ms = given.get(DATABASE_URL), BUSY_TIMEOUT_MS
    if os.path.exists(".env") or "TRACEBOT_BUSY_TIMEOUT_MS" in given:
        # Only then: loading all settings takes longer than most commands.
        from bot.settings import load_settings

        settings = load_settings()
        url, busy_timeout_ms = settings.database_url, settings.busy_timeout_ms
    return locate(args.database or url, busy_timeout_ms=busy_timeout_ms)


def named_url(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return what the environment or `.env` names, without the time that all settings take.

    As in `Settings`, a variable that is set but empty hides the line of `.env`.
    """
    named = _in_capitals(environ).get(DATABASE_URL)
    if named is not None or not os.path.exists(".env"):
        return named
    import logging
    from contextlib import suppress

    from dotenv import dotenv_values

    # It may be the file of another program, in whose lines nothing is wrong for us.
    logging.getLogger("dotenv.main").disabled = True
    with suppress(OSError, UnicodeDecodeError):
        named = _in_capitals(dotenv_values(".env")).get(DATABASE_URL)
    return named


def _in_capitals(variables: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """Return variables by their names in capitals, as `Settings` takes a name in either case."""
    return {name.upper(): value for name, value in variables.items()}
