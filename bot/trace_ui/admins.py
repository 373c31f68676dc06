"""Tell admins and owners of the workspace from its other members."""

from bot.slack.directory import Directory, Standing, standing_of
from bot.trace_ui.requester import Requester

ADMIN = ("is_admin", "is_owner", "is_primary_owner")


def is_admin(directory: Directory, requester: Requester) -> bool:
    """Return whether the requester is an admin or an owner. Raises `SLACK_ERRORS`."""
    facts = directory.user(requester.user)
    member = standing_of(requester.team, facts) is Standing.MEMBER
    return member and any(facts.get(name) for name in ADMIN)
