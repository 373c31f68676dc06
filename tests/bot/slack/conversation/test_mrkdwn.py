"""Slack's text as words: decoded once, with names and addresses."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.slack.conversation.blocks import blocks_text
from bot.slack.conversation.messages import words
from bot.slack.conversation.mrkdwn import readable

NAMES = {"U1": "Ann Lee", "C1": "general", "S1": "oncall"}


class Named:
    """Names of one person, one channel and one group."""

    def user(self, user: str) -> str:
        return NAMES.get(user, user)

    channel = group = user


@pytest.mark.parametrize(
    ("stored", "seen"),
    [
        ("if (a &lt; b &amp;&amp; c &gt; d)", "if (a < b && c > d)"),
        ("&amp;lt; and &amp;amp;lt;", "&lt; and &amp;lt;"),
        ("&quot; &nbsp; &#38; &LT; &", "&quot; &nbsp; &#38; &LT; &"),
        ("`&lt;@U1&gt;` is text", "`<@U1>` is text"),
        ("<https://e.example?a=1&amp;b=2>", "https://e.example?a=1&b=2"),
        ("<https://e.example?a=1&amp;b=2|a &amp; b>", "a & b (https://e.example?a=1&b=2)"),
        ("<https://e.example|https://e.example>", "https://e.example"),
        ("<http://notes.py|notes.py>", "notes.py"),
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("<mailto:a@b.example>, <tel:+4930|>", "a@b.example, +4930"),
        ("<mailto:a@b.example|write to us>", "write to us (mailto:a@b.example)"),
        ("<tel:+49301234|+49301234>", "+49301234"),
        ("<slack://open?team=T1|here>", "here (slack://open?team=T1)"),
        ("<@U1>, <@U1|ann>", "@Ann Lee, @Ann Lee"),
        ("<@U9>, <@W9|bob>", "@U9, @bob"),
        ("<#C1>, <#C1|ops>, <#C9|>", "#general, #ops, #C9"),
        ("<!subteam^S1>, <!subteam^S1|@oncall>, <!subteam^S9|@ops>", "@oncall, @oncall, @ops"),
        ("<!subteam^S9>", "@S9"),
        ("<!here> <!channel> <!everyone> <!here|here>", "@here @channel @everyone @here"),
        ("<!date^1392734382^{date}^https://e.example|18 Feb 2014>", "18 Feb 2014"),
        ("<!unknown^1>", "<!unknown^1>"),
        ("<b>bold</b> <> a < b\n> c", "<b>bold</b> <> a < b\n> c"),
        (":fire: *bold* ~gone~", ":fire: *bold* ~gone~"),
        ("", ""),
    ],
)
def test_a_text_reads_as_people_see_it(stored: str, seen: str) -> None:
    assert readable(stored, Named()) == seen


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


ANYTHING = st.text(st.sampled_from("&<>;|@#!ab lt gt amp 다\n`*_"), max_size=20)
ONE_LINE = st.text(st.sampled_from("&<>;ab lt amp 다"), min_size=1, max_size=12).map(str.strip)


def typed(text: str) -> tuple[str, str, dict[str, str]]:
    return escaped(text), text, {"type": "text", "text": text}


def mentioned(user: str) -> tuple[str, str, dict[str, str]]:
    return f"<@{user}>", f"@{NAMES.get(user, user)}", {"type": "user", "user_id": user}


def linked(label: str) -> tuple[str, str, dict[str, str]]:
    url = "https://e.example/?a=1&b=2"
    seen = f"{label} ({url})" if label else url
    stored = f"<{escaped(url)}|{escaped(label)}>" if label else f"<{escaped(url)}>"
    return stored, seen, {"type": "link", "url": url, **({"text": label} if label else {})}


PARTS = st.lists(
    st.one_of(
        ANYTHING.map(typed),
        st.sampled_from(["U1", "U9"]).map(mentioned),
        ONE_LINE.map(linked),
        st.just(linked("")),
    ),
    max_size=6,
)


@settings(max_examples=50)
@given(PARTS)
def test_nothing_is_lost_and_nothing_is_decoded_twice(
    parts: list[tuple[str, str, dict[str, str]]],
) -> None:
    stored, seen = ("".join(part[n] for part in parts) for n in (0, 1))
    assert readable(stored, Named()) == seen
    section = {"type": "rich_text_section", "elements": [part[2] for part in parts]}
    block = {"type": "rich_text", "elements": [section]}
    assert blocks_text([block], Named()).strip() == seen.strip()
    # Slack adds the same as a block: a person says it once, and so does an app.
    message = {"text": stored, "blocks": [block]}
    assert words(message, Named()) == seen or not stored
    by_app = words({**message, "bot_id": "B1"}, Named())
    assert by_app.strip() == seen.strip()


Shape = Callable[[str], dict[str, object]]


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    lambda text: {"text": text},
                    lambda text: {"attachments": [{"text": text}]},
                    lambda text: {"attachments": [{"fields": [{"title": "t", "value": text}]}]},
                    lambda text: {"attachments": [{"fallback": text}]},
                    lambda text: {"attachments": [{"is_share": True, "text": text}]},
                ]
            ),
            ANYTHING,
        ),
        min_size=1,
        max_size=1,
    )
)
def test_what_an_app_says_is_there_wherever_it_says_it(said: list[tuple[Shape, str]]) -> None:
    ((shape, text),) = said
    seen = words({"bot_id": "B1", **shape(escaped(text))}, Named())
    # A forwarded message is quoted line by line.
    lines = [line.strip() for line in text.split("\n")]
    assert [line for line in lines if line not in seen] == []
