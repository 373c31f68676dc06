"""The Web API's methods: each takes (slack, arguments) and answers or raises `Refusal`."""

from bot.sandbox.methods import agents, chat, conversations, files, people, reactions, views
from bot.sandbox.methods.method import Method

METHODS: dict[str, Method] = {
    **agents.METHODS,
    **chat.METHODS,
    **conversations.METHODS,
    **files.METHODS,
    **people.METHODS,
    **reactions.METHODS,
    **views.METHODS,
}
