"""Our own HLS and LL-HLS conformance checker. It checks what is listed here and claims no more; Apple's validator
checks more and cannot run here. Input is a `Recording`: playlists as they were answered, in order, and objects.

Playlists (RFC 8216bis), each rendition on its own:

- `syntax`        every playlist can be read, and has parts, PART-INF, blocking reload and a map
- `fixed`         TARGETDURATION, PART-TARGET, SERVER-CONTROL and VERSION never change
- `hold-back`     PART-HOLD-BACK >= 3 PART-TARGET, HOLD-BACK >= 3 and CAN-SKIP-UNTIL >= 6 TARGETDURATION
- `sequence`      MEDIA-SEQUENCE and the newest part never go back
- `frozen`        a listed segment or part keeps name, duration, time and flags in all later playlists
- `window`        a list of six segments or more never falls below six
- `discontinuity` each segment keeps its absolute discontinuity number while DISCONTINUITY-SEQUENCE moves
- `names`         no name stands for two segments or parts
- `part-length`   parts <= PART-TARGET, and >= 85 % unless independent, last, or before a gap
- `extinf`        rounded EXTINF <= TARGETDURATION; listed parts of a whole segment sum up to it within 1 ms each
- `time`          PROGRAM-DATE-TIME is there and advances by EXTINF within 2 ms, save over discontinuities and gaps
- `blocking`      an answer to _HLS_msn/_HLS_part shows it
- `delta`         a skip covers only known segments older than CAN-SKIP-UNTIL, and no more
- `hint`          the hinted name becomes the next part, save where the next segment follows a discontinuity
- `reports`       every other rendition is reported once, at most one segment away

Over renditions: `alignment` (same msn: same discontinuity number, starts and durations within two AAC frames).
Objects (where fetched) are checked by `media_checks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from media.model.time import MICROSECONDS
from media.packaging.playlist import MediaPlaylist, PartEntry, SegmentEntry
from media.packaging.playlist_parser import parse_media

ALIGNMENT = 43_000
"""Two AAC frames in microseconds, rounded up: an audio boundary lies up to half a frame off on either end, and
printed times are rounded."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One playlist as it was answered with 200."""

    rendition: str
    text: str
    at: float = 0.0
    """Seconds on any steady clock."""
    msn: int | None = None
    part: int | None = None
    skip: bool = False


@dataclass
class Recording:
    """What a collector saw of one live channel."""

    multivariant: str = ""
    answers: list[Answer] = field(default_factory=list)
    objects: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)
    """Every body fetched under (rendition, name)."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule."""

    rule: str
    where: str
    what: str


@dataclass
class Seen:
    """What a rendition's playlists said, by media sequence number."""

    segments: dict[int, SegmentEntry] = field(default_factory=dict)
    """As first listed whole; parts and discontinuity tags are kept apart."""
    parts: dict[tuple[int, int], PartEntry] = field(default_factory=dict)
    discontinuity: dict[int, int] = field(default_factory=dict)
    maps: dict[int, str] = field(default_factory=dict)
    breaks: set[int] = field(default_factory=set)
    """Segments, the open one included, that were listed after a discontinuity tag."""


