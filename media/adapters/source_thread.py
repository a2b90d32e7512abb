"""A thread of its own for a source that blocks: what it makes is handed to the event loop, bounded, and it can be stopped."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from media.model.errors import EngineError
from media.model.tracks import EncodedPacket, TrackHeader
from media.ports import FeedSink

MAX_UNDELIVERED = 128
"""Hand-overs on their way to the loop; then the thread waits, and nothing is dropped."""
_STOP_WITHIN = 3.0


class StoppedError(Exception):
    """Raised inside the thread when its source is to end."""


class Delivery:
    """The thread's side. Every call raises `StoppedError` once the source is to end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sink: FeedSink) -> None:
        self._loop = loop
        self._sink = sink
        self._slots = threading.BoundedSemaphore(MAX_UNDELIVERED)
        self._stop = threading.Event()

    def put(self, *values: TrackHeader | EncodedPacket) -> None:
        """Hand over, all in one turn of the loop; waits while that is far behind.

        Packets are stamped with the time of their arrival.
        """
        arrived = time.time_ns() // 1000
        stamped = [replace(v, arrived=arrived) if isinstance(v, EncodedPacket) else v for v in values]
        while not self._slots.acquire(timeout=0.2):
            self.check()
        self.check()
        try:
            self._loop.call_soon_threadsafe(self._deliver, stamped)
        except RuntimeError as error:  # the loop is closed: the process ends
            raise StoppedError from error

    def sleep_until(self, monotonic: float) -> None:
        """Wait for a moment of `time.monotonic`; returns at once where it is past."""
        self._stop.wait(max(0.0, monotonic - time.monotonic()))
        self.check()

    def stop(self) -> None:
        """Make the thread end; from any thread."""
        self._stop.set()

    def check(self) -> None:
        """Raise `StoppedError` once the source is to end; for whatever waits by its own means."""
        if self._stop.is_set():
            raise StoppedError

    def _deliver(self, values: Sequence[TrackHeader | EncodedPacket]) -> None:
        self._slots.release()
        if self._stop.is_set():
            return
        for value in values:
            if isinstance(value, EncodedPacket):
                self._sink.packet(value)
            else:
                self._sink.header(value)


async def run_in_thread(name: str, work: Callable[[Delivery], None], sink: FeedSink) -> None:
    """Run `work` in a thread until it returns, raises, or this is cancelled (then the thread is stopped first)."""
    loop = asyncio.get_running_loop()
    delivery = Delivery(loop, sink)
    done: asyncio.Future[None] = loop.create_future()

    def tell(error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        error: Exception | None = None
        try:
            work(delivery)
        except StoppedError:
            pass
        except Exception as raised:  # noqa: BLE001 - carried to the task that awaits, whatever it is
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            loop.call_soon_threadsafe(tell, error)

    # A daemon: a thread that hangs inside a file system must not keep the process from ending.
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        await asyncio.shield(done)
    finally:
        delivery.stop()
        if not done.done():
            await asyncio.wait([done], timeout=_STOP_WITHIN)
        if done.done():
            done.exception()  # retrieved here where cancellation came first
            thread.join(timeout=1.0)  # it has told its last word and is returning
        else:
            done.cancel()
            raise EngineError(f"the thread of {name} hangs")
