"""RTP packets put in order, and pictures put together of them. Pure: time is passed in, what is to be asked of the
sender is told when somebody looks.

A picture is given on only when every packet of it came, and only when everything it stands on was given on before:
after a loss that was not repaired in time, pictures are dropped until the next keyframe. Viewers see a freeze, never a smear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from media.ingest.whip.clock import Unwrapper

WINDOW = 2048
"""Packets held at most: three megabytes, several times the largest keyframe of 1080p."""
PATIENCE = 0.3
"""Seconds that a missing packet is waited for: about three round trips of a mobile network."""
SOUND_PATIENCE = 0.1
ASK_EVERY = 0.05
"""Seconds between two requests for the same packet."""
MAX_ASKS = 6
MAX_NACKS = 128
"""Packets named in one request (RFC 4585 §6.2.1); senders remember about as many."""
PICTURE_EVERY = 0.5
"""Seconds between two requests for a keyframe while one is waited for."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One RTP packet, its payload as the depacketiser left it: of H.264 with start codes before each NAL unit."""

    sequence: int
    timestamp: int
    marker: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to ask of the sender now."""

    repeats: tuple[int, ...] = ()
    """Sequence numbers (16 bits)."""
    picture: bool = False
    """A keyframe."""


@dataclass(slots=True)
class Losses:
    """Counts, for metrics."""

    packets: int = 0
    """Packets that never came."""
    pictures: int = 0
    """Pictures that were dropped."""
    asked: int = 0
    """Keyframes asked for."""


@dataclass(slots=True)
class _Missing:
    since: float
    asked: float = float("-inf")
    asks: int = 0


@dataclass(slots=True)
class _Order:
    """Packets by unwrapped sequence number, and which are missing."""

    numbers: Unwrapper = field(default_factory=lambda: Unwrapper(16))
    held: dict[int, Piece] = field(default_factory=dict)
    missing: dict[int, _Missing] = field(default_factory=dict)
    following: int | None = None
    """The next to be given on."""
    newest: int = 0

    def add(self, piece: Piece, now: float) -> bool:
        """Whether it is of use; False where it came too late or twice. Raises OverflowError where it fits nowhere."""
        number = self.numbers.near(piece.sequence)
        if self.following is None:
            self.numbers.take(piece.sequence)
            self.following = self.newest = number
        elif number < self.following - WINDOW or number >= self.following + WINDOW:
            raise OverflowError
        elif number < self.following or number in self.held:
            return False
        elif number > self.newest:
            self.numbers.take(piece.sequence)
            for gap in range(self.newest + 1, number):
                self.missing[gap] = _Missing(now)
            self.newest = number
        self.missing.pop(number, None)
        self.held[number] = piece
        return True

    def step(self, following: int) -> None:
        """Go on from another number; what is before it is forgotten."""
        assert self.following is not None
        for number in range(self.following, following):
            self.held.pop(number, None)
            self.missing.pop(number, None)
        self.following = following

    def overdue(self, now: float, patience: float) -> bool:
        """Whether the packet that holds up the others has been waited for long enough."""
        lost = next(iter(self.missing.values()), None)  # the first: numbers come in as they rise
        return lost is not None and now - lost.since >= patience


class Pictures:
    """Pictures of one video stream, each as one run of bytes.

    `is_key(data)` says whether a picture stands alone, `begins(data)` whether this is certainly the first packet of one.
    Whoever tunes in waits for a keyframe, and browsers send none unasked: one is asked for every `keyframe_every` seconds.
    """

    def __init__(
        self,
        is_key: Callable[[bytes], bool],
        begins: Callable[[bytes], bool],
        keyframe_every: float = 2.0,
    ) -> None:
        self.losses = Losses()
        self._is_key = is_key
        self._begins = begins
        self._every = keyframe_every
        self._order = _Order()
        self._waiting = True
        self._unsure = True
        """Whether what comes next may be the middle of a picture."""
        self._key_at: float | None = None
        self._asked_at = float("-inf")

    def add(self, piece: Piece, now: float) -> list[tuple[int, bytes, bool]]:
        """RTP timestamp, bytes and whether it is a keyframe, of each picture that is whole now, in order."""
        if self._key_at is None:
            self._key_at = now
        try:
            if not self._order.add(piece, now):
                return []
        except OverflowError:
            # The sender began anew, or we were away for seconds.
            self.restart()
            self._order.add(piece, now)
        return self._take(now)

    def restart(self) -> None:
        """Another stream begins: nothing of the former one will be repaired."""
        self.losses.packets += len(self._order.missing)
        self._order = _Order()
        self._waiting = self._unsure = True

    def look(self, now: float) -> tuple[list[tuple[int, bytes, bool]], Wanted]:
        """Time passed: pictures that need not wait any longer, and what to ask for."""
        done: list[tuple[int, bytes, bool]] = []
        while self._order.overdue(now, PATIENCE):
            self._give_up()
            done += self._take(now)
        return done, Wanted(self._repeats(now), self._picture(now))

    def refuse(self) -> None:
        """The picture given on last could not be used: go on from the next keyframe."""
        self._waiting = True

    def _take(self, now: float) -> list[tuple[int, bytes, bool]]:
        order, done = self._order, []
        while (end := self._end()) is not None:
            assert order.following is not None
            pieces = [order.held[number] for number in range(order.following, end)]
            order.step(end)
            data = b"".join(piece.data for piece in pieces)
            if not data:
                continue  # padding, sent to learn what the line carries
            key = self._is_key(data) and not (self._unsure and not self._begins(data))
            self._unsure = False  # what comes next begins where this ended
            if self._waiting and not key:
                self.losses.pictures += 1
                continue
            self._waiting = False
            self._key_at = now if key else self._key_at
            done.append((pieces[0].timestamp, data, key))
        return done

    def _end(self) -> int | None:
        """One past the last packet of the picture that is next; None while it is not whole."""
        held, number = self._order.held, self._order.following
        if number is None or (first := held.get(number)) is None:
            return None
        if not first.data:
            return number + 1
        while (piece := held.get(number)) is not None and piece.timestamp == first.timestamp:
            number += 1
            if piece.marker:
                return number
        return number if piece is not None else None

    def _give_up(self) -> None:
        """Drop the picture that is torn, up to the first packet of another."""
        order = self._order
        assert order.following is not None
        self._waiting = True
        self.losses.pictures += 1
        number = order.following
        while number in order.held:
            number += 1
        while number <= order.newest and number not in order.held:
            number += 1
            self.losses.packets += 1
        # What follows the gap may be the torn picture's rest: all of its timestamp goes, unless it begins a picture.
        torn = order.held.get(number)
        if torn is not None and not self._begins(torn.data):
            while (piece := order.held.get(number)) is not None and piece.timestamp == torn.timestamp:
                number += 1
        order.step(number)

    def _repeats(self, now: float) -> tuple[int, ...]:
        found: list[int] = []
        for number, lost in self._order.missing.items():
            if lost.asks < MAX_ASKS and now - lost.asked >= ASK_EVERY:
                if found and number & 0xFFFF < found[-1]:
                    break  # a report's numbers rise: those after the wrap are asked for at the next look
                lost.asked, lost.asks = now, lost.asks + 1
                found.append(number & 0xFFFF)
                if len(found) == MAX_NACKS:
                    break
        return tuple(found)

    def _picture(self, now: float) -> bool:
        if self._key_at is None:
            return False
        if not self._waiting and now - self._key_at < self._every:
            return False
        if now - self._asked_at < (PICTURE_EVERY if self._waiting else self._every):
            return False
        self._asked_at = now
        self.losses.asked += 1
        return True


class Sounds:
    """Packets of one audio stream in order; each stands alone."""

    def __init__(self) -> None:
        self.losses = Losses()
        self._order = _Order()

    def add(self, piece: Piece, now: float) -> list[tuple[int, bytes]]:
        """RTP timestamp and bytes of each packet whose turn it is."""
        try:
            if not self._order.add(piece, now):
                return []
        except OverflowError:
            self.restart()
            self._order.add(piece, now)
        return self._take()

    def restart(self) -> None:
        """Another stream begins."""
        self.losses.packets += len(self._order.missing)
        self._order = _Order()

    def look(self, now: float) -> list[tuple[int, bytes]]:
        """Time passed: packets that need not wait any longer."""
        order, done = self._order, []
        while order.overdue(now, SOUND_PATIENCE):
            assert order.following is not None
            self.losses.packets += 1
            order.step(order.following + 1)
            done += self._take()
        return done

    def _take(self) -> list[tuple[int, bytes]]:
        order, done = self._order, []
        while order.following is not None and (piece := order.held.get(order.following)) is not None:
            order.step(order.following + 1)
            if piece.data:
                done.append((piece.timestamp, piece.data))
        return done
