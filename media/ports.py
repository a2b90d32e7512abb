"""What media's domain needs from the outside. Each port is listed by its user's need; adapters are in `media.adapters`
and `media.ingest`; one contract suite per port runs on every adapter (tests/contract).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from media.model.feed import FeedSpec, FeedStatus
from media.model.time import ProgrammeTime
from media.model.tracks import EncodedPacket, EncodedTick, TrackHeader

FrameT_contra = TypeVar("FrameT_contra", contravariant=True)
"""A raw picture, of whatever kind the adapters pass around."""

# --- feeds -----------------------------------------------------------------------------------------------------------


class FeedSink(Protocol):
    """Where a source delivers. Calls are cheap, synchronous, and made from the ingest process's event loop only."""

    def connecting(self, peer: str) -> None:
        """A sender is there; no media yet."""
        ...

    def header(self, header: TrackHeader) -> None:
        """A track's parameters, before its first packet and at each change."""
        ...

    def packet(self, packet: EncodedPacket) -> None:
        """One access unit of a track whose header was given."""
        ...

    def lost(self, reason: str) -> None:
        """The sender went away, or was ended."""
        ...


class FeedSource(Protocol):
    """A source that *we* run (file, test pattern; later a camera that is pulled). Sources that come to us
    (RTMP) are sessions of a server instead and find their sink by stream key.
    """

    async def run(self, spec: FeedSpec, sink: FeedSink) -> None:
        """Deliver until cancelled or the source is at its end. Raises `SourceError` (may be retried) or `SpecError` (not)."""
        ...


class FeedTap(Protocol):
    """A worker's view of one feed: headers, then packets from the newest IDR on, without end.

    The tap reconnects by itself when ingest restarts. It yields a `FeedStatus` whenever the phase changes.
    """

    def __aiter__(self) -> AsyncIterator[TrackHeader | EncodedPacket | FeedStatus]: ...


# --- encoding --------------------------------------------------------------------------------------------------------


class Encoder(Protocol[FrameT_contra]):
    """Codes one rung of a channel as H.264 without B-frames, an IDR picture every `gop_frames` ticks and nowhere else.

    What it gives is cut and joined years later (`stitchable`): two encoders of the same rung have the same headers, whatever they
    were fed. One thread uses it at a time. `EngineError` where it fails.
    """

    @property
    def init_segment(self) -> bytes:
        """`ftyp` + `moov` in the channel's timescale, without an edit list."""
        ...

    @property
    def extradata(self) -> bytes:
        """AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3)."""
        ...

    def warm(self) -> None:
        """Do whatever makes the first live picture slow, before there is one."""
        ...

    def encode(self, tick: int, frame: FrameT_contra, /) -> list[EncodedTick]:
        """The picture of a tick, of any size; returns what is finished, in order. Raises `EngineError` at a hole in the ticks."""
        ...

    def flush(self) -> list[EncodedTick]:
        """What is still inside. Nothing can be encoded after it."""
        ...

    def close(self) -> None:
        """Release what it holds."""
        ...


# --- segments --------------------------------------------------------------------------------------------------------


