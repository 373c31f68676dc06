"""Blocks of a message as text."""

import pytest

from bot.slack.conversation.blocks import blocks_text
from bot.slack.conversation.names import Ids


def mrkdwn(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text}


def plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def rich(*elements: dict[str, object]) -> dict[str, object]:
    return {"type": "rich_text", "elements": list(elements)}


def items(style: str, *texts: str, **more: int) -> dict[str, object]:
    sections = [
        {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
        for text in texts
    ]
    return {"type": "rich_text_list", "style": style, "elements": sections, **more}


CHART = {
    "type": "data_visualization",
    "title": "Errors",
    "chart": {
        "type": "line",
        "series": [{"name": "5xx", "data": [{"label": "Mon", "value": 3}]}],
    },
}


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"type": "header", "text": plain("CPU & disk")}, "CPU & disk"),
        (
            {"type": "section", "text": mrkdwn("*a* &lt; b"), "fields": [mrkdwn("x"), plain("y")]},
            "*a* < b\nx\ny",
        ),
        (
            {
                "type": "section",
                "text": mrkdwn("see"),
                "accessory": {"type": "button", "text": plain("Open"), "url": "https://e.example"},
            },
            "see\n[Open] (https://e.example)",
        ),
        (
            {
                "type": "context",
                "elements": [
                    {"type": "image", "alt_text": "logo", "image_url": "https://e.example/x.png"},
                    mrkdwn("by <https://e.example|CI>"),
                ],
            },
            "[image: logo] by CI (https://e.example)",
        ),
        (
            {"type": "image", "title": plain("Load"), "alt_text": "a graph", "image_url": "x"},
            "[image: Load – a graph]",
        ),
        ({"type": "markdown", "text": "# a & b\n- &amp;"}, "# a & b\n- &amp;"),
        (
            {
                "type": "table",
                "rows": [
                    [{"type": "raw_text", "text": "a"}, {"type": "raw_text", "text": "b"}],
                    [{"type": "raw_text", "text": "1"}, rich(items("bullet", "x"))],
                ],
            },
            "a | b\n1 | • x",
        ),
        (
            {
                "type": "data_table",
                "caption": "Sales",
                "rows": [[{"type": "raw_text", "text": "n"}], [{"type": "raw_number", "value": 7}]],
            },
            "Sales\nn\n7",
        ),
        (CHART, "Errors\n5xx: Mon 3"),
        (
            {
                "type": "data_visualization",
                "title": "Who",
                "chart": {"type": "pie", "segments": [{"label": "us", "value": 2}]},
            },
            "Who\nus: 2",
        ),
        (
            {"type": "actions", "elements": [{"type": "button", "text": plain("Approve")}]},
            "[Approve]",
        ),
        ({"type": "divider"}, ""),
        ({"type": "alert", "text": plain("Look out"), "level": "warning"}, "Look out"),
        (
            {
                "type": "card",
                "title": mrkdwn("Deploy"),
                "subtitle": mrkdwn("#12"),
                "body": mrkdwn("by <@U1>"),
            },
            "Deploy\n#12\nby @U1",
        ),
        (
            {
                "type": "container",
                "title": plain("Details"),
                "child_blocks": [{"type": "section", "text": mrkdwn("inside")}],
            },
            "Details\ninside",
        ),
        (
            {
                "type": "plan",
                "title": "Steps",
                "tasks": [
                    {
                        "type": "task_card",
                        "task_id": "1",
                        "title": "Read",
                        "status": "complete",
                        "output": rich(items("bullet", "done")),
                    }
                ],
            },
            "Steps\nRead\ncomplete\n• done",
        ),
        (
            {"type": "of_2030", "title": plain("New"), "elements": [{"text": mrkdwn("thing")}]},
            "New\nthing",
        ),
        (
            {
                "type": "call",
                "call_id": "R1",
                "call": {"v1": {"id": "R1", "name": "Standup", "join_url": "https://zoom.example"}},
            },
            "Standup\nhttps://zoom.example",
        ),
        ({"type": "file", "external_id": "e", "file": {"id": "F1", "title": "Budget"}}, "Budget"),
        (
            {
                "type": "actions",
                "elements": [{"type": "static_select", "options": [{"text": plain("Yes")}]}],
            },
            "",
        ),
        (
            {
                "type": "section",
                "text": mrkdwn("Who?"),
                "accessory": {
                    "type": "static_select",
                    "initial_option": {"text": plain("The web team"), "value": "team:4711"},
                },
            },
            "Who?\nThe web team",
        ),
        ({"type": "section", "text": None, "fields": "no list"}, "no list"),
        (
            {
                "type": "actions",
                "elements": [
                    {
                        "type": "radio_buttons",
                        "options": [
                            {"text": mrkdwn("*Friday*"), "value": "fri"},
                            {"text": plain("Monday"), "description": plain("late"), "value": "m"},
                        ],
                    },
                    {"type": "checkboxes", "options": [{"text": plain("Remote"), "value": "r"}]},
                ],
            },
            "• *Friday*\n• Monday\nlate\n• Remote",
        ),
        (
            {
                "type": "data_visualization",
                "title": plain("Load"),
                "chart": {
                    "type": "bar",
                    "series": [{"name": "web", "data": [{"label": "Mon", "value": 0}]}],
                    "axis_config": {"categories": ["Mon"], "x_label": "day", "y_label": "%"},
                },
            },
            "Load\nday / %\nweb: Mon 0",
        ),
        (
            {"type": "video", "title": plain("Tour"), "author_name": "Ann", "alt_text": "a tour"},
            "Tour\na tour\nAnn",
        ),
    ],
)
def test_a_block_is_written_with_all_its_words(block: dict[str, object], text: str) -> None:
    assert blocks_text([block], Ids()) == text


