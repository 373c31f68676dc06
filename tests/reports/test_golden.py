"""Each view as each renderer shows it, compared exactly with a file; `scripts/golden` writes them.

The views are of two days of the demo's fortnight. A change of words or layout shows here as the
difference that a reader would see.
"""

from pathlib import Path

import pytest

from tests.support.fortnight import play_once
from tests.support.golden import DAYS, FOLDER, rendered


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    played = play_once(tmp_path_factory, days=DAYS)
    return dict(rendered(played, tmp_path_factory.mktemp("copy")))


def test_no_golden_file_is_missing_or_left_over(files: dict[str, str]) -> None:
    assert {each.name for each in FOLDER.iterdir()} == set(files)


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_a_view_is_rendered_as_its_golden_file(files: dict[str, str], path: Path) -> None:
    assert files.get(path.name) == path.read_text()
