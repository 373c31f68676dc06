"""views.* and blocks.validate."""

from typing import Any, Literal

from bot.sandbox.arguments import Arguments
from bot.sandbox.blocks import problems
from bot.sandbox.contents import checked_blocks
from bot.sandbox.methods.method import Method
from bot.sandbox.refusal import Refusal
from bot.sandbox.slack import Slack
from bot.sandbox.values import Json
from bot.sandbox.workspace import APP, TEAM

TITLE_LIMIT = 24
METADATA_LIMIT = 3000


def _view(slack: Slack, arguments: Arguments, kind: Literal["modal", "home"]) -> Json:
    view = arguments.json("view", error="invalid_view")
    if not isinstance(view, dict) or view.get("type") != kind:
        raise Refusal("invalid_view", f"view.type must be {kind}")
    if len(str(view.get("private_metadata", ""))) > METADATA_LIMIT:
        raise Refusal("view_too_large", "private_metadata is longer than 3000 characters")
    for name in ("title", "submit", "close") if kind == "modal" else ():
        _check_title(name, view.get(name))
    blocks = checked_blocks(view.get("blocks", []), kind, new_id=slack.workspace.new_id)
    return view | {
        "id": slack.workspace.new_id("V"),
        "blocks": blocks,
        "hash": slack.clock.timestamp(),
        "team_id": TEAM,
        "app_id": APP,
        "bot_id": slack.workspace.bot.bot_id,
        "state": {"values": {}},
    }


def _check_title(name: str, text: Any) -> None:
    if text is None and name == "title":
        raise Refusal("invalid_arguments", "missing required field: title [json-pointer:/view]")
    if text is not None and len(str(text.get("text", ""))) > TITLE_LIMIT:
        message = f"must be less than 25 characters [json-pointer:/view/{name}/text]"
        raise Refusal("invalid_arguments", message)


def publish(slack: Slack, arguments: Arguments) -> Json:
    if not slack.manifest.home_tab:
        raise Refusal("not_enabled")
    user = arguments.need("user_id")
    if user not in slack.workspace.users:
        raise Refusal("user_not_found")
    view = _view(slack, arguments, "home")
    with slack.workspace.changing():
        slack.views[f"home:{user}"] = view
    return {"view": view}


def open_(slack: Slack, arguments: Arguments) -> Json:
    view = _view(slack, arguments, "modal")
    user = slack.callbacks.exchange(arguments.need("trigger_id"))
    with slack.workspace.changing():
        slack.views[f"modal:{user}"] = view
    return {"view": view}


def validate(slack: Slack, arguments: Arguments) -> Json:
    """Exactly one of `blocks`, `message`, `view`; answers with all that is wrong."""
    given = [name for name in ("blocks", "message", "view") if arguments.text(name)]
    if len(given) != 1:
        raise Refusal("invalid_arguments", "provide exactly one of blocks, message, view")
    name = given[0]
    value = arguments.json(name, error=f"invalid_{name}")
    blocks = value if name == "blocks" else value.get("blocks", [])
    found = problems(blocks, "modal" if name == "view" else "message")
    if found:
        errors = [
            {"pointer": each.pointer, "code": "failed_constraint", "message": each.message}
            for each in found
        ]
        raise Refusal(f"invalid_{name}", errors=errors)
    return {}


METHODS = {
    "blocks.validate": Method(validate),
    "views.open": Method(open_),
    "views.publish": Method(publish),
}
