"""Erase the text of a message that its author deleted."""

from storage import Observability
from storage.upkeep.erasure import erase_text


def test_the_text_of_an_erased_message_is_gone(observability: Observability) -> None:
    words = {"channel": "C1", "message_ts": "1.0", "text": "regrettable"}
    with observability.span("slack message", **words):
        pass
    observability.flush()
    database = observability.database
    erase_text(database, channel="C1", message_ts="1.0")
    for table in ("spans", "traces"):
        assert "regrettable" not in str(database.execute_sql(f"SELECT * FROM {table}").fetchall())
