from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from runtime.bus.local import LocalBus
from runtime.telemetry import FORGET_AFTER, LOOP_LAG, Drops, Gatherer, merge, serve_metrics


@pytest.fixture
async def bus() -> AsyncIterator[LocalBus]:
    bus = LocalBus()
    yield bus
    await bus.close()


def registry(value: float, label: str = "x") -> CollectorRegistry:
    made = CollectorRegistry()
    Counter("gachi_test_parts", "Parts.", ["kind"], registry=made).labels(label).inc(value)
    Gauge("gachi_test_parts_waiting", "Its name begins as the other's.", registry=made).set(value)
    Histogram("gachi_test_seconds", "Seconds.", buckets=(1,), registry=made).observe(value)
    return made


def samples(page: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=8), st.text(max_size=8), st.floats(allow_nan=False, min_value=0))
def test_merging_keeps_every_sample_and_adds_the_labels(label: str, process: str, value: float) -> None:
    pages = [generate_latest(registry(value, label)).decode(), generate_latest(registry(1.0, "y")).decode()]
    merged = merge([({"process": process}, pages[0]), ({"process": "the other one"}, pages[1])])
    wanted = {}
    for name, page in ((process, pages[0]), ("the other one", pages[1])):
        for (metric, labels), each in samples(page).items():
            wanted[metric, labels | {("process", name)}] = each
    assert samples(merged) == wanted
    for word in ("HELP", "TYPE"):
        heads = [line.split()[2] for line in merged.split("\n") if line.startswith(f"# {word} ")]
        assert len(heads) == len(set(heads))


def test_a_samples_own_label_wins() -> None:
    assert merge([({"kind": "b", "process": "p"}, 'x{kind="a"} 1\n')]) == 'x{process="p",kind="a"} 1\n'


@given(st.text(max_size=100))
def test_noise_is_left_out(text: str) -> None:
    assert merge([({"process": "p"}, text)]).endswith("\n")


def test_drops_are_read_when_they_are_asked_for() -> None:
    made, drops = CollectorRegistry(), Drops()
    made.register(drops)
    lost = 0
    drops.watch("feed.ring", lambda: lost)
    lost = 3
    assert made.get_sample_value("gachi_dropped_total", {"queue": "feed.ring"}) == 3
    drops.forget("feed.ring")
    assert made.get_sample_value("gachi_dropped_total", {"queue": "feed.ring"}) is None


async def test_all_processes_are_on_the_page_and_who_is_gone_is_told(bus: LocalBus) -> None:
    gatherer = Gatherer(bus)
    async with serve_metrics(bus, "web", registry=registry(1)):
        async with serve_metrics(bus, "worker-main", {"channel": "main"}, registry=registry(2)):
            page = samples((await gatherer.gather(0.3)).decode())
            both = [("kind", "x"), ("process", "worker-main"), ("channel", "main")]
            assert page["gachi_test_parts_total", frozenset(both)] == 2
            assert page["gachi_test_parts_waiting", frozenset([("process", "web")])] == 1
            assert page["gachi_process_up", frozenset([("process", "worker-main")])] == 1
            begun = time.monotonic()
            await gatherer.gather(10)
            assert time.monotonic() - begun < 2  # it does not wait once all the known ones answered
        for _ in range(2):
            page = samples((await gatherer.gather(0.2)).decode())
            assert page["gachi_process_up", frozenset([("process", "worker-main")])] == 0
            assert page["gachi_process_up", frozenset([("process", "web")])] == 1
        await gatherer.gather(0.2)
        # From now on nobody waits for it, but it is told of for as long as somebody may need to hear of it.
        for _ in range(FORGET_AFTER - 5):
            await gatherer.gather(10)
        page = samples((await gatherer.gather(10)).decode())
        assert page["gachi_scrape_unanswered_total", frozenset()] == 3
        assert page["gachi_process_up", frozenset([("process", "worker-main")])] == 0
        page = samples((await gatherer.gather(10)).decode())
        assert ("gachi_process_up", frozenset([("process", "worker-main")])) not in page


async def test_noise_on_the_bus_does_not_end_it(bus: LocalBus) -> None:
    gatherer = Gatherer(bus)
    async with serve_metrics(bus, "web", registry=registry(1)):
        await bus.publish("runtime.metrics.collect", b"noise")
        assert b"gachi_test_parts" in await gatherer.gather(0.2)


async def test_a_loop_that_stood_still_is_seen(bus: LocalBus) -> None:
    async with serve_metrics(bus, "web", registry=CollectorRegistry()):
        await asyncio.sleep(0)
        time.sleep(0.5)  # noqa: ASYNC251  the loop shall stand still
        async with asyncio.timeout(5):
            while not LOOP_LAG._value.get() >= 0.2:
                await asyncio.sleep(0.02)
