"""The help of `tracebot` and of each command. It is loaded only when somebody asks for it."""

import shutil
from argparse import SUPPRESS, Action, ArgumentParser, _SubParsersAction
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bot.cli.examples import EXAMPLES, FIRST, Examples
from bot.cli.output import output_form
from reports.commands.filters import TAKEN
from reports.render.columns import Column, Part, Table, layout, width_of

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Ask the record": (
        *("ls", "show", "search", "thread", "why", "stats", "cost", "errors", "slow"),
        *("logs", "metrics", "digest"),
    ),
    "Watch and limit": ("ps", "cancel", "alerts", "budget"),
    "Record": ("run", "collect"),
    "The bot": (*("init", "serve", "demo", "query", "agents", "rehearse", "import", "doctor"),),
    "The database": ("health", "backup", "restore", "move", "clean", "checkpoint", "forget"),
    "Help": ("help", "completion"),
}
"""The commands by what they are for, in the order of the help."""

WIDEST = 100
"""Longer lines are hard to read."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and pairs of what can be written and what it means."""

    title: str
    rows: tuple[tuple[str, str], ...]


def help_text(parser: ArgumentParser) -> str:
    """Return the help of a parser, as wide as the terminal."""
    form = output_form()
    form["width"] = width = min(shutil.get_terminal_size().columns, WIDEST)
    text = layout(_parts(parser), **form)
    if examples := examples_of(parser):
        # Never wrapped: a part of a line is another command.
        form["width"] = None
        text += f"\n{layout(_examples(examples, width), **form)}"
    more = "\n\ntracebot help COMMAND describes a command, with its options and examples."
    return f"{text}{more if commands_of(parser) else ''}\n"


def commands_of(parser: ArgumentParser) -> Mapping[str, ArgumentParser]:
    """Return the parsers of the commands by their names, in the order of the help."""
    found = next((each for each in parser._actions if isinstance(each, _SubParsersAction)), None)
    if found is None:
        return {}
    named = [name for names in GROUPS.values() for name in names if name in found.choices]
    return {name: found.choices[name] for name in [*named, *found.choices]}


def usage(parser: ArgumentParser) -> str:
    """Return how a command is written: `tracebot show [OPTION …] [ID]`."""
    if commands_of(parser):
        return f"{parser.prog} COMMAND [OPTION …]"
    arguments = [_argument(each) for each in parser._actions if not each.option_strings]
    words = [parser.prog, "[OPTION …]", *arguments]
    if parser.prog.endswith(" run"):  # Whose options end where the command's begin.
        words.insert(2, "--")
    return " ".join(words)


def _argument(action: Action) -> str:
    name = _value(action)
    return {"?": f"[{name}]", "*": f"[{name} …]", "+": f"{name} …"}.get(str(action.nargs), name)


def _value(action: Action) -> str:
    if action.metavar is None and action.choices is not None:
        return "|".join(map(str, action.choices))
    return str(action.metavar or action.dest.upper())


def sections(parser: ArgumentParser) -> Iterator[Section]:
    """Yield the commands of `tracebot` by groups, or arguments, filters and options of a command.

    A command that is in no group is left out; a test finds it.
    """
    commands = commands_of(parser)
    longest = max(map(len, commands), default=0)
    for title, names in GROUPS.items():
        shown_here = [name for name in names if name in commands]
        yield Section(
            title,
            tuple((f"{each:<{longest}}", commands[each].description or "") for each in shown_here),
        )
    shown = [each for each in parser._actions if each.help != SUPPRESS and each.dest != "command"]
    options = [each for each in shown if each.option_strings]
    taken = TAKEN.get(parser.prog.split()[-1], ())
    filters = [each for each in options if each.dest.partition("_")[0] in taken]
    yield Section("Arguments", _rows(each for each in shown if not each.option_strings))
    # Statistics and turns that run have no figures to compare.
    words = "agent:claude, 'cost>0.5', -status:ok" if "cost" in taken else "agent:claude"
    title = f"Filters, each also a word: {words}"
    yield Section(title if len(filters) > 1 else "Filters", _rows(filters))
    yield Section("Options", _rows(each for each in options if each not in filters))


def _rows(actions: Iterable[Action]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (_names(each), (each.help or "").removesuffix(" message and exit")) for each in actions
    )


def _names(action: Action) -> str:
    names = ", ".join(action.option_strings)
    if not names:
        return _value(action)
    return names if action.nargs == 0 else f"{names} {_value(action)}"


def examples_of(parser: ArgumentParser) -> Examples:
    """Return the examples of a command, or those that `tracebot --help` begins with."""
    return FIRST if commands_of(parser) else EXAMPLES.get(parser.prog.split()[-1], ())


def _parts(parser: ArgumentParser) -> Iterator[Part]:
    yield parser.description or ""
    yield ""
    yield [("usage: ", "bold"), (usage(parser), "")]
    for section in sections(parser):
        if section.rows:
            yield [(f"\n{section.title}:", "bold")]
            yield Table(
                columns=(Column(), Column(wraps=True)),
                rows=[(f"  {name}", text) for name, text in section.rows],
            )
    if parser.epilog:
        yield f"\n{parser.epilog.rstrip()}"


def _examples(examples: Examples, width: int) -> Iterator[Part]:
    """Yield lines that a shell runs as they are pasted, with what each does in a comment."""
    yield [("\nExamples:", "bold")]
    longest = max(width_of(line) for line, _ in examples)
    beside = max(width_of(f"  {line:<{longest}}  # {told}") for line, told in examples) <= width
    for line, told in examples:
        comment = (f"  # {told}", "grey")
        if beside:
            yield [(f"  {line:<{longest}}", ""), comment]
        else:
            yield from ([comment], f"  {line}")
