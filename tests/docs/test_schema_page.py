"""docs/reference/schema.md has each table and column, with its type and its meaning."""

import re

import pytest
from peewee import Model

from storage.database.models import TABLES
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "reference" / "schema.md").read_text()
SECTIONS = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_the_page_has_the_tables_of_the_database() -> None:
    assert list(SECTIONS) == [table._meta.table_name for table in TABLES]  # type: ignore[attr-defined]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_each_column_has_its_type_and_a_meaning(table: type[Model]) -> None:
    meta = table._meta  # type: ignore[attr-defined]
    told = re.findall(r"^\| `(\w+)` \| (\w+) \| .+ \|$", SECTIONS[meta.table_name], re.MULTILINE)
    assert told == [(each.column_name, each.field_type.lower()) for each in meta.sorted_fields]
