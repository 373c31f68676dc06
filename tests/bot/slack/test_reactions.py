"""The reaction that shows how far a message is."""

from concurrent.futures import ThreadPoolExecutor

from slack_sdk import WebClient

from bot.sandbox import Channel, Sandbox, User
from bot.slack.reactions import DONE, READ, Reactions, StatusReaction
from bot.slack.types import IncomingMessage
from storage import Observability


def test_a_message_shows_one_state_at_a_time_and_never_goes_back_to_waiting(
    web: WebClient, observability: Observability, sandbox: Sandbox, alice: User, general: Channel
) -> None:
    asked = sandbox.post(alice, general, f"{sandbox.mention} hello")
    message = IncomingMessage(
        team=sandbox.team_id,
        channel=general.id,
        channel_type="channel",
        ts=asked.ts,
        thread_ts=None,
        user=alice.id,
        text=asked.text,
    )
    with ThreadPoolExecutor(1) as executor:
        status = StatusReaction(
            Reactions(web, observability), message, executor, on_doubt=lambda: None
        )

        def shown() -> set[str]:
            return set(sandbox.reactions(general, asked.ts))

        status.show_waiting()
        assert shown() == {"hourglass_flowing_sand"}
        status.show(READ)
        assert shown() == {READ}
        status.show_waiting()  # It was sent on its way before the turn began, and comes too late.
        assert shown() == {READ}
        status.show(DONE)
        assert shown() == {DONE}
        status.show(None)
        assert shown() == set()
