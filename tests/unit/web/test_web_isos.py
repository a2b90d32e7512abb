from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from media.contracts.isos import IsoGapView, IsoPartView, IsoPlacement, IsoState
from media.model.errors import NotFoundError, StoreError
from media.record.iso.isos import part_key
from tests.support.card_owner import no_link
from tests.support.sites import ADMIN, Site, site
from web.auth.roles import Role
from web.realtime.topics import Topics

V1 = "/api/v1"
T = 1_764_531_000_250_000
FILM = bytes(range(256)) * 4
STAMP = "2025-11-30T19:30:00.250000Z"


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path) as made:
        await made.ask("POST", f"{V1}/feeds", json={"id": "cam", "kind": "test"}, status=201)
        yield made


def part(iso: str, *, closed: bool = False, size: int = len(FILM)) -> IsoPartView:
    return IsoPartView(
        number=1,
        cause="start",
        key=part_key(iso, 1),
        name="cam_20251130T193000Z_01.mkv",
        started=T,
        duration=3_500_000,
        size=size,
        video="h264",
        width=1280,
        height=720,
        audio="aac",
        sample_rate=48_000,
        channels=2,
        closed=closed,
        placements=[
            IsoPlacement(channel="", starts=0, ends=3_500_000, offset=T),
            IsoPlacement(channel="main", starts=1_500_000, ends=3_500_000, offset=T + 90_000),
        ],
    )


async def begun(live: Site) -> str:
    made = await live.ask("POST", f"{V1}/isos", json={"feed": "cam"}, status=201)
    name: str = made["id"]
    view = live.owners.isos[name]
    gaps = [IsoGapView(starts=T - 1_000_000, ends=T, cause="feed")]
    live.owners.isos[name] = view.model_copy(
        update={"parts": [part(name)], "gaps": gaps, "started": T, "state": IsoState.RECORDING}
    )
    return name


async def test_a_feed_is_recorded_and_the_press_repeated_changes_nothing(live: Site) -> None:
    made = await live.ask("POST", f"{V1}/isos", json={"feed": "cam"}, status=201)
    assert (made["feed"], made["ended"], made["state"], made["parts"]) == ("cam", None, "waiting", [])
    again = await live.ask("POST", f"{V1}/isos", json={"feed": "cam"}, status=201)
    assert again["id"] == made["id"]
    wrong = await live.ask("POST", f"{V1}/isos", json={"feed": "nobody"}, status=422)
    assert wrong["field"] == "feed"
    await live.ask("DELETE", f"{V1}/isos/{made['id']}", status=409)
    ended = await live.ask("POST", f"{V1}/isos/{made['id']}/stop", status=200)
    assert ended["state"] == "ended"
    assert (await live.ask("POST", f"{V1}/isos/{made['id']}/stop", status=200))["ended"] == ended["ended"]
    await live.ask("DELETE", f"{V1}/isos/{made['id']}", status=204)
    await live.ask("GET", f"{V1}/isos/{made['id']}", status=404)


async def test_parts_tell_where_they_lie_beside_the_programme(live: Site) -> None:
    name = await begun(live)
    got = await live.ask("GET", f"{V1}/isos/{name}", status=200)
    (one,) = got["parts"]
    assert (one["started"], one["duration"], one["url"]) == (STAMP, 3.5, f"{V1}/isos/{name}/parts/1")
    assert one["placements"] == [
        {"channel": None, "starts": 0.0, "ends": 3.5, "time": STAMP},
        {"channel": "main", "starts": 1.5, "ends": 3.5, "time": "2025-11-30T19:30:01.840000Z"},
    ]
    assert "key" not in one
    assert got["gaps"] == [{"starts": "2025-11-30T19:29:59.250000Z", "ends": STAMP, "cause": "feed"}]
    (listed,) = (await live.ask("GET", f"{V1}/isos?feed=cam", status=200))["items"]
    assert (listed["parts"], listed["gaps"]) == (None, None)
    assert (await live.ask("GET", f"{V1}/isos?feed=other", status=200))["items"] == []


