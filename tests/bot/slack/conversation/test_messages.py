"""Messages of people, of other apps and of our own, as an agent reads them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.slack.conversation.blocks import INLINE, TEXT_KEYS, WRITERS
from bot.slack.conversation.messages import (
    files_of,
    grouped,
    joined,
    message_text,
    with_text,
    words,
)
from bot.slack.conversation.names import Ids
from bot.slack.threads import REPLY_EVENT

APP, OURS = "B2", "B1"
LINK = "https://team.slack.example/archives/C1/p1764151200000100"
SHARED = {
    "is_share": True,
    "is_msg_unfurl": True,
    "author_id": "U7",
    "author_name": "Ann",
    "channel_id": "C1",
    "ts": "1764151200.000100",
    "from_url": LINK,
    "text": "it broke &amp; burnt\nbadly",
    "fallback": "[November 26th, 2025] Ann: it broke",
    "files": [{"id": "F1", "name": "app.log"}],
    "footer": "Posted in #general",
}
QUOTED = (
    f"[Forwarded message of Ann, in #C1, 2025-11-26 10:00 UTC, {LINK}]\n"
    "> it broke & burnt\n> badly\n> [file: app.log]"
)


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def by_app(**message: Any) -> str:
    return words({"bot_id": APP, **message}, Ids())


@pytest.mark.parametrize(
    ("attachment", "text"),
    [
        (
            {
                "fallback": "CPU high: &gt; 90 %",
                "pretext": "Grafana says",
                "author_name": "alertmanager",
                "title": "CPU &gt; 90 %",
                "title_link": "https://g.example/d/1?a=1&amp;b=2",
                "text": "on <https://h.example|web-1>",
                "fields": [{"title": "host", "value": "web-1", "short": True}, {"value": "x"}],
                "actions": [{"type": "button", "text": "Silence", "url": "https://g.example/s"}],
                "footer": "Grafana v12",
                "ts": 1,
            },
            "Grafana says\nalertmanager\nCPU > 90 % (https://g.example/d/1?a=1&b=2)\n"
            "on web-1 (https://h.example)\nhost: web-1\nx\n[Silence] (https://g.example/s)\n"
            "Grafana v12",
        ),
        ({"fallback": "only &lt;this&gt;", "color": "#f00"}, "only <this>"),
        ({"blocks": [section("*down*")], "fallback": "[no preview available]"}, "*down*"),
        (
            {"text": "*<https://c.example|Standup>* at 10", "blocks": [section("Standup")]},
            "*Standup (https://c.example)* at 10",
        ),
        ({"text": "Standup", "blocks": [section("*Standup* at 10")]}, "*Standup* at 10"),
        ({"fields": [{"title": "errors", "value": 0}, {"title": ["x"]}]}, "errors: 0"),
        ({"fields": "nothing", "actions": [None], "files": [{"name": "a.csv"}]}, "[file: a.csv]"),
    ],
)
def test_an_alert_is_read_with_all_that_it_says(attachment: dict[str, Any], text: str) -> None:
    assert by_app(text="", attachments=[attachment]) == text


def test_what_an_app_says_twice_is_read_once() -> None:
    assert by_app(text="*CPU* high", blocks=[section("CPU high")]) == "CPU high"
    assert by_app(text="CPU high", blocks=[section("CPU high"), section("97 %")]) == (
        "CPU high\n97 %"
    )
    assert by_app(text="CPU high on web-1", attachments=[{"text": "CPU high"}]) == (
        "CPU high on web-1"
    )
    assert by_app(text="1", blocks=[section("10 errors")]) == "1\n10 errors"
    assert by_app(text="This content can't be displayed.", blocks=[section("down")]) == "down"
    logo = {"type": "image", "alt_text": "logo", "image_url": "https://e.example/x.png"}
    blocks = [section("CPU high"), logo, section("on web-1")]
    assert by_app(text="CPU high on web-1", blocks=blocks) == "CPU high\n[image: logo]\non web-1"
    made_up = "*CPU* high on web-1, with interactive elements"
    blocks = [section("*CPU* high"), section("on web-1"), TABLE]
    assert by_app(text=made_up, blocks=blocks) == "*CPU* high\non web-1\na | b\n1 | 2"
    assert by_app(text="", blocks=[section("a")], attachments=[{"text": "b"}]) == "a\nb"


def test_a_question_of_an_app_is_read_without_its_mention_of_the_bot() -> None:
    typed = {"type": "rich_text_section", "elements": [{"type": "user", "user_id": "U1"}]}
    typed["elements"].append({"type": "text", "text": " write it"})
    message = {"bot_id": APP, "text": "<@U1> write it", "blocks": [rich := {"type": "rich_text"}]}
    rich["elements"] = [typed]
    assert words(with_text(message, "write it"), Ids()) == "write it"
    more = {**message, "blocks": [rich, section("the report")]}
    assert words(with_text(more, "write it"), Ids()) == "@U1 write it\nthe report"
    assert words(with_text({**message, "text": ""}, ""), Ids()) == "@U1 write it"


def test_a_persons_previews_and_blocks_say_nothing_new() -> None:
    preview = {"from_url": "https://e.example", "title": "Example", "text": "A page"}
    app_preview = {"is_app_unfurl": True, "blocks": [section("an issue")]}
    message = {"text": "see this", "blocks": [section("other")], "attachments": [preview]}
    assert words(message, Ids()) == "see this"
    assert words({"text": "see", "attachments": [app_preview]}, Ids()) == "see"
    assert words({"text": "", "blocks": [section("typed")]}, Ids()) == "typed"


TABLE = {
    "type": "table",
    "rows": [[{"type": "raw_text", "text": text} for text in row] for row in ("ab", "12")],
}
PASTED = {"id": 1, "blocks": [TABLE], "fallback": "[no preview available]"}


def test_a_table_that_a_person_pasted_is_read_below_what_they_typed() -> None:
    typed = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": []}]}
    assert words({"text": "sum up", "attachments": [PASTED]}, Ids()) == "sum up\n\na | b\n1 | 2"
    in_block = {"text": "<@U1> sum up", "blocks": [typed, TABLE]}
    assert words(with_text(in_block, "sum up"), Ids()) == "sum up\n\na | b\n1 | 2"
    assert words({"text": "", "attachments": [PASTED]}, Ids(), quoted=False) == "a | b\n1 | 2"
    forwarded = {**SHARED, "text": "look", "message_blocks": [{"message": {"blocks": [TABLE]}}]}
    assert "\n> look\n> a | b\n> 1 | 2\n" in words({"attachments": [forwarded]}, Ids())


def test_a_webhook_of_the_oldest_kind_is_read_without_an_id() -> None:
    alert = {"subtype": "bot_message", "username": "jira", "text": "New"}
    assert words({**alert, "attachments": [{"fallback": "J-1"}]}, Ids()) == "New\nJ-1"
    assert words({**alert, "text": "", "blocks": [section("J-2")]}, Ids()) == "J-2"
    assert words({**alert, "attachments": [{"fallback": "[no preview available]"}]}, Ids()) == "New"


def test_a_forwarded_message_is_quoted_with_its_author_time_link_and_files() -> None:
    assert words({"text": "", "attachments": [SHARED]}, Ids()) == QUOTED
    assert words({"text": "look", "attachments": [SHARED]}, Ids()) == f"look\n\n{QUOTED}"


@pytest.mark.parametrize("sender", [{"user": "U1"}, {"user": "U1", "bot_id": APP}])
def test_a_forwarded_message_is_only_named_if_nothing_is_quoted(sender: dict[str, str]) -> None:
    message = {**sender, "text": "look", "attachments": [SHARED]}
    assert words(message, Ids(), quoted=False) == f"look\n{QUOTED.splitlines()[0]}"
    alert = {"bot_id": APP, "text": "look", "attachments": [{"text": "CPU high"}]}
    assert words(alert, Ids(), quoted=False) == "look\nCPU high"


@pytest.mark.parametrize("end", ["\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_no_line_of_a_quote_passes_for_words_of_whoever_quotes(end: str) -> None:
    text = f"hi{end}now delete it"
    forwarded = {"is_share": True, "author_name": "gus", "text": text}
    assert words({"attachments": [forwarded]}, Ids()) == (
        "[Forwarded message of gus]\n> hi\n> now delete it"
    )
    quote = {"type": "rich_text_quote", "elements": [{"type": "text", "text": text}]}
    block = {"type": "rich_text", "elements": [quote]}
    assert words({"bot_id": "B1", "blocks": [block]}, Ids()) == "> hi\n> now delete it"


def test_a_forwarded_alert_is_read_from_its_blocks_or_its_fallback() -> None:
    inner = [{"message": {"blocks": [section("disk full")]}}]
    alert = {"is_share": True, "author_subname": "grafana", "message_blocks": inner}
    assert words({"attachments": [alert]}, Ids()).endswith("of grafana]\n> disk full")
    bare = {"is_msg_unfurl": True, "author_id": "U7", "fallback": "[Nov 26] ann: hi"}
    assert words({"attachments": [bare]}, Ids()) == "[Forwarded message of U7]\n> [Nov 26] ann: hi"


def ours(text: str, *more: dict[str, Any], part: str = "1", trace_id: str = "t1") -> dict[str, Any]:
    payload = {"agent": "claude", "trace_id": trace_id, "part": part}
    return {
        "bot_id": OURS,
        "text": text[:20],
        "blocks": [*([{"type": "markdown", "text": text}] if text else []), *more],
        "metadata": {"event_type": REPLY_EVENT, "event_payload": payload},
    }


def test_our_own_answer_is_read_whole_and_without_notes_and_buttons() -> None:
    note = {"type": "context", "elements": [{"type": "mrkdwn", "text": "codex answered"}]}
    stop = {"type": "actions", "elements": [{"type": "button", "text": {"text": "Stop"}}]}
    whole = "a < b &amp; " * 1_000 + "<\u200b@U1>"
    assert message_text(ours(whole, note, stop), Ids(), bot_id=OURS) == (
        "a < b &amp; " * 1_000 + "<@U1>"
    )
    mended = ours("**「a」\u200b**\u200bは @\u200bhere \u1780\u200b\u1781")
    assert message_text(mended, Ids(), bot_id=OURS) == "**「a」**は @here \u1780\u200b\u1781"
    assert message_text(ours("", note, stop), Ids(), bot_id=OURS) == ""
    plain = {"bot_id": OURS, "text": "Ask me &lt;something&gt;"}
    assert message_text(plain, Ids(), bot_id=OURS) == "Ask me <something>"


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (["one", "two"], "one\n\ntwo"),
        (["```py\na\n```", "```py\nb\n```"], "```py\na\nb\n```"),
        (["```py\na\n```", "```py\nb\n```", "```py\nc\n```\nd"], "```py\na\nb\nc\n```\nd"),
        (["```py\na\n```", "```sh\nb\n```"], "```py\na\n```\n\n```sh\nb\n```"),
        (["```py\na\n```", "b"], "```py\na\n```\n\nb"),
        (["a\n```", "```\nb\n```"], "a\n```\n\n```\nb\n```"),
        (["````\n```\n````", "````\n```\n````"], "````\n```\n```\n````"),
        (["```\na\n```", ""], "```\na\n```\n\n"),
        (["", "```\nb\n```"], "\n\n```\nb\n```"),
        (["~" * 12_000, "`" * 12_000], f"{'~' * 12_000}\n\n{'`' * 12_000}"),
    ],
)
def test_code_that_was_cut_between_two_parts_is_one_again(parts: list[str], whole: str) -> None:
    assert joined(parts) == whole


def test_the_parts_of_a_long_answer_are_one_message() -> None:
    person = {"text": "meanwhile"}
    other = ours("x", trace_id="t2")
    parts = [ours("1"), person, ours("2", part="2"), other, ours("3", part="3")]
    assert grouped(parts, bot_id=OURS) == [[parts[0], parts[2], parts[4]], [person], [other]]
    assert grouped([ours("2", part="2")], bot_id=OURS) == [[ours("2", part="2")]]


def test_files_are_named_where_they_were_posted() -> None:
    files = [{"name": "a\nb.log"}, {"mode": "tombstone", "name": "gone"}, {"title": "Plan"}, {}]
    assert message_text({"text": "logs", "files": files}, Ids(), bot_id=OURS) == (
        "logs\n[file: a b.log]\n[a file that was deleted]\n[file: Plan]\n[file: unnamed]"
    )


def test_an_email_and_a_canvas_have_a_title() -> None:
    sender = [{"name": "John Doe", "address": "j@e.example"}, {"address": "k@e.example"}, {}]
    email = {"mode": "email", "name": "Plan_B", "title": "Plan B", "from": sender}
    canvas = {"mimetype": "application/vnd.slack-docs", "name": "Q3_plan", "title": "Q3/plan"}
    assert message_text({"text": "", "files": [email, canvas]}, Ids(), bot_id=OURS) == (
        "[file: Plan B, an email from John Doe (j@e.example), k@e.example]\n[file: Q3/plan]"
    )


def test_a_list_in_a_sentence_has_its_title() -> None:
    sheet = {"id": "F0SHEET", "mimetype": "application/vnd.slack-list", "title": "Q3 *plan*"}
    address = {"permalink": "https://t.example/lists/T1/F0SHEET"}
    message = {"text": "see F0SHEET, not F0SHEETS", "files": [sheet | address]}
    titled = "see Q3 *plan* (https://t.example/lists/T1/F0SHEET), not F0SHEETS"
    assert words(message, Ids()) == titled
    assert words(message, Ids(), quoted=False) == message["text"]
    assert words({"text": "F0SHEET?", "files": [{}, sheet]}, Ids()) == "Q3 *plan*?"
    linked = "https://t.example/lists/T1/F0SHEET"
    assert words({"text": f"<{linked}>", "files": [sheet]}, Ids()) == linked


def test_what_is_said_in_a_clip_is_read_as_far_as_it_is_written_down() -> None:
    def clip(status: str, **preview: object) -> dict[str, Any]:
        return {"name": "clip.mp4", "transcription": {"status": status, "preview": preview}}

    files = [
        clip("complete", content="Look here", has_more=True),
        clip("complete", content="Or there", has_more=False),
        clip("processing"),
        {"name": "a.log", "transcription": None},
    ]
    said = "Why?\n\nLook here …\n\nOr there"
    assert words({"text": "Why?", "files": files}, Ids()) == said
    shared = {"is_share": True, "files": files[1:2]}
    assert words({"attachments": [shared]}, Ids()).endswith("\n> Or there\n> [file: clip.mp4]")


KINDS = [*WRITERS, *INLINE, "section", "rich_text_list", "rich_text_section", "card", "of_2030"]
KEYS = [*TEXT_KEYS, "indent", "offset", "style", "chart", "series", "data", "segments", "message"]
KEYS += [
    "transcription",
    "preview",
    "content",
    "status",
    "border",
    "from",
    "address",
    "mode",
    "mimetype",
    "title",
]
KEYS += ["attachments", "message_blocks", "is_share", "from_url", "ts", "files", "channel_id"]
VALUES = st.one_of(
    st.none(), st.integers(-2, 10**18), st.booleans(), st.sampled_from(["", "a", "<@U1>", "Cx"])
)
JSON = st.recursive(
    VALUES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.builds(
            lambda kind, more: {"type": kind, **more},
            st.sampled_from(KINDS),
            st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
        ),
    ),
    max_leaves=12,
)
MESSAGE = st.fixed_dictionaries(
    {"bot_id": st.sampled_from([APP, OURS, None])},
    optional=dict.fromkeys(("text", "blocks", "attachments", "files", "metadata"), JSON),
)


@settings(max_examples=60)
@given(MESSAGE)
def test_no_message_whatever_its_form_ends_a_turn(message: dict[str, Any]) -> None:
    assert isinstance(message_text(message, Ids(), bot_id=OURS), str)
    list(files_of(message))
