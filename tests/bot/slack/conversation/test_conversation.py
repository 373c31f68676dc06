"""The files of a conversation, in the order in which an agent is given them."""

from slack_sdk import WebClient

from bot.settings import Settings
from bot.slack.conversation.conversation import ConversationReader
from bot.slack.conversation.names import NameLookup
from bot.slack.directory import Directory
from bot.slack.types import parse_message


def test_the_newest_details_of_a_file_count() -> None:
    reader = ConversationReader(
        NameLookup(Directory(WebClient())),
        bot_user="U1",
        bot_id="B1",
        settings=Settings(_env_file=None),
    )
    clip, log = {"id": "F1"}, {"id": "F2"}
    written_down = {**clip, "vtt": "https://files.slack.example/F1.vtt"}
    renamed = {**log, "title": "today.log"}
    earlier = [{"ts": "1.0", "files": [log, clip]}, {"ts": "2.0", "files": [renamed]}]
    event = {"channel": "C1", "ts": "3.0", "files": [written_down]}
    question = parse_message({"event": event}, team="T1")
    assert reader.files(question, earlier) == [written_down, renamed]
