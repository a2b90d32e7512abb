"""Whatever comes, a small JPEG goes out, or it is said that it is none."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from commerce_bridge.adapters.thumbnail_child import ThumbnailChild
from commerce_bridge.adapters.thumbnails import shrink
from commerce_bridge.model.errors import ShopLiedError
from commerce_bridge.pictures.ports import SIDE

RED, GREEN = (200, 30, 40), (20, 180, 60)


def encoded(picture: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def halves(width: int = 900, height: int = 600) -> Image.Image:
    """Red above, green below."""
    picture = Image.new("RGB", (width, height), GREEN)
    picture.paste(RED, (0, 0, width, height // 2))
    return picture


def opened(jpeg: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(jpeg))
    picture.load()
    assert picture.format == "JPEG"
    return picture


def near(pixel: object, wanted: tuple[int, int, int]) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(one - other) < 16 for one, other in zip(pixel, wanted, strict=True))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_what_shops_have_is_made_small(form: str) -> None:
    small = opened(shrink(encoded(halves(), form)))
    assert small.size == (SIDE, SIDE * 2 // 3)
    assert near(small.getpixel((240, 40)), RED)
    assert near(small.getpixel((240, 280)), GREEN)


def test_a_small_one_is_not_made_larger() -> None:
    assert opened(shrink(encoded(halves(40, 30)))).size == (40, 30)


def test_it_stands_upright_and_says_nothing_of_where_it_was_taken() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    exif[0x010F] = "a maker"
    exif.get_ifd(0x8825)[1] = "N"
    small = opened(shrink(encoded(halves(), exif=exif, comment=b"a remark", icc_profile=b"x" * 200)))
    assert small.size == (SIDE * 2 // 3, SIDE)
    assert near(small.getpixel((280, 240)), RED), "what was above is on the right now"
    assert not small.getexif()
    assert {"exif", "icc_profile", "comment"} & small.info.keys() == set()


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF"])
def test_behind_what_is_transparent_is_white(form: str) -> None:
    picture = Image.new("RGBA", (600, 600), (0, 0, 0, 0))
    picture.paste((*RED, 255), (0, 0, 600, 300))
    small = opened(shrink(encoded(picture, form)))
    assert near(small.getpixel((240, 400)), (255, 255, 255))
    assert near(small.getpixel((240, 40)), RED)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_mode(mode: str) -> None:
    picture = halves(600, 300).convert(mode)
    assert opened(shrink(encoded(picture, "JPEG" if mode == "CMYK" else "PNG"))).size == (SIDE, SIDE // 2)


def png(width: int, height: int, body: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", body or zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><script>alert(1)</script></svg>'
NO_PICTURES = {
    "nothing": b"",
    "text": b"<html>404</html>",
    "svg": SVG,
    "svg after a blank": b"\n <?xml version='1.0'?>" + SVG,
    "cut off": encoded(halves(), "PNG")[:2000],
    "too wide a bomb": png(60_000, 60_000),
    "a bomb that Pillow warns of": png(10_000, 10_000),
    "of no size": png(0, 10),
    "rubbish in it": png(100, 100, b"rubbish"),
    "a TIFF": encoded(halves(), "TIFF"),
    "a PDF": encoded(halves(), "PDF"),
    "an icon": encoded(halves(64, 64), "ICO"),
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_is_said(name: str) -> None:
    with pytest.raises(ShopLiedError):
        shrink(NO_PICTURES[name])


SEEDS = [encoded(halves(64, 48), form) for form in ("JPEG", "PNG", "WEBP", "GIF", "AVIF")]


@settings(max_examples=150)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=8),
    st.integers(0, 4000),
)
def test_damage_is_said_or_shown_and_never_a_crash(
    seed: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(seed)
    for place, value in changes:
        data[place % len(data)] = value
    try:
        made = shrink(bytes(data[: max(1, len(data) - cut % len(data))] if cut % 3 == 0 else data))
    except ShopLiedError:
        return
    assert max(opened(made).size) <= SIDE


# --- in the child


async def test_the_child_shrinks_one_after_the_other_and_is_kept() -> None:
    child = ThumbnailChild()
    try:
        assert child.pid is None, "nothing runs before it is wanted"
        first = await child.shrink(encoded(halves()))
        pid = child.pid
        assert opened(first).size == (SIDE, 320)
        for name in ("nothing", "svg", "too wide a bomb"):
            with pytest.raises(ShopLiedError):
                await child.shrink(NO_PICTURES[name])
        assert opened(await child.shrink(encoded(halves(), "PNG"))).size == (SIDE, 320)
        assert child.pid == pid
    finally:
        await child.close()
    assert child.pid is None


async def test_a_child_that_dies_or_ends_costs_one_picture_at_most() -> None:
    child = ThumbnailChild(idle=0.05)
    try:
        await child.shrink(encoded(halves()))
        process = child._child._process
        assert process is not None
        await process.wait()  # nothing was wanted for so long
        assert (await child.shrink(encoded(halves())))[:2] == b"\xff\xd8"
    finally:
        await child.close()
    child = ThumbnailChild()
    try:
        await child.shrink(encoded(halves()))
        process = child._child._process
        assert process is not None
        process.kill()
        await process.wait()
        assert (await child.shrink(encoded(halves())))[:2] == b"\xff\xd8"
    finally:
        await child.close()


async def test_what_takes_too_long_is_given_up() -> None:
    child = ThumbnailChild(within=0.0)
    try:
        with pytest.raises(ShopLiedError, match="within"):
            await child.shrink(encoded(halves()))
        assert child.pid is None, "it is killed: what it does then is nobody's"
    finally:
        await child.close()