async def test_lists_are_paged_newest_first(live: Site) -> None:
    for n in range(5):
        view = live.owners.isos
        made = await live.ask("POST", f"{V1}/isos", json={"feed": "cam"}, status=201)
        view[made["id"]] = view[made["id"]].model_copy(update={"started": T + n, "ended": T + n + 1})
    seen, cursor = [], ""
    while True:
        page = await live.ask("GET", f"{V1}/isos?limit=2&cursor={cursor}", status=200)
        seen += [item["id"] for item in page["items"]]
        if not (cursor := page["next"] or ""):
            break
    assert seen == ["i5", "i4", "i3", "i2", "i1"]


async def test_a_file_is_downloaded_while_it_grows_and_afterwards(live: Site) -> None:
    name = await begun(live)
    await live.store.put(part_key(name, 1), FILM + b"what came since")
    url = f"{live.url}{V1}/isos/{name}/parts/1"
    staff = {"Authorization": f"Bearer {ADMIN}"}
    async with live.client.get(url, headers=staff) as answer:
        assert answer.status == 200
        assert await answer.read() == FILM
        assert answer.content_type == "video/matroska"
        assert answer.headers["Cache-Control"] == "no-store"
        assert 'filename="cam_20251130T193000Z_01.mkv"' in answer.headers["Content-Disposition"]
    async with live.client.get(url, headers={**staff, "Range": "bytes=100-199"}) as answer:
        assert (answer.status, await answer.read()) == (206, FILM[100:200])
    async with live.client.get(url, headers={**staff, "Range": "bytes=9999-"}) as answer:
        assert answer.status == 416
    view = live.owners.isos[name]
    live.owners.isos[name] = view.model_copy(update={"parts": [part(name, closed=True)]})
    async with live.client.get(url, headers=staff) as answer:
        assert answer.headers["Cache-Control"] == "private, max-age=3600"
    for wrong in ("2", "01", "x"):
        await live.ask("GET", f"{V1}/isos/{name}/parts/{wrong}", status=404)


async def test_a_file_that_goes_away_meanwhile_breaks_the_download_off(
    live: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else were sent then would be read as part of the file."""
    name = await begun(live)
    await live.store.put(part_key(name, 1), FILM)
    monkeypatch.setattr("web.playback.files.PIECE", 256)
    read = type(live.store).get_range

    async def gone(store: Any, key: str, start: int, end: int) -> bytes:
        if start:
            raise NotFoundError("there is no such object")
        return await read(store, key, start, end)

    monkeypatch.setattr(type(live.store), "get_range", gone)
    staff = {"Authorization": f"Bearer {ADMIN}"}
    async with live.client.get(f"{live.url}{V1}/isos/{name}/parts/1", headers=staff) as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientError):
            await asyncio.wait_for(answer.read(), 10)
        # Nor is its first piece anything but an answer of ours where the store cannot be read.
    monkeypatch.setattr(type(live.store), "get_range", _broken)
    await live.ask("GET", f"{V1}/isos/{name}/parts/1", status=503)


async def _broken(store: Any, key: str, start: int, end: int) -> bytes:
    raise StoreError("the disk hangs")


async def test_it_is_for_staff_and_told_to_staff_alone(live: Site) -> None:
    made = await live.ask("POST", f"{V1}/tokens", json={"name": "host", "role": "host"}, status=201)
    for path in ("", "/i1", "/i1/parts/1"):
        await live.ask("GET", f"{V1}/isos{path}", token=made["token"], status=403)
    topics = Topics(no_link)
    assert topics.boards(Role.HOST)["isos"] is None
    assert topics.boards(Role.STAFF)["isos"] is not None


async def test_what_is_done_is_in_the_audit_log_with_its_feed(live: Site) -> None:
    name = await begun(live)
    await live.ask("POST", f"{V1}/isos/{name}/stop", status=200)
    lines = (await live.ask("GET", f"{V1}/audit?limit=5", status=200))["items"]
    assert [line["operation"] for line in lines[:2]] == ["stop_iso", "create_iso"]
    assert name in json.dumps(lines[1])
    assert "cam" in json.dumps(lines[1])
