"""Large feeds in flat memory, through the shop as the bridge reads it."""

from __future__ import annotations

import gc
import json
import os
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from commerce_bridge.connectors.feed import open_shop

ROWS = 50_000
FLAT = 25_000_000
"""Bytes that may come to this process while `ROWS` are read; their products, were they kept, would be twice as many."""


def csv_rows(count: int, words: str = "") -> Iterator[str]:
    yield "상품번호,상품명,판매가,재고,링크,이미지,상품설명\n"
    for n in range(count):
        yield f'{n},햇사과 {n}번,"{n % 90 + 10},900원",{n % 50},https://a.kr/p/{n},https://a.kr/{n}.jpg,{words}\n'


def wide_rows(count: int) -> Iterator[str]:
    """With all that the law wants."""
    yield "상품번호,상품명,판매가,정가,재고,링크,이미지,브랜드,카테고리,상호,대표자,주소,전화,사업자번호,통신판매신고번호,배송,교환반품,온누리상품권\n"
    for n in range(count):
        yield (
            f'{n},햇사과 {n}번 {n % 10}kg,"{n % 90 + 10},900원",,{n % 50},https://shop.example/p/{n},https://img.example/{n}.jpg,청송농원,'
            f"식품 > 과일,청송농원,홍길동,경북 청송군 {n}번지,054-123-4567,123-45-67890,제2020-경북청송-0001호,무료배송,7일 이내,Y\n"
        )


def json_rows(count: int, words: str = "") -> Iterator[str]:
    for n in range(count):
        told = {
            "id": n,
            "title": f"햇사과 {n}",
            "price": 1000 + n,
            "link": f"http://a/{n}",
            "quantity": n % 50,
            "description": words,
        }
        yield ("[" if n == 0 else ",\n") + json.dumps(told, ensure_ascii=False)
    yield "]"


def xml_rows(count: int, words: str = "") -> Iterator[str]:
    yield '<rss xmlns:g="http://base.google.com/ns/1.0"><channel>'
    for n in range(count):
        yield f"<item><g:id>{n}</g:id><title>햇사과 {n}</title><link>http://a/{n}</link><g:price>{1000 + n} KRW</g:price><description>{words}</description></item>"
    yield "</channel></rss>"


def written(path: Path, rows: Iterable[str]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(rows)
    return path


async def count_of(path: Path) -> int:
    shop = open_shop("s", {"folder": str(path.parent), "path": path.name})
    found = 0
    async for batch in shop.everything():
        assert not batch.bad
        found += len(batch.products)
    return found


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def test_memory_is_flat(tmp_path: Path) -> None:
    await count_of(written(tmp_path / "small", csv_rows(1000)))
    shop = open_shop("s", {"folder": str(tmp_path), "path": written(tmp_path / "feed", csv_rows(ROWS)).name})
    gc.collect()
    before, found, most = resident(), 0, 0
    async for batch in shop.everything():
        found += len(batch.products)
        most = max(most, resident() - before)
    assert found == ROWS
    assert most < FLAT


@pytest.mark.parametrize("rows", [csv_rows, json_rows, xml_rows])
async def test_a_pass_holds_less_than_the_feed(tmp_path: Path, rows: Callable[..., Iterator[str]]) -> None:
    count, words = 1500, "산지에서 바로 보내 드립니다. " * 100
    path = written(tmp_path / "feed", rows(count, words))
    tracemalloc.start()
    try:
        assert await count_of(path) == count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 6_000_000
    assert peak < 4_000_000


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", [100_000, 200_000])
@pytest.mark.parametrize("rows", [csv_rows, wide_rows, json_rows, xml_rows])
async def test_the_whole_catalog_of_the_hub(
    tmp_path: Path, rows: Callable[[int], Iterator[str]], count: int
) -> None:
    path = written(tmp_path / "feed", rows(count))
    began = time.perf_counter()
    assert await count_of(path) == count
    took = time.perf_counter() - began
    print(f"{rows.__name__}: {count} rows, {path.stat().st_size / 1e6:.0f} MB, {count / took:.0f} rows/s")
    assert took < count / 1000
