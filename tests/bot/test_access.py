"""Nobody is shown a trace of a conversation that they are not in, whichever way they ask."""

from collections.abc import Iterator
from functools import partial

import pytest

from bot.cli.commands.transcript import block_text
from bot.lifecycle import Bot
from bot.sandbox import Channel, Message, Sandbox, User
from bot.slack import directory
from storage import Observability
from storage.queries import search, traces
from storage.queries.traces import TraceSummary
from tests.support.conversations import StartBot
from tests.support.traces_in_slack import asked, in_modal

SECRET = "the merger is on friday"


@pytest.fixture
def bob(sandbox: Sandbox) -> User:
    return sandbox.add_user("bob")


@pytest.fixture
def general(sandbox: Sandbox, alice: User, bob: User) -> Channel:
    return sandbox.add_channel("general", [alice, bob])


@pytest.fixture
def board(sandbox: Sandbox, alice: User) -> Channel:
    return sandbox.add_channel("board", [alice], private=True)


@pytest.fixture
def bot(start_bot: StartBot) -> Iterator[Bot]:
    yield start_bot()


def shown(messages: list[Message]) -> str:
    return "\n".join(block_text(message.blocks, names={}) + message.text for message in messages)


def ask(sandbox: Sandbox, user: User, channel: Channel, words: str) -> str:
    messages = sandbox.command(user, channel, "/trace", words)
    assert all(message.ephemeral_to == user.id for message in messages)
    return shown(messages)


WAYS_OUT = [
    "ls",
    "ls --all",
    "ls merger",
    "ls --channel {channel}",
    "show {id}",
    "show {link}",
    "thread {link}",
    "thread {channel} {ts}",
    "stats --by channel",
    "stats --by user",
    "ps",
    "cost",
    "errors",
    "slow",
    "search merger",
]


def fill(words: str, trace: TraceSummary, channel: Channel) -> str:
    ts = trace.message_ts or ""
    link = f"https://example.slack.com/archives/{channel.id}/p{ts.replace('.', '')}"
    return words.format(id=trace.trace_id, channel=channel.id, ts=ts, link=link)


@pytest.mark.usefixtures("bot")
def test_only_members_of_a_private_channel_see_its_traces(
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    bob: User,
    general: Channel,
    board: Channel,
) -> None:
    trace = asked(sandbox, observability, alice, board, SECRET)
    assert trace.audience == f"{sandbox.team_id}/{board.id}"
    for words in WAYS_OUT:
        answer = ask(sandbox, bob, general, fill(words, trace, board))
        assert SECRET not in answer, words
        assert trace.trace_id[:16] not in answer or words.startswith(("show {id}",)), words
        if "stats" in words:
            assert board.id not in answer
    assert SECRET in ask(sandbox, alice, general, "ls")
    assert "invoke_agent echo" in ask(sandbox, alice, general, f"show {trace.trace_id}")


@pytest.mark.usefixtures("bot")
def test_a_hidden_trace_and_an_unknown_one_get_the_same_answer(
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    bob: User,
    general: Channel,
    board: Channel,
) -> None:
    trace = asked(sandbox, observability, alice, board, SECRET)
    hidden = ask(sandbox, bob, general, f"show {trace.trace_id}")
    absent = ask(sandbox, bob, general, f"show {'0' * 32}")
    assert hidden.replace(trace.trace_id, "ID") == absent.replace("0" * 32, "ID")


@pytest.mark.usefixtures("bot")
def test_only_its_user_sees_the_traces_of_a_direct_message(
    sandbox: Sandbox, observability: Observability, alice: User, bob: User, general: Channel
) -> None:
    dm = sandbox.open_dm(alice)
    trace = asked(sandbox, observability, alice, dm, SECRET)
    for words in WAYS_OUT:
        assert SECRET not in ask(sandbox, bob, general, fill(words, trace, dm)), words
    assert SECRET in ask(sandbox, alice, general, "ls")


