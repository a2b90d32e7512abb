"""Encoded frames in, parts out. Pure and ticked: the same frames give the same bytes, and no clock is read."""

from __future__ import annotations

from media.model.channel import ChannelSpec
from media.model.errors import EngineError
from media.model.time import AAC_FRAME, SAMPLE_RATE, ProgrammeTime
from media.packaging.fmp4 import fragment
from media.packaging.parts import AUDIO, Grid, Part, programme_time


class VideoSegmenter:
    """Cuts one video rendition of one epoch into parts.

    `anchor` is the programme time of tick 0, `first_msn` the media sequence number of the first segment.
    """

    def __init__(
        self, spec: ChannelSpec, rendition: str, *, epoch: int, first_msn: int, anchor: ProgrammeTime
    ) -> None:
        self._grid = Grid.of(spec, first_msn)
        self._rendition = rendition
        self._epoch = epoch
        self._anchor = anchor
        self._gop = spec.gop_frames
        self._timescale = spec.clock.timescale
        self._frame = spec.clock.frame_duration
        self._tick = 0
        self._samples: list[bytes] = []
        self._syncs: list[bool] = []

    @property
    def timescale(self) -> int:
        """Units per second of this rendition's decode times: what its init segment must say."""
        return self._timescale

    def push(self, tick: int, data: bytes, keyframe: bool) -> Part | None:  # noqa: FBT001 - a fact of the packet, not a switch
        """Take the access unit of one tick (length-prefixed NAL units); returns the part that it completes.

        Every tick comes exactly once and in order, and each GOP starts with an IDR; else `EngineError`, for then
        the encoder does not do what it was configured to do.
        """
        if tick != self._tick:
            raise EngineError(f"{self._rendition}: the encoder gave tick {tick} where {self._tick} was due")
        if not keyframe and tick % self._gop == 0:
            raise EngineError(
                f"{self._rendition}: no IDR at tick {tick}, which starts a GOP of {self._gop} frames"
            )
        if not data:
            raise EngineError(f"{self._rendition}: an empty access unit at tick {tick}")
        self._tick += 1
        self._samples.append(data)
        self._syncs.append(keyframe)
        if self._tick % self._grid.part_frames:
            return None
        count = len(self._samples)
        number = tick // self._grid.part_frames
        decode_time = (self._tick - count) * self._frame
        msn, index, last = self._grid.place(number)
        part = Part(
            rendition=self._rendition,
            epoch=self._epoch,
            msn=msn,
            index=index,
            data=fragment(number + 1, decode_time, self._frame, self._samples, self._syncs),
            decode_time=decode_time,
            duration=count * self._frame,
            timescale=self._timescale,
            independent=self._syncs[0],
            last=last,
            starts=programme_time(self._anchor, decode_time, self._timescale),
            frames=count,
        )
        self._samples = []
        self._syncs = []
        return part


class AudioSegmenter:
    """Cuts the audio rendition of one epoch into parts that follow the video's (see `parts.Grid`).

    The first AAC frame has decode time 0; each has 1024 samples. Encoder priming is the encoder's business:
    what is pushed first is heard at programme time `anchor`.
    """

    timescale = SAMPLE_RATE

    def __init__(
        self, spec: ChannelSpec, rendition: str = AUDIO, *, epoch: int, first_msn: int, anchor: ProgrammeTime
    ) -> None:
        self._grid = Grid.of(spec, first_msn)
        self._rendition = rendition
        self._epoch = epoch
        self._anchor = anchor
        self._frames = 0
        self._number = 0
        self._due = self._grid.audio_frames_before(1)
        self._samples: list[bytes] = []

    def push(self, data: bytes) -> Part | None:
        """Take one raw AAC frame (no ADTS header); returns the part that it completes."""
        if not data:
            raise EngineError(f"{self._rendition}: an empty AAC frame")
        self._samples.append(data)
        self._frames += 1
        if self._frames < self._due:
            return None
        count = len(self._samples)
        decode_time = (self._frames - count) * AAC_FRAME
        msn, index, last = self._grid.place(self._number)
        part = Part(
            rendition=self._rendition,
            epoch=self._epoch,
            msn=msn,
            index=index,
            data=fragment(self._number + 1, decode_time, AAC_FRAME, self._samples, [True] * count),
            decode_time=decode_time,
            duration=count * AAC_FRAME,
            timescale=SAMPLE_RATE,
            independent=True,
            last=last,
            starts=programme_time(self._anchor, decode_time, SAMPLE_RATE),
            frames=count,
        )
        self._samples = []
        self._number += 1
        self._due = self._grid.audio_frames_before(self._number + 1)
        return part
