"""Signed delivery over HTTP, to an app that listens on a request URL."""

import hashlib
import hmac
import json
import ssl
import time
from urllib.parse import urlencode

import httpx

from bot.sandbox.delivery.outbox import Kind, Undelivered
from bot.sandbox.state.values import Json

ANSWER_SECONDS = 3.0


class HttpDelivery:
    """Deliver everything to one request URL.

    Signatures carry the real time, not the sandbox's: an app refuses a timestamp that is not now.
    """

    late = "http_timeout"

    def __init__(self, url: str, *, signing_secret: str) -> None:
        self._url = url
        self._secret = signing_secret.encode()
        # Read once: a client would read all certificates of this machine for each request.
        self._tls = ssl.create_default_context()

    async def deliver(self, kind: Kind, payload: Json, *, attempt: int, reason: str) -> Json | None:
        body, content_type = _encoded(kind, payload)
        headers = self._headers(body) | {"Content-Type": content_type}
        if attempt > 0:
            headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason}
        response = await self._send(body, headers)
        if not response.is_success:
            final = response.headers.get("x-slack-no-retry") == "1"
            raise Undelivered("http_error", final=final)
        return _answer(response)

    async def verify(self) -> None:
        """Send the challenge that Slack sends before it accepts a URL. Raises `Undelivered`."""
        challenge = hashlib.sha256(self._url.encode()).hexdigest()
        payload = {"type": "url_verification", "challenge": challenge, "token": "verification"}
        answer = await self.deliver("events_api", payload, attempt=0, reason="")
        if answer is None or challenge not in (answer.get("challenge"), answer.get("text")):
            raise Undelivered("challenge_failed")

    async def _send(self, body: bytes, headers: dict[str, str]) -> httpx.Response:
        try:
            async with httpx.AsyncClient(
                timeout=ANSWER_SECONDS, trust_env=False, verify=self._tls
            ) as client:
                return await client.post(self._url, content=body, headers=headers)
        except httpx.TimeoutException as failure:
            raise Undelivered(self.late) from failure
        # After the handshake, httpx raises an error of TLS as it is.
        except (httpx.HTTPError, ssl.SSLError) as failure:
            raise Undelivered("connection_failed") from failure

    def _headers(self, body: bytes) -> dict[str, str]:
        now = str(int(time.time()))
        signed = hmac.new(self._secret, f"v0:{now}:".encode() + body, hashlib.sha256)
        return {
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": now,
            "X-Slack-Signature": f"v0={signed.hexdigest()}",
        }


def _encoded(kind: Kind, payload: Json) -> tuple[bytes, str]:
    form = "application/x-www-form-urlencoded"
    if kind == "slash_commands":
        return urlencode(payload).encode(), form
    if kind == "interactive":
        return urlencode({"payload": json.dumps(payload)}).encode(), form
    return json.dumps(payload).encode(), "application/json"


def _answer(response: httpx.Response) -> Json | None:
    """Return a JSON answer unchanged; any other text is a message to show."""
    if not response.text:
        return None
    if response.headers.get("content-type", "").startswith("application/json"):
        answer = response.json()
        return answer if isinstance(answer, dict) else None
    return {"text": response.text}