class RenditionChecker:
    """Checks the playlists of one rendition in the order of their answers."""

    def __init__(self, rendition: str) -> None:
        self.rendition = rendition
        self.seen = Seen()
        self.violations: list[Violation] = []
        self._first: MediaPlaylist | None = None
        self._first_msn = -1
        self._newest = (-1, -1)
        self._longest = 0
        self._hint: tuple[tuple[int, int], str] | None = None
        self._names: dict[str, object] = {}

    def _fail(self, rule: str, what: str) -> None:
        self.violations.append(Violation(rule, self.rendition, what))

    def take(self, answer: Answer) -> None:
        """Check the next answer."""
        try:
            playlist = parse_media(answer.text)
        except ValueError as error:
            self._fail("syntax", str(error))
            return
        self._fixed(playlist)
        skipped = playlist.skip.segments if playlist.skip else 0
        numbered = list(enumerate(playlist.segments, playlist.media_sequence + skipped))
        last = playlist.media_sequence + skipped + len(numbered) - 1
        self._sequence(playlist, last)
        self._skip(playlist, answer, skipped)
        self._segments(playlist, numbered, skipped)
        if playlist.open is not None:
            self._parts(playlist, last + 1, playlist.open, whole=False)
        opened = len(playlist.open.parts) if playlist.open else 0
        self._blocking(answer, last, opened)
        self._check_hint(playlist, last, opened)
        for report in playlist.reports:
            if abs(report.last_msn - last) > 2:
                self._fail("reports", f"{report.uri} is at {report.last_msn}, this one at {last}")
        if len({report.uri for report in playlist.reports}) != len(playlist.reports):
            self._fail("reports", "a rendition is reported twice")

    def _fixed(self, playlist: MediaPlaylist) -> None:
        control = playlist.server_control
        first = self._first
        if first is None:
            self._first = playlist
            if control is None or playlist.part_target is None or not control.can_block_reload:
                self._fail("syntax", "no PART-INF or no blocking reload")
                return
            target = playlist.target_duration * MICROSECONDS
            for name, value, least in (
                ("PART-HOLD-BACK", control.part_hold_back, 3 * playlist.part_target),
                ("HOLD-BACK", control.hold_back or 3 * target, 3 * target),
                ("CAN-SKIP-UNTIL", control.can_skip_until or 6 * target, 6 * target),
            ):
                if value < least:
                    self._fail("hold-back", f"{name} is {value} µs, the least is {least}")
            return
        for name in ("target_duration", "part_target", "server_control", "version"):
            if getattr(playlist, name) != getattr(first, name):
                self._fail(
                    "fixed", f"{name} changed from {getattr(first, name)} to {getattr(playlist, name)}"
                )

    def _sequence(self, playlist: MediaPlaylist, last: int) -> None:
        if playlist.media_sequence < self._first_msn:
            self._fail("sequence", f"MEDIA-SEQUENCE fell from {self._first_msn} to {playlist.media_sequence}")
        newest = (last, len(playlist.open.parts) if playlist.open else 0)
        if newest < self._newest:
            self._fail("sequence", f"the newest part fell from {self._newest} to {newest}")
        listed = last - playlist.media_sequence + 1
        if listed < min(6, self._longest):
            self._fail("window", f"only {listed} segments are listed, it were {self._longest}")
        self._longest = max(self._longest, listed)
        self._first_msn = playlist.media_sequence
        self._newest = newest

    def _skip(self, playlist: MediaPlaylist, answer: Answer, skipped: int) -> None:
        if not playlist.skip:
            return
        if not answer.skip:
            self._fail("delta", "a delta update that was not asked for")
        unknown = [
            n
            for n in range(playlist.media_sequence, playlist.media_sequence + skipped)
            if n not in self.seen.segments
        ]
        if unknown or not skipped:
            self._fail("delta", f"a skip of {skipped} segments, of which {unknown[:3]} were never listed")
        until = playlist.server_control.can_skip_until if playlist.server_control else 0
        shown = sum(s.duration for s in playlist.segments)
        shown += sum(p.duration for p in playlist.open.parts) if playlist.open else 0
        if not until or shown < until:
            self._fail("delta", f"{shown} µs are left, CAN-SKIP-UNTIL is {until}")

    def _segments(
        self, playlist: MediaPlaylist, numbered: list[tuple[int, SegmentEntry]], skipped: int
    ) -> None:
        number = playlist.discontinuity_sequence
        before: SegmentEntry | None = None
        map_uri = ""
        if skipped:
            former = playlist.media_sequence + skipped - 1
            number = self.seen.discontinuity.get(former, number)
            before = self.seen.segments.get(former)
            map_uri = self.seen.maps.get(former, "")
        for msn, entry in numbered:
            number += entry.discontinuities
            if entry.discontinuities:
                self.seen.breaks.add(msn)
            map_uri = entry.map or map_uri
            if not map_uri:
                self._fail("syntax", f"segment {msn} has no map")
            if entry.discontinuities and not entry.map and msn != playlist.media_sequence:
                self._fail("discontinuity", f"segment {msn} follows a discontinuity without a new map")
            self._segment(playlist, msn, entry, number, map_uri)
            self._time(msn, entry, before)
            before = entry
        opening = playlist.open
        if opening is not None and opening.discontinuities:
            self.seen.breaks.add(playlist.media_sequence + skipped + len(numbered))
        if opening is not None and numbered:
            self._time(numbered[-1][0] + 1, opening, before)

    def _segment(
        self, playlist: MediaPlaylist, msn: int, entry: SegmentEntry, number: int, map_uri: str
    ) -> None:
        known = self.seen.segments.get(msn)
        if known is None:
            self.seen.segments[msn] = entry
            self.seen.discontinuity[msn] = number
            self.seen.maps[msn] = map_uri
            self._name(entry.uri, msn)
        else:
            for name in ("uri", "duration", "programme_time", "gap"):
                if getattr(known, name) != getattr(entry, name):
                    self._fail(
                        "frozen",
                        f"segment {msn}: {name} was {getattr(known, name)}, is {getattr(entry, name)}",
                    )
            if self.seen.maps[msn] != map_uri:
                self._fail("frozen", f"segment {msn}: map was {self.seen.maps[msn]}, is {map_uri}")
            if self.seen.discontinuity[msn] != number:
                was = self.seen.discontinuity[msn]
                self._fail("discontinuity", f"segment {msn} moved from discontinuity {was} to {number}")
        if (entry.duration + MICROSECONDS // 2) // MICROSECONDS > playlist.target_duration:
            self._fail(
                "extinf",
                f"segment {msn} takes {entry.duration} µs, the target is {playlist.target_duration} s",
            )
        if entry.parts:
            self._parts(playlist, msn, entry, whole=True)
            total = sum(part.duration for part in entry.parts)
            if abs(total - entry.duration) > 1000 * len(entry.parts):
                self._fail("extinf", f"segment {msn} takes {entry.duration} µs, its parts {total}")

    def _parts(self, playlist: MediaPlaylist, msn: int, entry: SegmentEntry, *, whole: bool) -> None:
        target = playlist.part_target or 0
        for index, part in enumerate(entry.parts):
            known = self.seen.parts.get((msn, index))
            if known is None:
                self.seen.parts[msn, index] = part
                self._name(part.uri, (msn, index))
            elif known != part:
                self._fail("frozen", f"part {msn}.{index} was {known}, is {part}")
            # Of an open segment the newest part may be its last.
            last = index == len(entry.parts) - 1
            before_gap = not last and entry.parts[index + 1].gap
            short = part.duration * 100 < target * 85 and not (
                part.independent or last or part.gap or before_gap
            )
            if part.duration > target or short:
                self._fail(
                    "part-length", f"part {msn}.{index} takes {part.duration} µs, PART-TARGET is {target}"
                )
        if whole and (msn, len(entry.parts)) in self.seen.parts:
            self._fail("frozen", f"segment {msn} lost its part {len(entry.parts)}")

    def _name(self, name: str, place: object) -> None:
        if self._names.setdefault(name, place) != place:
            self._fail("names", f"{name} stands for {self._names[name]} and {place}")

    def _time(self, msn: int, entry: SegmentEntry, before: SegmentEntry | None) -> None:
        if entry.programme_time is None:
            self._fail("time", f"segment {msn} has no PROGRAM-DATE-TIME")
        elif (
            before is not None
            and before.programme_time is not None
            and not entry.discontinuities
            and not before.gap
        ):
            step = entry.programme_time - before.programme_time
            if abs(step - before.duration) > 2000:
                self._fail(
                    "time", f"segment {msn} starts {step} µs after the one of {before.duration} µs before it"
                )

    def _blocking(self, answer: Answer, last: int, opened: int) -> None:
        if answer.msn is None:
            return
        shown = answer.msn <= last or (
            answer.part is not None and answer.msn == last + 1 and answer.part < opened
        )
        if not shown:
            self._fail("blocking", f"asked for {answer.msn}.{answer.part}, got {last} and {opened} parts")

    def _check_hint(self, playlist: MediaPlaylist, last: int, opened: int) -> None:
        if self._hint is not None:
            place, name = self._hint
            part = self.seen.parts.get(place)
            if part is not None and part.uri != name and place[0] not in self.seen.breaks:
                self._fail("hint", f"{name} was hinted, {part.uri} came")
        hint = playlist.preload_hint
        self._hint = None
        if hint is not None and hint.type == "PART":
            self._hint = ((last + 1, opened), hint.uri)
            if hint.uri in self._names:
                self._fail("hint", f"{hint.uri} is hinted and was listed before")


def check_playlists(answers: Iterable[Answer]) -> tuple[dict[str, Seen], list[Violation]]:
    """Check all answers; returns what they said, by rendition, and the broken rules."""
    checkers: dict[str, RenditionChecker] = {}
    for answer in answers:
        checkers.setdefault(answer.rendition, RenditionChecker(answer.rendition)).take(answer)
    violations = [violation for checker in checkers.values() for violation in checker.violations]
    seen = {name: checker.seen for name, checker in checkers.items()}
    violations += _alignment(seen)
    violations += _report_counts(answers, len(checkers))
    return seen, violations


def seams(recording: Recording, since: int = 0) -> list[tuple[str, int]]:
    """Discontinuities that any answer listed, as rendition and the media sequence number after it, from `since` on."""
    seen, _ = check_playlists(recording.answers)
    return [(name, msn) for name, each in seen.items() for msn in sorted(each.breaks) if msn >= since]


def _alignment(seen: dict[str, Seen]) -> Iterator[Violation]:
    names = sorted(seen)
    for name in names[1:]:
        reference, other = seen[names[0]], seen[name]
        for msn in sorted(reference.segments.keys() & other.segments.keys()):
            ours, theirs = reference.segments[msn], other.segments[msn]
            where = f"{names[0]} and {name}"
            if reference.discontinuity[msn] != other.discontinuity[msn] or ours.gap != theirs.gap:
                yield Violation("alignment", where, f"segment {msn}: another discontinuity number or gap")
            if abs((ours.programme_time or 0) - (theirs.programme_time or 0)) > ALIGNMENT:
                yield Violation("alignment", where, f"segment {msn} starts at another time")
            if abs(ours.duration - theirs.duration) > ALIGNMENT:
                yield Violation("alignment", where, f"segment {msn} has another length")


def _report_counts(answers: Iterable[Answer], renditions: int) -> Iterator[Violation]:
    for answer in answers:
        count = answer.text.count("#EXT-X-RENDITION-REPORT:")
        if count != renditions - 1:
            yield Violation(
                "reports", answer.rendition, f"{count} reports of {renditions - 1} other renditions"
            )
            return
