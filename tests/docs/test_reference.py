"""The pages that `scripts/reference` makes are as it makes them now."""

import re

import pytest

from bot.cli.parser import shell_parser
from tests.support.reference import FOLDER, PAGES
from tests.support.reference.json_examples import CHANGES, answer, recorded


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_code_says(name: str) -> None:
    """Else run scripts/reference, and read the diff."""
    assert PAGES[name]() == (FOLDER / name).read_text(encoding="utf-8")


def test_the_list_for_language_models_says_something_of_every_page() -> None:
    told = re.findall(r"^- \[.+\]\((.+)\): .+$", PAGES["llms.txt"](), re.MULTILINE)
    pages = {str(page.relative_to(FOLDER)) for page in FOLDER.glob("**/*.md")} - {"index.md"}
    assert {page for page in pages if not page.startswith("decisions/0")} == set(told)


def test_the_json_of_every_command_is_on_the_page() -> None:
    page = (FOLDER / "reference/json.md").read_text(encoding="utf-8")
    sections = {heading.split()[0] for heading in re.findall("^## (.*)$", page, re.MULTILINE)}
    commands = shell_parser()[1].choices
    with_json = {name for name in commands if "--json" in commands[name]._option_string_actions}
    assert with_json - sections == {"cancel", "forget"}


def test_a_command_that_changes_something_answers_with_a_message() -> None:
    with recorded():
        for line in CHANGES.values():
            assert answer(line).keys() in ({"message"}, {"error"}), line
