"""What a Vendure shop is connected by, and its keys, which may be in a file of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from commerce_bridge.model.errors import InvalidError
from commerce_bridge.model.product import MANDATORY, Flag, checked_url

CUSTOM_FIELDS: Mapping[str, str] = {
    **{name: name for name in ("seller", "representative", "address", "phone", "shipping", "withdrawal")},
    "business_number": "businessNumber",
    "mail_order_number": "mailOrderNumber",
    "category": "category",
    "brand": "brand",
    "list_price": "listPrice",
    "onnuri": "onnuri",
    "naver_pay": "naverPay",
    "kakao_pay": "kakaoPay",
    "subscription": "subscription",
    "free_shipping": "freeShipping",
}
"""The shop's custom field for what Vendure itself has no word for, where no option says otherwise."""
_KEYS_LIMIT = 1 << 16


class Options(BaseModel):
    """The options of a shop of the kind `vendure`; all are text."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    url: str
    """The admin API, as `https://shop.example/admin-api`."""
    store: str
    """What a product's slug is put behind for its page, as `https://shop.example/products/`."""
    token: str = ""
    """An API key of the shop (Vendure 3.6); or `username` and `password` of an administrator who may read the catalog."""
    username: str = ""
    password: str = ""
    webhook_secret: str = ""
    secrets: str = ""
    """A JSON file with what of the four above is not given here; it may come later than the bridge. Variables in its path count:
    `$GACHI_DATA` is the data folder.
    """
    channel: str = ""
    """Token of the channel that is sold; empty: the default one."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Custom fields with other names than `CUSTOM_FIELDS` has: `seller=company, onnuri=takesOnnuri`."""
    timeout: float = Field(default=20.0, gt=0, le=300)
    """Seconds that the shop has for one answer."""

    @field_validator("url", "store")
    @classmethod
    def _address(cls, url: str) -> str:
        try:
            return checked_url(url, name="url")
        except InvalidError as error:
            raise ValueError(str(error)) from error

    @field_validator("fields", mode="before")
    @classmethod
    def _pairs(cls, text: object) -> object:
        """`ours=theirs`, separated by commas."""
        if not isinstance(text, str):
            return text
        pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
        return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}

    @field_validator("fields")
    @classmethod
    def _known(cls, fields: dict[str, str]) -> dict[str, str]:
        for ours, theirs in fields.items():
            if ours not in CUSTOM_FIELDS:
                raise ValueError(f"there is no field {ours}; there are {', '.join(CUSTOM_FIELDS)}")
            # It goes into the text of a query: a name of GraphQL (§2.1.9 of its specification) and nothing else.
            if not (theirs.isascii() and theirs.isidentifier()):
                raise ValueError(f"{theirs!r} cannot be the name of a custom field")
        return fields

    @model_validator(mode="after")
    def _known_by(self) -> Options:
        if not (self.secrets or self.token or (self.username and self.password)):
            raise ValueError("give token, username and password, or secrets")
        return self


@dataclass(frozen=True, slots=True)
class Keys:
    """What proves one to the other."""

    token: str = ""
    username: str = ""
    password: str = ""
    webhook_secret: str = ""


def read_options(options: Mapping[str, str]) -> Options:
    """Options as they are in the settings. Raises `InvalidError` naming the one at fault; its value is not told."""
    try:
        return Options.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "token"
        raise InvalidError(first["msg"], field=field) from None


def read_keys(options: Options) -> Keys:
    """The keys as they are now. Raises OSError where their file cannot be read, ValueError where it makes no sense."""
    told: dict[str, object] = {}
    if options.secrets:
        with Path(os.path.expandvars(options.secrets)).open("rb") as file:
            told = json.loads(file.read(_KEYS_LIMIT))
        if not isinstance(told, dict):
            raise ValueError(f"{options.secrets} holds no JSON object")
    return Keys(
        **{
            name: getattr(options, name) or str(told.get(name, ""))
            for name in ("token", "username", "password", "webhook_secret")
        }
    )


TEXTS = (*MANDATORY, "category", "brand")
"""Fields of `CUSTOM_FIELDS` that are text of a product."""
TRUTHS = tuple(flag.value for flag in Flag)
"""Those that are true or false of it."""
