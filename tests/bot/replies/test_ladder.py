"""Slack refuses an answer in one form after the other: people get it all the same, and once."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot.replies import live
from bot.replies.ladder import deliver
from bot.replies.messages import TEXT_LIMIT, Message, reply_messages
from bot.sandbox import Channel, Sandbox, User
from bot.sandbox import Message as Shown
from storage import Observability
from tests.support.conversations import Ask, StartBot, finished, spans_of
from tests.support.fake_agent import Scripted, roster_of

ANSWER = "## Result\n\nIt is **two**:\n\n```python\nif a < b:\n    print(2)\n```\n\nThat is all."


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "QUICK_S", 30.0)


@pytest.fixture
def ask(ask: Ask, agent: Scripted, start_bot: StartBot) -> Ask:
    start_bot(roster_of(agent))
    return ask


def form(observability: Observability, channel: Channel, question: Shown) -> Any:
    (trace,) = finished(observability, channel, question.ts)
    return spans_of(observability, trace)["reply"].attributes.get("slack.reply_form")


@pytest.mark.parametrize("named", [True, False])
def test_an_answer_is_shown_in_sections_if_slack_refuses_markdown(
    named: bool,
    ask: Ask,
    agent: Scripted,
    sandbox: Sandbox,
    general: Channel,
    observability: Observability,
) -> None:
    question = ask()
    sandbox.faults.refuse_blocks("markdown", named=named)
    agent.end(ANSWER)
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    (reply,) = sandbox.thread(general, question.ts)[1:]
    # If Slack does not name the block, the thumbs are left out first.
    thumbs = ["context_actions"] if named else []
    assert [block["type"] for block in reply.blocks] == ["section", *thumbs]
    assert reply.blocks[0]["text"]["text"] == ANSWER.replace("<", "&lt;")
    assert form(observability, general, question) == "sections"


def test_an_answer_is_plain_text_if_slack_refuses_every_block(
    ask: Ask,
    agent: Scripted,
    sandbox: Sandbox,
    general: Channel,
    observability: Observability,
) -> None:
    question = ask()
    sandbox.faults.refuse_blocks("markdown", "section", "context", named=False)
    agent.end(ANSWER)
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    (reply,) = sandbox.thread(general, question.ts)[1:]
    assert (reply.text, reply.blocks) == (ANSWER.replace("<", "&lt;"), [])
    assert reply.metadata is not None
    assert form(observability, general, question) == "plain text"


def test_a_long_answer_in_plain_text_takes_the_place_of_its_running_reply(
    monkeypatch: pytest.MonkeyPatch,
    ask: Ask,
    agent: Scripted,
    sandbox: Sandbox,
    general: Channel,
) -> None:
    monkeypatch.setattr(live, "QUICK_S", 0.05)
    question = ask()
    text = "\n\n".join(f"{number}번째 문단입니다.{' 글' * 80}" for number in range(60))
    agent.say(text[:200])
    running = sandbox.wait_for_reply(general, question.ts, containing="문단")
    sandbox.faults.refuse_blocks("markdown", "section", "context", named=False)
    agent.end(text)
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    replies = sandbox.thread(general, question.ts)[1:]
    assert len(replies) > 2
    assert not any(reply.blocks for reply in replies)
    assert all(len(reply.text.encode()) <= TEXT_LIMIT for reply in replies)
    assert "\n\n".join(reply.text for reply in replies) == text
    assert running.ts in [reply.ts for reply in replies]


def test_an_answer_that_slack_takes_in_no_message_is_a_file(
    ask: Ask,
    agent: Scripted,
    sandbox: Sandbox,
    general: Channel,
    observability: Observability,
) -> None:
    question = ask()
    sandbox.faults.error("chat.postMessage", "invalid_blocks", times=4)
    agent.end(ANSWER)
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    shared, note = sandbox.thread(general, question.ts)[1:]
    (file,) = shared.files
    assert (file.name, file.content.decode()) == ("answer.md", ANSWER)
    assert note.text.startswith("Slack did not take this answer as a message (`invalid_blocks`).")
    assert form(observability, general, question) == "file"


def test_an_answer_that_slack_takes_in_no_form_is_in_the_record_and_its_asker_is_told(
    ask: Ask,
    agent: Scripted,
    sandbox: Sandbox,
    general: Channel,
    observability: Observability,
    alice: User,
) -> None:
    question = ask()
    sandbox.faults.error("chat.postMessage", "invalid_blocks", times=10)
    sandbox.faults.error("files.getUploadURLExternal", "missing_scope", times=10)
    agent.end(f"{ANSWER} {'x' * 500}")
    sandbox.wait_for_reaction(general, question.ts, "x")
    assert len(sandbox.calls("chat.postMessage")) == 4
    assert len(sandbox.calls("files.getUploadURLExternal")) == 1
    sandbox.wait_for_call("chat.postEphemeral")
    (told,) = sandbox.ephemerals(alice, general)
    assert "I could not post the reply of scripted" in told.text
    assert "not even as plain text or as a file (`invalid_blocks`)" in told.text
    (trace,) = finished(observability, general, question.ts)
    reply = spans_of(observability, trace)["reply"]
    assert f"/trace show {trace.trace_id[:16]}" in told.text
    assert (reply.error_type, reply.error_message) == ("slack_api", "invalid_blocks")
    assert reply.text is not None
    assert reply.text.endswith("x" * 500)


def test_metadata_that_slack_refuses_costs_no_block(
    ask: Ask, agent: Scripted, sandbox: Sandbox, general: Channel
) -> None:
    question = ask()
    sandbox.faults.error("chat.postMessage", "invalid_metadata_format")
    agent.end(ANSWER)
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    (reply,) = sandbox.thread(general, question.ts)[1:]
    assert (reply.blocks[0]["text"], reply.metadata) == (ANSWER, None)


def refusal(error: str, *texts: str) -> SlackApiError:
    data = {"ok": False, "error": error, **({"errors": list(texts)} if texts else {})}
    response = SlackResponse(
        client=None,
        http_verb="POST",
        api_url="",
        req_args={},
        data=data,
        headers={},
        status_code=200,
    )
    return SlackApiError("refused", response)


def answer(limit: int, text: str = ANSWER) -> list[Message]:
    note = "claude was not available; codex answered."
    messages = reply_messages(text, payload={"agent": "claude"}, note=note, limit=limit)
    for message in messages:
        message["blocks"] += [{"type": "context_actions", "elements": []}, {"type": "card"}]
    return messages


class Slack:
    """Refuses what it is told to refuse, and remembers what it was given."""

    def __init__(self, *refusals: SlackApiError) -> None:
        self._refusals = list(refusals)
        self.given: list[list[Message]] = []

    def post(self, messages: list[Message]) -> list[str]:
        self.given.append(messages)
        if self._refusals:
            raise self._refusals.pop(0)
        return ["1.000001"] * len(messages)

    def attach(self, name: str, text: str) -> None:
        raise AssertionError("no file is needed")

    def types(self) -> list[list[str]]:
        """Return the types of the blocks of each first message."""
        return [[block["type"] for block in messages[0]["blocks"]] for messages in self.given]


def delivered(slack: Slack) -> str:
    return deliver(ANSWER, answer, post=slack.post, attach=slack.attach).form


def test_only_the_block_that_slack_names_is_left_out() -> None:
    slack = Slack(refusal("invalid_blocks", "unsupported type: card [json-pointer:/blocks/3/type]"))
    assert delivered(slack) == "without refused blocks"
    assert slack.types()[1] == ["markdown", "context", "context_actions"]
    slack = Slack(refusal("invalid_blocks", "must be valid [json-pointer:/blocks/2/elements]"))
    assert delivered(slack) == "without refused blocks"
    assert slack.types()[1] == ["markdown", "context", "card"]


@pytest.mark.parametrize(
    "odd", [{"errors": 5}, {"errors": [None]}, {"response_metadata": ["a"]}, {"errors": {"a": 1}}]
)
def test_a_refusal_of_another_shape_costs_no_answer(odd: dict[str, Any]) -> None:
    refused = refusal("invalid_blocks")
    refused.response.data.update(odd)  # type: ignore[union-attr]
    assert delivered(Slack(refused)) == "words alone"


def test_every_unusual_block_is_left_out_if_slack_names_none() -> None:
    slack = Slack(refusal("invalid_blocks"), refusal("invalid_blocks"))
    assert delivered(slack) == "sections"
    usual = ["section", "context"]
    assert slack.types()[1:] == [["markdown", "context"], usual]


def test_a_message_that_is_too_long_is_posted_in_shorter_parts() -> None:
    text = "\n\n".join(["word " * 200] * 5)
    slack = Slack(refusal("invalid_blocks"), refusal("msg_blocks_too_long"))
    form = deliver(
        text, lambda limit: answer(limit, text), post=slack.post, attach=slack.attach
    ).form
    assert form == "shorter parts"
    assert len(slack.given[-1]) > 1
    assert slack.types()[-1] == ["markdown"]


@pytest.mark.parametrize("code", ["is_archived", "channel_not_found", "not_in_channel"])
def test_nothing_else_is_tried_where_nothing_can_be_posted(code: str) -> None:
    slack = Slack(refusal(code))
    with pytest.raises(SlackApiError, match=code):
        delivered(slack)
    assert len(slack.given) == 1


def test_the_plain_text_has_the_words_and_the_note() -> None:
    slack = Slack(*[refusal("invalid_blocks")] * 3)
    assert delivered(slack) == "plain text"
    (message,) = slack.given[-1]
    assert message["text"].endswith("That is all.\n\nclaude was not available; codex answered.")
    assert message["blocks"] == []


CODES = st.sampled_from(
    [
        *("invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long"),
        *("invalid_metadata_format", "no_text", "invalid_arguments", "some_new_error"),
    ]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(CODES, max_size=12))
def test_whatever_slack_refuses_the_words_arrive_once_and_no_form_is_repeated(
    codes: list[str],
) -> None:
    files: list[str] = []
    slack = Slack(*map(refusal, codes))
    try:
        deliver(ANSWER, answer, post=slack.post, attach=lambda name, text: files.append(text))
    except SlackApiError:
        raise AssertionError("an answer is lost although Slack takes a file") from None
    forms = [str(messages) for messages in slack.given]
    assert len(set(forms)) == len(forms) <= 8
    shown = "".join(
        f"{message['text']}{message['blocks']}" for message in slack.given[-1] if not files
    )
    assert "print(2)" in (files[0] if files else shown)
    assert len(files) <= 1
