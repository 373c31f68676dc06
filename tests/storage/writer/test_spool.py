"""Where batches wait: what goes in comes out, and damage takes no more along than it must."""

import errno
import fcntl
import json
import os
import stat
import zlib
from collections.abc import Iterable
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.model.batch import Batch
from storage.model.records import Log, Metric, Score
from storage.model.span import Span
from storage.store.spool_files import has_waiting, waiting
from storage.writer.spool import (
    GROUP,
    HEADER,
    Spool,
    SpoolFull,
    decode,
    encode,
    left_behind,
)

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)
INTEGER = st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
PLAIN: dict[type, st.SearchStrategy[Any]] = {
    Span: st.builds(
        Span,
        trace_id=TEXT,
        span_id=TEXT,
        name=TEXT,
        status=st.sampled_from(["running", "ok", "error"]),
        started_at=INTEGER,
        ended_at=st.none() | INTEGER,
        cost=st.none() | INTEGER,
        text=st.none() | TEXT,
        attributes=OBJECT,
        events=st.lists(OBJECT, max_size=2).map(tuple),
        entry=st.booleans(),
    ),
    Metric: st.builds(
        Metric,
        name=TEXT,
        value=st.floats(allow_nan=False),
        labels=st.dictionaries(TEXT, TEXT, max_size=2),
        recorded_at=INTEGER,
        trace_id=st.none() | TEXT,
        span_id=st.none() | TEXT,
    ),
    Log: st.builds(
        Log,
        level=TEXT,
        message=TEXT,
        attributes=OBJECT,
        recorded_at=INTEGER,
        trace_id=st.none() | TEXT,
        span_id=st.none() | TEXT,
    ),
    Score: st.builds(
        Score,
        trace_id=TEXT,
        name=TEXT,
        user=TEXT,
        value=st.none() | st.floats(0, 1),
        label=st.none() | TEXT,
        recorded_at=INTEGER,
    ),
}
BATCHES = st.builds(
    Batch,
    process=TEXT,
    number=st.integers(0, 2**62),
    spans=st.lists(PLAIN[Span], max_size=3),
    resumed=st.sets(TEXT, max_size=3),
    metrics=st.lists(PLAIN[Metric], max_size=2),
    logs=st.lists(PLAIN[Log], max_size=2),
    scores=st.lists(PLAIN[Score], max_size=2),
)


def batch(number: int, *, process: str = "host:1:2:1") -> Batch:
    return Batch(process, number, spans=[span(number)])


def span(number: int) -> Span:
    return Span(trace_id=f"{number:032x}", span_id=f"{number:016x}", name="work", started_at=1)


def spooled(folder: Path, *numbers: int, process: str = "host:1:2:1") -> Path:
    """The file of a process that is gone, with these batches."""
    spool = Spool(folder, process)
    for number in numbers:
        spool.append(batch(number, process=process))
    spool.close()
    return folder / f"{process}.spool"


def numbers(groups: Iterable[list[Batch]]) -> list[int]:
    return [found.number for group in groups for found in group]


def numbers_left(folder: Path) -> list[int]:
    return numbers(left_behind(folder))


def test_a_file_that_cannot_be_read_or_removed_keeps_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [spooled(tmp_path, 1, process="a:1:2:1"), spooled(tmp_path, 2, process="b:1:2:1")]
    spooled(tmp_path, 3, process="c:1:2:1")
    unread = broken[0].stat().st_ino
    read, unlink = os.pread, Path.unlink

    def pread(descriptor: int, length: int, position: int) -> bytes:
        if os.fstat(descriptor).st_ino == unread:
            raise OSError(errno.EIO, "Input/output error")
        return read(descriptor, length, position)

    def remove(path: Path, missing_ok: bool = False) -> None:
        if path in broken:
            raise OSError(errno.EPERM, "Operation not permitted", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(os, "pread", pread)
    monkeypatch.setattr(Path, "unlink", remove)
    assert numbers_left(tmp_path) == [2, 3]
    assert sorted(tmp_path.iterdir()) == broken
    monkeypatch.undo()
    assert numbers_left(tmp_path) == [1, 2]


@settings(max_examples=50)
@given(BATCHES)
def test_any_batch_comes_out_as_it_went_in(written: Batch) -> None:
    record = encode(written)
    for span in written.spans:
        span.events = tuple(span.events)  # A list, where one of them held what JSON cannot.
    assert decode(record[HEADER.size :]) == written


@settings(max_examples=50)
@given(st.lists(st.text(max_size=9), min_size=1, max_size=4), st.floats(0, 1))
def test_a_file_cut_anywhere_yields_the_batches_before_the_cut(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], where: float
) -> None:
    written = [Batch(name, number, resumed={name}) for number, name in enumerate(names, 1)]
    folder = tmp_path_factory.mktemp("spool")
    records = [encode(each) for each in written]
    content = b"".join(records)
    cut = int(where * len(content))
    (folder / "a.spool").write_bytes(content[:cut])
    whole, end = 0, 0
    for record in records:
        end += len(record)
        whole += end <= cut
    assert list(chain.from_iterable(left_behind(folder))) == written[:whole]
    assert os.listdir(folder) == []


