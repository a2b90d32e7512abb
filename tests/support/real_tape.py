"""Tape made with the real encoders and segmenters: a flash with a beep on each whole second of programme time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction

from media.adapters.av_encode import AudioEncoder, VideoEncoder
from media.model.channel import ChannelSpec, Rung
from media.model.time import MICROSECONDS, ProgrammeTime
from media.packaging.codecs import codec_string
from media.packaging.fmp4 import init_tracks
from media.packaging.parts import Part
from media.packaging.segmenter import AudioSegmenter, VideoSegmenter
from media.ports import SegmentStore, TapeIndex, TapeInit, TapeSegment
from media.record.layout import init_key, segment_key
from tests.support.media import ClipSpec, draw_pattern, pattern_sound
from tests.support.tape import ANCHOR

SPEC = ChannelSpec(
    "main", width=320, height=180, rate=Fraction(30), ladder=(Rung(180, 200_000),), preset="ultrafast"
)


async def record(
    store: SegmentStore,
    index: TapeIndex,
    segments: int,
    *,
    begins: float = 0.0,
    first_msn: int = 0,
    lost: Sequence[int] = (),
    spec: ChannelSpec = SPEC,
) -> int:
    """Put so many segments on tape as one epoch that is anchored `begins` seconds behind `ANCHOR`, but those whose
    msn is `lost`. Returns the epoch.
    """
    anchor = ProgrammeTime(ANCHOR + round(begins * MICROSECONDS))
    epoch = await index.claim_epoch("main", anchor)
    rung = spec.ladder[0]
    video, audio = VideoEncoder(spec, rung), AudioEncoder(spec)
    for name, data in ((rung.name, video.init_segment), ("audio", audio.init_segment)):
        track = init_tracks(data)[0]
        key = init_key("main", name, epoch)
        await store.put(key, data)
        await index.add_init(
            TapeInit("main", epoch, name, key, codec_string(track), track.width, track.height, 1)
        )
    pictures = VideoSegmenter(spec, rung.name, epoch=epoch, first_msn=first_msn, anchor=anchor)
    sounds = AudioSegmenter(spec, epoch=epoch, first_msn=first_msn, anchor=anchor)
    clip = ClipSpec(width=spec.width, height=spec.height, rate=spec.rate)
    frames = segments * spec.segment_frames
    first_frame = round(begins * spec.rate)
    made: list[Part | None] = []
    ticks = [
        t for n in range(frames) for t in video.encode(n, draw_pattern(clip, first_frame + n))
    ] + video.flush()
    made += [pictures.push(t.tick, t.data, t.keyframe) for t in ticks]
    mono = pattern_sound(frames / 30 + 0.1, begins=begins)
    made += [sounds.push(unit) for unit in audio.encode(mono[:, None].repeat(2, axis=1))]
    video.close()
    audio.close()
    whole: dict[tuple[str, int], list[Part]] = defaultdict(list)
    for part in made:
        if part is not None and part.msn < first_msn + segments and part.msn not in lost:
            whole[part.rendition, part.msn].append(part)
    entries = []
    for (rendition, msn), parts in sorted(whole.items()):
        data = b"".join(part.data for part in parts)
        key = segment_key("main", rendition, epoch, msn)
        await store.put(key, data)
        duration = sum(part.duration for part in parts)
        first = parts[0]
        entries.append(
            TapeSegment(
                "main",
                epoch,
                rendition,
                msn,
                first.starts,
                first.decode_time,
                duration,
                first.timescale,
                len(data),
                key,
            )
        )
    await index.add(entries)
    return epoch
