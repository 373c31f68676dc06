"""The decision on a message: its reason, the rules up to the one that held, and the way out."""

from reports.render.block_kit import PART, SHOW, Block, button, clipped, context, escape, section
from reports.render.slack.trace_list import trace_line
from reports.views.why import WhyView


def why(view: WhyView) -> list[Block]:
    blocks = [section(f"*{escape(view.title)}*\n{trace_line(view.line)}")]
    if view.instead:
        blocks.append(section(f"*For an answer:* {escape(view.instead)}"))
    blocks.append(context(" → ".join(map(escape, _checked(view)))))
    if view.facts:
        blocks.append(context("\n".join(clipped(escape(fact), PART) for fact in view.facts[:5])))
    shown = button("Show trace", SHOW, view.line.trace_id)
    return [*blocks, {"type": "actions", "elements": [shown]}]


def _checked(view: WhyView) -> list[str]:
    *before, held = view.rules
    return [*(f"{rule}? no" for rule in before), f"{held}? yes"]
