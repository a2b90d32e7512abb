"""`CatalogStore` in SQL, on SQLite and PostgreSQL alike. SQLAlchemy's errors stop here.

A product is two rows: what is looked at for each of 100,000 products of a nightly pass, and the document that most passes leave as
it is. A row that only says when it was seen is a fortieth of a page; with its document it would be half of one to write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    MetaData,
    Row,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from commerce_bridge.catalog.lines import told_of
from commerce_bridge.model.errors import StoreError
from commerce_bridge.model.product import ID_DIGITS, Flag, Legal, Product, Stock, Variant, product_id
from commerce_bridge.ports import Kept
from runtime.database import NAMING, DatabaseStore

METADATA = MetaData(naming_convention=NAMING)
ROWS = 500
"""Products of one transaction, and ids of one statement: SQLite binds 32,766 values at most."""
PAGE = 5000
"""Lines of text read at once."""
WEEK = 7 * 86_400_000_000
LONGEST_EVENT = 200

products = Table(
    "products",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("shop", String(40), nullable=False),
    Column("content", BigInteger, nullable=False),  # hash of the document
    Column("seen", BigInteger, nullable=False),  # Unix microseconds
    Column("updated", BigInteger, nullable=False),  # the shop's own time, 0: not told
    Column("gone", Boolean, nullable=False),
)
Index("ix_products_shop_gone", products.c.shop, products.c.gone)
documents = Table(
    "product_documents",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("found", Text, nullable=False),  # what it is found by
    Column("document", Text, nullable=False),  # JSON
)
states = Table(
    "shop_states",
    METADATA,
    Column("shop", String(40), primary_key=True),
    Column("state", Text, nullable=False),  # JSON
)
heard = Table(
    "shop_events",
    METADATA,
    Column("shop", String(40), primary_key=True),
    Column("event", String(LONGEST_EVENT), primary_key=True),
    Column("at", BigInteger, nullable=False),
)
Index("ix_shop_events_at", heard.c.at)


@dataclass(frozen=True, slots=True)
class _Told:
    """A product as it is written."""

    id: str
    shop: str
    content: int
    updated: int
    found: str
    document: str


class SqlCatalogStore(DatabaseStore):
    """Products in the tables `products` and `product_documents`."""

    def _unusable(self, reason: str) -> StoreError:
        return StoreError(reason)

    async def put(self, products: Sequence[Product], *, seen: int) -> Sequence[str]:
        """See `CatalogStore`."""
        changed: list[str] = []
        for start in range(0, len(products), ROWS):
            # By id: of two in one piece the later one counts. In order, so that two writers never wait for each other.
            told = {each.id: each for each in map(_told, products[start : start + ROWS])}
            changed += await self._put_piece(dict(sorted(told.items())), seen)
        return changed

    async def _put_piece(self, told: Mapping[str, _Told], seen: int) -> list[str]:
        new: list[_Told] = []
        touched: list[str] = []
        stamped: list[dict[str, object]] = []
        async with self._writing() as session:
            known = await _known(session, told)
            for each in told.values():
                kept = known.get(each.id)
                if kept is None:
                    new.append(each)
                elif kept.seen > seen:
                    continue
                elif each.updated and kept.updated > each.updated:
                    touched.append(each.id)  # an old list, which still says that it is offered
                elif kept.content != each.content or kept.gone:
                    new.append(each)
                elif kept.updated == each.updated:
                    touched.append(each.id)
                else:
                    stamped.append({"b_id": each.id, "b_updated": each.updated})
            if touched:
                await session.execute(update(products).where(products.c.id.in_(touched)).values(seen=seen))
            if stamped:
                stamp = update(products).where(products.c.id == bindparam("b_id"))
                await session.execute(stamp.values(seen=seen, updated=bindparam("b_updated")), stamped)
            if new:
                await self._write(session, new, seen)
        return [each.id for each in new]

    async def _write(self, session: AsyncSession, new: Sequence[_Told], seen: int) -> None:
        heads = [
            {
                "id": each.id,
                "shop": each.shop,
                "content": each.content,
                "seen": seen,
                "updated": each.updated,
                "gone": False,
            }
            for each in new
        ]
        texts = [{"id": each.id, "found": each.found, "document": each.document} for each in new]
        await session.execute(self._upsert(products), heads)
        await session.execute(self._upsert(documents), texts)

    def _upsert(self, table: Table) -> Any:  # noqa: ANN401 - the two dialects' inserts have no common type that knows of conflicts
        put = self._insert(table)
        fresh = {column.name: put.excluded[column.name] for column in table.c if not column.primary_key}
        return put.on_conflict_do_update(index_elements=list(table.primary_key), set_=fresh)

    def _insert(self, table: Table) -> Any:  # noqa: ANN401 - likewise
        if self._database.is_sqlite:
            return sqlite.insert(table)
        # Not above: on SQLite it would cost the process's start a tenth of a second for nothing.
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)

    async def get(self, ids: Sequence[str]) -> Mapping[str, Kept]:
        """See `CatalogStore`."""
        query = (
            select(products.c.id, products.c.shop, products.c.seen, products.c.updated, products.c.gone)
            .add_columns(documents.c.document)
            .join(documents, documents.c.id == products.c.id)
            .where(products.c.id.in_(list(ids)))
        )
        async with self._reading() as session:
            rows = (await session.execute(query)).all() if ids else []
        return {
            row.id: Kept(_product(row.shop, row.updated, row.document), row.seen, gone=row.gone)
            for row in rows
        }

    async def gone(self, shop: str, *, keys: Sequence[str] | None, before: int) -> Sequence[str]:
        """See `CatalogStore`."""
        left = [products.c.shop == shop, products.c.gone.is_(False), products.c.seen < before]
        # Seen: that it is gone was told too, and a list that is older than this must not bring it back.
        mark = update(products).values(gone=True, seen=before).returning(products.c.id)
        if keys is None:
            async with self._writing() as session:
                return [row.id for row in await session.execute(mark.where(*left))]
        ids = [product_id(shop, key) for key in keys]
        found: list[str] = []
        for start in range(0, len(ids), ROWS):
            some = products.c.id.in_(ids[start : start + ROWS])
            async with self._writing() as session:
                found += [row.id for row in await session.execute(mark.where(*left, some))]
        return found

    async def seen_again(self, shop: str, *, seen: int) -> None:
        """See `CatalogStore`."""
        mark = update(products).where(products.c.shop == shop, products.c.gone.is_(False)).values(seen=seen)
        for first, following in zip(ID_DIGITS, [*ID_DIGITS[1:], None], strict=True):
            some = [products.c.id >= first, products.c.seen < seen]
            if following is not None:
                some.append(products.c.id < following)
            async with (
                self._writing() as session
            ):  # by the ids' first digits: others must be able to write in between
                await session.execute(mark.where(*some))

    async def texts(self) -> AsyncIterator[Sequence[tuple[str, str, str]]]:
        """See `CatalogStore`."""
        after = ""
        while True:
            query = (
                select(products.c.id, products.c.shop, documents.c.found)
                .join(documents, documents.c.id == products.c.id)
                .where(products.c.id > after, products.c.gone.is_(False))
                .order_by(products.c.id)
                .limit(PAGE)
            )
            async with (
                self._reading() as session
            ):  # one for each page: a long one would keep SQLite's log growing
                page = [(row.id, row.shop, row.found) for row in await session.execute(query)]
            if page:
                yield page
            if len(page) < PAGE:
                return
            after = page[-1][0]

    async def count(self, shop: str) -> int:
        """See `CatalogStore`."""
        query = select(func.count()).where(products.c.shop == shop, products.c.gone.is_(False))
        async with self._reading() as session:
            return (await session.execute(query)).scalar_one()

    async def get_state(self, shop: str) -> Mapping[str, str]:
        """See `CatalogStore`."""
        async with self._reading() as session:
            text = (await session.execute(select(states.c.state).where(states.c.shop == shop))).scalar()
        return {} if text is None else {str(key): str(each) for key, each in json.loads(text).items()}

    async def put_state(self, shop: str, state: Mapping[str, str]) -> None:
        """See `CatalogStore`."""
        text = json.dumps(dict(state), ensure_ascii=False)
        async with self._writing() as session:
            await session.execute(self._upsert(states), [{"shop": shop, "state": text}])

    async def first_time(self, shop: str, event: str, *, at: int) -> bool:
        """See `CatalogStore`."""
        if len(event) > LONGEST_EVENT:
            event = hashlib.blake2b(event.encode(errors="replace"), digest_size=32).hexdigest()
        note = self._insert(heard).values(shop=shop, event=event, at=at).on_conflict_do_nothing()
        async with self._writing() as session:
            noted = (await session.execute(note.returning(heard.c.at))).first()
            await session.execute(delete(heard).where(heard.c.at < at - WEEK))
        return noted is not None


async def _known(session: AsyncSession, told: Mapping[str, _Told]) -> dict[str, Row[Any, Any, Any, Any, Any]]:
    """What is kept of these, locked until the transaction ends."""
    query = (
        select(products.c.id, products.c.content, products.c.seen, products.c.updated, products.c.gone)
        .where(products.c.id.in_(list(told)))
        .order_by(products.c.id)
        .with_for_update()
    )
    return {row.id: row for row in await session.execute(query)}


def _told(product: Product) -> _Told:
    # A half of a surrogate pair can stand in JSON (RFC 8259 §8.2), and no store can keep it: it becomes a question mark.
    document = _document(product).encode(errors="replace")
    content = hashlib.blake2b(document, digest_size=8).digest()
    return _Told(
        product.id,
        product.shop,
        int.from_bytes(content, "big", signed=True),
        product.updated,
        told_of(product).encode(errors="replace").decode(),
        document.decode(),
    )


def _document(product: Product) -> str:
    """The product as JSON, the same text for the same product. Its shop and the shop's time are columns."""
    legal = product.legal
    fields = {
        "key": product.key,
        "title": product.title,
        "url": product.url,
        "image": product.image,
        "description": product.description,
        "category": product.category,
        "brand": product.brand,
        "flags": sorted(product.flags),
        "legal": {name: getattr(legal, name) for name in Legal.__slots__},
        "variants": [
            {
                "key": each.key,
                "price": each.price,
                "sku": each.sku,
                "title": each.title,
                "list_price": each.list_price,
                "stock": [each.stock.on_hand, each.stock.allocated, each.stock.threshold],
            }
            for each in product.variants
        ],
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _product(shop: str, updated: int, document: str) -> Product:
    fields = json.loads(document)
    variants = tuple(Variant(**{**each, "stock": Stock(*each["stock"])}) for each in fields.pop("variants"))
    return Product(
        shop=shop,
        updated=updated,
        variants=variants,
        flags=frozenset(map(Flag, fields.pop("flags"))),
        legal=Legal(**fields.pop("legal")),
        **fields,
    )
