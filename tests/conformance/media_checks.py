"""Checks of fetched objects and of the multivariant playlist:

- `bytes`       a name fetched twice gave the same bytes; a segment is its parts, joined
- `fragments`   every segment and part is whole fragments; segments and independent parts start with a sync sample
- `duration`    EXTINF and part DURATION are the media's own, within one frame
- `continuity`  `tfdt` is the former segment's plus its duration, within one discontinuity
- `idr`         video segments and INDEPENDENT parts start with an IDR access unit
- `codecs`      CODECS are those of the init segments, with `avc1`; RESOLUTION is the SPS's; FRAME-RATE is there
- `bandwidth`   BANDWIDTH is no less than the largest peak sum of the fetched segments
- `variants`    every variant and audio rendition was recorded
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from urllib.parse import urljoin

from media.model.time import MICROSECONDS
from media.packaging.codecs import avcc_sps, codec_string, parse_sps
from media.packaging.fmp4 import Fragment, InitTrack, boxes, fragments, init_tracks
from media.packaging.playlist import Variant
from media.packaging.playlist_parser import parse_multivariant
from tests.conformance.checker import Recording, Seen, Violation, check_playlists

Tracks = dict[tuple[str, str], InitTrack]


def check(recording: Recording) -> list[Violation]:
    """All broken rules of a recording, playlists and objects."""
    seen, violations = check_playlists(recording.answers)
    tracks: Tracks = {}
    for (rendition, name), bodies in recording.objects.items():
        if len(set(bodies)) > 1:
            violations.append(Violation("bytes", rendition, f"{name} gave other bytes the second time"))
        if name.endswith(".mp4"):
            try:
                (tracks[rendition, name],) = init_tracks(bodies[0])
            except ValueError as error:
                violations.append(Violation("codecs", rendition, f"{name}: {error}"))
    for rendition, what in seen.items():
        objects = _Objects(recording, rendition, what, tracks)
        objects.check()
        violations += objects.violations
    if recording.multivariant:
        violations += _multivariant(recording, seen, tracks)
    return violations


def starts_with_idr(data: bytes) -> bool:
    """Whether the first slice in the first `mdat` is an IDR slice (nal_unit_type 5; H.264 table 7-1)."""
    mdat = next((box for box in boxes(data) if box.kind == b"mdat"), None)
    at = mdat.body if mdat else 0
    while mdat and at + 5 <= mdat.end:
        kind = data[at + 4] & 0x1F
        if kind in {1, 2, 3, 4, 5}:
            return kind == 5
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return False


class _Objects:
    """The fetched segments and parts of one rendition."""

    def __init__(self, recording: Recording, rendition: str, seen: Seen, tracks: Tracks) -> None:
        self._bodies = {
            name: bodies[0] for (owner, name), bodies in recording.objects.items() if owner == rendition
        }
        self._rendition = rendition
        self._seen = seen
        self._tracks = tracks
        self.violations: list[Violation] = []

    def _fail(self, rule: str, what: str) -> None:
        self.violations.append(Violation(rule, self._rendition, what))

    def check(self) -> None:
        """Check all that was fetched."""
        former: tuple[int, int, int] | None = None
        for msn, entry in sorted(self._seen.segments.items()):
            found = self._media(entry.uri, entry.duration, msn, independent=True)
            place = (msn, self._seen.discontinuity[msn])
            if found and former and former[:2] == (msn - 1, place[1]) and found[0].decode_time != former[2]:
                self._fail("continuity", f"{entry.uri} has tfdt {found[0].decode_time}, due was {former[2]}")
            former = (*place, found[-1].decode_time + found[-1].duration) if found else None
            self._joined(msn, entry.uri)
        for (msn, index), part in self._seen.parts.items():
            self._media(part.uri, part.duration, msn, independent=part.independent or index == 0)

    def _joined(self, msn: int, name: str) -> None:
        parts: list[bytes | None] = []
        while (msn, len(parts)) in self._seen.parts:
            parts.append(self._bodies.get(self._seen.parts[msn, len(parts)].uri))
        fetched = [part for part in parts if part is not None]
        if (
            name in self._bodies
            and parts
            and len(fetched) == len(parts)
            and b"".join(fetched) != self._bodies[name]
        ):
            self._fail("bytes", f"{name} is not its parts, joined")

    def _media(self, name: str, duration: int, msn: int, *, independent: bool) -> list[Fragment]:
        data = self._bodies.get(name)
        # The open segment's map is the newest one.
        init = self._seen.maps.get(msn) or next(reversed(self._seen.maps.values()), "")
        track = self._tracks.get((self._rendition, init))
        if data is None or track is None:
            return []
        try:
            found = fragments(data)
        except ValueError as error:
            self._fail("fragments", f"{name}: {error}")
            return []
        if not found:
            self._fail("fragments", f"{name} is empty")
            return []
        if independent and not found[0].sync:
            self._fail("fragments", f"{name} does not start with a sync sample")
        if independent and track.handler == "vide" and not starts_with_idr(data):
            self._fail("idr", f"{name} does not start with an IDR")
        total = sum(fragment.duration for fragment in found)
        frame = total / sum(fragment.samples for fragment in found)
        if abs(total - duration * track.timescale / MICROSECONDS) > frame:
            self._fail("duration", f"{name} holds {total / track.timescale:.4f} s, listed are {duration} µs")
        for one, two in itertools.pairwise(found):
            if two.decode_time != one.decode_time + one.duration:
                self._fail("continuity", f"{name} jumps within, at {two.decode_time}")
        return found


def _peak(recording: Recording, rendition: str, seen: Seen) -> float:
    """Largest bit rate of a fetched segment of at least half a target duration; 0 where none was fetched."""
    rates = [0.0]
    for entry in seen.segments.values():
        bodies = recording.objects.get((rendition, entry.uri))
        if bodies and entry.duration >= MICROSECONDS // 2:
            rates.append(8 * len(bodies[0]) * MICROSECONDS / entry.duration)
    return max(rates)


def _rendition_of(uri: str) -> str:
    return urljoin("/", uri).strip("/").partition("/")[0]


def _multivariant(recording: Recording, seen: dict[str, Seen], tracks: Tracks) -> Iterator[Violation]:
    try:
        playlist = parse_multivariant(recording.multivariant)
    except ValueError as error:
        yield Violation("syntax", "multivariant", str(error))
        return
    newest = {rendition: track for (rendition, _), track in tracks.items()}
    groups = {item.group: _rendition_of(item.uri) for item in playlist.renditions if item.type == "AUDIO"}
    for name in (*groups.values(), *(_rendition_of(variant.uri) for variant in playlist.variants)):
        if name not in seen:
            yield Violation("variants", "multivariant", f"{name} was not recorded")
    for variant in playlist.variants:
        own = _rendition_of(variant.uri)
        members = {own, groups.get(variant.audio, own)}
        peak = sum(_peak(recording, name, seen[name]) for name in members if name in seen)
        if variant.bandwidth < peak:
            yield Violation("bandwidth", own, f"BANDWIDTH is {variant.bandwidth}, the peak sum {peak:.0f}")
        yield from _codecs(variant, own, [newest[name] for name in members if name in newest])


def _codecs(variant: Variant, own: str, members: list[InitTrack]) -> Iterator[Violation]:
    listed = set(variant.codecs.split(","))
    try:
        real = {codec_string(track) for track in members}
    except ValueError as error:
        yield Violation("codecs", own, str(error))
        return
    if listed != real:
        yield Violation("codecs", own, f"CODECS are {sorted(listed)}, the init segments' {sorted(real)}")
    for track in members:
        if track.handler == "vide":
            sps = parse_sps(avcc_sps(track.config))
            if (variant.width, variant.height) != (sps.width, sps.height):
                listed_size = f"{variant.width}x{variant.height}"
                yield Violation(
                    "codecs", own, f"RESOLUTION is {listed_size}, the SPS's {sps.width}x{sps.height}"
                )
            if not variant.frame_rate:
                yield Violation("codecs", own, "no FRAME-RATE")
