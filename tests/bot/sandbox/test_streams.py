"""The sandbox's streams: messages that an app writes piece by piece."""

from typing import Any

import pytest
from slack_sdk import WebClient

from bot.sandbox import Channel, Sandbox, User
from tests.support.slack_errors import refused


def test_a_stream_grows_and_ends_by_itself(
    sandbox: Sandbox, web: WebClient, alice: User, general: Channel
) -> None:
    root = sandbox.post(alice, general, "root")
    where = {"channel": general.id, "thread_ts": root.ts}
    assert refused(web.chat_startStream, **where) == "missing_recipient_user_id"
    recipient = {"recipient_user_id": alice.id, "recipient_team_id": sandbox.team_id}
    stream = web.chat_startStream(**where, **recipient, markdown_text="one ")["ts"]
    web.chat_appendStream(channel=general.id, ts=stream, markdown_text="two")
    sandbox.clock.advance(301)
    call = web.chat_appendStream
    error = refused(call, channel=general.id, ts=stream, markdown_text="three")
    assert error == "message_not_in_streaming_state"
    assert sandbox.thread(general, root.ts)[1].text == "one two"


def test_a_stopped_stream_is_a_message(sandbox: Sandbox, web: WebClient, alice: User) -> None:
    dm = sandbox.open_dm(alice)
    root = sandbox.post(alice, dm, "root")
    stream = web.chat_startStream(channel=dm.id, thread_ts=root.ts, markdown_text="all")["ts"]
    web.chat_stopStream(channel=dm.id, ts=stream, markdown_text=" done")
    assert sandbox.thread(dm, root.ts)[1].blocks[0]["text"] == "all done"


def _stream(sandbox: Sandbox, web: WebClient, alice: User, **more: Any) -> dict[str, Any]:
    """Start a stream in alice's direct message, and return the arguments that name it."""
    dm = sandbox.open_dm(alice)
    root = sandbox.post(alice, dm, "root")
    started = web.chat_startStream(channel=dm.id, thread_ts=root.ts, **more)
    return {"channel": dm.id, "ts": started["ts"]}


def _task(number: int, status: str, **more: str) -> dict[str, Any]:
    return {"type": "task_update", "id": str(number), "title": "Look", "status": status, **more}


def test_a_streams_timeline_stays_in_the_message_and_blocks_come_below_it(
    sandbox: Sandbox, web: WebClient, alice: User
) -> None:
    stream = _stream(sandbox, web, alice, task_display_mode="timeline")
    web.chat_appendStream(**stream, chunks=[_task(1, "in_progress", details="the log")])
    web.chat_appendStream(**stream, chunks=[_task(1, "complete", output="all is well")])
    web.chat_appendStream(**stream, chunks=[_said("Done")])
    ended = web.chat_stopStream(
        **stream,
        chunks=[_said(".")],
        blocks=[{"type": "divider"}],
        metadata={"event_type": "reply", "event_payload": {}},
        session_status="active",
    )
    card, text, divider = ended["message"]["blocks"]
    assert (card["type"], card["status"]) == ("task_card", "complete")
    assert card["details"]["elements"][0]["elements"][0]["text"] == "the log"
    assert card["output"]["elements"][0]["elements"][0]["text"] == "all is well"
    assert text["elements"][0]["elements"][0]["text"] == "Done."
    assert divider["type"] == "divider"
    message = sandbox.messages(stream["channel"])[-1]
    assert (message.text, message.metadata) == (
        "Done.",
        {"event_type": "reply", "event_payload": {}},
    )
    session = sandbox.session(stream["channel"], message.thread_ts or "")
    assert session is not None and session.status == "active"


def _said(text: str) -> dict[str, str]:
    return {"type": "markdown_text", "text": text}


def test_details_and_output_of_a_task_grow_and_the_rest_is_replaced(
    sandbox: Sandbox, web: WebClient, alice: User
) -> None:
    stream = _stream(sandbox, web, alice)
    web.chat_appendStream(**stream, chunks=[_task(1, "in_progress", details="one", output="x")])
    last = {**_task(1, "complete", details="```\ntwo\n```"), "title": "Looked"}
    (card,) = web.chat_stopStream(**stream, chunks=[last])["message"]["blocks"]
    parts = [(each["type"], each["elements"][0]["text"]) for each in card["details"]["elements"]]
    assert parts == [("rich_text_section", "one"), ("rich_text_preformatted", "two")]
    assert (card["title"], card["status"]) == ("Looked", "complete")


@pytest.mark.parametrize(
    ("first", "second", "error"),
    [
        ({"markdown_text": "a"}, {"chunks": [_said("b")]}, "streaming_mode_mismatch"),
        ({"chunks": [_said("a")]}, {"markdown_text": "b"}, "streaming_mode_mismatch"),
        (
            {},
            {"chunks": [_said("a")], "markdown_text": "b"},
            "cannot_provide_both_markdown_text_and_chunks",
        ),
        ({}, {"chunks": [_task(1, "done")]}, "invalid_chunks"),
        ({}, {"chunks": [{"type": "task_update", "id": "1", "title": "x"}]}, "invalid_chunks"),
        ({}, {"chunks": [_task(1, "complete", details="x" * 257)]}, "invalid_chunks"),
        ({}, {"chunks": [_task(1, "complete", output="x" * 257)]}, "invalid_chunks"),
        ({}, {"chunks": [_task(1, "complete", result="x")]}, "invalid_chunks"),
        ({}, {"chunks": [{**_task(1, "complete"), "title": "x" * 257}]}, "invalid_chunks"),
        ({}, {"chunks": [{"type": "plan_update", "title": ""}]}, "invalid_chunks"),
        ({"chunks": [_said("한" * 3_000)]}, {"chunks": [_said("한" * 600)]}, "msg_too_long"),
        ({}, {}, "no_text"),
    ],
)
def test_a_stream_takes_only_what_slack_takes(
    first: dict[str, Any],
    second: dict[str, Any],
    error: str,
    sandbox: Sandbox,
    web: WebClient,
    alice: User,
) -> None:
    stream = _stream(sandbox, web, alice, **first)
    before = sandbox.messages(stream["channel"])[-1].text
    assert refused(web.chat_appendStream, **stream, **second) == error
    assert sandbox.messages(stream["channel"])[-1].text == before


