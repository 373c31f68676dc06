"""A sentence, the commands, and the health of the recording."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reports.render.columns import Part
from reports.render.terminal.parts import bold, pairs

if TYPE_CHECKING:
    from reports.views.erasure import ConfirmView
    from reports.views.health import HealthView
    from reports.views.messages import HelpView, MessageView


def health(view: HealthView) -> Iterator[Part]:
    yield [(view.verdict, "green" if view.ok else "red")]
    yield ""
    yield pairs(view.facts)
    if not view.ok:
        yield ""
        yield pairs(
            (f"{problem.mark} {problem.fact}", f"{problem.advice}.") for problem in view.problems
        )


def command_help(view: HelpView) -> list[Part]:
    return [bold(view.title), "", pairs(view.commands)]


def message(view: MessageView | ConfirmView) -> list[Part]:
    return [view.text]
