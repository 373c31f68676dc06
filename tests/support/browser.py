"""Look at the workspace's page with a real browser: Chromium, without a window."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
"""Without these Chromium calls services on the network that nobody here needs."""

PATIENCE_S = 30.0


def drawn(url: str, folder: Path) -> str:
    """Return the page's HTML after its script has run. *folder* keeps the browser's own files."""
    options = (*QUIET, f"--user-data-dir={folder}", "--virtual-time-budget=4000", "--dump-dom")
    browser = subprocess.run(
        [CHROMIUM, *options, url], capture_output=True, text=True, timeout=120, check=True
    )
    return browser.stdout


class Page:
    """A page of a running browser, through Chromium's DevTools protocol.

    See https://chromedevtools.github.io/devtools-protocol/.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = count(1)

    def open(self, url: str, *, width: int, height: int) -> None:
        """Show a page in a window of this size, in CSS pixels; a narrow one is a telephone's."""
        self.resize(width=width, height=height)
        # A page that differs only in its fragment would not be loaded again.
        self._call("Page.navigate", url="about:blank")
        self._call("Page.navigate", url=url)

    def resize(self, *, width: int, height: int) -> None:
        narrow = width < 600
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": narrow}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def wait_until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        until = time.monotonic() + PATIENCE_S
        while not self.value(f"Boolean({condition})"):
            assert time.monotonic() < until, f"not true within {PATIENCE_S:.0f} s: {condition}"
            time.sleep(0.05)

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, None if it raises."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def photograph(self, picture: Path) -> None:
        """Write what is visible as a PNG."""
        shot = self._call("Page.captureScreenshot", format="png")
        picture.write_bytes(base64.b64decode(shot["data"]))

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while (answer := json.loads(self._connection.recv(PATIENCE_S))).get("id") != number:
            pass  # An event.
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Run Chromium with one empty page. *folder* keeps its own files."""
    options = (*QUIET, f"--user-data-dir={folder}", "--remote-debugging-port=0", "about:blank")
    running = subprocess.Popen(
        [CHROMIUM, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with connect(_address(folder), max_size=None) as connection:
            yield Page(connection)
    finally:
        running.terminate()
        running.wait()


def _address(folder: Path) -> str:
    """Return the address of the page, once Chromium has written where it listens."""
    until, written = time.monotonic() + PATIENCE_S, folder / "DevToolsActivePort"
    while not (written.exists() and written.read_text().count("\n")):
        assert time.monotonic() < until, "Chromium does not start"
        time.sleep(0.05)
    port = written.read_text().split("\n")[0]
    with urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
        pages = [each for each in json.load(answer) if each["type"] == "page"]
    return str(pages[0]["webSocketDebuggerUrl"])
