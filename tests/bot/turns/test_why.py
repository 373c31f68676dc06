"""Why a message was answered or not, as people are told."""

from bot.sandbox import Channel, Message, Sandbox, User
from bot.turns.asked import ChosenBy
from bot.turns.decision import Reason
from reports.formatting import REASONS
from reports.views.why import BUDGETS, CHOSEN, INSTEAD, RULES
from storage import Observability
from storage.queries.lookups import message_traces
from tests.support.conversations import StartBot, eventually
from tests.support.traces_in_slack import ask, asked, in_modal

ANSWERS = {Reason.MENTIONED, Reason.DIRECT_MESSAGE, Reason.ACTIVE_SPEAKER, Reason.ASKED_AGAIN}
PERMISSION = {
    *(Reason.ASKER_UNKNOWN, Reason.GUEST_MAY_NOT_ASK, Reason.STRANGER_MAY_NOT_ASK),
    *(Reason.ONLY_BOTS_TALK, Reason.WORKFLOW_MAY_NOT_ASK, Reason.PERSON_NOT_ALLOWED),
    *(Reason.CHANNEL_NOT_ALLOWED, Reason.SHARED_CHANNEL_NOT_ALLOWED, Reason.READERS_UNKNOWN),
}
BUDGET = {Reason.BUDGET_SUSPENDED, Reason.BUDGET_SPENT}


def test_every_reason_has_a_text_one_rule_and_a_way_to_an_answer() -> None:
    assert set(REASONS) == set(Reason)
    in_rules = [reason for _, reasons in RULES for reason in reasons]
    assert len(in_rules) == len(set(in_rules))
    assert set(Reason) - set(in_rules) == PERMISSION | BUDGET | {Reason.AGENT_GONE}
    assert set(BUDGETS) == BUDGET
    assert set(Reason) - set(INSTEAD) == ANSWERS
    assert set(CHOSEN) == set(ChosenBy)


def test_a_message_that_was_not_answered_says_why_and_what_to_do(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    answered = asked(sandbox, observability, alice, general, "hello")
    ignored = sandbox.post(alice, general, "does anybody know?")

    def is_recorded() -> bool:
        observability.flush()
        found = message_traces(observability.database, channel=general.id, message_ts=ignored.ts)
        return any(trace.status == "ok" for trace in found)

    eventually(is_recorded)
    said = ask(sandbox, alice, general, f"why {link(ignored)}")
    assert "Not answered because the bot was not mentioned" in said
    (message,) = sandbox.command(alice, general, "/trace", f"why {link(ignored)}")
    ts = ignored.ts.replace(".", "")
    assert f"archives/{general.id}/p{ts}|does anybody know?>" in str(message.blocks)
    assert "The bot is mentioned? no" in said
    assert "It is outside of a thread? yes" in said
    assert "Mention the bot, or write to it directly." in said
    said = in_modal(sandbox, alice, lambda: sandbox.shortcut(alice, ignored, "show_trace"))
    assert "Not answered" in said
    said = ask(sandbox, alice, general, f"why {answered.trace_id}")
    assert "Answered because the bot was mentioned" in said
    assert "echo was asked, because it is the default agent." in said
    assert "For an answer" not in said


def test_an_answer_says_why_its_agent_was_chosen(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    agents = '[agents.echo]\nprovider = "echo"\n[agents.parrot]\nprovider = "echo"\n'
    start_bot(f'default = "echo"\n{agents}[channels]\n{general.id} = "parrot"\n')
    of_channel = asked(sandbox, observability, alice, general, "hello")
    said = ask(sandbox, alice, general, f"why {of_channel.trace_id}")
    assert "parrot was asked, because it is the agent of this channel." in said
    named = asked(sandbox, observability, alice, general, "hello @echo")
    said = ask(sandbox, alice, general, f"why {named.trace_id}")
    assert "echo was asked, because the message names it." in said


def test_a_message_that_nothing_is_known_of_says_when_the_bot_decides(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    start_bot()
    said = ask(sandbox, alice, general, f"why https://x.slack.com/archives/{general.id}/p{10**15}")
    assert "No decision is recorded for" in said


def link(message: Message) -> str:
    ts = message.ts.replace(".", "")
    return f"https://x.slack.com/archives/{message.channel}/p{ts}"
