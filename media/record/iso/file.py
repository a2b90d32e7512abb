"""One part's file: written cluster by cluster, closed with cues and duration, mended after a crash. Blocks; for threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from media.model.tracks import MediaKind, TrackHeader
from media.packaging import matroska
from media.packaging.matroska import Block, Cue

CLUSTER_MICROS = 500_000
"""A cluster is written when it is this long: what a crash takes."""
CLUSTER_BYTES = 1 << 20
CUE_EVERY = 1_000_000
"""Microseconds between two places to seek to, where there is a keyframe as often."""


class PartFile:
    """A file that is being written. All methods raise OSError, and leave the file as far as it was whole."""

    def __init__(self, path: Path, tracks: Sequence[TrackHeader], *, started: int, title: str) -> None:
        self.path = path
        self._has_video = any(track.kind is MediaKind.VIDEO for track in tracks)
        self._head = matroska.head(tracks, started=started, title=title)
        self._layout = matroska.layout_of(self._head)
        self._blocks: list[Block] = []
        self._held = 0
        self._cues: list[Cue] = []
        self.size = 0
        """Bytes that are in the file."""
        self.reached = 0
        """Microseconds up to the newest block in the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        # Never over another one: a number is given once.
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)

    def put(self, block: Block) -> None:
        """Add a block; it is on its way to the disk within `CLUSTER_MICROS` of media."""
        begins = block.kind is MediaKind.VIDEO and block.keyframe
        if self._blocks and (
            begins
            or self._held >= CLUSTER_BYTES
            or not 0 <= block.time - self._blocks[0].time + 100_000 < CLUSTER_MICROS + 100_000
        ):
            self.flush()
        self._blocks.append(block)
        self._held += len(block.data)

    def flush(self) -> None:
        """Write what waits, as a cluster of its own."""
        if not self._blocks:
            return
        blocks, self._blocks, self._held = self._blocks, [], 0
        data = matroska.cluster(blocks)
        first = blocks[0]
        leads = first.keyframe and (first.kind is MediaKind.VIDEO or not self._has_video)
        at = self.size or len(self._head)
        if not self.size:
            data = self._head + data
        self._write(data, self.size)
        if leads and (not self._cues or first.time - self._cues[-1].time >= CUE_EVERY):
            self._cues.append(Cue(first.time, at))
        self.size += len(data)
        self.reached = max(self.reached, *(block.time for block in blocks))

    def close(self, duration: int) -> None:
        """Write what waits, then what makes it quick to seek in; `duration` in microseconds."""
        try:
            self.flush()
            if self.size:
                for at, data in matroska.closing(self._layout, self._cues, self.size, duration):
                    self._write(data, at)
                    self.size = max(self.size, at + len(data))
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of the file as it is; one in which nothing is goes away. Once more does no harm."""
        if self._file < 0:
            return
        os.close(self._file)
        self._file = -1
        if not self.size:
            self.path.unlink(missing_ok=True)

    def _write(self, data: bytes, at: int) -> None:
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self._file, memoryview(data)[written:], at + written)
        except OSError:
            # Half a cluster is not left behind: whoever reads it meanwhile would see it as damage.
            if at >= self.size:
                os.ftruncate(self._file, self.size)
            raise


@dataclass(frozen=True, slots=True)
class Mended:
    """What a file is after it was mended."""

    started: int
    duration: int
    size: int


def mend(path: Path) -> Mended | None:
    """Cut off what is torn at the end of a file that was not closed, and close it. None for one that holds nothing, which
    is removed. Raises OSError.
    """
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        size = os.fstat(file).st_size
        try:
            found = matroska.scan(lambda at, count: os.pread(file, count, at), size)
        except ValueError:
            found = None
        if found is None or found.end == found.layout.end:
            path.unlink(missing_ok=True)
            return None
        os.ftruncate(file, found.end)
        cues = [
            cue
            for n, cue in enumerate(found.cues)
            if not n or cue.time - found.cues[n - 1].time >= CUE_EVERY // 2
        ]
        whole = found.end
        for at, data in matroska.closing(found.layout, cues, found.end, found.duration):
            if os.pwrite(file, data, at) != len(data):
                # What makes it quick is left out where there is no room for it: it plays without.
                os.ftruncate(file, found.end)
                whole = found.end
                break
            whole = max(whole, at + len(data))
    finally:
        os.close(file)
    return Mended(found.layout.started, found.duration, whole)
