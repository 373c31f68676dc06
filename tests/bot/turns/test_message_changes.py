"""Edits and deletions of messages, as they end up in the database."""

import threading

import pytest

from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from storage.database.models import LeaseRow, NoticeRow
from tests.support.conversations import StartBot, answered, ended, eventually, finished, spans_of
from tests.support.fake_agent import Scripted, roster_of


def test_the_stored_text_of_an_edited_message_is_replaced(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    question, _ = answered(sandbox, alice, general, "my PIN is 1234")
    (trace,) = finished(observability, general, question.ts)
    sandbox.edit(alice, question, f"{sandbox.mention} never mind")

    def stored() -> str:
        observability.flush()
        return str(spans_of(observability, trace)["slack message"].text)

    eventually(lambda: "never mind" in stored())
    assert "1234" not in stored()


def test_the_next_answer_is_given_the_edited_text(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    agent = Scripted()
    start_bot(roster_of(agent))
    for _ in range(3):
        agent.end("noted")
    root = sandbox.post(alice, general, f"{sandbox.mention} hello")
    ended(sandbox, general, root, "white_check_mark")
    follow_up = sandbox.post(alice, general, "my PIN is 1234", thread_ts=root.ts)
    ended(sandbox, general, follow_up, "white_check_mark")
    sandbox.edit(alice, follow_up, "never mind")
    (_, trace) = finished(observability, general, root.ts, count=2)

    def is_erased() -> bool:
        observability.flush()
        return spans_of(observability, trace)["slack message"].text == "never mind"

    eventually(is_erased)
    last = sandbox.post(alice, general, "and now?", thread_ts=root.ts)
    ended(sandbox, general, last, "white_check_mark")
    texts = [message.text for message in agent.requests[-1].history]
    assert "never mind" in texts
    assert "my PIN is 1234" not in texts


def test_of_a_thread_that_only_grows_newer_messages_are_read_and_no_process_is_told(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    root, _ = answered(sandbox, alice, general, "hello")
    first = sandbox.post(alice, general, "and now?", thread_ts=root.ts)
    ended(sandbox, general, first, "white_check_mark")
    sandbox.settle()
    second = sandbox.post(alice, general, "and then?", thread_ts=root.ts)
    ended(sandbox, general, second, "white_check_mark")
    oldest = [each.arguments.get("oldest") for each in sandbox.calls("conversations.replies")]
    assert oldest == [None, first.ts]
    events = LeaseRow.select().where(LeaseRow.key.startswith("event:"))
    assert not events.count(observability.database)
    assert not NoticeRow.select().count(observability.database)


def test_the_next_answer_is_given_the_edited_text_however_busy_the_bot_is(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    agent, go = Scripted(), threading.Event()
    bot = start_bot(roster_of(agent))
    for _ in range(2):
        agent.end("noted")
    root = sandbox.post(alice, general, "my PIN is 1234")
    question = sandbox.post(alice, general, f"{sandbox.mention} hello", thread_ts=root.ts)
    sandbox.wait_for_reaction(general, question.ts, "white_check_mark")
    for _ in range(10):
        bot.workers.changes.submit(go.wait)
    sandbox.edit(alice, root, "never mind")
    sandbox.settle()
    last = sandbox.post(alice, general, "and now?", thread_ts=root.ts)
    sandbox.wait_for_reaction(general, last.ts, "white_check_mark")
    go.set()
    assert agent.requests[-1].history[0].text == "never mind"


def test_a_text_that_cannot_be_erased_is_logged(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    start_bot()
    chatter = sandbox.post(alice, general, "I should not have said that")
    finished(observability, general, chatter.ts)
    observability.database.execute_sql("ALTER TABLE spans RENAME TO away")
    sandbox.delete(alice, chatter)
    eventually(lambda: "stored text of an edited or deleted message stays" in caplog.text)
    observability.database.execute_sql("ALTER TABLE away RENAME TO spans")


def test_a_deletion_that_does_not_tell_its_thread_is_followed(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    agent = Scripted()
    start_bot(roster_of(agent))
    for _ in range(3):
        agent.end("noted")
    root = sandbox.post(alice, general, f"{sandbox.mention} hello")
    ended(sandbox, general, root, "white_check_mark")
    follow_up = sandbox.post(alice, general, "my PIN is 1234", thread_ts=root.ts)
    ended(sandbox, general, follow_up, "white_check_mark")
    _, trace = finished(observability, general, root.ts, count=2)
    (sent,) = (each for each in sandbox.events("message") if "PIN" in str(each["event"]))
    # The event as Slack documents it; mostly it has the previous message, too.
    deleted = {
        "type": "message",
        "subtype": "message_deleted",
        "channel": general.id,
        "deleted_ts": follow_up.ts,
        "ts": "9.9",
    }
    live = sandbox._slack.workspace.message(general.id, follow_up.ts)
    live.text, live.blocks = "gone", []
    sandbox.redeliver({**sent, "event_id": "Ev1", "event": deleted})

    def is_erased() -> bool:
        observability.flush()
        return not spans_of(observability, trace)["slack message"].text

    eventually(is_erased)
    last = sandbox.post(alice, general, "and now?", thread_ts=root.ts)
    ended(sandbox, general, last, "white_check_mark")
    assert "1234" not in str([each.text for each in agent.requests[-1].history])


def test_an_edit_of_a_message_in_blocks_alone_replaces_what_is_stored_of_it(
    sandbox: Sandbox, observability: Observability, start_bot: StartBot, alice: User
) -> None:
    start_bot()

    def said(text: str) -> list[dict[str, object]]:
        return [{"type": "markdown", "text": text}]

    dm, planner = sandbox.open_dm(alice), sandbox.add_bot("planner")
    question = sandbox.post(alice, dm, blocks=said("salary 4321"), through=planner)
    (trace,) = finished(observability, dm, question.ts)
    assert trace.text == "salary 4321"
    live = sandbox._slack.workspace.message(dm.id, question.ts)
    sandbox._slack.activity.edit(live, blocks=said("none"))

    def stored() -> str:
        observability.flush()
        return str(spans_of(observability, trace)["slack message"].text)

    eventually(lambda: stored() == "none")


def test_an_edit_of_a_pasted_table_replaces_what_is_stored_of_it(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()

    def pasted(text: str) -> dict[str, object]:
        return {"blocks": [{"type": "table", "rows": [[{"type": "raw_text", "text": text}]]}]}

    question = sandbox.post(
        alice, general, f"{sandbox.mention} sum", attachments=[pasted("salary 4321")]
    )
    (trace,) = finished(observability, general, question.ts)
    assert "4321" in str(trace.text)
    live = sandbox._slack.workspace.message(general.id, question.ts)
    sandbox._slack.activity.edit(live, attachments=[pasted("none")])

    def stored() -> str:
        observability.flush()
        return str(spans_of(observability, trace)["slack message"].text)

    eventually(lambda: "none" in stored())
    assert "4321" not in stored()
