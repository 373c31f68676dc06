"""The documentation names everything that exists, and nothing else."""

import re
from argparse import ArgumentParser
from pathlib import Path

import pytest
import yaml

from bot.cli.parser import shell_parser
from reports.commands.filters import KINDS, TAKEN
from reports.commands.parser import build_parser
from tests.support.paths import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
COMMANDS = (ROOT / "docs" / "reference" / "commands.md").read_text()
SECTIONS = dict(
    re.findall(r"^### `([a-z]+)[^\n]*\n(.*?)(?=^##|\Z)", COMMANDS, re.MULTILINE | re.DOTALL)
)
FILTERS = COMMANDS.partition("\n## Filters\n")[2].partition("\n## ")[0]


def commands() -> dict[str, ArgumentParser]:
    in_slack = build_parser(prog="/trace", shell=False)[1].choices
    return {**in_slack, **shell_parser()[1].choices}


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert set(SECTIONS) == set(commands())


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_option_of_a_command_stands_in_its_section(name: str) -> None:
    everywhere = {"--help", "--json", "--database", "--tsv", "--no-pager"}
    options = {
        option
        for action in commands()[name]._actions
        for option in action.option_strings
        if option.startswith("--")
    }
    explained = SECTIONS[name] + (FILTERS if name in TAKEN else "")
    assert {option for option in options - everywhere if option not in explained} == set()


def test_every_filter_stands_in_the_reference() -> None:
    assert {name for name in KINDS if f"`{name}" not in FILTERS} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    # Pages of CI, which GitHub shows beside the repository's files, are not among these.
    targets = re.findall(r"\]\((?!https?:|\.\./\.\./actions/)([^)#]+)[^)]*\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    pages = [str(page.relative_to(ROOT / "docs")) for page in ROOT.glob("docs/**/*.md")]
    listed = [page for page in pages if not re.match(r"index|decisions/\d", page)]
    assert [page for page in listed if f"({page})" not in index] == []
    site = (ROOT / "zensical.toml").read_text()
    assert [page for page in listed if f'"{page}"' not in site] == []
    assert "(docs/index.md)" in (ROOT / "README.md").read_text()


def test_settings_named_in_the_documentation_exist() -> None:
    example = (ROOT / ".env.example").read_text()
    given = {"TRACEBOT_AGENT", "TRACEBOT_CHANNEL", "TRACEBOT_THREAD_TS"}  # To children, by us.
    for page in PAGES:
        named = set(re.findall(r"\b(?:TRACEBOT|SLACK)_[A-Z_]+\b", page.read_text())) - given
        assert {name for name in named if name not in example} == set(), page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_imports_in_examples_work(page: Path) -> None:
    for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        for line in re.findall(r"^from .*", code, re.MULTILINE):
            exec(line, {})


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and Zensical make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_links_of_the_documentation_stay_within_it() -> None:
    """The site has no other files."""
    for page in ROOT.glob("docs/**/*.md"):
        targets = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text())
        places = [(page.parent / target).resolve() for target in targets]
        assert [str(p) for p in places if not p.is_relative_to(ROOT / "docs")] == [], page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_a_section_find_it(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text())
    places = [((page.parent / target) if target else page, anchor) for target, anchor in links]
    assert [(str(p), anchor) for p, anchor in places if anchor not in anchors(p)] == []


def test_each_scope_and_event_of_the_manifest_has_its_reason() -> None:
    manifest = yaml.safe_load((ROOT / "manifest.yml").read_text())
    text = (ROOT / "docs" / "reference" / "events-and-scopes.md").read_text()
    scopes, events = text.split("\n## Events\n")
    rows = [
        re.findall(r"^\| `([\w.:]+)` \| .+ \|$", each, re.MULTILINE) for each in (scopes, events)
    ]
    assert rows[0] == manifest["oauth_config"]["scopes"]["bot"]
    assert rows[1] == manifest["settings"]["event_subscriptions"]["bot_events"]


def test_examples_of_health_have_the_newest_migration() -> None:
    names = sorted(path.stem for path in (ROOT / "storage/database/migrations").glob("0*.py"))
    shown = [line for page in PAGES for line in re.findall(r"Migrations  .*_\w+", page.read_text())]
    assert shown == [f"Migrations  {len(names)}, up to {names[-1]}"] * 2
