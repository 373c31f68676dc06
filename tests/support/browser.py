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

KEY_CODES = {
    "Tab": 9,
    "Enter": 13,
    "Escape": 27,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}
"""The codes of keys that type no letter, without which Chromium does not act on them."""


class Page:
    """A page of a running browser, through Chromium's DevTools protocol.

    See https://chromedevtools.github.io/devtools-protocol/.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = count(1)
        self.complaints: list[str] = []
        """Errors and warnings in the page's console, and what the browser itself complains of."""
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def open(self, url: str, *, width: int, height: int) -> None:
        """Show a page in a window of this size, in CSS pixels; a narrow one is a phone's."""
        self.resize(width=width, height=height)
        # A page that differs only in its fragment would not be loaded again.
        self.leave()
        self._call("Page.navigate", url=url)

    def leave(self) -> None:
        """Show an empty page: the last one asks its server for nothing more."""
        self._call("Page.navigate", url="about:blank")

    def resize(self, *, width: int, height: int) -> None:
        narrow = width < 600
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": narrow}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def prefer(self, scheme: str) -> None:
        """Prefer the colour scheme `light` or `dark`, as a system's settings do, and no motion."""
        preferences = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in preferences.items()]
        self._call("Emulation.setEmulatedMedia", features=features)

    @contextmanager
    def before_each(self, script: str) -> Iterator[None]:
        """Run JavaScript in each page that is opened in the block, before its own."""
        answer = self._call("Page.addScriptToEvaluateOnNewDocument", source=script)
        yield
        self._call("Page.removeScriptToEvaluateOnNewDocument", identifier=answer["identifier"])

    def press(self, key: str, *, text: str = "", shift: bool = False) -> None:
        """Press and release a key, such as `ArrowUp`; `text` is what it types, if anything."""
        code = KEY_CODES.get(key, ord(key[0].upper()))
        modifiers = 8 if shift else 0
        pressed = {
            "key": key,
            "code": key,
            "windowsVirtualKeyCode": code,
            "modifiers": modifiers,
        }
        self._call("Input.dispatchKeyEvent", type="keyDown", text=text, **pressed)
        self._call("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        self._call("Input.insertText", text=text)

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

    def html(self) -> str:
        return str(self.value("document.documentElement.outerHTML"))

    def photograph(self, picture: Path) -> None:
        """Write what is visible as a PNG."""
        picture.write_bytes(self.screenshot())

    def screenshot(self) -> bytes:
        """Return what is visible as a PNG."""
        shot = self._call("Page.captureScreenshot", format="png")
        return base64.b64decode(shot["data"])

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while (answer := json.loads(self._connection.recv(PATIENCE_S))).get("id") != number:
            self._note(answer["method"], answer["params"])
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _note(self, method: str, params: dict[str, Any]) -> None:
        """Keep an event if it is a complaint."""
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.complaints.append(str(params["args"]))
        if method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(str(params["entry"]))


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