@pytest.mark.usefixtures("bot")
def test_a_user_who_left_a_private_channel_no_longer_sees_its_traces(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    bob: User,
    general: Channel,
    board: Channel,
) -> None:
    sandbox.join(bob, board)
    trace = asked(sandbox, observability, alice, board, SECRET)
    sandbox.leave(bob, board)
    assert SECRET not in ask(sandbox, bob, general, f"show {trace.trace_id}")


@pytest.mark.usefixtures("bot")
def test_traces_of_a_public_channel_are_hidden_from_guests_and_strangers(
    sandbox: Sandbox, observability: Observability, alice: User, bob: User, general: Channel
) -> None:
    guest = sandbox.add_user("guest", guest=True)
    stranger = sandbox.add_user("stranger", external=True)
    for each in (guest, stranger):
        sandbox.join(each, general)
    trace = asked(sandbox, observability, alice, general, SECRET)
    assert SECRET in ask(sandbox, bob, general, "ls")
    for each in (guest, stranger):
        for words in WAYS_OUT:
            assert SECRET not in ask(sandbox, each, general, fill(words, trace, general)), words


@pytest.mark.usefixtures("bot")
def test_nothing_private_is_shown_while_slack_does_not_answer(
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
    board: Channel,
) -> None:
    asked(sandbox, observability, alice, board, SECRET)
    sandbox.faults.error("users.conversations", "internal_error", times=50)
    answer = ask(sandbox, alice, general, "ls")
    assert SECRET not in answer
    assert "Slack did not tell me which private conversations you are in" in answer


