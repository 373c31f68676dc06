"""reactions.*: the bot's own emoji on messages."""

from bot.sandbox.backend.slack import Slack
from bot.sandbox.methods.method import Method
from bot.sandbox.requests.arguments import Arguments
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.values import Json, Message


def _message(slack: Slack, arguments: Arguments) -> Message:
    channel = slack.workspace.joined_channel(arguments.text("channel"))
    if not arguments.text("timestamp"):
        raise Refusal("no_item_specified")
    return slack.workspace.message(channel.id, arguments.text("timestamp"))


def add(slack: Slack, arguments: Arguments) -> Json:
    message = _message(slack, arguments)
    slack.activity.react(message, user=slack.workspace.bot.id, name=arguments.need("name"))
    return {}


def remove(slack: Slack, arguments: Arguments) -> Json:
    message = _message(slack, arguments)
    slack.activity.unreact(message, user=slack.workspace.bot.id, name=arguments.need("name"))
    return {}


def get(slack: Slack, arguments: Arguments) -> Json:
    message = _message(slack, arguments)
    shown = slack.workspace.shown(message)
    return {"type": "message", "channel": message.channel, "message": shown}


METHODS = {
    "reactions.add": Method(add, scopes=("reactions:write",)),
    "reactions.remove": Method(remove, scopes=("reactions:write",)),
    "reactions.get": Method(get, scopes=("reactions:read",)),
}
