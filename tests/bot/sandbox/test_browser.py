"""The workspace's page in a real browser: it draws messages and runs nothing in them."""

import shutil
import subprocess
from pathlib import Path

import pytest
from slack_sdk import WebClient

from bot.sandbox import Channel, Sandbox, User

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
"""Without these Chromium calls services on the network that a test does not need."""

pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="Chromium is not installed: apt-get install chromium."
)


def drawn(url: str, folder: Path) -> str:
    """Return the page's HTML after its script has run."""
    command = [CHROMIUM, *QUIET, f"--user-data-dir={folder}", "--virtual-time-budget=4000"]
    browser = subprocess.run(
        [*command, "--dump-dom", url], capture_output=True, text=True, timeout=120, check=True
    )
    return browser.stdout


def test_html_in_a_message_is_shown_and_does_not_run(
    sandbox: Sandbox, alice: User, general: Channel, tmp_path: Path
) -> None:
    sandbox.post(alice, general, "*hello* &lt;img src=x onerror=document.title='taken'&gt;")
    hidden = sandbox.add_channel("merger-plans", [], private=True)
    page = drawn(sandbox.page_url, tmp_path)
    assert "<title>taken" not in page
    assert "hello" in page
    assert "&lt;img src=x" in page
    assert hidden.name not in page


def test_blocks_are_drawn_as_slack_draws_them(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel, tmp_path: Path
) -> None:
    button = {"type": "button", "action_id": "show", "text": {"type": "plain_text", "text": "Show"}}
    web.chat_postMessage(
        channel=general.id,
        text="blocks",
        blocks=[
            {"type": "header", "text": {"type": "plain_text", "text": "Traces & more"}},
            {"type": "section", "text": {"type": "mrkdwn", "text": "```a  b```"}},
            {"type": "actions", "elements": [button]},
        ],
    )
    page = drawn(f"{sandbox.page_url}#{alice.id}/{general.id}", tmp_path)
    assert "Traces &amp; more" in page
    assert "<pre" in page
    assert ">Show</button>" in page


ANSWER = """# 結果

**「接続」**は **重要​**​です。

1. code

   ~~~toml
   [server]
   ~~~
   - nested

| a | b |
|---|--:|
| *x* | 1 |

<​!channel>

```python
if **「x」**は"""


def test_markdown_is_drawn_by_the_rules_of_commonmark(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel, tmp_path: Path
) -> None:
    blocks = [{"type": "markdown", "text": ANSWER}]
    web.chat_postMessage(channel=general.id, text="x", blocks=blocks)
    page = drawn(f"{sandbox.page_url}#{alice.id}/{general.id}", tmp_path)
    assert "<h3>結果</h3>" in page
    assert "**「接続」**は <b>重要​</b>​です。" in page
    assert "<pre>[server]</pre>" in page
    assert "<ul><li>" in page
    assert '<td><i>x</i></td><td class="right">1</td>' in page
    assert "&lt;​!channel&gt;" in page
    assert "<pre>if **「x」**は</pre>" in page
