"""The demo as `make run` starts it, but for the ports: what it prints is true, and something is on air at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from media.packaging.playlist_parser import parse_multivariant
from tests.support.product import ROOT, Product, until

pytestmark = pytest.mark.timeout(240)


async def test_the_demo_is_live_and_its_banner_tells_the_truth(tmp_path: Path) -> None:
    with Product.shipped(tmp_path, ROOT / "configs" / "demo.toml") as product:
        async with product.client() as client:
            printed = {}

            async def told() -> bool:
                text = (tmp_path / "serve.log").read_text(encoding="utf-8")
                lines = re.findall(r"^  (\S.*?)  +(\S.*)$", text, re.MULTILINE)
                printed.update(dict(lines))
                return "administrator's token" in text

            await until(told, 30, "the banner")
            text = (tmp_path / "serve.log").read_text(encoding="utf-8")
            site = f"http://localhost:{product.http_port}"
            rtmp = f"rtmp://localhost:{product.rtmp_port}/live"
            assert printed["watch"] == f"{site}/"
            assert printed["API"] == f"{site}/api/docs"
            assert f"{rtmp}  stream key demo-studio-key" in text
            page, login, password = printed["log in"].replace(" / ", " ").split()
            for address in (printed["watch"], printed["API"], page):
                status, _ = await client.get(address.removeprefix(site))
                assert status == 200, address
            found = re.search(r"administrator's token (\S+)", text)
            assert found is not None
            for way in ({"login": login, "password": password}, {"token": found[1]}):
                async with client.session.post("/api/v1/session", json=way) as answer:
                    assert (answer.status, (await answer.json())["role"]) == (201, "admin"), way
            status, body = await client.get("/hls/main/index.m3u8")
            assert status == 200
            playlist = parse_multivariant(body.decode())
            assert {each.height for each in playlist.variants if each.height} == {540, 360, 240}
            assert [each.type for each in playlist.renditions] == ["AUDIO"]
            for uri in (*(each.uri for each in playlist.variants), playlist.renditions[0].uri or ""):
                status, body = await client.get(f"/hls/main/{uri}")
                assert (status, b"#EXTINF" in body) == (200, True), uri
            headers = {"Authorization": f"Bearer {found[1]}"}

            async def channel() -> Any:
                async with client.session.get("/api/v1/channels/main", headers=headers) as answer:
                    return await answer.json()

            async def pattern() -> bool:
                return bool((await channel())["picture"] == "pattern")

            await until(pattern, 20, "the pattern on air, for nobody publishes")
            assert (await channel())["program"] == {"feed": "studio", "backup": "pattern"}
