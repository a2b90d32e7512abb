"""The admin API's answers as values of ours. Pure: what is not as Vendure's schema says raises `ShopLiedError`, what cannot be a
product `InvalidError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from commerce_bridge.connectors.vendure.options import CUSTOM_FIELDS, TEXTS, TRUTHS
from commerce_bridge.model.errors import InvalidError, ShopLiedError, ShopRefusedError
from commerce_bridge.model.product import (
    MANDATORY,
    Flag,
    Legal,
    Product,
    Stock,
    Variant,
    checked,
    checked_url,
)

TEXT_TYPES = {"string", "text", "localeString", "localeText"}


def _micros(value: object) -> int:
    """Unix microseconds of an ISO 8601 time."""
    if not isinstance(value, str):
        raise ValueError("no time")  # noqa: TRY004  what pydantic reports
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    return round(time.timestamp() * 1_000_000)


Micros = Annotated[int, BeforeValidator(_micros)]


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class CustomField(_Answer):
    """A custom field that the shop has."""

    name: str
    type: str


class Entity(_Answer):
    """A kind of things with its custom fields."""

    entityName: str  # noqa: N815 - the names of these classes' fields are Vendure's
    customFields: list[CustomField]  # noqa: N815


class ServerConfig(_Answer):
    """How the shop is made."""

    moneyStrategyPrecision: int = Field(ge=0, le=4)  # noqa: N815
    entityCustomFields: list[Entity]  # noqa: N815


class GlobalSettings(_Answer):
    """What holds for all products."""

    trackInventory: bool  # noqa: N815
    outOfStockThreshold: int  # noqa: N815
    serverConfig: ServerConfig  # noqa: N815


class StockLevel(_Answer):
    """What lies at one place."""

    stockOnHand: int  # noqa: N815
    stockAllocated: int  # noqa: N815


class Named(_Answer):
    """Anything with a name."""

    name: str


class Facet(_Answer):
    """What a facet's value is a value of."""

    code: str


class FacetValue(Named):
    """A word that a product is found by."""

    facet: Facet


class VariantAnswer(_Answer):
    """One variant."""

    id: str
    sku: str
    name: str
    enabled: bool
    updatedAt: Micros  # noqa: N815
    priceWithTax: int  # noqa: N815
    currencyCode: str  # noqa: N815
    options: list[Named]
    trackInventory: Literal["TRUE", "FALSE", "INHERIT"]  # noqa: N815
    outOfStockThreshold: int  # noqa: N815
    useGlobalOutOfStockThreshold: bool  # noqa: N815
    stockLevels: list[StockLevel]  # noqa: N815
    customFields: dict[str, Any] = Field(default_factory=dict)  # noqa: N815


class Picture(_Answer):
    """Where a picture is."""

    preview: str


class ProductAnswer(_Answer):
    """One product."""

    id: str = Field(min_length=1)
    name: str
    slug: str
    description: str
    updatedAt: Micros  # noqa: N815
    featuredAsset: Picture | None  # noqa: N815
    collections: list[Named] = Field(default_factory=list)
    facetValues: list[FacetValue] = Field(default_factory=list)  # noqa: N815
    customFields: dict[str, Any] = Field(default_factory=dict)  # noqa: N815
    variants: list[VariantAnswer]


class Changed(_Answer):
    """That something of a product changed."""

    id: str = Field(min_length=1)
    productId: str = Field(min_length=1)  # noqa: N815
    updatedAt: Micros  # noqa: N815


class Page(_Answer):
    """A piece of a list; its items are read one by one, so that one that cannot be read spoils no other."""

    totalItems: int = Field(ge=0)  # noqa: N815
    items: list[dict[str, Any]]


ModelT = TypeVar("ModelT", bound=_Answer)


def read(model: type[ModelT], value: object) -> ModelT:
    """A part of an answer. Raises `ShopLiedError` naming the field at fault."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ShopLiedError(f"{where or 'the answer'}: {first['msg']}", field=where) from None


@dataclass(frozen=True, slots=True)
class Rules:
    """What must be known of a shop to read its products."""

    tracked: bool
    """Stock is counted where a variant does not say otherwise."""
    threshold: int
    precision: int
    """Decimal places that its money has: amounts are told in the smallest unit."""
    product_fields: dict[str, str] = field(default_factory=dict)
    """Custom fields of products that are asked for: our name to the shop's."""
    variant_fields: dict[str, str] = field(default_factory=dict)


