"""Find the spools: files beside the database, one for each writer whose batches wait for it."""

from pathlib import Path


def spool_folder(database_path: Path) -> Path:
    return database_path.with_name(f"{database_path.name}.spool")


def spool_file(folder: Path, process: str) -> Path:
    """Return the file of the writer `process`."""
    return folder / f"{process.replace('/', '_')}.spool"


def has_waiting(folder: Path, process: str) -> bool:
    """Return True if batches of the writer `process` are spooled."""
    return spool_file(folder, process).exists()


def waiting(folder: Path) -> tuple[int, int]:
    """Return how many spool files there are, and their total size in bytes."""
    sizes = []
    for path in folder.glob("*.spool"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:  # Replayed just now.
            continue
    return len(sizes), sum(sizes)
