from __future__ import annotations

import codecs
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_bridge.connectors.feed.columns import Field
from commerce_bridge.connectors.feed.options import Format
from commerce_bridge.connectors.feed.rows import LONGEST_ROW, Row
from commerce_bridge.connectors.feed.table import TableReader
from commerce_bridge.model.errors import ShopLiedError
from commerce_bridge.ports import BadRow
from tests.support.feed_rows import read, rows

HEAD = "id,title,link,price,quantity,description\n"


def row(key: str, title: str = "사과", price: str = "1000", more: str = ",") -> str:
    return f"{key},{title},http://a/{key},{price}{more and ',' + more}\n"


def number(told: Row | BadRow) -> int:
    return told.number if isinstance(told, Row) else told.row


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=12)


@given(
    st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=8),
    st.sampled_from([",", "\t"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 40),
)
def test_what_a_writer_wrote_is_read(
    table: list[list[str]], delimiter: str, encoding: str, quoting: int, end: str, size: int
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerow(["id", "title", "link", "price"])
    writer.writerows([[*cells, "끝"] for cells in table])
    found = rows(TableReader(), text.getvalue().encode(encoding), size=size)
    names = [Field.KEY, Field.TITLE, Field.URL, Field.PRICE]
    assert [each.texts for each in found if isinstance(each, Row)] == [
        {name: cell.strip() for name, cell in zip(names, [*cells, "끝"], strict=True) if cell.strip()}
        for cells in table
    ]
    assert [number(each) for each in found] == list(range(1, len(table) + 1))


@given(st.binary(max_size=400), st.integers(1, 50), st.sampled_from(["", "utf-8", "cp949"]))
def test_no_bytes_crash_it(data: bytes, size: int, encoding: str) -> None:
    for begun in (b"", HEAD.encode(), b'id,title,link,price\n"'):
        try:
            found = rows(TableReader(encoding), begun + data, size=size)
        except ShopLiedError:
            continue
        numbers = [number(each) for each in found]
        assert numbers == sorted(numbers)


@given(
    st.lists(st.sampled_from(["1", "a", '"', '""', ",", "\n", " ", "사"]), max_size=60), st.integers(1, 20)
)
def test_no_quotes_crash_it_and_pieces_make_no_difference(signs: list[str], size: int) -> None:
    data = (HEAD + "".join(signs)).encode()

    def told(size: int) -> list[Row | BadRow] | str:
        try:
            return rows(TableReader(), data, size=size)
        except ShopLiedError as error:
            return str(error)

    assert told(size) == told(1 << 16)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_encodings_are_told_from_what_is_there(encoding: str, size: int) -> None:
    data = "".join(
        [
            "상품번호,상품명,링크,판매가\r\n",
            *(f"{n},햇사과 {n},http://a/{n},'',\r\n".replace("'',", "1000") for n in range(9)),
        ]
    ).encode(encoding)
    products, bad = read(data, size=size)
    assert not bad
    assert [each.title for each in products] == [f"햇사과 {n}" for n in range(9)]


def test_korean_is_found_behind_a_long_time_of_ascii() -> None:
    text = HEAD + "".join(row(str(n), "apple") for n in range(5000)) + row("k", "사과")
    assert len(text) > 2 << 16
    for encoding in ("utf-8", "cp949"):
        products, bad = read(text.encode(encoding))
        assert not bad
        assert products[-1].title == "사과"
        assert len(products) == 5001


@pytest.mark.parametrize("encoding", ["utf-8", "cp949"])
def test_a_byte_in_another_encoding_costs_its_row(encoding: str) -> None:
    lines = [row(str(n)).encode(encoding) for n in range(1, 9)]
    lines[3] = lines[3].replace("사".encode(encoding), b"\xff\xfe")
    products, bad = read(HEAD.encode() + b"".join(lines))
    assert [each.key for each in products] == ["1", "2", "3", "5", "6", "7", "8"]
    assert [(each.row, each.field, each.key) for each in bad] == [(4, "title", "4")]


def test_a_byte_at_fault_in_a_column_that_nobody_reads_costs_nothing() -> None:
    products, bad = read("id,title,link,price,메모\n1,사과,http://a/1,1000,".encode() + b"\xff\n")
    assert len(products) == 1
    assert not bad


def test_the_tab_of_google_and_the_comma_of_excel() -> None:
    tabs = (HEAD + row("1", "사과")).replace(",", "\t").encode()
    assert read(tabs)[0] == read((HEAD + row("1", "사과")).encode())[0]
    assert read(tabs, read_as=Format.TSV)[0] == read(tabs)[0]
    with pytest.raises(ShopLiedError, match="no column"):
        read(tabs, read_as=Format.CSV)


def test_a_quote_that_is_never_closed_swallows_nothing() -> None:
    text = HEAD + row("1") + row("2", '"사과') + "".join(row(str(n)) for n in range(3, 8)) + row("8", '"배"')
    products, bad = read(text.encode())
    assert [each.key for each in products] == ["1", "3", "4", "5", "6", "7", "8"]
    assert [(each.row, each.key) for each in bad] == [(2, "2")]


def test_two_quotes_that_pair_by_chance_swallow_nothing() -> None:
    text = HEAD + row("1") + row("2", '"사과') + row("3") + row("4") + row("5", '배"') + row("6")
    products, bad = read(text.encode())
    assert [each.key for each in products] == ["1", "3", "4", "5", "6"]
    assert [(each.row, each.key) for each in bad] == [(2, "2")]
    text = HEAD + row("1") + row("2", '"사과') + row("3") + row("4")
    assert [each.key for each in read(text.encode())[0]] == ["1", "3", "4"], "nor one that nothing closes"
    assert [each.key for each in read(text.strip().encode())[0]] == ["1", "3", "4"]
    for broken in ("5,배", '5,"배'):
        with pytest.raises(ShopLiedError, match="breaks off"):
            read((text + broken).encode())
    # What only looks a little like rows is text.
    text = (
        HEAD
        + row("1", more=',"둘, 셋, 넷, 다섯, 여섯, 일곱\n하나, 둘, 셋, 넷, 다섯, 여섯\n\nhttp://a"')
        + row("2")
    )
    products, bad = read(text.encode())
    assert [each.key for each in products] == ["1", "2"]
    assert "다섯, 여섯\nhttp" in products[0].description
    assert not bad


@pytest.mark.parametrize("more", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_row_is_told_at_every_length_around_the_limit(more: int, quote: str) -> None:
    begun = f"2,사과,http://a/2,1000,,{quote}"
    text = (
        HEAD
        + row("1")
        + begun
        + "x" * (LONGEST_ROW + more - len(begun) - len(quote))
        + quote
        + "\n"
        + row("3")
    )
    products, bad = read(text.encode())
    assert {each.key for each in products} | {each.key for each in bad} == {"1", "2", "3"}
    assert len(bad) == (more > -len(quote))


def test_quotes_within_a_cell_are_signs() -> None:
    products, bad = read((HEAD + row("1", '모니터 27" 커브드') + row("2", '"27"" 모니터,\n검정"')).encode())
    assert not bad
    assert [each.title for each in products] == ['모니터 27" 커브드', '27" 모니터, 검정']


@pytest.mark.parametrize(
    "text",
    [
        "", "\n\n", "id,title\n1,a\n", "상품,값\n", '"id,title', 'id"x,"title"y,z\n',
        HEAD + row("1") + '2,"사과', HEAD + row("1") + "2,사과,http://a", "<html><body>not found</body></html>",
    ],
)  # fmt: skip
def test_what_is_no_whole_table_raises(text: str) -> None:
    with pytest.raises(ShopLiedError):
        read(text.encode(), read_as=Format.CSV)


def test_headings_alone_are_an_empty_catalog() -> None:
    assert read(HEAD.encode()) == ([], [])
    assert read(codecs.BOM_UTF8 + HEAD.strip().encode()) == ([], [])


def test_rows_of_another_width_are_bad_and_blank_ones_are_none() -> None:
    text = (
        HEAD + row("1") + row("2", "사, 과") + "\n" + ",,,,,\n" + "5,배\n" + row("6", more=",,,,") + row("7")
    )
    products, bad = read(text.encode())
    assert [each.key for each in products] == ["1", "7"]
    assert [(each.row, each.key) for each in bad] == [(2, "2"), (5, "5"), (6, "6")]
    assert bad[0].reason == "7 cells under 6 headings"


@pytest.mark.parametrize(
    "cell", ["긴" * LONGEST_ROW, '"' + "긴 글\n" * (LONGEST_ROW // 3) + '"', "x" * LONGEST_ROW]
)
def test_a_row_that_is_too_long_costs_itself(cell: str) -> None:
    text = HEAD + row("1") + row("2", more=f",{cell}") + row("3")
    products, bad = read(text.encode())
    assert [each.key for each in products] == ["1", "3"]
    assert [(each.row, "longer" in each.reason) for each in bad] == [(2, True)]


def test_a_quote_that_runs_for_megabytes_and_does_not_pair_raises() -> None:
    text = HEAD + row("1", '"사과') + row("2") * 60_000 + row("3", '"배"')
    with pytest.raises(ShopLiedError, match="never closed"):
        read(text.encode())


def test_a_line_without_end_raises() -> None:
    with pytest.raises(ShopLiedError, match="never ends"):
        read(HEAD.encode() + b"x" * (17 << 20))
