"""Answers through a response_url, or in the acknowledgement of a slash command."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.responses import Response as HttpResponse

from bot.sandbox.backend.callbacks import Response
from bot.sandbox.backend.slack import Slack
from bot.sandbox.endpoints.web_api import faulty
from bot.sandbox.requests.arguments import Arguments
from bot.sandbox.requests.contents import Contents, refuse_types
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.faults import Faults
from bot.sandbox.state.values import Message

GONE = frozenset({"expired_url", "used_url"})


class ResponseUrls:
    """Turn an answer into a new message, or a change of the clicked one."""

    def __init__(self, slack: Slack, faults: Faults) -> None:
        self._slack = slack
        self._faults = faults

    async def endpoint(self, request: Request) -> HttpResponse:
        if (fault := self._faults.take("response_url")) is not None:
            return faulty(fault)
        try:
            body = await request.json()
        except ValueError:
            return PlainTextResponse("invalid_payload", status_code=400)
        try:
            with self._slack.workspace.changing():
                response = self._slack.callbacks.use(request.path_params["key"])
                self.say(response, body)
        except Refusal as refusal:
            return JSONResponse(refusal.as_slack(), 404 if refusal.error in GONE else 400)
        return PlainTextResponse("ok")

    def say(self, response: Response, body: Mapping[str, Any]) -> None:
        """Post a new message, or replace or delete the clicked one, as the body asks."""
        arguments = Arguments(body)
        original = response.original
        if arguments.flag("delete_original") and original is not None:
            self._remove(original)
            return
        types, named = self._faults.refused_blocks()
        refuse_types(arguments, types, named=named)
        contents = Contents.read(arguments, new_id=self._slack.workspace.new_id)
        contents.need_something()
        if arguments.flag("replace_original") and original is not None:
            self._replace(original, contents)
            response.produced.append(original)
            return
        public = arguments.text("response_type") == "in_channel"
        message = Message(
            channel=response.channel,
            ts=self._slack.clock.timestamp(),
            text=contents.text,
            user=self._slack.workspace.bot.id,
            team=self._slack.workspace.team,
            blocks=contents.blocks or [],
            attachments=contents.attachments or [],
            thread_ts=arguments.text("thread_ts") or response.thread_ts,
            bot=self._slack.workspace.bot.bot_profile(),
            metadata=contents.metadata,
            ephemeral_to=None if public else response.user,
        )
        self._slack.activity.post(message)
        response.produced.append(message)

    def _replace(self, original: Message, contents: Contents) -> None:
        changes = contents.changes()
        if original.ephemeral_to is None:
            self._slack.activity.edit(original, **changes)
            return
        original.text = contents.text
        original.blocks = contents.blocks or []

    def _remove(self, original: Message) -> None:
        if original.ephemeral_to is None:
            self._slack.activity.delete(original)
        else:
            self._slack.workspace.ephemerals.remove(original)
