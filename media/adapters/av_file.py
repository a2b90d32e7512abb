"""The `file` source: a clip, demuxed and paced in real time, its packets passed through as they are."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from media.adapters.source_thread import Delivery, run_in_thread
from media.model.errors import SourceError, SpecError
from media.model.feed import FeedSpec
from media.model.time import MICROSECONDS
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader
from media.ports import FeedSink

_CODECS = {"h264": Codec.H264, "hevc": Codec.HEVC, "aac": Codec.AAC}
# A clip may be anything that somebody uploaded: only real containers, and nothing that makes libav open other places.
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": "mov,matroska,mpegts,flv,avi"}
_YES, _NO = frozenset({"true", "yes", "1", "on"}), frozenset({"", "false", "no", "0", "off"})
_AHEAD = 5.0
"""Seconds: a wait longer than this is a hole in the clip's stamps, not its pace."""
_BEHIND = 2.0
"""Seconds: later than this we do not run to catch up but go on from now."""
_STEP = 0.04
"""Seconds of a clip that are handed over together. Waking up for each packet costs more than all that is done with
it, here, in the loop and in each worker that listens; within the worker's cushion nobody can tell the difference."""

_TO_A_PICTURE = 60
"""Packets of a clip's start within which its first picture is looked for."""
_HELD = 64
"""Packets of all tracks that may wait for a decode time: libav reorders 16 pictures at most."""
_OVERLAP = 500_000
"""Microseconds of sound past the picture's end that a loop may cut."""


@dataclass(frozen=True, slots=True)
class _Track:
    """A chosen stream with its header."""

    stream: Stream
    header: TrackHeader


class FileSource:
    """Plays `path` once, or for ever with `loop`: then stamps run on without a seam.

    Paths are relative to `media_dir`; outside of it they are refused unless `any_path` allows absolute ones.
    """

    def __init__(self, media_dir: Path | None = None, *, any_path: bool = False) -> None:
        self._media_dir = media_dir
        self._any_path = any_path

    async def check(self, spec: FeedSpec) -> None:
        """Raises `SpecError` when options are wrong, or the file is missing, not allowed or of no use."""
        path, _ = self._options(spec)
        await asyncio.to_thread(_probe, path)

    async def run(self, spec: FeedSpec, sink: FeedSink) -> None:
        """Deliver until cancelled or the file's end."""
        path, loop = self._options(spec)
        await run_in_thread(f"file {spec.id}", lambda delivery: _play(delivery, path, loop=loop), sink)

    def _options(self, spec: FeedSpec) -> tuple[Path, bool]:
        for key, _ in spec.options:
            if key not in {"path", "loop"}:
                raise SpecError("a file feed has the options path and loop only", field=f"options.{key}")
        loop = spec.option("loop").strip().lower()
        if loop not in _YES | _NO:
            raise SpecError("loop is true or false", field="options.loop")
        return self._path(spec.option("path")), loop in _YES

    def _path(self, text: str) -> Path:
        if not text or "\0" in text:
            raise SpecError("a file feed needs the path of its file", field="options.path")
        given = Path(text)
        if self._media_dir is None and not given.is_absolute():
            raise SpecError("a relative path needs ingest.media_dir to be set", field="options.path")
        path = (self._media_dir / given if self._media_dir is not None else given).resolve()
        inside = self._media_dir is not None and path.is_relative_to(self._media_dir.resolve())
        if not inside and not self._any_path:
            raise SpecError(
                "the file is outside ingest.media_dir, which ingest.any_path forbids", field="options.path"
            )
        if not path.is_file():
            raise SpecError("there is no such file", field="options.path")
        return path


def _probe(path: Path) -> None:
    with _open(path) as container:
        _tracks(container)


def _open(path: Path) -> InputContainer:
    try:
        return av.open(str(path), options=_OPTIONS)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SpecError(f"the file cannot be read as a video: {error}", field="options.path") from error


def _turn(path: Path) -> int:
    """Quarters counterclockwise to the upright picture: phones write how they were held into the container alone.

    libav gives that matrix with the decoded pictures only, so one is decoded.
    """
    with _open(path) as container:
        stream = next((s for s in container.streams.video if not _is_cover(s)), None)
        if stream is None:
            return 0
        for packet in itertools.islice(container.demux(stream), _TO_A_PICTURE):
            try:
                for frame in packet.decode():
                    return round(frame.rotation / 90) % 4
            except av.error.FFmpegError:
                continue  # damaged: the next keyframe may say it
    return 0


def _tracks(container: InputContainer, turn: int = 0) -> list[_Track]:
    """The first video and the first audio stream. Raises `SpecError` where one's codec cannot be passed on."""
    chosen: dict[MediaKind, _Track] = {}
    for stream in container.streams:
        if stream.type not in {"video", "audio"} or _is_cover(stream):
            continue
        kind = MediaKind(stream.type)
        if kind in chosen:
            continue
        codec = _CODECS.get(stream.codec.name)
        if codec is None:
            raise SpecError(
                f"the file's {kind} is {stream.codec.name}: convert it to H.264 with AAC first",
                field="options.path",
            )
        chosen[kind] = _Track(stream, _header(kind, codec, stream, turn))
    if not chosen:
        raise SpecError("the file has neither picture nor sound", field="options.path")
    return list(chosen.values())


def _is_cover(stream: Stream) -> bool:
    """It is the cover of a song: one picture, no video."""
    return bool(stream.disposition & Disposition.attached_pic)


