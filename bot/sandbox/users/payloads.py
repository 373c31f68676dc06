"""The payloads of slash commands, buttons, menus, shortcuts and modals."""

from collections.abc import Iterator

from bot.sandbox.state.errors import SandboxError
from bot.sandbox.state.values import Channel, Json, Message, User
from bot.sandbox.state.workspace import APP, URL

DOMAIN = URL.removeprefix("https://").removesuffix(".slack.com/")
NAMELESS = {"im": "directmessage", "group": "privategroup"}
"""Slack's placeholders for the names of channels that have none or keep it private."""


def command(
    person: User, place: Channel, command: str, text: str, *, team: str, token: str, trigger: str
) -> Json:
    return {
        "token": token,
        "team_id": team,
        "team_domain": DOMAIN,
        "channel_id": place.id,
        "channel_name": NAMELESS.get(place.kind, place.name),
        "user_id": person.id,
        "user_name": person.name,
        "command": command,
        "text": text.strip(),
        "api_app_id": APP,
        "is_enterprise_install": "false",
        "trigger_id": trigger,
    }


def interaction(type_: str, person: User, *, team: str, token: str, trigger: str) -> Json:
    """Return the fields that all interactive payloads share."""
    return {
        "type": type_,
        "token": token,
        "api_app_id": APP,
        "team": {"id": team, "domain": DOMAIN},
        "enterprise": None,
        "is_enterprise_install": False,
        "user": {
            "id": person.id,
            "username": person.name,
            "name": person.name,
            "team_id": person.team_id,
        },
        "trigger_id": trigger,
    }


def place(channel: Channel) -> Json:
    return {"id": channel.id, "name": NAMELESS.get(channel.kind, channel.name)}


def container(message: Message) -> Json:
    """Return the place of the pressed button."""
    thread = {"thread_ts": message.thread_ts} if message.thread_ts else {}
    return {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": message.channel,
        "is_ephemeral": message.ephemeral_to is not None,
        **thread,
    }


def action(blocks: list[Json], action_id: str, value: str | None) -> Json:
    """Return the pressed element, with the chosen option (or feedback button) if it has several."""
    block, element = _element(blocks, action_id)
    pressed: Json = {
        "type": element["type"],
        "action_id": action_id,
        "block_id": block["block_id"],
    }
    if element["type"] == "feedback_buttons":
        buttons = [element["positive_button"], element["negative_button"]]
        return pressed | _chosen(buttons, value)
    if "options" in element:
        return pressed | {"selected_option": _chosen(element["options"], value)}
    return pressed | {key: element[key] for key in ("text", "value", "style") if key in element}


def _element(blocks: list[Json], action_id: str) -> tuple[Json, Json]:
    for block in blocks:
        for element in _interactive(block):
            if element.get("action_id") == action_id:
                return block, element
    raise SandboxError(f"No button or menu of this message has the action_id {action_id}.")


def _interactive(block: Json) -> Iterator[Json]:
    yield from block.get("elements", [])
    if "accessory" in block:
        yield block["accessory"]


def _chosen(options: list[Json], value: str | None) -> Json:
    for option in options:
        if option["value"] == value:
            return option
    raise SandboxError(f"No option has the value {value}.")
