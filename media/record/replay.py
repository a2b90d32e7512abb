"""A range of the tape as playlists: the replay of an ended recording, and the growing one of one that runs. Pure.

Holes are neither filled nor marked EXT-X-GAP: behind one the playlist goes on after a discontinuity, and
PROGRAM-DATE-TIME on each segment says where in the programme it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from media.model.time import MICROSECONDS, ProgrammeTime
from media.packaging.parts import AUDIO, init_name, segment_name
from media.packaging.playlist import MediaPlaylist, MultivariantPlaylist, Rendition, SegmentEntry, Variant
from media.ports import TapeInit, TapeSegment
from media.record.gaps import TOLERANCE, ends
from media.record.ranges import Range

MULTIVARIANT = "index.m3u8"
_GROUP = "audio"


@dataclass(frozen=True, slots=True)
class Replay:
    """A range of the tape, whole segments that overlap it: the same msns in all renditions."""

    renditions: Mapping[str, Sequence[TapeSegment]]
    """By name, video from the highest rung down, then `audio`; each in order."""
    inits: Mapping[tuple[int, str], TapeInit]
    """By epoch and rendition."""
    ended: bool
    """Nothing will be added."""


def select(
    segments: Sequence[TapeSegment],
    inits: Sequence[TapeInit],
    within: Range,
    *,
    ended: bool,
) -> Replay:
    """What of the tape a replay of `within` has.

    Renditions that not every epoch in the range has (the ladder was changed) are left out, for a player could not
    go on playing them; so are segments that a rendition lacks, in all renditions.
    """
    known = {(init.epoch, init.rendition): init for init in inits}
    rows: dict[tuple[int, int], dict[str, TapeSegment]] = defaultdict(dict)
    for segment in segments:
        inside = Range(segment.starts, ends(segment)).overlaps(within)
        if inside and segment.duration > 0 and (segment.epoch, segment.rendition) in known:
            rows[segment.epoch, segment.msn][segment.rendition] = segment
    by_epoch: dict[int, set[str]] = defaultdict(set)
    for (epoch, _), row in rows.items():
        by_epoch[epoch] |= set(row)
    common = set.intersection(*by_epoch.values()) if by_epoch else set()
    heights = {name: max(known[e, name].height for e in by_epoch) for name in common}
    names = sorted(common, key=lambda name: (name == AUDIO, -heights[name], name))
    # By time, not by number: numbers go up with it on one tape, but a stepped wall clock may have set epochs back.
    whole = [row for _, row in sorted(rows.items()) if common and common <= set(row)]
    return Replay({name: [row[name] for row in whole] for name in names}, known, ended)


def multivariant(replay: Replay) -> MultivariantPlaylist:
    """BANDWIDTH is the largest that any segment of the rung and its sound together reach; CODECS and sizes are those
    of the newest epoch. Raises ValueError where the range has no segments.
    """
    if not replay.renditions:
        raise ValueError("nothing of this range is on tape")
    sound = replay.renditions.get(AUDIO, ())
    sound_peak, sound_average = _rates(sound)
    audio = _newest(replay, AUDIO)
    variants = []
    for name, segments in replay.renditions.items():
        init = _newest(replay, name)
        if init is None:
            continue
        peak, average = _rates(segments)
        codecs = [init.codecs]
        if name != AUDIO and audio is not None:
            codecs.append(audio.codecs)
            peak, average = peak + sound_peak, average + sound_average
        variants.append(
            Variant(
                uri=f"{name}/{MULTIVARIANT}",
                bandwidth=peak,
                average_bandwidth=average,
                codecs=",".join(codecs),
                width=init.width,
                height=init.height,
                frame_rate=_frame_rate(replay, name),
                audio=_GROUP if audio is not None else "",
            )
        )
    renditions: tuple[Rendition, ...] = ()
    if audio is not None:
        renditions = (
            Rendition(
                type="AUDIO",
                group=_GROUP,
                name="main",
                uri=f"{AUDIO}/{MULTIVARIANT}",
                default=True,
                autoselect=True,
                channels="2",
            ),
        )
    return MultivariantPlaylist(tuple(variants), renditions, independent_segments=True)


def media_playlist(replay: Replay, rendition: str) -> MediaPlaylist:
    """One rendition: VOD with an end once the recording has one, EVENT while it runs. Addresses are names alone,
    relative to the playlist. Raises KeyError for a rendition that the replay does not have.
    """
    segments = replay.renditions[rendition]
    entries = []
    former: TapeSegment | None = None
    for segment in segments:
        new_epoch = former is None or former.epoch != segment.epoch
        hole = former is not None and (new_epoch or abs(segment.starts - ends(former)) > TOLERANCE)
        entries.append(
            SegmentEntry(
                uri=segment_name(segment.epoch, segment.msn),
                duration=_micros(segment),
                map=init_name(segment.epoch) if new_epoch else "",
                programme_time=ProgrammeTime(segment.starts),
                discontinuities=int(hole),
            )
        )
        former = segment
    longest = max((_micros(s) for every in replay.renditions.values() for s in every), default=MICROSECONDS)
    return MediaPlaylist(
        target_duration=max(1, (longest + MICROSECONDS // 2) // MICROSECONDS),
        segments=tuple(entries),
        independent_segments=True,
        playlist_type="VOD" if replay.ended else "EVENT",
        ended=replay.ended,
    )


def object_key(replay: Replay, rendition: str, name: str) -> str | None:
    """Key in the store of what a playlist of this replay calls `name`; None for a name that none of them has."""
    for segment in replay.renditions.get(rendition, ()):
        if segment_name(segment.epoch, segment.msn) == name:
            return segment.key
        if init_name(segment.epoch) == name:
            return replay.inits[segment.epoch, rendition].key
    return None


def _newest(replay: Replay, rendition: str) -> TapeInit | None:
    segments = replay.renditions.get(rendition)
    return replay.inits[segments[-1].epoch, rendition] if segments else None


def _frame_rate(replay: Replay, rendition: str) -> int:
    """The highest of all epochs (RFC 8216bis §4.4.6.2); 0 where one does not know it, for it may be higher."""
    epochs = {segment.epoch for segment in replay.renditions[rendition]}
    rates = [replay.inits[epoch, rendition].frame_rate for epoch in epochs]
    return max(rates) if all(rates) else 0


def _micros(segment: TapeSegment) -> int:
    return ends(segment) - segment.starts


def _rates(segments: Sequence[TapeSegment]) -> tuple[int, int]:
    """Peak over the segments and average, bits per second, rounded up."""
    if not segments:
        return 0, 0
    seconds = [Fraction(s.duration, s.timescale) for s in segments]
    # RFC 8216 §4.3.4.2 measures the peak over any contiguous stretch of 0.5 to 1.5 target durations, so the short
    # pieces that a crash or a cut leave do not count alone.
    longest = max(seconds)
    peaks = [8 * s.size / t for s, t in zip(segments, seconds, strict=True) if 2 * t >= longest]
    return -int(-max(peaks) // 1), -int(-(8 * sum(s.size for s in segments) / sum(seconds)) // 1)
