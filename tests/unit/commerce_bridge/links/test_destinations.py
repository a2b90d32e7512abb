from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from commerce_bridge.links.destinations import OURS, Attribution, destination
from commerce_bridge.model.errors import InvalidError
from commerce_bridge.model.product import checked_url

CLICK = Attribution("c1", "p1", "page", "s1")
hosts = st.sampled_from(
    ["shop.example", "shop.example:8443", "[::1]:80", "한글.example", "xn--bj0bj06e.example", "127.0.0.1"]
)
tails = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), max_codepoint=0x1FFFF)
    | st.sampled_from(list("/?#&=%;:@\\.+")),
    max_size=60,
)
words = st.text(max_size=30)


def query(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


@given(
    st.sampled_from(["http", "https", "HTTPS"]),
    hosts,
    tails,
    st.builds(Attribution, words, words, words, words),
)
def test_no_link_leads_elsewhere(scheme: str, host: str, tail: str, attribution: Attribution) -> None:
    """Whatever a request brings in: scheme, host, port and path are those of the shop's own address."""
    url = f"{scheme}://{host}/{tail}"
    try:
        checked_url(url, name="url")
        there = destination(url, attribution)
    except InvalidError:
        reject()
    was, now = urlsplit(url), urlsplit(there)
    assert there.isascii()
    assert there.isprintable()
    assert " " not in there
    assert now.scheme == was.scheme
    assert (now.hostname or "").encode("idna") == (was.hostname or "").encode("idna")
    assert (now.port, now.username, now.password) == (was.port, None, None)
    assert there.startswith(f"{scheme}://")
    said = query(there)
    for name in OURS:  # said once, and by us alone
        assert len([value for key, value in said if key == name]) <= 1
    assert [value for key, value in said if key == "lc_click"] == [attribution.click] * bool(
        attribution.click
    )


@given(st.lists(st.tuples(st.sampled_from(["id", "a b", "옵션", "lc", "utm"]), words), max_size=5))
def test_the_shops_own_query_stays(items: list[tuple[str, str]]) -> None:
    own = urlencode(items)
    there = destination(f"https://shop.example/p?{own}#top", CLICK)
    assert query(there)[: len(items)] == items
    assert not own or f"?{own}&" in there
    assert there.endswith("#top")


def test_what_the_shop_is_told() -> None:
    there = destination("https://shop.example/goods/view?no=7&opt=%EA%B0%80#detail", CLICK)
    assert there == (
        "https://shop.example/goods/view?no=7&opt=%EA%B0%80&lc_click=c1&lc_show=s1&lc_card=p1&lc_ch=page"
        "&utm_source=gachi-live&utm_medium=live-commerce&utm_campaign=s1#detail"
    )


def test_a_link_of_no_show_names_none() -> None:
    there = destination("https://shop.example/7", Attribution("c1", "p1", "youtube"))
    assert there == (
        "https://shop.example/7?lc_click=c1&lc_card=p1&lc_ch=youtube&utm_source=gachi-live&utm_medium=live-commerce"
    )


@pytest.mark.parametrize(
    "forged", ["lc_click=x", "LC_Show=x", "lc%5Fcard=x", "lc_ch", "utm_source=rival", "+utm_campaign=y"]
)
def test_forged_names_are_replaced(forged: str) -> None:
    there = destination(f"https://shop.example/p?{forged}&no=7", CLICK)
    assert there == destination("https://shop.example/p?no=7", CLICK)


def test_a_korean_address_goes_over_the_wire_in_ascii() -> None:
    there = destination("https://가게.example/상품/사과?이름=사과#후기", Attribution("", "p", "qr"))
    assert there.startswith(
        "https://xn--o39akk.example/%EC%83%81%ED%92%88/%EC%82%AC%EA%B3%BC?%EC%9D%B4%EB%A6%84=%EC%82%AC%EA%B3%BC&lc_card=p"
    )
    assert there.endswith("#%ED%9B%84%EA%B8%B0")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "//elsewhere.example/",
        "https://shop.example/\r\nSet-Cookie: a",
        "",
        "https://" + "가" * 80 + ".kr/",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidError):
        destination(url, CLICK)
