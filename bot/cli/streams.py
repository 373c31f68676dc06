"""Make the standard streams safe to use: closed, full, without Unicode, or with a secret."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import TextIO, TypeVar, cast

Stream = TypeVar("Stream", bound=TextIOWrapper)

FOR_PROGRAMS = frozenset(("--json", "--tsv"))


def prepare_streams(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> None:
    r"""Open what the caller closed, and replace the characters that a stream cannot show.

    People get an ASCII mark in place of each; programs, which ask for `--json` or `--tsv`, get
    JSON's `\u2713`, from which nothing is lost. Of what is read, a byte that is not text becomes �:
    `git diff | tracebot query -` may contain one.
    """
    # In the order of their numbers, each of which the next file that is opened would get: a message
    # for a closed stderr must not end in the database.
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.stdout = sys.stdout or _nowhere("w")
    sys.stderr = sys.stderr or _nowhere("w")
    sys.stdout = sys.__stdout__ = _made(CheckedOutput, of=sys.stdout)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _made(RedactedErrors, of=sys.stderr)  # type: ignore[misc]
    in_ascii = not _shows_unicode(environ)
    for stream in (sys.stdout, sys.stderr):
        if in_ascii and stream.isatty():
            _replace(stream, arguments, encoding="ascii")
        elif not is_unicode(stream):
            _replace(stream, arguments, encoding=stream.encoding)


def _nowhere(mode: str) -> TextIO:
    return cast("TextIO", open(os.devnull, mode, encoding="utf-8"))


class OutputError(Exception):
    """Text cannot be written to stdout, for example because the disk is full."""


class CheckedOutput(TextIOWrapper):
    """A stream that raises `OutputError`, which nobody takes for an error of the database."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise _output_error(error) from error

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise _output_error(error) from error


class RedactedErrors(TextIOWrapper):
    """A stream that removes secrets from what is written: messages, log lines, and tracebacks.

    A message quotes a setting that is wrong, which may be a token in the wrong line of `.env`, and
    the traceback of an unexpected error ends with whatever the error says.

    What it cannot write is lost: a full disk or a closed pipe behind it would end the thread that
    says that Slack is connected, and with it the bot's hearing.
    """

    def write(self, text: str, /) -> int:
        from storage.model.redaction import redact  # Most commands write nothing here.

        with suppress(OSError):
            super().write(redact(text))
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def _output_error(error: OSError) -> Exception:
    if isinstance(error, BrokenPipeError):  # `tracebot ls | head` is not a failure.
        return error
    return OutputError(f"The output cannot be written: {error.strerror}.")


def _made(kind: type[Stream], *, of: TextIO) -> Stream:
    """Return a stream of this kind in place of another one, which cannot be used any more."""
    kept = {
        name: getattr(of, name)
        for name in ("encoding", "errors", "line_buffering", "write_through")
    }
    return kind(of.detach(), **kept)  # type: ignore[attr-defined]


def is_unicode(stream: TextIO) -> bool:
    """Return whether a stream takes every character."""
    return stream.encoding.lower().replace("_", "-").startswith("utf")


def _shows_unicode(environ: Mapping[str, str]) -> bool:
    """Return False if the caller asks for ASCII: `LC_ALL=C`, or `LANG=POSIX` and nothing else.

    Python writes UTF-8 in such a locale, and notes that in LC_CTYPE
    (https://peps.python.org/pep-0538/). Without any locale, as in most containers, terminals know
    Unicode.
    """
    ctype = environ.get("LC_CTYPE", "")
    own = "" if ctype == "C.UTF-8" else ctype
    locale = environ.get("LC_ALL") or own or environ.get("LANG") or ""
    return locale not in ("C", "POSIX")


def _replace(stream: TextIO, arguments: Sequence[str], *, encoding: str) -> None:
    from reports.render import marks

    errors = marks.ESCAPED if FOR_PROGRAMS.intersection(arguments) else marks.REPLACED
    stream.reconfigure(encoding=encoding, errors=errors)  # type: ignore[attr-defined]


def discard_output() -> None:
    """Let stdout lead nowhere: Python flushes it once more when it exits, which must not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
