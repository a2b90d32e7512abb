"""What a channel's dead epochs left in open files is put on tape, before the next epoch goes on air.

All renditions of a segment are cut at the same part, the last that every one of them has whole: parts of one index
cover the same stretch of programme in all renditions. Nothing here may keep the channel off air: an open file that
cannot be saved now is left for the next time, and only a database that does not answer is an error.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from media.model.errors import MediaError, NotFoundError
from media.model.time import MICROSECONDS, ProgrammeTime
from media.packaging.fmp4 import Fragment, init_tracks, recover
from media.packaging.parts import programme_time
from media.ports import SegmentStore, TapeIndex, TapeInit, TapeSegment
from media.record.layout import Mark, OpenName, segment_key

_MAX_OPEN = 256 << 20
"""Bytes of an open file that are read; no segment is near as large."""
_NEAR = 60 * MICROSECONDS
"""How far back other segments of the epoch are looked for, to know how long a whole one is."""
_FRAME = 50_000
"""Microseconds that a whole segment may be shorter than another: audio segments differ by an AAC frame."""
_UNKNOWN = 1 << 62


class RecoveryIndex(TapeIndex, Protocol):
    """What recovery needs of the index beside the port."""

    async def anchors(self, channel: str) -> Mapping[int, ProgrammeTime]:
        """The anchor of each epoch."""
        ...

    async def last_msn(self, channel: str) -> int | None:
        """The highest media sequence number on tape, None on an empty one."""
        ...


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a new epoch goes on from."""

    next_msn: int
    """Media sequence number of the epoch's first segment: above all that were ever given out."""
    history: Sequence[TapeSegment]
    """The tape since `since`, ordered by msn, then rendition."""
    inits: Sequence[TapeInit]
    salvaged: Sequence[TapeSegment] = ()
    """Entries made from open files; part of `history` where they are as new."""
    troubles: Sequence[str] = field(default=())
    """What could not be saved, in words."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A segment's open files, each cut after the same part. `entries` lists what can be indexed."""

    entries: Sequence[TapeSegment]
    data: Mapping[str, bytes]
    """By rendition."""


def cut_alike(
    channel: str,
    epoch: int,
    msn: int,
    files: Mapping[str, bytes],
    timescales: Mapping[str, int],
    anchor: ProgrammeTime,
) -> Cut | None:
    """Cut the open files of one segment after the last part that all renditions have whole; None where that is none.

    `timescales` names every rendition of the epoch: one without a file has lost it all.
    """
    if not timescales or set(files) != set(timescales):
        return None
    found: dict[str, list[Fragment]] = {name: recover(data)[1] for name, data in files.items()}
    count = min(len(fragments) for fragments in found.values())
    if not count:
        return None
    entries = []
    data = {}
    for name, fragments in sorted(found.items()):
        kept = fragments[:count]
        end = kept[-1].offset + kept[-1].size
        duration = sum(fragment.duration for fragment in kept)
        scale = timescales[name]
        data[name] = files[name][:end]
        entries.append(
            TapeSegment(
                channel=channel,
                epoch=epoch,
                rendition=name,
                msn=msn,
                starts=programme_time(anchor, kept[0].decode_time, scale),
                decode_time=kept[0].decode_time,
                duration=duration,
                timescale=scale,
                size=end,
                key=segment_key(channel, name, epoch, msn),
                truncated=True,
            )
        )
    return Cut(entries, data)


