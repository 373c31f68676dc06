"""What people see of a budget in Slack: a question that waits, a refusal, and a list."""

import pytest

from bot.agents.types import Agent, Reply, Request
from bot.sandbox import Channel, Message, Sandbox, User
from storage import Observability
from storage.coordination.budgets import budgets
from storage.queries.lookups import message_traces
from tests.support.conversations import StartBot, ended, eventually
from tests.support.fake_agent import roster_with
from tests.support.traces_in_slack import ask, shown

DOLLAR = 1_000_000


class Priced:
    """Answers at once, at a price."""

    model = None

    def __init__(self, name: str, cost: int) -> None:
        self.name = name
        self.cost = cost

    def answer(self, request: Request) -> Reply:
        return Reply(text=f"I am {self.name}.", provider=self.name, cost=self.cost)


@pytest.fixture
def admin(sandbox: Sandbox, general: Channel) -> User:
    admin = sandbox.add_user("admin", admin=True)
    sandbox.join(admin, general)
    return admin


@pytest.fixture(autouse=True)
def _bot(start_bot: StartBot) -> None:
    providers = (Priced("dear", 2 * DOLLAR), Priced("cheap", DOLLAR // 10))
    agents = {each.name: Agent(name=each.name, providers=(each,)) for each in providers}
    start_bot(roster_with(agents, default="dear"))


def answered(
    sandbox: Sandbox, observability: Observability, user: User, channel: Channel, text: str
) -> Message:
    """Ask, and return the answer once its cost is stored."""
    question = sandbox.post(user, channel, f"{sandbox.mention} {text}")
    (answer,) = ended(sandbox, channel, question, "white_check_mark")
    wait_for_traces(observability, question)
    return answer


def wait_for_traces(observability: Observability, question: Message) -> None:
    def is_stored() -> bool:
        observability.flush()
        found = message_traces(
            observability.database, channel=question.channel, message_ts=question.ts
        )
        return bool(found) and all(trace.status != "running" for trace in found)

    eventually(is_stored)


def note_on(sandbox: Sandbox, user: User, channel: Channel, text: str) -> Message:
    """Ask, and return what the bot says instead of an answer."""
    question = sandbox.post(user, channel, f"{sandbox.mention} {text}")
    return sandbox.wait_for_reply(channel, question.ts, containing="budget")


def test_past_the_soft_limit_a_question_waits_until_somebody_says_to_ask_anyway(
    sandbox: Sandbox, observability: Observability, alice: User, admin: User, general: Channel
) -> None:
    answered(sandbox, observability, alice, general, "@dear one")
    answered(sandbox, observability, alice, general, "@cheap one")
    assert "is set" in ask(sandbox, admin, general, "budget add 1.5/day agent:dear hard:50")
    note = note_on(sandbox, alice, general, "@dear two")
    assert "I have not asked dear yet: its budget for this day is used up" in note.text
    assert "($2.00 of $1.50)" in note.text
    assert "usually costs $2.00 (cheap: $0.1000)" in note.text
    labels = [each["text"]["text"] for each in note.blocks[-1]["elements"]]
    assert labels == ["Ask anyway", "Use cheap", "Raise to $3.00"]
    assert not sandbox.reactions(general, str(note.thread_ts))
    sandbox.click(alice, note, "turn_ask_anyway")
    sandbox.wait_for_reply(general, str(note.thread_ts), containing="I am dear.")
    why = f"why https://x.slack.com/archives/{general.id}/p{str(note.thread_ts).replace('.', '')}"
    wait_for_traces(observability, sandbox.thread(general, str(note.thread_ts))[0])
    told = ask(sandbox, alice, general, why)
    assert "pressed Try again or Ask anyway" in told


def test_a_question_that_waits_is_told_of_although_slack_refuses_the_buttons(
    sandbox: Sandbox, observability: Observability, alice: User, admin: User, general: Channel
) -> None:
    answered(sandbox, observability, alice, general, "@dear one")
    ask(sandbox, admin, general, "budget add 1.5/day agent:dear")
    sandbox.faults.refuse_blocks("actions")
    note = note_on(sandbox, alice, general, "@dear two")
    assert (note.blocks, "I have not asked dear yet" in note.text) == ([], True)


def test_a_cheaper_agent_is_asked_by_a_button_and_only_an_admin_raises(
    sandbox: Sandbox, observability: Observability, alice: User, admin: User, general: Channel
) -> None:
    answered(sandbox, observability, alice, general, "@dear one")
    answered(sandbox, observability, alice, general, "@cheap one")
    ask(sandbox, admin, general, "budget add 2/day agent:dear")
    note = note_on(sandbox, alice, general, "@dear two")
    told = shown(sandbox.click(alice, note, "budget_raise", responses=1))
    assert "Only admins and owners" in told
    sandbox.click(admin, note, "budget_raise")
    sandbox.wait_for_reply(general, str(note.thread_ts), containing="I am dear.")
    assert [each.soft for each in budgets(observability.database)] == [3 * DOLLAR]
    wait_for_traces(observability, sandbox.thread(general, str(note.thread_ts))[0])
    note = note_on(sandbox, alice, general, "@dear three")
    sandbox.click(alice, note, "turn_try_again")
    sandbox.wait_for_reply(general, str(note.thread_ts), containing="I am cheap.")


def test_past_a_hard_limit_a_question_is_refused_with_a_reason(
    sandbox: Sandbox, observability: Observability, alice: User, admin: User, general: Channel
) -> None:
    answered(sandbox, observability, alice, general, "@dear one")
    ask(sandbox, admin, general, f"budget add 1/month channel:{general.id} hard:1")
    note = note_on(sandbox, alice, general, "@dear two")
    assert "I did not ask dear: the budget of this channel for this month is used up" in note.text
    assert "button" not in str(note.blocks)
    question = sandbox.thread(general, str(note.thread_ts))[0]
    wait_for_traces(observability, question)
    link = f"https://x.slack.com/archives/{general.id}/p{question.ts.replace('.', '')}"
    told = ask(sandbox, alice, general, f"why {link}")
    assert "Not answered because the hard limit of a budget is reached" in told
    assert "It would be answered, but a budget is used up? yes" in told
    assert "let an admin raise it" in told


def test_a_note_that_guests_can_read_tells_no_amounts_of_the_budget(
    sandbox: Sandbox, observability: Observability, alice: User, admin: User, general: Channel
) -> None:
    sandbox.join(sandbox.add_user("gus", guest=True), general)
    answered(sandbox, observability, alice, general, "@dear one")
    ask(sandbox, admin, general, "budget add 1.5/day")
    note = note_on(sandbox, alice, general, "@dear two")
    assert "the budget of all agents together for this day is used up. A question" in note.text
    labels = [each["text"]["text"] for each in note.blocks[-1]["elements"]]
    assert labels == ["Ask anyway", "Raise the budget"]
    assert "3000000" not in str(note.blocks), "Slack gives guests the values of buttons, too"
    sandbox.click(admin, note, "budget_raise")
    sandbox.wait_for_reply(general, str(note.thread_ts), containing="I am dear.")
    (raised,) = budgets(observability.database)
    assert raised.soft == 3 * DOLLAR
    ask(sandbox, admin, general, f"budget raise {raised.id} 50")
    told = shown(sandbox.click(admin, note, "budget_raise", responses=1))
    assert "raise it to more" in told, "of a budget that is not used up nothing is raised"
    assert [each.soft for each in budgets(observability.database)] == [50 * DOLLAR]


@pytest.mark.parametrize("is_shared", [False, True])
def test_what_a_question_costs_in_conversations_of_others_is_not_told(
    sandbox: Sandbox,
    observability: Observability,
    alice: User,
    admin: User,
    general: Channel,
    *,
    is_shared: bool,
) -> None:
    board = sandbox.add_channel("board", [alice], private=True)
    public = sandbox.add_channel("ops", [alice])
    answered(sandbox, observability, alice, board, "@dear one")
    answered(sandbox, observability, alice, public, "@cheap one")
    for agent in ("dear", "cheap"):
        ask(sandbox, admin, general, f"budget add 0.05/day agent:{agent}")
    if is_shared:
        sandbox.join(sandbox.add_user("gus", guest=True), general)
    note = note_on(sandbox, alice, general, "@dear two")
    assert "usually" not in note.text
    note = note_on(sandbox, alice, general, "@cheap two")
    assert ("usually costs $0.1000" in note.text) is not is_shared, "others read #general only"
    note = note_on(sandbox, alice, board, "@dear three")
    assert "usually costs $2.00" in note.text


def test_the_budget_of_a_person_is_told_them_alone(
    sandbox: Sandbox, observability: Observability, alice: User, admin: User, general: Channel
) -> None:
    answered(sandbox, observability, alice, general, "@dear one")
    ask(sandbox, admin, general, f"budget add 1/week user:{alice.id}")
    question = sandbox.post(alice, general, f"{sandbox.mention} @dear two")
    notes: list[Message] = []

    def is_told() -> bool:
        notes[:] = [m for m in sandbox.ephemerals(alice, general) if "your budget" in m.text]
        return bool(notes)

    eventually(is_told)
    assert len(sandbox.thread(general, question.ts)) == 1
    sandbox.click(alice, notes[0], "turn_ask_anyway")
    sandbox.wait_for_reply(general, question.ts, containing="I am dear.")


def test_people_see_the_budgets_of_their_channels_and_their_own(
    sandbox: Sandbox, alice: User, admin: User, general: Channel
) -> None:
    board = sandbox.add_channel("board", [alice], private=True)
    refused = ask(sandbox, alice, general, "budget add 1/day")
    assert "Only admins and owners" in refused
    for order in ("1/day", "2/day agent:dear", f"3/day user:{alice.id}", "4/day channel:#general"):
        assert "is set" in ask(sandbox, admin, general, f"budget add {order}")
    assert "no channel" in ask(sandbox, admin, general, f"budget add 5/day channel:{board.id}")
    assert "There is no agent dera" in ask(sandbox, admin, general, "budget add 5/day agent:dera")
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    seen = {who.id: ask(sandbox, who, general, "budget") for who in (alice, bob, admin)}
    guest = sandbox.add_user("gus", guest=True)
    sandbox.join(guest, general)
    seen[guest.id] = ask(sandbox, guest, general, "budget")
    for who, amounts in ((alice, "1234"), (bob, "124"), (admin, "1234"), (guest, "")):
        told = {each for each in "1234" if f"${each}.00 a day" in seen[who.id]}
        assert told == set(amounts)
    assert "#general" in seen[bob.id]
