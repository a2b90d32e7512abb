"""A feed as a shop: options, files, batches, what it can do."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from commerce_bridge.connectors.feed import open_shop
from commerce_bridge.connectors.feed.sources import CHUNK
from commerce_bridge.model.errors import InvalidError, ShopDownError, ShopLiedError, ShopRefusedError
from commerce_bridge.ports import Batch, Capability, Shop

HEAD = "id,title,link,price,quantity\n"


def lines(count: int) -> str:
    return HEAD + "".join(f"{n},사과 {n},http://a/{n},{1000 + n},{n}\n" for n in range(1, count + 1))


def shop_of(folder: Path, text: str | bytes, **options: str) -> Shop:
    (folder / "feed").write_bytes(text if isinstance(text, bytes) else text.encode())
    return open_shop("s", {"folder": str(folder), "path": "feed", **options})


async def batches(shop: Shop) -> list[Batch]:
    return [batch async for batch in shop.everything()]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "path"),
        ({"path": "a"}, "folder"),
        ({"path": "a", "folder": "relative"}, "folder"),
        ({"path": "../a", "folder": "/data"}, "path"),
        ({"path": "b/../../a", "folder": "/data"}, "path"),
        ({"path": "/etc/passwd", "folder": "/data"}, "path"),
        ({"path": "a\0b", "folder": "/data"}, "path"),
        ({"path": ".", "folder": "/data"}, "path"),
        ({"path": "a", "url": "http://a"}, "path"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "ftp://a/b"}, "url"),
        ({"url": "gopher://a"}, "url"),
        ({"url": "http://user:password@a/"}, "url"),
        ({"url": "http://a", "format": "xls"}, "format"),
        ({"url": "http://a", "encoding": "latin-1"}, "encoding"),
        ({"url": "http://a", "limit": "much"}, "limit"),
        ({"url": "http://a", "limit": "0"}, "limit"),
        ({"url": "http://a", "timeout": "nan"}, "timeout"),
        ({"url": "http://a", "timeout": "1e9"}, "timeout"),
        ({"url": "http://a", "colour": "red"}, "colour"),
    ],
)
def test_an_option_at_fault_is_named(options: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidError) as raised:
        open_shop("s", options)
    assert raised.value.field == field


async def test_batches_of_200_with_progress(tmp_path: Path) -> None:
    text = lines(5000)
    shop = shop_of(tmp_path, text)
    assert shop.capabilities == frozenset()
    told = await batches(shop)
    assert shop.capabilities == {Capability.STOCK}
    assert [len(each.products) for each in told] == [200] * 25
    done = [each.done for each in told if each.done is not None]
    assert len(done) == 25
    assert done == sorted(done)
    assert done[0] == pytest.approx(CHUNK / len(text.encode()), abs=0.01)
    assert done[-1] == 1
    assert [product.key for each in told for product in each.products] == [str(n) for n in range(1, 5001)]


async def test_one_of_a_hundred_rows_broken_is_told_exactly(tmp_path: Path) -> None:
    count = 5000
    rows = lines(count).splitlines()
    kinds: dict[int, tuple[str, Callable[[int], str]]] = {
        0: ("price", lambda n: f"{n},사과,http://a/{n},12.9,1"),
        1: ("", lambda n: f"{n},사과,http://a/{n}"),
        2: ("link", lambda n: f"{n},사과,javascript:x,1000,1"),
        3: ("title", lambda n: f"{n},,http://a/{n},1000,1"),
        4: ("quantity", lambda n: f"{n},사과,http://a/{n},1000,?"),
    }
    expected = []
    for n in range(50, count + 1, 100):
        field, broken = kinds[n // 100 % 5]
        rows[n] = broken(n)
        expected.append((n, field, str(n)))
    told = await batches(shop_of(tmp_path, "\n".join([*rows, ""])))
    bad = [each for batch in told for each in batch.bad]
    assert [(each.row, each.field, each.key) for each in bad] == expected
    assert all(each.reason for each in bad)
    keys = {product.key for batch in told for product in batch.products}
    assert keys == {str(n) for n in range(1, count + 1)} - {key for _, _, key in expected}
    assert all(len(each.products) + len(each.bad) <= 200 for each in told)


async def test_bad_rows_alone_are_bounded_too(tmp_path: Path) -> None:
    told = await batches(shop_of(tmp_path, HEAD + "x\n" * 20_000))
    assert sum(len(each.bad) for each in told) == 20_000
    assert max(len(each.bad) for each in told) == 200


async def test_a_feed_without_stock_has_no_such_capability(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, "id,title,link,price\n1,a,http://a,1\n")
    await batches(shop)
    assert shop.capabilities == frozenset()


async def test_what_it_cannot_do_it_says(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, HEAD)
    with pytest.raises(InvalidError):
        await shop.products(["1"])
    with pytest.raises(InvalidError):
        shop.changes("")
    with pytest.raises(InvalidError):
        shop.hint({}, b"", now=0)


async def test_the_loop_goes_on_while_a_feed_is_parsed(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, lines(3000))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    await batches(shop)
    ticking.cancel()
    assert ticks > 20


async def test_a_path_may_be_absolute_below_the_folder_but_no_link_leads_out(tmp_path: Path) -> None:
    inside, outside = tmp_path / "feeds", tmp_path / "secret"
    inside.mkdir()
    outside.write_text(lines(1))
    (inside / "here").write_text(lines(1))
    (inside / "link").symlink_to(outside)
    (inside / "fine").symlink_to(inside / "here")
    (inside / "loop").symlink_to(inside / "loop")
    os.mkfifo(inside / "pipe")

    def options(path: str) -> dict[str, str]:
        return {"folder": str(inside), "path": path}

    for path in (str(inside / "here"), "here", "fine"):
        assert len(await batches(open_shop("s", options(path)))) == 1
    for path in ("link", "pipe", "../secret/."):
        with pytest.raises((ShopRefusedError, InvalidError)):
            await batches(open_shop("s", options(path)))
    for path in ("nowhere", "loop", "here/below"):
        with pytest.raises(ShopDownError):
            await batches(open_shop("s", options(path)))


async def test_a_file_that_is_changed_while_it_is_read_is_no_catalog(tmp_path: Path) -> None:
    shop = shop_of(tmp_path, lines(5000))
    told: list[Batch] = []

    async def change() -> None:
        async for batch in shop.everything():
            if not told:
                with (tmp_path / "feed").open("a") as file:
                    file.write("9999,배,http://a/9999,1,1\n")
            told.append(batch)

    with pytest.raises(ShopDownError, match="changed"):
        await change()
    assert told
    # Replaced by a rename, the old one is read to its end.
    async for batch in shop.everything():
        (tmp_path / "new").write_text(lines(1))
        (tmp_path / "new").rename(tmp_path / "feed")
        told.append(batch)
    assert len(await batches(shop)) == 1


async def test_a_file_that_is_too_large_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(ShopLiedError, match="at most"):
        await batches(shop_of(tmp_path, lines(100), limit="1000"))


async def test_a_feed_of_nothing_is_no_empty_catalog(tmp_path: Path) -> None:
    with pytest.raises(ShopLiedError, match="empty"):
        await batches(shop_of(tmp_path, b""))


async def test_every_format_is_told_by_its_beginning(tmp_path: Path) -> None:
    xml = "<rss><channel><item><id>1</id><title>a</title><link>http://a</link><price>1</price></item></channel></rss>"
    for text in (
        HEAD + "1,a,http://a,1,1\n",
        (HEAD + "1,a,http://a,1,1\n").replace(",", "\t"),
        '\n [{"id":1,"title":"a","link":"http://a","price":1}]',
        '{"id":1,"title":"a","link":"http://a","price":1}\n',
        "  " + xml,
    ):
        for data in (text.encode(), text.encode("utf-8-sig"), text.encode("utf-16")):
            (batch,) = await batches(shop_of(tmp_path, data))
            assert [(each.key, each.price) for each in batch.products] == [("1", 1)], text
            assert batch.bad == []
    with pytest.raises(ShopLiedError):
        await batches(shop_of(tmp_path, xml, format="json"))
