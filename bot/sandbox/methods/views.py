"""views.* and blocks.validate."""

from typing import Literal

from bot.sandbox.backend.slack import Slack
from bot.sandbox.blocks.checks import Check, Shape, Violation, anything, array, choice, flag, string
from bot.sandbox.blocks.elements import plain
from bot.sandbox.blocks.validate import violations
from bot.sandbox.methods.method import Method
from bot.sandbox.requests.arguments import Arguments
from bot.sandbox.requests.contents import checked_blocks
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.values import Json
from bot.sandbox.state.workspace import APP

# Any blocks: `checked_blocks` checks them afterwards, with a pointer to each violation.
BLOCKS = array(anything, 1000, least=0)
COMMON: dict[str, Check] = {
    "private_metadata": string(3000, least=0),
    "callback_id": string(255),
    "external_id": string(255),
}
VIEWS = {
    "home": Shape({"type": choice("home"), "blocks": BLOCKS}, COMMON),
    "modal": Shape(
        {"type": choice("modal"), "blocks": BLOCKS, "title": plain(24)},
        {
            **COMMON,
            "submit": plain(24),
            "close": plain(24),
            "clear_on_close": flag,
            "notify_on_close": flag,
        },
    ),
}


def _view(slack: Slack, arguments: Arguments, kind: Literal["modal", "home"]) -> Json:
    view = arguments.json("view", error="invalid_view")
    wrong = list(VIEWS[kind](view, "/view"))
    if wrong:
        texts = [f"{each.message} [json-pointer:{each.pointer}]" for each in wrong]
        raise Refusal("invalid_arguments", *texts)
    shape: Json = view
    blocks = checked_blocks(shape["blocks"], kind, new_id=slack.workspace.new_id)
    return shape | {
        "id": slack.workspace.new_id("V"),
        "blocks": blocks,
        "hash": slack.clock.timestamp(),
        "team_id": slack.workspace.team,
        "app_id": APP,
        "bot_id": slack.workspace.bot.bot_id,
        "state": {"values": {}},
    }


def publish(slack: Slack, arguments: Arguments) -> Json:
    if not slack.manifest.home_tab:
        raise Refusal("not_enabled")
    user = arguments.need("user_id")
    if user not in slack.workspace.users:
        raise Refusal("user_not_found")
    view = _view(slack, arguments, "home")
    slack.views[f"home:{user}"] = view
    return {"view": view}


def open_(slack: Slack, arguments: Arguments) -> Json:
    view = _view(slack, arguments, "modal")
    user = slack.callbacks.exchange(arguments.need("trigger_id"))
    slack.views[f"modal:{user}"] = view
    return {"view": view}


def update(slack: Slack, arguments: Arguments) -> Json:
    view = _view(slack, arguments, "modal")
    wanted = arguments.need("view_id")
    for place, shown in slack.views.items():
        if shown["id"] == wanted and place.startswith("modal:"):
            view["id"] = wanted
            slack.views[place] = view
            return {"view": view}
    raise Refusal("not_found")


def validate(slack: Slack, arguments: Arguments) -> Json:
    """Check exactly one of `blocks`, `message`, `view`; refuse with every violation."""
    given = [name for name in ("blocks", "message", "view") if arguments.text(name)]
    if len(given) != 1:
        raise Refusal("invalid_arguments", "provide exactly one of blocks, message, view")
    name = given[0]
    found = _faults(name, arguments)
    if found:
        errors = [
            {"pointer": each.pointer, "code": "failed_constraint", "message": each.message}
            for each in found
        ]
        raise Refusal(f"invalid_{name}", errors=errors)
    return {}


def _faults(name: str, arguments: Arguments) -> list[Violation]:
    value = arguments.json(name, error=f"invalid_{name}")
    if name == "blocks":
        return violations(value, "message")
    if not isinstance(value, dict):
        return [Violation("", "must be an object")]
    if name == "message":
        return violations(value.get("blocks", []), "message")
    kind: Literal["modal", "home"] = "home" if value.get("type") == "home" else "modal"
    return list(VIEWS[kind](value, "")) or violations(value["blocks"], kind)


METHODS = {
    "blocks.validate": Method(validate),
    "views.open": Method(open_),
    "views.publish": Method(publish),
    "views.update": Method(update),
}
