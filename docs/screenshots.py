"""Take the pictures of the documentation from a running product, with real media on air; run by hand.

    gachi serve --config configs/demo.toml
    GACHI_MEDIA=/path/to/clips python docs/screenshots.py http://localhost:8080
    python docs/screenshots.py http://localhost:8080 FOLDER      # the staff's pages alone, whole, into a folder: to look at them

`GACHI_MEDIA` holds clips (`sam2_02_cups.mp4`, `sam2_04_coffee.mp4`); they are pushed by ffmpeg, as a host does. Needs the
development dependencies and a Chromium.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import imageio_ffmpeg
from PIL import Image
from playwright.async_api import Browser, Playwright, async_playwright

IMAGES = Path(__file__).parent / "images"
TOKEN = os.environ.get("GACHI_ADMIN_TOKEN", "gachi-demo-admin")
KEY = "demo-studio-key"
PHONE_KEY = "demo-phone-key"
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/google-chrome")
ARGUMENTS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--disable-gpu"]
MOST_BYTES = 250_000
STAFF = ("channels", "viewers", "users", "audit", "account")
PC: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
DESK: dict[str, Any] = {"viewport": {"width": 1440, "height": 1000}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}


@asynccontextmanager
async def on_air(site: str, clip: Path) -> AsyncIterator[None]:
    """Push a clip in a loop to the demo's feed and wait until viewers see it."""
    host = site.partition("://")[2].partition(":")[0]
    port = os.environ.get("GACHI_INGEST__RTMP_PORT", "1935")
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error"]
    with tempfile.TemporaryDirectory(prefix="gachi-shots-") as folder:
        ready = f"{folder}/clip.flv"
        # Encoded before, so that the sender leaves the processor to the product.
        encode = f"""-i {clip} -f lavfi -i sine=frequency=220 -map 0:v -map 1:a -shortest
            -vf scale=960:540:force_original_aspect_ratio=increase,crop=960:540,fps=30
            -c:v libx264 -bf 0 -g 30 -pix_fmt yuv420p -b:v 3M -c:a aac -ar 48000 {ready}""".split()
        encoding = await asyncio.create_subprocess_exec(*ffmpeg, *encode, stdin=asyncio.subprocess.DEVNULL)
        await asyncio.wait_for(encoding.wait(), 120)
        push = f"-re -stream_loop -1 -i {ready} -c copy -f flv rtmp://{host}:{port}/live/{KEY}".split()
        process = await asyncio.create_subprocess_exec(*ffmpeg, *push, stdin=asyncio.subprocess.DEVNULL)
        try:
            await studio_is_seen(site)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def studio_is_seen(site: str) -> None:
    """Wait until the feed is what viewers see, for two seconds in a row."""
    async with asyncio.timeout(60):
        seen = 0
        while seen < 10:
            view = await api(site, "GET", "/channels/main")
            seen = seen + 1 if view["picture"] == "studio" else 0
            await asyncio.sleep(0.2)


async def api(site: str, method: str, path: str, body: object = None) -> Any:
    """JSON of a call of the API."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, f"{site}/api/v1{path}", json=body, raise_for_status=True) as answer,
    ):
        return await answer.json() if answer.status != 204 else None


async def shot(
    browser: Browser,
    url: str,
    name: str,
    settings: dict[str, Any],
    *,
    language: str = "ko-KR",
    act: str = "",
    token: str = "",
    settle: float = 0,
    folder: Path = IMAGES,
    whole: bool = False,
) -> None:
    """Open a page, wait for its picture, and keep what it looks like. `act`: a script run on it before; `token`: logs in
    first; `settle`: seconds to look at it before; `whole`: the page to its end and not the window alone.
    """
    # Playwright waits by evaluating text, which the pages' policy forbids scripts of their own.
    context = await browser.new_context(locale=language, bypass_csp=True, **settings)
    page = await context.new_page()
    if token:
        home = "/".join(url.split("/")[:3])
        await page.request.post(f"{home}/api/v1/session", data={"token": token})
    await page.goto(url)
    await page.wait_for_load_state("load")
    await page.wait_for_timeout(settle * 1000)
    if await page.locator("video").count() > 0:
        # Two seconds of pictures and nothing to tell the viewer; then the controls leave.
        moving = "document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames > 60"
        await page.wait_for_function(
            f"{moving} && document.querySelector('.notice').innerText === ''", timeout=90_000
        )
        await page.wait_for_timeout(4000)
    else:
        await page.wait_for_timeout(2500)
    if act:
        await page.evaluate(act)
        await page.wait_for_timeout(1500)
    if "has_touch" not in settings and await page.locator("video").count() > 0:
        await page.mouse.move(300, 200)  # a hand on the picture brings the controls
        await page.wait_for_timeout(700)
    picture = Image.open(BytesIO(await page.screenshot(full_page=whole))).convert("RGB")
    await context.close()
    keep(picture, name, folder)


def keep(picture: Image.Image, name: str, folder: Path = IMAGES) -> None:
    """Write a picture, with as many colours as its bytes may be."""
    path = folder / f"{name}.png"
    for colours in (256, 160, 96, 64):
        picture.quantize(colours, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
        if path.stat().st_size <= MOST_BYTES:
            break
    print(f"{path}  {path.stat().st_size / 1000:.0f} kB  {picture.width}x{picture.height}")


async def going_live(playwright: Playwright, site: str, clip: Path) -> None:
    """The page of somebody who goes live; the clip stands in for the camera."""
    with tempfile.TemporaryDirectory(prefix="gachi-shots-") as folder:
        camera = f"{folder}/camera.mjpeg"
        # Upright, as Chromium takes files for its camera: JPEG after JPEG.
        turn = f"-i {clip} -t 8 -vf scale=-2:640,crop=360:640,fps=30 -c:v mjpeg -q:v 4 -f mjpeg {camera}"
        ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *turn.split()]
        encoding = await asyncio.create_subprocess_exec(*ffmpeg, stdin=asyncio.subprocess.DEVNULL)
        await asyncio.wait_for(encoding.wait(), 120)
        browser = await playwright.chromium.launch(
            executable_path=next(filter(shutil.which, CHROMIUM), None),
            args=[
                *ARGUMENTS,
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={camera}",
            ],
        )
        context = await browser.new_context(
            locale="ko-KR", permissions=["camera", "microphone"], bypass_csp=True, **PHONE
        )
        page = await context.new_page()
        await page.goto(f"{site}/publish/phone#key={PHONE_KEY}")
        await page.get_by_role("button", name="카메라 켜기").click()
        await page.get_by_role("button", name="설정").click()
        await page.get_by_role("radio", name="세로").check()
        await page.get_by_role("button", name="설정 닫기").click()
        await page.get_by_role("button", name="보내기 시작").click()
        await page.locator(".air").wait_for(timeout=60_000)
        await page.wait_for_timeout(25_000)  # so much of the graph
        keep(Image.open(BytesIO(await page.screenshot())).convert("RGB"), "publish-phone")
        await browser.close()


OPEN = """
for (const name of ["새 채널", "새 사용자", "새 토큰"])
  [...document.querySelectorAll("#main button")].find((each) => each.textContent.trim() === name)?.click();
