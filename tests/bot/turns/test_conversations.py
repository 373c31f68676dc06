"""What an agent is given of a conversation: the real app, over the sandbox's sockets."""

from pathlib import Path

import pytest

from bot.sandbox import Channel, Sandbox, User
from storage import Observability
from storage.store.erasure_log import erasure_log
from tests.support.conversations import StartBot, answered, ended, eventually, finished, spans_of
from tests.support.fake_agent import Scripted, roster_of

CODE = "if (a &lt; b &amp;&amp; c &gt; d) say &amp;lt; in <https://e.example?a=1&amp;b=2|it>"
READ = "if (a < b && c > d) say &lt; in it (https://e.example?a=1&b=2)"
ALERT = {"fallback": "CPU high", "title": "CPU high", "text": "97 % on web-1"}


@pytest.fixture
def agent(start_bot: StartBot) -> Scripted:
    agent = Scripted("claude")
    start_bot(roster_of(agent))
    return agent


def test_code_and_links_are_decoded_once_for_the_agent_the_record_and_the_history(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    alice: User,
    general: Channel,
) -> None:
    agent.end("It is `a < b &amp; c`.")
    question = sandbox.post(alice, general, f"{sandbox.mention} {CODE}")
    ended(sandbox, general, question, "white_check_mark")
    agent.end("yes")
    sandbox.post(alice, general, "sure?", thread_ts=question.ts)
    sandbox.wait_for_reply(general, question.ts, containing="yes")
    first, second = agent.requests
    assert first.prompt == READ
    assert [(each.author, each.text, each.agent) for each in second.history] == [
        ("alice", f"@tracebot {READ}", False),
        ("claude", "It is `a < b &amp; c`.", True),
    ]
    assert [each.ts for each in second.history][0] == question.ts
    assert (second.author, second.prompt) == ("alice", "sure?")
    texts = [trace.text for trace in finished(observability, general, question.ts, count=2)]
    assert sorted(filter(None, texts)) == sorted([READ, "sure?"])
    shown = sandbox.command(alice, general, "/trace", "ls")
    assert "if (a &lt; b &amp;&amp; c &gt; d) say &amp;lt;" in str(shown[0].blocks)


def test_people_channels_and_groups_have_names(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    alice: User,
    general: Channel,
) -> None:
    bob = sandbox.add_user("bob")
    secret = sandbox.add_channel("takeover", [alice], private=True)
    agent.end("ok")
    text = (
        f"{sandbox.mention} ask {bob.mention} in <#{general.id}> or <#{secret.id}|>, "
        f"<!subteam^S1|@oncall>, <mailto:a@b.example|a@b.example>"
    )
    question = sandbox.post(alice, general, text)
    ended(sandbox, general, question, "white_check_mark")
    named = f"ask @bob in #general or #{secret.id}, @oncall, a@b.example"
    assert agent.requests[0].prompt == named
    assert finished(observability, general, question.ts)[0].text == named


def test_an_agent_answers_while_slack_tells_no_names(
    sandbox: Sandbox, agent: Scripted, alice: User, general: Channel
) -> None:
    root = sandbox.post(alice, general, "hello")
    agent.end("one")
    question = sandbox.post(alice, general, f"{sandbox.mention} hi", thread_ts=root.ts)
    ended(sandbox, general, question, "white_check_mark")
    sandbox.faults.error("conversations.info", "internal_error", times=50)
    sandbox.faults.error("usergroups.list", "internal_error", times=50)
    agent.end("two")
    sandbox.post(alice, general, f"{sandbox.mention} <#C0NO> <!subteam^S0NO>", thread_ts=root.ts)
    sandbox.wait_for_reply(general, root.ts, containing="two")
    assert agent.requests[1].prompt == "#C0NO @S0NO"


