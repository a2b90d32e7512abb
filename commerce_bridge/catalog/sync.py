"""The sync of one shop: passes over its whole catalog, what changed since, what is watched, and what its webhooks hint at.

Two loops: one reads the catalog (a pass may take minutes), the other fetches single products and never waits for the first. Both ask
the shop through one circuit: while it is down, nobody does, and what was told before stays with its age.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass

from commerce_bridge.catalog import progress
from commerce_bridge.catalog.circuit import Circuit
from commerce_bridge.catalog.ledger import Ledger
from commerce_bridge.catalog.nights import pass_due
from commerce_bridge.catalog.patience import heard, pieces_of, within
from commerce_bridge.catalog.watching import Watched
from commerce_bridge.contracts.products import SyncView
from commerce_bridge.model.errors import (
    BridgeError,
    ShopDownError,
    ShopError,
    ShopLiedError,
    ShopRefusedError,
    ShopUnchangedError,
    StoreError,
)
from commerce_bridge.ports import Batch, Capability, Hint, Shop
from runtime import logs
from runtime.clock import Clock
from runtime.service import Service

log = logs.get("bridge.sync")

FETCHED = 100
"""Products in one question (`Shop.products`)."""
MOST_HINTED = 5000
"""Hinted products that wait; beyond, anything may have changed."""
PASS_AGAIN = 60.0
"""Seconds until a pass that broke off in its middle is begun anew, at least."""
HINTED_PASS = 60.0
"""Seconds between two passes that webhooks ask for, of shops that cannot tell what changed."""
CLOSING = 5.0


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """When a shop is asked; see `BridgeSettings`."""

    night: int
    reread: float
    changes: float
    watch: float
    timeout: float


@dataclass(slots=True)
class SyncFigures:
    """Counts since the process started."""

    rows: int = 0
    bad: int = 0
    changed: int = 0
    gone: int = 0
    passes: int = 0
    failures: int = 0
    """Questions that the shop did not answer, or not so that it can be used."""


class ShopSync:
    """`run` until cancelled; the rest is for commands, and never waits for the shop."""

    def __init__(
        self,
        name: str,
        shop: Shop,
        ledger: Ledger,
        watched: Watched,
        plan: SyncPlan,
        *,
        clock: Clock,
        changed: Callable[[], None],
        dice: Callable[[], float] = random.random,
    ) -> None:
        """`changed` is told when there is something new to see (`view`, `reached`, `error`)."""
        self.name = name
        self.view: SyncView = progress.NONE
        self.reached = 0
        """When it last answered, Unix microseconds."""
        self.error = ""
        """Why it does not."""
        self.figures = SyncFigures()
        self._shop = shop
        self._ledger = ledger
        self._watched = watched
        self._plan = plan
        self._clock = clock
        self._changed = changed
        self._dice = dice
        self._circuit = Circuit()
        self._state: Mapping[str, str] | None = None
        """What is noted in the store; None until it was read."""
        self._whole = progress.NONE
        """The newest pass that came to its end."""
        self._told = 0
        """When the newest list that was told to its end began; 0: none since this process started, or it cannot be true."""
        self._nonsense = ""
        """What the shop said last that made no sense."""
        self._wanted = False
        """A pass is to begin whatever the time is."""
        self._forced = False
        """A person wants it: the circuit does not count."""
        self._broke_off = float("-inf")
        self._begun = float("-inf")
        self._polled = float("-inf")
        """Monotonic seconds of the newest pass that broke off, pass that began, and question what changed."""
        self._hinted: dict[str, None] = {}
        self._catalog_news = asyncio.Event()
        self._single_news = asyncio.Event()

    # --- for commands

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the shop can do, as far as that is known by now."""
        return self._shop.capabilities

    def read_all(self) -> SyncView:
        """Begin a pass now; one that runs goes on."""
        if not self.view.running:
            self._wanted = self._forced = True
            self.view = progress.begun(self._clock.wall())
            self._changed()
            self._catalog_news.set()
        return self.view

    def look(self) -> None:
        """Something is watched that was not."""
        self._single_news.set()

    def read_hint(self, headers: Mapping[str, str], body: bytes) -> Hint:
        """See `Shop.hint`."""
        return self._shop.hint(headers, body, now=self._clock.wall())

    def follow(self, hint: Hint) -> None:
        """Look again at what a webhook hints at."""
        if Capability.FETCH in self.capabilities and hint.products:
            self._hinted.update(dict.fromkeys(hint.products))
            if len(self._hinted) <= MOST_HINTED:
                self._single_news.set()
                return
            self._hinted.clear()
        if Capability.CHANGES in self.capabilities:
            self._polled = float("-inf")
        else:
            self._wanted = True
        self._catalog_news.set()

    # --- loops

    async def run(self) -> None:
        """Until cancelled; then the shop's connections are given up."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, work in (("catalog", self._catalog), ("products", self._singles)):
                    service = Service(f"{self.name} {name}", work, clock=self._clock)
                    tasks.create_task(service.run(), name=f"bridge.sync {self.name} {name}")
        finally:
            with suppress(TimeoutError, BridgeError):
                async with asyncio.timeout(CLOSING):
                    await self._shop.close()

    async def _catalog(self) -> None:
        await self._recall()
        while True:
            if self._forced or not self._circuit.wait(self._clock.monotonic()):
                if self._pass_due():
                    await self._pass()
                elif self._poll_due():
                    await self._poll()
            rest = self._circuit.wait(self._clock.monotonic()) or self._plan.changes
            await heard(self._catalog_news, rest)

    def _pass_due(self) -> bool:
        if self._forced:
            return True
        now = self._clock.monotonic()
        if now - self._broke_off < PASS_AGAIN or (self._wanted and now - self._begun < HINTED_PASS):
            return False
        every = 0.0 if Capability.CHANGES in self.capabilities else self._plan.reread
        done = int((self._state or {}).get("done", "0"))
        return self._wanted or pass_due(self._clock.wall(), done=done, minute=self._plan.night, every=every)

    def _poll_due(self) -> bool:
        now = self._clock.monotonic()
        return Capability.CHANGES in self.capabilities and now - self._polled >= self._plan.changes

    async def _pass(self) -> None:
        """Read the whole catalog. What it does not tell of is gone, but only when it came to its end."""
        self._wanted, self._forced = False, False
        self._begun = self._clock.monotonic()
        started = self._clock.wall()
        self.view = progress.begun(started)
        self._changed()
        self._circuit = Circuit() if self._circuit.wait(self._begun) else self._circuit.tried(self._begun)
        try:
            with self._answering():
                # From before the pass on: what changes while it runs must not be missed.
                if Capability.CHANGES in self.capabilities and not (self._state or {}).get("cursor"):
                    await self._take_changes("", started)
                listed = await self._listed(started)
                # Where nothing changed: those that could not be marked when it was told.
                gone = await self._ledger.gone(self.name, keys=None, before=self._told)
                if not listed:
                    self.view = progress.unchanged(self._whole, self.view)
                    await self._ledger.store.seen_again(self.name, seen=started)
                whole = progress.ended(self.view, self._clock.wall(), gone=gone)
                await self._note(done=str(started), sync=whole.model_dump_json())
        except (ShopError, StoreError) as error:
            self.view = progress.ended(self.view, self._clock.wall(), error=str(error))
            log.warning("a pass over a catalog broke off", shop=self.name, error=str(error))
            with self._keeping():
                await self._note(sync=self.view.model_dump_json())
        else:
            self.figures.passes += 1
            self.figures.gone += gone
            self.view = self._whole = whole
            log.info("a catalog was read", shop=self.name, **_counts(self.view))
        finally:
            if self.view.running:  # a bug of ours or the connector's, or the end of the process
                self.view = progress.ended(self.view, self._clock.wall(), error="it was broken off")
            if self.view.error and (self.view.rows or not self._circuit.failures):
                # Of one that did not even begin, the circuit alone says when it is tried again.
                self._broke_off = self._clock.monotonic()
            self._changed()

    async def _listed(self, started: int) -> bool:
        """Take the whole catalog as it comes; false where it is as it was."""
        told = 0
        try:
            async with aclosing(pieces_of(self._shop.everything(), self._plan.timeout)) as pieces:
                async for batch in pieces:
                    self._came()
                    changed = await self._take(batch, started)
                    told += len(batch.products)
                    self.view = progress.went_on(self.view, batch, changed)
                    self._changed()
        except ShopUnchangedError as error:
            self._came()
            if not self._told:
                raise ShopLiedError("nothing changed, it says, since a list that was not taken") from error
            return False
        self._came()
        self._told = 0
        if not told and await self._ledger.store.count(self.name):
            raise ShopLiedError("its catalog is empty all at once; what is kept stays")
        self._told = started
        return True

    async def _poll(self) -> None:
        self._polled = self._clock.monotonic()
        self._circuit = self._circuit.tried(self._polled)
        with self._keeping(), self._answering():
            await self._take_changes((self._state or {}).get("cursor", ""), self._clock.wall())

    async def _take_changes(self, cursor: str, asked: int) -> None:
        async with aclosing(pieces_of(self._shop.changes(cursor), self._plan.timeout)) as pieces:
            async for batch in pieces:
                self._came()
                await self._take(batch, asked)
                if batch.cursor:
                    await self._note(cursor=batch.cursor)
        self._came()

    async def _singles(self) -> None:
        """Watched and hinted products, told anew."""
        if Capability.FETCH not in self.capabilities:
            return
        looked = float("-inf")
        while True:
            now = self._clock.monotonic()
            if not self._circuit.wait(now):
                keys = list(self._hinted)[:FETCHED]
                if not keys and now - looked >= self._plan.watch:
                    looked, keys = now, self._watched.keys(self.name, now)
                if keys and await self._fetched(keys) and self._hinted:
                    continue
            now = self._clock.monotonic()
            rest: float | None = self._circuit.wait(now) or max(0.0, looked + self._plan.watch - now)
            if not self._hinted and not self._watched.keys(self.name, now):
                rest = None  # until there is something to look at
            elif self._hinted:
                rest = max(rest or 0.0, self._plan.watch)  # they could not be fetched, or not be kept
            await heard(self._single_news, rest)

    async def _fetched(self, keys: Sequence[str]) -> bool:
        """Whether these could be fetched and kept."""
        self._circuit = self._circuit.tried(self._clock.monotonic())
        done = False
        with self._keeping(), self._answering():
            await self._fetch(keys)
            done = True
        return done  # noqa: RET504 - `_keeping` may have ended the block before it was set

    async def _fetch(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), FETCHED):
            some = keys[start : start + FETCHED]
            for key in some:
                self._hinted.pop(key, None)  # before it is asked: what is hinted at meanwhile is news
            asked = self._clock.wall()
            try:
                async with within(self._plan.timeout):
                    told = await self._shop.products(some)
                self._came()
                products = [each for each in told.values() if each is not None]
                self.figures.changed += await self._ledger.put(products, seen=asked)
                gone = [key for key, each in told.items() if each is None]
                if gone:
                    self.figures.gone += await self._ledger.gone(self.name, keys=gone, before=asked)
            except (ShopDownError, ShopRefusedError, StoreError):
                self._hinted.update(dict.fromkeys(some))
                raise

    # --- what all of them do

    async def _take(self, batch: Batch, seen: int) -> int:
        changed = await self._ledger.put(batch.products, seen=seen)
        self.figures.rows += len(batch.products) + len(batch.bad)
        self.figures.bad += len(batch.bad)
        self.figures.changed += changed
        return changed

    def _came(self) -> None:
        """The shop answered."""
        self.reached = self._clock.wall()
        if self._circuit.failures:
            self._circuit = self._circuit.answered()
            self._wake()
        if self.error:
            self.error = ""
            log.info("a shop answers again", shop=self.name)
            self._changed()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Within it the shop's failures are noted; they go on."""
        try:
            yield
        except ShopError as error:
            self.figures.failures += 1
            self._circuit = self._circuit.failed(self._clock.monotonic(), error, self._dice())
            self._wake()
            if self._circuit.failures and self.error != str(error):
                log.warning("a shop does not answer", shop=self.name, error=str(error))
                self.error = str(error)
                self._changed()
            raise

    @contextmanager
    def _keeping(self) -> Iterator[None]:
        """What fails within it is tried again with the next turn."""
        try:
            yield
        except ShopLiedError as error:
            if str(error) != self._nonsense:  # it may go on saying so every few seconds
                self._nonsense = str(error)
                log.warning("a shop's answer makes no sense", shop=self.name, error=str(error))
        except ShopError:
            pass  # noted by `_answering`
        except StoreError as error:
            log.warning("what a shop told was not kept", shop=self.name, error=str(error))

    def _wake(self) -> None:
        """When the shop may be asked is another time than was thought."""
        self._catalog_news.set()
        self._single_news.set()

    async def _recall(self) -> None:
        self._state = await self._ledger.store.get_state(self.name)
        if not self.view.started and (text := self._state.get("sync")):
            with suppress(ValueError):  # written by another version
                self.view = SyncView.model_validate(json.loads(text))
        self._changed()

    async def _note(self, **changes: str) -> None:
        state = {**(self._state or {}), **changes}
        await self._ledger.store.put_state(self.name, state)
        self._state = state


def _counts(view: SyncView) -> dict[str, int]:
    return {name: getattr(view, name) for name in ("rows", "changed", "gone", "bad")}
