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
APART = 2_000_000
"""Microseconds that sound and picture of one sender may be apart when they come in; further apart they are not on one clock."""

SPLIT = 30
"""Packets in a row, less than half a second, after which two shifts for one clock are a mistake."""


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

    def reads(self, now: int) -> int:
        """What its clock reads at `now`, as far as can be known."""
        waited = now - self.arrived
        return self.newest + waited if waited > PAUSE else self.newest


class Fold:
    """Packets of one feed with raw timestamps in, with continuous ones out."""

    def __init__(self) -> None:
        self._tracks: dict[MediaKind, _Track] = {}
        self._splits = 0
        self.jumps = 0
        """Jumps that were folded away."""

    def shift(self, kind: MediaKind) -> int | None:
        """Microseconds that are added to a track's times now; None before its first packet."""
        track = self._tracks.get(kind)
        return None if track is None else track.shift

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
            if other and abs(pts + shift - other.reads(now)) > APART:
                shift = other.reads(now) - pts
            self._tracks[kind] = _Track(shift, pts + shift, 33_333, now, now)
            return shift
        elapsed = now - track.arrived
        folded = self._folded(pts, now, elapsed, track, other)
        if other and self._split(pts, folded, other):
            folded = pts + other.shift
        if folded != pts + track.shift:
            self.jumps += 1
        if 0 < folded - track.newest < FORWARD:
            track.step = folded - track.newest
        track.shift = folded - pts
        track.newest = max(track.newest, folded) if folded - track.newest > BACKWARD else folded
        if elapsed > PAUSE:
            track.resumed = now
        track.arrived = now
        return track.shift

    def _split(self, pts: int, folded: int, other: _Track) -> bool:
        """Whether the tracks have been told apart for long that the sender sends as one: a jump within a pause may look
        like one to the first of them alone.
        """
        one = abs(pts + other.shift - other.newest) <= APART
        self._splits = self._splits + 1 if one and folded != pts + other.shift else 0
        return self._splits > SPLIT

    def _other(self, kind: MediaKind) -> _Track | None:
        return self._tracks.get(MediaKind.AUDIO if kind is MediaKind.VIDEO else MediaKind.VIDEO)

    @staticmethod
    def _folded(pts: int, now: int, elapsed: int, track: _Track, other: _Track | None) -> int:
        """Where a unit of a known track belongs."""
        folded = pts + track.shift
        jumped = not BACKWARD <= folded - track.newest <= FORWARD + max(0, elapsed)
        # The fellow may have jumped already: then its shift makes this track continuous too.
        shared = pts + other.shift if other else None
        if elapsed <= PAUSE:
            expected = track.newest + track.step
            if jumped:
                return shared if shared is not None and abs(shared - expected) <= FORWARD else expected
            return folded
        # After a pause the fellow tells what the sender's clock has become, and it may be another sender: one without
        # this track may have been between.
        if shared is not None and other is not None and abs(shared - other.reads(now)) <= APART:
            return shared
        if other is None or other.arrived <= track.arrived:
            return track.newest + elapsed if jumped else folded
        # Where the fellow has only just come back too, it is the network's backlog that comes in, in order as it is.
        backlog = track.arrived < other.resumed and now - other.resumed < APART
        if jumped or (not backlog and abs(folded - other.reads(now)) > APART):
            return other.reads(now)
        return folded
