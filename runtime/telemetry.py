"""Prometheus figures of all processes on one page.

Each process answers on the bus with the text of its own registry (`serve_metrics`); web asks everybody and merges the
answers (`Gatherer`). Nothing is kept between scrapes but who answered the last ones.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from prometheus_client import REGISTRY, CollectorRegistry, Gauge, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel, ConfigDict, ValidationError

from runtime import logs
from runtime.bus.mailbox import Mailbox
from runtime.bus.port import MAX_BODY, Bus, BusUnavailableError, Message, Subscription
from runtime.figures import counter, gauge, watched

log = logs.get("runtime.telemetry")

TOPIC = "runtime.metrics.collect"
LAG_EVERY = 0.25
"""Seconds between looks at the event loop."""
LAG_WINDOW = 40
"""Looks over which the longest delay is told: ten seconds."""
LATECOMERS = 0.05
"""Seconds to wait for processes that nobody knows of yet, once all the known ones answered."""
WAIT_FOR = 3
"""Scrapes in a row without an answer after which a process is not waited for any more."""
FORGET_AFTER = 30
"""As many after which it is not told of any more either: five minutes at ten seconds, in which an alert may be raised."""


class Drops(Collector):
    """What bounded queues lost, read when it is asked for, so that a queue need only count for itself."""

    def __init__(self) -> None:
        self._read: dict[str, Callable[[], int]] = {}

    def watch(self, queue: str, read: Callable[[], int]) -> None:
        """From now on tell `read()` as the drops of `queue` (a name without ids); the same name again replaces it."""
        self._read[queue] = read

    def forget(self, queue: str) -> None:
        """The queue is gone."""
        self._read.pop(queue, None)

    def collect(self) -> Iterable[CounterMetricFamily]:
        """For the registry."""
        family = CounterMetricFamily(
            "gachi_dropped_total",
            "Items that a bounded queue dropped because its reader was slow.",
            labels=["queue"],
        )
        for queue, read in self._read.items():
            family.add_metric([queue], read())
        yield family


# A second sample for each counter, which nobody reads.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library gives it no types

DROPS = Drops()
"""The process's own; registered with the default registry."""
REGISTRY.register(DROPS)
DROPS.watch("bus.subscriptions", lambda: Mailbox.all_dropped)

LOOP_LAG = Gauge(
    "gachi_loop_lag_seconds", "Longest delay of the process's event loop over the last ten seconds."
)


class _Ask(BaseModel):
    model_config = ConfigDict(extra="ignore")
    reply_to: str


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")
    process: str
    labels: dict[str, str]
    text: str


