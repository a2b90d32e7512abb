"""Packets without decode times, as Matroska gives the first pictures of a stream with B-frames, and with no time at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import av
import pytest
from av.container import InputContainer

from media.adapters import av_file, av_relay
from media.adapters.av_decode import VideoDecoder
from media.model.tracks import EncodedPacket, MediaKind, TrackHeader
from tests.support.media import ClipSpec, clip_file

SECONDS = 2
PICTURES = SECONDS * 30


@pytest.fixture
def clip() -> Iterator[InputContainer]:
    path = clip_file(ClipSpec(seconds=SECONDS, bframes=3), "mkv")
    with av.open(str(path)) as container:
        untimed = [packet for packet in container.demux(video=0) if packet.size and packet.dts is None]
    assert untimed, "libav can tell all decode times of this clip: it tests nothing any more"
    assert untimed[0].is_keyframe
    with av.open(str(path)) as container:
        yield container


def complete(header: TrackHeader, units: Sequence[EncodedPacket]) -> None:
    """All pictures, in the order of decoding, and whole."""
    pictures = [unit for unit in units if unit.kind is MediaKind.VIDEO]
    assert len(pictures) == PICTURES
    assert pictures[0].keyframe
    assert all(before.dts < after.dts for before, after in pairwise(pictures))
    assert len({unit.pts for unit in pictures}) == PICTURES
    decoder = VideoDecoder(header)
    shown = [picture for unit in pictures for picture in decoder.decode(unit)] + decoder.flush()
    assert (len(shown), decoder.errors) == (PICTURES, 0)
    assert all(before.pts < after.pts for before, after in pairwise(shown))


def test_a_file_gives_all_pictures_on_each_time_it_is_played(clip: InputContainer) -> None:
    passes = av_file._Pass()
    tracks = av_file._tracks(clip)
    header = next(track.header for track in tracks if track.header.kind is MediaKind.VIDEO)
    first = list(passes.packets(clip, tracks))
    complete(header, first)
    assert first[0].dts == 0
    assert all(unit.dts <= unit.pts for unit in first)
    assert passes.again()
    clip.seek(0)
    second = list(passes.packets(clip, tracks))
    complete(header, second)
    assert min(unit.pts for unit in second) > max(unit.pts for unit in first) - 100_000


def test_what_no_decode_time_follows_is_left_out_and_holds_nothing_up(clip: InputContainer) -> None:
    packets = [packet for packet in clip.demux() if packet.size]
    sounds = [packet for packet in packets if packet.stream.type == "audio"]
    for packet in packets:
        if packet.stream.type == "video":
            packet.dts = None
    assert [id(packet) for packet in av_file._timed(packets)] == [id(packet) for packet in sounds]


def test_a_receiver_gives_all_pictures_on(clip: InputContainer) -> None:
    track = av_relay._Track(clip.streams.video[0])
    found = [unit for packet in clip.demux(clip.streams[0]) if packet.size for unit in track.units(packet)]
    (header,) = (unit for unit in found if isinstance(unit, TrackHeader))
    complete(header, [unit for unit in found if isinstance(unit, EncodedPacket)])


def test_a_receiver_leaves_out_what_has_no_time(clip: InputContainer) -> None:
    track = av_relay._Track(clip.streams.video[0])
    packet = next(clip.demux(clip.streams[0]))
    packet.pts = packet.dts = None
    assert track.units(packet) == []
