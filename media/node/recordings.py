"""Recordings: started and stopped at the programme time of now, with a manifest of what is missing."""

from __future__ import annotations

import time
from typing import Any, Protocol

from media.contracts.faults import Handler
from media.contracts.tape import (
    DeleteRecording,
    Gap,
    GetRecording,
    ListRecordings,
    RecordingList,
    RecordingView,
    StartRecording,
    StopRecording,
)
from media.model.errors import ConflictError
from media.model.time import ProgrammeTime
from media.node.channels import Channels
from media.ports import TapeIndex
from media.record.gaps import GapLog, ends, gaps
from media.record.recordings import Recording, RecordingStore
from media.record.settling import open_end, reach, wall
from runtime.bus.contract import Command, Done


class Tape(TapeIndex, GapLog, Protocol):
    """What a manifest is computed from."""

    async def size(self, channel: str, start: ProgrammeTime, end: ProgrammeTime | None = None) -> int:
        """Bytes of the segments that overlap the range."""
        ...


class Recordings:
    """Answers the commands of `media.contracts.tape`."""

    def __init__(self, channels: Channels, store: RecordingStore, tape: Tape) -> None:
        self._channels = channels
        self._store = store
        self._tape = tape

    def handlers(self) -> dict[type[Command[Any]], Handler]:
        """The commands this owner answers."""
        return {
            StartRecording: self.start,
            StopRecording: self.stop,
            ListRecordings: self.list,
            GetRecording: self.get,
            DeleteRecording: self.delete,
        }

    async def start(self, command: StartRecording) -> RecordingView:
        """Begin at the programme time of now. A channel that is off air has none: a conflict. One on demand is put on air."""
        await self._channels.rouse(command.channel)
        now = ProgrammeTime(self._channels.programme_now(command.channel).time)
        return await self._summary(await self._store.start(command.recording, command.channel, now))

    async def running(self, channel: str) -> bool:
        """Whether a recording of the channel runs: a show, then."""
        return any(recording.running for recording in await self._store.list(channel))

    async def stop(self, command: StopRecording) -> RecordingView:
        """End at the programme time of now; of a channel that is off air, where its tape ends.

        Without the manifest: of a show of a day that takes seconds, and who ends a show waits for three.
        """
        recording = await self._store.get(command.recording)
        return await self._summary(await self._store.stop(recording.id, await self._end(recording)))

    async def list(self, command: ListRecordings) -> RecordingList:
        """Newest first, without manifests: those are computed for one at a time."""
        found = await self._store.list(command.channel)
        return RecordingList(recordings=[await self._summary(recording) for recording in found])

    async def get(self, command: GetRecording) -> RecordingView:
        """One, with its manifest where that is wanted."""
        recording = await self._store.get(command.recording)
        return await (self._view if command.manifest else self._summary)(recording)

    async def delete(self, command: DeleteRecording) -> Done:
        """Let retention take its segments."""
        await self._store.delete(command.recording, time.time_ns() // 1000)
        return Done()

    async def _end(self, recording: Recording) -> ProgrammeTime:
        try:
            return ProgrammeTime(self._channels.programme_now(recording.channel).time)
        except ConflictError:
            segments = await self._tape.between(recording.channel, recording.started)
            return max((ends(segment) for segment in segments), default=recording.started)

    async def _summary(self, recording: Recording) -> RecordingView:
        size = recording.size or await self._tape.size(
            recording.channel, recording.started, recording.ended or None
        )
        return RecordingView(
            id=recording.id,
            channel=recording.channel,
            started=recording.started,
            ended=recording.ended,
            size=size,
        )

    async def _view(self, recording: Recording) -> RecordingView:
        summary = await self._summary(recording)
        segments = await self._tape.between(recording.channel, recording.started, recording.ended or None)
        # Of a running recording, or one stopped a moment ago, the newest seconds are not on tape yet; that is no gap.
        end = recording.ended
        if recording.running or open_end(segments, end, wall()):
            end = reach(segments) or recording.started
        known = await self._tape.known_gaps(recording.channel, recording.started, end)
        missing = gaps(segments, recording.started, end, known)
        manifest = [Gap(starts=gap.starts, ends=gap.ends, cause=gap.cause) for gap in missing]
        return summary.model_copy(update={"gaps": manifest})
