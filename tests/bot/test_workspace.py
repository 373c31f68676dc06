"""The workspace of tests/soak for a second, with real processes: the soak itself works."""

from pathlib import Path

from tests.support.workspace.rounds import play


def test_people_at_work_get_every_answer_once(tmp_path: Path) -> None:
    assert play(tmp_path, seed=3, seconds=0.1, http=False, long_thread=5, faults=False) == []