def test_rich_text_keeps_lists_code_and_quotes_apart() -> None:
    block = rich(
        {
            "type": "rich_text_section",
            "elements": [
                {"type": "text", "text": "run "},
                {"type": "text", "text": "a < b", "style": {"code": True}},
                {"type": "emoji", "name": "fire"},
                {"type": "broadcast", "range": "here"},
                {"type": "channel", "channel_id": "C1"},
                {"type": "usergroup", "usergroup_id": "S1"},
                {"type": "date", "timestamp": 1, "format": "{date}", "fallback": "1 Jan"},
            ],
        },
        items("ordered", "one", "two"),
        items("bullet", "deeper", indent=1),
        items("ordered", "three"),
        {
            "type": "rich_text_preformatted",
            "language": "python",
            "elements": [{"type": "text", "text": "if a:\n    b"}],
        },
        {"type": "rich_text_quote", "elements": [{"type": "text", "text": "x\ny"}]},
    )
    assert blocks_text([block], Ids()) == (
        "run `a < b`:fire:@here#C1@S11 Jan\n"
        "1. one\n2. two\n    • deeper\n3. three\n"
        "```python\nif a:\n    b\n```\n"
        "> x\n> y"
    )


def test_a_quotation_of_several_parts_is_one() -> None:
    block = rich(
        {
            "type": "rich_text_quote",
            "elements": [{"type": "text", "text": "app.py:7", "style": {"code": True}}],
        },
        items("bullet", "one", "two", border=1),
        {
            "type": "rich_text_preformatted",
            "border": 1,
            "elements": [{"type": "text", "text": "if a:\n    b"}],
        },
        {"type": "rich_text_section", "elements": [{"type": "text", "text": "Why?"}]},
    )
    assert blocks_text([block], Ids()) == (
        "> `app.py:7`\n> • one\n> • two\n> ```\n> if a:\n>     b\n> ```\nWhy?"
    )


def test_what_stands_in_a_sentence_does_not_end_its_line() -> None:
    sheet = {"type": "list_record", "file_id": "F1", "text": "Roadmap", "url": "https://l.example"}
    task = {"type": "work_object_mention", "text": "PROJ-1", "url": "https://t.example"}
    elements = [
        {"type": "text", "text": "See "},
        sheet,
        {"type": "text", "text": ", "},
        {"type": "canvas", "file_id": "F2", "label": "Plan", "url": "https://c.example"},
        {"type": "text", "text": ", "},
        task,
        {"type": "text", "text": " and "},
        {"type": "message_mention", "channel_id": "C1", "message_ts": "1700000000.000100"},
        {"type": "text", "text": "."},
    ]
    assert blocks_text([rich({"type": "rich_text_section", "elements": elements})], Ids()) == (
        "See Roadmap (https://l.example), Plan (https://c.example), "
        "PROJ-1 (https://t.example) and [message mention]."
    )


def test_blocks_without_end_and_things_that_are_no_blocks_cost_nothing() -> None:
    block: dict[str, object] = {"type": "card", "title": "deep"}
    for _ in range(100):
        block = {"type": "card", "elements": [block]}
    assert blocks_text([block, None, 7, "text", {}], Ids()) == ""
    strange = [items("bullet", "x", indent=10**18), items("ordered", "y", offset=-4)]
    assert blocks_text([rich(*strange)], Ids()).split() == ["•", "x", "1.", "y"]
