"""Tell full members of a workspace from guests and from people of other organisations."""

from enum import Enum

from bot.slack.directory import Facts


class Standing(Enum):
    """The standing of a user in the workspace where the bot is installed."""

    MEMBER = "member"
    """A full member."""
    GUEST = "guest"
    """A guest, of one channel or of several."""
    STRANGER = "stranger"
    """A person of another organisation, who is here through Slack Connect."""
    BOT = "bot"
    UNKNOWN = "unknown"
    """Slack did not tell, or the account was deactivated."""


def standing_of(team: str, facts: Facts) -> Standing:
    """Return the standing in the workspace `team` of the user with these facts."""
    # In Enterprise Grid `team_id` is the organisation or the user's first workspace, and
    # `enterprise_user` lists all of them.
    teams = {facts.get("team_id"), *((facts.get("enterprise_user") or {}).get("teams") or ())}
    if facts.get("deleted") or not any(teams):
        return Standing.UNKNOWN
    if facts.get("is_stranger") or team not in teams:
        return Standing.STRANGER
    if facts.get("is_restricted") or facts.get("is_ultra_restricted"):
        return Standing.GUEST
    return Standing.BOT if facts.get("is_bot") else Standing.MEMBER
