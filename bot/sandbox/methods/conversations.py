"""conversations.*: channels, their members and their messages."""

from collections.abc import Callable, Sequence

from bot.sandbox.backend.slack import Slack
from bot.sandbox.methods.method import HISTORY_SCOPES, READ_SCOPES, Method
from bot.sandbox.requests.arguments import Arguments
from bot.sandbox.requests.paging import page
from bot.sandbox.state.errors import Refusal
from bot.sandbox.state.values import Channel, ChannelKind, Json, Message

KINDS: dict[str, ChannelKind] = {
    "public_channel": "channel",
    "private_channel": "group",
    "im": "im",
    "mpim": "mpim",
}
"""The names of kinds of channels in the arguments of a call → those in events."""


def _between(arguments: Arguments) -> Callable[[Message], bool]:
    """Return whether a message is within `oldest` and `latest`, ends excluded by default."""
    oldest, latest = arguments.text("oldest") or "0", arguments.text("latest")
    inclusive = arguments.flag("inclusive")
    try:
        low, high = float(oldest), float(latest) if latest else float("inf")
    except ValueError as failure:
        raise Refusal("invalid_ts_oldest") from failure

    def within(message: Message) -> bool:
        ts = float(message.ts)
        return low <= ts <= high if inclusive else low < ts < high

    return within


def _messages(
    slack: Slack,
    arguments: Arguments,
    found: list[Message],
    limit: int,
    *,
    first: Sequence[Message] = (),
) -> Json:
    """Return one page of what was found, below the messages that are *first* on every page."""
    shown, cursor = page(found, cursor=arguments.text("cursor"), limit=limit)
    metadata = arguments.flag("include_all_metadata")
    return {
        "messages": [slack.workspace.shown(each, metadata=metadata) for each in (*first, *shown)],
        "has_more": bool(cursor),
        "response_metadata": {"next_cursor": cursor},
    }


def history(slack: Slack, arguments: Arguments) -> Json:
    """Return a channel's messages, newest first, without the replies in threads."""
    channel = slack.workspace.joined_channel(arguments.text("channel"))
    slack.need_kind_scope(channel.kind, "history")
    within = _between(arguments)
    roots = [
        each
        for each in reversed(slack.workspace.messages[channel.id])
        if (each.thread_ts is None or each.broadcast) and within(each)
    ]
    answer = _messages(slack, arguments, roots, arguments.number("limit", 100, most=999))
    return answer | {"pin_count": 0}


def replies(slack: Slack, arguments: Arguments) -> Json:
    """Return replies, oldest first, below their parent.

    The parent comes with every page, also if `oldest` is later. `ts` may be that of a reply.
    """
    channel = slack.workspace.joined_channel(arguments.text("channel"))
    slack.need_kind_scope(channel.kind, "history")
    ts = arguments.need("ts")
    found = slack.workspace.find(channel.id, ts)
    if found is None:
        raise Refusal("thread_not_found")
    parent = slack.workspace.parent(found) or found
    within = _between(arguments)
    thread = [each for each in slack.workspace.replies(channel.id, parent.ts) if within(each)]
    # The parent counts, but a page without a reply would never come to an end.
    limit = max(1, arguments.number("limit", 1000, most=1000) - 1)
    return _messages(slack, arguments, thread, limit, first=[parent])


def info(slack: Slack, arguments: Arguments) -> Json:
    channel = slack.workspace.visible_channel(arguments.text("channel"))
    slack.need_kind_scope(channel.kind, "read")
    return {"channel": channel.as_slack(bot=slack.workspace.bot.id)}


def members(slack: Slack, arguments: Arguments) -> Json:
    channel = slack.workspace.visible_channel(arguments.text("channel"))
    slack.need_kind_scope(channel.kind, "read")
    limit = arguments.number("limit", 100, most=1000)
    shown, cursor = page(channel.members, cursor=arguments.text("cursor"), limit=limit)
    return {"members": shown, "response_metadata": {"next_cursor": cursor}}


def _wanted(slack: Slack, arguments: Arguments) -> list[Channel]:
    """Return the channels of the wanted types that the bot can see."""
    wanted = (arguments.text("types") or "public_channel").split(",")
    if not set(wanted) <= set(KINDS):
        raise Refusal("invalid_types")
    for each in wanted:
        slack.need_kind_scope(KINDS[each], "read")
    kinds, bot = {KINDS[each] for each in wanted}, slack.workspace.bot.id
    return [
        channel
        for channel in slack.workspace.channels.values()
        if channel.kind in kinds and (not channel.is_private or bot in channel.members)
    ]


def list_(slack: Slack, arguments: Arguments) -> Json:
    """Return the public channels, and the private conversations that the bot is in."""
    bot = slack.workspace.bot.id
    limit = arguments.number("limit", 100, most=999)
    shown, cursor = page(_wanted(slack, arguments), cursor=arguments.text("cursor"), limit=limit)
    channels = [each.as_slack(bot=bot) for each in shown]
    return {"channels": channels, "response_metadata": {"next_cursor": cursor}}


def of_user(slack: Slack, arguments: Arguments) -> Json:
    """Return the conversations of a user, or of the bot itself, that the bot can see.

    Those are public channels, and the private conversations that the bot shares with the user.
    """
    bot = slack.workspace.bot.id
    user = arguments.text("user") or bot
    if user not in slack.workspace.users:
        raise Refusal("user_not_found")
    found = [
        channel
        for channel in _wanted(slack, arguments)
        if user in channel.members
        and not (channel.is_archived and arguments.flag("exclude_archived"))
    ]
    limit = arguments.number("limit", 100, most=999)
    shown, cursor = page(found, cursor=arguments.text("cursor"), limit=limit)
    channels = [each.as_slack(bot=bot) for each in shown]
    for each in channels:  # Slack leaves these out here.
        each.pop("is_member", None)
        each.pop("num_members", None)
    return {"channels": channels, "response_metadata": {"next_cursor": cursor}}


def open_(slack: Slack, arguments: Arguments) -> Json:
    """Open the direct message, or the group message, of the bot and these users."""
    users = [each for each in (arguments.text("users") or "").split(",") if each]
    if not users:
        raise Refusal("users_list_not_supplied")
    if not set(users) <= set(slack.workspace.users):
        raise Refusal("user_not_found")
    slack.need_scope("im:write" if len(users) == 1 else "mpim:write")
    channel = slack.workspace.direct([slack.workspace.bot.id, *users])
    full = arguments.flag("return_im")
    shape = channel.as_slack(bot=slack.workspace.bot.id)
    return {"channel": shape if full else {"id": channel.id}}


def join(slack: Slack, arguments: Arguments) -> Json:
    channel = slack.workspace.visible_channel(arguments.text("channel"))
    if channel.kind != "channel":
        raise Refusal("method_not_supported_for_channel_type")
    slack.activity.join(channel, slack.workspace.bot.id)
    return {"channel": channel.as_slack(bot=slack.workspace.bot.id)}


METHODS = {
    "conversations.history": Method(history, scopes=HISTORY_SCOPES),
    "conversations.info": Method(info, scopes=READ_SCOPES),
    "conversations.join": Method(join, scopes=("channels:join",)),
    "conversations.list": Method(list_, scopes=READ_SCOPES),
    "conversations.members": Method(members, scopes=READ_SCOPES),
    "conversations.open": Method(open_, scopes=("im:write", "mpim:write")),
    "conversations.replies": Method(replies, scopes=HISTORY_SCOPES),
    "users.conversations": Method(of_user, scopes=READ_SCOPES),
}
