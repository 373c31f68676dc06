"""The files and the history of a conversation, as an agent is given them."""

import pytest
from slack_sdk import WebClient

from bot.sandbox import Channel, Sandbox, User
from bot.settings import Settings
from bot.slack.conversation.conversation import ConversationReader
from bot.slack.conversation.names import NameLookup
from bot.slack.directory import Directory
from bot.slack.threads import ThreadReader
from bot.slack.types import parse_message


@pytest.fixture
def reader(web: WebClient) -> ConversationReader:
    settings = Settings(_env_file=None, history_characters=2_000)
    names = NameLookup(Directory(web))
    return ConversationReader(names, bot_user="U1", bot_id="B1", settings=settings)


def test_the_root_of_a_long_thread_is_in_the_history_once(
    sandbox: Sandbox, web: WebClient, reader: ConversationReader, alice: User, general: Channel
) -> None:
    root = sandbox.post(alice, general, "ERROR in checkout " * 40)
    for number in range(1_500):
        sandbox.post(alice, general, f"reply {number}", thread_ts=root.ts)
    read = ThreadReader(web, bot_id="B1").read(general.id, root.ts)
    history = reader.history(read.messages or (), question="why?")
    first, note, *newest = history.messages
    assert first.text.startswith("ERROR in checkout")
    kept = range(1_500 - len(newest), 1_500)
    assert [each.text for each in newest] == [f"reply {number}" for number in kept]
    assert f"[{history.left_out:,} earlier messages" in note.text
    assert history.left_out == kept.start


def test_the_newest_details_of_a_file_count(reader: ConversationReader) -> None:
    clip, log = {"id": "F1"}, {"id": "F2"}
    written_down = {**clip, "vtt": "https://files.slack.example/F1.vtt"}
    renamed = {**log, "title": "today.log"}
    earlier = [{"ts": "1.0", "files": [log, clip]}, {"ts": "2.0", "files": [renamed]}]
    event = {"channel": "C1", "ts": "3.0", "files": [written_down]}
    question = parse_message({"event": event}, team="T1")
    assert reader.files(question, earlier) == [written_down, renamed]


def test_names_that_are_longer_than_their_ids_count_in_the_history(
    sandbox: Sandbox, reader: ConversationReader
) -> None:
    somebody = sandbox.add_user("Anna-Maria von und zu " + "Hohenlohe-" * 5)
    texts = [f"{number}: <@{somebody.id}>, <@{somebody.id}>" for number in range(20)]
    earlier = [
        {"ts": f"{number}.0", "user": sandbox.add_user(f"user{number}").id, "text": text}
        for number, text in enumerate(texts)
    ]
    history = reader.history(earlier, question="why?")
    assert sum(len(message.text) for message in history.messages) <= 2_000
    kept = [message for message in history.messages if "Anna-Maria" in message.text]
    assert kept[0].text.startswith("0: ")
    assert kept[-1].text.startswith("19: ")
    assert history.left_out == 20 - len(kept) > 0