class SegmentStore(Protocol):
    """Finished objects of the tape: written once, read by range, listed and deleted by prefix.

    Keys are relative POSIX paths of `[A-Za-z0-9._-]` segments. Every method raises `StoreError` on failure.
    """

    async def put(self, key: str, data: bytes) -> None:
        """Create the object; an existing key raises `StoreError`, its content stays."""
        ...

    async def get(self, key: str) -> bytes:
        """The whole object; raises `NotFoundError` where there is none."""
        ...

    async def get_range(self, key: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end` (exclusive)."""
        ...

    async def list(self, prefix: str) -> Sequence[tuple[str, int]]:
        """Keys below a prefix with their sizes in bytes, sorted by key."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete; a missing key is no error."""
        ...


@dataclass(frozen=True, slots=True)
class TapeSegment:
    """One index entry: a finished segment of one rendition on a channel's tape."""

    channel: str
    epoch: int
    rendition: str
    """`v720`, `v480`, … or `audio`."""
    msn: int
    """Media sequence number: the same for all renditions of this stretch, never reused on the channel."""
    starts: ProgrammeTime
    decode_time: int
    """`tfdt` of the first fragment, in the rendition's timescale."""
    duration: int
    """In the rendition's timescale."""
    timescale: int
    size: int
    """Bytes."""
    key: str
    """In the `SegmentStore`."""
    truncated: bool = False
    """Recovered after a crash: shorter than a whole segment."""


@dataclass(frozen=True, slots=True)
class TapeInit:
    """The init segment of one rendition in one epoch."""

    channel: str
    epoch: int
    rendition: str
    key: str
    codecs: str
    """RFC 6381, such as ``avc1.64001f`` or ``mp4a.40.2``."""
    width: int = 0
    height: int = 0
    bitrate: int = 0
    """Nominal bits per second; peaks are computed from the segments."""
    frame_rate: int = 0
    """Thousandths of a frame per second; 0 where there is no picture or nobody knows."""


class TapeIndex(Protocol):
    """The index of the tape, in SQL. Every method raises `StoreError` when the database cannot be used."""

    async def claim_epoch(self, channel: str, anchor: ProgrammeTime) -> int:
        """Take the next epoch of the channel atomically; older ones are fenced from then on.

        Each is one more than the one before. The channel's first is such that no database before this one gave it.
        """
        ...

    async def first_epoch(self, channel: str) -> int:
        """The oldest claimed epoch, from which discontinuities are counted; 0 before the first."""
        ...

    async def current_epoch(self, channel: str) -> int:
        """The newest claimed epoch; 0 before the first."""
        ...

    async def add_init(self, init: TapeInit) -> None:
        """Record an init segment; the same one again is no error."""
        ...

    async def add(self, segments: Sequence[TapeSegment]) -> None:
        """Commit finished segments in one transaction; an entry that is there already is left as it is."""
        ...

    async def inits(self, channel: str) -> Sequence[TapeInit]:
        """All init segments of the channel that still have segments or belong to the newest epoch."""
        ...

    async def between(
        self, channel: str, start: ProgrammeTime, end: ProgrammeTime | None = None
    ) -> Sequence[TapeSegment]:
        """Segments of all renditions that overlap [start, end), ordered by msn, then rendition."""
        ...

    async def forget_before(
        self, channel: str, before: ProgrammeTime, keep: Sequence[tuple[int, int]]
    ) -> Sequence[str]:
        """Drop entries that end before `before` and overlap none of the `keep` ranges; returns their keys.

        The entries go first, then the objects: a crash between the two leaves an object that `sweep` finds.
        """
        ...


# --- processes -------------------------------------------------------------------------------------------------------


class EngineEvent(StrEnum):
    """What an engine reports of work that it runs."""

    READY = "ready"
    """The work says it is up; `data` is what it tells of itself."""
    TOLD = "told"
    """The work sent something: `data["kind"]` and its values."""
    EXITED = "exited"
    """It ended without being asked to; `data["reason"]` in words. It is being started again, unless `data["permanent"]`."""


class EngineListener(Protocol):
    """Called on the event loop; must not block."""

    def __call__(self, name: str, event: EngineEvent, data: dict[str, object]) -> None:
        """Something happened to the work called `name`."""
        ...


class Engine(Protocol):
    """Runs named long-lived work somewhere and keeps it running: the local adapter uses supervised processes."""

    async def ensure(self, name: str, config: dict[str, object]) -> None:
        """Have exactly one piece of work run under `name`; one that runs already is left as it is, one that failed
        for good is tried anew.
        """
        ...

    async def stop(self, name: str) -> None:
        """Stop it, politely first; no error where it does not run."""
        ...

    def tell(self, name: str, kind: str, data: dict[str, object]) -> None:
        """Send something to the running work; dropped where it does not run (it reads its state when it starts)."""
        ...
