"""What the columns of feeds are called: Google's names, and the headings that Korean sellers write. By this table alone."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache


class Field(StrEnum):
    """What a column tells."""

    KEY = "id"
    GROUP = "item_group_id"
    TITLE = "title"
    DESCRIPTION = "description"
    URL = "link"
    IMAGE = "image_link"
    PRICE = "price"
    """What it costs; with a `SALE_PRICE` that counts now, what it cost before."""
    SALE_PRICE = "sale_price"
    SALE_WINDOW = "sale_price_effective_date"
    LIST_PRICE = "list_price"
    AVAILABILITY = "availability"
    SOLD_OUT = "sold_out"
    QUANTITY = "quantity"
    BRAND = "brand"
    CATEGORY = "product_type"
    SKU = "sku"
    OPTION = "option"
    COLOR = "color"
    SIZE = "size"
    MATERIAL = "material"
    PATTERN = "pattern"
    SELLER = "seller"
    REPRESENTATIVE = "representative"
    ADDRESS = "address"
    PHONE = "phone"
    BUSINESS_NUMBER = "business_number"
    MAIL_ORDER_NUMBER = "mail_order_number"
    SHIPPING = "shipping_terms"
    WITHDRAWAL = "withdrawal_terms"
    ONNURI = "onnuri"
    NAVER_PAY = "naver_pay"
    KAKAO_PAY = "kakao_pay"
    SUBSCRIPTION = "subscription"
    FREE_SHIPPING = "free_shipping"


NEEDED = (Field.KEY, Field.TITLE, Field.URL, Field.PRICE)
"""Without these columns nothing of a table can be shown."""

HEADINGS: dict[Field, tuple[str, ...]] = {
    # Google's own `shipping` and `google_product_category` are left out: codes, no text for a card.
    Field.KEY: ("id", "product_id", "상품번호", "상품코드", "상품ID", "상품아이디"),
    Field.GROUP: ("item_group_id", "상품그룹", "상품그룹번호", "그룹번호", "그룹상품번호"),
    Field.TITLE: ("title", "name", "상품명", "상품이름", "상품 제목"),
    Field.DESCRIPTION: ("description", "summary", "설명", "상품설명", "상세설명", "상품 상세 설명"),
    Field.URL: ("link", "url", "링크", "상품링크", "상품URL", "상품주소", "상품 페이지"),
    Field.IMAGE: ("image_link", "image", "이미지", "이미지링크", "이미지URL", "대표이미지", "대표이미지URL"),
    Field.PRICE: ("price", "판매가", "판매가(원)", "판매가격", "가격", "가격(원)"),
    Field.SALE_PRICE: ("sale_price", "할인가", "할인가(원)", "할인가격", "할인판매가"),
    Field.SALE_WINDOW: ("sale_price_effective_date", "할인기간"),
    Field.LIST_PRICE: ("list_price", "정가", "정가(원)", "소비자가", "소비자가격", "시중가"),
    Field.AVAILABILITY: ("availability", "판매상태", "재고상태"),
    Field.SOLD_OUT: ("sold_out", "품절", "품절여부"),
    Field.QUANTITY: ("quantity", "stock", "재고", "재고수량", "재고량"),
    Field.BRAND: ("brand", "브랜드", "브랜드명"),
    Field.CATEGORY: ("product_type", "category", "카테고리", "카테고리명", "분류", "상품분류"),
    Field.SKU: ("sku", "mpn", "판매자상품코드", "자체상품코드", "관리코드", "모델번호"),
    Field.OPTION: ("option", "옵션", "옵션명", "옵션값"),
    Field.COLOR: ("color", "색상", "컬러"),
    Field.SIZE: ("size", "사이즈", "크기"),
    Field.MATERIAL: ("material", "소재", "재질"),
    Field.PATTERN: ("pattern", "무늬"),
    Field.SELLER: ("seller", "상호", "상호명", "판매자", "판매자명", "업체명"),
    Field.REPRESENTATIVE: ("representative", "대표자", "대표자명", "대표"),
    Field.ADDRESS: ("address", "주소", "사업장주소", "사업장소재지", "소재지"),
    Field.PHONE: ("phone", "전화", "전화번호", "연락처", "고객센터", "고객센터전화"),
    Field.BUSINESS_NUMBER: ("business_number", "사업자번호", "사업자등록번호"),
    Field.MAIL_ORDER_NUMBER: (
        "mail_order_number", "통신판매신고번호", "통신판매업신고번호", "통신판매번호", "통신판매업번호",
    ),
    Field.SHIPPING: ("shipping_terms", "배송", "배송안내", "배송정보", "배송비/배송기간"),
    Field.WITHDRAWAL: ("withdrawal_terms", "교환반품", "교환/반품", "교환환불", "반품", "반품안내", "청약철회"),
    Field.ONNURI: ("onnuri", "온누리상품권", "온누리", "온누리상품권사용"),
    Field.NAVER_PAY: ("naver_pay", "네이버페이"),
    Field.KAKAO_PAY: ("kakao_pay", "카카오페이"),
    Field.SUBSCRIPTION: ("subscription", "정기구독", "정기배송", "구독"),
    Field.FREE_SHIPPING: ("free_shipping", "무료배송"),
}  # fmt: skip
_JOINTS = re.compile(r"[\s_\-/·.\ufeff]+")


def _bare(heading: str) -> str:
    return _JOINTS.sub("", heading[:100]).casefold()


_FIELDS = {_bare(heading): field for field, headings in HEADINGS.items() for heading in headings}


@lru_cache(maxsize=1024)
def field_of(heading: str) -> Field | None:
    """The field of a heading, however it is spaced and cased (`Image Link`, `교환 / 반품`); None for an unknown one."""
    return _FIELDS.get(_bare(heading))
