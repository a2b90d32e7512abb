"""Pictures from a real server on loopback, sound ones and others, through the whole of the bridge's part to the bus."""

from __future__ import annotations

import asyncio
import base64
import io
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from commerce_bridge.adapters import http_pictures
from commerce_bridge.adapters.http_pictures import MOST_BYTES, HttpPictures
from commerce_bridge.adapters.pictures import picture_handlers
from commerce_bridge.contracts.pictures import GetPicture
from commerce_bridge.model.errors import ShopDownError, ShopError, ShopLiedError, ShopRefusedError, StoreError
from commerce_bridge.model.picture import picture_hash, picture_path
from commerce_bridge.pictures.addresses import is_public
from commerce_bridge.pictures.service import FAILED_SECONDS, MOST_FETCHED, Source
from runtime.bus.calls import call, serve
from runtime.bus.contract import CommandError, Fault
from runtime.bus.local import LocalBus
from runtime.clock import ManualClock

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
PRODUCT = "06abcdefghjkmnpq"


def jpeg(width: int = 600, height: int = 300) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 40)).save(out, "JPEG")
    return out.getvalue()


class PictureHost:
    """A shop's server of pictures, on every address of loopback."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0
        self.going = asyncio.Event()
        """Pictures below `/slow` are held back until then."""
        self.port = 0
        self.headers: dict[str, str] = {}

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.path] += 1
        self.headers = dict(request.headers)
        kind = request.path.split("/")[1]
        if kind == "slow":
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await self.going.wait()
            self.at_once -= 1
        if kind == "away":
            raise web.HTTPFound(request.query["to"])
        if kind == "huge":
            response = web.StreamResponse(headers={"Content-Type": "image/jpeg"})
            await response.prepare(request)
            while True:  # without end, and without a length
                await response.write(bytes(1 << 16))
        status, type_, body = ANSWERS.get(kind, (200, "image/jpeg", jpeg()))
        return web.Response(status=status, body=body, content_type=type_)


ANSWERS: dict[str, tuple[int, str, bytes]] = {
    "long": (200, "image/png", bytes(MOST_BYTES + 1)),
    "liar": (200, "image/png", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "svg": (200, "image/svg+xml", b"<svg/>"),
    "page": (200, "text/html", jpeg()),
    "broken": (200, "image/jpeg", jpeg()[:200]),
    "gone": (404, "image/jpeg", jpeg()),
    "ill": (503, "image/jpeg", jpeg()),
    "untold": (200, "application/octet-stream", jpeg()),
}


@pytest.fixture
async def host() -> AsyncIterator[PictureHost]:
    made = PictureHost()
    app = web.Application()
    app.router.add_get("/{path:.*}", made.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    listening = socket.create_server(("127.0.0.1", 0))
    made.port = listening.getsockname()[1]
    other = socket.create_server(("127.0.0.2", made.port))
    for each in (listening, other):
        await web.SockSite(runner, each).start()
    try:
        yield made
    finally:
        made.going.set()
        await runner.cleanup()


@asynccontextmanager
async def fetching(within: float = 5.0) -> AsyncIterator[HttpPictures]:
    fetcher = HttpPictures(within=within)
    try:
        yield fetcher
    finally:
        await fetcher.close()


# --- fetching


async def test_a_picture_is_fetched_without_telling_who_wants_it(host: PictureHost) -> None:
    async with fetching() as fetcher:
        assert await fetcher.fetch(host.url("/a.jpg?v=1"), private=True) == jpeg()
        assert await fetcher.fetch(host.url("/untold"), private=True) == jpeg()
        there = host.url("/away?to=") + host.url("/a.jpg")
        assert await fetcher.fetch(there, private=True) == jpeg()
    assert not {"Cookie", "Referer", "Authorization"} & host.headers.keys()


@pytest.mark.parametrize("path", ["/long", "/huge", "/svg", "/page", "/gone"])
async def test_what_is_no_picture_is_refused(host: PictureHost, path: str) -> None:
    async with fetching() as fetcher:
        with pytest.raises(ShopLiedError):
            await fetcher.fetch(host.url(path), private=True)


async def test_a_shop_that_does_not_answer_in_time_is_down(host: PictureHost) -> None:
    async with fetching(within=0.2) as fetcher:
        for path in ("/slow", "/ill"):
            with pytest.raises(ShopDownError):
                await fetcher.fetch(host.url(path), private=True)
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        with pytest.raises(ShopDownError):
            await fetcher.fetch(f"http://127.0.0.1:{port}/a.jpg", private=True)


async def test_redirects_end(host: PictureHost) -> None:
    async with fetching() as fetcher:
        for to in ("/away?to=" + host.url("/away"), "file:///etc/passwd", "ftp://127.0.0.1/a.jpg"):
            with pytest.raises((ShopLiedError, ShopDownError)):
                await fetcher.fetch(host.url("/away?to=") + to.replace("?", "%3F"), private=True)
    assert host.asked.total() < 20


# --- who may be asked


@pytest.mark.parametrize(
    "name", ["127.0.0.1", "127.0.0.2", "localhost", "[::1]", "0.0.0.0", "2130706433", "0x7f.1"]
)
async def test_nobody_has_us_knock_in_our_own_network(host: PictureHost, name: str) -> None:
    async with fetching() as fetcher:
        with pytest.raises(ShopError):
            await fetcher.fetch(host.url("/a.jpg", name), private=False)
    assert not host.asked


async def test_a_name_that_leads_to_us_is_refused_when_it_is_connected_to(
    host: PictureHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: what the name said when somebody looked at it is worth nothing."""

    async def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", host.port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    async with fetching() as fetcher:
        with pytest.raises(ShopRefusedError):
            await fetcher.fetch(host.url("/a.jpg", "shop.example"), private=False)
        assert not host.asked
        assert await fetcher.fetch(host.url("/a.jpg", "shop.example"), private=True) == jpeg()


