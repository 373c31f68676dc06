"""Take a PostgreSQL URL apart: a name for people, without the password, and a place for files."""

import getpass
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from storage.errors import BadDatabaseURL

SCHEMES = frozenset(("postgresql", "postgres"))

PASSWORD = "PGPASSWORD"
"""The environment variable with the password for a URL that has none."""

INVALID = (
    "The postgresql:// URL of the database is not valid: it has the form "
    "postgresql://USER:PASSWORD@HOST:5432/DATABASE, and a character such as @, / or % in the "
    "password is written as %40, %2F or %25."
)

NO_HOME = (
    "There is no home folder to keep the database in: set HOME to a folder that tracebot can "
    "write, or TRACEBOT_DATABASE_URL to the whole path of a file."
)


@dataclass(frozen=True, slots=True)
class PostgresURL:
    """A URL with what is known of it without a connection.

    `path` is where this machine keeps what belongs to the database and is not in it. It depends on
    the server and the database, but not on the user or the password, which may change.
    """

    text: str = field(repr=False)
    label: str
    path: Path


def parse_url(text: str) -> PostgresURL:
    """Return the parts of a `postgresql://` URL. Raises `BadDatabaseURL`, without quoting it."""
    try:
        parts = urlsplit(text)
        options = _options(parts, strict=True)
    except ValueError:
        raise BadDatabaseURL(INVALID) from None
    # A password with a slash in it ends the host too early, and one with an @ would be part of the
    # host for libpq: then the rest of it is no secret.
    if text.count("@") > 1 or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise BadDatabaseURL(INVALID)
    login, _, host = parts.netloc.rpartition("@")
    user = options.get("user") or unquote(login.partition(":")[0])
    # A service is a section of a file of libpq, which names the server and the database.
    service = options.get("service") or os.environ.get("PGSERVICE", "")
    elsewhere = f"service={service}" if service else ""
    hosts = options.get("host") or host or os.environ.get("PGHOST")
    address = options.get("hostaddr") or os.environ.get("PGHOSTADDR")
    hosts = hosts or address or elsewhere or "localhost"
    name = options.get("dbname") or unquote(parts.path.strip("/")) or os.environ.get("PGDATABASE")
    name = name or elsewhere or user or os.environ.get("PGUSER") or _own_user()
    label = f"postgresql://{user and f'{user}@'}{hosts}/{name}"
    # A schema of its own in the same database is another database for us.
    others = [options[each] for each in ("port", "options") if each in options]
    others += [os.environ[each] for each in ("PGPORT", "PGOPTIONS") if os.environ.get(each)]
    return PostgresURL(text, label, _place(hosts, name, others))


def _options(parts: SplitResult, *, strict: bool = False) -> dict[str, str]:
    """Return what is behind the `?` as libpq does: a + stays a +, and the last one counts.

    Raises `ValueError` if *strict*.
    """
    query = parts.query.replace("+", "%2B")
    given = parse_qs(query, keep_blank_values=True, strict_parsing=strict and bool(query))
    return {name: values[-1] for name, values in given.items()}


def _own_user() -> str:
    """Return whose database libpq takes if none is named, as nearly as it is known."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # As in a container whose user has no name.
        return "postgres"


def is_misspelt(text: str) -> bool:
    """Return True for what is meant for a server, but is not a URL of it.

    Taken for the name of a file it would be shown, with its password.
    """
    return _MISSPELT.match(text) is not None


_MISSPELT = re.compile(
    r"\W*postgres(ql)?(\+\w+)?(:|//)"  # Without its slashes, or behind a quote.
    r"|(.*\s)?(host|hostaddr|user|password|dbname)\s*=.*"  # libpq's other form.
    r"|(//)?[^/]*:(?!//).*@",  # USER:PASSWORD@HOST.
    re.I | re.S,
)


def passwords(text: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what nobody may see: the passwords for the server of a URL, and for a key file.

    If it has none, libpq takes that of the environment, else one of its file of passwords.
    """
    parts = _parts(text)
    if parts is None or "://" not in text:
        return ()
    given = _options(parts)
    own: tuple[str, ...] = (unquote(parts.password or ""), given.get("password", ""))
    if parts.scheme in SCHEMES and not any(own):
        own = (environ.get(PASSWORD, ""), *_passwords_in(_password_file(given, environ)))
    return tuple(filter(None, (*own, given.get("sslpassword", ""))))


def _parts(text: str) -> SplitResult | None:
    """Return the parts of a URL; None if it is not valid, which opening the database tells."""
    with suppress(ValueError):
        return urlsplit(text)
    return None


def private_files(text: str, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files from which libpq reads passwords and keys for a URL."""
    parts = _parts(text)
    if parts is None or parts.scheme not in SCHEMES:
        return ()
    given = _options(parts)
    key = Path("~/.postgresql/postgresql.key").expanduser()
    named = given.get("sslkey") or environ.get("PGSSLKEY")
    files = [*([Path(named)] if named else []), *([key] if os.path.exists(key) else [])]
    if not (parts.password or given.get("password") or environ.get(PASSWORD)):
        files.append(_password_file(given, environ))
    if given.get("service") or environ.get("PGSERVICE"):
        files.append(Path(environ.get("PGSERVICEFILE") or "~/.pg_service.conf").expanduser())
    return tuple(files)


def _password_file(given: Mapping[str, str], environ: Mapping[str, str]) -> Path:
    named = given.get("passfile") or environ.get("PGPASSFILE") or "~/.pgpass"
    return Path(named).expanduser()


def _passwords_in(file: Path) -> Iterator[str]:
    """Yield all passwords of a file with lines HOST:PORT:DATABASE:USER:PASSWORD."""
    with suppress(OSError, UnicodeDecodeError):
        for line in file.read_text().splitlines():
            if found := re.fullmatch(r"(?:(?:[^:\\]|\\.)*:){4}(.*)", line):
                yield re.sub(r"\\(.)", r"\1", found[1])


def _place(hosts: str, name: str, others: list[str]) -> Path:
    from platformdirs import user_state_path

    digest = hashlib.sha256("\0".join([hosts, name, *others]).encode()).hexdigest()[:12]
    known = re.sub(r"[^\w.-]", "_", name)[:40]
    return own_folder(user_state_path) / f"postgresql-{known}-{digest}" / "database"


def own_folder(find: Callable[..., Path]) -> Path:
    """Return the folder of tracebot that a function of platformdirs finds.

    Raises `BadDatabaseURL` for a user without a home folder, as in a container without a HOME.
    """
    try:
        return find("tracebot", appauthor=False)
    except RuntimeError:
        raise BadDatabaseURL(NO_HOME) from None
