"""The limits of blocks, compared with those of an independent library."""

import json
from typing import Any

import pytest
import slackblocks
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.sandbox import Channel, Sandbox
from bot.sandbox.blocks.shapes import Surface
from bot.sandbox.blocks.validate import violations

Json = dict[str, Any]

DIVIDER: Json = {"type": "divider"}


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text}


def section(text: str, **more: Any) -> Json:
    return {"type": "section", "text": mrkdwn(text), **more}


def button(action_id: str = "a", text: str = "Go", **more: Any) -> Json:
    return {"type": "button", "action_id": action_id, "text": plain(text), **more}


def actions(*elements: Json, **more: Any) -> Json:
    return {"type": "actions", "elements": list(elements), **more}


def cell(text: str) -> Json:
    return {"type": "raw_text", "text": text}


def table(rows: int, columns: int) -> Json:
    return {"type": "table", "rows": [[cell("x")] * columns] * rows}


def data_table(rows: int, columns: int = 2, text: str = "x", **more: Any) -> Json:
    body = [[cell(text)] * columns] * rows
    return {"type": "data_table", "caption": "A table", "rows": body, **more}


def chart(*, kind: str = "bar", series: int = 1, points: int = 2, **more: Any) -> Json:
    labels = [f"p{number}" for number in range(points)]
    data = [{"label": label, "value": 1} for label in labels]
    lines = [{"name": f"s{number}", "data": data} for number in range(series)]
    shape = {"type": kind, "series": lines, "axis_config": {"categories": labels}}
    return {"type": "data_visualization", "title": "A chart", "chart": shape, **more}


def pie(segments: int) -> Json:
    slices = [{"label": f"s{number}", "value": 1} for number in range(segments)]
    whole = {"type": "pie", "segments": slices}
    return {"type": "data_visualization", "title": "A pie", "chart": whole}


def options(count: int, text: str = "x", value: str = "v") -> list[Json]:
    return [{"text": plain(text), "value": f"{value}{number}"} for number in range(count)]


def select(count: int, **more: Any) -> Json:
    return {"type": "static_select", "action_id": "s", "options": options(count), **more}


FEEDBACK = {
    "type": "feedback_buttons",
    "action_id": "feedback",
    "positive_button": {"text": plain("Good"), "value": "good"},
    "negative_button": {"text": plain("Bad"), "value": "bad"},
}

CARD = {
    "type": "card",
    "title": mrkdwn("t" * 150),
    "subtitle": plain("s" * 150),
    "body": mrkdwn("b" * 200),
    "actions": [button()],
}


def container(*child_blocks: Json, **more: Any) -> Json:
    title = plain("t" * 150)
    return {"type": "container", "title": title, "child_blocks": list(child_blocks), **more}


RICH = {
    "type": "rich_text",
    "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "hi"}]}],
}

AT_THE_LIMIT: dict[str, list[Json]] = {
    "fifty blocks": [DIVIDER] * 50,
    "a full section": [section("x" * 3000)],
    "ten fields": [{"type": "section", "fields": [mrkdwn("x" * 2000)] * 10}],
    "a full header": [{"type": "header", "text": plain("x" * 150)}],
    "ten context elements": [{"type": "context", "elements": [mrkdwn("x")] * 10}],
    "25 buttons": [actions(*(button(f"a{number}") for number in range(25)))],
    "a full button": [actions(button("a" * 255, "x" * 75, value="v" * 2000, url="u" * 3000))],
    "a section with a menu": [section("x", accessory=select(100))],
    "an overflow menu": [
        section("x", accessory={"type": "overflow", "action_id": "o", "options": options(5)})
    ],
    "feedback": [{"type": "context_actions", "elements": [FEEDBACK]}],
    "markdown": [{"type": "markdown", "text": "x" * 6000}] * 2,
    "rich text": [RICH],
    "an image": [{"type": "image", "image_url": "https://a/b.png", "alt_text": "a picture"}],
    "a table": [table(100, 20)],
    "a full card": [CARD],
    "ten cards": [{"type": "carousel", "elements": [{"type": "card", "body": plain("x")}] * 10}],
    "a full container": [container(*[section("x"), DIVIDER, RICH, table(1, 1)], *[DIVIDER] * 6)],
    "a container that can be closed": [
        container(DIVIDER, is_collapsible=True, default_collapsed=True)
    ],
    "24 headings": [{"type": "markdown", "text": "# heading\n\ntext\n\n" * 24}],
    "headings in code": [{"type": "markdown", "text": "```\n" + "# comment\n" * 60 + "```"}],
    "a data table": [data_table(101, 20)],
    "two charts": [chart(series=6, points=20), pie(6)],
}

