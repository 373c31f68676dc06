"""The pages that `scripts/reference` makes from the code are as it makes them now."""

import pytest

from tests.support.reference import FOLDER, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_code_says(name: str) -> None:
    """Else run scripts/reference, and read the diff."""
    assert PAGES[name]() == (FOLDER / name).read_text(encoding="utf-8")
