"""The rules that a message passed, and the one that decided."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reports.render.columns import Part
from reports.render.terminal.parts import bold, pairs
from reports.render.terminal.trace_list import traces

if TYPE_CHECKING:
    from reports.views.why import WhyView


def why(view: WhyView) -> Iterator[Part]:
    yield bold(view.title)
    yield ""
    yield traces([view.line])
    *before, held = view.rules
    yield ""
    yield pairs([*((rule, "no") for rule in before), (held, "yes: this rule decided")])
    for fact in view.facts:
        yield f"\n{fact}"
    if view.instead:
        yield [("\nFor an answer: ", "bold"), (view.instead, "")]
