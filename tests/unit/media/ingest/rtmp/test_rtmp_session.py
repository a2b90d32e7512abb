from __future__ import annotations

import contextlib
import hmac
import itertools
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.ingest.rtmp import amf0, chunks
from media.ingest.rtmp.chunks import ChunkReader, Message
from media.ingest.rtmp.handshake import SIZE
from media.ingest.rtmp.session import (
    EncoderNamed,
    Event,
    Limits,
    PublishRequested,
    RefusedError,
    Session,
    State,
    Unpublished,
)
from media.model.errors import SourceError
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader
from tests.support import rtmp_client as client

MILLI = 1000


def zeros(count: int) -> bytes:
    return bytes(count)


def play(data: bytes, pieces: list[int] | None = None) -> list[Event]:
    """All events of a session that lets everybody publish, its input cut at `pieces`."""
    session = Session(random=zeros)
    events: list[Event] = []
    cuts = [0, *sorted(pieces or []), len(data)]
    for begin, end in itertools.pairwise(cuts):
        got = session.receive(data[begin:end])
        while got:
            events += got
            if not isinstance(got[-1], PublishRequested):
                break
            session.accept()
            got = session.receive(b"")
    return events


def answers(said: bytes) -> list[list[Any]]:
    """The commands in what a server said after its handshake."""
    reader = ChunkReader(1 << 20)
    reader.feed(said[1 + 2 * SIZE :])
    found = []
    while (message := reader.next()) is not None:
        if message.type == chunks.COMMAND:
            found.append(amf0.decode(message.payload))
    return found


SESSION = (
    client.opening("the-key") + client.metadata() + client.headers() + client.seconds(2)
    + client.command("FCUnpublish", 6, None, "the-key")
)  # fmt: skip


def test_a_whole_session_becomes_headers_and_units() -> None:
    events = play(SESSION)
    assert events[:4] == [
        PublishRequested("the-key"),
        EncoderNamed("pretend 1.0"),
        TrackHeader(MediaKind.VIDEO, Codec.H264, client.AVCC),
        TrackHeader(MediaKind.AUDIO, Codec.AAC, client.ASC, sample_rate=48000, channels=2),
    ]
    units = [event for event in events if isinstance(event, EncodedPacket)]
    assert len(units) == 100
    assert [unit.dts for unit in units if unit.kind is MediaKind.VIDEO] == [40_000 * n for n in range(50)]
    assert [n for n, unit in enumerate(units) if unit.kind is MediaKind.VIDEO and unit.keyframe] == [0, 50]
    assert isinstance(events[-1], Unpublished)


@given(st.lists(st.integers(0, len(SESSION)), max_size=40))
@settings(max_examples=40, deadline=None)
def test_any_chunking_gives_the_same_events(pieces: list[int]) -> None:
    assert play(SESSION, pieces) == play(SESSION)


def test_a_byte_at_a_time_gives_the_same_events() -> None:
    short = client.opening("k") + client.headers() + client.picture(0, key=True)
    assert play(short, list(range(len(short)))) == play(short)


@given(st.binary(max_size=4000), st.booleans())
@settings(max_examples=200, deadline=None)
def test_random_bytes_raise_nothing_but_source_errors(junk: bytes, after_handshake: bool) -> None:
    with contextlib.suppress(SourceError):
        play((client.HELLO if after_handshake else b"") + junk)


