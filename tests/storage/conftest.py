"""Fixtures of the storage: databases of both kinds."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from storage.database.base import Database
from storage.database.connect import locate


@pytest.fixture
def empty_postgres(postgres_url: str) -> Iterator[Database]:
    """Empty the module's database, and connect to it."""
    with closing(locate(postgres_url)) as database:
        database.execute_sql("DROP SCHEMA public CASCADE")
        database.execute_sql("CREATE SCHEMA public")
        yield database