def test_the_details_of_tasks_count_twice_in_the_size_of_a_stream(
    sandbox: Sandbox, web: WebClient, alice: User
) -> None:
    stream = _stream(sandbox, web, alice, chunks=[_said("x" * 100)])
    tasks = [_task(number, "complete", details="x" * 256) for number in range(20)]
    web.chat_appendStream(**stream, chunks=tasks)
    assert refused(web.chat_appendStream, **stream, chunks=[_said("x" * 500)]) == "msg_too_long"
    assert refused(web.chat_stopStream, **stream, chunks=[_said("x" * 500)]) == "msg_too_long"
    assert web.chat_stopStream(**stream)["ok"]


def test_a_stream_that_is_stopped_cannot_be_stopped_again(
    sandbox: Sandbox, web: WebClient, alice: User
) -> None:
    stream = _stream(sandbox, web, alice, chunks=[_said("all")])
    web.chat_stopStream(**stream)
    for call in (web.chat_stopStream, web.chat_appendStream):
        assert refused(call, **stream, chunks=[_said("x")]) == "message_not_in_streaming_state"


def test_a_plan_that_ends_with_an_unfinished_task_says_that_something_went_wrong(
    sandbox: Sandbox, web: WebClient, alice: User
) -> None:
    stream = _stream(sandbox, web, alice, task_display_mode="plan")
    title = {"type": "plan_update", "title": "Find the fault"}
    web.chat_appendStream(**stream, chunks=[title, _task(1, "in_progress")])
    (plan,) = web.chat_stopStream(**stream)["message"]["blocks"]
    assert plan["title"] == "Something went wrong"


def test_the_end_of_a_stream_sets_its_session_to_active(
    sandbox: Sandbox, web: WebClient, alice: User
) -> None:
    stream = _stream(sandbox, web, alice)
    dm = stream["channel"]
    root = sandbox.messages(dm)[0].ts
    web.api_call(
        "agents.sessions.setStatus",
        json={"channel_id": dm, "thread_ts": root, "status": "processing"},
    )
    web.chat_stopStream(**stream)
    session = sandbox.session(dm, root)
    assert session is not None and session.status == "active"


def test_a_plan_holds_all_tasks_under_its_title(
    sandbox: Sandbox, web: WebClient, alice: User
) -> None:
    stream = _stream(sandbox, web, alice, task_display_mode="plan")
    web.chat_appendStream(**stream, chunks=[_task(1, "complete"), _task(2, "in_progress")])
    title = {"type": "plan_update", "title": "Find the fault"}
    ended = web.chat_stopStream(**stream, chunks=[title, _task(2, "complete")])
    (plan,) = ended["message"]["blocks"]
    assert plan["title"] == "Find the fault"
    assert [task["status"] for task in plan["tasks"]] == ["complete", "complete"]


def test_a_stream_with_unknown_options_is_refused(
    sandbox: Sandbox, web: WebClient, alice: User
) -> None:
    stream = _stream(sandbox, web, alice)
    dm = stream["channel"]
    where = {"channel": dm, "thread_ts": sandbox.messages(dm)[0].ts}
    error = refused(web.chat_startStream, **where, task_display_mode="cards")
    assert error == "invalid_arguments"
    stop = web.chat_stopStream
    assert refused(stop, **stream, session_status="tired") == "invalid_arguments"
    assert refused(stop, **stream, metadata={"event_type": ""}) == "invalid_metadata_format"
    assert refused(stop, **stream, blocks=[{"type": "alert"}]) == "invalid_blocks"
    assert stop(**stream)["ok"]


def test_a_message_that_is_streamed_can_be_neither_edited_nor_deleted(
    sandbox: Sandbox, web: WebClient, alice: User
) -> None:
    stream = _stream(sandbox, web, alice)
    assert refused(web.chat_update, **stream, text="x") == "streaming_state_conflict"
    assert refused(web.chat_delete, **stream) == "cant_delete_message"
    web.chat_stopStream(**stream)
    assert web.chat_update(**stream, text="x")["ok"]
    assert web.chat_delete(**stream)["ok"]


def test_a_stream_that_a_person_stopped_takes_nothing_more(
    sandbox: Sandbox, web: WebClient, alice: User
) -> None:
    stream = _stream(sandbox, web, alice)
    dm = stream["channel"]
    root = sandbox.messages(dm)[0].ts
    web.agents_sessions_setStatus(channel_id=dm, thread_ts=root, status="processing")
    sandbox.stop_agent(alice, dm, root)
    assert refused(web.chat_appendStream, **stream, markdown_text="x") == "stopped_by_user"
