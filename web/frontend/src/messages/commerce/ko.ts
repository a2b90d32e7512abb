/** Korean texts of products on viewers' pages, fetched once a show has products. */
export const ko = {
  "card.label": "지금 소개하는 상품: {title}, {price}",
  "card.label.out": "지금 소개하는 상품: {title}, 품절",
  "card.pinned": "추천",
  "card.now": "지금 소개 중",

  "goods.title": "이 방송의 상품",
  "goods.close": "상품 닫기",
  "goods.back": "모든 상품",
  "goods.region": "상품",

  "price.now": "판매가",
  "price.before": "할인 전 가격",
  "price.off": "{percent}% 할인",
  "price.from": "{price}부터",
  "price.then": "방송 때 {then} · 지금 {now}",
  "price.then.hint": "방송 때와 지금 가격이 다릅니다. 살 때는 지금 가격이 적용됩니다.",

  "sale.name": "타임세일",
  "sale.left": "타임세일 {clock} 남음",
  "sale.quantity": "{count}개 한정",
  "sale.buyer": "한 사람 {count}개까지",

  "stock.few": "{count}개 남음",
  "stock.out": "품절",
  "stock.gone": "판매 종료",

  "flag.onnuri": "온누리상품권",
  "flag.naver_pay": "네이버페이",
  "flag.kakao_pay": "카카오페이",
  "flag.subscription": "정기 구독",
  "flag.free_shipping": "무료 배송",

  "detail.options": "옵션",
  "detail.text": "상품 설명",
  "detail.old": "가격과 재고는 {when} 확인한 것입니다.",
  buy: "구매하기",
  "buy.label": "{title} 구매하기, 새 창에서 쇼핑몰 열기",
  "buy.out": "지금은 살 수 없습니다",
  "buy.soon": "구매 주소를 준비하고 있습니다",

  "legal.title": "판매자와 거래 정보",
  "legal.seller": "상호",
  "legal.representative": "대표자",
  "legal.address": "주소",
  "legal.phone": "전화",
  "legal.business_number": "사업자등록번호",
  "legal.mail_order_number": "통신판매업신고번호",
  "legal.shipping": "배송",
  "legal.withdrawal": "교환·반품·청약철회",
  "legal.none": "판매자가 알리지 않았습니다",
  "legal.notice":
    "가치 라이브는 통신판매중개자이며 통신판매의 당사자가 아닙니다. 상품, 거래, 배송, 환불의 책임은 판매자에게 있습니다.",

  "tell.shown": "지금 소개하는 상품은 {title}, {price}입니다.",
  "tell.out": "품절되었습니다.",
  "tell.back": "다시 살 수 있습니다.",
  "tell.ending": "타임세일이 1분 안에 끝납니다.",
} as const;
