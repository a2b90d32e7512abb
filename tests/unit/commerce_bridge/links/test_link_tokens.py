from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_bridge.links import tokens
from commerce_bridge.links.tokens import (
    LONGEST,
    ORIGINS,
    Link,
    LinkKey,
    by_id,
    read,
    sign,
)
from commerce_bridge.model.errors import InvalidError, LinkError, UnknownKeyError
from commerce_bridge.model.product import product_id
from runtime import ids

KEY = LinkKey(1, b"k" * 32)
OTHER = LinkKey(2, b"o" * 32)
KEYS = by_id([KEY, OTHER])
ALPHABET = string.ascii_letters + string.digits + "-_"

words = st.text(ALPHABET, min_size=1, max_size=80)
ours = st.builds(ids.new, st.integers(0, 4_000_000_000_000_000))
links = st.builds(
    Link,
    product=ours | words,
    show=ours | words | st.just(""),
    origin=st.sampled_from(ORIGINS)
    | st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=20),
)


@given(links, st.sampled_from([KEY, OTHER]))
def test_a_token_says_what_was_signed(link: Link, key: LinkKey) -> None:
    token = sign(link, key)
    assert read(token, KEYS) == link
    assert set(token) <= set(ALPHABET)
    assert len(token) < LONGEST


@given(links, links)
def test_two_links_have_two_tokens(one: Link, other: Link) -> None:
    assert (sign(one, KEY) == sign(other, KEY)) == (one == other)


def test_a_token_of_our_ids_is_short() -> None:
    assert len(sign(Link(product_id("shop", "1"), ids.new(), "qr"), KEY)) == 46


@pytest.mark.parametrize(
    "link",
    [
        Link(product_id("shop", "1"), ids.new(1), "page"),
        Link("a", "", "partner-7"),
        Link(product_id("shop", "2")),
    ],
)
def test_every_change_of_one_character_is_found(link: Link) -> None:
    """The last character of base64 may hold bits that mean nothing: those are found too."""
    token = sign(link, KEY)
    for place in range(len(token)):
        for sign_ in ALPHABET + "=+/.% \n한":
            if sign_ != token[place]:
                with pytest.raises(LinkError):
                    read(token[:place] + sign_ + token[place + 1 :], KEYS)
        with pytest.raises(LinkError):
            read(token[:place] + token[place + 1 :], KEYS)
        with pytest.raises(LinkError):
            read(token[:place], KEYS)
    for more in (*ALPHABET, "=", "==", "\n", " "):
        with pytest.raises(LinkError):
            read(token + more, KEYS)
        with pytest.raises(LinkError):
            read(more + token, KEYS)


@given(st.text(max_size=80) | st.text(ALPHABET, max_size=300))
def test_what_nobody_signed_is_refused(text: str) -> None:
    with pytest.raises(LinkError):
        read(text, KEYS)


def test_what_is_signed_with_another_key_is_refused() -> None:
    token = sign(Link("a", "s"), replace(KEY, secret=b"x" * 32))
    with pytest.raises(LinkError) as error:
        read(token, KEYS)
    assert not isinstance(error.value, UnknownKeyError)


def test_a_key_that_is_not_at_hand_is_told_apart() -> None:
    """Whoever has older keys asks for newer ones then, and for no other forgery."""
    token = sign(Link("a", "s"), OTHER)
    with pytest.raises(UnknownKeyError):
        read(token, by_id([KEY]))


@pytest.mark.parametrize("origin", ["", "a" * 21, "Page", "유튜브", "a b", "a/b", "page\n"])
def test_an_origin_is_a_short_word(origin: str) -> None:
    with pytest.raises(InvalidError) as error:
        sign(Link("a", "s", origin), KEY)
    assert error.value.field == "origin"


@pytest.mark.parametrize(
    ("link", "field"),
    [
        (Link("", "s"), "product"),
        (Link("a" * 81), "product"),
        (Link("a", "s s"), "show"),
        (Link("a\0"), "product"),
    ],
)
def test_what_no_id_can_be_is_refused(link: Link, field: str) -> None:
    with pytest.raises(InvalidError) as error:
        sign(link, KEY)
    assert error.value.field == field


def test_a_key_does_not_show_its_secret() -> None:
    assert "k" * 8 not in repr(KEY)


@given(links)
def test_the_new_form_of_a_newer_self_is_no_crash(link: Link) -> None:
    """An origin that was added later is signed rightly and means nothing here."""
    body = (
        bytes([KEY.id])
        + tokens._packed(link.show, "show")
        + tokens._packed(link.product, "product")
        + b"\xfe"
    )
    with pytest.raises(LinkError):
        read(tokens._text(body + tokens._mac(body, KEY)), KEYS)
