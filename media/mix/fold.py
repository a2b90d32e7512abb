"""Fold timestamp jumps away: whatever a sender does with its clock, a track goes on where it left off.

It is done to packets as they come from ingest, and judged by when they reached it: of what is decoded some is dropped
where the machine is busy, and a step over what we dropped ourselves would look like a jump of the sender.

Senders restart, loop a file, wrap at 2^24 ms, 2^32 ms or 2^33/90 kHz, or jump for no reason. All of it looks the same from
here: a step that real time does not explain. Sound and picture share one clock, so the track that jumps second takes
over the shift that the first one found, and their offset survives exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from media.model.tracks import EncodedPacket, MediaKind

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
    """Packets of one feed with raw timestamps in, with continuous ones out."""

    def __init__(self) -> None:
        self._tracks: dict[MediaKind, _Track] = {}
        self.jumps = 0
        """Jumps that were folded away."""

    def fold(self, packet: EncodedPacket) -> EncodedPacket:
        """The packet on the continuous time line. Packets are to come in the order in which they arrived."""
        # By presentation times: a decode time may have been put in order on the way (`media.ingest.rtmp.times`).
        shift = self._shift(packet.kind, packet.pts, packet.arrived)
        if not shift:
            return packet
        pts, dts = packet.pts + shift, packet.dts + shift
        return EncodedPacket(packet.kind, pts, dts, packet.keyframe, packet.data, packet.arrived)

    def _shift(self, kind: MediaKind, pts: int, now: int) -> int:
        other = self._other(kind)
        track = self._tracks.get(kind)
        if track is None:
            shift = other.shift if other else 0
            if other and abs(pts + shift - other.newest) > BEHIND:
                shift = other.newest - pts
            self._tracks[kind] = _Track(shift, pts + shift, 33_333, now, now)
            return shift
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
        if 0 < folded - track.newest < FORWARD:
            track.step = folded - track.newest
        track.shift = folded - pts
        track.newest = max(track.newest, folded) if folded - track.newest > BACKWARD else folded
        if elapsed > PAUSE:
            track.resumed = now
        track.arrived = now
        return track.shift

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
