"""`scripts/bench [NAME …] [--json | --markdown | --before COMMIT]`."""

import argparse
import difflib
import importlib
import pkgutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from tests.benchmarks import measures
from tests.benchmarks.earlier import Earlier
from tests.benchmarks.figure import Figure
from tests.benchmarks.machine import kind_of_machine
from tests.benchmarks.run import Run, Unavailable
from tests.benchmarks.summary import benchmarks_of_lines, summary
from tests.benchmarks.table import as_json, as_markdown, as_text

CACHE = Path(__file__).parents[2] / "build" / "benchmarks"

EXAMPLES = """\
examples:
  scripts/bench                     everything: ten minutes, and twenty the first time
  scripts/bench caller ingest       only these
  scripts/bench --rounds 3 list     quicker, less precise
  scripts/bench --markdown          the table of docs/explanation/performance.md
  scripts/bench --before 4244007a   ten lines: the main figures, then and now

benchmarks:
"""


def benchmarks() -> Mapping[str, ModuleType]:
    """Return all benchmarks by name."""
    return {
        name.replace("_", "-"): importlib.import_module(f"tests.benchmarks.measures.{name}")
        for _, name, _ in pkgutil.iter_modules(measures.__path__)
    }


def main(arguments: Sequence[str] | None = None) -> int:
    known = benchmarks()
    options = _parser(known).parse_args(arguments)
    if wrong := [name for name in options.names if name not in known]:
        near = difflib.get_close_matches(wrong[0], known, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(known)}."
        sys.stderr.write(f"bench: {wrong[0]} is not a benchmark: {hint}\n")
        return 2
    earlier = None
    if options.before:
        earlier = Earlier(options.before, cache=CACHE, rounds=options.rounds)
    usual = benchmarks_of_lines() if earlier else known
    names = options.names or [n for n in usual if not getattr(known[n], "ON_DEMAND", False)]
    figures: list[Figure] = []
    before: list[Figure] = []
    kind = kind_of_machine()
    unavailable = False
    for name in names:
        progress = Progress(name)
        run = Run(cache=CACHE, rounds=options.rounds, note=progress)
        try:
            if earlier:
                before += earlier.measure(name, note=progress)
            figures += [replace(each, measured_on=kind) for each in known[name].measure(run)]
        except Unavailable as problem:
            unavailable = True
            progress.clear()
            sys.stderr.write(f"bench: {name}: {problem}\n")
    Progress("").clear()
    render = as_json if options.json else as_markdown if options.markdown else as_text
    table = summary(before, figures, commit=options.before) if earlier else render(figures)
    sys.stdout.write(table + "\n")
    return int(unavailable or any(figure.met is False for figure in figures))


class Progress:
    """Show progress in one line on a terminal, and nothing elsewhere."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._started = time.monotonic()

    def __call__(self, text: str) -> None:
        if sys.stderr.isatty():
            seconds = time.monotonic() - self._started
            sys.stderr.write(f"\r\033[K{self._name}: {text} ({seconds:.0f} s)")
            sys.stderr.flush()

    def clear(self) -> None:
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")


def _parser(known: Mapping[str, ModuleType]) -> argparse.ArgumentParser:
    width = max(map(len, known))
    lines = [
        f"  {name:<{width}}  {(module.__doc__ or '').partition(chr(10))[0]}"
        for name, module in known.items()
    ]
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="What recording and asking cost, each figure against its peer or limit.",
        epilog=EXAMPLES + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these benchmarks")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is taken (5)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one object with raw numbers")
    form.add_argument("--markdown", action="store_true", help="the machine and a table")
    form.add_argument("--before", metavar="COMMIT", help="the main figures, then and now")
    return parser


if __name__ == "__main__":
    sys.exit(main())
