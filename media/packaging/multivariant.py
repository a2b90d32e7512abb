"""The multivariant playlist of a channel: every rung with the one sound, and the sound alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from media.model.channel import ChannelSpec
from media.model.time import AAC_FRAME, SAMPLE_RATE
from media.packaging.parts import AUDIO
from media.packaging.playlist import MultivariantPlaylist, Rendition, Variant

VBV_SECONDS = 1
"""Size of the encoder's rate buffer in seconds of the rung's bit rate (see `Rung.bitrate`)."""
AUDIO_PEAK = Fraction(6, 5)
"""An AAC encoder at an average bit rate swings by less than this over a segment."""
_FRAGMENT_BYTES = 104
"""`moof` and `mdat` without the sample table, with a first-sample-flags word."""
_SAMPLE_BYTES = 4
_GROUP = "audio"


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """What a rendition's init segment and specification say of it."""

    codecs: str
    width: int
    height: int
    bitrate: int
    """Nominal, bits per second."""


def overhead(spec: ChannelSpec, samples_per_second: Fraction) -> Fraction:
    """Bits per second that fragments add to the samples."""
    parts_per_second = spec.rate / spec.part_frames
    return 8 * (_FRAGMENT_BYTES * parts_per_second + _SAMPLE_BYTES * samples_per_second)


def multivariant(spec: ChannelSpec, tracks: Mapping[str, TrackInfo]) -> MultivariantPlaylist:
    """The playlist. BANDWIDTH is the bound that the encoder's rate buffer sets, not a measured peak: a measured one
    would rise while the channel runs, and a player reads this playlist once. A segment of T seconds holds at most
    `bitrate·T` plus one full buffer, so its peak is `bitrate·(1 + VBV/T)`. AVERAGE-BANDWIDTH is the nominal rate.
    """
    audio_overhead = overhead(spec, Fraction(SAMPLE_RATE, AAC_FRAME))
    video_overhead = overhead(spec, spec.rate)
    sound = tracks[AUDIO]
    sound_peak = sound.bitrate * AUDIO_PEAK + audio_overhead
    sound_average = sound.bitrate + audio_overhead
    burst = 1 + VBV_SECONDS / spec.segment_seconds
    variants = []
    for rung in spec.ladder:
        track = tracks[rung.name]
        variants.append(
            Variant(
                uri=f"{rung.name}/index.m3u8",
                bandwidth=_up(track.bitrate * burst + video_overhead + sound_peak),
                average_bandwidth=_up(track.bitrate + video_overhead + sound_average),
                codecs=f"{track.codecs},{sound.codecs}",
                width=track.width,
                height=track.height,
                frame_rate=round(spec.rate * 1000),
                audio=_GROUP,
            )
        )
    variants.append(
        Variant(
            uri=f"{AUDIO}/index.m3u8",
            bandwidth=_up(sound_peak),
            average_bandwidth=_up(sound_average),
            codecs=sound.codecs,
            audio=_GROUP,
        )
    )
    rendition = Rendition(
        type="AUDIO",
        group=_GROUP,
        name="main",
        uri=f"{AUDIO}/index.m3u8",
        default=True,
        autoselect=True,
        channels="2",
    )
    return MultivariantPlaylist(tuple(variants), (rendition,), independent_segments=True)


def _up(value: Fraction) -> int:
    return -int(-value // 1)