def _header(kind: MediaKind, codec: Codec, stream: Stream, turn: int) -> TrackHeader:
    extradata = stream.codec_context.extradata or b""
    if isinstance(stream, VideoStream):
        # Only avcC and hvcC begin with 1: from MPEG-TS and AVI come start codes, with the parameters in band.
        configuration = extradata if extradata[:1] == b"\1" else b""
        return TrackHeader(kind, codec, configuration, stream.width, stream.height, turn=turn)
    assert isinstance(stream, AudioStream)
    return TrackHeader(kind, codec, extradata, sample_rate=stream.sample_rate, channels=stream.channels)


class _Pace:
    """When a decode time is due. The first one is due now; holes and stoppages move the base."""

    def __init__(self) -> None:
        self._base: float | None = None

    def due(self, dts: int) -> float:
        """Moment of `time.monotonic` for a decode time in microseconds."""
        now, at = time.monotonic(), dts / MICROSECONDS
        if self._base is None or not -_BEHIND < self._base + at - now < _AHEAD:
            self._base = now - at
        return self._base + at


class _Steps:
    """Hands packets over when they are due, and with each those that are due within a step after it."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._pace = _Pace()
        self._packets: list[EncodedPacket] = []
        self._until = -math.inf

    def add(self, packet: EncodedPacket) -> None:
        """Take the clip's next packet; waits until it is due where it begins a step."""
        due = self._pace.due(packet.dts)
        if due > self._until:
            self.flush()
            self._delivery.sleep_until(due)
            self._until = due + _STEP
        self._packets.append(packet)

    def flush(self) -> None:
        """Hand over what was taken."""
        packets, self._packets = self._packets, []
        if packets:
            self._delivery.put(*packets)


def _play(delivery: Delivery, path: Path, *, loop: bool) -> None:
    steps = _Steps(delivery)
    told: dict[MediaKind, TrackHeader] = {}
    clip = _Pass()
    turn = _turn(path)
    again = False
    while True:
        with _reopened(path) if again else _open(path) as container:
            tracks = _tracks(container, turn)
            for track in tracks:
                if told.get(track.header.kind) != track.header:
                    told[track.header.kind] = track.header
                    delivery.put(track.header)
            try:
                for packet in clip.packets(container, tracks):
                    steps.add(packet)
            except (av.error.FFmpegError, ValueError) as error:
                steps.flush()
                raise SourceError(f"the file cannot be read on: {error}") from error
            steps.flush()
        if not loop:
            return
        if not clip.again():
            raise SpecError("the file has no length and cannot be looped", field="options.path")
        again = True


def _reopened(path: Path) -> InputContainer:
    """For the next pass. Raises `SourceError`: a file that could be played is being replaced, or its disk is away."""
    try:
        return _open(path)
    except SpecError as error:
        raise SourceError(str(error)) from error


class _Pass:
    """Passes over a clip on one unbroken clock, which begins at 0 with the clip's first unit."""

    def __init__(self) -> None:
        self._offset = 0
        self._first: int | None = None
        self._last: dict[MediaKind, int] = {}
        """Newest decode time handed out of each track."""
        self._spans: dict[MediaKind, tuple[int, int]] = {}
        """First and last moment that each track of this pass is presented."""

    def packets(self, container: InputContainer, tracks: list[_Track]) -> Iterator[EncodedPacket]:
        """The clip's units from its start, in the file's order."""
        kinds = {track.stream.index: track.header.kind for track in tracks}
        for packet in _timed(container.demux([track.stream for track in tracks])):
            assert packet.dts is not None
            kind = kinds[packet.stream_index]
            dts = _micros(packet, packet.dts)
            pts = _micros(packet, packet.dts if packet.pts is None else packet.pts)
            if self._first is None:
                self._first = dts
            begin, end = self._spans.get(kind, (pts, pts))
            self._spans[kind] = (min(begin, pts), max(end, pts + _micros(packet, packet.duration or 0)))
            move = self._offset - self._first
            # Sound that outlasts the picture runs into the next pass a little: there its first units give way.
            if dts + move <= self._last.get(kind, dts + move - 1):
                continue
            self._last[kind] = dts + move
            keyframe = packet.is_keyframe or kind is MediaKind.AUDIO
            yield EncodedPacket(kind, pts + move, dts + move, keyframe, bytes(packet))

    def again(self) -> bool:
        """The clip is at its end: let the next pass follow. False where nothing of it had a length."""
        lengths = {kind: end - begin for kind, (begin, end) in self._spans.items()}
        longest = max(lengths.values(), default=0)
        # The picture's length keeps its cadence over the seam, unless much sound would be cut for it.
        picture = lengths.get(MediaKind.VIDEO, 0)
        length = picture if longest - picture < _OVERLAP else longest
        self._offset += length
        self._spans.clear()
        return length > 0


def _timed(packets: Iterable[Packet[Stream]]) -> Iterator[Packet[Stream]]:
    """Those that are media, each with a decode time, in their order. What has no time at all cannot be paced, and goes.

    Matroska has presentation times alone, and libav cannot tell the decode times of the first pictures of a stream with
    B-frames, the keyframe among them: they are counted back from the first one that it can.
    """
    held: list[Packet[Stream]] = []
    for packet in packets:
        if packet.size == 0 or (packet.dts is None and packet.pts is None):
            continue  # the demuxer's empty packet at the end is one
        held.append(packet)
        if packet.dts is not None:
            later = packet.dts
            for former in reversed(held):
                if former.dts is None and former.stream_index == packet.stream_index:
                    former.dts = later = later - (former.duration or 1)
        if len(held) > _HELD or all(each.dts is not None for each in held):
            yield from (each for each in held if each.dts is not None)
            held.clear()
    yield from (each for each in held if each.dts is not None)


def _micros(packet: Packet[Stream], ticks: int) -> int:
    base = packet.time_base
    return ticks * base.numerator * MICROSECONDS // base.denominator
