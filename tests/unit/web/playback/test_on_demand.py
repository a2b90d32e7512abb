"""What viewers of a resting channel get, and what staff is told where the machine is full."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media.contracts.channels import ChannelSettings, ChannelView
from tests.support.sites import ADMIN, Origin, Site, origin_at, site, until


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Site]:
    async with origin_at(tmp_path / "a.sock", Origin()) as address, site(tmp_path) as made:
        made.owners.origin = address
        settings = ChannelSettings(on_demand=True)
        await made.owners.put(ChannelView(id="rests", settings=settings, version=1, wanted=True, idle=True))
        await until(lambda: made.web.board.get("rests"))
        yield made


async def test_the_first_viewer_starts_a_resting_channel_and_is_told_to_come_back(live: Site) -> None:
    path = f"{live.url}/hls/rests/index.m3u8"
    async with live.client.get(path, headers={"Accept-Language": "ko"}) as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "2"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        told = await answer.json()
    assert told["type"] == "/problems/starting"
    assert "시작" in told["detail"]
    await until(lambda: not live.web.board.get("rests").idle)  # type: ignore[union-attr]  # it was there before
    async with live.client.get(path) as answer:
        assert answer.status == 200
    assert live.owners.watched == ["rests"]


async def test_a_crowd_is_one_word_to_the_node_and_posters_are_none(live: Site) -> None:
    async with live.client.get(f"{live.url}/live/rests/poster.jpg") as answer:
        await answer.read()
    assert live.owners.watched == []
    for _ in range(20):
        async with live.client.get(f"{live.url}/hls/rests/v360/index.m3u8") as answer:
            await answer.read()
    await until(lambda: bool(live.owners.watched))
    assert live.owners.watched == ["rests"]


async def test_a_resting_channel_is_public_and_keeps_nobody_from_being_ready(live: Site) -> None:
    async with live.client.get(f"{live.url}/readyz") as answer:
        assert answer.status == 200
    async with live.client.get(f"{live.url}/api/v1/channels/rests") as answer:
        view = await answer.json()
    assert (view["on_demand"], view["idle"], view["on_air"]) == (True, True, True)
    assert (view["rungs"], view["needs_cores"]) == (None, None)


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        (
            "ko",
            (
                "채널에 쓸 수 있는 1.80코어(전체 2) 가운데 1.50코어를 쓰고 있습니다 (main 1.50). 이 채널은 0.74코어가 필요한데 "
                "0.30코어가 남았습니다. 화질 단계를 360p로 줄이면 0.25코어로 들어갑니다."
            ),
        ),
        (
            "en",
            (
                "Channels may take 1.80 of 2 cores and take 1.50 (main 1.50). This one needs 0.74, and 0.30 is left. "
                "360p would fit, with 0.25."
            ),
        ),
    ],
)
async def test_a_channel_too_many_is_refused_with_the_arithmetic(
    live: Site, language: str, sentence: str
) -> None:
    live.owners.full = True
    headers = {"Authorization": f"Bearer {ADMIN}", "Accept-Language": language}
    path, body = f"{live.url}/api/v1/channels", {"id": "second", "settings": {"ladder": "auto"}}
    async with live.client.post(path, json=body, headers=headers) as answer:
        told = await answer.json()
    assert (answer.status, told["type"], told["field"]) == (409, "/problems/no-capacity", "force")
    assert told["detail"] == sentence
    assert told["reason"] == "main takes 1.50; 0.30 is left"


async def test_staff_sees_what_the_machine_carries(live: Site) -> None:
    told = await live.ask("GET", "/api/v1/capacity")
    assert told["used"] == [{"channel": "main", "cores": 1.5}]
    assert (told["limit"], told["left"], told["measured"]) == (1.8, 0.3, ["veryfast"])
