from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_bridge.connectors.vendure import webhooks
from commerce_bridge.model.errors import ForgedError
from commerce_bridge.ports import Hint

SECRET = "s3cret"
AT = 1_780_000_000
NOW = AT * 1_000_000


def signed(told: object, *, at: str = str(AT), event: str = "e-1") -> tuple[dict[str, str], bytes]:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    signature = webhooks.sign(SECRET, at, body)
    return {webhooks.TIMESTAMP: at, webhooks.EVENT: event, webhooks.SIGNATURE: signature}, body


def read(headers: dict[str, str], body: bytes, *, secret: str = SECRET, now: int = NOW) -> Hint:
    return webhooks.read(headers, body, secret=secret, now=now)


def test_the_signature_is_what_others_compute() -> None:
    """`printf '1780000000.{}' | openssl dgst -sha256 -hmac s3cret`"""
    assert webhooks.sign(SECRET, "1780000000", b"{}") == (
        "sha256=" + "74dc432f585a5d0790ac46ed88275f34ff0c9967cc9b41d3743ef2bca694e1c5"
    )


def test_the_shops_own_is_believed() -> None:
    told = {"id": "e-1", "type": "StockMovementEvent", "products": ["3", "4", "3"]}
    assert read(*signed(told)) == Hint("e-1", ("3", "4"))


def test_one_of_many_products_may_concern_any() -> None:
    assert read(*signed({"id": "e-1", "products": [str(n) for n in range(101)]})) == Hint("e-1", ())


@pytest.mark.parametrize("late", [301, -301, 10**9])
def test_an_old_one_is_not(late: int) -> None:
    with pytest.raises(ForgedError):
        read(*signed({"id": "e-1", "products": []}), now=NOW + late * 1_000_000)


@pytest.mark.parametrize("late", [299, -299])
def test_five_minutes_are_allowed(late: int) -> None:
    assert read(*signed({"id": "e-1", "products": []}), now=NOW + late * 1_000_000).event == "e-1"


@pytest.mark.parametrize(
    "change",
    [
        {webhooks.SIGNATURE: ""},
        {webhooks.SIGNATURE: "sha256=" + "0" * 64},
        {webhooks.SIGNATURE: "sha256=\udcff가"},
        {webhooks.TIMESTAMP: str(AT + 1)},
        {webhooks.TIMESTAMP: "-5"},
        {webhooks.TIMESTAMP: "１７８００００００"},
        {webhooks.TIMESTAMP: "9" * 400},
        {webhooks.EVENT: "e-2"},
        {webhooks.EVENT: ""},
    ],
)
def test_what_was_changed_on_the_way_is_not(change: dict[str, str]) -> None:
    headers, body = signed({"id": "e-1", "products": []})
    with pytest.raises(ForgedError):
        read(headers | change, body)


def test_without_a_secret_nothing_is_believed() -> None:
    headers, body = signed({"id": "e-1", "products": []})
    headers[webhooks.SIGNATURE] = webhooks.sign("", str(AT), body)
    with pytest.raises(ForgedError):
        read(headers, body, secret="")


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"\xff",
        [],
        {},
        {"id": "e-1"},
        {"id": 1, "products": []},
        {"id": "e 1", "products": []},
        {"id": "e-1", "products": "3"},
        {"id": "e-1", "products": [3]},
        {"id": "e-1", "products": [""]},
    ],
)
def test_the_shops_own_that_makes_no_sense(told: Any) -> None:
    with pytest.raises(ForgedError):
        read(*signed(told))


@given(
    st.dictionaries(st.sampled_from([webhooks.TIMESTAMP, webhooks.EVENT, webhooks.SIGNATURE]), st.text()),
    st.binary(),
)
def test_strangers_are_refused_whatever_they_send(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(ForgedError):
        read(headers, body)
