"""An agent's words as Slack is given them: nobody is notified, and nothing else is lost."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.replies.text.markdown import PARSER
from bot.replies.text.presented import MOST_NAMES, presented, settled
from bot.sandbox.blocks.pings import pings

SPACE = "\u200b"
NAMES = {"U0ANN00001": "Ann Lee", "U0BOB00001": "b*b_", "U0EVE00001": "here"}


def name_of(user: str) -> str:
    return NAMES.get(user, user)


def rendered(text: str) -> str:
    return str(PARSER.render(presented(text))).replace(SPACE, "").strip()


@pytest.mark.parametrize(
    "text",
    [
        "<!DOCTYPE html>",
        "<!-- a comment -->",
        "`<#1>` and ```<#C1>```",
        "```\n<!ELEMENT note (to)>\n```",
        "List<@NonNull String>",
        "git clone <@user>",
        "ann@here.example, a_@here.example, @here_x and @heretic",
        "`@channel` or\n\n```java\n@here\n```",
        "<!date^1392734382^{date}|a day>",
        "a < b && c > d <https://e.example> <mailto:a@b.example>",
        "`<https://e.example|e>`\n\n```\n<https://e.example|e>\n```",
        "x ** y * z __init__ a_b_c 2*3*4",
        "`**「重要」**は`",
        "```\n**「重要」**は\n```",
        "파일_이름_은 https://e.example/_글_은 [글](https://e.example/*「글」*은)",
    ],
)
def test_what_notifies_nobody_is_left_alone(text: str) -> None:
    assert presented(text) == text


@pytest.mark.parametrize(
    "around", ["{}", "`{}`", "```\n{}\n```", "- a\n\n      {}", "| {} |\n|---|"]
)
@pytest.mark.parametrize(
    "mention",
    [
        "<!channel>",
        "<!here|here>",
        "<!everyone>",
        "<!group>",
        "<!subteam^S1>",
        "<!subteam^S1|@ops>",
        "<@U0123456789>",
        "<@W0123456789|ann>",
        "<!Channel>",
        "< ! here >",
        "<@ U0123456789 >",
        "<@u0123456789>",
        "<<!channel>>",
    ],
)
def test_a_mention_notifies_nobody_in_text_or_code(mention: str, around: str) -> None:
    text = around.format(mention)
    markdown = {"type": "markdown", "text": text}
    assert pings("", [markdown])
    shown = presented(text)
    assert not pings("", [{**markdown, "text": shown}])
    assert shown.replace(SPACE, "") == text


def test_a_bare_name_of_everybody_notifies_nobody() -> None:
    text = "@here and @Channel, please. (@everyone)"
    assert pings("", [{"type": "markdown", "text": text}])
    assert not pings("", [{"type": "markdown", "text": presented(text)}])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<!--@here>", f"<!--@{SPACE}here>"),
        ("<a @Everyone b>", f"<a @{SPACE}Everyone b>"),
        ("<@here>", f"<@{SPACE}here>"),
        ("<U0ANN|@here>", f"<U0ANN|@{SPACE}here>"),
        ("<!here|@here>", f"<{SPACE}!here|@{SPACE}here>"),
        ("~~~~@here*", f"~~~~@{SPACE}here*"),
        ("```sh @channel", f"```sh @{SPACE}channel"),
        ("[x](@channel)", "[x](%40channel)"),
        ("@here님, 모두@channel", f"@{SPACE}here님, 모두@{SPACE}channel"),
        ("_@everyone_", f"_@{SPACE}everyone_"),
        ("https://e.example/?q=@here", "https://e.example/?q=%40here"),
        ("<https://e.example/(@here)>", "<https://e.example/(%40here)>"),
    ],
)
def test_a_bare_name_in_a_tag_an_address_or_a_fence_notifies_nobody(text: str, shown: str) -> None:
    assert pings("", [{"type": "markdown", "text": text}])
    assert presented(text) == shown
    assert not pings("", [{"type": "markdown", "text": shown}])


def test_a_bare_name_in_code_stays_as_it_is() -> None:
    text = "`@here` and\n```\ngrep @channel\n```\n"
    assert presented(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("- <https://e.example/a_b|the docs>", "- [the docs](https://e.example/a_b)"),
        ("<mailto:a@b.example|mail>", "[mail](mailto:a@b.example)"),
        ("<https://e.example/A_(b|[x] y>", r"[\[x\] y](https://e.example/A_%28b)"),
        ("<https://e.example|@here>", f"[@{SPACE}here](https://e.example)"),
        ("| a | b |\n|---|---|\n| <https://e.example|x> | y |", "| [x](https://e.example) | y |"),
    ],
)
def test_a_link_in_slacks_own_form_is_one_in_markdown(text: str, shown: str) -> None:
    assert presented(text).endswith(shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**https://e.example/x**", "**<https://e.example/x>**"),
        ("**PR: https://e.example/1**, ok", "**PR: <https://e.example/1>**, ok"),
        ("PR:**https://e.example/5**(rebase)", "PR:**<https://e.example/5>**(rebase)"),
        ("**(see https://e.example/a(b).)**", "**(see <https://e.example/a(b)>.)**"),
        (
            "_https://e.example/a_b_, ~~http://x.example~~",
            "_<https://e.example/a_b>_, ~~<http://x.example>~~",
        ),
        ("は**https://e.example**です", f"は**{SPACE}<https://e.example>{SPACE}**{SPACE}です"),
        (
            "見てhttps://e.example/ジ・ョ。（https://e.example）も",
            "見て<https://e.example/ジ・ョ>。（<https://e.example>）も",
        ),
        ("**https://e.example/@here**", "**<https://e.example/%40here>**"),
        ("| **https://e.example** |\n|---|", "| **<https://e.example>** |\n|---|"),
    ],
)
def test_a_bare_address_ends_before_the_end_of_its_emphasis(text: str, shown: str) -> None:
    assert presented(text) == shown
    assert presented(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "See https://e.example/a_b_c, (https://e.example) or https://e.example/苹果（公司）.",
        "`https://e.example/**` and\n```\ncurl https://e.example/**\n```",
        "[**https://e.example/x**](https://e.example/x) <https://e.example/**> https://**",
        '[x](https://e.example/a**b) <a href="https://e.example/**">',
    ],
)
def test_another_address_stays_as_it_is(text: str) -> None:
    assert presented(text) == text


def test_an_address_in_bold_streams_without_a_break() -> None:
    text = "The **PR: https://e.example/pull/1** has http: and h, **https://e.example/2**。"
    for cut in range(len(text) + 1):
        assert presented(text).startswith(presented(settled(text[:cut])))


def test_a_link_in_slacks_own_form_streams_without_a_break() -> None:
    text = "See <https://e.example/a|the docs>, <div> and <mailto:a@b.example|mail>."
    for cut in range(len(text) + 1):
        assert presented(text).startswith(presented(settled(text[:cut])))


def test_a_long_run_of_marks_is_settled_in_a_moment() -> None:
    text = "한" + "_" * 400_000
    assert settled(text) == "한"
    assert settled(f"{text}국") == f"{text}국"


TABLE = "| how | shell |\n|---|---|\n"


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ("| sort | `du -k | sort -n` |", r"| sort | `du -k \| sort -n` |"),
        ("| `a|b` | ``x ` | y`` |", r"| `a\|b` | ``x ` \| y`` |"),
        (r"| one | `a \| b` |", r"| one | `a \| b` |"),
        ("| ` | ` |", "| ` | ` |"),
        ("| `a | b` | c | d |", "| `a | b` | c | d |"),
        ("| `a | b`", "| `a | b`"),
    ],
)
def test_code_in_a_table_ends_no_cell(row: str, shown: str) -> None:
    assert presented(f"{TABLE}{row}\n\n| x | `y | z` |") == f"{TABLE}{shown}\n\n| x | `y | z` |"


def test_a_table_with_code_streams_without_a_break() -> None:
    text = f"{TABLE}| sort | `du -k | sort -n` |\n| a | `b` |\n\nThat is all, `a | b`."
    for cut in range(len(text) + 1):
        assert presented(text).startswith(presented(settled(text[:cut])))


def test_a_known_person_is_named_outside_code() -> None:
    text = "<@U0ANN00001> asked <@U0BOB00001|bob> and <@U0NEW00001>: `<@U0ANN00001>`"
    shown = presented(text, name_of)
    assert shown.startswith(r"@Ann Lee asked @b\*b\_ and")
    assert f"<{SPACE}@U0NEW00001>: `<{SPACE}@U0ANN00001>`" in shown


def test_only_some_of_many_people_are_looked_up() -> None:
    asked: list[str] = []

    def looked_up(user: str) -> str:
        asked.append(user)
        return user

    presented("".join(f"<@U{number:09}> <@U{number:09}>" for number in range(900)), looked_up)
    assert len(asked) == MOST_NAMES


def test_a_person_who_is_called_here_notifies_nobody_else() -> None:
    shown = presented("ask <@U0EVE00001>", name_of)
    assert not pings("", [{"type": "markdown", "text": shown}])


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**「重要」**は", "<strong>「重要」</strong>は"),
        ("これは**「重要」**です", "これは<strong>「重要」</strong>です"),
        ("**중요(important)**은", "<strong>중요(important)</strong>은"),
        ("*「b」*は", "<em>「b」</em>は"),
        ("~~「古い」~~新しい", "<s>「古い」</s>新しい"),
        ("***「b」***は", "<em><strong>「b」</strong></em>は"),
        ("_강조_은", "<em>강조</em>은"),
        ("__「重要」__は", "<strong>「重要」</strong>は"),
        ("**重要：**这里", "<strong>重要：</strong>这里"),
        ("**文書 *「b」*は**", "<strong>文書 <em>「b」</em>は</strong>"),
        ("**[문서](https://e.example/a_b)**를", "</a></strong>를"),
        ("**`code`**を", "<strong><code>code</code></strong>を"),
        ("**หมายเหตุ:**ข้อความ", "<strong>หมายเหตุ:</strong>ข้อความ"),
        ("คือ**“สำคัญ”**ครับ", "คือ<strong>“สำคัญ”</strong>ครับ"),
    ],
)
def test_emphasis_next_to_letters_of_east_asia_is_shown(text: str, html: str) -> None:
    assert html not in PARSER.render(text)
    assert html in rendered(text)


def test_bold_korean_with_a_particle_is_shown_bold() -> None:
    assert presented("**굵게**입니다") == f"**굵게**{SPACE}입니다"
    assert rendered("**굵게**입니다") == "<p><strong>굵게</strong>입니다</p>"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\x00b\x07c", "abc"),
        ("\x1b[31mred\x1b[0m \x1b[1;38;5;9mbold\x1b[K", "red bold"),
        ("\x1b]0;title\x07text \x1b]8;;https://e.example\x1b\\link\x1b]8;;\x1b\\", "text link"),
        ("left\u202eright\u202c \u2066x\u2069", "leftright x"),
        ("\x85next\x9b31m\x7f", "next"),
        ("one\r\ntwo\rthree\ttab\n", "one\ntwo\nthree\ttab\n"),
        ("half \ud83d an emoji", "half  an emoji"),
        ("\u200fשלום 👨\u200d👩\u200d👧 한국어", "\u200fשלום 👨\u200d👩\u200d👧 한국어"),
    ],
)
def test_control_characters_are_taken_out(text: str, clean: str) -> None:
    assert presented(text) == clean


PIECES = st.sampled_from(
    [
        *("**", "*", "~~", "は", "「", "」", "굵게", "입니다", "ที่", " ", "\n", "a", "(", ")"),
        *("<!channel>", "<@U0ANN00001>", "@here", "<", ">", "\x1b[31m", "\r\n", "<!--"),
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join), st.data())
def test_text_that_grows_is_shown_as_the_whole_will_be(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    begun = presented(settled(text[:cut]), name_of)
    # What the pairing of asterisks in a line decides may change with the rest of the line.
    lines = begun.split("\n")
    assert presented(text, name_of).startswith("\n".join(lines[:-1]))
    markdown = {"type": "markdown", "text": begun}
    assert not pings("", [markdown])


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join))
@example("**は****は**は")
def test_what_is_presentable_stays_as_it_is_and_says_the_same(text: str) -> None:
    shown = presented(text)
    assert presented(shown) == shown
    plain = re.sub(r"\x1b\[31m|[\u200b\r*_]", "", text)
    assert re.sub(r"[\u200b*_]", "", shown) == plain


@pytest.mark.parametrize("step", [1, 3])
def test_a_japanese_answer_streams_without_a_break(step: int) -> None:
    text = "これは**重要**です。**「約束」**を、彼は**「守る」**と<@U0ANN00001>に言った。\n\n次へ。"
    whole = presented(text, name_of)
    for cut in range(0, len(text) + 1, step):
        assert whole.startswith(presented(settled(text[:cut]), name_of))
