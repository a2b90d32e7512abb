"""The whole product, seen from outside: one page of figures, and log lines that say whose they are and no secret."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.product import SMALL, TOKEN, Client, Product, Seed, until
from tests.support.publisher import Publisher

pytestmark = pytest.mark.timeout(300)
KEY = "secret-key-of-the-camera"
WRONG = "a-key-that-opens-nothing"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
PROCESSES = {"bridge", "ingest", "jobs", "node", "serve", "studio", "web", "worker-main"}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product.start(
        tmp_path_factory.mktemp("observed"),
        channels={"main": SMALL},
        feeds=(
            Seed("pattern", "test", options={"width": "320", "height": "180"}),
            Seed("camera", key=KEY),
        ),
        program={"main": ("pattern", None)},
    ) as running:
        yield running


@pytest.fixture
async def client(product: Product) -> AsyncIterator[Client]:
    async with product.client() as client:
        yield client


async def page(client: Client) -> Samples:
    """The samples of a scrape, after a look at its form."""
    status, body = await client.get_as_staff("/metrics")
    assert status == 200
    text = body.decode()
    for word in ("HELP", "TYPE"):
        heads = [line.split()[2] for line in text.split("\n") if line.startswith(f"# {word} ")]
        assert len(heads) == len(set(heads))
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith("gachi_"):
            assert family.documentation
            assert family.type in {"counter", "gauge", "histogram"}, family.name
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def total(samples: Samples, name: str, **labels: str) -> float:
    return sum(
        value
        for (each, own), value in samples.items()
        if each == name and labels.items() <= dict(own).items()
    )


async def test_every_process_is_on_one_valid_page(product: Product, client: Client) -> None:
    await client.picture("main", "pattern")

    async def everybody() -> bool:
        told = await page(client)
        up = {
            dict(own)["process"]
            for (name, own), value in told.items()
            if name == "gachi_process_up" and value
        }
        return up == PROCESSES

    await until(
        everybody, 30, "every process to tell its figures"
    )  # web is ready before jobs and studio may be
    began = time.monotonic()
    first = await page(client)
    assert time.monotonic() - began < 5
    assert {dict(own)["process"] for (name, own) in first if name == "gachi_process_up"} == PROCESSES
    worker = {"process": "worker-main", "channel": "main"}
    ticks = next(dict(own) for name, own in first if name == "gachi_worker_ticks_total")
    assert int(ticks["epoch"]) >= 1
    assert total(first, "process_resident_memory_bytes", **worker) > 1e7
    assert total(first, "gachi_worker_ticks_total", **worker) > 0
    assert total(first, "gachi_ingest_feeds", phase="live") == 1
    assert total(first, "gachi_feed_listeners", feed="pattern") == 1
    assert total(first, "gachi_node_channels", state="live") == 1
    assert total(first, "gachi_child_state", state="ready") == 7
    assert total(first, "gachi_input_latency_seconds", feed="pattern") > 0

    async def moved() -> bool:
        second = await page(client)
        return all(
            total(second, name, **labels) > total(first, name, **labels)
            for name, labels in (
                ("gachi_worker_ticks_total", worker),
                ("gachi_worker_parts_total", {"rendition": "audio"}),
                ("gachi_worker_part_bytes_total", {"rendition": "v180"}),
                ("gachi_recorder_stored_segments_total", worker),
            )
        )

    await until(moved, 30, "the worker's figures to move")


async def test_lines_say_whose_they_are(product: Product, client: Client) -> None:
    await client.picture("main", "pattern")
    before = len(product.log())
    async with Publisher(product.rtmp_port, KEY):
        await client.state("camera", "live")
        await client.program("main", "camera", "pattern")
        await client.picture("main", "camera")
    await client.state("camera", "lost")
    await client.picture("main", "pattern")

    def events(name: str, since: int = before) -> list[dict[str, Any]]:
        return [line for line in product.log()[since:] if line["event"] == name]

    on_air = events("on air", 0)[-1]
    assert (on_air["role"], on_air["channel"]) == ("worker", "main")
    pictures = events("picture")
    assert all((line["channel"], line["epoch"]) == ("main", on_air["epoch"]) for line in pictures)
    cut = next(line for line in pictures if line["picture"] == "camera")
    assert len(cut["command"]) == 32
    phases = [line["phase"] for line in events("feed") if line["feed"] == "camera"]
    assert phases == [
        "connecting",
        "live",
        "lost",
    ]  # one line for each event, though figures came all the time


async def test_no_secret_is_written(product: Product, client: Client) -> None:
    made = await client.api("POST", "/feeds", {"id": "phone", "kind": "rtmp"})
    rotated = await client.api("POST", "/feeds/phone/key")
    token = await client.api("POST", "/tokens", {"name": "hall", "role": "host"})
    secrets = [KEY, WRONG, TOKEN, made["stream_key"], rotated["stream_key"], token["token"]]
    async with Publisher(product.rtmp_port, WRONG, reconnects=False) as sender:
        await until(lambda: _refused(product), 15, "a wrong key to be refused")
        assert sender.connections == 1
    async with Publisher(product.rtmp_port, f"{KEY}?x=1", reconnects=False):
        await client.state("camera", "live")
    await client.session.get("/api/v1/tokens", headers={"Authorization": "Bearer a-wrong-token"})
    await client.get(f"/hls/{KEY}/index.m3u8")
    text = (product.folder / "serve.log").read_text(encoding="utf-8")
    assert "RTMP publisher refused" in text
    for secret in [*secrets, "a-wrong-token"]:
        assert len(secret) > 7
        assert secret not in text
    status, body = await client.get_as_staff("/metrics")
    assert status == 200
    assert not any(secret in body.decode() for secret in secrets)


async def _refused(product: Product) -> bool:
    return any(line["event"] == "RTMP publisher refused" for line in product.log())


async def test_who_does_not_answer_is_told_and_the_page_comes_nevertheless(
    product: Product, client: Client
) -> None:
    losses = total(await page(client), "gachi_node_worker_losses_total")
    worker, epoch = product.workers()["main"], (await client.channel("main"))["epoch"]
    studio = product.role("studio")
    product.kill(studio, signal.SIGSTOP)
    try:
        began = time.monotonic()
        seen = await page(client)
        assert time.monotonic() - began < 5
        assert total(seen, "gachi_process_up", process="studio") == 0
        assert total(seen, "gachi_scrape_unanswered_total") >= 1
        assert total(seen, "gachi_worker_ticks_total") > 0
    finally:
        with contextlib.suppress(ProcessLookupError):  # its supervisor may have found out by itself
            os.kill(studio, signal.SIGKILL)

    async def back() -> bool:
        now = await page(client)
        return (
            total(now, "gachi_process_up", process="studio") == 1
            and total(now, "gachi_child_restarts_total", child="studio") >= 1
        )

    await until(back, 60, "the studio to be back")
    product.kill(worker)

    async def replaced() -> bool:
        now = await page(client)
        return (
            total(now, "gachi_node_worker_losses_total") == losses + 1
            and total(now, "gachi_worker_ticks_total", epoch=str(epoch + 1)) > 0
        )

    await until(replaced, 60, "the next worker's figures")
