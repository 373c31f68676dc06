"""Post a message once for all processes that share a database, even if one of them dies."""

from collections.abc import Callable

from reports.views.views import View
from storage.coordination.leases import acquire_lease, complete_lease
from storage.coordination.process_identity import this_process
from storage.database.base import Database

LEASE_NS = 600 * 1_000_000_000
"""After this time another process may take over a message that one began and did not complete."""


class Poster:
    """Post views, each under a key.

    `post(channel, view, key)` posts a message, and `posted(channel, key)` tells if it is there.
    """

    def __init__(
        self,
        database: Database,
        *,
        post: Callable[[str, View, str], None],
        posted: Callable[[str, str], bool],
    ) -> None:
        self._database = database
        self._post = post
        self._posted = posted

    def post_once(
        self, key: str, place: Callable[[], str], view: Callable[[], View | None], *, now: int
    ) -> bool:
        """Post a message unless another process does or did. Return whether this one posted it.

        It is asked each minute, so *place*, which returns the channel, and *view* are called only
        if nobody has done it. If there is no view, it is done without a message.
        """
        if not acquire_lease(self._database, key, owner=this_process(), now=now, lease_ns=LEASE_NS):
            return False
        # An earlier holder of the lease may have died after posting and before completing it.
        # Looking for its message makes two posts impossible; completing first could make none.
        channel = place()
        fresh = not self._posted(channel, key)
        shown = view() if fresh else None
        if shown is not None:
            self._post(channel, shown, key)
        complete_lease(self._database, key, now=now)
        return shown is not None
