"""Download one file, within limits: the origin of every redirect, the bytes and the time."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from ssl import SSLContext, SSLError
from typing import Any

import httpx

from bot.retry import RetryPolicy, TryAgain, is_passing, retry_after
from bot.slack.download_error import DownloadError
from bot.slack.file_types import Page

MAX_HOPS = 5
STALL_S = 10.0
"""How long a server may send nothing before the attempt counts as failed."""

LOGIN_PAGE = "Slack showed a login page instead: the app is missing files:read"


class Unavailable(Exception):
    """One attempt failed, and another may succeed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Downloaded:
    """The number of bytes, and how many attempts they took."""

    size: int
    attempts: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Downloader:
    """Download from `origins`; the token is sent nowhere else.

    `timeout_s` covers all attempts together. `sleep` and `now` are replaced in tests.
    """

    token: str = field(repr=False)
    origins: frozenset[str]
    max_bytes: int
    timeout_s: float
    attempts: int
    sleep: Callable[[float], object] = time.sleep
    now: Callable[[], float] = time.monotonic

    def download(self, address: str, path: Path, *, page: Page) -> Downloaded:
        """Store the file at `address` as `path`. Raises `DownloadError`.

        More of a web page than `page` allows is Slack's login page, and an error.
        """
        deadline, attempts = self.now() + self.timeout_s, 0

        def attempt() -> int:
            nonlocal attempts
            attempts += 1
            left = deadline - self.now()
            return _run(self._attempt(address, path, left_s=left, page=page))

        policy = RetryPolicy(attempts=self.attempts, first_wait_s=1.0, jitter=0.0)
        try:
            size = policy.call(attempt, patience_s=self.timeout_s, sleep=self.sleep, now=self.now)
        except Unavailable as error:
            if attempts == self.attempts:
                raise DownloadError("unavailable", f"{error}, {attempts} times") from error
            raise DownloadError("timeout", f"{error}, and no time is left to try again") from error
        return Downloaded(size=size, attempts=attempts)

    async def _attempt(self, address: str, path: Path, *, left_s: float, page: Page) -> int:
        # One deadline around everything. Timeouts of httpx hold for each step, so a server that
        # sends a byte of a header now and then, or a name that is slow to resolve, would outlast
        # them.
        try:
            async with (
                asyncio.timeout(left_s),
                _client(address) as http,
                self._response(http, address) as response,
            ):
                _check_response(response, page=page, max_bytes=self.max_bytes)
                return await self._store(response, path, page=page)
        except TimeoutError:
            raise DownloadError("timeout", "it took too long") from None
        except httpx.TimeoutException as error:
            raise TryAgain(Unavailable("Slack did not send it in time")) from error
        # After the handshake, httpx raises an error of TLS as it is.
        except (httpx.TransportError, SSLError) as error:
            raise TryAgain(Unavailable("the connection was lost")) from error

    @asynccontextmanager
    async def _response(
        self, http: httpx.AsyncClient, address: str
    ) -> AsyncIterator[httpx.Response]:
        """Follow redirects to the response, and check where each of them leads.

        httpx would send the token to any host on the way.
        """
        url = self._allowed(address)
        for _ in range(MAX_HOPS):
            response = await self._send(http, url)
            try:
                if not response.is_redirect:
                    yield response
                    return
                url = self._allowed(response.headers.get("location", ""), base=url)
            finally:
                await response.aclose()
        raise DownloadError("redirects", "it is redirected in a circle")

    async def _send(self, http: httpx.AsyncClient, url: httpx.URL) -> httpx.Response:
        # Uncompressed: a small compressed file could fill the memory before the limit is seen.
        headers = {"Authorization": f"Bearer {self.token}", "Accept-Encoding": "identity"}
        request = http.build_request("GET", url, headers=headers)
        return await http.send(request, stream=True, follow_redirects=False)

    def _allowed(self, address: str, *, base: httpx.URL | None = None) -> httpx.URL:
        try:
            url = base.join(address) if base else httpx.URL(address)
        except httpx.InvalidURL:
            raise DownloadError("address", "its address is not a URL") from None
        if origin(url) in {origin(httpx.URL(allowed)) for allowed in self.origins}:
            return url
        if base is not None and url.host.endswith(".slack.com"):
            raise DownloadError("login_page", LOGIN_PAGE)
        raise DownloadError("origin", "its address is on a host that is not Slack's")

    async def _store(self, response: httpx.Response, path: Path, *, page: Page) -> int:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as part:
                size = 0
                async for chunk in self._chunks(response):
                    if size == 0 and page is not Page.WHOLE and looks_like_html(chunk):
                        raise DownloadError("login_page", LOGIN_PAGE)
                    size += part.write(chunk)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
        return size

    async def _chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size > self.max_bytes:
                raise DownloadError("too_large", _too_large(self.max_bytes))
            yield chunk


def _run(attempt: Coroutine[Any, Any, int]) -> int:
    """Run an attempt in an event loop of its own, on the thread that downloads."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(attempt)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        # A name that is still being resolved, on a thread of the loop, is not waited for.
        loop.close()


def _client(address: str) -> httpx.AsyncClient:
    # Through a proxy https is a tunnel, but http, such as to the sandbox, would show it the token.
    return httpx.AsyncClient(verify=_tls(), trust_env=address.startswith("https:"), timeout=STALL_S)


@cache
def _tls() -> SSLContext:
    # Once per process: reading the certificates takes 20 ms.
    return httpx.create_ssl_context()


def origin(url: httpx.URL) -> str:
    """Return scheme, host and port, such as `https://files.slack.com`.

    An address with a user name, such as `https://files.slack.com@evil.example`, gets an origin
    that matches none.
    """
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme}://{'?@' if url.userinfo else ''}{url.host}{port}"


def looks_like_html(start: bytes) -> bool:
    head = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:14].lower()
    return head.startswith((b"<!doctype html", b"<html"))


def _check_response(response: httpx.Response, *, page: Page, max_bytes: int) -> None:
    status, headers = response.status_code, response.headers
    if is_passing(status):
        wait = retry_after(headers, now=time.time())
        raise TryAgain(Unavailable(f"Slack answered {status}"), wait_s=wait)
    if status != 200:
        raise DownloadError(f"http_{status}", f"Slack answered {status}")
    is_page = headers.get("content-type", "").lower().startswith("text/html")
    if is_page and page is Page.NONE:
        raise DownloadError("login_page", LOGIN_PAGE)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise DownloadError("encoding", "Slack sent it compressed")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > max_bytes:
        raise DownloadError("too_large", _too_large(max_bytes))


def _too_large(max_bytes: int) -> str:
    return f"it is larger than {max_bytes / 1_000_000:.3g} MB"
