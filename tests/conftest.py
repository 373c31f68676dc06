"""Fixtures: real databases in a folder of the test's own, real sockets, nothing mocked."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from peewee import Database

from bot.sandbox import Sandbox
from storage import Observability
from storage.database import open_database


@pytest.fixture
def db_path(tmp_path: Path) -> Path:
    return tmp_path / "tracebot.db"


@pytest.fixture
def database(db_path: Path) -> Iterator[Database]:
    opened = open_database(db_path)
    yield opened
    opened.close()


@pytest.fixture
def observability(db_path: Path) -> Iterator[Observability]:
    with Observability.open(db_path, platform="slack") as opened:
        yield opened
        opened.database.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start(Path(__file__).parent.parent / "manifest.yml") as running:
        yield running
