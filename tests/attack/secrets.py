"""Secrets in text, recorded for real and looked for in the database's bytes."""

from collections.abc import Iterator
from pathlib import Path

from storage import Observability
from tests.attack.attempt import Attempt
from tests.support.redaction_corpus import planted

PROMISE = "known kinds of secrets are redacted"
SAMPLE = 20
"""Every 20th text of the corpus is recorded."""


def attack_secrets(folder: Path) -> Iterator[Attempt]:
    folder.mkdir(exist_ok=True)
    corpus = list(planted(seed=20_26))[::SAMPLE]
    path = folder / "tracebot.db"
    with Observability.open(path, platform="cli") as observability:
        for each in corpus:
            with observability.span("attack", text=each.text, **{"attack.value": each.text}):
                pass
    stored = b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())
    left = sum(any(piece.encode() in stored for piece in each.pieces) for each in corpus)
    yield Attempt(
        promise=PROMISE,
        tried=f"record {len(corpus)} planted secrets",
        held=left <= 0.05 * len(corpus),
        detail=f"{left} stored ({left / len(corpus):.1%}; at most 5%)",
    )
