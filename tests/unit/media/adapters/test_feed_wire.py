from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from media.adapters import feed_wire
from media.adapters.feed_wire import FrameReader, Incoming
from media.model.feed import FeedPhase, FeedStatus
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader

TIMES = st.integers(-(2**63), 2**63 - 1)
PACKETS = st.builds(
    EncodedPacket, st.sampled_from(MediaKind), TIMES, TIMES, st.booleans(), st.binary(max_size=200), TIMES
)
HEADERS = st.builds(
    TrackHeader,
    kind=st.sampled_from(MediaKind),
    codec=st.sampled_from(Codec),
    extradata=st.binary(max_size=80),
    width=st.integers(0, 65535),
    height=st.integers(0, 65535),
    sample_rate=st.integers(0, 2**32 - 1),
    channels=st.integers(0, 255),
)
STATUSES = st.builds(
    FeedStatus,
    phase=st.sampled_from(FeedPhase),
    reason=st.text(max_size=40),
    frame_rate=st.floats(0, 240),
    age=st.none() | st.floats(0, 1e6),
    peer=st.text(max_size=40),
)


def frame(value: Incoming) -> bytes:
    if isinstance(value, EncodedPacket):
        return feed_wire.packet(value)
    if isinstance(value, TrackHeader):
        return feed_wire.header(value)
    return feed_wire.PING_FRAME if value is None else feed_wire.status(value)


@given(st.lists(st.one_of(PACKETS, HEADERS, STATUSES, st.none()), max_size=8), st.integers(1, 64))
def test_what_is_sent_is_received_however_it_is_cut(values: list[Incoming], size: int) -> None:
    data = b"".join(map(frame, values))
    reader = FrameReader()
    got: list[Incoming] = []
    for at in range(0, len(data), size):
        got += [feed_wire.parse(kind, body) for kind, body in reader.feed(data[at : at + size])]
    assert got == values


@given(st.integers(0, 255), st.binary(max_size=200))
def test_malformed_frames_are_value_errors(kind: int, body: bytes) -> None:
    with contextlib.suppress(ValueError):
        feed_wire.parse(kind, body)


@given(st.binary(max_size=300))
def test_junk_is_a_value_error(junk: bytes) -> None:
    with contextlib.suppress(ValueError):
        FrameReader(1000).feed(junk)
