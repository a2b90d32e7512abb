"""Made-up tape: entries, and parts that are real fragments of pretended frames."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction

from media.model.channel import ChannelSpec, Rung
from media.model.time import MICROSECONDS, ProgrammeTime
from media.packaging.fmp4 import box
from media.packaging.parts import Part
from media.packaging.segmenter import AudioSegmenter, VideoSegmenter
from media.ports import TapeSegment

ANCHOR = ProgrammeTime(1_700_000_000 * MICROSECONDS)
SECOND = MICROSECONDS


def entry(
    msn: int,
    *,
    channel: str = "main",
    epoch: int = 1,
    rendition: str = "v360",
    starts: int | None = None,
    seconds: float = 2.0,
    size: int = 1000,
) -> TapeSegment:
    """The entry of a segment; without `starts` the one that follows msn − 1."""
    at = ANCHOR + msn * 2 * SECOND if starts is None else starts
    return TapeSegment(
        channel=channel,
        epoch=epoch,
        rendition=rendition,
        msn=msn,
        starts=ProgrammeTime(at),
        decode_time=msn * 180_000,
        duration=round(seconds * 90_000),
        timescale=90_000,
        size=size,
        key=f"{channel}/{rendition}/{epoch}-{msn}.m4s",
    )


def spec(rungs: Sequence[int] = (360, 180)) -> ChannelSpec:
    """A small channel: 30 fps, parts of a third of a second, segments of 2 s."""
    return ChannelSpec(
        "main",
        width=640,
        height=360,
        rate=Fraction(30),
        ladder=tuple(Rung(height, 300_000) for height in rungs),
    )


def parts(
    channel: ChannelSpec,
    segments: int,
    *,
    epoch: int = 1,
    first_msn: int = 0,
    anchor: ProgrammeTime = ANCHOR,
    frame_bytes: int = 40,
) -> Iterator[Part]:
    """The parts of so many segments, all renditions, in the order in which a worker makes them."""
    videos = [
        VideoSegmenter(channel, rung.name, epoch=epoch, first_msn=first_msn, anchor=anchor)
        for rung in channel.ladder
    ]
    audio = AudioSegmenter(channel, epoch=epoch, first_msn=first_msn, anchor=anchor)
    frames = 0
    for tick in range(segments * channel.segment_frames + 1):
        due = channel.clock.samples_before(tick + 1) // 1024 + 1
        while frames < due:
            frames += 1
            part = audio.push(frames.to_bytes(4, "big") * 3)
            if part is not None and part.msn < first_msn + segments:
                yield part
        if tick == segments * channel.segment_frames:
            break
        for video in videos:
            part = video.push(
                tick, tick.to_bytes(4, "big") * (frame_bytes // 4), tick % channel.gop_frames == 0
            )
            if part is not None:
                yield part


def init_bytes(timescale: int) -> bytes:
    """The least init segment that says its timescale; no decoder plays it."""
    tkhd = box(b"tkhd", struct.pack(">IIII", 0, 0, 0, 1), bytes(68))
    mdhd = box(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, timescale, 0, 0))
    hdlr = box(b"hdlr", bytes(8), b"soun", bytes(13))
    entry_box = box(b"mp4a", bytes(28))
    stsd = box(b"stsd", struct.pack(">II", 0, 1), entry_box)
    minf = box(b"minf", box(b"stbl", stsd))
    trak = box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, minf))
    return box(b"ftyp", b"isom", bytes(4)) + box(b"moov", trak)
