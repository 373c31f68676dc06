"""The workspace in a browser: one page, the state that it shows and the actions on it."""

import base64
import codecs
import html
import re
import uuid
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.sandbox.backend.slack import Slack
from bot.sandbox.blocks.emoji import EMOJI
from bot.sandbox.page.files import page_file
from bot.sandbox.state.errors import Refusal, SandboxError
from bot.sandbox.state.values import Channel, File, Json, Message, User
from bot.sandbox.users.interactions import Interactions
from bot.sandbox.users.people import People

MOST_BYTES = 10_000_000
"""The largest file that a person can attach in the page."""
PREVIEW_BYTES = 2_000
"""How much of a text file is shown below its name."""
MOST_MESSAGES = 500
"""How many of the newest messages of a channel are shown, with the first ones of their threads."""


class Page:
    """The page's endpoints: its files, the state of one person, and the actions of people."""

    def __init__(self, slack: Slack, people: People, interactions: Interactions) -> None:
        self._slack = slack
        self._workspace = slack.workspace
        self._people = people
        self._interactions = interactions
        # A page may stay open while another sandbox takes the place of this one, at its port.
        self._start = uuid.uuid4().hex
        self._verbs: dict[str, Callable[[Json], Json | None]] = {
            "post": self._post,
            "command": self._command,
            "click": self._click,
            "press": self._press,
            "react": self._react,
            "shortcut": self._shortcut,
            "submit": self._submit,
            "close": self._close,
            "home": self._home,
            "stop": self._stop,
        }

    async def show(self, request: Request) -> Response:
        return page_file("page.html")

    async def file(self, request: Request) -> Response:
        """Return one of the page's own files; 404 if it has none of this name."""
        return page_file(request.path_params["name"])

    async def state(self, request: Request) -> Response:
        """Return what the person `user` sees; 204 if nothing changed since the version `after`."""
        with self._workspace.reading():
            if request.query_params.get("after") == self._version:
                return Response(status_code=204)
            return JSONResponse(self._state(request.query_params.get("user", "")))

    async def act(self, request: Request) -> Response:
        """Act as the person `user` of the JSON body: `do` is one of the verbs above.

        `notice` in the answer says why that failed; `errors` has the mistakes in a form, by block.
        """
        # Another site's page can post here, but not with this content type: a browser would ask the
        # sandbox first (CORS), and the sandbox does not agree.
        if request.headers.get("content-type") != "application/json":
            return JSONResponse(
                {"notice": "The page sends JSON: set Content-Type to application/json."}, 415
            )
        body: Json = await request.json()
        try:
            answer = await run_in_threadpool(self._verbs[body["do"]], body)
        except (SandboxError, Refusal) as failure:
            return JSONResponse({"notice": str(failure)})
        return JSONResponse(answer or {})

    @property
    def _version(self) -> str:
        return f"{self._start}.{self._workspace.version}"

    def _state(self, id: str) -> Json:
        people = [user for user in self._workspace.users.values() if user.bot_id is None]
        people = [user for user in people if user is not self._workspace.slackbot]
        # Without people the page still shows the bot's channels.
        me = self._workspace.users.get(id) or next(iter(people), self._workspace.bot)
        channels = [each for each in self._workspace.channels.values() if me.id in each.members]
        return {
            "version": self._version,
            "me": me.id,
            "bot": self._workspace.bot.id,
            "people": [user.id for user in people],
            "users": {user.id: _named(user) for user in self._workspace.users.values()},
            "channels": [self._channel(each, me) for each in channels],
            "commands": {
                name: self._slack.manifest.labels.get(name, "")
                for name in self._slack.manifest.commands
            },
            "shortcuts": {
                id: self._slack.manifest.labels.get(id, id)
                for id, kind in self._slack.manifest.shortcuts.items()
                if kind == "message"
            },
            "modal": self._slack.views.get(f"modal:{me.id}"),
            "home": self._slack.views.get(f"home:{me.id}"),
            "statuses": {
                f"{channel} {ts}": status
                for (channel, ts), status in self._slack.shown_statuses().items()
            },
            "sessions": {
                f"{channel} {ts}": session.status
                for (channel, ts), session in self._slack.sessions.items()
            },
            "emoji": EMOJI,
        }

    def _channel(self, channel: Channel, me: User) -> Json:
        others = [each for each in channel.members if each != me.id]
        names = ", ".join(self._workspace.users[each].name for each in others)
        everything = self._workspace.messages[channel.id]
        older, posted = everything[:-MOST_MESSAGES], everything[-MOST_MESSAGES:]
        threads = {each.thread_ts for each in posted}
        begun = [each for each in older if each.ts in threads]
        mine = [
            each
            for each in self._workspace.ephemerals
            if (each.channel, each.ephemeral_to) == (channel.id, me.id)
        ]
        messages = sorted([*begun, *posted, *mine], key=lambda each: float(each.ts))
        return {
            "id": channel.id,
            "name": names if channel.kind in ("im", "mpim") else channel.name,
            "kind": channel.kind,
            "members": len(channel.members),
            "with_app": channel.kind == "im" and self._workspace.bot.id in channel.members,
            "prompts": self._slack.prompts.get(channel.id, []),
            "messages": [self._message(each) for each in messages],
        }

    def _message(self, message: Message) -> Json:
        previews = {each.id: _preview(each) for each in message.files}
        if message.ephemeral_to is not None:
            return message.as_slack() | {"ephemeral": True, "previews": previews}
        shape = self._workspace.shown(message)
        streaming = (message.channel, message.ts) in self._slack.streams
        return shape | {
            "blocks": message.blocks,
            "permalink": self._workspace.permalink(message),
            "streaming": streaming,
            "previews": previews,
        }

    def _post(self, body: Json) -> None:
        attached = [_decoded(each) for each in body.get("files", [])]
        self._people.post(
            body["user"],
            body["channel"],
            self._stored(body["text"]),
            thread_ts=body.get("thread_ts"),
            files=attached,
        )

    def _command(self, body: Json) -> None:
        if body.get("thread_ts"):
            raise SandboxError(
                "Slack has no slash commands inside a thread. Type the command in the channel."
            )
        command, _, text = body["text"].partition(" ")
        # Waits for no response: the page shows it when it comes.
        self._interactions.command(body["user"], body["channel"], command, text, responses=0)

    def _click(self, body: Json) -> None:
        message = self._found(body)
        self._interactions.click(body["user"], message, body["action_id"], value=body.get("value"))

    def _press(self, body: Json) -> None:
        self._interactions.press(
            body["user"],
            body["action_id"],
            value=body.get("value"),
            home=bool(body.get("home")),
        )

    def _home(self, body: Json) -> None:
        self._interactions.open_home(body["user"], tab=body["tab"])

    def _react(self, body: Json) -> None:
        message = self._found(body)
        mine = body["user"] in message.reactions.get(body["name"], [])
        verb = self._people.unreact if mine else self._people.react
        verb(body["user"], message, body["name"])

    def _shortcut(self, body: Json) -> None:
        self._interactions.shortcut(body["user"], self._found(body), body["callback_id"])

    def _submit(self, body: Json) -> Json | None:
        answer = self._interactions.submit(body["user"], body["values"])
        if not answer or answer.get("response_action") != "errors":
            return None
        return {"notice": " ".join(answer["errors"].values()), "errors": answer["errors"]}

    def _close(self, body: Json) -> None:
        with self._workspace.changing():
            self._slack.views.pop(f"modal:{body['user']}", None)

    def _stop(self, body: Json) -> None:
        self._interactions.stop_agent(body["user"], body["channel"], body["ts"])

    def _found(self, body: Json) -> Message:
        everything = [*self._workspace.messages[body["channel"]], *self._workspace.ephemerals]
        for message in everything:
            if message.ts == body["ts"]:
                return message
        raise SandboxError("That message was deleted.")

    def _stored(self, text: str) -> str:
        """Return typed text as Slack stores it: escaped, and with ids in place of names."""
        ids = {user.name: user.mention for user in self._workspace.users.values()}
        return re.sub(
            # Not in an address of mail; but Chinese and Japanese have no space before a mention.
            r"(?<![a-zA-Z0-9_])@([\w-]+(?:\.[\w-]+)*)",
            lambda found: ids.get(found[1], found[0]),
            html.escape(text, quote=False),
        )


def _named(user: User) -> Json:
    return {"name": user.name, "bot": user.bot_id is not None, "guest": user.guest}


def _preview(file: File) -> str:
    """Return the beginning of a text file, as Slack shows it below the file's name."""
    if not file.mimetype.startswith("text/"):
        return ""
    # The last character may be cut in two.
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    return decoder.decode(file.content[:PREVIEW_BYTES])


def _decoded(attached: Json) -> tuple[str, str, bytes]:
    content = base64.b64decode(attached["content"])
    if len(content) > MOST_BYTES:
        raise SandboxError("That file is larger than 10 MB. Choose a smaller one.")
    return attached["name"], attached["type"] or "application/octet-stream", content
