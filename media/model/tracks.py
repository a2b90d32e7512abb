"""Encoded media on its way from a feed to a worker: stream headers and packets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MediaKind(StrEnum):
    """What a track carries."""

    VIDEO = "video"
    AUDIO = "audio"


class Codec(StrEnum):
    """Codecs that feeds may carry. Values are libavcodec decoder names."""

    H264 = "h264"
    HEVC = "hevc"
    VP8 = "vp8"
    AAC = "aac"
    OPUS = "opus"
    MP2 = "mp2"
    MP3 = "mp3"
    AC3 = "ac3"
    EAC3 = "eac3"
    PCM_MULAW = "pcm_mulaw"
    PCM_ALAW = "pcm_alaw"


@dataclass(frozen=True, slots=True)
class TrackHeader:
    """What a decoder needs before the first packet. A new header on a track replaces the former one.

    `extradata` is avcC / hvcC (ISO/IEC 14496-15), AudioSpecificConfig, OpusHead, or empty for in-band
    parameters. With avcC the packets are length-prefixed, without it they are Annex B.
    """

    kind: MediaKind
    codec: Codec
    extradata: bytes = b""
    width: int = 0
    """Pixels as announced; 0 where only the decoder can tell."""
    height: int = 0
    sample_rate: int = 0
    """Hz; 0 for video."""
    channels: int = 0
    turn: int = 0
    """Quarters to turn the picture counterclockwise until it is upright, where its container says so and not its bitstream."""


@dataclass(frozen=True, slots=True)
class EncodedPacket:
    """One access unit. Times are microseconds on the feed's own unwrapped clock (any origin, may jump)."""

    kind: MediaKind
    pts: int
    dts: int
    keyframe: bool
    """The unit can be decoded with nothing before it. Always true for audio."""
    data: bytes
    arrived: int = 0
    """Unix microseconds at which ingest had the whole unit; 0 where unknown."""


@dataclass(frozen=True, slots=True)
class EncodedTick:
    """One coded picture. There are no B-frames: decode time = presentation time = `tick`."""

    tick: int
    data: bytes
    """NAL units, each after its length in 4 bytes (ISO/IEC 14496-15 §5.3); parameter sets are in `avcC` only."""
    keyframe: bool
    """An IDR picture: every `gop_frames` ticks, and nowhere else."""
