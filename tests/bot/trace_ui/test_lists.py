"""Lists in Slack: what was asked leads to the message, and menus and buttons change the list."""

import pytest

from bot.sandbox import Channel, Message, Sandbox, User
from bot.sandbox.state.workspace import URL
from storage import Observability
from storage.model.span import own_audience
from tests.support.conversations import StartBot
from tests.support.traces_in_slack import ask, asked, shown

THREAD = "1795678544.000100"


@pytest.fixture
def recorded(
    start_bot: StartBot,
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    general: Channel,
) -> None:
    """Record 25 turns of two agents, of which every fifth failed, and a private one of a third."""
    start_bot()
    for number in range(25):
        facts = {
            "team": sandbox.team_id,
            "audience": sandbox.team_id,
            "platform": "slack",
            "channel": general.id,
            "user": alice.id,
            "thread_ts": THREAD,
            "message_ts": f"17956785{number:02}.000200",
            "agent": "codex" if number % 2 else "claude",
            "text": f"question {number:02}",
        }
        span = observability.start_span("slack message", facts, kind="consumer")
        if number % 5 == 0:
            span.fail("exit_code", "exit code 1")
        span.end()
    private = own_audience(sandbox.team_id, "C0OTHER")
    observability.start_span(
        "slack message",
        {
            "team": sandbox.team_id,
            "audience": private,
            "agent": "hidden-agent",
            "channel": "C0OTHER",
        },
    ).end()
    assert observability.flush()


def listed(sandbox: Sandbox, user: User, channel: Channel, words: str) -> Message:
    (message,) = sandbox.command(user, channel, "/trace", words, timeout=20.0)
    return message


def press(
    sandbox: Sandbox, user: User, message: Message, action: str, value: str | None = None
) -> Message:
    """Press a button of a list, which is replaced, and return the new list."""
    (now,) = sandbox.click(user, message, action, value=value, responses=1, timeout=20.0)
    return now


def numbers(message: Message) -> list[int]:
    texts = [block["text"]["text"] for block in message.blocks if "accessory" in block]
    return [int(text.partition("|question ")[2][:2]) for text in texts]


def choose(message: Message, menu: str, label: str) -> str:
    """Return the value of a choice of a menu."""
    for block in message.blocks:
        for element in block.get("elements", []):
            if element.get("action_id") == f"trace_run_{menu}":
                values = {each["text"]["text"]: each["value"] for each in element["options"]}
                return str(values[label])
    raise AssertionError(f"no menu {menu}")


@pytest.mark.usefixtures("recorded")
def test_pages_lead_to_older_traces_and_back(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    page = listed(sandbox, alice, general, "ls")
    assert numbers(page) == list(range(24, 14, -1))
    assert "Previous" not in shown([page])
    page = press(sandbox, alice, page, "trace_run_next")
    assert numbers(page) == list(range(14, 4, -1))
    page = press(sandbox, alice, page, "trace_run_next")
    assert numbers(page) == list(range(4, -1, -1))
    assert "[Next]" not in shown([page])
    page = press(sandbox, alice, page, "trace_run_previous")
    assert numbers(page) == list(range(14, 4, -1))
    page = press(sandbox, alice, page, "trace_run_previous")
    assert numbers(page) == list(range(24, 14, -1))
    assert "[Previous]" not in shown([page])
    # A command that is too long for a menu still fits into a button.
    page = listed(sandbox, alice, general, f"ls -model:{'x' * 160}")
    assert len(numbers(page)) == 10
    assert "static_select" not in str(page.blocks)
    assert numbers(press(sandbox, alice, page, "trace_run_next")) == list(range(14, 4, -1))


@pytest.mark.usefixtures("recorded")
def test_menus_change_the_filters_of_the_list(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    page = listed(sandbox, alice, general, f"ls channel:#{general.name} question")
    assert "hidden-agent" not in shown([page])
    page = press(sandbox, alice, page, "trace_run_agent", choose(page, "agent", "codex"))
    assert numbers(page) == list(range(23, 3, -2))
    page = press(sandbox, alice, page, "trace_run_status", choose(page, "status", "error"))
    assert numbers(page) == [15, 5]
    page = press(sandbox, alice, page, "trace_run_period", choose(page, "period", "Last hour"))
    assert numbers(page) == [15, 5]
    assert f"question agent:codex status:error channel:#{general.name} since:1h" in shown([page])
    page = press(sandbox, alice, page, "trace_run_agent", choose(page, "agent", "Any agent"))
    assert numbers(page) == [20, 15, 10, 5, 0]
    page = press(sandbox, alice, page, "trace_run_status", choose(page, "status", "timeout"))
    assert "No traces match" in shown([page])
    page = press(sandbox, alice, page, "trace_run_status", choose(page, "status", "Any status"))
    assert len(numbers(page)) == 10, "an empty list can be left again"
    page = listed(sandbox, alice, general, "slow status:error")
    assert "Slowest traces of the last 7 days" in shown([page])
    assert sorted(numbers(page)) == [0, 5, 10, 15, 20]
    page = press(sandbox, alice, page, "trace_run_agent", choose(page, "agent", "codex"))
    assert sorted(numbers(page)) == [5, 15]
    page = press(sandbox, alice, page, "trace_run_period", choose(page, "period", "Last hour"))
    assert "Slowest traces of the last hour" in shown([page])
    assert sorted(numbers(page)) == [5, 15]


@pytest.mark.usefixtures("recorded")
def test_what_was_asked_is_a_link_to_its_message(
    sandbox: Sandbox, observability: Observability, alice: User, general: Channel
) -> None:
    url = f"{URL}archives/{general.id}"
    link = f"<{url}/p1795678524000200?thread_ts={THREAD}&amp;cid={general.id}|question 24>"
    assert link in str(listed(sandbox, alice, general, "ls").blocks)
    trace = asked(sandbox, observability, alice, general, "a real one")
    (question, *_) = [m for m in sandbox.messages(general) if "a real one" in m.text]
    real = f"<{sandbox._slack.workspace.permalink(question)}|a real one>"
    for words in ("ls", "search real", "slow", f"thread {general.id} {trace.thread_ts}"):
        assert real in ask(sandbox, alice, general, words), words


@pytest.mark.usefixtures("recorded")
def test_a_long_thread_shows_its_end_and_leads_to_earlier_turns(
    sandbox: Sandbox, alice: User, general: Channel
) -> None:
    page = listed(sandbox, alice, general, f"thread {general.id} {THREAD}")
    assert "Thread with 25 turns, oldest first" in shown([page])
    assert numbers(page) == list(range(15, 25))
    assert "[Later]" not in shown([page])
    page = press(sandbox, alice, page, "trace_run_earlier")
    assert numbers(page) == list(range(5, 15))
    page = press(sandbox, alice, page, "trace_run_earlier")
    assert numbers(page) == list(range(10))
    assert "[Earlier]" not in shown([page])
    page = press(sandbox, alice, page, "trace_run_later")
    assert numbers(page) == list(range(10, 20))
