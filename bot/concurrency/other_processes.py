"""Judge which other processes of the bot are gone, so that their work is taken over."""

import time
from collections.abc import Callable

from storage.coordination import heartbeats
from storage.coordination.take_over import Owner, other_owners, take_over
from storage.database.base import Database


class OtherProcesses:
    """The other processes of the bot in the workspace `team` that have work.

    One that runs no more on this host is gone at once. Any other one is, if no new heartbeat of it
    is seen for `heartbeats.GONE_S`, by the clock of whoever looks: no two clocks are compared.
    """

    def __init__(
        self,
        database: Database,
        *,
        team: str,
        process: str,
        confirm: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the name of this process; `confirm` returns if it is known to be there itself."""
        self._database = database
        self._team = team
        self._process = process
        self._confirm = confirm
        self._clock = clock
        self._seen_since: dict[Owner, float] = {}
        """Since when the last heartbeat of each one is what it is now."""

    def take_over(self) -> bool:
        """Take over from those that are gone; return if there was anything.

        Raises `PeeweeException`.
        """
        # While this process had no heartbeats, the others perhaps could not have any either: the
        # database was away, or the machine was suspended. They get time for one.
        if not self._confirm():
            self.forget()
        owners = other_owners(self._database, team=self._team, process=self._process)
        now, before = self._clock(), self._seen_since
        self._seen_since = {owner: before.get(owner, now) for owner in owners}
        gone = [
            owner
            for owner, since in self._seen_since.items()
            if owner.has_ended(self._database) or now - since >= heartbeats.GONE_S
        ]
        taken = [
            take_over(self._database, owner, team=self._team, process=self._process)
            for owner in gone
        ]
        return any(taken)

    def forget(self) -> None:
        """Wait for the next heartbeat of each process as if they were seen for the first time."""
        self._seen_since = {}
