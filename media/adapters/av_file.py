"""The `file` source: a clip, demuxed and paced in real time, its packets passed through as they are."""

from __future__ import annotations

import asyncio
import time
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


def _tracks(container: InputContainer) -> list[_Track]:
    """The first video and the first audio stream. Raises `SpecError` where one's codec cannot be passed on."""
    chosen: dict[MediaKind, _Track] = {}
    for stream in container.streams:
        if stream.type not in {"video", "audio"} or stream.disposition & Disposition.attached_pic:
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
        chosen[kind] = _Track(stream, _header(kind, codec, stream))
    if not chosen:
        raise SpecError("the file has neither picture nor sound", field="options.path")
    return list(chosen.values())


def _header(kind: MediaKind, codec: Codec, stream: Stream) -> TrackHeader:
    extradata = stream.codec_context.extradata or b""
    if isinstance(stream, VideoStream):
        # Only avcC and hvcC begin with 1: from MPEG-TS and AVI come start codes, with the parameters in band.
        return TrackHeader(
            kind, codec, extradata if extradata[:1] == b"\1" else b"", stream.width, stream.height
        )
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


def _play(delivery: Delivery, path: Path, *, loop: bool) -> None:
    offset = 0
    pace = _Pace()
    told: dict[MediaKind, TrackHeader] = {}
    while True:
        with _open(path) as container:
            tracks = _tracks(container)
            for track in tracks:
                if told.get(track.header.kind) != track.header:
                    told[track.header.kind] = track.header
                    delivery.put(track.header)
            try:
                length = _once(delivery, container, tracks, pace, offset)
            except (av.error.FFmpegError, ValueError) as error:
                raise SourceError(f"the file cannot be read on: {error}") from error
        if not loop:
            return
        if length <= 0:
            raise SpecError("the file is empty and cannot be looped", field="options.path")
        offset += length


def _once(
    delivery: Delivery, container: InputContainer, tracks: list[_Track], pace: _Pace, offset: int
) -> int:
    """Play the clip from its start, `offset` microseconds into the feed. Returns its length in microseconds."""
    kinds = {track.stream.index: track.header.kind for track in tracks}
    first: int | None = None
    ends = 0
    spacing: dict[MediaKind, int] = {}
    last: dict[MediaKind, int] = {}
    for packet in container.demux([track.stream for track in tracks]):
        if packet.dts is None or packet.size == 0:
            continue  # the demuxer's empty packet at the end; and what has no time cannot be paced
        kind = kinds[packet.stream_index]
        dts = _micros(packet, packet.dts)
        if first is None:
            # Sound or picture may begin a little before the other: both keep their distance.
            first = dts
        unit_dts = dts - first + offset
        pts = _micros(packet, packet.pts if packet.pts is not None else packet.dts) - first + offset
        if kind in last:
            spacing[kind] = max(1, dts - last[kind])
        last[kind] = dts
        duration = _micros(packet, packet.duration) if packet.duration else spacing.get(kind, 0)
        ends = max(ends, dts + duration)
        delivery.sleep_until(pace.due(unit_dts))
        keyframe = packet.is_keyframe or kind is MediaKind.AUDIO
        delivery.put(EncodedPacket(kind, pts, unit_dts, keyframe, bytes(packet)))
    return 0 if first is None else ends - first


def _micros(packet: Packet[Stream], ticks: int) -> int:
    base = packet.time_base
    return ticks * base.numerator * MICROSECONDS // base.denominator