@given(st.lists(st.tuples(st.integers(0, len(SESSION) - 1), st.integers(0, 255)), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_mutated_sessions_raise_nothing_but_source_errors(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SESSION)
    for at, value in changes:
        data[max(at, 1)] = value
    with contextlib.suppress(SourceError):
        play(bytes(data))


@given(st.integers(1 + 2 * SIZE, len(SESSION) - 2), st.integers(1, 400))
@settings(max_examples=100, deadline=None)
def test_sessions_with_a_hole_raise_nothing_but_source_errors(at: int, size: int) -> None:
    with contextlib.suppress(SourceError):
        play(SESSION[:at] + SESSION[at + size :])


def test_a_refused_key_is_told_as_the_protocol_wants() -> None:
    session = Session(random=zeros)
    assert session.receive(client.opening("wrong")) == [PublishRequested("wrong")]
    session.refuse("the stream key is not known here")
    told = answers(session.take_outgoing())[-1]
    assert told[0] == "onStatus"
    assert told[3] == {
        "level": "error", "code": "NetStream.Publish.BadName", "description": "the stream key is not known here",
    }  # fmt: skip
    assert session.state is State.CLOSED
    assert session.receive(client.headers()) == []


def test_players_and_other_applications_are_refused() -> None:
    connect = client.HELLO + client.message(
        chunks.COMMAND, amf0.encode("connect", 1, {"app": "live"}), size=chunks.DEFAULT_CHUNK
    )
    session = Session(random=zeros)
    with pytest.raises(RefusedError, match="publishers only"):
        session.receive(
            connect + client.message(chunks.COMMAND, amf0.encode("play", 2, None, "key"), size=128)
        )
    assert answers(session.take_outgoing())[-2][0] == "_error"
    session = Session(random=zeros)
    with pytest.raises(RefusedError, match="no such application"):
        session.receive(client.opening("key", app="vod"))
    assert answers(session.take_outgoing())[0][3]["code"] == "NetConnection.Connect.InvalidApp"


def test_a_key_inside_the_application_is_taken() -> None:
    session = Session(random=zeros)
    assert session.receive(client.opening("", app="live/some-key")) == [PublishRequested("some-key")]


def test_a_client_with_digests_gets_them() -> None:
    block = bytearray(b"\x00\x00\x00\x00\x80\x00\x07\x02" + bytes(SIZE - 8))
    place = sum(block[772:776]) % 728 + 776
    block[place : place + 32] = hmac.digest(
        b"Genuine Adobe Flash Player 001", bytes(block[:place] + block[place + 32 :]), sha256
    )
    session = Session(random=zeros)
    session.receive(b"\x03" + bytes(block))
    said = session.take_outgoing()
    s1 = said[1 : 1 + SIZE]
    assert s1[4:8] != bytes(4)
    server = b"Genuine Adobe Flash Media Server 001"
    at = sum(s1[772:776]) % 728 + 776
    assert s1[at : at + 32] == hmac.digest(server, s1[:at] + s1[at + 32 :], sha256)
    assert len(said) == 1 + 2 * SIZE


def test_a_plain_client_gets_its_own_bytes_back() -> None:
    session = Session(random=zeros)
    session.receive(client.HELLO[: 1 + SIZE])
    assert session.take_outgoing()[1 + SIZE :] == client.HELLO[1 : 1 + SIZE]


def test_unauthorised_senders_cannot_make_us_hold_much() -> None:
    session = Session(Limits(message=1 << 20, message_before_publish=1000), random=zeros)
    with pytest.raises(SourceError, match="larger than"):
        session.receive(client.HELLO + client.message(chunks.COMMAND, bytes(1001)))


def test_one_sender_holds_at_most_about_one_message() -> None:
    limits = Limits(message=100_000)
    session = Session(limits, random=zeros)
    session.receive(client.opening("k"))
    session.accept()
    session.receive(b"")
    many = (  # messages, each begun on a chunk stream of its own and never ended
        chunks.write(Message(chunks.VIDEO, 1, 0, bytes(90_000)), chunk_stream=number, chunk_size=4096)[:4108]
        for number in range(5, 30)
    )

    def flood() -> None:
        for begun in many:
            session.receive(begun)
            assert session.held <= limits.message + 4096

    with pytest.raises(SourceError, match="unfinished"):
        flood()


def test_acknowledgements_are_sent() -> None:
    session = Session(random=zeros)
    window = client.message(chunks.WINDOW_ACK_SIZE, (200_000).to_bytes(4, "big"))
    session.receive(client.opening("k"))
    session.accept()
    session.receive(window + client.headers())
    session.take_outgoing()
    for at in range(10):
        session.receive(client.picture(at * 40, key=True, size=20_000))
    reader = ChunkReader(1000)
    reader.chunk_size = 4096
    reader.feed(session.take_outgoing())
    message = reader.next()
    assert message is not None
    assert message.type == chunks.ACKNOWLEDGEMENT


def test_codecs_that_are_not_taken_are_refused_by_name() -> None:
    begin = client.opening("k")
    for body, kind, name in (
        (b"\x90av01" + bytes(20), chunks.VIDEO, "AV1 video"),
        (b"\x1c\x00\x00\x00\x00" + bytes(20), chunks.VIDEO, "HEVC video"),
        (b"\x90Opus" + bytes(20), chunks.AUDIO, "Opus audio"),
        (b"\x2f\xff\xfb", chunks.AUDIO, "MP3 audio"),
    ):
        with pytest.raises(SourceError, match=f"{name} is not supported"):
            play(begin + client.message(kind, body, stream=1))


def test_enhanced_h264_is_taken() -> None:
    start = client.message(chunks.VIDEO, b"\x90avc1" + client.AVCC, stream=1)
    coded = client.message(chunks.VIDEO, b"\x91avc1\x00\x00\x50" + b"\x00\x00\x00\x01\x65", 10, stream=1)
    coded_x = client.message(chunks.VIDEO, b"\xa3avc1" + b"\x00\x00\x00\x01\x41", 50, stream=1)
    header, first, second = play(client.opening("k") + start + coded + coded_x)[1:]
    assert header == TrackHeader(MediaKind.VIDEO, Codec.H264, client.AVCC)
    assert first == EncodedPacket(MediaKind.VIDEO, 90 * MILLI, 10 * MILLI, True, b"\x00\x00\x00\x01\x65")
    assert second == EncodedPacket(MediaKind.VIDEO, 50 * MILLI, 50 * MILLI, False, b"\x00\x00\x00\x01\x41")


def test_enhanced_hevc_is_taken() -> None:
    hvcc = b"\x01" + bytes(20) + b"\xff\x00"
    start = client.message(chunks.VIDEO, b"\x90hvc1" + hvcc, stream=1)
    coded = client.message(chunks.VIDEO, b"\x91hvc1\xff\xff\xb0" + b"\x00\x00\x00\x01\x26", 100, stream=1)
    coded_x = client.message(chunks.VIDEO, b"\xa3hvc1" + b"\x00\x00\x00\x01\x02", 140, stream=1)
    header, first, second = play(client.opening("k") + start + coded + coded_x)[1:]
    assert header == TrackHeader(MediaKind.VIDEO, Codec.HEVC, hvcc)
    assert first == EncodedPacket(MediaKind.VIDEO, 20 * MILLI, 100 * MILLI, True, b"\x00\x00\x00\x01\x26")
    assert second == EncodedPacket(MediaKind.VIDEO, 140 * MILLI, 140 * MILLI, False, b"\x00\x00\x00\x01\x02")
    for bad in (b"\x01short", b"\x00" + hvcc[1:], hvcc[:21] + b"\xfd\x00"):
        with pytest.raises(SourceError):
            play(client.opening("k") + client.message(chunks.VIDEO, b"\x90hvc1" + bad, stream=1))