async def recover_channel(
    channel: str,
    epoch: int,
    *,
    store: SegmentStore,
    index: RecoveryIndex,
    open_dir: Path,
    since: ProgrammeTime,
) -> Recovered:
    """Save what epochs before `epoch` left in ``open_dir/channel``, and say where to go on.

    Raises `StoreError` when the database does not answer; trouble with files and objects is told in the result.
    """
    folder = open_dir / channel
    troubles: list[str] = []
    names, marks = await asyncio.to_thread(_scan, folder, epoch)
    rows: dict[tuple[int, int], list[OpenName]] = defaultdict(list)
    for name in names:
        rows[name.epoch, name.msn].append(name)
    inits = await index.inits(channel)
    salvaged: list[TapeSegment] = []
    if rows:
        anchors = await index.anchors(channel)
        for (dead, msn), open_files in sorted(rows.items()):
            try:
                salvaged += await _salvage(
                    channel, dead, msn, store=store, index=index, folder=folder,
                    inits=[i for i in inits if i.epoch == dead], anchor=anchors.get(dead),
                )  # fmt: skip
            except (MediaError, OSError) as error:
                troubles.append(f"segment {msn} of epoch {dead}: {error}")
            else:
                await asyncio.to_thread(_remove, folder, [str(name) for name in open_files])
    given = [mark.msn for mark in marks] + [msn for _, msn in rows]
    last = await index.last_msn(channel)
    if last is not None:
        given.append(last)
    # The newest mark stays until the new epoch has made its own: it is what keeps the numbers from being given again.
    await asyncio.to_thread(_remove, folder, [str(mark) for mark in sorted(marks, key=lambda m: m.msn)[:-1]])
    return Recovered(
        next_msn=max(given, default=-1) + 1,
        history=await index.between(channel, since),
        inits=await index.inits(channel),
        salvaged=salvaged,
        troubles=troubles,
    )


def _scan(folder: Path, epoch: int) -> tuple[list[OpenName], list[Mark]]:
    """Open files and marks of other epochs."""
    try:
        found = [path.name for path in folder.iterdir()]
    except OSError:
        return [], []
    names = [name for text in found if (name := OpenName.parse(text)) is not None and name.epoch < epoch]
    return names, [mark for text in found if (mark := Mark.parse(text)) is not None and mark.epoch < epoch]


def _remove(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_OPEN)


async def _salvage(
    channel: str,
    epoch: int,
    msn: int,
    *,
    store: SegmentStore,
    index: RecoveryIndex,
    folder: Path,
    inits: Sequence[TapeInit],
    anchor: ProgrammeTime | None,
) -> list[TapeSegment]:
    """Put one segment of a dead epoch on tape; nothing where there is nothing whole, or it is there already."""
    if anchor is None or not inits:
        return []  # the epoch never got as far as its first init segment
    try:
        timescales = {init.rendition: init_tracks(await store.get(init.key))[0].timescale for init in inits}
    except (NotFoundError, ValueError):
        return []  # without its init segment nobody can play it
    files, stored = await _collect(channel, epoch, msn, list(timescales), store, folder)
    cut = cut_alike(channel, epoch, msn, files, timescales, anchor)
    if cut is None:
        return []
    near = await index.between(channel, ProgrammeTime(cut.entries[0].starts - _NEAR))
    mine = [segment for segment in near if segment.epoch == epoch]
    if any(segment.msn == msn for segment in mine):
        return []
    whole = {
        name: max((_length(s) for s in mine if s.rendition == name), default=_UNKNOWN) for name in timescales
    }
    entries = [replace(e, truncated=_length(e) < whole[e.rendition] - _FRAME) for e in cut.entries]
    for entry in entries:
        data = cut.data[entry.rendition]
        if entry.rendition in stored and len(files[entry.rendition]) != len(data):
            # It was stored whole while another rendition was not; it is in no index, so nobody has seen it.
            await store.delete([entry.key])
        elif entry.rendition in stored:
            continue
        await store.put(entry.key, data)
    await index.add(entries)
    return entries


async def _collect(
    channel: str, epoch: int, msn: int, renditions: Sequence[str], store: SegmentStore, folder: Path
) -> tuple[dict[str, bytes], set[str]]:
    """What there is of each rendition, and which of it is from the store: that is whole, the file need not be."""
    files: dict[str, bytes] = {}
    stored: set[str] = set()
    for rendition in renditions:
        path = folder / str(OpenName(epoch, msn, rendition))
        try:
            files[rendition] = await store.get(segment_key(channel, rendition, epoch, msn))
            stored.add(rendition)
        except NotFoundError:
            if path.exists():
                files[rendition] = await asyncio.to_thread(_read, path)
    return files, stored


def _length(segment: TapeSegment) -> int:
    return segment.duration * MICROSECONDS // segment.timescale
