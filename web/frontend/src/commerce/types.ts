/** Products and cards as the API tells them (web/api/wire_commerce.py). Money is whole KRW, times are RFC 3339. */

export const FLAGS = ["onnuri", "naver_pay", "kakao_pay", "subscription", "free_shipping"] as const;
export type Flag = (typeof FLAGS)[number];

export interface Variant {
  readonly key: string;
  readonly title: string;
  readonly sku: string;
  readonly price: number;
  readonly list_price: number | null;
  /** How many are left; null where the shop does not say. */
  readonly saleable: number | null;
}

export const LEGAL = [
  "seller",
  "representative",
  "address",
  "phone",
  "business_number",
  "mail_order_number",
  "shipping",
  "withdrawal",
] as const;
export type LegalField = (typeof LEGAL)[number];
/** Who sells, and on what terms; empty where the shop does not tell it. */
export type Legal = Readonly<Record<LegalField, string>>;

export interface Product {
  readonly id: string;
  readonly shop: string;
  readonly title: string;
  readonly description: string;
  readonly url: string;
  readonly picture: string | null;
  readonly category: string;
  readonly brand: string;
  readonly price: number;
  readonly list_price: number | null;
  readonly saleable: number | null;
  readonly flags: readonly Flag[];
  readonly variants: readonly Variant[];
  readonly legal: Legal;
  readonly missing: readonly string[];
  /** When the shop last told of it. */
  readonly seen: string;
  /** The shop no longer offers it. */
  readonly gone: boolean;
}

export interface ProductPage {
  readonly items: readonly Product[];
  readonly next: string | null;
}

export interface LineupItem {
  readonly product: string;
  readonly talking_points: string;
  readonly sale_price: number | null;
}

export interface SaleStart {
  readonly price: number;
  readonly seconds: number;
  readonly quantity: number | null;
}

/** A time sale that runs. It ends by the server's clock. */
export interface Sale {
  readonly id: string;
  readonly price: number;
  readonly started: string;
  readonly ends: string;
  readonly quantity: number | null;
  readonly per_buyer: number | null;
}

export interface Card {
  readonly product: Product;
  readonly state: "queued" | "shown" | "pinned" | "hidden" | "sold_out";
  /** Path of its purchase link; null for some seconds after the server's start. */
  readonly buy: string | null;
  /** Null for viewers. */
  readonly talking_points: string | null;
  /** Null for viewers. */
  readonly sale_price: number | null;
  readonly sale: Sale | null;
}

/** From `time` (programme time) on, this is on the picture; null: no card. */
export interface Moment {
  readonly time: string;
  readonly product: string | null;
  readonly pinned: boolean;
  /** What it cost then. */
  readonly price: number | null;
  readonly list_price: number | null;
}

export interface Cards {
  readonly show: string;
  /** Rises with each change of the lineup. */
  readonly version: number;
  readonly cards: readonly Card[];
  readonly moments: readonly Moment[];
}
