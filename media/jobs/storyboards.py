"""Makes storyboards: of every recording a while after its end, and at once of one that somebody wants to see.

They are nice to have, so everything else goes first: exports before them in the queue, and live media on the
processor, for the thread that draws has a low priority.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from media.contracts.jobs import JobView
from media.jobs.reading import FETCH_TIMEOUT, reader
from media.model.errors import NotFoundError
from media.ports import SegmentStore, TapeIndex
from media.record.layout import storyboard_key, storyboard_sheet_key
from media.record.recordings import RecordingStore
from media.record.replay import select
from media.record.settling import settled
from media.record.storyboard import Storyboard, plan, text

STORYBOARD = "storyboard"
_NICE = 10


class Draw(Protocol):
    """Draws sheets."""

    def __call__(
        self, storyboard: Storyboard, *, fetch: Callable[[str], bytes], keep_going: Callable[[], bool]
    ) -> Sequence[bytes]:
        """JPEG of each sheet. Blocks; called on a thread. Raises `MediaError` where nothing can be drawn, what `fetch`
        raises, and anything to end early once `keep_going` says no.
        """
        ...


class Storyboards:
    """Makes one at a time."""

    def __init__(self, recordings: RecordingStore, index: TapeIndex, store: SegmentStore, draw: Draw) -> None:
        self._recordings = recordings
        self._index = index
        self._store = store
        self._draw = draw
        self._thread = ThreadPoolExecutor(1, "storyboard", initializer=_give_way)

    async def aclose(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def kept(self, recording: str) -> bool:
        """Whether the store has the recording's storyboard. Raises `StoreError`."""
        try:
            await self._store.get(storyboard_key(recording))
        except NotFoundError:
            return False
        return True

    async def make(self, job: JobView) -> tuple[str, int]:
        """Draw and keep a recording's storyboard; key of its text, and bytes of all. Raises `MediaError`."""
        recording = await self._recordings.get(job.recording)
        segments = await settled(self._index, recording.channel, recording.started, recording.ended)
        inits = await self._index.inits(recording.channel)
        board = plan(select(segments, inits, recording.range, ended=True))
        sheets = await self._drawn(board)
        objects = {storyboard_sheet_key(recording.id, n): sheet for n, sheet in enumerate(sheets)}
        # The text goes last: where it is, all is there. What is there already was left by one that was interrupted.
        objects[storyboard_key(recording.id)] = text(board).encode()
        await self._store.delete(list(objects))
        for key, data in objects.items():
            await self._store.put(key, data)
        return storyboard_key(recording.id), sum(map(len, objects.values()))

    async def _drawn(self, board: Storyboard) -> Sequence[bytes]:
        fetch, stop = reader(self._store), threading.Event()
        work = asyncio.get_running_loop().run_in_executor(
            self._thread, lambda: self._draw(board, fetch=fetch, keep_going=lambda: not stop.is_set())
        )
        try:
            return await asyncio.shield(work)
        except BaseException:
            # The thread ends at its next picture; until then it needs the loop to read.
            stop.set()
            async with asyncio.timeout(FETCH_TIMEOUT):
                await asyncio.wait([work])
            if not work.cancelled():
                work.exception()
            raise


def _give_way() -> None:
    """Lower this thread's priority. On Linux that is a thread's own; elsewhere it may not be, and stays as it is."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
