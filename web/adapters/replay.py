"""`ReplayReader` on the tape's index."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from media.model.errors import NotFoundError
from media.model.time import ProgrammeTime
from media.packaging.parts import init_name, segment_name
from media.ports import TapeIndex, TapeInit, TapeSegment
from media.record.ranges import Range
from media.record.replay import media_playlist, multivariant, select
from media.record.settling import settled
from web.ports import ReplayTape


class TapeReplayReader:
    """Reads a range of a channel's tape. The texts are made in a thread: two hours of four renditions take a while."""

    def __init__(self, index: TapeIndex) -> None:
        self._index = index

    async def open(self, channel: str, start: int, end: int) -> ReplayTape:
        """See `ReplayReader`."""
        segments = await settled(self._index, channel, ProgrammeTime(start), ProgrammeTime(end))
        inits = await self._index.inits(channel)
        return await asyncio.to_thread(_tape, segments, inits, Range(start, end))


def _tape(segments: Sequence[TapeSegment], inits: Sequence[TapeInit], within: Range) -> ReplayTape:
    replay = select(segments, inits, within, ended=True)
    try:
        index = multivariant(replay).write()
    except ValueError as error:
        raise NotFoundError("nothing of this recording is on tape") from error
    objects: dict[str, str] = {}
    for rendition, entries in replay.renditions.items():
        for segment in entries:
            objects[f"{rendition}/{segment_name(segment.epoch, segment.msn)}"] = segment.key
            init = replay.inits[segment.epoch, rendition]
            objects[f"{rendition}/{init_name(segment.epoch)}"] = init.key
    playlists = {name: media_playlist(replay, name).write() for name in replay.renditions}
    return ReplayTape(index, playlists, objects)
