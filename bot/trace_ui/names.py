"""Turn names of channels and users in filters into ids, and ids in statistics into names."""

import re
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace

from bot.access import Sight
from bot.slack.conversation.names import Names, plain_name
from bot.slack.directory import Directory, folded
from bot.slack.errors import SLACK_ERRORS
from bot.trace_ui.requester import Requester
from reports.errors import UsageError
from storage.model.filters import Filters

CHANNEL_ID = re.compile(r"[CDG][A-Z0-9]{2,}")
USER_ID = re.compile(r"[UW][A-Z0-9]{2,}")

MOST_NAMES = 30
"""How many keys are named: each may cost a call to Slack."""


DIRECT = "direct messages"
"""The name of the channel that the bot and one person have."""


def resolve(args: Namespace, requester: Requester, sight: Sight, directory: Directory) -> None:
    """Replace names in a list's filters with ids. Raises `UsageError`, `SLACK_ERRORS`.

    Somebody who may see nothing is told nothing of names either.
    """
    if not sight.audiences or not hasattr(args, "filters"):
        return
    filters = _with_whole_name(args, directory)

    def id_of(kind: str, name: str) -> str:
        return resolve_key(kind, name, requester, sight, directory)

    args.filters = replace(
        filters,
        channel=filters.channel and id_of("channel", filters.channel),
        user=filters.user and id_of("user", filters.user),
        without=tuple((kind, id_of(kind, name)) for kind, name in filters.without),
    )


def _with_whole_name(args: Namespace, directory: Directory) -> Filters:
    """Return the filters; a name of two words without quotes, `user:@Ann Lee`, is a whole one."""
    filters: Filters = args.filters
    words = getattr(args, "words", None)
    if not filters.user or not words or USER_ID.fullmatch(filters.user):
        return filters
    whole = f"{filters.user} {words[0]}"
    if not directory.users_named(whole):
        return filters
    args.words = words[1:]
    return replace(filters, user=whole)


def resolve_key(
    kind: str, name: str, requester: Requester, sight: Sight, directory: Directory
) -> str:
    """Return the id of a channel's or a user's name; other names are returned as they are.

    Raises `UsageError` and `SLACK_ERRORS`.
    """
    if kind == "channel" and not CHANNEL_ID.fullmatch(name):
        return _channel_named(name, sight, directory)
    if kind == "user" and not USER_ID.fullmatch(name):
        return requester.user if name.casefold() == "me" else user_named(name, directory)
    return name


def _channel_named(name: str, sight: Sight, directory: Directory) -> str:
    for channel, facts in directory.own_channels().items():
        # A private channel has no name for those who are not in it.
        if folded(str(facts.get("name"))) == folded(name) and sight.may_see_in(channel):
            return channel
    raise UsageError(
        f"I am in no channel #{name} that you can see. Choose it from the list that Slack shows "
        "while you type #, or give its id, which is at the end of its About."
    )


def user_named(name: str, directory: Directory) -> str:
    """Return the id of the one user of that name. Raises `UsageError` and `SLACK_ERRORS`."""
    found = directory.users_named(name)
    if len(found) == 1:
        return next(iter(found))
    problem = "is the name of several people" if found else "is not the name of anybody"
    raise UsageError(
        f"@{name} {problem} in this workspace. Choose a name from the list that Slack shows while "
        "you type @, or give the member ID, which is in their profile (⋮ → Copy member ID)."
    )


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
            return _channel_name(key, directory, sight)
        name = names.user(key)
        return key if name == key else f"@{name}"

    return name_of


def _channel_name(channel: str, directory: Directory, sight: Sight) -> str:
    try:
        # The bot's own channels were listed to know what may be seen: 30 calls fewer.
        facts = directory.own_channels().get(channel) or directory.channel(channel)
        # A private channel has no name for those who are not in it.
        if not sight.may_see_in(channel):
            return channel
        if facts.get("is_im"):
            return DIRECT  # The only ones that somebody sees are their own.
        name = plain_name(facts.get("name"))
        return f"#{name}" if name else channel
    except SLACK_ERRORS:
        return channel
