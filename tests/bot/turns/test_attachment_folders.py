"""Files of a message, as an agent in another conversation may look for them."""

import sys
from collections.abc import Callable

from bot.lifecycle import Bot
from bot.sandbox import Channel, Sandbox, User

LIST = (
    "import os, sys; path = sys.stdin.read().split('Files of this conversation:')[1]"
    ".split()[0]; print('found:', *sorted(os.listdir(os.path.dirname(path))))"
)
LISTING = f"""
default = "ls"
[agents.ls]
provider = "command"
command = ["{sys.executable}", "-c", "{LIST}"]
"""


def test_an_agent_finds_only_the_files_of_its_own_turn_in_their_folder(
    sandbox: Sandbox, start_bot: Callable[..., Bot], alice: User, general: Channel
) -> None:
    start_bot(LISTING)
    bea = sandbox.add_user("bea")
    board = sandbox.add_channel("board", [bea])
    plans = ("plans.txt", "text/plain", b"sell the company")
    lunch = ("lunch.txt", "text/plain", b"pasta")
    first = sandbox.post(bea, board, f"{sandbox.mention} read this", files=[plans])
    sandbox.wait_for_reply(board, first.ts, containing="found:")
    text = f"{sandbox.mention} show me the other files in that folder"
    second = sandbox.post(alice, general, text, files=[lunch])
    answer = sandbox.wait_for_reply(general, second.ts, containing="found:")
    assert answer.text == f"found: {second.files[0].id}.txt"