REFUSED: dict[str, tuple[list[Json], str, str]] = {
    "51 blocks": ([DIVIDER] * 51, "", "no more than 50 items"),
    "a section too long": ([section("x" * 3001)], "/0/text/text", "less than 3001"),
    "an empty section": ([{"type": "section"}], "/0", "missing required field: text"),
    "an empty text": ([section("")], "/0/text/text", "more than 0"),
    "eleven fields": ([{"type": "section", "fields": [mrkdwn("x")] * 11}], "/0/fields", "10"),
    "a field too long": ([{"type": "section", "fields": [plain("x" * 2001)]}], "/0/fields/0", ""),
    "a header too long": ([{"type": "header", "text": plain("x" * 151)}], "/0/text/text", "151"),
    "a header in mrkdwn": ([{"type": "header", "text": mrkdwn("x")}], "/0/text/type", "mrkdwn"),
    "a crowded context": ([{"type": "context", "elements": [plain("x")] * 11}], "/0", "10"),
    "26 buttons": ([actions(*(button(f"a{n}") for n in range(26)))], "/0/elements", "25"),
    "no buttons": ([actions()], "/0/elements", "more than 0"),
    "a button's text": ([actions(button(text="x" * 76))], "/0/elements/0/text/text", "76"),
    "a button's value": ([actions(button(value="x" * 2001))], "/0/elements/0/value", "2001"),
    "a button's url": ([actions(button(url="x" * 3001))], "/0/elements/0/url", "3001"),
    "a button's style": ([actions(button(style="loud"))], "/0/elements/0/style", "primary"),
    "an action_id too long": ([actions(button("a" * 256))], "/0/elements/0/action_id", "256"),
    "an action_id twice": (
        [actions(button()), actions(button())],
        "/1/elements/0/action_id",
        "already exists",
    ),
    "a block_id twice": ([section("x", block_id="b")] * 2, "/1/block_id", "already exists"),
    "a block_id too long": ([section("x", block_id="b" * 256)], "/0/block_id", "256"),
    "101 options": ([section("x", accessory=select(101))], "/0/accessory/options", "100"),
    "six overflow options": (
        [section("x", accessory={"type": "overflow", "options": options(6)})],
        "/0/accessory/options",
        "5",
    ),
    "an option's text": (
        [section("x", accessory=select(1) | {"options": options(1, text="x" * 76)})],
        "/0/accessory/options/0/text/text",
        "76",
    ),
    "an option's value": (
        [section("x", accessory=select(1) | {"options": options(1, value="v" * 150)})],
        "/0/accessory/options/0/value",
        "151",
    ),
    "six context actions": (
        [{"type": "context_actions", "elements": [{**FEEDBACK}] * 6}],
        "/0/elements",
        "5",
    ),
    "a button as context action": (
        [{"type": "context_actions", "elements": [button()]}],
        "/0/elements/0/type",
        "unsupported type: button",
    ),
    "markdown together": ([{"type": "markdown", "text": "x" * 6001}] * 2, "", "12001"),
    "101 rows": ([table(101, 1)], "/0/rows", "100"),
    "21 columns": ([table(1, 21)], "/0/rows/0", "20"),
    "two tables": ([table(1, 1), table(1, 1)], "", "only_one_table"),
    "a data table of one row": ([data_table(1)], "/0/rows", "more than 1"),
    "102 data rows": ([data_table(102)], "/0/rows", "101"),
    "20,001 characters": ([data_table(101, 1, "x" * 199)], "/0/rows", "20000"),
    "a data table without caption": (
        [{"type": "data_table", "rows": [[cell("x")], [cell("y")]]}],
        "/0",
        "caption",
    ),
    "ragged rows": (
        [data_table(2) | {"rows": [[cell("a")], [cell("b"), cell("c")]]}],
        "/0/rows",
        "same number",
    ),
    "a chart's title": ([chart(title="x" * 51)], "/0/title", "51"),
    "seven series": ([chart(series=7)], "/0/chart/series", "6"),
    "21 points": ([chart(points=21)], "/0/chart/series/0/data", "20"),
    "seven segments": ([pie(7)], "/0/chart/segments", "6"),
    "a card's title": ([CARD | {"title": plain("x" * 151)}], "/0/title/text", "151"),
    "a card's body": ([CARD | {"body": plain("x" * 201)}], "/0/body/text", "201"),
    "an empty card": ([{"type": "card", "subtitle": plain("x")}], "/0", "hero_image"),
    "eleven cards": ([{"type": "carousel", "elements": [CARD] * 11}], "/0/elements", "10"),
    "a section in a carousel": (
        [{"type": "carousel", "elements": [section("x")]}],
        "/0/elements/0/type",
        "unsupported type: section",
    ),
    "eleven blocks in a container": ([container(*[DIVIDER] * 11)], "/0/child_blocks", "10"),
    "markdown in a container": (
        [container({"type": "markdown", "text": "x"})],
        "/0/child_blocks/0/type",
        "unsupported type: markdown",
    ),
    "a container that is closed for ever": (
        [container(DIVIDER, default_collapsed=True)],
        "/0/default_collapsed",
        "is_collapsible",
    ),
    "26 headings": ([{"type": "markdown", "text": "# heading\n\ntext\n\n" * 26}], "", "50 items"),
    "three charts": ([chart(), chart(), chart()], "", "no more than 2"),
    "a category without a point": (
        [chart() | {"chart": chart()["chart"] | {"axis_config": {"categories": ["p0", "p9"]}}}],
        "/0/chart/series/0/data",
        "every category",
    ),
    "a category twice": (
        [chart() | {"chart": chart()["chart"] | {"axis_config": {"categories": ["p0", "p0"]}}}],
        "/0/chart/axis_config/categories",
        "a category twice",
    ),
    "an unknown chart": ([chart(kind="radar")], "/0/chart/type", "radar"),
    "an unknown block": ([{"type": "sektion"}], "/0/type", "unsupported type: sektion"),
    "an unknown field": ([DIVIDER | {"colour": "red"}], "/0", "additional property: colour"),
    "no object": (["divider"], "/0", "must be an object"),
}


