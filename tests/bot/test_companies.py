"""Slack Connect and Enterprise Grid: whose workspace it is, and who is a member of it."""

import copy

import pytest

from bot.agents.config.roster import load_roster
from bot.app import build_bot
from bot.replies import live
from bot.sandbox import Channel, Sandbox, User
from bot.settings import SettingsError
from storage import Observability
from storage.queries.traces import recent_traces, trace_spans
from tests.support.conversations import StartBot, eventually, finished, spans_of
from tests.support.fake_agent import Scripted, roster_of
from tests.support.running_bot import settings_for
from tests.support.traces_in_slack import ask


@pytest.fixture
def partner(sandbox: Sandbox) -> User:
    return sandbox.add_user("partner", external=True)


@pytest.fixture
def shared(sandbox: Sandbox, alice: User, partner: User) -> Channel:
    return sandbox.add_channel("shared", [alice, partner])


def test_a_question_that_is_sent_for_each_company_is_answered_once_and_recorded_as_ours(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    shared: Channel,
) -> None:
    start_bot()
    question = sandbox.post(alice, shared, f"{sandbox.mention} hello")
    sandbox.wait_for_reaction(shared, question.ts, "white_check_mark")
    sandbox.settle()
    (trace,) = finished(observability, shared, question.ts)
    assert (trace.team, trace.audience) == (sandbox.team_id, sandbox.team_id)
    assert len(sandbox.thread(shared, question.ts)) == 2
    assert trace.trace_id[:16] in ask(sandbox, alice, shared, "ls")


def test_a_reaction_that_is_sent_for_each_company_counts_once(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    shared: Channel,
) -> None:
    start_bot()
    question = sandbox.post(alice, shared, f"{sandbox.mention} hello")
    sandbox.wait_for_reaction(shared, question.ts, "white_check_mark")
    (trace,) = finished(observability, shared, question.ts)
    sandbox.react(alice, question, "tada")

    def reactions() -> int:
        observability.flush()
        spans = trace_spans(observability.database, trace.trace_id)
        return sum(span.attributes.get("emoji") == "tada" for span in spans)

    eventually(lambda: reactions() > 0)
    sandbox.settle()
    sandbox.react(alice, question, "eyes")
    eventually(lambda: "eyes" in str(trace_spans(observability.database, trace.trace_id)))
    assert reactions() == 1


def test_a_turn_is_stopped_in_a_shared_channel_by_a_member_and_not_by_a_stranger(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    partner: User,
    shared: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "QUICK_S", 0.05)
    agent = Scripted()
    start_bot(roster_of(agent))
    sandbox.faults.error("chat.startStream", "unknown_method")  # It has a button of its own.
    question = sandbox.post(alice, shared, f"{sandbox.mention} work")
    agent.wait_until_asked()
    agent.say("The first half")
    reply = sandbox.wait_for_reply(shared, question.ts, containing="The first half")
    refused = sandbox.click(partner, reply, "trace_stop", responses=1)
    assert "Only full members" in str(refused[0].blocks)
    assert agent.requests[0].cancellation.by is None
    sandbox.click(alice, reply, "trace_stop")
    sandbox.wait_for_reaction(shared, question.ts, "octagonal_sign")
    (trace,) = finished(observability, shared, question.ts)
    assert trace.status == "cancelled"


def test_what_a_partner_edits_and_deletes_is_erased_from_our_record(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    partner: User,
    shared: Channel,
) -> None:
    start_bot()
    question = sandbox.post(partner, shared, f"{sandbox.mention} the secret is blue")
    finished(observability, shared, question.ts)
    sandbox.edit(partner, question, f"{sandbox.mention} nothing")

    def stored() -> str:
        (trace,) = finished(observability, shared, question.ts)
        return str(spans_of(observability, trace))

    eventually(lambda: "nothing" in stored())
    assert "blue" not in stored()
    sandbox.delete(partner, question)
    eventually(lambda: "nothing" not in stored())


def test_an_event_of_another_installation_of_the_app_is_not_recorded(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    start_bot()
    first = sandbox.post(alice, general, f"{sandbox.mention} hello")
    sandbox.wait_for_reaction(general, first.ts, "white_check_mark")
    foreign = copy.deepcopy(sandbox.events("app_mention")[0])
    foreign |= {"team_id": "T0THEIRS", "context_team_id": "T0THEIRS", "event_id": "Ev0THEIRS"}
    foreign["authorizations"][0]["team_id"] = "T0THEIRS"
    foreign["event"] |= {"channel": "C0THEIRS", "ts": "1700000000.000100"}
    sandbox.redeliver(foreign)
    sandbox.settle()
    assert sandbox._slack.outbox.lost == []
    observability.flush()
    traces = recent_traces(observability.database, skipped=True).traces
    assert {trace.channel for trace in traces} == {general.id}


@pytest.mark.parametrize("home", ["E0ORG", "T0ELSEWHERE"])
def test_a_member_of_our_workspace_in_a_grid_is_a_member(
    home: str, sandbox: Sandbox, observability: Observability, start_bot: StartBot, alice: User
) -> None:
    start_bot()
    ann = sandbox.add_user("ann", home=home, admin=True)
    channel = sandbox.add_channel("grid", [ann, alice])
    question = sandbox.post(ann, channel, f"{sandbox.mention} hello")
    sandbox.wait_for_reaction(channel, question.ts, "white_check_mark")
    (trace,) = finished(observability, channel, question.ts)
    assert trace.team == sandbox.team_id
    assert trace.trace_id[:16] in ask(sandbox, ann, channel, "ls")
    assert "Erase" in ask(sandbox, ann, channel, f"forget {alice.id}")


def test_an_installation_for_a_whole_organisation_is_refused_at_the_start(
    sandbox: Sandbox, observability: Observability
) -> None:
    sandbox.install_for_organisation()
    with pytest.raises(SettingsError, match="Install it in one workspace"):
        build_bot(
            settings_for(sandbox, observability),
            roster=load_roster(None),
            observability=observability,
        )


def test_a_token_of_no_workspace_is_refused_at_the_start(
    sandbox: Sandbox, observability: Observability
) -> None:
    sandbox.faults.answer("auth.test", '{"ok": true, "user_id": "U1", "bot_id": "B1"}')
    with pytest.raises(SettingsError, match="Install it in one workspace"):
        build_bot(
            settings_for(sandbox, observability),
            roster=load_roster(None),
            observability=observability,
        )
