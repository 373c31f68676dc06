"""Keep batches that the database cannot take in files beside it, one for each writer.

A record is a mark, its length, its CRC-32 (4 bytes each, little-endian) and a batch as JSON in
ASCII. The mark is not ASCII, so the next whole record can be found behind damage. A record is
written with one call; a process killed half-way leaves a torn tail and nothing worse. The holder of
a file's lock may replay it. Its batches are in order, and their numbers make a second replay
harmless. Secrets are redacted before anything is written.
"""

import json
import logging
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from storage.database.lock_files import lock
from storage.database.private_file import make_private_folder, open_private
from storage.model.batch import Batch
from storage.model.records import Log, Metric, Score
from storage.model.span import Span
from storage.store.batch import redacted_log, redacted_metric, redacted_score
from storage.store.span_rows import span_rows
from storage.store.spool_files import spool_file

CAP_BYTES = 256_000_000
"""Of one writer's file. A full disk would harm more than tracebot."""

GROUP = 250
"""How many items of spooled batches are stored together, unless one batch has more.

A batch has what was recorded in 50 ms, often less than ten spans. If each had a transaction of its
own, they would be stored hardly faster than new ones come. More at once would keep other writers
waiting for longer, and a server allows no more traces (`storage.database.server_locks`).
"""

MARK = b"\xf5tb\xf6"
HEADER = struct.Struct("<4sII")

logger = logging.getLogger("tracebot.storage")


class SpoolFull(Exception):
    """The spool has reached its cap and takes no more until some of it is replayed."""


class SpoolFile:
    """An open file of records, locked until `close`: the lock belongs to the descriptor."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.size = os.fstat(descriptor).st_size
        self._descriptor = descriptor
        self._position = 0
        self._damaged = False

    @classmethod
    def create(cls, path: Path) -> "SpoolFile":
        """Create a file that is locked before any other process can see it under its name."""
        make_private_folder(path.parent)
        unseen = path.with_suffix(".new")
        descriptor = open_private(unseen, os.O_TRUNC | os.O_APPEND | os.O_RDWR)
        try:
            lock(descriptor, patience=0)
            unseen.rename(path)
        except OSError:
            os.close(descriptor)
            raise
        return cls(path, descriptor)

    @classmethod
    def left_behind(cls, path: Path) -> "SpoolFile | None":
        """Open a file of an ended process. None if another process holds or has removed it."""
        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError:
            return None
        try:
            lock(descriptor, patience=0)
            # Between opening and locking, another process may have replayed and removed it.
            same = os.path.samestat(os.fstat(descriptor), path.stat())
        except OSError:
            same = False
        if not same:
            os.close(descriptor)
            return None
        return cls(path, descriptor)

    def append(self, record: bytes) -> None:
        """Write a whole record, or raise OSError and leave the file as it was."""
        try:
            written = os.write(self._descriptor, record)
            if written < len(record):
                raise OSError(f"{self.path}: no space for a record of {len(record)} bytes")
        except OSError:
            # Half a record in the middle of the file would count as damage.
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += written

    def groups(self) -> Iterator[list[Batch]]:
        """Yield the batches in order, with those appended meanwhile, and remove the file.

        Those of a group can be stored together. Asking for the next group confirms that the last
        one is stored.
        """
        while (found := self._next_group())[0]:
            group, end = found
            yield group
            self._position = end
        self._remove()

    def close(self) -> None:
        """Release the lock, so that another process can replay what is left."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _next_group(self) -> tuple[list[Batch], int]:
        """Return the next batches, none at the end of the file, and where they end."""
        group: list[Batch] = []
        position, items = self._position, 0
        while (found := self._record_from(position)) is not None:
            payload, end = found
            batch = self._decoded(payload)
            if batch is not None:
                items += len(batch)
                if group and items > GROUP:
                    break
                group.append(batch)
            position = end
        return group, position

    def _record_from(self, position: int) -> tuple[bytes, int] | None:
        """Return the first whole record at or behind `position`, and where it ends."""
        found = self._record_at(position)
        while found is None and position + HEADER.size <= self.size:
            position = self._next_mark(position + 1)
            found = self._record_at(position)
            self._damaged = self._damaged or found is not None
        return found

    def _record_at(self, position: int) -> tuple[bytes, int] | None:
        header = os.pread(self._descriptor, HEADER.size, position)
        if len(header) < HEADER.size:
            return None
        mark, length, checksum = HEADER.unpack(header)
        end = position + HEADER.size + length
        if mark != MARK or end > self.size:
            return None
        payload = os.pread(self._descriptor, length, position + HEADER.size)
        return (payload, end) if zlib.crc32(payload) == checksum else None

    def _next_mark(self, position: int) -> int:
        step = 1 << 20
        while position < self.size:
            chunk = os.pread(self._descriptor, step + len(MARK), position)
            if (at := chunk.find(MARK)) >= 0:
                return position + at
            position += step
        return self.size

    def _decoded(self, payload: bytes) -> Batch | None:
        try:
            return decode(payload)
        except (ValueError, TypeError, KeyError, AttributeError):
            self._damaged = True
            return None

    def _remove(self) -> None:
        if self._damaged:  # Kept for whoever wants to look: what could be read is stored.
            aside = self.path.with_suffix(".damaged")
            logger.warning("Damaged records of a spool could not be read; it is kept as %s.", aside)
            self.path.replace(aside)
        else:
            self.path.unlink(missing_ok=True)
        self.close()


