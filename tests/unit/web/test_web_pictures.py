"""``/pictures/{product}/{hash}.jpg`` through the whole web process."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from commerce_bridge.contracts.pictures import GetPicture, Picture
from runtime.bus.calls import serve
from runtime.bus.contract import CommandError, Fault
from tests.support.sites import Site, site

PATH = "/pictures/06abcdefghjkmnpq/0123456789ab.jpg"
JPEG = b"\xff\xd8 as good as a picture"


class PictureOwner:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fault: Fault | None = None

    async def get(self, command: GetPicture) -> Picture:
        self.asked.append(f"{command.product}/{command.hash}")
        await asyncio.sleep(0)
        if self.fault is not None:
            raise CommandError(self.fault, "no")
        return Picture(jpeg=base64.b64encode(JPEG).decode())


async def status(made: Site, path: str) -> int:
    async with made.client.get(made.url + path) as response:
        await response.read()
        return response.status


async def test_a_picture_is_kept_for_ever_and_asked_for_once(tmp_path: Path) -> None:
    owner = PictureOwner()
    async with site(tmp_path) as made, serve(made.owners.bus, {GetPicture: owner.get}):
        assert await asyncio.gather(*(status(made, PATH) for _ in range(20))) == [200] * 20
        async with made.client.get(made.url + PATH) as response:
            assert await response.read() == JPEG
            assert response.content_type == "image/jpeg"
            assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
        async with made.client.head(made.url + PATH) as response:
            assert (response.status, response.content_length) == (200, len(JPEG))
    assert owner.asked == [PATH.removeprefix("/pictures/").removesuffix(".jpg")]


@pytest.mark.parametrize(
    "path",
    [
        "/pictures/06abcdefghjkmnpq/0123456789ab.png",
        "/pictures/06abcdefghjkmnpq/0123456789AB.jpg",
        "/pictures/06abcdefghjkmnpq/0123456789a.jpg",
        "/pictures/06ABCDEFGHJKMNPQ/0123456789ab.jpg",
        "/pictures/..%2F..%2Fbridge/0123456789ab.jpg",
        "/pictures/06abcdefghjkmnpq/",
        "/pictures/06abcdefghjkmnpq",
    ],
)
async def test_what_no_picture_can_be_called_reaches_nobody(tmp_path: Path, path: str) -> None:
    owner = PictureOwner()
    async with site(tmp_path) as made, serve(made.owners.bus, {GetPicture: owner.get}):
        assert await status(made, path) == 404
    assert owner.asked == []


@pytest.mark.parametrize(("fault", "wanted"), [(Fault.NOT_FOUND, 404), (Fault.UNAVAILABLE, 503)])
async def test_what_there_is_not_is_a_problem_and_not_kept(tmp_path: Path, fault: Fault, wanted: int) -> None:
    owner = PictureOwner()
    owner.fault = fault
    async with site(tmp_path) as made, serve(made.owners.bus, {GetPicture: owner.get}):
        async with made.client.get(made.url + PATH) as response:
            assert response.status == wanted
            assert response.content_type == "application/problem+json"
            assert response.headers["Cache-Control"] == "no-store"
        owner.fault = None
        assert await status(made, PATH) == 200