async def test_a_public_shop_cannot_send_us_on_into_our_own_network(
    host: PictureHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        http_pictures, "is_public", lambda address: address == "127.0.0.1" or is_public(address)
    )
    async with fetching() as fetcher:
        assert await fetcher.fetch(host.url("/a.jpg"), private=False) == jpeg()
        for name in ("127.0.0.2", "[::1]", "[::ffff:127.0.0.2]"):
            with pytest.raises(ShopRefusedError):
                await fetcher.fetch(host.url("/away?to=") + host.url("/b.jpg", name), private=False)
    assert not host.asked["/b.jpg"]


# --- all of it


class Bridge:
    """The bridge's part, with a catalog of pictures' addresses."""

    def __init__(self, bus: LocalBus, root: Path) -> None:
        self.bus = bus
        self.root = root
        self.clock = ManualClock()
        self.sources: dict[str, Source] = {}
        self.broken = False

    async def find(self, product: str) -> Source | None:
        if self.broken:
            raise StoreError("the database is away")
        return self.sources.get(product)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with (
            picture_handlers(self.find, self.root, clock=self.clock.monotonic) as handlers,
            serve(self.bus, handlers),
        ):
            yield

    def offer(self, url: str, product: str = PRODUCT, *, private: bool = True) -> GetPicture:
        self.sources[product] = Source(url, private)
        return GetPicture(product=product, hash=picture_hash(url))

    async def picture(self, command: GetPicture) -> Image.Image:
        told = await call(self.bus, command, timeout=20)
        shown = Image.open(io.BytesIO(base64.b64decode(told.jpeg)))
        shown.load()
        return shown

    async def refusal(self, command: GetPicture) -> CommandError:
        with pytest.raises(CommandError) as error:
            await call(self.bus, command, timeout=20)
        return error.value


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[Bridge]:
    bus = LocalBus()
    yield Bridge(bus, tmp_path / "pictures")
    await bus.close()


