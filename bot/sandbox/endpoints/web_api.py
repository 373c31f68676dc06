"""The Web API's endpoint: authenticate the caller, check scopes, call the method, record it."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.sandbox.backend.slack import Slack
from bot.sandbox.methods import METHODS
from bot.sandbox.methods.method import Method
from bot.sandbox.requests.arguments import Arguments
from bot.sandbox.requests.contents import refuse_types
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.faults import Fault, Faults
from bot.sandbox.state.values import Json


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One recorded call. `arguments` exclude the token; `error` is None if the call succeeded."""

    method: str
    arguments: Mapping[str, Any]
    status: int
    error: str | None
    response: Json


class WebApi:
    """Answer `/api/METHOD`. `tokens` maps a token to its kind, `bot` or `app`."""

    def __init__(self, slack: Slack, faults: Faults, tokens: Mapping[str, str]) -> None:
        self.calls: list[ApiCall] = []
        self.revoked = False
        self.scopes_header: str | None = "X-OAuth-Scopes"
        self._slack = slack
        self._faults = faults
        self._tokens = tokens

    async def endpoint(self, request: Request) -> Response:
        name = request.path_params["method"]
        values = await _values(request)
        token = _token(request, values)
        fault = self._faults.take(name)
        if fault is not None:
            await delay(fault)
        if fault is not None and fault.carried_out:
            self._answer(name, token, values)
        if fault is not None and fault.status is not None:
            self._record(name, values, fault.status, {"error": f"status {fault.status}"})
            return faulty(fault)
        answer = self._answer(name, token, values)
        self._record(name, values, 200, answer)
        response = JSONResponse(answer)
        if self.scopes_header is not None:
            scopes = ",".join(sorted(self._slack.manifest.scopes))
            # Starlette would write the name in small letters.
            response.raw_headers.append((self.scopes_header.encode(), scopes.encode()))
        return response

    def allows(self, token: str | None) -> bool:
        return not self.revoked and self._tokens.get(token or "") == "bot"

    def _answer(self, name: str, token: str | None, values: Mapping[str, Any]) -> Json:
        method = METHODS.get(name)
        try:
            if method is None:
                raise Refusal("unknown_method", req_method=name)
            self._check_token(method, token)
            with self._slack.workspace.changing():
                self._slack.need_scope(*(method.scopes if method.token == "bot" else ()))
                types, named = self._faults.refused_blocks()
                refuse_types(Arguments(values), types, named=named)
                return {"ok": True, **method.answer(self._slack, Arguments(values))}
        except Refusal as refusal:
            return refusal.as_slack()

    def _check_token(self, method: Method, token: str | None) -> None:
        if method.token == "none":
            return
        if not token:
            raise Refusal("not_authed")
        if token not in self._tokens:
            raise Refusal("invalid_auth")
        if self.revoked:
            raise Refusal("token_revoked")
        if self._tokens[token] != method.token:
            raise Refusal("not_allowed_token_type")

    def _record(self, name: str, values: Mapping[str, Any], status: int, answer: Json) -> None:
        with self._slack.workspace.changing():
            self.calls.append(ApiCall(name, dict(values), status, answer.get("error"), answer))


async def delay(fault: Fault) -> None:
    await asyncio.sleep(fault.delay)
    while fault.held is not None and not fault.held.is_set():
        await asyncio.sleep(0.01)


def faulty(fault: Fault) -> Response:
    return Response(
        fault.body,
        status_code=fault.status or 200,
        headers=fault.headers,
        media_type=fault.content_type,
    )


def bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else None


def _token(request: Request, values: dict[str, Any]) -> str | None:
    """Return the token and remove it from the arguments, so that no record contains it."""
    argument = values.pop("token", None)
    return bearer(request) or argument


async def _values(request: Request) -> dict[str, Any]:
    values: dict[str, Any] = dict(request.query_params)
    body = await request.body()
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            sent = json.loads(body or b"{}")
        except ValueError:
            sent = {}
        return values | (sent if isinstance(sent, dict) else {})
    return values | dict(parse_qsl(body.decode(), keep_blank_values=True))
