"""Answer `/trace forget`: erase what somebody wrote, once they have confirmed it.

Everyone may erase their own text, guests too; admins and owners of the workspace may erase
anybody's.
"""

import time
from argparse import Namespace

from bot.slack.directory import Directory
from bot.trace_ui.admins import is_admin
from bot.trace_ui.names import USER_ID, user_named
from bot.trace_ui.requester import Requester
from bot.turns.eraser import forget
from reports.errors import UsageError
from reports.views.erasure import ConfirmView, forget_question, forgotten
from reports.views.messages import MessageView
from storage import Observability
from storage.model.erasure import Erasure
from storage.upkeep.erasure import plan


class Forget:
    """Ask for a confirmation, and erase. The rights are checked both times."""

    def __init__(self, directory: Directory, observability: Observability) -> None:
        self._directory = directory
        self._observability = observability

    def ask(self, args: Namespace, requester: Requester) -> ConfirmView:
        """Say what would be erased. Raises `UsageError` and `SLACK_ERRORS`."""
        user = self._permitted(args.person or requester.user, requester)
        planned = plan(self._observability.database, _erasure(user, requester))
        return forget_question(planned, user=user, own=user == requester.user)

    def confirmed(self, value: str, requester: Requester) -> MessageView:
        """Erase what the user whose id is `value` wrote. Raises like `ask`."""
        user = self._permitted(value, requester)
        done = forget(self._observability, _erasure(user, requester))
        return forgotten(
            done.erased,
            user=user,
            spools=done.spools,
            log_emptied=done.log_emptied,
            set_aside=done.set_aside,
            backups=done.backups,
            litestream=done.litestream,
        )

    def _permitted(self, person: str, requester: Requester) -> str:
        """Return the id of the person, if the requester may erase their text."""
        if person == requester.user:
            return person
        if not is_admin(self._directory, requester):
            raise UsageError(
                "You may erase your own text: /trace forget. Only admins and owners of this "
                "workspace may erase that of others."
            )
        return (
            person if USER_ID.fullmatch(person) else user_named(person.lstrip("@"), self._directory)
        )


def _erasure(user: str, requester: Requester) -> Erasure:
    return Erasure(at=time.time_ns(), by=requester.user, team=requester.team, user=user)
