import type { CommerceKey } from "./index.ts";

/** English, beside Korean. A missing or superfluous key does not compile. */
export const en: Readonly<Record<CommerceKey, string>> = {
  "card.label": "Being shown now: {title}, {price}",
  "card.label.out": "Being shown now: {title}, sold out",
  "card.pinned": "Featured",
  "card.now": "Being shown now",

  "goods.title": "Products of this show",
  "goods.close": "Close products",
  "goods.back": "All products",
  "goods.region": "Products",

  "price.now": "Price",
  "price.before": "Price before the reduction",
  "price.off": "{percent}% off",
  "price.from": "from {price}",
  "price.then": "{then} in the show · {now} now",
  "price.then.hint": "The price has changed since the show. What counts is the price of now.",

  "sale.name": "Time sale",
  "sale.left": "Time sale, {clock} left",
  "sale.quantity": "{count} only",
  "sale.buyer": "{count} per buyer",

  "stock.few": "{count} left",
  "stock.out": "Sold out",
  "stock.gone": "No longer sold",

  "flag.onnuri": "Onnuri voucher",
  "flag.naver_pay": "Naver Pay",
  "flag.kakao_pay": "Kakao Pay",
  "flag.subscription": "Subscription",
  "flag.free_shipping": "Free shipping",

  "detail.options": "Options",
  "detail.text": "About the product",
  "detail.old": "Price and stock as of {when}.",
  buy: "Buy",
  "buy.label": "Buy {title}, opens the shop in a new window",
  "buy.out": "Cannot be bought now",
  "buy.soon": "The link to the shop is being made",

  "legal.title": "Seller and terms",
  "legal.seller": "Seller",
  "legal.representative": "Representative",
  "legal.address": "Address",
  "legal.phone": "Phone",
  "legal.business_number": "Business registration",
  "legal.mail_order_number": "Mail-order registration",
  "legal.shipping": "Shipping",
  "legal.withdrawal": "Exchange, return, withdrawal",
  "legal.none": "Not told by the seller",
  "legal.notice":
    "Gachi Live is an intermediary and no party to the sale. The seller is responsible for product, sale, delivery and refund.",

  "tell.shown": "Being shown now: {title}, {price}.",
  "tell.out": "It is sold out.",
  "tell.back": "It can be bought again.",
  "tell.ending": "The time sale ends within a minute.",
};
