"""Messages to which Slack adds something later: linked messages, and the words of a clip."""

from pathlib import Path

import pytest
from slack_sdk import WebClient

from bot.agents.cancellation import Cancellation
from bot.sandbox import Channel, File, Sandbox, User
from bot.slack.types import IncomingMessage
from bot.turns import late_parts
from bot.turns.late_parts import LateParts, looks_left
from storage import Observability
from tests.support.conversations import StartBot, ended, finished, spans_of
from tests.support.fake_agent import Scripted, roster_of


@pytest.fixture
def agent(start_bot: StartBot) -> Scripted:
    agent = Scripted("claude")
    start_bot(roster_of(agent))
    return agent


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, and as long as a test waits."""
    monkeypatch.setattr(late_parts, "WAITS_S", (0.02,) * 1_000)
    monkeypatch.setattr(late_parts, "MOST_LOOKS", 1_000)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_parts, "WAITS_S", (0.01, 0.01, 0.01))


def voice_clip(sandbox: Sandbox, user: User) -> File:
    return sandbox.add_file(user, "audio_message.m4a", "audio/mp4", b"\0m4a", subtype="slack_audio")


@pytest.mark.usefixtures("patient")
def test_a_message_that_a_question_links_to_is_read(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    alice: User,
    general: Channel,
) -> None:
    bob = sandbox.add_user("bob")
    ops = sandbox.add_channel("ops", [bob], with_bot=False)
    alert = sandbox.post(bob, ops, "the disk is full")
    link = sandbox._slack.workspace.permalink(alert)
    agent.end("Delete something.")
    question = sandbox.post(alice, general, f"{sandbox.mention} why? <{link}>")
    ended(sandbox, general, question, "white_check_mark")
    (request,) = agent.requests
    assert request.prompt.startswith(f"why? {link}\n\n[Forwarded message of bob, in #ops")
    assert request.prompt.endswith("> the disk is full")
    (trace,) = finished(observability, general, question.ts)
    assert "Forwarded message of bob" in str(trace.text)
    assert "disk" not in str(trace.text), "bob's words are stored as alice's"


@pytest.mark.usefixtures("hurried")
def test_a_link_to_a_message_that_slack_does_not_show_is_only_a_link(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    alice: User,
    general: Channel,
) -> None:
    bob = sandbox.add_user("bob")
    secret = sandbox.add_channel("takeover", [bob], private=True)
    link = sandbox._slack.workspace.permalink(sandbox.post(bob, secret, "we buy them"))
    agent.end("I cannot see it.")
    question = sandbox.post(alice, general, f"{sandbox.mention} what is this? <{link}>")
    ended(sandbox, general, question, "white_check_mark")
    assert agent.requests[0].prompt == f"what is this? {link}"
    (trace,) = finished(observability, general, question.ts)
    assert spans_of(observability, trace)["wait for Slack"].attributes["whole"] is False


@pytest.mark.usefixtures("patient")
def test_a_voice_message_is_a_question_and_continues_a_thread(
    sandbox: Sandbox, observability: Observability, agent: Scripted, alice: User
) -> None:
    dm = sandbox.open_dm(alice)
    long = f"What day is it today? {'And where? ' * 20}"
    agent.end("Friday.")
    question = sandbox.post(alice, dm, files=[voice_clip(sandbox, alice)])
    sandbox.wait_for_reaction(dm, question.ts, "eyes")
    sandbox.transcribe(question, long)
    ended(sandbox, dm, question, "white_check_mark")
    agent.end("Saturday.")
    follow_up = sandbox.post(alice, dm, files=[voice_clip(sandbox, alice)], thread_ts=question.ts)
    sandbox.transcribe(follow_up, "And tomorrow?")
    ended(sandbox, dm, follow_up, "white_check_mark")
    first, second = agent.requests
    assert first.prompt == f"{long[:100]} …"
    (transcript,) = first.files
    assert (first.name_of(transcript), transcript.suffix) == ("audio_message.m4a", ".vtt")
    assert long in Path(transcript).read_text()
    assert second.prompt == "And tomorrow?"
    assert second.history[0].text == f"{long[:100]} …\n[file: audio_message.m4a]"
    texts = [trace.text for trace in finished(observability, dm, question.ts, count=2)]
    assert sorted(map(str, texts)) == ["And tomorrow?", f"{long[:100]} …"]


@pytest.mark.usefixtures("hurried")
def test_a_voice_message_that_slack_does_not_write_down_is_named(
    sandbox: Sandbox, agent: Scripted, alice: User
) -> None:
    dm = sandbox.open_dm(alice)
    agent.end("Please type it.")
    question = sandbox.post(alice, dm, files=[voice_clip(sandbox, alice)])
    ended(sandbox, dm, question, "white_check_mark")
    assert "audio_message.m4a could not be read" in agent.requests[0].prompt


def test_a_turn_that_waits_for_slack_is_stopped_at_once(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(late_parts, "WAITS_S", (3_600.0,))
    dm = sandbox.open_dm(alice)
    question = sandbox.post(alice, dm, files=[voice_clip(sandbox, alice)])
    sandbox.wait_for_reaction(dm, question.ts, "eyes")
    sandbox.delete(alice, question)
    (trace,) = finished(observability, dm, question.ts)
    assert trace.status == "cancelled"


def message(**fields: object) -> IncomingMessage:
    known = {"team": "T1", "channel": "C1", "channel_type": "im", "ts": "1.0", "thread_ts": None}
    return IncomingMessage(**{**known, "user": "U1", "text": "", **fields})  # type: ignore[arg-type]


def test_a_message_is_taken_as_it_is_while_slack_does_not_answer(
    observability: Observability, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_parts, "WAITS_S", (0.0, 0.0))
    parts = LateParts(
        WebClient(token="xoxb-1", base_url="http://127.0.0.1:9/"), observability=observability
    )
    linking = message(text="<https://x.slack.com/archives/C1/p1764151200000100|this>")
    assert parts.awaited(linking, Cancellation()) == linking


LINK = "https://x.slack.com/archives/C1/p1764151200000100"
OTHER = "https://x.slack.com/archives/C1/p1764151200000200"
SHOWN = {"from_url": f"{LINK}?thread_ts=1.0&cid=C1", "is_msg_unfurl": True}
CLIP = {"id": "F1", "subtype": "slack_audio"}


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"text": "hello <https://e.example|e>"}, 0),
        ({"text": f"<{LINK}>"}, late_parts.MOST_LOOKS),
        ({"text": f"<{LINK}>", "attachments": (SHOWN,)}, 0),
        (
            {"text": f"<{LINK}?a=1> <{OTHER}?thread_ts=1.0>", "attachments": (SHOWN,)},
            late_parts.MOST_LOOKS,
        ),
        ({"text": f"<{LINK}>", "bot_id": "B1"}, 0),
        ({"files": (CLIP,)}, late_parts.MOST_LOOKS),
        (
            {"files": ({**CLIP, "transcription": {"status": "processing"}},)},
            len(late_parts.WAITS_S),
        ),
        ({"files": ({**CLIP, "transcription": {"status": "failed"}},)}, 0),
        ({"files": ({"id": "F1", "mimetype": "audio/mpeg"},)}, 0),
    ],
)
def test_only_a_message_that_slack_will_add_to_is_looked_at_again(
    fields: dict[str, object], left: int
) -> None:
    assert looks_left(message(**fields)) == left