@asynccontextmanager
async def serve_metrics(
    bus: Bus, process: str, labels: Mapping[str, str] | None = None, *, registry: CollectorRegistry = REGISTRY
) -> AsyncIterator[None]:
    """Answer scrapes while the context is open, and watch the event loop.

    `process` is unique among living processes (`web`, `worker-main`); `labels` are put on each of its samples.
    """
    async with bus.subscribe(TOPIC, size=16) as requests:
        tasks = [
            asyncio.create_task(
                _answer(bus, requests, process, dict(labels or {}), registry), name="telemetry.answer"
            ),
            asyncio.create_task(_watch_loop(), name="telemetry.loop"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def _answer(
    bus: Bus, requests: Subscription, process: str, labels: dict[str, str], registry: CollectorRegistry
) -> None:
    async for message in requests:
        try:
            reply_to = _Ask.model_validate_json(message.body).reply_to
            text = generate_latest(registry).decode()
            body = _Answer(process=process, labels=labels, text=text).model_dump_json().encode()
            if len(body) > MAX_BODY:
                log.error("the figures are too many for the bus", size=len(body))
                continue
            await bus.publish(reply_to, body)
        except (ValidationError, BusUnavailableError) as error:
            log.warning("a scrape could not be answered", error=str(error))
        except Exception:
            # A collector's bug must not end the telling of everything else's figures.
            log.exception("the figures could not be collected")


async def _watch_loop() -> None:
    loop = asyncio.get_running_loop()
    recent: list[float] = []
    while True:
        due = loop.time() + LAG_EVERY
        await asyncio.sleep(LAG_EVERY)
        recent = [*recent[1 - LAG_WINDOW :], max(0.0, loop.time() - due)]
        LOOP_LAG.set(max(recent))


@dataclass(slots=True)
class Gatherer:
    """Asks all processes and merges what they say. One per bus; concurrent scrapes wait for each other."""

    bus: Bus
    unanswered: int = 0
    """Times that a process which had answered lately did not."""
    _misses: dict[str, int] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def gather(self, timeout: float = 1.0) -> bytes:
        """The figures of every process that answers within `timeout` seconds, in the text format.

        Returns soon after all the processes that answered lately did. `gachi_process_up` tells who did not.
        Raises `BusUnavailableError`.
        """
        async with self._turn:
            reply_to = f"reply.{uuid.uuid4().hex}"
            answers: dict[str, _Answer] = {}
            async with self.bus.subscribe(reply_to, size=1024) as replies:
                await self.bus.publish(TOPIC, _Ask(reply_to=reply_to).model_dump_json().encode())
                await self._listen(replies, answers, timeout)
            self.unanswered += len(self._expected() - answers.keys())
            for process in [*self._misses, *answers]:
                self._misses[process] = 0 if process in answers else self._misses[process] + 1
            self._misses = {process: count for process, count in self._misses.items() if count < FORGET_AFTER}
            texts = [
                ({"process": name, **answer.labels}, answer.text) for name, answer in sorted(answers.items())
            ]
            texts.append(({}, self._up()))
            return merge(texts).encode()

    async def _listen(self, replies: Subscription, answers: dict[str, _Answer], timeout: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        iterator = aiter(replies)
        try:
            async with asyncio.timeout_at(end) as limit:
                while True:
                    message: Message = await anext(iterator)
                    try:
                        answer = _Answer.model_validate_json(message.body)
                    except ValidationError as error:
                        log.warning("an answer to a scrape makes no sense", error=str(error))
                        continue
                    answers[answer.process] = answer
                    if self._misses and self._expected() <= answers.keys():
                        limit.reschedule(min(end, loop.time() + LATECOMERS))
        except (TimeoutError, StopAsyncIteration):
            return

    def _expected(self) -> set[str]:
        """Those that answered lately."""
        return {process for process, misses in self._misses.items() if misses < WAIT_FOR}

    def _up(self) -> str:
        registry = CollectorRegistry()
        with watched(self._own, registry=registry):
            return generate_latest(registry).decode()

    def _own(self) -> Iterator[Metric]:
        yield gauge(
            "gachi_process_up",
            "Whether a process that answered lately answered this time.",
            {(process,): float(misses == 0) for process, misses in sorted(self._misses.items())},
            "process",
        )
        yield counter(
            "gachi_scrape_unanswered_total",
            "Times that a process which had answered lately did not answer in time.",
            self.unanswered,
        )


_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+(?: \d+)?)$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="(?:[^"\\]|\\.)*"')


def merge(texts: Iterable[tuple[Mapping[str, str], str]]) -> str:
    """Pages of the text format as one: each sample gets its page's labels (its own win), and a family's samples stand
    together below one HELP and one TYPE, as the format wants it. Lines that are neither are left out.
    """
    heads: dict[str, dict[str, str]] = {}
    samples: dict[str, list[str]] = {}
    for labels, text in texts:
        family = ""
        for line in text.split("\n"):  # splitlines knows other ends of lines, which a label may hold
            if line.startswith(("# HELP ", "# TYPE ")):
                _, word, family, *_ = line.split(" ", 3)
                heads.setdefault(family, {}).setdefault(word, line)
                samples.setdefault(family, [])
            elif found := _SAMPLE.match(line):
                name = family if family and found["name"].startswith(family) else found["name"]
                samples.setdefault(name, []).append(_labelled(found, labels))
    lines = []
    for family, collected in samples.items():
        if collected:
            head = heads.get(family, {})
            lines += [head[word] for word in ("HELP", "TYPE") if word in head]
            lines += collected
    return "\n".join(lines) + "\n"


def _labelled(sample: re.Match[str], labels: Mapping[str, str]) -> str:
    own = sample["labels"] or ""
    names = {found[1] for found in _LABEL.finditer(own)}
    added = [f'{key}="{_escape(value)}"' for key, value in labels.items() if key not in names]
    joined = ",".join([*added, *([own] if own else [])])
    return (
        f"{sample['name']}{{{joined}}} {sample['value']}" if joined else f"{sample['name']} {sample['value']}"
    )


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