async def test_a_picture_is_fetched_once_and_outlives_the_process(host: PictureHost, bridge: Bridge) -> None:
    wanted = bridge.offer(host.url("/a.jpg"))
    for _ in range(2):
        async with bridge.running():
            shown = await bridge.picture(wanted)
            assert (shown.format, shown.size) == ("JPEG", (480, 240))
    assert host.asked["/a.jpg"] == 1
    assert [path.name for path in bridge.root.iterdir()] == [f"{wanted.product}-{wanted.hash}.jpg"]


async def test_a_name_that_is_not_the_present_pictures_is_not_found(
    host: PictureHost, bridge: Bridge
) -> None:
    async with bridge.running():
        old = bridge.offer(host.url("/a.jpg"))
        await bridge.picture(old)
        new = bridge.offer(host.url("/b.jpg"))
        assert (await bridge.refusal(old)).fault is Fault.NOT_FOUND
        await bridge.picture(new)
        assert (await bridge.refusal(GetPicture(product="nobody", hash=new.hash))).fault is Fault.NOT_FOUND
        bridge.broken = True
        assert (await bridge.refusal(new)).fault is Fault.UNAVAILABLE
    assert host.asked.total() == 2


async def test_who_asks_at_once_has_it_fetched_once_and_eight_at_most(
    host: PictureHost, bridge: Bridge
) -> None:
    commands = [bridge.offer(host.url(f"/slow/{number}"), f"p{number}") for number in range(20)]
    async with bridge.running(), asyncio.timeout(30):
        asking = [
            asyncio.create_task(
                bridge.picture(command.model_copy(update={"id": f"{turn}-{command.product}"}))
            )
            for turn in range(3)
            for command in commands
        ]
        while host.at_once < MOST_FETCHED:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert host.at_once == MOST_FETCHED
        host.going.set()
        for each in asking:
            await each
    assert host.most_at_once == MOST_FETCHED
    assert set(host.asked.values()) == {1}


@pytest.mark.parametrize("path", ["/liar", "/broken", "/huge", "/svg", "/ill"])
async def test_what_a_shop_did_not_give_is_not_asked_for_again_at_once(
    host: PictureHost, bridge: Bridge, path: str
) -> None:
    wanted = bridge.offer(host.url(path))
    async with bridge.running():
        for _ in range(3):
            assert (await bridge.refusal(wanted)).fault is Fault.NOT_FOUND
        assert host.asked[path] == 1
        bridge.clock.advance(FAILED_SECONDS)
        assert (await bridge.refusal(wanted)).fault is Fault.NOT_FOUND
        assert host.asked[path] == 2
    assert not bridge.root.exists()


async def test_only_a_private_shop_is_looked_for_in_our_network(host: PictureHost, bridge: Bridge) -> None:
    async with bridge.running():
        assert (
            await bridge.refusal(bridge.offer(host.url("/a.jpg"), private=False))
        ).fault is Fault.NOT_FOUND
        assert not host.asked
        await bridge.picture(bridge.offer(host.url("/b.jpg"), private=True))


async def test_a_disk_that_takes_nothing_costs_nothing_but_time(host: PictureHost, bridge: Bridge) -> None:
    bridge.root.write_text("a file where the folder should be")
    wanted = bridge.offer(host.url("/a.jpg"))
    async with bridge.running():
        for _ in range(2):
            assert (await bridge.picture(wanted)).size == (480, 240)
    assert host.asked["/a.jpg"] == 2


def test_the_path_is_of_product_and_address() -> None:
    path = picture_path(PRODUCT, "https://shop.example/a.jpg")
    assert path == f"/pictures/{PRODUCT}/{picture_hash('https://shop.example/a.jpg')}.jpg"
    assert path != picture_path(PRODUCT, "https://shop.example/b.jpg")
    assert picture_path(PRODUCT, "") is None
