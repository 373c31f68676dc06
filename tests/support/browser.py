"""Look at the workspace's page with a real browser: Chromium, without a window."""

import shutil
import subprocess
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
"""Without these Chromium calls services on the network that nobody here needs."""


def drawn(url: str, folder: Path) -> str:
    """Return the page's HTML after its script has run. *folder* keeps the browser's own files."""
    return _browse(folder, "--dump-dom", url)


def photograph(url: str, picture: Path, folder: Path, *, width: int, height: int) -> None:
    """Write the page as a PNG, *width* and *height* in CSS pixels."""
    size = (f"--window-size={width},{height}", "--hide-scrollbars")
    _browse(folder, *size, f"--screenshot={picture}", url)


def _browse(folder: Path, *options: str) -> str:
    command = [CHROMIUM, *QUIET, f"--user-data-dir={folder}", "--virtual-time-budget=4000"]
    browser = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=120, check=True
    )
    return browser.stdout
