"""Where a batch waits when the database cannot take it: a file per process, beside the database.

A record is its length, its CRC-32 (both 4 bytes, little-endian) and a batch as JSON. A record is
written with one call, so that a process killed half-way leaves a torn tail and nothing worse. The
batches of a file are replayed in their order; their numbers make a second replay harmless.
"""

import fcntl
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from storage.batch import Batch
from storage.signals import Log, Metric, Score
from storage.span import Span

CAP_BYTES = 256_000_000
HEADER = struct.Struct("<II")


class SpoolFull(Exception):
    """The spool has reached its cap; the batch is lost."""


class Spool:
    """The batches of this process that the database could not take, oldest first."""

    def __init__(self, folder: Path, process: str, *, cap: int = CAP_BYTES) -> None:
        self._path = folder / f"{process.replace('/', '_')}.spool"
        self._cap = cap
        self._descriptor: int | None = None
        self._size = 0
        self._position = 0

    def __bool__(self) -> bool:
        return self._descriptor is not None

    def append(self, batch: Batch) -> None:
        """Keep a batch. Raises `SpoolFull`, or OSError where the disk will not take it."""
        record = encode(batch)
        if self._size + len(record) > self._cap:
            raise SpoolFull
        descriptor = self._open()
        try:
            written = os.write(descriptor, record)
        except OSError:
            os.ftruncate(descriptor, self._size)
            raise
        if written < len(record):
            os.ftruncate(descriptor, self._size)
            raise OSError(f"{self._path}: no space for a record of {len(record)} bytes")
        self._size += written

    def replay(self, store: Callable[[Batch], object]) -> None:
        """Hand every batch to `store`; the first that it raises on, and those after it, stay."""
        if self._descriptor is None:
            return
        for batch, end in read(self._path, start=self._position):
            store(batch)
            self._position = end
        self._remove()

    def close(self) -> None:
        """Let another process replay what is left."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        if self._descriptor is None:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY
            self._descriptor = os.open(self._path, flags, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._size = os.fstat(self._descriptor).st_size
        return self._descriptor

    def _remove(self) -> None:
        self._path.unlink(missing_ok=True)
        self.close()
        self._size = self._position = 0


def spool_folder(database_path: Path) -> Path:
    return database_path.with_name(f"{database_path.name}.spool")


def adopt(folder: Path, store: Callable[[Batch], object]) -> int:
    """Replay what processes that are gone left behind; how many batches there were.

    A file that another process holds, its own or one that is adopting it, is passed over.
    """
    adopted = 0
    for path in sorted(folder.glob("*.spool")):
        descriptor = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for batch, _ in read(path):
                store(batch)
                adopted += 1
            path.unlink(missing_ok=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
    return adopted


def waiting(folder: Path) -> tuple[int, int]:
    """How many spool files there are, and their bytes."""
    sizes = [path.stat().st_size for path in folder.glob("*.spool")]
    return len(sizes), sum(sizes)


def read(path: Path, *, start: int = 0) -> Iterator[tuple[Batch, int]]:
    """The whole records of a file and where each ends. A torn or foreign tail ends the reading."""
    with path.open("rb") as file:
        file.seek(start)
        while len(header := file.read(HEADER.size)) == HEADER.size:
            length, checksum = HEADER.unpack(header)
            payload = file.read(length)
            if len(payload) < length or zlib.crc32(payload) != checksum:
                return
            yield decode(payload), file.tell()


def encode(batch: Batch) -> bytes:
    content: dict[str, Any] = {
        "process": batch.process,
        "number": batch.number,
        "spans": [asdict(span) for span in batch.spans],
        "resumed": sorted(batch.resumed),
        "metrics": [asdict(metric) for metric in batch.metrics],
        "logs": [asdict(log) for log in batch.logs],
        "scores": [asdict(score) for score in batch.scores],
    }
    payload = json.dumps(content, separators=(",", ":")).encode()
    return HEADER.pack(len(payload), zlib.crc32(payload)) + payload


def decode(payload: bytes) -> Batch:
    content = json.loads(payload)
    return Batch(
        content["process"],
        content["number"],
        spans=[Span(**span) for span in content["spans"]],
        resumed=set(content["resumed"]),
        metrics=[Metric(**metric) for metric in content["metrics"]],
        logs=[Log(**log) for log in content["logs"]],
        scores=[Score(**score) for score in content["scores"]],
    )
