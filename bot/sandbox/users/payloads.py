"""What Slack sends an app when somebody types a command, presses a button, picks a shortcut."""

from collections.abc import Iterator

from bot.sandbox.state.errors import SandboxError
from bot.sandbox.state.values import Channel, Json, Message, User
from bot.sandbox.state.workspace import APP, TEAM, URL

DOMAIN = URL.removeprefix("https://").removesuffix(".slack.com/")
NAMELESS = {"im": "directmessage", "group": "privategroup"}
"""What stands for a channel's name where Slack does not tell it."""


def command(
    person: User, place: Channel, command: str, text: str, *, token: str, trigger: str
) -> Json:
    return {
        "token": token,
        "team_id": TEAM,
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


def interaction(type_: str, person: User, *, token: str, trigger: str) -> Json:
    """What all interactive payloads have."""
    return {
        "type": type_,
        "token": token,
        "api_app_id": APP,
        "team": {"id": TEAM, "domain": DOMAIN},
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
    """Where the pressed button stands."""
    thread = {"thread_ts": message.thread_ts} if message.thread_ts else {}
    return {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": message.channel,
        "is_ephemeral": message.ephemeral_to is not None,
        **thread,
    }


def action(blocks: list[Json], action_id: str, value: str | None) -> Json:
    """What was pressed, or chosen: the option (or feedback button) with this `value`."""
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
    raise SandboxError(f"There is nothing to click with the action_id {action_id}.")


def _interactive(block: Json) -> Iterator[Json]:
    yield from block.get("elements", [])
    if "accessory" in block:
        yield block["accessory"]


def _chosen(options: list[Json], value: str | None) -> Json:
    for option in options:
        if option["value"] == value:
            return option
    raise SandboxError(f"There is no option with the value {value}.")
