"""Plant text, and find where it is left: a mark that is erased later, and a secret across a cut."""

from pathlib import Path

from storage import Observability

MARK = "zebra-4711"

HALF = "Qk3vT9xLm2"
SECRET = "ghp_" + HALF + "Zr8pWc5nYh1sDf6gJa0bEe4u"
TABLES = ("spans", "traces", "logs", "metrics", "rollups", "facts", "scores")


def where(folder: Path, mark: str = MARK) -> list[str]:
    """Return the files below *folder* that contain *mark*."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path.name for path in files if mark.encode() in path.read_bytes()]


def across(cut: int, *, filler: str = "a word, ") -> str:
    """Return text in which character number `cut` is in the middle of a secret."""
    before = (filler * cut)[: cut - len("ghp_" + HALF) - 1]
    return f"{before} {SECRET} and more"


def dump(observability: Observability) -> str:
    """Return everything that is stored."""
    assert observability.flush()
    rows = (
        row
        for table in TABLES
        for row in observability.database.execute_sql(f"SELECT * FROM {table}").fetchall()
    )
    return "\n".join(map(str, rows))


def without_secret(observability: Observability) -> None:
    stored = dump(observability)
    assert "[redacted:" in stored
    assert HALF[:5] not in stored
    assert SECRET[-8:] not in stored
