"""A good recording without a network: the real segmenters and `LiveChannel`, fed with tiny frames, over two epochs."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache

import av

from media.model.channel import ChannelSpec, Rung
from media.model.time import ProgrammeTime
from media.packaging.codecs import codec_string
from media.packaging.fmp4 import init_tracks
from media.packaging.live import Held, LiveChannel, Ready
from media.packaging.parts import AUDIO, Part, init_name, segment_name
from media.packaging.segmenter import AudioSegmenter, VideoSegmenter
from media.ports import TapeInit, TapeSegment
from tests.conformance.checker import Answer, Recording

ANCHOR = ProgrammeTime(1_700_000_000_000_000)
SPEC = ChannelSpec(
    "c", width=640, height=360, ladder=(Rung(360, 500_000), Rung(180, 200_000)), dvr_seconds=60
)


class _Sink:
    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


@cache
def video_init(width: int, height: int, rate: Fraction) -> bytes:
    """A real init segment, from the encoder that the product uses."""
    sink = _Sink()
    options = {"movflags": "cmaf+frag_custom+empty_moov+default_base_moof+skip_trailer"}
    timescale = str(ChannelSpec("c", rate=rate).clock.timescale)
    with av.open(
        sink, "w", format="mp4", options={**options, "video_track_timescale": timescale}
    ) as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        container.start_encoding()
        return bytes(sink.data)


@cache
def audio_init() -> bytes:
    """The same for sound."""
    sink = _Sink()
    options = {"movflags": "cmaf+frag_custom+empty_moov+default_base_moof+skip_trailer"}
    with av.open(sink, "w", format="mp4", options=options) as container:
        stream = container.add_stream("aac", rate=48_000)
        stream.codec_context.layout = "stereo"
        container.start_encoding()
        return bytes(sink.data)


def access_unit(tick: int, *, keyframe: bool) -> bytes:
    """A length-prefixed NAL unit with the right type and some bytes that tell frames apart."""
    body = (b"\x65" if keyframe else b"\x41") + tick.to_bytes(4, "big") * 8
    return len(body).to_bytes(4, "big") + body


def parts(
    spec: ChannelSpec, epoch: int, first_msn: int, anchor: ProgrammeTime, segments: int
) -> Iterator[Part]:
    """The parts of all renditions in the order in which a worker makes them."""
    videos = [
        VideoSegmenter(spec, rung.name, epoch=epoch, first_msn=first_msn, anchor=anchor)
        for rung in spec.ladder
    ]
    audio = AudioSegmenter(spec, epoch=epoch, first_msn=first_msn, anchor=anchor)
    frames = 0
    for tick in range(segments * spec.segment_frames + 1):
        keyframe = tick % spec.gop_frames == 0
        for video in videos:
            part = video.push(tick, access_unit(tick, keyframe=keyframe), keyframe)
            if part:
                yield part
        while (frames + 1) * 1024 <= spec.clock.samples_before(tick + 1):
            frames += 1
            sound = audio.push(b"sound" + frames.to_bytes(4, "big"))
            if sound:
                yield sound


def open_channel(live: LiveChannel) -> list[TapeInit]:
    """Give a channel its init segments; returns them as the tape would list them."""
    spec = live.spec
    inits = []
    for name, rung in [*((rung.name, rung) for rung in spec.ladder), (AUDIO, None)]:
        width, height = spec.size_of(rung) if rung else (0, 0)
        data = video_init(width, height, spec.rate) if rung else audio_init()
        (track,) = init_tracks(data)
        bitrate = rung.bitrate if rung else spec.audio_bitrate
        live.add_init(name, data, codec_string(track), width, height, bitrate, track.timescale)
        key = f"{spec.id}/{name}/{init_name(live.epoch)}"
        inits.append(TapeInit(spec.id, live.epoch, name, key, codec_string(track), width, height, bitrate))
    return inits


def watch(live: LiveChannel, part: Part, into: Recording) -> None:
    """Ask for what a player would ask for after this part, the whole playlist and the delta."""
    name = part.rendition
    for skip in (False, True):
        found = live.playlist(name, part.msn, part.index, skip=skip)
        if isinstance(found, Ready):
            into.answers.append(Answer(name, found.body.decode(), msn=part.msn, part=part.index, skip=skip))
    objects = [part.name, init_name(live.epoch)] + ([segment_name(part.epoch, part.msn)] if part.last else [])
    for item in objects:
        held = live.find(name, item)
        assert isinstance(held, Held)
        into.objects.setdefault((name, item), []).append(held.data)


def record(spec: ChannelSpec = SPEC, segments: int = 14, restart_after: int = 0) -> Recording:
    """A recording; with `restart_after` a worker dies after so many segments and another epoch goes on."""
    recording = Recording()
    tape: list[TapeSegment] = []
    live = LiveChannel(spec, 1, ANCHOR)
    inits = open_channel(live)
    epochs = [(live, 0, restart_after or segments)]
    if restart_after:
        epochs.append((live, restart_after, segments - restart_after))
    for epoch, (_, first, count) in enumerate(epochs, 1):
        anchor = ProgrammeTime(ANCHOR + (epoch - 1) * 600_000_000)
        if epoch > 1:
            now = ProgrammeTime(max(item.starts for item in tape))
            live = LiveChannel(spec, epoch, anchor, tape, inits, now, first_msn=first)
            open_channel(live)
        whole: dict[str, list[Part]] = {}
        for part in parts(spec, epoch, first, anchor, count):
            live.add(part)
            watch(live, part, recording)
            whole.setdefault(part.rendition, []).append(part)
            if part.last:
                tape.append(_entry(spec, whole.pop(part.rendition)))
                live.stored(part.rendition, part.msn)
    found = live.multivariant()
    assert isinstance(found, Ready)
    recording.multivariant = found.body.decode()
    return recording


def _entry(spec: ChannelSpec, made: list[Part]) -> TapeSegment:
    first = made[0]
    return TapeSegment(
        channel=spec.id,
        epoch=first.epoch,
        rendition=first.rendition,
        msn=first.msn,
        starts=first.starts,
        decode_time=first.decode_time,
        duration=sum(part.duration for part in made),
        timescale=first.timescale,
        size=sum(len(part.data) for part in made),
        key=f"{spec.id}/{first.rendition}/{segment_name(first.epoch, first.msn)}",
    )
