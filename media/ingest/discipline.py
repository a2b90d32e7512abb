"""Senders whose clock runs wrong: found out by when their units come, and then placed by that.

The mixer follows a clock that is off by half a percent (`media.mix.drift`). One that claims 90 kHz and counts 135,000 a
second, or pictures that are stamped for 30 a second and come at 10, would have to be placed anew again and again: the picture
stands. (RFC 3550 §5.1 asks for a clock that is linear in time; cameras that break it are common.)

A *lead* is a unit's decode time minus the moment of its arrival. The network only ever makes leads smaller, so the largest
lead of each half second is the sender's clock against ours, without the jitter. A clock is wrong where that has moved by the
same amount six times in a row: what networks and encoders do to sane clocks (stalls, a backlog that comes in fast, a longer
way) moves it once, moves it unevenly, or moves it back up to where it has been.

Sound whose timestamps agree with its own samples is honest, whatever pace it is delivered at: its clock is never touched,
and pictures are judged and placed by it instead of by ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from media.ingest.rtmp.flv import aac_header
from media.model.errors import SourceError
from media.model.time import MICROSECONDS
from media.model.tracks import Codec, EncodedPacket, MediaKind, TrackHeader

SPAN = MICROSECONDS // 2
"""Microseconds of arrival that one lead stands for."""
STEPS = 6
"""Steps in a row that must agree: three seconds."""
COARSE = 10
"""Spans in one of the long view, which finds small errors: five seconds, so thirty in all."""
WRONG = 40_000
"""Microseconds that a span must move the lead by: 8 % of error. Of the long view it is as much in ten spans, 0.8 %."""
SANE = 25_000
"""Microseconds in five seconds: the ±0.5 % that drift correction follows."""
SANE_STEPS = 3
"""Steps of five seconds, each within `SANE`, after which a clock is believed again."""
NEW_HEIGHT = 250_000
"""Microseconds that a fast clock must be beyond any lead before: a backlog comes in fast, but only to where it was."""
FASTEST = 5.0
"""Beyond so many times real time it is no clock, but a file sent as fast as the network takes it."""
JUMP = MICROSECONDS // 2
"""A step that time at any believable pace does not explain is a jump, and what was known is void."""
SOUND_BLOCK = 24
"""Units of sound whose timestamps are compared with their samples, together."""
HONEST = 0.005
"""Share by which they may differ."""
LATE, EARLY = 250_000, 2 * MICROSECONDS
"""Microseconds that a unit may come after it was expected, or before (with others, in a burst), and is not placed anew."""
GAIN = 8
"""One eighth of what a unit came early or late moves those that follow: jitter is smoothed, the mean is followed."""
REORDERING = MICROSECONDS
"""Most that a presentation time may be after its decode time."""
_SAMPLES = {Codec.AAC: 1024, Codec.MP2: 1152, Codec.AC3: 1536, Codec.EAC3: 1536}
_G711 = frozenset({Codec.PCM_ALAW, Codec.PCM_MULAW})


@dataclass(slots=True)
class _Track:
    """What is known of one track. Times in microseconds."""

    dts: int
    """Of the newest unit, as sent."""
    arrived: int
    lead: int | None = None
    """The largest of the span that is open."""
    units: int = 0
    """In the span that is open."""
    leads: deque[int | None] = field(default_factory=lambda: deque(maxlen=(STEPS + 1) * COARSE))
    """Of past spans, against what the track is judged by; None where nothing came."""
    counts: deque[int] = field(default_factory=lambda: deque(maxlen=(STEPS + 1) * COARSE))
    """Units of past spans."""
    recent: deque[int] = field(default_factory=lambda: deque(maxlen=4))
    """Leads of the last spans against our clock."""
    peak: int | None = None
    """The largest lead of spans that are forgotten."""
    rate: float = 1.0
    """How fast its clock runs against real time, where it is known to run wrong."""
    interval: int = 0
    """From one unit to the next, by arrival."""
    placed: int | None = None
    """Decode time that its newest unit was given; None while its own is used."""

    def close(self, lead: int | None) -> None:
        """A span is over; `lead` is against what the track is judged by."""
        if len(self.leads) == self.leads.maxlen and self.leads[0] is not None:
            self.peak = self.leads[0] if self.peak is None else max(self.peak, self.leads[0])
        self.leads.append(lead)
        self.counts.append(self.units)
        if self.lead is not None:
            self.recent.append(self.lead)
        self.lead, self.units = None, 0

    def forget(self, jumped: int | None = None) -> None:
        """What its clock did so far says nothing of what it will do; but where it `jumped`, a backlog may still come in."""
        known = [each for each in (self.peak, self.lead, *self.leads) if each is not None]
        self.peak = max(known) + jumped if known and jumped is not None else None
        self.leads.clear()
        self.counts.clear()
        self.recent.clear()
        self.lead, self.units = None, 0

    def moved(self) -> tuple[float, int] | None:
        """Microseconds that its lead moves by in a span, and the spans this was seen over; None while it is steady."""
        leads = list(self.leads)
        for size in (1, COARSE):
            count = (STEPS + 1) * size
            seen = _even(_largest(leads[-count:], size)) if len(leads) >= count else None
            if seen is None or abs(seen) < WRONG:
                continue
            former = [each for each in (self.peak, *leads[:-count]) if each is not None]
            newest = max(each for each in leads[-size:] if each is not None)
            if seen < 0 or not former or newest > max(former) + NEW_HEIGHT:
                return seen / size, count - size
        return None

    def is_sane(self) -> bool:
        """Its clock has kept real time for long."""
        count = (SANE_STEPS + 1) * COARSE
        if len(self.leads) < count:
            return False
        leads = _largest(list(self.leads)[-count:], COARSE)
        return all(a is not None and b is not None and abs(b - a) <= SANE for a, b in pairwise(leads))

    def measure(self, spans: int) -> None:
        """Take the distance of its units from the last spans, where they came evenly."""
        counts = list(self.counts)[-spans:]
        if len(counts) == spans and (spans > STEPS or max(counts) <= 2 * min(counts)):
            self.interval = spans * SPAN // max(1, sum(counts))


class ClockDiscipline:
    """One feed's. Packets in as they came, out with times that the programme can follow; those of a sane clock untouched."""

    def __init__(self) -> None:
        self.corrections = 0
        """Times that a clock was found to run wrong."""
        self._sound = _SoundClock()
        self._tracks: dict[MediaKind, _Track] = {}
        self._span = 0
        self._offset: int | None = None
        """Added to arrivals where no track of the feed can be trusted."""

    @property
    def rates(self) -> dict[MediaKind, float]:
        """How fast the clock of each track that is placed by arrival runs; 1.5 is half as fast again as real time."""
        return {kind: track.rate for kind, track in self._tracks.items() if track.placed is not None}

    def restart(self) -> None:
        """Another sender begins."""
        self._tracks.clear()
        self._sound = _SoundClock()

    def header(self, header: TrackHeader) -> None:
        """A track's parameters."""
        if header.kind is MediaKind.AUDIO:
            self._sound = _SoundClock(header)
            for track in self._tracks.values():
                track.forget()  # what they were judged by may be another clock now

    def take(self, packet: EncodedPacket) -> EncodedPacket:
        """The packet as it is to be passed on. Packets are to come in the order of their arrival."""
        if not packet.arrived:
            return packet
        self._advance(packet.arrived // SPAN)
        track = self._tracks.get(packet.kind)
        if track is None:
            track = self._tracks[packet.kind] = _Track(packet.dts, packet.arrived)
        step, elapsed = packet.dts - track.dts, packet.arrived - track.arrived
        if not -JUMP <= step <= JUMP + FASTEST * max(0, elapsed):
            track.forget(jumped=step - elapsed)
        track.dts, track.arrived = packet.dts, packet.arrived
        if packet.kind is MediaKind.AUDIO and self._sound.take(packet):
            for each in self._tracks.values():
                each.forget()  # they were judged by another clock
            if self._sound.honest:
                track.placed = None
        lead = packet.dts - packet.arrived
        track.lead = lead if track.lead is None else max(track.lead, lead)
        track.units += 1
        return packet if track.placed is None else self._placed(track, packet)

    def _advance(self, span: int) -> None:
        """Close what is over."""
        passed = span - self._span if self._tracks else 0
        self._span = span
        if passed < 0 or passed > (STEPS + 1) * COARSE:  # our own clock was set, or nobody sent for long
            for track in self._tracks.values():
                track.forget()
            return
        for _ in range(passed):
            self._close()

    def _close(self) -> None:
        sound = self._tracks.get(MediaKind.AUDIO) if self._sound.honest else None
        reference = sound.lead if sound else 0
        for track in self._tracks.values():
            known = track.lead is not None and reference is not None
            track.close(track.lead - reference if known else None)  # type: ignore[operator]  # both are known
        for track in self._tracks.values():
            if track is not sound:
                self._judge(track)

    def _judge(self, track: _Track) -> None:
        found = track.moved()
        if track.placed is not None:
            track.measure(STEPS)
            if found is not None:
                track.rate = 1 + found[0] / SPAN
            elif track.is_sane():
                track.placed = None
                track.forget()
        elif found is not None and found[0] <= (FASTEST - 1) * SPAN:
            self._begin(track, *found)

    def _begin(self, track: _Track, moves: float, spans: int) -> None:
        """Place a track by arrival from now on, and its fellow where that runs on the same wrong clock."""
        self.corrections += 1
        if all(each.placed is None for each in self._tracks.values()):
            self._offset = track.dts - track.arrived
        for each in self._tracks.values():
            found = each.moved() if each.placed is None and not self._is_honest(each) else None
            if each is track or (found is not None and found[0] * moves > 0):
                each.rate = 1 + (found or (moves, spans))[0] / SPAN
                each.interval = SPAN // max(1, round(median(each.counts)))
                each.measure(spans)
                each.placed = each.dts
                each.forget()

    def _is_honest(self, track: _Track) -> bool:
        return self._sound.honest and track is self._tracks.get(MediaKind.AUDIO)

    def _placed(self, track: _Track, packet: EncodedPacket) -> EncodedPacket:
        assert track.placed is not None
        due = packet.arrived + self._between(track)
        expected = track.placed + track.interval
        error = due - expected
        astray = error > LATE or error < -EARLY
        dts = due if astray else max(expected + error // GAIN, track.placed + 1)
        track.placed = dts
        after = max(0, min(REORDERING, round((packet.pts - packet.dts) / max(track.rate, 1 / FASTEST))))
        return EncodedPacket(packet.kind, dts + after, dts, packet.keyframe, packet.data, packet.arrived)

    def _between(self, track: _Track) -> int:
        """From our clock to the feed's: by the track that can be trusted, where there is one."""
        for each in self._tracks.values():
            if each is not track and each.placed is None and each.recent:
                self._offset = max(each.recent)
        return self._offset or 0


class _SoundClock:
    """Whether the timestamps of sound agree with its samples, where its codec tells how many there are."""

    def __init__(self, header: TrackHeader | None = None) -> None:
        self._header = header
        self._rate = _core_rate(header) if header else 0
        self._first: int | None = None
        self._newest = 0
        self._length = self._units = 0
        self._ratios: deque[float] = deque(maxlen=5)
        self.honest = False

    def take(self, packet: EncodedPacket) -> bool:
        """One unit; returns whether `honest` has changed with it."""
        length = self._length_of(packet.data)
        if not length:
            return False
        step = packet.pts - self._newest
        self._newest = packet.pts
        if self._first is None or not 0 < step < FASTEST * length:
            self._first, self._length, self._units = (
                packet.pts,
                length,
                1,
            )  # one got lost, or the clock jumped
            return False
        if self._units < SOUND_BLOCK:
            self._length += length
            self._units += 1
            return False
        self._ratios.append((packet.pts - self._first) / self._length)
        self._first, self._length, self._units = packet.pts, length, 1
        before, self.honest = self.honest, abs(median(self._ratios) - 1) <= HONEST
        return self.honest is not before

    def _length_of(self, data: bytes) -> int:
        """Microseconds of sound in a unit; 0 where only its decoder can tell."""
        if self._header is None or not self._rate:
            return 0
        if self._header.codec in _G711:
            samples = len(data) // max(1, self._header.channels)
        else:
            samples = _SAMPLES.get(self._header.codec, 0)
        return samples * MICROSECONDS // self._rate


def _core_rate(header: TrackHeader) -> int:
    """Samples a second that its units are counted in; with SBR what is announced is often twice that."""
    if header.codec is Codec.AAC:
        with suppress(SourceError):
            found = aac_header(header.extradata)
            return found.sample_rate if found else header.sample_rate
    return header.sample_rate


def _largest(leads: Sequence[int | None], size: int) -> list[int | None]:
    """Of each `size` in a row the largest; None where there is none."""
    groups = (leads[at : at + size] for at in range(0, len(leads), size))
    return [max((each for each in group if each is not None), default=None) for group in groups]


def _even(leads: Sequence[int | None]) -> float | None:
    """The step by which leads move where all their steps are alike, within half."""
    known = [each for each in leads if each is not None]
    if len(known) < len(leads):
        return None
    mean = (known[-1] - known[0]) / (len(known) - 1)
    return mean if all(abs(b - a - mean) <= abs(mean) / 2 for a, b in pairwise(known)) else None
