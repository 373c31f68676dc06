"""The person who types a command or presses a button."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Requester:
    """The person who asks, and the channel they ask in; it is empty on the Home tab.

    `thread_ts` is the thread of the message whose button was pressed.
    """

    team: str
    user: str
    channel: str
    thread_ts: str | None = None
