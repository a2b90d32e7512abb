"""What of the tape is let go, decided in pure code from ages, sizes and free space; then done, once a minute.

- Tape that no recording keeps goes when it is older than the channel's seek-back window and `keep_days`.
- When the whole tape is larger than `max_bytes`, unrecorded tape goes earlier, oldest first, down to the window.
- When the disk has less than `min_free_bytes`, the same; if that is not enough, ended recordings of feeds (ISO), oldest
  first: they are raw material, and what viewers see is not made of them. Then recordings that ended `safe_days` ago or
  earlier, oldest first. Younger and running ones and the window are never taken, whoever filled the disk: when nothing
  else is left, that is reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from media.model.errors import NotFoundError
from media.model.time import MICROSECONDS, ProgrammeTime
from media.ports import SegmentStore
from media.record.gaps import TOLERANCE
from media.record.iso.isos import ISOS, Iso, part_of
from media.record.iso.store import IsoStore
from media.record.layout import EXPORTS, made_of
from media.record.ranges import Range, subtract
from media.record.recordings import Recording, RecordingStore

_DAY = 86_400 * MICROSECONDS
_LINGER = 60 * MICROSECONDS


@dataclass(frozen=True, slots=True)
class Slice:
    """About a minute of unrecorded tape of one channel, all renditions."""

    channel: str
    range: Range
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What shall be kept; 0 days or bytes set no such limit (`keep_days` 0: the window alone)."""

    keep_days: float = 0.0
    max_bytes: int = 0
    min_free_bytes: int = 0
    recording_days: float = 0.0
    """Ended recordings are deleted at this age; 0 keeps them for ever."""
    safe_days: float = 0.0
    """For so long after its end a recording is not taken for want of space; 0 protects the running ones alone."""
    iso_days: float = 0.0
    """Ended recordings of feeds are deleted at this age; 0 keeps them for ever."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What goes: for each channel its unrecorded tape before a time, and recordings by id."""

    before: Mapping[str, int]
    recordings: Sequence[str] = ()
    isos: Sequence[str] = ()
    reasons: Sequence[str] = field(default=())
    """For staff: what was taken that somebody may miss, and what could not be helped."""


def horizon(now: int, newest: int | None, dvr_seconds: int) -> int:
    """Programme time before which nothing is needed for seeking back.

    Twice the window: a player may hold a playlist that is a window old (RFC 8216bis §6.2.2). From the tape's end
    where that is earlier than now: neither a channel off air nor a stepped clock shall empty the window.
    """
    end = now if newest is None else min(now, newest)
    return end - 2 * dvr_seconds * MICROSECONDS - _LINGER


def decide(
    policy: Policy,
    *,
    now: int,
    free: int | None,
    horizons: Mapping[str, int],
    recordings: Sequence[Recording],
    slices: Sequence[Slice],
    isos: Sequence[Iso] = (),
) -> Decision:
    """What to let go. `free` is bytes on the disk, None where that cannot be known; `horizons` as by `horizon`, one
    for each channel that has a tape; `slices` all unrecorded tape that lies before its channel's horizon.
    """
    before = {c: min(h, now - round(policy.keep_days * _DAY)) for c, h in horizons.items()}
    reasons: list[str] = []
    taken: list[str] = []
    standing = sorted((r for r in recordings if not r.running), key=lambda r: (r.ended, r.id))
    if policy.recording_days:
        for recording in standing:
            if recording.ended <= now - round(policy.recording_days * _DAY):
                taken.append(recording.id)
                reasons.append(f"recording {recording.id} is older than {policy.recording_days:g} days")
        standing = [r for r in standing if r.id not in taken]
    ended = sorted((each for each in isos if not each.running), key=lambda each: (each.ended, each.id))
    gone = [
        each.id for each in ended if policy.iso_days and each.ended <= now - round(policy.iso_days * _DAY)
    ]
    reasons += [f"recording {iso} of a feed is older than {policy.iso_days:g} days" for iso in gone]
    isos_left = [each for each in ended if each.id not in gone]
    rest = sorted((s for s in slices if s.range.end > before.get(s.channel, 0)), key=lambda s: s.range)
    total = sum(s.size for s in rest) + sum(r.size for r in recordings if r.id not in taken)
    # What goes by age is gone from both counts already, but not yet from the disk.
    aged = (
        sum(s.size for s in slices) - sum(s.size for s in rest) + sum(e.size for e in ended if e.id in gone)
    )
    excess = total - policy.max_bytes if policy.max_bytes else 0
    short = max(0, policy.min_free_bytes - free - aged) if free is not None else 0
    need = max(excess, short)
    got = 0
    for one in rest:
        if got >= need:
            break
        before[one.channel] = max(before[one.channel], one.range.end)
        got += one.size
    for iso in isos_left:
        if got >= short:
            break
        gone.append(iso.id)
        got += iso.size
        reasons.append(f"recording {iso.id} of feed {iso.feed} was taken: the disk is nearly full")
    for recording in standing:
        if got >= short or recording.ended > now - round(policy.safe_days * _DAY):
            break
        taken.append(recording.id)
        got += recording.size
        reasons.append(f"recording {recording.id} was taken: the disk is nearly full")
    if got < short:
        reasons.append(
            "the disk is nearly full, and what is left is on air, being recorded or was recorded lately"
        )
    elif got < excess:
        reasons.append("the recordings alone are larger than tape.max_bytes")
    return Decision(before, taken, gone, reasons)


