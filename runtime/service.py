"""What restarts alone: a restart policy, the back-off it asks for (pure), and a wrapper that runs by it.

The doer runs until it fails and says whether trying again can help; what follows is decided here.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from runtime import logs
from runtime.clock import Clock, SystemClock

log = logs.get("runtime.service")


class PermanentError(Exception):
    """Trying again cannot help (a wrong specification): the supervisor must not restart."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How long to wait before each restart, in seconds.

    The first failure restarts after `at_once`; further ones after `first`, growing by `factor` up to `limit`, each
    longer by chance of up to `jitter` of itself, so that many who failed together do not return together. A run of
    `healthy_after` ends the row of failures.
    """

    at_once: float = 0.0
    first: float = 0.2
    factor: float = 2.0
    limit: float = 10.0
    jitter: float = 0.2
    healthy_after: float = 30.0


class Backoff:
    """The delays of one row of failures. Pure but for its dice."""

    def __init__(self, policy: RestartPolicy, dice: Callable[[], float] = random.random) -> None:
        self._policy = policy
        self._dice = dice
        self.failures = 0
        """Failures in a row."""

    def failed(self, ran: float) -> float:
        """A run of `ran` seconds failed: seconds to wait before the next."""
        if ran >= self._policy.healthy_after:
            self.failures = 0
        self.failures += 1
        if self.failures == 1:
            return self._policy.at_once
        # The exponent is bounded: a power of a thousand failures would overflow before `min` could help.
        delay = self._policy.first * self._policy.factor ** min(self.failures - 2, 60)
        return min(self._policy.limit, delay) * (1 + self._policy.jitter * self._dice())


class Service:
    """Runs a coroutine function again and again by a policy. One task of a TaskGroup runs `run`."""

    def __init__(
        self,
        name: str,
        work: Callable[[], Awaitable[None]],
        *,
        policy: RestartPolicy | None = None,
        permanent: tuple[type[Exception], ...] = (),
        on_failure: Callable[[Exception, float], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`permanent` are errors beside `PermanentError` that are not retried but raised from `run`;
        `on_failure` is told each error and the seconds until the next run.
        """
        self.name = name
        self.restarts = 0
        self._work = work
        self._policy = policy or RestartPolicy()
        self._permanent: tuple[type[Exception], ...] = (PermanentError, *permanent)
        self._on_failure = on_failure
        self._clock = clock or SystemClock()

    async def run(self) -> None:
        """Until the work returns, fails for good, or is cancelled."""
        backoff = Backoff(self._policy)
        while True:
            begun = self._clock.monotonic()
            try:
                await self._work()
            except self._permanent:
                raise
            except Exception as error:  # noqa: BLE001  whatever it is: to run again is what this class is for
                delay = backoff.failed(self._clock.monotonic() - begun)
                log.warning(
                    "a service failed", service=self.name, error=repr(error), restart_in=round(delay, 2)
                )
                if self._on_failure is not None:
                    self._on_failure(error, delay)
            else:
                return
            self.restarts += 1
            await self._clock.sleep(delay)
