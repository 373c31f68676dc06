"""The page of all options, from the parsers of the commands."""

from argparse import SUPPRESS, Action, ArgumentParser
from collections.abc import Iterator, Mapping

from bot.cli.parser import shell_parser
from reports.commands.filters import KINDS, SIDES, TAKEN
from reports.commands.parser import build_parser

HEAD = """\
# Options

What each command takes, as `tracebot help COMMAND` says it. [Commands](commands.md) explains them.
This page is made by `scripts/reference` from the code.

In a shell, all commands have `--help`, and those that answer from the database also `--json` (one
JSON object), `--tsv` (tab-separated values, if there are rows), `--no-pager` and `--database PATH`.

"""

COMMON = frozenset(("--help", "--json", "--tsv", "--no-pager", "--database"))
FILTERS = frozenset(f"--{name}" for name in KINDS) | {
    f"--{name}-{side}" for name in KINDS for side in SIDES.values()
}


def options_page() -> str:
    slack = build_parser(prog="/trace", shell=False)[1].choices
    shell = shell_parser()[1].choices
    return HEAD + "\n".join(_section(name, parser, slack) for name, parser in shell.items())


def _section(name: str, parser: ArgumentParser, slack: Mapping[str, ArgumentParser]) -> str:
    there = {_name(action) for action in slack[name]._actions} if name in slack else None
    filters = name in TAKEN
    rows = "".join(_rows(parser, there, filters=filters))
    table = f"\n| | | in |\n|---|---|---|\n{rows}" if rows else ""
    also = "\nIt takes [filters](commands.md#filters).\n" if filters else ""
    return f"## {name}\n\n{parser.description}\n{table}{also}"


def _rows(parser: ArgumentParser, there: set[str] | None, *, filters: bool) -> Iterator[str]:
    for action in parser._actions:
        is_filter = filters and not FILTERS.isdisjoint(action.option_strings)
        common = not COMMON.isdisjoint(action.option_strings)
        if action.help == SUPPRESS or common or is_filter:
            continue
        where = "Slack, shell" if there is not None and _name(action) in there else "shell"
        help = (action.help or "").replace("%%", "%").replace("|", "\\|")
        yield f"| {_name(action)} | {help} | {where} |\n"


def _name(action: Action) -> str:
    """Return an option or an argument as it is typed, as a cell of a table."""
    value = action.metavar or action.dest.upper()
    if action.choices and action.option_strings:
        value = "|".join(map(str, action.choices))
    typed = [*action.option_strings] if action.nargs == 0 else [*action.option_strings[:-1]]
    last = [*action.option_strings[-1:], str(value)] if action.nargs != 0 else []
    return ", ".join(f"`{each}`" for each in filter(None, (*typed, " ".join(last)))).replace(
        "|", "\\|"
    )
