"""Three bots share a database, and one is killed every 20 seconds: each question is answered once.

`TRACEBOT_SOAK_MINUTES` says for how long people ask, 5 by default. The turn that a kill interrupts
is not answered: its thread is told so. In HTTP mode a balancer stands in front of the bots.
"""

import json
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.jobs.alerts import ALERT_EVENT
from bot.jobs.digests import DIGEST_EVENT
from bot.sandbox import Channel, Message, Sandbox, User
from bot.sandbox.state.workspace import TEAM
from bot.slack.threads import REPLY_EVENT
from storage.coordination.alert_rules import AlertRule, add_rule
from storage.coordination.digest_subscriptions import Subscription, subscribe
from storage.database.connect import locate
from storage.queries.lookups import message_traces
from storage.queries.scores import scores_by_trace
from storage.recovery.opening import open_database
from tests.support.balancer import Balancer
from tests.support.paths import MANIFEST
from tests.support.reader import Reader
from tests.support.workspace.bot_process import BotProcess
from tests.support.workspace.findings import words
from tests.support.workspace.rounds import QUICK_RETRIES

MINUTES = float(os.environ.get("TRACEBOT_SOAK_MINUTES", "5"))
REPLICAS = 3
THREADS = 6
KILL_EVERY_S = 20.0
ASK_EVERY_S = 0.8
LOST_ACKS = 10
"""The answer of a bot to one event of so many is lost, so that Slack sends it again."""

SETTLING_S = 300.0
"""Longer than a lease, than the repair that runs each minute, and than an alert has to hold."""


@dataclass(frozen=True, slots=True)
class Question:
    message: Message
    root: str
    key: str

    def is_answered_by(self, reply: Message) -> bool:
        return f"{self.key}-alpha-0000" in words(reply)


@pytest.mark.parametrize("http", [False, True], ids=["Socket Mode", "HTTP mode"])
def test_each_question_is_answered_once_and_in_order(
    http: bool, any_url: str, tmp_path: Path
) -> None:
    open_database(any_url).close()
    balancer = Balancer()
    with Sandbox.start(MANIFEST) as sandbox, balancer.serving():
        sandbox.retry_waits = QUICK_RETRIES
        bots = []
        for number in range(REPLICAS):
            folder = tmp_path / f"replica-{number}"
            folder.mkdir()
            through = balancer if http else None
            bots.append(BotProcess(sandbox, folder, http=http, database=any_url, balancer=through))
        try:
            for bot in bots:
                bot.start()
            told = order_digest_and_alert(sandbox, any_url)
            alice = sandbox.add_user("alice")
            channel = sandbox.add_channel("general", [alice])
            reader = Reader(sandbox, alice, channel)
            with killing(bots) as kills, reader.at_work():
                questions = list(ask(sandbox, alice, channel))
            wait_until_settled(sandbox, questions, told, any_url)
            assert [bot.stop() for bot in bots] == [0] * REPLICAS
        finally:
            for bot in bots:
                bot.close()
        traces = traces_of(any_url, questions)
        wrong = [*lost_or_double(sandbox, questions, traces), *out_of_order(sandbox, questions)]
        wrong += missed_or_repeated(sandbox.messages(told))
        wrong += reader.failures(kills, rated(any_url, reader.rated))
        seen = Counter(told_how(sandbox, each, traces) for each in questions)
    wrong += [f"{bot.log}: an error" for bot in bots if "Traceback" in bot.log.read_text()]
    figures = {"minutes": MINUTES, "kills": len(kills), "questions": len(questions), **seen}
    figures |= {**reader.done, **balancer.seen}
    sys.stdout.write(json.dumps({**figures, "wrong": len(wrong)}, indent=1) + "\n")
    assert not wrong, "\n".join(wrong)
    assert seen["interrupted"] <= len(kills) * THREADS


def order_digest_and_alert(sandbox: Sandbox, url: str) -> Channel:
    """Order a digest that is due in a minute, and an alert on the questions."""
    user = sandbox.add_user("bob")
    channel = sandbox.add_channel("jobs", [user])
    due = datetime.now(UTC) + timedelta(minutes=1)
    rule = AlertRule(
        id="busy",
        team=TEAM,
        channel=channel.id,
        condition="count>5 over:1h",
        created_by=user.id,
        created_at=time.time_ns(),
    )
    with closing(open_database(url)) as database:
        subscribe(database, Subscription(TEAM, channel.id, f"{due:%H:%M}", "UTC", user.id))
        add_rule(database, rule, test=False)
    return channel


def told_by_jobs(messages: Sequence[Message]) -> Counter[str]:
    """Return how many messages of each kind there are."""
    return Counter(each.metadata["event_type"] for each in messages if each.metadata)


