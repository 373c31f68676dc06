"""People at work in a workspace where everything fails now and then: no answer is lost or doubled.

`TRACEBOT_SOAK_MINUTES` says for how long, in both modes together. What a round does follows from
its seed, so a round that failed is played again by `TRACEBOT_SOAK_SEED`, with minutes enough for
one round. Its timing does not follow from the seed: play it more than once.
"""

import os
import time
from pathlib import Path

import pytest

from tests.support.workspace.rounds import play

MINUTES = float(os.environ.get("TRACEBOT_SOAK_MINUTES", "60"))
SEED = int(os.environ.get("TRACEBOT_SOAK_SEED", time.time_ns() % 1_000_000))
ROUND_S = 120.0


@pytest.mark.parametrize("http", [False, True], ids=["Socket Mode", "HTTP mode"])
def test_people_get_every_answer_once_whatever_fails(http: bool, tmp_path: Path) -> None:
    until = time.monotonic() + MINUTES * 60 / 2
    rounds = 0
    while (left := until - time.monotonic()) > 0:
        folder = tmp_path / str(rounds)
        folder.mkdir()
        wrong = play(folder, seed=SEED + rounds, seconds=min(ROUND_S, left), http=http)
        assert not wrong, "\n".join([f"TRACEBOT_SOAK_SEED={SEED + rounds}, {folder}", *wrong])
        rounds += 1
