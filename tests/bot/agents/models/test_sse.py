"""Server-sent events, however they are cut into pieces."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.agents.models.sse import MAX_EVENT, EventStreamReader, EventTooLarge


def read(*pieces: bytes) -> list[str]:
    reader = EventStreamReader()
    return [data for piece in pieces for data in reader.feed(piece)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: one\n\ndata: two\n\n", ["one", "two"]),
        (b"data: one\r\n\r\ndata: two\r\n\r\n", ["one", "two"]),
        (b"data: one\r\rdata: two\r\rdata", ["one", "two"]),
        (b"data:a\ndata:  b\n\n", ["a\n b"]),
        (b"event: ping\n\n: a comment\n\n\n\ndata: x\nid: 7\nretry: 1\n\n", ["x"]),
        (b"data: {\xff}\n\n", ["{\N{REPLACEMENT CHARACTER}}"]),
        (b"\xef\xbb\xbfdata: x\n\n", ["x"]),
        (b"data: not whole\n", []),
        (b"data\n\n", [""]),
        (b"database: x\n\n", []),
    ],
)
def test_events_are_read_as_the_standard_says(stream: bytes, events: list[str]) -> None:
    assert read(stream) == events


@given(
    values=st.lists(st.text(max_size=50), max_size=10),
    end=st.sampled_from(["\n", "\r\n"]),
    cuts=st.lists(st.integers(0, 2_000), max_size=20),
)
def test_a_stream_reads_the_same_wherever_it_is_cut(
    values: list[str], end: str, cuts: list[int]
) -> None:
    told = [json.dumps(value) for value in values]
    stream = "".join(f"event: x{end}data: {each}{end}{end}" for each in told).encode()
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in zip(places, places[1:], strict=False)]
    assert read(*pieces) == told


@pytest.mark.parametrize("line", [b"x", b"data: x\n"])
def test_an_event_without_an_end_is_refused_before_it_fills_the_memory(line: bytes) -> None:
    reader = EventStreamReader()
    with pytest.raises(EventTooLarge, match="more than 1,000,000 bytes"):
        for _ in range(2 * MAX_EVENT):
            list(reader.feed(line * 1_000))
