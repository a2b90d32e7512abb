from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.clock import ManualClock
from runtime.service import Backoff, PermanentError, RestartPolicy, Service

STEADY = RestartPolicy(at_once=0.0, first=0.2, limit=10.0, jitter=0.0, healthy_after=30.0)


def test_the_first_restart_is_immediate_and_the_others_wait_ever_longer() -> None:
    backoff = Backoff(STEADY)
    assert [backoff.failed(0.0) for _ in range(9)] == [0.0, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_a_healthy_run_ends_the_row() -> None:
    backoff = Backoff(STEADY)
    for _ in range(5):
        backoff.failed(1.0)
    assert backoff.failed(30.0) == 0.0
    assert backoff.failures == 1


@given(st.integers(1, 3000), st.floats(0, 1))
def test_no_delay_is_over_the_limit_and_its_jitter(failures: int, chance: float) -> None:
    backoff = Backoff(RestartPolicy(limit=10.0, jitter=0.2), dice=lambda: chance)
    delays = [backoff.failed(0.0) for _ in range(failures)]
    assert max(delays) <= 12.0


async def test_a_service_runs_again_until_it_succeeds() -> None:
    clock = ManualClock()
    told: list[tuple[str, float]] = []
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs < 4:
            raise RuntimeError(f"run {runs}")

    service = Service(
        "test",
        work,
        policy=STEADY,
        on_failure=lambda error, delay: told.append((str(error), delay)),
        clock=clock,
    )
    running = asyncio.create_task(service.run())
    for _ in range(200):
        await asyncio.sleep(0)
        clock.advance(0.05)
    await asyncio.wait_for(running, 5)
    assert told == [("run 1", 0.0), ("run 2", 0.2), ("run 3", 0.4)]
    assert service.restarts == 3


@pytest.mark.parametrize("error", [PermanentError("wrong"), KeyError("wrong")])
async def test_a_permanent_error_is_not_retried(error: Exception) -> None:
    async def work() -> None:
        raise error

    service = Service("test", work, permanent=(KeyError,))
    with pytest.raises(type(error)):
        await service.run()
    assert service.restarts == 0


async def test_a_cancelled_service_ends() -> None:
    service = Service("test", asyncio.Event().wait)  # type: ignore[arg-type]  # returns True, which nobody reads
    running = asyncio.create_task(service.run())
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
