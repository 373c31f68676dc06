"""Faults on demand. Each strikes a given number of times, then everything works again."""

import threading
from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fault:
    """How one Web API call goes wrong: late, with another status, or both."""

    delay: float = 0.0
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str | bytes = ""
    content_type: str = "application/json"
    held: threading.Event | None = None
    """Set once the call may go on."""
    carried_out: bool = False
    """The call has its effect all the same: only Slack's answer is lost."""


LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head><body></body></html>"


class Faults:
    """The faults that are still to strike; safe to use from any thread.

    `method` is the name of a Web API method, `files` for the download of a file, or `response_url`
    for an answer to a command. Faults of one
    method strike in the order in which they were added.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Fault]] = {}
        self._duplicates = 0
        self._lost_acks = 0
        self._refused_types: frozenset[str] = frozenset()
        self._named = True
        self._lock = threading.Lock()

    def rate_limit(self, method: str, times: int = 1, *, retry_after: int = 1) -> None:
        headers = {"Retry-After": str(retry_after)}
        body = '{"ok":false,"error":"ratelimited"}'
        self._add(method, times, Fault(status=429, headers=headers, body=body))

    def server_error(self, method: str, times: int = 1, *, status: int = 503) -> None:
        page = "<html><body>upstream connect error</body></html>"
        self._add(method, times, Fault(status=status, body=page, content_type="text/html"))

    def lose_answer(self, method: str, times: int = 1) -> None:
        """Carry the call out, and answer with the page of a gateway."""
        page = "<html><body>bad gateway</body></html>"
        fault = Fault(status=502, body=page, content_type="text/html", carried_out=True)
        self._add(method, times, fault)

    def error(self, method: str, error: str, times: int = 1) -> None:
        """Refuse with `{"ok": false, "error": …}`, whatever the arguments are."""
        self._add(method, times, Fault(status=200, body=f'{{"ok":false,"error":"{error}"}}'))

    def refuse_blocks(self, *types: str, named: bool = True) -> None:
        """From now on refuse messages with a block of these types; without types, refuse none.

        Slack usually says which block it refuses; unless `named`, it says `invalid_blocks` alone.
        """
        with self._lock:
            self._refused_types, self._named = frozenset(types), named

    def refused_blocks(self) -> tuple[frozenset[str], bool]:
        """Return the refused types, and whether the refusal names them."""
        with self._lock:
            return self._refused_types, self._named

    def latency(self, method: str, seconds: float, times: int = 1) -> None:
        self._add(method, times, Fault(delay=seconds))

    def answer(
        self,
        method: str,
        body: str | bytes,
        times: int = 1,
        *,
        status: int = 200,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        """Answer with anything at all, such as the page of a gateway in its own encoding."""
        fault = Fault(status=status, body=body, content_type=content_type, headers=headers or {})
        self._add(method, times, fault)

    def hold(self, *methods: str, times: int = 1_000) -> threading.Event:
        """Let calls wait until the event is set that is returned."""
        go = threading.Event()
        for method in methods:
            self._add(method, times, Fault(held=go))
        return go

    def wrong_content(self, method: str, times: int = 1, *, body: str = LOGIN_PAGE) -> None:
        """Answer with status 200 and a page, by default Slack's login page, instead of content."""
        self.answer(method, body, times, content_type="text/html")

    def redirect(self, location: str, times: int = 1, *, method: str = "files") -> None:
        self._add(method, times, Fault(status=302, headers={"Location": location}))

    def duplicate_event(self, times: int = 1) -> None:
        """Send the next events twice, under the same `event_id`."""
        with self._lock:
            self._duplicates += times

    def lose_ack(self, times: int = 1) -> None:
        """Lose the app's next acknowledgements of events, so that Slack delivers them again."""
        with self._lock:
            self._lost_acks += times

    def clear(self) -> None:
        """Let every method work again."""
        with self._lock:
            self._waiting.clear()

    def take(self, method: str) -> Fault | None:
        with self._lock:
            waiting = self._waiting.get(method)
            return waiting.popleft() if waiting else None

    def take_duplicates(self) -> int:
        with self._lock:
            taken, self._duplicates = min(self._duplicates, 1), max(self._duplicates - 1, 0)
            return taken

    def take_lost_ack(self) -> bool:
        with self._lock:
            taken, self._lost_acks = self._lost_acks > 0, max(self._lost_acks - 1, 0)
            return taken

    def _add(self, method: str, times: int, fault: Fault) -> None:
        with self._lock:
            self._waiting.setdefault(method, deque()).extend([fault] * times)
