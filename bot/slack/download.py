"""One address to one file on disk: origin checked on every hop, bytes and time bounded."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

MAX_HOPS = 5
STALL_S = 10.0
"""How long a server may send nothing."""

LOGIN_PAGE = "Slack showed a login page instead: the app is missing files:read"


class Refused(Exception):
    """A file that is not fetched; the message is the reason, without its name or address."""

    def __init__(self, error_type: str, reason: str) -> None:
        super().__init__(reason)
        self.error_type = error_type
        self.reason = reason


class Busy(Exception):
    """The server may do better at the next attempt, after `wait` seconds where it said so."""

    def __init__(self, reason: str, *, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True, kw_only=True, slots=True)
class Downloaded:
    size: int
    attempts: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Downloader:
    """`timeout_s` is for all attempts together; the token is sent to `origins` and nowhere else."""

    http: httpx.Client
    token: str = field(repr=False)
    origins: frozenset[str]
    max_bytes: int
    timeout_s: float
    attempts: int
    sleep: Callable[[float], object] = time.sleep
    now: Callable[[], float] = time.monotonic

    def download(self, address: str, path: Path, *, html: bool) -> Downloaded:
        """Store what is at `address` as `path`, or raise `Refused`; `html` is when it may be HTML.

        Busy servers are asked again after 1, 2, 4, … seconds, or after what they ask for.
        """
        deadline = self.now() + self.timeout_s
        for attempt in range(1, self.attempts + 1):
            try:
                size = self._attempt(address, path, deadline=deadline, html=html)
            except Busy as busy:
                self._wait(busy, attempt, deadline=deadline)
            else:
                return Downloaded(size=size, attempts=attempt)
        raise AssertionError("the last attempt returns or raises")

    def _wait(self, busy: Busy, attempt: int, *, deadline: float) -> None:
        if attempt == self.attempts:
            raise Refused("unavailable", f"{busy}, {attempt} times")
        wait = 2.0 ** (attempt - 1) if busy.wait is None else busy.wait
        if self.now() + wait >= deadline:
            raise Refused("timeout", f"{busy}, and there was no time left to ask again")
        self.sleep(wait)

    def _attempt(self, address: str, path: Path, *, deadline: float, html: bool) -> int:
        try:
            with self._response(address, deadline=deadline) as response:
                _check_response(response, html=html, max_bytes=self.max_bytes)
                return self._store(response, path, deadline=deadline, html=html)
        except httpx.TimeoutException as error:
            raise Busy("Slack did not send it in time") from error
        except httpx.TransportError as error:
            raise Busy("the connection broke") from error

    @contextmanager
    def _response(self, address: str, *, deadline: float) -> Iterator[httpx.Response]:
        """The answer at the end of the redirects."""
        url = self._allowed(address)
        for _ in range(MAX_HOPS):
            response = self._send(url, deadline=deadline)
            try:
                if not response.is_redirect:
                    yield response
                    return
                url = self._allowed(response.headers.get("location", ""), base=url)
            finally:
                response.close()
        raise Refused("redirects", "its address leads in a circle")

    def _send(self, url: httpx.URL, *, deadline: float) -> httpx.Response:
        left = deadline - self.now()
        if left <= 0:
            raise Refused("timeout", "it took too long")
        request = self.http.build_request(
            "GET",
            url,
            # Compressed, a small file could fill the memory before the cap is seen.
            headers={"Authorization": f"Bearer {self.token}", "Accept-Encoding": "identity"},
            timeout=min(left, STALL_S),
        )
        return self.http.send(request, stream=True, follow_redirects=False)

    def _allowed(self, address: str, *, base: httpx.URL | None = None) -> httpx.URL:
        try:
            url = base.join(address) if base else httpx.URL(address)
        except httpx.InvalidURL:
            raise Refused("address", "its address makes no sense") from None
        if origin(url) in {origin(httpx.URL(allowed)) for allowed in self.origins}:
            return url
        if base is not None and url.host.endswith(".slack.com"):
            raise Refused("login_page", LOGIN_PAGE)
        raise Refused("origin", "its address is on a host that is not Slack's")

    def _store(self, response: httpx.Response, path: Path, *, deadline: float, html: bool) -> int:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as part:
                size = 0
                for chunk in self._chunks(response, deadline=deadline):
                    if size == 0 and not html and looks_like_html(chunk):
                        raise Refused("login_page", LOGIN_PAGE)
                    size += part.write(chunk)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
        return size

    def _chunks(self, response: httpx.Response, *, deadline: float) -> Iterator[bytes]:
        size = 0
        for (
            chunk
        ) in response.iter_raw():  # As they come: gathered, a drip would outwait the deadline.
            size += len(chunk)
            if size > self.max_bytes:
                raise Refused("too_large", _too_large(self.max_bytes))
            if self.now() > deadline:
                raise Refused("timeout", "it took too long")
            yield chunk


def origin(url: httpx.URL) -> str:
    """Scheme, host and port; with somebody's name in it, an origin that is nobody's."""
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme}://{'?@' if url.userinfo else ''}{url.host}{port}"


def looks_like_html(start: bytes) -> bool:
    head = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:14].lower()
    return head.startswith((b"<!doctype html", b"<html"))


def _check_response(response: httpx.Response, *, html: bool, max_bytes: int) -> None:
    status, headers = response.status_code, response.headers
    if status == 429 or status >= 500:
        raise Busy(f"Slack answered {status}", wait=_number(headers.get("retry-after")))
    if status != 200:
        raise Refused(f"http_{status}", f"Slack answered {status}")
    if not html and headers.get("content-type", "").lower().startswith("text/html"):
        raise Refused("login_page", LOGIN_PAGE)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused("encoding", "it came compressed, which was not asked for")
    if (_number(headers.get("content-length")) or 0) > max_bytes:
        raise Refused("too_large", _too_large(max_bytes))


def _number(header: str | None) -> float | None:
    """A header that is a number; `Retry-After` may also be a date, which Slack never sends."""
    return float(header) if header is not None and header.isascii() and header.isdigit() else None


def _too_large(max_bytes: int) -> str:
    return f"it is larger than {max_bytes / 1_000_000:.3g} MB"
