from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.ingest.rtmp import amf0, chunks
from media.ingest.rtmp.amf0 import Amf
from media.ingest.rtmp.chunks import ChunkReader, Message
from media.model.errors import SourceError


def read(data: bytes, size: int = 128) -> list[Message]:
    reader = ChunkReader(1 << 20)
    reader.chunk_size = size
    reader.feed(data)
    found = []
    while (message := reader.next()) is not None:
        found.append(message)
    return found


@given(
    st.builds(
        Message,
        type=st.integers(7, 20),
        stream=st.integers(0, 2**32 - 1),
        timestamp=st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0xFFFFFE, 0xFFFFFF, 0x1000000])),
        payload=st.binary(max_size=700),
    ),
    st.integers(1, 300),
)
def test_what_is_written_is_read(message: Message, size: int) -> None:
    written = chunks.write(message, chunk_stream=6, chunk_size=size)
    assert read(written * 2, size) == [message, message]


def test_extended_stamps_on_continuations_are_optional() -> None:
    # Some senders do not repeat the field on type 3 chunks; the four bytes there are payload then.
    header = b"\x04\xff\xff\xff\x00\x00\x0a\x09\x01\x00\x00\x00\x01\x00\x00\x00"
    body = bytes(range(10))
    bare = header + body[:5] + b"\xc4" + body[5:]
    repeated = header + body[:5] + b"\xc4\x01\x00\x00\x00" + body[5:]
    expected = [Message(9, 1, 0x01000000, body)]
    assert read(bare, 5) == expected
    assert read(repeated, 5) == expected


def test_short_headers_add_deltas() -> None:
    full = b"\x04\x00\x00\x64\x00\x00\x01\x08\x01\x00\x00\x00A"
    delta = b"\x44\x00\x00\x17\x00\x00\x01\x08B"
    time_only = b"\x84\x00\x00\x14C"
    nothing = b"\xc4D"
    assert [m.timestamp for m in read(full + delta + time_only + nothing)] == [100, 123, 143, 163]


def test_an_extended_delta_is_added() -> None:
    full = b"\x04\x00\x00\x64\x00\x00\x01\x08\x01\x00\x00\x00A"
    delta = b"\x84\xff\xff\xff\x01\x00\x00\x00B"
    assert [m.timestamp for m in read(full + delta)] == [100, 100 + 0x01000000]


def test_interleaved_streams_and_aborts() -> None:
    first = chunks.write(Message(9, 1, 5, b"v" * 200), chunk_stream=6)
    other = chunks.write(Message(8, 1, 6, b"a"), chunk_stream=4)
    abort = chunks.write(Message(chunks.ABORT, 0, 0, (6).to_bytes(4, "big")), chunk_stream=2)
    cut = 12 + 128
    assert [m.type for m in read(first[:cut] + other + first[cut:])] == [8, 9]
    assert read(first[:cut] + abort + other) == [Message(8, 1, 6, b"a")]


def test_wide_chunk_stream_numbers() -> None:
    body = b"\x00\x00\x00\x00\x00\x01\x08\x01\x00\x00\x00"
    assert read(b"\x00\x05" + body + b"A" + b"\x01\x05\x01" + body + b"B") == [
        Message(8, 1, 0, b"A"),
        Message(8, 1, 0, b"B"),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"\xc4",
        chunks.write(Message(chunks.SET_CHUNK_SIZE, 0, 0, bytes(4)), chunk_stream=2),
        chunks.write(Message(chunks.SET_CHUNK_SIZE, 0, 0, (1 << 21).to_bytes(4, "big")), chunk_stream=2),
        chunks.write(Message(chunks.ABORT, 0, 0, b"\x00"), chunk_stream=2),
        b"".join(chunks.write(Message(8, 1, 0, b"x"), chunk_stream=n) for n in range(2, 60)),
    ],
)
def test_broken_streams_are_refused(data: bytes) -> None:
    with pytest.raises(SourceError):
        read(data)


VALUES: st.SearchStrategy[Amf] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(allow_nan=False), st.text(max_size=30)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def storable(value: Amf) -> bool:
    """Lone surrogates cannot be written as UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() == value
    if isinstance(value, Mapping):
        return all(storable(name) and storable(member) for name, member in value.items())
    return all(map(storable, value)) if isinstance(value, Sequence) else True


@given(st.lists(VALUES.filter(storable), max_size=5))
def test_amf_round_trip(values: list[Amf]) -> None:
    assert amf0.decode(amf0.encode(*values)) == values


@given(st.binary(max_size=300))
def test_amf_junk_raises_source_errors_only(junk: bytes) -> None:
    with contextlib.suppress(SourceError):
        amf0.decode(junk)


def test_amf_bounds() -> None:
    with pytest.raises(SourceError, match="deep"):
        amf0.decode((b"\x0a\x00\x00\x00\x01") * 50)
    with pytest.raises(SourceError, match="too many"):
        amf0.decode(b"\x0a\x7f\xff\xff\xff" + b"\x05" * 10)
    with pytest.raises(SourceError, match="too many"):
        amf0.decode(b"\x05" * 10_000)


def test_amf_ecma_arrays_and_long_strings() -> None:
    ecma = b"\x08\x00\x00\x00\x00\x00\x01a\x00\x3f\xf0\x00\x00\x00\x00\x00\x00\x00\x00\x09"
    assert amf0.decode(ecma) == [{"a": 1.0}]
    assert amf0.decode(amf0.encode("x" * 70_000)) == ["x" * 70_000]