def test_a_channel_that_became_private_hides_what_was_public(
    start_bot: StartBot,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    bob: User,
    general: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(directory, "CACHE_S", 0.0)  # As if a minute passed between two lookups.
    start_bot()
    leaving = sandbox.add_channel("leaving", [alice])
    trace = asked(sandbox, observability, alice, leaving, SECRET)
    sandbox.convert(leaving, private=True)
    assert SECRET not in ask(sandbox, bob, general, f"show {trace.trace_id}")
    assert SECRET not in ask(sandbox, bob, general, "ls")


@pytest.mark.usefixtures("bot")
def test_sharing_a_private_trace_elsewhere_is_refused(
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
    board: Channel,
) -> None:
    trace = asked(sandbox, observability, alice, board, SECRET)
    (seen,) = sandbox.command(alice, general, "/trace", f"show {trace.trace_id}")
    before = len(sandbox.messages(general))
    answer = sandbox.click(alice, seen, "trace_share", responses=1)
    assert "from a private conversation" in shown(answer)
    assert len(sandbox.messages(general)) == before
    (seen,) = sandbox.command(alice, board, "/trace", f"show {trace.trace_id}")
    sandbox.click(alice, seen, "trace_share", responses=1)
    assert "invoke_agent echo" in shown(sandbox.messages(board)[-1:])


@pytest.mark.usefixtures("bot")
def test_access_is_checked_again_when_a_button_is_pressed(
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    bob: User,
    general: Channel,
    board: Channel,
) -> None:
    trace = asked(sandbox, observability, alice, board, SECRET)
    asked(sandbox, observability, bob, general, "something harmless")
    (listed,) = sandbox.command(bob, general, "/trace", "ls")
    live = next(m for m in sandbox._workspace.ephemerals if m.ts == listed.ts)
    for block in live.blocks:
        if "accessory" in block:
            block["accessory"]["value"] = trace.trace_id
    said = in_modal(sandbox, bob, lambda: sandbox.click(bob, listed, "trace_show_0"))
    assert "Nothing found" in said and SECRET not in said


@pytest.mark.usefixtures("bot")
def test_the_message_shortcut_shows_the_trace_of_a_question_and_of_an_answer(
    sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    trace = asked(sandbox, observability, alice, general, "short cut?")
    question, answer = sandbox.messages(general)[:2]
    for message in (question, answer):
        said = in_modal(sandbox, alice, partial(sandbox.shortcut, alice, message, "show_trace"))
        assert trace.trace_id[:16] in said


@pytest.mark.usefixtures("bot")
def test_a_button_replaces_a_long_list_by_its_next_page(
    sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    for number in range(12):
        with observability.span(
            "slack message",
            team=sandbox.team_id,
            audience=sandbox.team_id,
            channel=general.id,
            text=f"question {number}",
        ):
            pass
    observability.flush()
    (first,) = sandbox.command(alice, general, "/trace", "ls")
    assert "question 11" in shown([first])
    assert "question 1  [Show]" not in shown([first])
    sandbox.click(alice, first, "trace_run_next", responses=1)
    (second,) = [m for m in sandbox.ephemerals(alice, general) if m.ts == first.ts]
    assert "question 1  [Show]" in shown([second])
    assert "question 11" not in shown([second])


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("lss", "did you mean ls?"),
        ('ls "unclosed', "A quote is not closed"),
        ("ls —agent “echo”", "No traces match"),
        ("ls", "Nothing that you may see is recorded yet. Mention the bot"),
        ("show", "Nothing that you may see is recorded yet"),
        ("digest here at 25:00", "not a time of day"),
        ("digest here at 09:00 Mars/Olympus", "not a time zone"),
        ("", "What you can ask"),
        ("help", "What you can ask"),
        ("thread", "No thread is recorded here yet"),
        ("stats --by agent", "Statistics of the last 7 days"),
        ("health", "Traces"),
        ("cost", "Cost of the last 7 days"),
        ("errors --since 24h", "Nothing failed in this period"),
        ("slow", "No trace ended"),
        ("search nothing of the kind", "No traces match"),
    ],
)
def test_each_mistake_gets_one_sentence_and_the_bot_goes_on(
    sandbox: Sandbox, alice: User, general: Channel, words: str, sentence: str
) -> None:
    assert sentence in ask(sandbox, alice, general, words)


@pytest.mark.usefixtures("bot")
@pytest.mark.parametrize(
    ("code", "advice"),
    [("channel_not_found", "Invite me with /invite"), ("internal_error", "ask again later")],
)
def test_an_error_of_slack_is_answered_with_what_to_do(
    sandbox: Sandbox, alice: User, general: Channel, code: str, advice: str
) -> None:
    sandbox.faults.error("conversations.info", code, times=5)
    assert advice in ask(sandbox, alice, general, "digest here at 09:00")


@pytest.mark.parametrize("indexed", [True, False])
def test_the_next_page_of_a_search_does_not_tell_how_much_others_ask(
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    bob: User,
    general: Channel,
    board: Channel,
    bot: Bot,
    monkeypatch: pytest.MonkeyPatch,
    indexed: bool,
) -> None:
    """Its cursor holds the time of a trace, which must be one that the person may see."""
    if not indexed:
        monkeypatch.setattr(search, "BEHIND", 0)
        monkeypatch.setattr(traces, "SEARCHED", 3)
    for number in range(12):
        with observability.span(
            "slack message",
            team=sandbox.team_id,
            audience=f"{sandbox.team_id}/{board.id}",
            channel=board.id,
            user=alice.id,
            agent="echo",
            text=f"{SECRET} {number}",
        ):
            pass
    observability.flush()
    said = SECRET.split()[-1]
    for words in (f"--channel {board.id}", f"--user {alice.id}", "--agent echo"):
        typed = f"ls {said} {words}"
        assert "trace_run_next" not in str(sandbox.command(bob, general, "/trace", typed))
        assert "trace_run_next" in str(sandbox.command(alice, general, "/trace", typed))
    if indexed:
        typed = f"search {said}"
        assert "No traces match" in str(sandbox.command(bob, general, "/trace", typed))
        assert "trace_run_next" not in str(sandbox.command(bob, general, "/trace", typed))
        assert "trace_run_next" in str(sandbox.command(alice, general, "/trace", typed))
