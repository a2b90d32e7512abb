from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from commerce_bridge.connectors.feed.json_rows import JsonArrayReader, JsonLinesReader
from commerce_bridge.connectors.feed.rows import LONGEST_ROW, Row
from commerce_bridge.model.errors import ShopLiedError
from commerce_bridge.ports import BadRow
from tests.support.feed_rows import read, rows

SCALAR = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
OBJECT = st.dictionaries(st.sampled_from(["id", "title", "price", "unknown", "상품명"]), VALUE, max_size=4)
LINK = "http://a/1"


def item(key: object, **more: object) -> dict[str, Any]:
    return {"id": key, "title": "사과", "link": LINK, "price": 1000, **more}


@given(st.lists(OBJECT | VALUE, max_size=6), st.integers(1, 30), st.sampled_from([None, 1]), st.booleans())
@example([1.5, -1e300], 1, None, True)  # cut before and behind the point, the sign, the exponent
@example([1.5, -1e300], 3, None, True)
def test_an_array_is_read_in_any_pieces(
    values: list[Any], size: int, indent: int | None, ascii_only: bool
) -> None:
    data = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found = rows(JsonArrayReader(), data, size=size)
    assert len(found) == len(values)
    for place, (value, each) in enumerate(zip(values, found, strict=True), start=1):
        assert (each.number if isinstance(each, Row) else each.row) == place
        if isinstance(each, Row):
            assert isinstance(value, dict)
            assert {str(name) for name in each.names.values()} <= value.keys()


@settings(max_examples=40)
@given(st.lists(OBJECT, min_size=1, max_size=6), st.integers(1, 30))
def test_lines_are_read_as_the_array_is(values: list[Any], size: int) -> None:
    lines = "\n".join(json.dumps(each) for each in values).encode()
    assert rows(JsonLinesReader(), lines, size=size) == rows(JsonArrayReader(), json.dumps(values).encode())


@given(st.binary(max_size=300), st.integers(1, 40))
def test_no_bytes_crash_it(data: bytes, size: int) -> None:
    for begun in (b"", b"[", b'[{"id":"', b'{"id":1}\n', b'[{"id":1},'):
        for reader in (JsonArrayReader(), JsonLinesReader(), JsonArrayReader("cp949")):
            with contextlib.suppress(ShopLiedError):
                rows(reader, begun + data, size=size)


@given(st.text('[]{}",:\\1ae \n', max_size=40), st.integers(1, 20))
def test_pieces_make_no_difference(text: str, size: int) -> None:
    def told(size: int) -> list[Row | BadRow] | str:
        try:
            return rows(JsonArrayReader(), ("[" + text).encode(), size=size)
        except ShopLiedError:
            return "lied"

    assert told(size) == told(1 << 16)


def test_numbers_are_as_they_were_written() -> None:
    prices = ["12900", "12900.0", "12900.00", "1.29e4", "12900.5", "0.1", "1" + "0" * 5000]
    text = ",".join(
        f'{{"id":{n},"title":"a","link":"{LINK}","price":{price}}}' for n, price in enumerate(prices)
    )
    products, bad = read(f"[{text}]".encode())
    assert [(each.key, each.price) for each in products] == [("0", 12900), ("1", 12900), ("2", 12900)]
    assert [each.row for each in bad] == [4, 5, 6, 7]
    assert {each.field for each in bad} == {"price"}


def test_what_is_no_text_costs_its_product() -> None:
    values = [
        item(1),
        item(2, title=["a"]),
        5,
        item(3, title="\ud800"),
        item(4, quantity=True),
        None,
        item(5, brand=None),
    ]
    products, bad = read(json.dumps(values).encode())
    assert [each.key for each in products] == ["1", "5"]
    assert [(each.row, each.field, each.key) for each in bad] == [
        (2, "title", "2"), (3, "", ""), (4, "title", "3"), (5, "quantity", "4"), (6, "", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "[", "[1", "[1,", '[{"id":1}', '[{"id":1},]', "[1 2]", "[1],", '[{"id" 1}]', '[{"id":1}} ', "[NaN]", "[tru]", "[}",
        '[{"a":"\n"}]', "[" * 100_000, '[{"id":1}] x', "[" + "1" * 100 + "x]", "[" + "1" * 3_000_000 + "]",
    ],
)  # fmt: skip
def test_what_is_no_array_raises(text: str) -> None:
    with pytest.raises(ShopLiedError):
        read(text.encode())


def test_a_document_of_another_shape_raises() -> None:
    with pytest.raises(ShopLiedError, match="neither"):
        read(json.dumps({"products": [item(1)]}, indent=1).encode())


def test_a_line_at_fault_costs_itself() -> None:
    lines = [
        json.dumps(item(1)),
        "{",
        "",
        json.dumps(item(2)),
        "[1]",
        "x" * (LONGEST_ROW + 1),
        json.dumps(item(3)),
    ]
    products, bad = read("\n".join(lines).encode())
    assert [each.key for each in products] == ["1", "2", "3"]
    assert [each.row for each in bad] == [2, 4, 5]
    with pytest.raises(ShopLiedError, match="breaks off"):
        read("\n".join([*lines, '{"id": 4']).encode())


@pytest.mark.parametrize("sign", ["사", "\\", '"', "{[", "}]"])
def test_an_object_that_is_too_long_costs_itself(sign: str) -> None:
    values = [item(1), item(2, description=sign * (3 << 20)), item(3)]
    for data in (json.dumps(values), json.dumps(values, ensure_ascii=False)):
        products, bad = read(data.encode())
        assert [each.key for each in products] == ["1", "3"]
        assert [each.row for each in bad] == [2]


def test_an_empty_array_is_an_empty_catalog() -> None:
    assert read(b" [ ] \n") == ([], [])
    assert read(b"\xef\xbb\xbf[]") == ([], [])


def test_korean_encodings() -> None:
    data = json.dumps([item(1)], ensure_ascii=False)
    for encoding in ("cp949", "utf-8-sig", "utf-16"):
        assert read(data.encode(encoding))[0][0].title == "사과"
