"""Two nodes on one database, as when a second machine is started by mistake with a copy of the settings."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.product import SMALL, Client, Product, until

pytestmark = pytest.mark.timeout(300)

TAKEN = "has taken main over"


async def lost(client: Client) -> dict[str, Any]:
    """The channel, once this product has lost it to the other one for good."""

    async def seen() -> bool:
        return TAKEN in (await client.channel("main"))["reason"]

    await until(seen, 30, "the worker to be fenced")
    return await client.channel("main")


async def on_air(client: Client) -> dict[str, Any]:
    async def seen() -> bool:
        view = await client.channel("main")
        return bool(view["epoch"]) and view["state"] != "offline"

    await until(seen, 30, "the channel to be on air")
    return await client.channel("main")


async def test_the_later_node_has_the_channel_and_the_earlier_one_lets_go_for_good(tmp_path: Path) -> None:
    # Each fenced the other within a second and was started again: neither was on air for longer.
    with Product.start(tmp_path / "first", channels={"main": SMALL}) as first:
        shared: dict[str, dict[str, Any]] = {
            "database": {"url": f"sqlite:///{first.data / 'gachi.db'}"},
            "supervision": {"roles": ["ingest", "node", "web"]},
        }
        with Product.start(tmp_path / "second", channels={"main": SMALL}, settings=shared) as second:
            async with first.client() as here, second.client() as there:
                away = await lost(here)
                assert away["state"] == "offline"
                assert "failed for good" in away["reason"]
                owner = await on_air(there)
                # Longer than the first waits of the back-off, and than it takes to see a fence.
                await asyncio.sleep(6)
                assert (await there.channel("main"))["epoch"] == owner["epoch"]
                assert TAKEN in (await here.channel("main"))["reason"]
                assert "main" not in first.workers()
                told = [
                    line for line in first.log() if line["event"] == "another node has taken the channel over"
                ]
                assert [(line["level"], line["channel"]) for line in told] == [("error", "main")]

                await here.api("POST", "/channels/main/start")  # on purpose: whoever asks last has it
                assert (await lost(there))["state"] == "offline"
                assert (await on_air(here))["epoch"] > owner["epoch"]