def missed_or_repeated(messages: Sequence[Message]) -> Iterator[str]:
    kinds = told_by_jobs(messages)
    for kind in (DIGEST_EVENT, ALERT_EVENT):
        if kinds[kind] != 1:
            yield f"{kinds[kind]} messages of {kind}"


@contextmanager
def killing(bots: Sequence[BotProcess]) -> Iterator[list[float]]:
    """Kill one bot after the other within the block, and start it again. Yields when."""
    killed: list[float] = []
    ended = threading.Event()

    def kill_in_turn() -> None:
        while not ended.wait(KILL_EVERY_S):
            bot = bots[len(killed) % len(bots)]
            bot.kill()
            killed.append(time.time())
            bot.start()

    thread = threading.Thread(target=kill_in_turn)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def ask(sandbox: Sandbox, user: User, channel: Channel) -> Iterator[Question]:
    """Ask in a few threads at the same time, often before the last question is answered."""
    chance = random.Random(7)
    roots: list[str] = []
    until, number = time.monotonic() + MINUTES * 60, 0
    while time.monotonic() < until:
        number += 1
        key, kind = f"q{number}", chance.choice(("short", "stream"))
        root = roots[number % THREADS] if len(roots) == THREADS else None
        text = f"{sandbox.mention} please [{key} {kind}]"
        if number % LOST_ACKS == 0:
            sandbox.faults.lose_ack()
        message = sandbox.post(user, channel, text, thread_ts=root)
        if root is None:
            roots.append(message.ts)
        yield Question(message, root or message.ts, key)
        time.sleep(chance.expovariate(1 / ASK_EVERY_S))


def replies_to(sandbox: Sandbox, question: Question) -> list[Message]:
    thread = sandbox.thread(question.message.channel, question.root)
    return [each for each in thread if each.user == sandbox.bot_user_id]


def traces_of(url: str, questions: Sequence[Question]) -> Mapping[str, set[str]]:
    """Return the traces of each question."""
    with closing(locate(url)) as database:
        return {
            each.key: {
                trace.trace_id
                for trace in message_traces(
                    database, channel=each.message.channel, message_ts=each.message.ts
                )
            }
            for each in questions
        }


def rated(url: str, traces: Sequence[str]) -> set[str]:
    """Return those of the traces that have one rating."""
    with closing(locate(url)) as database:
        return {key for key, found in scores_by_trace(database, traces).items() if len(found) == 1}


def told_how(sandbox: Sandbox, question: Question, traces: Mapping[str, set[str]]) -> str:
    replies = replies_to(sandbox, question)
    if any(question.is_answered_by(each) for each in replies):
        return "answered"
    for each in replies:
        payload = (each.metadata or {}).get("event_payload", {})
        if payload.get("trace_id") in traces[question.key]:
            return "interrupted"
    return "nothing"


def lost_or_double(
    sandbox: Sandbox, questions: Sequence[Question], traces: Mapping[str, set[str]]
) -> Iterator[str]:
    for each in questions:
        if told_how(sandbox, each, traces) == "nothing":
            yield f"nothing was said about {each.key} in {each.root}, traces {traces[each.key]}"
        answers = [reply for reply in replies_to(sandbox, each) if each.is_answered_by(reply)]
        if len(answers) > 1:
            yield f"{len(answers)} answers to {each.key} in {each.root}"
        owners = [
            reply
            for reply in replies_to(sandbox, each)
            if reply.metadata
            and reply.metadata["event_type"] == REPLY_EVENT
            and reply.metadata["event_payload"]["trace_id"] in traces[each.key]
        ]
        if len(owners) > 1:
            yield f"{len(owners)} replies to {each.key} in {each.root}"


def out_of_order(sandbox: Sandbox, questions: Sequence[Question]) -> Iterator[str]:
    """Compare the order of answers in each thread with that of the questions."""
    for root in {each.root for each in questions}:
        asked = [each for each in questions if each.root == root]
        answered = [
            question.key
            for reply in replies_to(sandbox, asked[0])
            for question in asked
            if question.is_answered_by(reply)
        ]
        if answered != [each.key for each in asked if each.key in set(answered)]:
            yield f"in {root} the order is {answered}"


def wait_until_settled(
    sandbox: Sandbox, questions: Sequence[Question], told: Channel, url: str
) -> None:
    deadline = time.monotonic() + SETTLING_S
    while time.monotonic() < deadline:
        traces = traces_of(url, questions)
        answered = all(told_how(sandbox, each, traces) != "nothing" for each in questions)
        if answered and len(told_by_jobs(sandbox.messages(told))) == 2:
            break
        time.sleep(1.0)
    time.sleep(5.0)  # A second answer would come now.
