"""The answer to `forget` says what it did not reach."""

from pathlib import Path

from reports.views.erasure import forgotten
from storage.upkeep.erasure import Erased


def said(**changes: object) -> str:
    facts: dict[str, object] = {"spools": 0, "log_emptied": True, "set_aside": (), "backups": ()}
    facts |= {"litestream": None, **changes}
    return forgotten(Erased(messages=1), user="U1", **facts).text  # type: ignore[arg-type]


def test_nothing_is_added_if_everything_was_reached() -> None:
    assert said() == "Erased the text of 1 message from U1: 0 spans held text, 0 files deleted."


def test_a_reader_that_keeps_the_log_and_a_spool_that_waits_are_told() -> None:
    assert "keeps SQLite's log from being emptied" in said(log_emptied=False)
    assert "still waits in the spool of a running process" in said(spools=1)


def test_a_replica_is_told_with_the_way_to_a_new_one() -> None:
    folder = Path("/data/.tracebot.db-litestream")
    shown = said(litestream=folder, log_emptied=False, named=True)
    assert "rm -r -- /data/.tracebot.db-litestream\ntracebot checkpoint --truncate" in shown
    assert "A program that reads" not in shown
    private = said(litestream=folder, log_emptied=False)
    assert "Litestream's replica still holds it" in private and "/data" not in private
