import type { Language } from "../messages/index.ts";
import type { Card, Product, Sale } from "./types.ts";

/** A sum with its separators: `12,900원`, `₩12,900`. */
export function won(amount: number, language: Language): string {
  const figures = new Intl.NumberFormat(language, { maximumFractionDigits: 0 }).format(amount);
  return language === "ko" ? `${figures}원` : `₩${figures}`;
}

/** Whole percent by which a price is below the one before; rounded down, so that it never promises too much. */
export function percentOff(price: number, before: number | null): number | null {
  if (before === null || before <= price || before <= 0) return null;
  const percent = Math.floor(((before - price) * 100) / before);
  return percent >= 1 ? percent : null;
}

export interface Priced {
  readonly price: number;
  /** What it cost before; null where it is not reduced. */
  readonly before: number | null;
  readonly off: number | null;
  /** The time sale that this price is of. */
  readonly sale: Sale | null;
}

/** Whether a time sale runs at `now`, Unix milliseconds of the server's clock. */
export function runs(sale: Sale | null, now: number): sale is Sale {
  return sale !== null && now < Date.parse(sale.ends);
}

/** What a card costs now. A shop may carry a sale out by lowering its own price: the list price is then what it cost before. */
export function priceOf(card: Pick<Card, "product" | "sale">, now: number): Priced {
  const { product } = card;
  const sale = runs(card.sale, now) ? card.sale : null;
  const price = sale?.price ?? product.price;
  const former = Math.max(product.list_price ?? 0, product.price);
  const before = former > price ? former : null;
  return { price, before, off: percentOff(price, before), sale };
}

/** From this many on it is not told how many are left. */
export const FEW = 10;

/** `out`: none is left, or the shop offers it no more; a number: so few are left; null: there is nothing to tell. */
export function leftOf(card: {
  readonly state?: Card["state"];
  readonly product: Pick<Product, "saleable" | "gone">;
}) {
  const { saleable, gone } = card.product;
  if (gone || saleable === 0 || card.state === "sold_out") return "out" as const;
  return saleable !== null && saleable <= FEW ? saleable : null;
}
