"""Matroska as others read it, whole, cut off anywhere, and mended."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import replace

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.model.tracks import Codec, MediaKind, TrackHeader
from media.packaging import matroska
from media.packaging.matroska import Block
from tests.support.media import Clip, ClipSpec, make_clip

STARTED = 1_764_531_000_123_456


def blocks(clip: Clip) -> list[Block]:
    return [Block(p.kind, p.pts, p.keyframe, p.data) for p in clip.packets if p.pts >= 0]


def clusters(all_blocks: Sequence[Block]) -> list[list[Block]]:
    made: list[list[Block]] = []
    for block in all_blocks:
        if not made or (block.kind is MediaKind.VIDEO and block.keyframe) or len(made[-1]) >= 20:
            made.append([])
        made[-1].append(block)
    return made


def whole(clip: Clip) -> bytes:
    data = matroska.head(clip.headers, started=STARTED, title="카메라 1")
    return data + b"".join(map(matroska.cluster, clusters(blocks(clip))))


def closed(data: bytes) -> bytes:
    found = matroska.scan(lambda at, size: data[at : at + size], len(data))
    file = io.BytesIO(data)
    file.truncate(found.end)
    for at, piece in matroska.closing(found.layout, found.cues, found.end, found.duration + 33_333):
        file.seek(at)
        file.write(piece)
    return file.getvalue()


def packets(data: bytes) -> list[tuple[str, int, bool, bytes]]:
    with av.open(io.BytesIO(data), "r") as container:
        return [
            (packet.stream.type, round((packet.pts or 0) * packet.time_base * 1000), packet.is_keyframe, bytes(packet))
            for packet in container.demux()
            if packet.size
        ]  # fmt: skip


@pytest.mark.parametrize(
    "spec", [ClipSpec(), ClipSpec(audio=Codec.OPUS, bframes=2), ClipSpec(video=False), ClipSpec(audio=None)]
)
def test_what_goes_in_comes_out_bit_for_bit(spec: ClipSpec) -> None:
    clip = make_clip(spec)
    data = closed(whole(clip))
    wanted = sorted((b.kind.value, matroska.ticks(b.time), b.data) for b in blocks(clip))
    assert sorted((kind, time, data) for kind, time, _, data in packets(data)) == wanted
    with av.open(io.BytesIO(data), "r") as container:
        assert container.duration is not None
        assert abs(container.duration - 3_000_000) < 100_000
        assert container.metadata["title"] == "카메라 1"
        for stream, header in zip(container.streams, clip.headers, strict=True):
            assert stream.codec_context is not None
            private = bytes(stream.codec_context.extradata or b"")
            skipless = header.extradata[:10] + b"\0\0" + header.extradata[12:]
            assert private == (skipless if header.codec is Codec.OPUS else header.extradata)
        if spec.video:
            container.seek(2_000_000)
            first = next(container.decode(video=0))
            assert first.key_frame
            assert first.time == 2.0


def test_every_codec_that_feeds_may_carry_has_a_name_there() -> None:
    avc = make_clip().video
    assert avc is not None
    private = {
        Codec.H264: avc.extradata,
        Codec.HEVC: b"\1" + bytes(20) + b"\3\0",
        Codec.OPUS: b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 312, 48_000, 0, 0),
    }
    names = {}
    for codec in Codec:
        kind = MediaKind.VIDEO if codec in {Codec.H264, Codec.HEVC, Codec.VP8} else MediaKind.AUDIO
        header = TrackHeader(kind, codec, width=64, height=48, sample_rate=8000, channels=1)
        header = replace(header, extradata=private.get(codec, b""))
        block = [Block(kind, at * 1000, keyframe=True, data=b"\1" * 32) for at in (0, 100)]
        data = matroska.head([header], started=STARTED) + matroska.cluster(block)
        with av.open(io.BytesIO(data), "r", options={"analyzeduration": "1"}) as container:
            context = container.streams[0].codec_context
            names[codec] = context.codec.name
    assert {codec: codec.value in names[codec] for codec in Codec} == dict.fromkeys(Codec, True)


def test_a_file_that_grows_is_played_as_far_as_it_is() -> None:
    data = whole(make_clip(ClipSpec()))
    cut = data[: len(data) * 2 // 3]
    assert 0 < len(packets(cut)) < len(packets(data))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_file_cut_off_anywhere_is_mended_to_its_last_whole_cluster(data: st.DataObject) -> None:
    clip = make_clip(ClipSpec())
    file = whole(clip)
    begins = matroska.layout_of(file).end
    first = begins + len(matroska.cluster(clusters(blocks(clip))[0]))
    cut = data.draw(st.integers(first, len(file)))
    mended = closed(file[:cut])
    kept = packets(mended)
    # What is lost is a cluster at most.
    everything = packets(file)
    assert kept == everything[: len(kept)]
    ends = [begins]
    for one in clusters(blocks(clip)):
        ends.append(ends[-1] + len(matroska.cluster(one)))
    assert matroska.scan(lambda at, size: file[:cut][at : at + size], cut).end == max(
        e for e in ends if e <= cut
    )
    # Mended twice is mended once.
    assert closed(mended) == mended


def test_time_0_is_kept_to_the_microsecond() -> None:
    assert matroska.layout_of(matroska.head(make_clip().headers, started=STARTED)).started == STARTED


@given(st.binary(max_size=300))
def test_what_is_no_file_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        matroska.scan(lambda at, size: data[at : at + size], len(data))


def test_a_block_too_far_from_its_cluster_is_refused() -> None:
    first = Block(MediaKind.AUDIO, 0, keyframe=True, data=b"a")
    with pytest.raises(ValueError, match="after its cluster"):
        matroska.cluster([first, replace(first, time=40_000_000)])