class SweepIndex(Protocol):
    """What the sweep needs of the tape's index. Raises `StoreError`."""

    async def channels(self) -> Sequence[str]:
        """Channels that have a tape."""
        ...

    async def newest(self, channel: str) -> ProgrammeTime | None:
        """Where the channel's tape ends, None on an empty one."""
        ...

    async def size(self, channel: str, start: ProgrammeTime, end: ProgrammeTime | None = None) -> int:
        """Bytes of all segments that overlap [start, end)."""
        ...

    async def slices(self, channel: str, within: Sequence[Range]) -> Sequence[Slice]:
        """Sizes of about a minute each of what lies wholly inside the ranges, oldest first."""
        ...

    async def forget_before(
        self, channel: str, before: ProgrammeTime, keep: Sequence[tuple[int, int]]
    ) -> Sequence[str]:
        """See `media.ports.TapeIndex`."""
        ...


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did."""

    objects: int
    """Objects deleted."""
    recordings: Sequence[str]
    reasons: Sequence[str]
    isos: Sequence[str] = ()
    """Recordings of feeds that were deleted."""


async def sweep(
    policy: Policy,
    *,
    now: int,
    free: int | None,
    windows: Mapping[str, int],
    index: SweepIndex,
    recordings: RecordingStore,
    store: SegmentStore,
    isos: IsoStore,
) -> Swept:
    """Decide and do. `windows` gives `dvr_seconds` for each channel that exists; the tape of others has no window.

    Raises `StoreError`; what was done until then is done, and the next sweep goes on from there.
    """
    # Listed before the rows are: what is begun meanwhile is not taken for something that nobody knows.
    files = [key for key, _ in await store.list(ISOS)]
    feeds = await isos.list()
    kept = [await _measured(recording, index, recordings, now) for recording in await recordings.list()]
    horizons: dict[str, int] = {}
    slices: list[Slice] = []
    for channel in await index.channels():
        newest = await index.newest(channel)
        if newest is None:
            continue
        window = windows.get(channel)
        horizons[channel] = now if window is None else horizon(now, newest, window)
        mine = [_protected(r) for r in kept if r.channel == channel]
        slices += await index.slices(channel, subtract(Range(0, horizons[channel]), mine))
    decision = decide(
        policy, now=now, free=free, horizons=horizons, recordings=kept, slices=slices, isos=feeds
    )
    objects = await _sweep_isos(
        isos, store, [i.id for i in feeds if i.id not in decision.isos], files, decision.isos, now
    )
    for recording in decision.recordings:
        await recordings.delete(recording, now)
    for channel, before in decision.before.items():
        mine = [_protected(r) for r in kept if r.channel == channel and r.id not in decision.recordings]
        ranges = [(one.start, one.end) for one in mine]
        keys = await index.forget_before(channel, ProgrammeTime(before), ranges)
        await store.delete(keys)
        objects += len(keys)
    wanted = {r.id for r in kept if r.id not in decision.recordings}
    # Files directly in the folder alone: a channel may be called so, too, and its tape lies a folder deeper.
    orphans = [k for k, _ in await store.list(EXPORTS) if k.count("/") == 1 and made_of(k) not in wanted]
    await store.delete(orphans)
    return Swept(objects + len(orphans), decision.recordings, decision.reasons, decision.isos)


async def _sweep_isos(
    isos: IsoStore,
    store: SegmentStore,
    standing: Sequence[str],
    files: Sequence[str],
    gone: Sequence[str],
    now: int,
) -> int:
    """Delete recordings of feeds, and files of such that are no more. Returns how many objects went."""
    for iso in gone:
        with suppress(NotFoundError):  # somebody deleted it meanwhile
            await isos.delete(iso, now)
    orphans = [key for key in files if (part := part_of(key)) is not None and part[0] not in standing]
    await store.delete(orphans)
    return len(orphans)


def _protected(recording: Recording) -> Range:
    """What a recording keeps. A little more than its range: renditions end at slightly different times, and a segment
    must not stay in one that went in another.
    """
    return Range(recording.range.start - TOLERANCE, recording.range.end + TOLERANCE)


async def _measured(
    recording: Recording, index: SweepIndex, recordings: RecordingStore, now: int
) -> Recording:
    """The recording with its size; kept once it ended a while ago, so that a year of them is not summed each time."""
    if recording.size:
        return recording
    size = await index.size(recording.channel, recording.started, recording.ended or None)
    if not recording.running and recording.ended < now - _LINGER:
        await recordings.measured(recording.id, size)
    return Recording(
        recording.id, recording.channel, recording.started, recording.ended, recording.deleted, size
    )
