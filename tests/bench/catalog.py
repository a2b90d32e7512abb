"""A catalog of 100,000 products: how fast it is kept, new and unchanged, and how long a search takes, against SQLite's `LIKE` over the
same lines in the same database.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from commerce_bridge.adapters.migrations import BRANCH
from commerce_bridge.adapters.sql import SqlCatalogStore
from commerce_bridge.catalog.desk import Desk
from commerce_bridge.catalog.finder import Finder
from commerce_bridge.catalog.watching import Watched
from commerce_bridge.contracts.products import SearchProducts
from commerce_bridge.model.product import Flag, Product, Stock, Variant
from runtime.clock import SystemClock
from runtime.database import Database
from runtime.migrations import upgrade
from tests.bench import machine
from tests.bench.rows import Row, median, percentile
from tests.support.goods import LEGAL

PRODUCTS = 100_000
BATCH = 500
"""Products that a connector gives at once."""
ROUNDS = 5
WORDS = [
    "청송",
    "사과",
    "햇",
    "국산",
    "무농약",
    "유기농",
    "감귤",
    "제주",
    "한라봉",
    "굴비",
    "영광",
    "보리",
    "수건",
    "순면",
    "호텔",
    "세트",
    "선물",
    "쌀",
    "이천",
    "찹쌀",
    "김치",
    "포기",
    "배추",
    "고구마",
    "감자",
    "강원도",
    "횡성",
    "한우",
    "등심",
    "안심",
    "불고기",
    "양념",
    "갈비",
    "된장",
    "고추장",
    "간장",
    "참기름",
    "들기름",
    "멸치",
    "다시마",
    "미역",
    "건어물",
    "오징어",
    "새우",
    "꽃게",
    "전복",
    "완도",
    "표고",
    "버섯",
    "느타리",
    "떡",
    "가래",
    "인절미",
    "한과",
    "약과",
    "유과",
    "식혜",
    "녹차",
    "보성",
    "홍삼",
    "인삼",
    "도라지",
    "더덕",
    "꿀",
    "아카시아",
    "밤",
    "원피스",
    "린넨",
    "가디건",
    "양말",
    "머그컵",
]
PLAIN = (
    "사과", "청송 사과", "한우 선물 세트", "굴비", "녹차 보성 유기농", "없는상품", "sku-000123", "kg", "p99", "밤 꽃게 전복", "머그", "제주 3kg",
)  # fmt: skip
CONSONANTS = (
    "ㅅㄱ",
    "ㅊㅅ ㅅㄱ",
    "ㅎㅇ ㅅㅁ 12kg",
    "ㅅ",
    "ㅇ ㅎ",
    "사ㄱ",
    "ㅋㅋㅌ",
    "ㄱㅂ 영광",
    "ㅁㄱ",
    "ㅇㅍㅅ 린넨",
)


async def run() -> list[Row]:
    """The bench."""
    with tempfile.TemporaryDirectory(prefix="gachi-bench-") as folder:
        path = Path(folder) / "catalog.db"
        async with _catalog(path) as store:
            before = machine.rss(os.getpid())
            new, changed = await _kept(store, seen=1)
            grown = machine.rss(os.getpid()) - before
            again, unchanged = await _kept(store, seen=2)
            assert (changed, unchanged) == (PRODUCTS, 0)
            ours, loaded = await _searched(store)
        peer = _like(path)
    return [
        Row(
            "catalog-import",
            "Catalog: new products kept",
            "products/s",
            PRODUCTS / new,
            limit=5000,
            sense=">=",
            notes=[
                (
                    f"{PRODUCTS:,} made products of one variant and a description of 300 characters into SQLite, {BATCH} at a time, "
                    "one after the other; the making of the products is not counted"
                )
            ],
            details={"seconds": new, "grown_mb": grown / 1e6},
        ),
        Row(
            "catalog-unchanged",
            "Catalog: unchanged products seen again",
            "products/s",
            PRODUCTS / again,
            limit=5000,
            sense=">=",
            notes=["the same once more, as in a nightly pass in which nothing changed"],
            details={"seconds": again},
        ),
        Row(
            "catalog-search",
            "Catalog: search, 99th percentile",
            "ms",
            percentile([each for some in ours.values() for each in some], 0.99),
            percentile([each for some in peer.values() for each in some], 0.99),
            "SQLite LIKE",
            limit=50,
            notes=[
                (
                    f"{len(PLAIN)} queries by words and {len(CONSONANTS)} by first consonants, {ROUNDS} times each, first and second pages "
                    f"of 50 among {PRODUCTS:,} products, the reading of what was found included; the peer has those by words alone, "
                    "as `LIKE` for each word, ordered, 50 lines, on the same database"
                )
            ],
            details={
                "load_seconds": loaded,
                "median_ms": {text: median(some) for text, some in ours.items()},
                "peer_median_ms": {text: median(some) for text, some in peer.items()},
            },
        ),
    ]


@asynccontextmanager
async def _catalog(path: Path) -> AsyncIterator[SqlCatalogStore]:
    async with Database(f"sqlite:///{path}") as database:
        await upgrade(database, [BRANCH])
        yield SqlCatalogStore(database)


def _goods() -> Iterator[list[Product]]:
    dice = random.Random(1)
    for start in range(0, PRODUCTS, BATCH):
        yield [_made(number, dice) for number in range(start, start + BATCH)]


def _made(number: int, dice: random.Random) -> Product:
    price = dice.randrange(1000, 200_000, 100)
    return Product(
        shop="mall",
        key=f"p{number}",
        title=f"{' '.join(dice.choices(WORDS, k=dice.randint(3, 6)))} {dice.randint(1, 20)}kg",
        variants=(
            Variant(
                "v", price, sku=f"SKU-{number:06d}", list_price=2 * price, stock=Stock(dice.randrange(100))
            ),
        ),
        url=f"https://mall.example/p/{number}",
        image=f"https://mall.example/i/{number}.jpg",
        description=" ".join(dice.choices(WORDS, k=90)),
        category=f"식품>{dice.choice(WORDS)}",
        brand=f"{dice.choice(WORDS)}농장",
        flags=frozenset({Flag.NAVER_PAY}),
        legal=LEGAL,
        updated=1,
    )


async def _kept(store: SqlCatalogStore, *, seen: int) -> tuple[float, int]:
    """Seconds for all products, and how many were told to be new or changed."""
    spent, changed = 0.0, 0
    for batch in _goods():
        began = time.perf_counter()
        changed += len(await store.put(batch, seen=seen))
        spent += time.perf_counter() - began
    return spent, changed


async def _searched(store: SqlCatalogStore) -> tuple[dict[str, list[float]], float]:
    """Milliseconds of each search by its text, and seconds until the index was there."""
    clock = SystemClock()
    finder = Finder(store, clock)
    desk = Desk({}, store, finder, Watched(), clock)
    running = asyncio.create_task(finder.run())
    took: dict[str, list[float]] = {}
    try:
        began = time.perf_counter()
        await finder.loaded.wait()
        loaded = time.perf_counter() - began
        for _ in range(ROUNDS):
            for text in (*PLAIN, *CONSONANTS):
                cursor = ""
                for _page in range(2):
                    began = time.perf_counter()
                    found = await desk.search(SearchProducts(text=text, cursor=cursor))
                    took.setdefault(text, []).append(1000 * (time.perf_counter() - began))
                    if not (cursor := found.next):
                        break
    finally:
        running.cancel()
        await asyncio.wait([running])
    return took, loaded


def _like(path: Path) -> dict[str, list[float]]:
    """Milliseconds of the same questions to the database itself."""
    took: dict[str, list[float]] = {}
    with sqlite3.connect(path) as connection:
        for _ in range(ROUNDS):
            for text in PLAIN:
                words = text.split()
                fits = " AND ".join(["found LIKE ?"] * len(words))
                query = f"SELECT id, document FROM product_documents WHERE {fits} ORDER BY found LIMIT 50"
                began = time.perf_counter()
                connection.execute(query, [f"%{word}%" for word in words]).fetchall()
                took.setdefault(text, []).append(1000 * (time.perf_counter() - began))
    connection.close()
    return took
