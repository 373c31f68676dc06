"""Reserve what running turns will probably cost, so that many at once do not pass a limit.

What an agent spends while it works comes off its reservation in the transaction that stores it, and
the rest ends in the one that stores the end of its turn: at no moment both are counted, or neither.
That of a process that is gone ends with it.
"""

from collections import Counter
from dataclasses import dataclass

from storage.coordination.budgets import Spender
from storage.coordination.heartbeats import dead_processes
from storage.database.base import Database
from storage.database.models import ReservationRow

LONGEST_NS = 24 * 3_600 * 1_000_000_000
"""A reservation ends after this time: its trace may have been lost."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """An amount in micro-dollars that is reserved for what *spender* does."""

    spender: Spender
    amount: int


def reserve(
    database: Database, reservation: Reservation, *, trace_id: str, process: str, now: int
) -> None:
    """Store a reservation of an agent in a trace, in the caller's transaction."""
    spender = reservation.spender
    ReservationRow.insert(
        trace_id=trace_id,
        agent=spender.agent,
        team=spender.team,
        channel=spender.channel,
        user=spender.user,
        amount=reservation.amount,
        process=process,
        reserved_at=now,
    ).on_conflict_ignore().execute(database)


def reservations(database: Database, *, now: int) -> tuple[Reservation, ...]:
    """Return the reservations of turns that still run."""
    rows = _running(database)
    dead = dead_processes(database, {row[-2] for row in rows})
    agents = Counter(row[0] for row in rows)
    return tuple(
        Reservation(
            Spender(team=team, agent=agent, channel=channel, user=user),
            # Of several agents it is not known whose cost it is: rather too much than too little.
            max(amount - cost, 0) if agents[trace_id] == 1 else amount,
        )
        for trace_id, agent, team, channel, user, amount, cost, process, reserved_at in rows
        if reserved_at > now - LONGEST_NS and process not in dead
    )


def remove_ended(database: Database, *, now: int) -> None:
    """Delete the reservations that have ended, in the caller's transaction."""
    database.execute_sql(
        # With IN, SQLite would read all traces instead of looking up these few.
        "DELETE FROM reservations WHERE EXISTS (SELECT 1 FROM traces AS t "
        "WHERE t.trace_id = reservations.trace_id AND t.status <> 'running')"
    )
    rows = _running(database)
    dead = dead_processes(database, {row[-2] for row in rows})
    gone = [
        (trace_id, agent)
        for trace_id, agent, *_, process, reserved_at in rows
        if reserved_at <= now - LONGEST_NS or process in dead
    ]
    for trace_id, agent in gone:
        same = (ReservationRow.trace_id == trace_id, ReservationRow.agent == agent)
        ReservationRow.delete().where(*same).execute(database)


def _running(database: Database) -> list[tuple[str, str, str, str, str, int, int, str, int]]:
    # A trace whose root is not stored yet runs, too.
    return list(
        database.execute_sql(
            'SELECT r.trace_id, r.agent, r.team, r.channel, r."user", r.amount, '
            "COALESCE(t.cost, 0), r.process, r.reserved_at "
            "FROM reservations AS r LEFT JOIN traces AS t ON t.trace_id = r.trace_id "
            "WHERE t.trace_id IS NULL OR t.status = 'running'"
        ).fetchall()
    )
