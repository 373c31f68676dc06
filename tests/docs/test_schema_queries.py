"""The queries of docs/reference/schema.md, on a copy and on the database itself."""

import re
from pathlib import Path

import cysqlite

from storage import Observability
from storage.database.connect import connect
from storage.recovery.backup import backup
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "reference" / "schema.md").read_text(encoding="utf-8")
QUERIES = re.findall(r'query copy\.db --table "\n(.*?)"$', PAGE, re.MULTILINE | re.DOTALL)


def test_its_queries_run_on_a_copy_and_beside_a_writer(tmp_path: Path) -> None:
    with Observability.open(tmp_path / "tracebot.db", platform="slack") as observability:
        with (
            observability.span("slack message", agent="claude", decision="answer"),
            observability.span("execute_tool grep"),
        ):
            pass
        assert observability.flush(30)
        database = connect(tmp_path / "tracebot.db")
        backup(database, tmp_path / "copy.db")
        database.close()
        for name in ("copy.db", "tracebot.db"):
            opened = cysqlite.connect(f"file:{tmp_path / name}?mode=ro", uri=True)
            turns, tools = (opened.execute(query).fetchall() for query in QUERIES)
            opened.close()
            assert (turns[0][0], turns[0][1]) == ("claude", 1)
            assert (tools[0][0], tools[0][1]) == ("execute_tool grep", 1)