def test_the_batches_of_a_writer_come_back_in_their_order_and_then_it_is_empty(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path / "spool", "host:1:2:1")
    assert not spool
    for number in (1, 2):
        spool.append(batch(number))
    assert spool
    replay = spool.groups()
    assert numbers([next(replay)]) == [1, 2]
    spool.append(batch(3))
    assert numbers(replay) == [3]
    assert not spool
    assert waiting(tmp_path / "spool") == (0, 0)
    spool.append(batch(4))
    assert numbers(spool.groups()) == [4]


def test_batches_that_are_stored_together_have_no_more_items_than_keep_others_waiting(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path, "host:1:2:1")
    for number in range(1, GROUP + 2):
        spool.append(batch(number))
    whole = batch(GROUP + 2)
    whole.spans *= GROUP + 1  # Recorded at once: a batch is never divided.
    spool.append(whole)
    assert [len(group) for group in spool.groups()] == [GROUP, 1, 1]


def test_a_spool_and_its_folder_are_private(tmp_path: Path) -> None:
    path = spooled(tmp_path / "spool", 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert has_waiting(tmp_path / "spool", "host:1:2:1")
    assert waiting(tmp_path / "spool") == (1, path.stat().st_size)


def test_past_its_cap_a_spool_takes_nothing_until_it_is_replayed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "host:1:2:1", cap=len(encode(batch(1))) * 2)
    spool.append(batch(1))
    spool.append(batch(2))
    with pytest.raises(SpoolFull):
        spool.append(batch(3))
    assert numbers(spool.groups()) == [1, 2]
    spool.append(batch(3))
    spool.close()
    assert numbers_left(tmp_path) == [3]


def test_a_replay_that_stops_half_way_begins_again_at_the_first(tmp_path: Path) -> None:
    whole = range(1, 2 * GROUP + 1)
    spooled(tmp_path, *whole)
    replay = left_behind(tmp_path)
    assert numbers([next(replay)]) == [*range(1, GROUP + 1)]
    replay.close()
    assert numbers_left(tmp_path) == [*whole]
    assert os.listdir(tmp_path) == []


def test_a_file_that_another_process_holds_is_passed_over(tmp_path: Path) -> None:
    held = spooled(tmp_path, 1, process="host:1:2:1")
    spooled(tmp_path, 2, process="host:1:2:2")
    descriptor = os.open(held, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert numbers_left(tmp_path) == [2]
    os.close(descriptor)
    assert numbers_left(tmp_path) == [1]


@pytest.mark.parametrize("damage", ["mark", "length", "checksum", "payload"])
def test_a_damaged_record_is_skipped_and_its_file_kept_aside(tmp_path: Path, damage: str) -> None:
    path = spooled(tmp_path, 1, 2, 3)
    size = len(encode(batch(1)))
    content = bytearray(path.read_bytes())
    offset = {"mark": 0, "length": 5, "checksum": 9, "payload": HEADER.size + 20}[damage]
    content[size + offset] ^= 0xFF
    path.write_bytes(content)
    assert numbers_left(tmp_path) == [1, 3]
    assert os.listdir(tmp_path) == ["host:1:2:1.damaged"]
    assert (tmp_path / "host:1:2:1.damaged").read_bytes() == bytes(content)


def test_a_record_that_is_whole_but_no_batch_is_skipped(tmp_path: Path) -> None:
    path = spooled(tmp_path, 1)
    foreign = b'{"process": 7}'
    with path.open("ab") as file:
        file.write(HEADER.pack(b"\xf5tb\xf6", len(foreign), zlib.crc32(foreign)) + foreign)
        file.write(encode(batch(2)))
    assert numbers_left(tmp_path) == [1, 2]
    assert os.listdir(tmp_path) == ["host:1:2:1.damaged"]


def test_a_file_of_rubbish_is_done_with_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.spool").write_bytes(os.urandom(3_000_000))
    (tmp_path / "b.spool").write_bytes(b"")
    assert numbers_left(tmp_path) == []
    assert waiting(tmp_path) == (0, 0)


def test_fields_of_another_version_are_passed_over_or_empty() -> None:
    content = json.loads(encode(batch(1))[HEADER.size :])
    content["spans"][0]["of_a_later_version"] = 1
    del content["spans"][0]["attributes"]
    (found,) = decode(json.dumps(content).encode()).spans
    assert found == span(1)
    assert {field.name for field in fields(found)} >= {"attributes"}


def test_no_secret_reaches_the_disk(tmp_path: Path) -> None:
    token = "xoxb-" + "123456789012-1234567890123-" + "abcdefghijklmnopqrstuvwx"
    spool = Spool(tmp_path, "host:1:2:1")
    told = batch(1)
    told.spans[0].attributes = {"said": token, "odd": object()}
    told.logs = [
        Log(
            level="error",
            message=token,
            attributes={"t": token},
            recorded_at=1,
            trace_id=None,
            span_id=None,
        )
    ]
    spool.append(told)
    spool.close()
    assert token.encode() not in (tmp_path / "host:1:2:1.spool").read_bytes()
    assert numbers_left(tmp_path) == [1]
