"""Views that are mostly text: health, help, a message, a question."""

from reports.render.block_kit import FORGET, Block, button, escape, section
from reports.views.erasure import ConfirmView
from reports.views.health import HealthView
from reports.views.messages import HelpView, MessageView


def health(view: HealthView) -> list[Block]:
    facts = "\n".join(f"*{name}*  {escape(value)}" for name, value in view.facts)
    problems = "\n".join(
        f"{problem.mark} *{problem.fact}*: {escape(problem.advice)}." for problem in view.problems
    )
    mark = ":white_check_mark:" if view.ok else ":warning:"
    verdict = section(f"{mark} *{escape(view.verdict)}*")
    return [verdict, section(facts), *([section(problems)] if problems else [])]


def command_help(view: HelpView) -> list[Block]:
    lines = [f"`/trace {command}`  {escape(meaning)}" for command, meaning in view.commands]
    return [section(f"*{view.title}*\n" + "\n".join(lines))]


def message(view: MessageView) -> list[Block]:
    return [section(escape(view.text))]


def confirm(view: ConfirmView) -> list[Block]:
    pressed = {**button(view.label, FORGET, view.value), "style": "danger"}
    return [section(escape(view.text)), {"type": "actions", "elements": [pressed]}]
