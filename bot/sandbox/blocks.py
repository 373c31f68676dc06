"""Whether Slack would take these blocks, and if not, what it would say."""

from dataclasses import dataclass
from typing import Literal

from bot.sandbox.values import Json

Surface = Literal["message", "modal", "home"]
MOST_BLOCKS: dict[Surface, int] = {"message": 50, "modal": 100, "home": 100}


@dataclass(frozen=True, slots=True)
class Problem:
    pointer: str
    message: str


def problems(blocks: list[Json], surface: Surface) -> list[Problem]:
    if len(blocks) > MOST_BLOCKS[surface]:
        return [Problem("", f"no more than {MOST_BLOCKS[surface]} items allowed")]
    return []
