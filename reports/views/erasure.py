"""The question before an erasure, and what it did."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reports.views.messages import MessageView

if TYPE_CHECKING:
    from storage.upkeep.erasure import Erased

STAYS = (
    "What stays: counts, durations, tokens, costs, ratings, ids, and the names of agents, "
    "providers and models. Messages in Slack itself stay. An older backup keeps its text until it "
    "is deleted; what it holds is erased again if it is restored."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmView:
    """A question, and the button that says yes; `value` comes back with it."""

    text: str
    label: str
    value: str
    found: bool = True


def forget_question(planned: Erased, *, user: str, own: bool) -> ConfirmView:
    """Ask before what `user` wrote is erased; `own` if that is the person who is asked."""
    whose = "from you" if own else f"from {user}"
    text = (
        f"This erases the text of {_count(planned.messages, 'message')} {whose}, and the replies, "
        "errors, events, attributes, log lines and files of their traces. "
        f"{_quoting(planned.quoting)}{STAYS} It cannot be undone."
    )
    return ConfirmView(text=text, label="Erase", value=user)


def forgotten(
    erased: Erased,
    *,
    user: str,
    spools: int,
    log_emptied: bool,
    set_aside: Sequence[Path],
    backups: Sequence[Path],
    litestream: Path | None,
    named: bool = False,
) -> MessageView:
    """Say what was erased, what is still on its way, and which files may still hold it.

    Paths of the bot's machine are `named` only to whoever runs it.
    """
    sentences = [
        f"Erased the text of {_count(erased.messages, 'message')} from {user}: "
        f"{_count(erased.spans, 'span')} held text, {_count(erased.files, 'file')} deleted. "
        f"{_quoting(erased.quoting)}".strip()
    ]
    if spools:
        sentences.append(
            "Some text still waits in the spool of a running process. It is erased before it is "
            "stored."
        )
    if not log_emptied and not litestream:
        sentences.append(
            "A program that reads the database keeps SQLite's log from being emptied: run "
            "tracebot checkpoint --truncate once that program has ended."
        )
    if named:
        sentences += _to_delete(set_aside, backups)
    elif copies := len(set_aside) + len(backups):
        sentences.append(
            f"{_count(copies, 'file')} may still hold it: backups, and what was set aside when a "
            "database was replaced. The operator of the bot should delete them: "
            f"tracebot forget --user {user} names them."
        )
    if litestream:
        sentences.append(
            _replica_stays(litestream)
            if named
            else "Litestream's replica still holds it. The operator of the bot should delete it: "
            f"tracebot forget --user {user} says how."
        )
    return MessageView(text=" ".join(sentences), found=True)


def _to_delete(set_aside: Sequence[Path], backups: Sequence[Path]) -> Iterator[str]:
    """Yield the commands that delete what an erasure does not reach."""
    if set_aside:
        yield (
            "\n\nThis does not reach what was set aside when a database or a spool was damaged or "
            f"replaced. To delete {_count(len(set_aside), 'such file')}, if you need nothing else "
            f"of them:\n{_command(set_aside)}"
        )
    if backups:
        yield (
            "\n\nBackups keep it. One that is restored is erased again. To delete "
            f"{_count(len(backups), 'backup')}, if you have newer ones:\n{_command(backups)}"
        )


def _replica_stays(folder: Path) -> str:
    return (
        "\n\nLitestream's replica keeps it. Stop Litestream, delete the replica, run these "
        "commands, and start Litestream again, which then begins a new replica:\n"
        f"rm -r -- {shlex.quote(str(folder))}\ntracebot checkpoint --truncate"
    )


def _command(paths: Sequence[Path]) -> str:
    # A path a line, as a terminal breaks long lines.
    return " \\\n".join(("rm --", *(shlex.quote(str(path)) for path in paths)))


def _quoting(messages: int) -> str:
    if not messages:
        return ""
    return (
        f"Of {_count(messages, 'message')} from others, whose agent read that text, only what they "
        "wrote themselves stays. "
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
