"""The workspace's page in a real browser: it draws messages and runs nothing in them."""

import pytest
from slack_sdk import WebClient

from bot.sandbox import Channel, Sandbox, User
from tests.support.browser import CHROMIUM, Page

pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="Chromium is not installed: apt-get install chromium."
)


def drawn(page: Page, url: str) -> str:
    """Return the page's HTML once it shows a message."""
    page.open(url, width=1280, height=800)
    page.wait_until("document.querySelector('article')")
    return page.html()


def test_html_in_a_message_is_shown_and_does_not_run(
    sandbox: Sandbox, alice: User, general: Channel, page: Page
) -> None:
    sandbox.post(alice, general, "*hello* &lt;img src=x onerror=document.title='taken'&gt;")
    hidden = sandbox.add_channel("merger-plans", [], private=True)
    html = drawn(page, sandbox.page_url)
    assert "<title>taken" not in html
    assert "hello" in html
    assert "&lt;img src=x" in html
    assert hidden.name not in html


def test_blocks_are_drawn_as_slack_draws_them(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel, page: Page
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
    html = drawn(page, f"{sandbox.page_url}#{alice.id}/{general.id}")
    assert "Traces &amp; more" in html
    assert "<pre" in html
    assert ">Show</button>" in html


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
| `y \\| z` | 2 | left out |

[see \\[1\\]](https://e.example)

**https://e.example/b** **<https://e.example/c>** **[d](https://e.example/d)** https://e.example/e.

<​!channel>

```python
if **「x」**は"""


def test_markdown_is_drawn_by_the_rules_of_commonmark(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel, page: Page
) -> None:
    blocks = [{"type": "markdown", "text": ANSWER}]
    web.chat_postMessage(channel=general.id, text="x", blocks=blocks)
    html = drawn(page, f"{sandbox.page_url}#{alice.id}/{general.id}")
    assert "<h3>結果</h3>" in html
    assert "**「接続」**は <b>重要​</b>​です。" in html
    assert "<pre>[server]</pre>" in html
    assert "<ul><li>" in html
    assert '<td><i>x</i></td><td class="right">1</td>' in html
    assert '<td><code>y | z</code></td><td class="right">2</td></tr>' in html
    assert ">see [1]</a>" in html
    assert "**<a" in html and ">https://e.example/b**</a>" in html
    assert ">https://e.example/c</a></b> <b><a" in html and ">d</a></b>" in html
    assert ">https://e.example/e</a>." in html
    assert "&lt;​!channel&gt;" in html
    assert "<pre>if **「x」**は</pre>" in html


def test_what_another_app_says_and_the_text_of_a_file_are_drawn(
    sandbox: Sandbox, alice: User, general: Channel, page: Page
) -> None:
    grafana = sandbox.add_bot("grafana")
    sandbox.join(grafana, general)
    fields = [{"title": "Instance", "value": "`web-1`"}]
    alert = {"color": "danger", "title": "CPU &gt; 90 %", "text": "*97 %*", "fields": fields}
    sandbox.post(grafana, general, attachments=[alert])
    blocks = [{"type": "header", "text": {"type": "plain_text", "text": "Disk full"}}]
    sandbox.forward(alice, sandbox.post(grafana, general, blocks=blocks), general, "look:")
    sandbox.post(alice, general, files=[("answer.md", "text/markdown", "**결과** <b>".encode())])
    html = drawn(page, sandbox.page_url)
    assert "<b>CPU &gt; 90 %</b>" in html and "<b>97 %</b>" in html
    assert "<b>Instance</b>" in html and "<code>web-1</code>" in html
    assert html.count("Disk full") == 2 and "Posted in #general" in html
    assert '<pre class="preview">**결과** &lt;b&gt;</pre>' in html


def test_a_quote_is_drawn_beside_code_that_contains_its_sign(
    sandbox: Sandbox, alice: User, general: Channel, page: Page
) -> None:
    sandbox.post(alice, general, "&gt; a quote\n```$ cat &lt;\n&gt; b```\nthen")
    html = drawn(page, sandbox.page_url)
    assert "<blockquote>a quote</blockquote>" in html
    assert "<pre>$ cat &lt;\n&gt; b</pre>then" in html


def test_a_chart_with_negative_values_is_drawn(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel, page: Page
) -> None:
    points = [{"label": "Mon", "value": -3}, {"label": "Tue", "value": 5}]
    chart = {
        "type": "bar",
        "series": [{"name": "change", "data": points}],
        "axis_config": {"categories": ["Mon", "Tue"]},
    }
    block = {"type": "data_visualization", "title": "Change", "chart": chart}
    web.chat_postMessage(channel=general.id, text="chart", blocks=[block])
    html = drawn(page, f"{sandbox.page_url}#{alice.id}/{general.id}")
    assert 'aria-label="Change: change: Mon -3, Tue 5"' in html
    heights = "[...document.querySelectorAll('.bar')].map((each) => each.height.baseVal.value)"
    assert page.value(heights) == [45, 75]
