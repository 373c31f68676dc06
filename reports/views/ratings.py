"""Ratings of traces as text: who gave which thumb, and why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reports import formatting
from storage.model.records import Score

REASON = 300
"""Characters of a reason that are shown."""

THUMBS = {"up": "👍", "down": "👎"}


@dataclass(frozen=True, slots=True)
class Rating:
    """One person's rating: a thumb, or the name and value of another score; and why, if told."""

    mark: str
    who: str
    reason: str


def ratings(scores: Sequence[Score], name_of: Callable[[str, str], str]) -> tuple[Rating, ...]:
    """Return the ratings of one trace; `name_of` names the key of a dimension, here a user."""
    return tuple(
        Rating(
            mark=THUMBS[score.thumb] if score.thumb else _other(score),
            who=formatting.plain(name_of("user", score.user)),
            reason=formatting.shortened(score.text or "", REASON),
        )
        for score in scores
    )


def _other(score: Score) -> str:
    label = f" ({score.label})" if score.label else ""
    return formatting.shortened(f"{score.name} {score.value:g}{label}", 60)
