"""Name the users and channels that statistics count by, for one reader in Slack."""

from collections.abc import Callable

from bot.access import Sight
from bot.slack.conversation.names import Names, plain_name
from bot.slack.directory import Directory
from bot.slack.errors import SLACK_ERRORS

MOST_NAMES = 30
"""How many keys are named: each may cost a call to Slack."""


def key_names(names: Names, directory: Directory, sight: Sight) -> Callable[[str, str], str]:
    """Return a function that names a key in a dimension; without a name it is the key.

    Only the first keys, which are the ones that are shown, are looked up.
    """
    looked_up: set[str] = set()

    def name_of(by: str, key: str) -> str:
        if by not in ("user", "channel") or len(looked_up) == MOST_NAMES:
            return key
        looked_up.add(key)
        if by == "channel":
            return _channel(key, directory, sight)
        name = names.user(key)
        return key if name == key else f"@{name}"

    return name_of


def _channel(channel: str, directory: Directory, sight: Sight) -> str:
    try:
        # A private channel has no name for those who are not in it.
        name = plain_name(directory.channel(channel).get("name"))
        return f"#{name}" if name and sight.may_see_in(channel) else channel
    except SLACK_ERRORS:
        return channel