class Spool:
    """Keep the batches of one writer that the database could not take, oldest first."""

    def __init__(self, folder: Path, process: str, *, cap: int = CAP_BYTES) -> None:
        self._path = spool_file(folder, process)
        self._cap = cap
        self._file: SpoolFile | None = None

    def __bool__(self) -> bool:
        return self._file is not None

    def append(self, batch: Batch) -> None:
        """Append a batch. Raises `SpoolFull`, or OSError if the disk does not take it."""
        record = encode(batch)
        size = self._file.size if self._file else 0
        if size + len(record) > self._cap:
            raise SpoolFull(f"{self._path} has reached its cap of {self._cap:,} bytes")
        created = self._file is None
        self._file = self._file or SpoolFile.create(self._path)
        try:
            self._file.append(record)
        except OSError:
            if created:
                self._path.unlink(missing_ok=True)
                self.close()
            raise

    def groups(self) -> Iterator[list[Batch]]:
        """Yield the batches in order; see `SpoolFile.groups`."""
        if self._file is not None:
            yield from self._file.groups()
            self._file = None

    def close(self) -> None:
        """Release the lock, so that another process can replay what is left."""
        if self._file is not None:
            self._file.close()
            self._file = None


def left_behind(folder: Path) -> Iterator[list[Batch]]:
    """Yield the batches of ended writers; see `SpoolFile.groups`.

    A file that cannot be read or removed is left, and keeps none of the others waiting.
    """
    for path in sorted(folder.glob("*.spool")):
        file = SpoolFile.left_behind(path)
        if file is None:
            continue
        try:
            yield from file.groups()
        except OSError as error:
            logger.warning("An ended process left %s, which has to wait: %s", path, error)
        finally:
            file.close()


def encode(batch: Batch) -> bytes:
    """Return a batch as a record. Redacts its secrets, also in the batch itself."""
    span_rows(batch.spans)  # Redacts them, a batch at a time.
    batch.metrics = [redacted_metric(metric) for metric in batch.metrics]
    batch.logs = [redacted_log(log) for log in batch.logs]
    batch.scores = [redacted_score(score) for score in batch.scores]
    content = {
        "process": batch.process,
        "number": batch.number,
        "spans": [_known(span) for span in batch.spans],
        "resumed": sorted(batch.resumed),
        "metrics": [_known(metric) for metric in batch.metrics],
        "logs": [_known(log) for log in batch.logs],
        "scores": [_known(score) for score in batch.scores],
    }
    payload = json.dumps(content, separators=(",", ":"), default=str).encode()
    return HEADER.pack(MARK, len(payload), zlib.crc32(payload)) + payload


def decode(payload: bytes) -> Batch:
    """Return the batch of a record's payload, without fields that this version does not know."""
    content = json.loads(payload)
    return Batch(
        content["process"],
        content["number"],
        spans=[_span(values) for values in content["spans"]],
        resumed=set(content["resumed"]),
        metrics=[_made(Metric, values) for values in content["metrics"]],
        logs=[_made(Log, values) for values in content["logs"]],
        scores=[_made(Score, values) for values in content["scores"]],
    )


def _known(item: Any) -> dict[str, Any]:
    values = ((field.name, getattr(item, field.name)) for field in fields(item))
    return {name: value for name, value in values if value is not None}


def _made(kind: Any, values: Mapping[str, Any]) -> Any:
    # An earlier version did not write every field of this one.
    return kind(
        **{
            field.name: values.get(field.name, None if field.default is MISSING else field.default)
            for field in fields(kind)
        }
    )


def _span(values: Mapping[str, Any]) -> Span:
    known = {field.name: values[field.name] for field in fields(Span) if field.name in values}
    known["events"] = tuple(known.get("events", ()))
    known["links"] = tuple(known.get("links", ()))
    return Span(**known)
