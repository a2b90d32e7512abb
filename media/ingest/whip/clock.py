"""RTP timestamps of a sender's sound and picture on one clock in microseconds. Pure: times are passed in.

Each RTP stream has a clock of its own with a random origin; sender reports (RFC 3550 §6.4.1) tell what both read at one
moment of the sender's wall clock. Sound is the master: it is placed by the arrival of its first packet and never
moved. The picture is placed by arrival as well, and once both streams have reported it is moved to where it belongs, a
few milliseconds a picture, so that no step shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from media.model.tracks import MediaKind

SLEW = 4_000
"""Microseconds that one picture may be moved by: a picture stays after the one before it at 200 frames a second."""
IMPLAUSIBLE = 2_000_000
"""Reports that would move the picture by more than this are not believed: some senders make up their wall clock."""
_WRAP = 1 << 32


class Unwrapper:
    """Counts on where a number of `bits` bits wraps; small steps back stay steps back."""

    __slots__ = ("_half", "_last", "_size")

    def __init__(self, bits: int) -> None:
        self._size = 1 << bits
        self._half = self._size >> 1
        self._last: int | None = None

    def near(self, value: int) -> int:
        """The unwrapped number nearest to the last one; does not count on."""
        if self._last is None:
            return value
        step = (value - self._last) % self._size
        return self._last + (step if step < self._half else step - self._size)

    def take(self, value: int) -> int:
        """As `near`, and count on from it."""
        self._last = self.near(value)
        return self._last


@dataclass(slots=True)
class _Stream:
    rate: int
    numbers: Unwrapper = field(default_factory=lambda: Unwrapper(32))
    offset: int | None = None
    """Added to the stream's own microseconds."""
    report: tuple[int, int] | None = None
    """Sender's wall clock in microseconds, RTP timestamp as sent."""

    def micros(self, timestamp: int) -> int:
        return timestamp * 1_000_000 // self.rate

    def placed_report(self) -> tuple[int, int] | None:
        """Wall clock, and the stream's own microseconds at it."""
        if self.report is None:
            return None
        return self.report[0], self.micros(self.numbers.near(self.report[1]))


class SenderClock:
    """The clock of one sender."""

    def __init__(self, video_rate: int = 90_000, audio_rate: int = 48_000) -> None:
        self._streams = {MediaKind.VIDEO: _Stream(video_rate), MediaKind.AUDIO: _Stream(audio_rate)}
        self.disbelieved = 0
        """Reports that made no sense."""

    def time(self, kind: MediaKind, timestamp: int, arrived: int) -> int:
        """Microseconds of a unit with this RTP timestamp, which came at `arrived` (Unix microseconds)."""
        stream = self._streams[kind]
        own = stream.micros(stream.numbers.take(timestamp % _WRAP))
        if stream.offset is None:
            stream.offset = arrived - own
        elif kind is MediaKind.VIDEO and (move := self._move(stream.offset)):
            stream.offset += max(-SLEW, min(SLEW, move))
        return own + stream.offset

    def report(self, kind: MediaKind, ntp: int, timestamp: int) -> None:
        """A sender report: its NTP time (64 bits, 2^-32 s) and the RTP timestamp of the same moment."""
        wall = (ntp * 1_000_000) >> 32
        stream = self._streams[kind]
        former = stream.report
        stream.report = wall, timestamp
        video = self._streams[MediaKind.VIDEO]
        if video.offset is not None and abs(self._wanted_move(video.offset)) > IMPLAUSIBLE:
            self.disbelieved += 1
            stream.report = former

    def restart(self, kind: MediaKind) -> None:
        """Another stream of this kind begins, with another origin."""
        self._streams[kind] = _Stream(self._streams[kind].rate)

    def _move(self, offset: int) -> int:
        move = self._wanted_move(offset)
        return move if abs(move) <= IMPLAUSIBLE else 0

    def _wanted_move(self, offset: int) -> int:
        """How far the picture is from where the reports put it."""
        audio = self._streams[MediaKind.AUDIO]
        heard, seen = audio.placed_report(), self._streams[MediaKind.VIDEO].placed_report()
        if heard is None or seen is None or audio.offset is None:
            return 0
        ours = heard[1] + audio.offset - heard[0]  # our clock minus the sender's wall clock
        return seen[0] + ours - seen[1] - offset