def rules(settings: GlobalSettings, named: Mapping[str, str]) -> Rules:
    """The rules of a shop. `named` are the custom fields that an option names: one that the shop has not raises
    `ShopRefusedError`; of the others those count that the shop has.
    """
    config = settings.serverConfig
    there = {
        entity.entityName: {each.name: each.type for each in entity.customFields}
        for entity in config.entityCustomFields
    }

    def chosen(entity: str, ours: tuple[str, ...], types: set[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in ours:
            theirs = named.get(name, CUSTOM_FIELDS[name])
            if there.get(entity, {}).get(theirs) in types:
                found[name] = theirs
            elif name in named:
                raise ShopRefusedError(
                    f"the shop's {entity} has no custom field {theirs} of the type {' or '.join(sorted(types))}",
                    field=name,
                )
        return found

    return Rules(
        tracked=settings.trackInventory,
        threshold=settings.outOfStockThreshold,
        precision=config.moneyStrategyPrecision,
        product_fields={
            **chosen("Product", TEXTS, TEXT_TYPES),
            **chosen("Product", TRUTHS, {"boolean"}),
        },
        variant_fields=chosen("ProductVariant", ("list_price",), {"int"}),
    )


def product(shop: str, answer: ProductAnswer, rules: Rules, *, store: str) -> Product | None:
    """A product, checked; None where none of its variants is on sale. Raises `InvalidError`."""
    offered = [each for each in answer.variants if each.enabled]
    if not offered:
        return None
    custom = answer.customFields
    texts = {name: str(custom.get(name) or "") for name in TEXTS}
    brands = [each.name for each in answer.facetValues if each.facet.code == "brand"]
    return checked(
        Product(
            shop=shop,
            key=answer.id,
            title=answer.name,
            variants=tuple(_variant(each, rules, of=answer.name) for each in offered),
            url=store + quote(answer.slug, safe=""),
            image=_picture(answer.featuredAsset),
            description=answer.description,
            category=texts["category"] or next((each.name for each in answer.collections), ""),
            brand=texts["brand"] or next(iter(brands), ""),
            flags=frozenset(flag for flag in Flag if custom.get(flag.value) is True),
            legal=Legal(**{name: texts[name] for name in MANDATORY}),
            updated=max(answer.updatedAt, *(each.updatedAt for each in answer.variants)),
        )
    )


def _variant(answer: VariantAnswer, rules: Rules, *, of: str) -> Variant:
    if answer.currencyCode != "KRW":
        raise InvalidError(f"{answer.currencyCode} is not sold here: prices are KRW", field="currencyCode")
    price, rest = divmod(answer.priceWithTax, 10**rules.precision)
    if rest:
        raise InvalidError(
            f"{answer.priceWithTax} with {rules.precision} decimals is no whole number of won", field="price"
        )
    before = answer.customFields.get("list_price")
    options = " / ".join(option.name for option in answer.options)
    return Variant(
        key=answer.id,
        price=price,
        sku=answer.sku,
        # Vendure calls a lone variant as it calls the product.
        title=options or ("" if answer.name == of else answer.name),
        list_price=before // 10**rules.precision if isinstance(before, int) else 0,
        stock=_stock(answer, rules),
    )


def _stock(answer: VariantAnswer, rules: Rules) -> Stock:
    """Of all places together. A threshold below 0 is how many may be sold that are not there yet."""
    if answer.trackInventory == "FALSE" or (answer.trackInventory == "INHERIT" and not rules.tracked):
        return Stock()
    threshold = rules.threshold if answer.useGlobalOutOfStockThreshold else answer.outOfStockThreshold
    return Stock(
        on_hand=sum(level.stockOnHand for level in answer.stockLevels) + max(0, -threshold),
        allocated=sum(level.stockAllocated for level in answer.stockLevels),
        threshold=max(0, threshold),
    )


def _picture(asset: Picture | None) -> str:
    """Its address; a product is shown without one that cannot be used."""
    try:
        return checked_url(asset.preview, name="image") if asset is not None else ""
    except InvalidError:
        return ""
