"""The examples of README and the documentation can be pasted."""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from peewee import Database

from bot.cli.parser import parser_for
from reports.commands.filters import TAKEN
from reports.commands.handlers import Viewer, answer
from reports.commands.parser import build_parser, parse
from reports.errors import UsageError
from storage.recovery.opening import open_database
from tests.support.paths import MEASURED, ROOT
from tests.support.readme import README, alike, part

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
OURS = re.compile(r"(?:[A-Z_]+=\S* )*(?:\.venv/bin/)?(tracebot|/trace)(?: (.+))?")


def blocks(text: str, *languages: str) -> list[str]:
    """Return the blocks of code that are marked as one of these languages."""
    return [code for language, code in BLOCK.findall(text) if language in languages]


def command_lines(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the program and the rest of each line of ours in the blocks of a page."""
    text = page.read_text()
    lines = "".join(blocks(text, "", "sh")).replace("\\\n", "").splitlines()
    lines += re.findall(r"^\$ (.*)$", "".join(blocks(text, "console")), re.MULTILINE)
    for line in lines:
        if found := OURS.fullmatch(line.strip()):
            yield found[1], found[2] or ""
    if page.name == "README.md":
        for cell in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
            yield from (("/trace", words) for words in re.findall(r"`(.+?)`", cell))


def arguments_of(program: str, words: str) -> list[str]:
    """Return the arguments; in a shell those up to a comment, a pipe or the next command."""
    if program == "/trace":
        return shlex.split(words)
    lexer = shlex.shlex(words, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True  # A URL is one argument.
    arguments = list(lexer)
    ends = [place for place, each in enumerate(arguments) if not each.strip("();<>|&")]
    return arguments[: ends[0]] if ends else arguments


def refusal(program: str, arguments: Sequence[str], database: Database) -> str:
    """Return why a command line is not understood, empty if it is."""
    if arguments[:1] == ["run"]:
        return ""  # Everything after it is the command to record.
    in_slack, _ = build_parser(prog="/trace", shell=False)
    try:
        args = parse(in_slack if program == "/trace" else parser_for(arguments), arguments)
        if args.command in TAKEN:  # Its filters are read when it is answered.
            answer(args, database=database, viewer=Viewer(), now=time.time_ns())
    except UsageError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with closing(open_database(tmp_path_factory.mktemp("examples") / "tracebot.db")) as database:
        yield database


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_command_line_of_a_page_is_understood(page: Path, empty: Database) -> None:
    for program, words in command_lines(page):
        assert not refusal(program, arguments_of(program, words), empty), words


def typed(commands: str, home: Path) -> str:
    """Return what a shell with an empty home folder shows for commands."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {**MEASURED, "HOME": str(home), "PATH": path, "PYTHONPATH": str(ROOT)}
    shell = subprocess.run(
        ["bash"], input=commands, env=environ, cwd=home, capture_output=True, text=True, timeout=60
    )
    assert shell.stderr == ""
    return shell.stdout


@pytest.mark.parametrize("name", ["SHELL", "PYTHON"])
def test_what_readme_records_is_shown_as_it_says(name: str, tmp_path: Path) -> None:
    (session,) = blocks(part(name), "console")
    commands = re.findall(r"^\$ (.*)$", session, re.MULTILINE)
    for program in blocks(part(name), "python"):
        commands.insert(0, f"python - <<'END'\n{program}END")
    shown = re.sub(r"^\$ .*\n", "", session, flags=re.MULTILINE)
    assert alike(typed("\n".join(commands), tmp_path)) == alike(shown)
    assert (tmp_path / ".local/share/tracebot/tracebot.db").exists()


def test_the_badge_names_the_versions_that_are_tested() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    classifiers = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert f"[![Python {' | '.join(classifiers)}]" in README
    quoted = ", ".join(f'"{version}"' for version in classifiers)
    assert f"python: [{quoted}]" in workflow


def test_the_pictures_of_readme_exist_and_load_quickly() -> None:
    pictures = [ROOT / name for name in re.findall(r'src(?:set)?="([^"]+)"', README)]
    assert len(pictures) == 2
    assert [picture for picture in pictures if picture.stat().st_size > 1_000_000] == []
