"""What a viewer of a recorded channel saw and heard: pictures and sound decoded from the collected segments."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from media.adapters.av_planes import planes_of
from tests.conformance.checker import Recording, check_playlists
from tests.support.media import beeps, flashes, offsets

RATE = 48_000


@dataclass(frozen=True)
class Watched:
    """Seconds are media time of the epoch."""

    flashes: list[float]
    beeps: list[float]

    @property
    def offsets(self) -> list[float]:
        """Sound minus picture for each flash with a beep near it, seconds."""
        return offsets(self.flashes, self.beeps)


def watch(recording: Recording, picture: str = "v180", sound: str = "audio", *, since: int = 0) -> Watched:
    """Decode what was collected of one epoch, from media sequence number `since` on."""
    media = {name: _bytes(recording, name, since) for name in (picture, sound)}
    return Watched(flashes(pictures(media[picture])), heard(media[sound]))


def pictures(data: bytes) -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
    """(seconds, luma) of a fragmented MP4 with video."""
    with av.open(io.BytesIO(data), "r") as file:
        for frame in file.decode(video=0):
            assert frame.time is not None
            yield frame.time, planes_of(frame)[0]


def heard(data: bytes) -> list[float]:
    """Seconds of the beeps in a fragmented MP4 with sound."""
    samples, begins = decoded(data)
    return [at + begins for at in beeps(samples)]


def decoded(data: bytes) -> tuple[npt.NDArray[np.float32], float]:
    """Samples (n, channels) and the seconds at which they begin."""
    with av.open(io.BytesIO(data), "r") as file:
        frames = list(file.decode(audio=0))
    assert frames
    assert frames[0].time is not None
    blocks: Sequence[npt.NDArray[Any]] = [frame.to_ndarray() for frame in frames]
    return np.concatenate(blocks, axis=1).T.astype(np.float32), frames[0].time


def _bytes(recording: Recording, rendition: str, since: int) -> bytes:
    """Init and all fetched segments in a row, of the newest epoch."""
    seen = check_playlists(recording.answers)[0][rendition]
    newest = list(seen.maps.values())[-1]
    names = [
        entry.uri
        for msn, entry in sorted(seen.segments.items())
        if msn >= since and seen.maps[msn] == newest and (rendition, entry.uri) in recording.objects
    ]
    return b"".join(recording.objects[rendition, name][0] for name in (newest, *names))
