"""The person who types a command or presses a button."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Requester:
    """The person who asks, and the channel they ask in; it is empty on the Home tab."""

    team: str
    user: str
    channel: str
