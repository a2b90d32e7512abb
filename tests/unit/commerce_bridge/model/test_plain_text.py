from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_bridge.model.errors import InvalidError
from commerce_bridge.model.product import checked_url
from commerce_bridge.model.text import plain

TEXT = st.text(
    st.sampled_from("가나 ab\u1112\u1161\u0301<>&;\n\r\t\x00\x7f\x85\u200b\u202e\ufeff\u2028\u00a0\u3000"),
    max_size=20,
)


@given(TEXT | st.text(max_size=20))
def test_what_is_plain_already_takes_the_short_way_to_the_same_end(text: str) -> None:
    """A line break behind it makes the text take all the steps, and is cut off in the end."""
    assert plain(text) == plain(text + "\n")


@given(TEXT | st.text(max_size=20))
def test_plain_text_is_plain(text: str) -> None:
    found = plain(text)
    assert unicodedata.is_normalized("NFC", found)
    assert all(sign == "\n" or unicodedata.category(sign) != "Cc" for sign in found)
    assert all(line and line == line.strip() for line in found.split("\n")) or not found
    assert "\u202e" not in found


def test_text_that_fits_no_address() -> None:
    assert checked_url(" http://a/가?b=1#c ", name="url") == "http://a/가?b=1#c"
    for text in (
        "http://a/ b",
        "http://a/\x7f",
        "http://a/\n",
        "http://a/\tb",
        "http:///a",
        "//a",
        "http://u@a/",
    ):
        if text.strip() == text:
            with pytest.raises(InvalidError):
                checked_url(text, name="url")
