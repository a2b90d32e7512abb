"""The worker around its mixer: cuts and the tending of inputs in any order, and an end that never hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, cast

import pytest

from media.adapters.av_canvas import AvCanvas
from media.contracts.channels import Program
from media.mix.mixer import Mixer
from media.model.channel import ChannelSpec, Rung
from media.model.errors import EngineError
from media.worker import worker as subject
from media.worker.worker import Worker

SPEC = ChannelSpec("main", width=128, height=72, ladder=(Rung(72, 100_000),))


class Silent:
    """A tap on a feed that sends nothing."""

    async def __aiter__(self) -> AsyncGenerator[Any]:
        await asyncio.Event().wait()
        yield None


class Slow(Mixer[Any]):
    """A mixer whose commands take effect as late as a tick may make them."""

    commanded: asyncio.Event
    loop: asyncio.AbstractEventLoop

    def set_program(self, program: Any) -> None:
        super().set_program(program)
        self.loop.call_soon_threadsafe(self.commanded.set)


@pytest.fixture
def mixer() -> Slow:
    return Slow(SPEC, AvCanvas(SPEC.width, SPEC.height))


@pytest.fixture
async def worker(mixer: Slow) -> AsyncIterator[Worker]:
    mixer.loop, mixer.commanded = asyncio.get_running_loop(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        made = Worker(SPEC, mixer, lambda _: cast("Any", Silent()), tasks, lambda _: None)
        made.preroll(Program(feed="a"))
        yield made
        await made.stop()
        await made.stop()


async def until_taken(worker: Worker, feed: str) -> None:
    async with asyncio.timeout(10):
        while feed not in worker.inputs.feeds:
            await asyncio.sleep(0)


async def test_a_feed_on_its_way_to_the_mixer_is_not_detached(worker: Worker, mixer: Slow) -> None:
    # The look at what is spare came between the input's attachment and the cut: the feed was on program for ever
    # with nobody to decode it. With a look every 0.5 s and a tick of 33 ms that was every tenth cut or so.
    for feed in ("b", "c", "d"):
        cutting = asyncio.create_task(worker.set_program(Program(feed=feed), ""))
        await until_taken(worker, feed)
        await worker._tend()
        await cutting
        await worker._tend()
        assert worker.inputs.feeds == {feed}
        assert mixer.timeline(feed) is not None


async def test_a_feed_that_is_wanted_again_while_spares_are_detached_stays(
    worker: Worker, mixer: Slow
) -> None:
    for feed in ("b", "c", "a"):
        await worker.set_program(Program(feed=feed, backup="x"), "")
    tending = asyncio.create_task(worker._tend())
    await asyncio.sleep(0)
    await asyncio.gather(
        worker.set_program(Program(feed="b", backup="c"), ""),
        tending,
        worker.set_program(Program(feed="c"), ""),
    )
    await worker._tend()
    assert worker.inputs.feeds == {"c"}
    assert mixer.timeline("c") is not None


async def test_a_tick_that_stands_still_is_told_as_what_it_is(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "ERRAND_TIMEOUT", 0.05)
    await asyncio.to_thread(worker.programme.stop)
    with pytest.raises(EngineError, match="stood still"):
        await worker.set_program(Program(feed="b"), "")


async def test_failures_after_the_first_are_retrieved(worker: Worker) -> None:
    # One that nobody retrieves is told by the event loop when it is collected, long after the real cause.
    worker._failed(EngineError("broken"))
    await asyncio.sleep(0.01)
    await worker.stop()
    assert not worker._failure._log_traceback  # asyncio's own mark of "never retrieved"


@pytest.fixture(autouse=True)
def _no_leaked_threads() -> Iterator[None]:
    import threading

    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith(("decode-", "tick")):
            thread.join(5)
            assert not thread.is_alive(), thread.name
