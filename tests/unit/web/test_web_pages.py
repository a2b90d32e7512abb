from __future__ import annotations

import gzip
import io
from pathlib import Path

from PIL import Image

from tests.support.sites import Origin, origin_at, site, until
from web.adapters.stills import stand_in, still_of


def build(folder: Path) -> None:
    (folder / "static/assets").mkdir(parents=True)
    (folder / "static/index.html").write_text("<!doctype html><title>app</title>")
    (folder / "static/assets/app-B3xK9_ab.js").write_text("console.log(1)")
    (folder / "static/assets/app-B3xK9_ab.js.gz").write_bytes(gzip.compress(b"console.log(1)"))
    (folder / "static/favicon.svg").write_text("<svg/>")
    (folder / "secret").write_text("secret")
    (folder / "static/link.txt").symlink_to(folder / "secret")


async def test_the_build_is_served_with_headers_to_trust(tmp_path: Path) -> None:
    build(tmp_path)
    async with site(tmp_path) as live:
        for path in ["/", "/live/main", "/shows/s1", "/host/s1", "/staff", "/staff/users", "/login"]:
            async with live.client.get(live.url + path) as response:
                assert response.status == 200
                assert "<title>app" in await response.text()
                assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
                assert response.headers["Cache-Control"] == "no-cache"
        async with live.client.get(f"{live.url}/embed/main") as response:
            assert "frame-ancestors *" in response.headers["Content-Security-Policy"]
            assert "X-Frame-Options" not in response.headers
        async with live.client.get(f"{live.url}/publish/cam") as response:
            # The one page that may ask for a camera; nobody may frame it, or lead a click onto its buttons.
            assert response.headers["Permissions-Policy"].startswith("camera=(self), microphone=(self)")
            assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        async with live.client.get(f"{live.url}/live/main") as response:
            assert response.headers["Permissions-Policy"].startswith("camera=(), microphone=()")
        async with live.client.get(f"{live.url}/assets/app-B3xK9_ab.js", auto_decompress=False) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert "immutable" in response.headers["Cache-Control"]
            assert gzip.decompress(await response.read()) == b"console.log(1)"
        async with live.client.get(f"{live.url}/favicon.svg") as response:
            assert "immutable" not in response.headers["Cache-Control"]
        for path in ["/link.txt", "/..%2fsecret", "/index.html", "/no-such-page", "/staff/nowhere"]:
            headers = {"Accept": "text/html", "Accept-Language": "ko"}
            async with live.client.get(live.url + path, headers=headers) as response:
                assert response.status == 404
                assert "찾을 수 없습니다" in await response.text()


async def test_without_a_build_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    async with site(tmp_path) as live, live.client.get(live.url) as response:
        assert response.status == 503
        assert "npm run build" in await response.text()


async def test_docs_need_nothing_from_elsewhere(tmp_path: Path) -> None:
    async with site(tmp_path) as live, live.client.get(f"{live.url}/api/docs") as response:
        text = await response.text()
        assert response.status == 200
        assert "/api/v1/channels/{channel}/program" in text
        assert "http://" not in text
        assert "https://" not in text
        assert "<script" not in text


def clip() -> bytes:
    import av
    import numpy as np

    out = io.BytesIO()
    with av.open(
        out, "w", format="mp4", options={"movflags": "cmaf+frag_keyframe+empty_moov+default_base_moof"}
    ) as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for _ in range(30):
            picture = np.full((180, 320, 3), (200, 30, 30), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return out.getvalue()


def test_a_still_is_the_first_picture() -> None:
    picture = Image.open(io.BytesIO(still_of(b"", clip())))
    assert picture.size == (320, 180)
    red, green, _ = picture.convert("RGB").resize((1, 1)).tobytes()
    assert red > 150 > green


async def test_posters_come_from_the_lowest_rung_and_fall_back(tmp_path: Path) -> None:
    origin, data = Origin(), clip()
    cut = data.index(b"moof") - 4
    origin.objects = {"v360/init-1.mp4": data[:cut], "v360/1-10.m4s": data[cut:]}
    origin.media_playlist = lambda: (  # type: ignore[method-assign]  # this origin lists one segment with its init
        '#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:10\n#EXT-X-MAP:URI="init-1.mp4"\n'
        "#EXTINF:2.0,\n1-10.m4s\n"
    )
    async with origin_at(tmp_path / "a.sock", origin) as address, site(tmp_path) as live:
        live.owners.origin = address
        await live.ask("POST", "/api/v1/channels", json={"id": "main"}, status=201)
        await until(lambda: live.web.board.get("main"))
        for _ in range(3):
            async with live.client.get(f"{live.url}/live/main/poster.jpg") as response:
                assert response.content_type == "image/jpeg"
                assert "X-Poster" not in response.headers
                assert Image.open(io.BytesIO(await response.read())).size == (320, 180)
        assert origin.asked["/v360/1-10.m4s"] == 1
        for path in ["/live/none/poster.jpg", "/shows/none/poster.jpg"]:
            async with live.client.get(live.url + path) as response:
                assert response.headers["X-Poster"] == "stand-in"
                assert await response.read() == stand_in()
