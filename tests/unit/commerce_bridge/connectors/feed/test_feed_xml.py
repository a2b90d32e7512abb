from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_bridge.connectors.feed.rows import LONGEST_ROW
from commerce_bridge.connectors.feed.xml_rows import XmlReader
from commerce_bridge.model.errors import ShopLiedError
from tests.support.feed_rows import read, rows

OPEN = '<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>가게</title><link>http://a</link>'
CLOSE = "</channel></rss>"


def item(key: str, more: str = "", title: str = "사과") -> str:
    return f"<item><g:id>{key}</g:id><title>{title}</title><link>http://a/{key}</link><g:price>1000 KRW</g:price>{more}</item>"


def feed(*items: str) -> bytes:
    return (OPEN + "\n".join(items) + CLOSE).encode()


def test_rss_with_googles_elements() -> None:
    data = feed(
        item(
            "1",
            "<g:sale_price>900 KRW</g:sale_price><g:quantity>3</g:quantity><description>&lt;p&gt;달다&lt;/p&gt;</description>"
            "<g:image_link>http://a/1.jpg</g:image_link><g:brand>청송</g:brand><g:product_type>식품 &gt; 과일</g:product_type>"
            "<g:shipping><g:country>KR</g:country><g:price>3000 KRW</g:price></g:shipping><x:price xmlns:x='urn:x'>1</x:price>",
        ),
        item("2", "<g:availability>out of stock</g:availability>"),
    )
    for size in (1, 7, 1 << 16):
        (one, two), bad = read(data, size=size)
        assert not bad
        assert (one.price, one.list_price, one.saleable) == (900, 1000, 3)
        assert (one.description, one.brand, one.category) == ("달다", "청송", "식품 > 과일")
        assert (two.price, two.saleable) == (1000, 0)


def test_googles_element_counts_before_the_plain_one() -> None:
    for more in ("<g:title>한라봉</g:title>", "<g:title>한라봉</g:title><g:title>귤</g:title>"):
        assert read(feed(item("1", more)))[0][0].title == "한라봉"


def test_atom() -> None:
    data = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">
    <title>가게</title><link href="http://a" rel="self"/><entry><id>1</id><title><![CDATA[사과 & 배]]></title>
    <link href="http://a/other" rel="edit"/><link href="http://a/1"/><g:price>1000 KRW</g:price>
    <summary>달다</summary><author><name>이름</name></author></entry></feed>"""
    (product,), bad = read(data.encode())
    assert not bad
    assert (product.key, product.title, product.url, product.description) == (
        "1",
        "사과 & 배",
        "http://a/1",
        "달다",
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "euc-kr", "cp949", "utf-8-sig"])
def test_encodings(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>{OPEN}{item("1")}{CLOSE}'
    for size in (1, 1 << 16):
        assert read(text.encode(encoding), size=size)[0][0].title == "사과"
    assert read(feed(item("1")).decode().encode("cp949"), encoding="cp949")[0][0].title == "사과"


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "head",
    [
        f'<!DOCTYPE rss [<!ENTITY l0 "lol">{LAUGHS}]>',
        '<!DOCTYPE rss [<!ENTITY title SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE rss [<!ENTITY % more SYSTEM "http://127.0.0.1/x.dtd">%more;]>',
    ],
)
def test_entities_are_refused(head: str) -> None:
    with pytest.raises(ShopLiedError, match="entities"):
        read(f"{head}{OPEN}{item('1', title='&l9;')}{CLOSE}".encode())


@pytest.mark.parametrize(
    "text",
    [
        "<", "<html><body>404</body></html>", OPEN, OPEN + item("1"), OPEN + item("1") + "<item>", OPEN + "</rss>",
        OPEN + item("1", title="&nbsp;") + CLOSE, OPEN + item("1", title="a & b") + CLOSE, OPEN + CLOSE + "x", OPEN + "\0",
        "<rss>" * 100, '<?xml version="1.0" encoding="nonsense"?>' + OPEN + CLOSE,
    ],
)  # fmt: skip
def test_what_is_no_whole_feed_raises(text: str) -> None:
    with pytest.raises(ShopLiedError):
        read(text.encode())


def test_a_wrong_byte_raises() -> None:
    for encoding in ("utf-8", "cp949"):
        head = f'<?xml version="1.0" encoding="{encoding}"?>'.encode()
        with pytest.raises(ShopLiedError):
            read(head + feed(item("1")).decode().encode(encoding).replace("사".encode(encoding), b"\xff"))


def test_an_item_that_is_too_long_costs_itself() -> None:
    long = f"<description>{'긴 ' * LONGEST_ROW}</description>"
    products, bad = read(feed(item("1"), item("2", long), item("3")))
    assert [each.key for each in products] == ["1", "3"]
    assert [(each.row, each.key) for each in bad] == [(2, "2")]


def test_a_tag_that_never_ends_raises_before_it_costs_the_square_of_its_length() -> None:
    began = time.process_time()
    with pytest.raises(ShopLiedError, match="never ends"):
        read(OPEN.encode() + b"<item x='" + b"x" * (32 << 20))
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    "encoding", ["nonsense", "shift_jis", "idna", "unicode_escape", "hex", "rot13", "utf-7", "x" * 300]
)
def test_an_encoding_that_no_feed_has_is_refused_or_read(encoding: str) -> None:
    with contextlib.suppress(ShopLiedError):
        read(f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + feed(item("1")))


@given(st.binary(max_size=200), st.integers(1, 60))
def test_no_bytes_crash_it(data: bytes, size: int) -> None:
    for begun in (b"", OPEN.encode(), (OPEN + item("1")).encode(), (OPEN + "<item><g:id>").encode()):
        with contextlib.suppress(ShopLiedError):
            rows(XmlReader(), begun + data, size=size)


@given(
    st.lists(
        st.sampled_from(["<item>", "</item>", "<g:id>", "</g:id>", "1", "<item/>", "<title/>", "&lt;"]),
        max_size=30,
    )
)
def test_no_tree_crashes_it(parts: list[str]) -> None:
    with contextlib.suppress(ShopLiedError):
        rows(XmlReader(), (OPEN + "".join(parts) + CLOSE).encode())


def test_an_empty_channel_is_an_empty_catalog() -> None:
    assert read(feed()) == ([], [])
