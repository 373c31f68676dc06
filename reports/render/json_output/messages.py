"""Render messages, help and health."""

from dataclasses import asdict
from typing import Any

from reports.views.erasure import ConfirmView
from reports.views.health import HealthView
from reports.views.messages import HelpView, MessageView


def health(view: HealthView) -> dict[str, Any]:
    problems = [asdict(problem) for problem in view.problems]
    return {"ok": view.ok, "problems": problems, **asdict(view.health)}


def command_help(view: HelpView) -> dict[str, Any]:
    return {"commands": dict(view.commands)}


def message(view: MessageView | ConfirmView) -> dict[str, Any]:
    return {"message": view.text} if view.found else {"error": view.text}
