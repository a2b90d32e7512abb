"""Fold timestamp jumps away: whatever a sender does with its clock, a track goes on where it left off.

Senders restart, loop a file, wrap at 2^24 ms, 2^32 ms or 2^33/90 kHz, or jump for no reason. All of it looks the same from
here: a step that real time does not explain. Sound and picture share one clock, so the track that jumps second takes
over the shift that the first one found, and their offset survives exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from media.model.tracks import MediaKind

FORWARD = 500_000
"""Microseconds that a step may exceed the time that passed."""
BACKWARD = -500_000
"""A step back beyond this is a jump; a smaller one is disorder, which the queues drop."""
PAUSE = 300_000
"""Microseconds of silence from a track after which elapsed time, not the usual step, places its next unit."""
BEHIND = 2_000_000
"""A track that comes back this far behind its fellow has not counted its pause."""


@dataclass(slots=True)
class _Track:
    """What is known of one track. All times in microseconds."""

    shift: int
    newest: int
    """Folded time of the newest unit."""
    step: int
    """Usual distance to the next unit."""
    arrived: int
    resumed: int
    """When it last came back from a pause."""


class Fold:
    """Raw timestamps in, continuous ones out."""

    def __init__(self) -> None:
        self._tracks: dict[MediaKind, _Track] = {}
        self.jumps = 0
        """Jumps that were folded away."""

    def fold(self, kind: MediaKind, pts: int, now: int, duration: int | None = None) -> int:
        """The continuous time of a unit.

        `pts`: as sent, presentation order within the track; `now`: its arrival on any steady clock; `duration`: exact
        length of the unit where it is known (sound). All microseconds.
        """
        other = self._other(kind)
        track = self._tracks.get(kind)
        if track is None:
            shift = other.shift if other else 0
            if other and abs(pts + shift - other.newest) > BEHIND:
                shift = other.newest - pts
            self._tracks[kind] = _Track(shift, pts + shift, duration or 33_333, now, now)
            return pts + shift
        folded = pts + track.shift
        elapsed = now - track.arrived
        if not self._plausible(folded - track.newest, elapsed):
            self.jumps += 1
            expected = track.newest + (elapsed if elapsed > PAUSE else track.step)
            shared = pts + other.shift if other else None
            # The fellow may have jumped already; then its shift makes this track continuous too.
            folded = shared if shared is not None and self._near(shared, expected, elapsed) else expected
        elif other and elapsed > PAUSE and self._uncounted_pause(folded, track, other):
            self.jumps += 1
            folded = other.newest
        if duration is not None:
            track.step = duration
        elif 0 < folded - track.newest < FORWARD:
            track.step = folded - track.newest
        track.shift = folded - pts
        track.newest = max(track.newest, folded) if folded - track.newest > BACKWARD else folded
        if elapsed > PAUSE:
            track.resumed = now
        track.arrived = now
        return folded

    def _other(self, kind: MediaKind) -> _Track | None:
        return self._tracks.get(MediaKind.AUDIO if kind is MediaKind.VIDEO else MediaKind.VIDEO)

    @staticmethod
    def _plausible(step: int, elapsed: int) -> bool:
        return BACKWARD <= step <= FORWARD + max(0, elapsed)

    @staticmethod
    def _near(folded: int, expected: int, elapsed: int) -> bool:
        return abs(folded - expected) <= FORWARD + max(0, elapsed - PAUSE)

    @staticmethod
    def _uncounted_pause(folded: int, track: _Track, other: _Track) -> bool:
        # Where the fellow paused too, it is the network's backlog that comes in now, and it is in order as it is.
        return other.newest - folded > BEHIND and other.resumed <= track.arrived