@pytest.mark.parametrize(
    "said",
    [
        {"attachments": [ALERT]},
        {"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "CPU high"}}]},
        {"attachments": [{"fallback": "CPU high"}]},
    ],
)
def test_an_alert_of_another_app_is_the_threads_first_message(
    sandbox: Sandbox, agent: Scripted, alice: User, general: Channel, said: dict[str, object]
) -> None:
    grafana = sandbox.add_bot("grafana")
    sandbox.join(grafana, general)
    alert = sandbox.post(grafana, general, **said)
    agent.end("A loop.")
    sandbox.post(alice, general, f"{sandbox.mention} why?", thread_ts=alert.ts)
    sandbox.wait_for_reply(general, alert.ts, containing="A loop.")
    (root,) = agent.requests[0].history
    assert root.author == "grafana (another app)"
    assert root.text.startswith("CPU high")
    assert ("97 % on web-1" in root.text) == (said == {"attachments": [ALERT]})


def test_a_webhook_without_an_id_is_another_app(
    sandbox: Sandbox, agent: Scripted, alice: User, general: Channel
) -> None:
    jira = sandbox.add_bot("jira", legacy=True)
    sandbox.join(jira, general)
    alert = sandbox.post(jira, general, attachments=[ALERT])
    sandbox._slack.workspace.message(general.id, alert.ts).bot = None
    agent.end("A loop.")
    sandbox.post(alice, general, f"{sandbox.mention} why?", thread_ts=alert.ts)
    sandbox.wait_for_reply(general, alert.ts, containing="A loop.")
    (root,) = agent.requests[0].history
    assert (root.author, root.text) == ("jira (another app)", "CPU high\n97 % on web-1")


def test_a_pasted_table_is_asked_about_and_is_a_question_by_itself(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    alice: User,
    general: Channel,
) -> None:
    rows = [[{"type": "raw_text", "text": text} for text in row] for row in ("ab", "12")]
    pasted = {"blocks": [{"type": "table", "rows": rows}], "fallback": "[no preview available]"}
    agent.end("3")
    question = sandbox.post(alice, general, f"{sandbox.mention} sum it up", attachments=[pasted])
    ended(sandbox, general, question, "white_check_mark")
    agent.end("4")
    follow_up = sandbox.post(alice, general, thread_ts=question.ts, attachments=[pasted])
    ended(sandbox, general, follow_up, "white_check_mark")
    agent.end("5")
    dm = sandbox.open_dm(alice)
    direct = sandbox.post(alice, dm, attachments=[pasted])
    ended(sandbox, dm, direct, "white_check_mark")
    read = "a | b\n1 | 2"
    assert [each.prompt for each in agent.requests] == [f"sum it up\n\n{read}", read, read]
    assert agent.requests[1].history[0].text == f"@tracebot sum it up\n\n{read}"
    (trace,) = finished(observability, dm, direct.ts)
    assert trace.text == read


@pytest.mark.parametrize("comment", ["", "what is this?"])
def test_a_message_forwarded_in_a_direct_message_is_answered(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    alice: User,
    general: Channel,
    comment: str,
) -> None:
    bob = sandbox.add_user("bob")
    sandbox.join(bob, general)
    log = ("app.log", "text/plain", b"Traceback")
    message = sandbox.post(bob, general, "it broke &amp; burnt", files=[log])
    dm = sandbox.open_dm(alice)
    agent.end("Oh.")
    forwarded = sandbox.forward(alice, message, dm, comment)
    sandbox.wait_for_reply(dm, forwarded.ts, containing="Oh.")
    (request,) = agent.requests
    assert request.prompt.startswith(comment or "[Forwarded message of bob, in #general")
    assert "> it broke & burnt\n> [file: app.log]" in request.prompt
    assert f"/archives/{general.id}/p{message.ts.replace('.', '')}" in request.prompt
    assert [request.name_of(path) for path in request.files] == ["app.log"]
    stored = str(finished(observability, dm, forwarded.ts)[0].text)
    assert stored.startswith(comment or "[Forwarded message of bob, in #general")
    assert "it broke" not in stored, "bob's words are stored as alice's"


def test_a_forwarded_message_continues_a_thread(
    sandbox: Sandbox, agent: Scripted, alice: User, general: Channel
) -> None:
    message = sandbox.post(alice, general, "it broke")
    agent.end("one")
    question, _ = answered(sandbox, alice, general, "hi")
    agent.end("two")
    sandbox.forward(alice, message, general, thread_ts=question.ts)
    sandbox.wait_for_reply(general, question.ts, containing="two")
    assert "> it broke" in agent.requests[1].prompt


def test_files_of_the_whole_thread_are_given_the_newest_first(
    sandbox: Sandbox, agent: Scripted, alice: User, general: Channel
) -> None:
    def text(name: str) -> tuple[str, str, bytes]:
        return (name, "text/plain", name.encode())

    root = sandbox.post(alice, general, "logs", files=[text("first.log"), text("second.log")])
    photo = ("photo.heic", "image/heic", b"\0heic")
    sandbox.post(alice, general, "", files=[photo], thread_ts=root.ts)
    sandbox.post(alice, general, "", files=[text("third.log")], thread_ts=root.ts)
    agent.end("They say so.")
    asked = f"{sandbox.mention} what do the logs say?"
    sandbox.post(alice, general, asked, files=[text("mine.log")], thread_ts=root.ts)
    sandbox.wait_for_reply(general, root.ts, containing="They say so.")
    (request,) = agent.requests
    names = [request.name_of(path) for path in request.files]
    assert names == ["mine.log", "third.log", "first.log", "second.log"]
    assert [path.name[0] for path in request.files] == ["F"] * 4
    assert request.prompt == (
        "what do the logs say?\n"
        "(photo.heic could not be read: files of type image/heic are not supported.)"
    )
    assert [each.text for each in request.history] == [
        "logs\n[file: first.log]\n[file: second.log]",
        "[file: photo.heic]",
        "[file: third.log]",
    ]


def test_files_beyond_the_limit_are_named(
    sandbox: Sandbox, start_bot: StartBot, alice: User, general: Channel
) -> None:
    agent = Scripted("claude")
    start_bot(roster_of(agent), max_files=1)
    root = sandbox.post(alice, general, "logs", files=[("old.log", "text/plain", b"old")])
    new = ("new.log", "text/plain", b"new")
    agent.end("ok")
    sandbox.post(alice, general, f"{sandbox.mention} so?", files=[new], thread_ts=root.ts)
    sandbox.wait_for_reply(general, root.ts, containing="ok")
    (request,) = agent.requests
    assert [request.name_of(path) for path in request.files] == ["new.log"]
    assert "(old.log could not be read: at most 1 files of a" in request.prompt


def test_an_agent_is_given_its_own_long_answer_whole(
    sandbox: Sandbox, agent: Scripted, alice: User, general: Channel
) -> None:
    answer = "\n\n".join(f"Paragraph {n}: a < b & c." for n in range(300))
    agent.end(answer)
    question, _ = answered(sandbox, alice, general, "tell me all")
    assert len(sandbox.thread(general, question.ts)[1].text) <= 4_000
    agent.end("You are welcome.")
    sandbox.post(alice, general, "thanks", thread_ts=question.ts)
    sandbox.wait_for_reply(general, question.ts, containing="welcome")
    assert [each.text for each in agent.requests[1].history][1:] == [answer]


@pytest.mark.parametrize("fence", ["```", "~~~~"])
def test_code_that_goes_on_in_the_next_part_of_an_answer_is_whole_in_the_history(
    fence: str, sandbox: Sandbox, agent: Scripted, alice: User, general: Channel
) -> None:
    code = "\n".join(f"    line_{n} = {n}" + "\n" * (n % 7 == 0) for n in range(2_000))
    answer = f"Here:\n\n{fence}python\n{code}\n{fence}\n\nand\n\n{fence}sh\nmake\n{fence}"
    agent.end(answer)
    question = sandbox.post(alice, general, f"{sandbox.mention} tell me all")
    assert len(ended(sandbox, general, question, "white_check_mark")) > 2
    agent.end("You are welcome.")
    sandbox.post(alice, general, "thanks", thread_ts=question.ts)
    sandbox.wait_for_reply(general, question.ts, containing="welcome")
    # Slack keeps the code, and not the signs that it stood between.
    told = answer.replace(fence, "```")
    assert [each.text for each in agent.requests[1].history][1:] == [told]


def test_of_a_long_thread_the_root_and_the_newest_are_given_and_the_gap_is_named(
    sandbox: Sandbox,
    observability: Observability,
    start_bot: StartBot,
    alice: User,
    general: Channel,
) -> None:
    agent = Scripted("claude")
    start_bot(roster_of(agent), history_characters=10_000)
    root = sandbox.post(alice, general, "The build of the shop fails.")
    for n in range(40):
        sandbox.post(alice, general, f"idle talk {n} " + "x" * 400, thread_ts=root.ts)
    agent.end("No idea.")
    question = sandbox.post(alice, general, f"{sandbox.mention} well?", thread_ts=root.ts)
    sandbox.wait_for_reply(general, root.ts, containing="No idea.")
    history = agent.requests[0].history
    assert history[0].text == "The build of the shop fails."
    assert history[1].author == ""
    assert "earlier messages are left out here: the conversation is longer than" in history[1].text
    assert history[-1].text.startswith("idle talk 39 ")
    assert sum(len(each.line) for each in history) <= 10_500
    left_out = 41 - (len(history) - 1)
    assert f"[{left_out} earlier" in history[1].text
    (trace,) = [
        each
        for each in finished(observability, general, root.ts, count=42)
        if each.message_ts == question.ts
    ]
    assert spans_of(observability, trace)["read conversation"].attributes["left_out"] == left_out


def test_an_agent_is_told_that_its_thread_cannot_be_read(
    sandbox: Sandbox, agent: Scripted, alice: User, general: Channel
) -> None:
    root = sandbox.post(alice, general, "the disk is full")
    sandbox.faults.error("conversations.replies", "missing_scope", times=10)
    agent.end("I cannot see it.")
    sandbox.post(alice, general, f"{sandbox.mention} why?", thread_ts=root.ts)
    sandbox.wait_for_reply(general, root.ts, containing="I cannot see it.")
    (request,) = agent.requests
    (gap,) = request.history
    assert "Slack did not show them" in gap.line


def test_previews_of_a_questions_links_change_nothing(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    alice: User,
    general: Channel,
) -> None:
    agent.end("a page")
    text = f"{sandbox.mention} see <https://e.example?a=1&amp;b=2>"
    question = sandbox.post(alice, general, text)
    ended(sandbox, general, question, "white_check_mark")
    for n in range(3):
        sandbox.unfurl(question, {"from_url": "https://e.example", "title": f"Example {n}"})
    agent.end("Yes.")
    sandbox.post(alice, general, "still?", thread_ts=question.ts)
    sandbox.wait_for_reply(general, question.ts, containing="Yes.")
    traces = finished(observability, general, question.ts, count=2)
    assert "see https://e.example?a=1&b=2" in [trace.text for trace in traces]
    assert not erasure_log(Path(observability.database.database)).exists()
    assert "Example" not in agent.requests[1].history[0].text


def test_an_edited_question_is_stored_as_it_is_read(
    sandbox: Sandbox,
    observability: Observability,
    agent: Scripted,
    alice: User,
    general: Channel,
) -> None:
    bob = sandbox.add_user("bob")
    agent.end("ok")
    question, _ = answered(sandbox, alice, general, "first")
    sandbox.edit(alice, question, f"{sandbox.mention} a &lt; b, {bob.mention}?")
    eventually(lambda: finished(observability, general, question.ts)[0].text == "a < b, @bob?")
