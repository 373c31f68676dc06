"""`tracebot help --man`: all commands as a man page, for `man -l` and for packages."""

from argparse import ArgumentParser
from collections.abc import Iterator
from importlib.metadata import version

from bot.cli.help import commands_of, examples_of, sections, usage


def man_page(parser: ArgumentParser) -> str:
    """Return a page of section 1 in the language of man(7)."""
    return "\n".join(_lines(parser)) + "\n"


def _lines(parser: ArgumentParser) -> Iterator[str]:
    yield f'.TH TRACEBOT 1 "" "tracebot {version("tracebot")}" "User Commands"'
    yield from (".SH NAME", rf"tracebot \- {_escaped(parser.description or '')}")
    yield from (".SH SYNOPSIS", _escaped(usage(parser)))
    yield ".SH COMMANDS"
    for name, command in commands_of(parser).items():
        yield f".SS {name}"
        yield from (
            _escaped(command.description or ""),
            ".PP",
            rf"\fB{_escaped(usage(command))}\fR",
        )
        yield from _command(command)
    yield from (".SH EXIT STATUS", "0 if done; 1 if it failed or nothing was found;")
    yield "2 if the command line makes no sense."
    yield from (".SH EXAMPLES", *_examples(parser))


def _command(parser: ArgumentParser) -> Iterator[str]:
    for section in sections(parser):
        for names, told in section.rows:
            yield from (".TP", rf"\fB{_escaped(names)}\fR", _escaped(told) or r"\&")
    yield from _examples(parser)


def _examples(parser: ArgumentParser) -> Iterator[str]:
    for line, told in examples_of(parser):
        yield from (".PP", f"{_escaped(told)}:", ".PP", ".nf", f"    {_escaped(line)}", ".fi")


def _escaped(text: str) -> str:
    """Return text that man does not take for a request, with hyphens that can be pasted."""
    plain = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{plain}" if plain[:1] in (".", "'") else plain
