"""Files over HTTP: downloads with a bearer token, and the second step of an upload."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from bot.sandbox.backend.slack import Slack
from bot.sandbox.endpoints.web_api import WebApi, bearer, delay, faulty
from bot.sandbox.state.faults import LOGIN_PAGE, Faults


class FileHost:
    """Slack's file host, and another host to which it can redirect."""

    def __init__(self, slack: Slack, api: WebApi, faults: Faults) -> None:
        self.tokens_elsewhere: list[bool] = []
        """One entry for each request to the other host: True if it carried a token."""
        self.downloads: list[str] = []
        """The ids of the files that were asked for, one entry for each request."""
        self._slack = slack
        self._api = api
        self._faults = faults

    async def fetch(self, request: Request) -> Response:
        self.downloads.append(request.path_params["id"])
        fault = self._faults.take("files")
        if fault is not None:
            await delay(fault)
        if fault is not None and fault.status is not None:
            return faulty(fault)
        file = self._slack.workspace.files.get(request.path_params["id"])
        allowed = self._api.allows(bearer(request))
        if not allowed or "files:read" not in self._slack.manifest.scopes:
            # Slack does not mention the token: it answers with its login page and status 200.
            return HTMLResponse(LOGIN_PAGE)
        if file is None:
            return PlainTextResponse("Not found", status_code=404)
        if file.transcript is not None and request.path_params["name"] == "file.vtt":
            cue = f"WEBVTT \n\n00:00:00.000 --> 00:00:05.000\n- {file.transcript}\n\n"
            return PlainTextResponse(cue, media_type="text/vtt")
        # A canvas is sent as a fragment of HTML, `<div class="quip-canvas-content">…`.
        is_canvas = file.mimetype == "application/vnd.slack-docs"
        return Response(file.content, media_type="text/html" if is_canvas else file.mimetype)

    async def elsewhere(self, request: Request) -> Response:
        """Answer as another host, the target of a redirect."""
        self.tokens_elsewhere.append("authorization" in request.headers)
        return PlainTextResponse("not Slack")

    async def upload(self, request: Request) -> Response:
        file = self._slack.uploads.get(request.path_params["id"])
        if file is None:
            return PlainTextResponse("Not found", status_code=404)
        content = await request.body()
        if len(content) != file.overrides["size"]:
            return PlainTextResponse("The length differs from the one announced", status_code=400)
        file.content = content
        return PlainTextResponse(f"OK - {len(file.content)}")
