"""Segments of the tape into one MP4 without decoding anything: samples are copied, times are laid out anew."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from media.model.errors import EngineError
from media.model.time import MICROSECONDS
from media.record.export import Run, Track


class RemuxCancelledError(Exception):
    """`keep_going` said no."""


def remux(
    runs: Sequence[Run],
    target: Path,
    *,
    fetch: Callable[[str], bytes],
    progress: Callable[[float], None],
    keep_going: Callable[[], bool],
) -> None:
    """Write the runs to `target`, an MP4 whose index is at its front. Blocks; call it on a thread.

    `fetch` reads an object by key; one segment per track is in memory at a time. `progress` is told 0 to 1.
    Raises `EngineError` where the runs do not fit one file or libav fails, `RemuxCancelledError`, and what `fetch` raises.
    """
    total = sum(run.size for run in runs) or 1
    read = 0

    def counted(key: str) -> bytes:
        nonlocal read
        if not keep_going():
            raise RemuxCancelledError
        data = fetch(key)
        read += len(data)
        progress(min(1.0, read / total))
        return data

    try:
        with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as output:
            writer = _Writer(output)
            for run in runs:
                writer.run(run, counted)
    except av.error.FFmpegError as error:
        raise EngineError(f"the file could not be written: {error}") from error


class _Writer:
    """The output with its tracks, made from the first run."""

    def __init__(self, output: OutputContainer) -> None:
        self._output = output
        self._streams: dict[str, Stream] = {}
        self._configs: dict[str, bytes] = {}
        self._next: dict[str, int] = {}

    def run(self, run: Run, fetch: Callable[[str], bytes]) -> None:
        inputs = {kind: _open(track, fetch) for kind, track in run.tracks.items()}
        try:
            for kind, source in inputs.items():
                self._declare(kind, source.streams[0])
            packets = {kind: self._packets(kind, inputs[kind], track) for kind, track in run.tracks.items()}
            heads = {kind: next(iterator, None) for kind, iterator in packets.items()}
            while any(heads.values()):
                kind = min((k for k, p in heads.items() if p is not None), key=lambda k: _when(heads[k]))
                packet = heads[kind]
                assert packet is not None
                self._output.mux_one(packet)
                heads[kind] = next(packets[kind], None)
        finally:
            for source in inputs.values():
                source.close()

    def _declare(self, kind: str, source: Stream) -> None:
        config = bytes(source.codec_context.extradata or b"")
        if kind not in self._streams:
            if self._streams and self._next:
                raise EngineError(f"the {kind} begins in the middle of the recording")
            stream = self._output.add_stream_from_template(source, opaque=False)
            stream.time_base = source.time_base
            self._streams[kind] = stream
            self._configs[kind] = config
        elif self._configs[kind] != config:
            raise EngineError(f"the {kind} settings of the channel were changed during the recording")

    def _packets(self, kind: str, source: InputContainer, track: Track) -> Iterator[Packet[Stream]]:
        """The run's packets with their times in the file."""
        stream = self._streams[kind]
        base = max(
            (2 * track.at * track.timescale + MICROSECONDS) // (2 * MICROSECONDS), self._next.get(kind, 0)
        )
        first: int | None = None
        for packet in source.demux(source.streams[0]):
            if packet.dts is None or packet.pts is None or packet.size == 0:
                continue
            if first is None:
                first = packet.dts
            shift = base - first
            packet.dts += shift
            packet.pts += shift
            packet.stream = stream
            self._next[kind] = packet.dts + (packet.duration or 0)
            yield packet


def _when(packet: Packet[Stream] | None) -> float:
    assert packet is not None
    assert packet.dts is not None
    return float(packet.dts * packet.time_base)


def _open(track: Track, fetch: Callable[[str], bytes]) -> InputContainer:
    source = av.open(
        io.BufferedReader(_Objects([track.init_key, *track.keys], fetch), 1 << 16), "r", format="mp4"
    )
    if len(source.streams) != 1:
        source.close()
        raise EngineError(f"{track.init_key} has {len(source.streams)} tracks")
    return source


class _Objects(io.RawIOBase):
    """Objects one after the other as a file that cannot seek."""

    def __init__(self, keys: Sequence[str], fetch: Callable[[str], bytes]) -> None:
        super().__init__()
        self._keys = iter(keys)
        self._fetch = fetch
        self._data = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed wants the private Buffer type
        while not self._data:
            key = next(self._keys, None)
            if key is None:
                return 0
            self._data = memoryview(self._fetch(key))
        count = min(len(buffer), len(self._data))
        buffer[:count] = self._data[:count]
        self._data = self._data[count:]
        return count