@pytest.mark.parametrize("blocks", AT_THE_LIMIT.values(), ids=AT_THE_LIMIT.keys())
def test_blocks_within_the_limits_are_accepted(blocks: list[Json]) -> None:
    assert violations(blocks, "message") == []


@pytest.mark.parametrize(("blocks", "pointer", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_blocks_past_a_limit_are_refused_with_their_place(
    blocks: list[Json], pointer: str, words: str
) -> None:
    found = violations(blocks, "message")
    assert found, "Slack would have refused this"
    assert found[0].pointer.startswith(pointer)
    assert words in found[0].message


@pytest.mark.parametrize(
    ("surface", "block", "allowed"),
    [
        ("home", {"type": "markdown", "text": "x"}, False),
        ("home", {"type": "context_actions", "elements": [FEEDBACK]}, False),
        ("home", chart(), True),
        ("home", data_table(2), True),
        ("modal", chart(), False),
        ("modal", section("x"), True),
        ("modal", CARD, True),
        ("home", CARD, True),
        ("home", {"type": "carousel", "elements": [CARD]}, True),
        ("modal", {"type": "carousel", "elements": [CARD]}, False),
        ("home", container(DIVIDER), False),
        ("modal", container(DIVIDER), False),
        ("modal", {"type": "alert", "text": plain("x" * 200), "level": "warning"}, True),
        ("message", {"type": "alert", "text": plain("x")}, False),
        ("home", {"type": "alert", "text": plain("x")}, False),
    ],
)
def test_each_surface_accepts_its_own_kinds_of_blocks(
    surface: Surface, block: Json, allowed: bool
) -> None:
    assert (violations([block], surface) == []) is allowed


CARD_BLOCK = slackblocks.CardBlock(
    title="claude", body="*Fast*", actions=[slackblocks.Button("Ask", "ask")]
)
ORACLE = {
    "header": slackblocks.HeaderBlock("Traces"),
    "section": slackblocks.SectionBlock("*hello*", fields=["one", "two"]),
    "actions": slackblocks.ActionsBlock([slackblocks.Button("Next", "next", value="2")]),
    "context": slackblocks.ContextBlock([slackblocks.Text("small print")]),
    "divider": slackblocks.DividerBlock(),
    "markdown": slackblocks.MarkdownBlock("# Heading"),
    "table": slackblocks.TableBlock(
        [[slackblocks.RawText("a"), slackblocks.RawText("b")]],
        column_settings=[slackblocks.ColumnSettings(align="right")],
    ),
    "data table": slackblocks.DataTableBlock(
        [[slackblocks.RawText("agent")], [slackblocks.RawNumber(4, "four")]], caption="Agents"
    ),
    "chart": slackblocks.DataVisualizationBlock(
        "Turns",
        slackblocks.BarChart(
            [slackblocks.DataSeries("echo", [slackblocks.DataPoint("Mon", 3)])],
            slackblocks.AxisConfig(["Mon"], y_label="turns"),
        ),
    ),
    "card": CARD_BLOCK,
    "carousel": slackblocks.CarouselBlock([CARD_BLOCK]),
    "container": slackblocks.ContainerBlock(
        [slackblocks.DividerBlock()], title="Tools", is_collapsible=True, default_collapsed=True
    ),
    "feedback": slackblocks.ContextActionsBlock(
        [
            slackblocks.FeedbackButtons(
                positive_button=slackblocks.FeedbackButton("Good", "good"),
                negative_button=slackblocks.FeedbackButton("Bad", "bad"),
                action_id="feedback",
            )
        ]
    ),
}


@pytest.mark.parametrize("block", ORACLE.values(), ids=ORACLE.keys())
def test_blocks_built_by_slackblocks_are_accepted(block: slackblocks.Block) -> None:
    assert violations([json.loads(repr(block))], "message") == []


def test_a_message_with_invalid_blocks_is_refused_with_their_place(
    sandbox: Sandbox, general: Channel, web: WebClient
) -> None:
    with pytest.raises(SlackApiError) as caught:
        web.chat_postMessage(channel=general.id, text="x", blocks=[section("x" * 3001)])
    response = caught.value.response
    assert response["error"] == "invalid_blocks"
    assert "[json-pointer:/blocks/0/text/text]" in response["response_metadata"]["messages"][0]
    assert sandbox.messages(general) == []


def test_a_message_with_too_much_in_its_blocks_is_refused(general: Channel, web: WebClient) -> None:
    with pytest.raises(SlackApiError, match="msg_blocks_too_long"):
        web.chat_postMessage(channel=general.id, text="x", blocks=[section("x" * 2900)] * 5)


def test_blocks_can_be_validated_before_they_are_posted(web: WebClient) -> None:
    assert web.api_call("blocks.validate", json={"blocks": [DIVIDER]})["ok"]
    with pytest.raises(SlackApiError) as caught:
        web.api_call("blocks.validate", json={"blocks": [section("")]})
    assert caught.value.response["errors"][0]["pointer"] == "/0/text/text"


def test_a_home_is_published_within_its_own_limits(sandbox: Sandbox, web: WebClient) -> None:
    alice = sandbox.add_user("alice")
    web.views_publish(user_id=alice.id, view={"type": "home", "blocks": [DIVIDER] * 100})
    assert len(sandbox.home(alice)["blocks"]) == 100
    with pytest.raises(SlackApiError, match="invalid_blocks"):
        web.views_publish(user_id=alice.id, view={"type": "home", "blocks": [DIVIDER] * 101})
