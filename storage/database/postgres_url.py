"""Take a PostgreSQL URL apart: a name for people, without the password, and a place for files."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from storage.errors import BadDatabaseURL

SCHEMES = frozenset(("postgresql", "postgres"))


INVALID = (
    "The postgresql:// URL of the database is not valid: it has the form "
    "postgresql://USER:PASSWORD@HOST:5432/DATABASE, and a character such as @, / or % in the "
    "password is written as %40, %2F or %25."
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
        options = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise BadDatabaseURL(INVALID) from None
    # A password with a slash in it ends the host too early, and the rest of it is no secret then.
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise BadDatabaseURL(INVALID)
    login, _, host = parts.netloc.rpartition("@")
    hosts = host or ",".join(options.get("host", ())) or "localhost"
    name = unquote(parts.path.strip("/")) or "".join(options.get("dbname", ("postgres",)))
    user = unquote(login.partition(":")[0]) or "".join(options.get("user", ()))
    label = f"postgresql://{user and f'{user}@'}{hosts}/{name}"
    return PostgresURL(text, label, _place(hosts, name, options))


def passwords(text: str) -> tuple[str, ...]:
    """Return what nobody may see of a URL: the passwords for the server and for a key file."""
    if "://" not in text:
        return ()
    parts = urlsplit(text)
    options = parse_qs(parts.query)
    given = (*options.get("password", ()), *options.get("sslpassword", ()))
    return tuple(filter(None, (unquote(parts.password or ""), *given)))


def _place(hosts: str, name: str, options: dict[str, list[str]]) -> Path:
    from platformdirs import user_state_path

    # A schema of its own in the same database is another database for us.
    schema = [*options.get("port", ()), *options.get("options", ())]
    digest = hashlib.sha256("\0".join([hosts, name, *schema]).encode()).hexdigest()[:12]
    known = re.sub(r"[^\w.-]", "_", name)[:40]
    folder = user_state_path("tracebot", appauthor=False) / f"postgresql-{known}-{digest}"
    return folder / "database"
