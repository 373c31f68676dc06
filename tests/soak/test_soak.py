"""The faults of test_process_faults.py, for long enough to be trusted."""

from pathlib import Path

from tests.support.process_faults import SOUND, run


def test_300_kills_lose_no_acknowledged_span(db_path: Path) -> None:
    found = run("kills", db_path, 300, timeout=1_200)
    assert found.pop("acknowledged") > 3_000
    assert found == SOUND


def test_eight_processes_share_one_database_for_a_minute(db_path: Path) -> None:
    found = run("crowd", db_path, 60, timeout=600)
    assert found.pop("exit codes") == [0] * 8
    assert found == SOUND


def test_many_processes_start_at_the_same_time_many_times(tmp_path: Path) -> None:
    for turn in range(20):
        found = run("race", tmp_path / f"{turn}.db", 12, timeout=300)
        assert found.pop("exit codes") == [0] * 12
        assert found == SOUND