"""
"""Opens the form of a staff's page, where it has one."""


async def staff_pages(site: str, folder: Path) -> None:
    """Each of the staff's pages beside the control room, on a desk and on a phone, with its form closed and open."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    executable = next(filter(shutil.which, CHROMIUM), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        for room in STAFF:
            for size, settings in (("pc", DESK), ("phone", PHONE)):
                for state, act in (("", ""), ("-open", OPEN)):
                    if act and room in {"viewers", "audit"}:
                        continue
                    name = f"{room}-{size}{state}"
                    url = f"{site}/staff/{room}"
                    await shot(browser, url, name, settings, token=TOKEN, act=act, folder=folder, whole=True)
            await shot(
                browser,
                f"{site}/staff/{room}",
                f"{room}-en",
                DESK,
                token=TOKEN,
                language="en-US",
                folder=folder,
                whole=True,
            )
        await browser.close()


async def main(site: str, media: Path) -> None:
    """All pictures."""
    IMAGES.mkdir(exist_ok=True)
    executable = next(filter(shutil.which, CHROMIUM), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        show = await api(
            site, "POST", "/shows", {"title": "아침 커피 한 잔, 골목 로스터리", "channel": "main"}
        )
        await api(site, "POST", "/shows", {"title": "손으로 빚은 찻잔 고르기", "channel": "main"})
        async with on_air(site, media / "sam2_04_coffee.mp4"):
            await api(site, "POST", f"/shows/{show['id']}/start")
            await asyncio.sleep(20)  # so much of the replay shall show it
            await shot(browser, f"{site}/shows/{show['id']}", "live-pc", PC)
            await shot(browser, f"{site}/live/main", "live-phone", PHONE)
            await shot(browser, f"{site}/live/main", "live-pc-en", PC, language="en-US")
            await shot(browser, f"{site}/embed/main", "embed", {"viewport": {"width": 640, "height": 360}})
            await api(site, "POST", f"/shows/{show['id']}/stop")
        second = await api(site, "POST", "/shows", {"title": "골목 공방 생방송", "channel": "main"})
        async with on_air(site, media / "sam2_02_cups.mp4"):
            await api(site, "POST", f"/shows/{second['id']}/start")
            await asyncio.sleep(6)  # the poster follows the picture
            await shot(browser, f"{site}/", "home-pc", PC)
            await shot(browser, f"{site}/", "home-phone", PHONE)
            seek = "document.querySelector('video').currentTime = 12"
            await shot(browser, f"{site}/shows/{show['id']}", "replay-pc", PC, act=seek)
            await shot(browser, f"{site}/shows/{show['id']}", "replay-phone", PHONE, act=seek)
            await shot(browser, f"{site}/api/docs", "api-docs", PC)
            await shot(
                browser, f"{site}/staff", "staff-pc", DESK, token=TOKEN, settle=45
            )  # so much of the graphs
            await shot(browser, f"{site}/staff", "staff-phone", PHONE, token=TOKEN)
            await api(site, "POST", f"/shows/{second['id']}/stop")
        await browser.close()
        await going_live(playwright, site, media / "sam2_02_cups.mp4")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(staff_pages(sys.argv[1].rstrip("/"), Path(sys.argv[2])))
    elif len(sys.argv) != 2 or "GACHI_MEDIA" not in os.environ:
        sys.exit(__doc__)
    else:
        asyncio.run(main(sys.argv[1].rstrip("/"), Path(os.environ["GACHI_MEDIA"])))
