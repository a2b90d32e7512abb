import { leftOf } from "../commerce/price.ts";
import type { Card, Cards, LineupItem, Product } from "../commerce/types.ts";

/** What the host may do next, from what the server tells. Pure. */

/** The product on the picture, and whether it stands there while no other is shown; null: none. */
export function onPicture(cards: Cards): { readonly product: string; readonly pinned: boolean } | null {
  const last = cards.moments.at(-1);
  if (last === undefined || last.product === null) return null;
  const { product } = last;
  const state = cards.cards.find((card) => card.product.id === product)?.state;
  return { product, pinned: last.pinned || state === "pinned" };
}

/** The product that was on the picture last, and may be still; null before the first. */
export function lastShown(cards: Cards): string | null {
  return cards.moments.findLast(({ product }) => product !== null)?.product ?? null;
}

/**
 * The card that comes next: the one that the host chose, else the first after `place` that can be bought. Null at the end
 * of the list.
 */
export function nextCard(cards: readonly Card[], place: string | null, chosen: string | null): Card | null {
  const wanted = cards.find((card) => card.product.id === chosen && chosen !== place);
  if (wanted !== undefined) return wanted;
  const after = cards.findIndex((card) => card.product.id === place) + 1;
  return cards.slice(after).find((card) => leftOf(card) !== "out") ?? null;
}

/** Lengths of a time sale that are offered, minutes. */
export const MINUTES = [1, 3, 5, 10, 20] as const;

export type SaleFault = "sale.price.none" | "sale.price.high" | "sale.quantity.wrong";

/** What is wrong with a time sale before it is sent; null where nothing is. `quantity` null: as many as there are. */
export function saleFault(price: number | null, quantity: number | null, product: Product): SaleFault | null {
  if (price === null || !Number.isInteger(price) || price <= 0) return "sale.price.none";
  if (price >= product.price) return "sale.price.high";
  if (quantity !== null && (!Number.isInteger(quantity) || quantity <= 0)) return "sale.quantity.wrong";
  return null;
}

/** A price to begin with: the planned one where it is a reduction, else a tenth off, in whole hundreds where those are less. */
export function suggested(card: Card): number {
  const { price } = card.product;
  if (card.sale_price !== null && card.sale_price < price) return card.sale_price;
  const less = Math.floor((price * 0.9) / 100) * 100;
  return less > 0 ? less : Math.max(1, price - 1);
}

/** The whole number in a field; null where it is empty, NaN where it holds something else. */
export function wholeIn(text: string): number | null {
  const plain = text.replace(/[\s,원₩]/g, "");
  if (plain === "") return null;
  return /^\d{1,13}$/.test(plain) ? Number(plain) : Number.NaN;
}

/** Products of a show at most (studio/contracts/cards.py). */
export const MOST = 100;

/** The lineup as it is put. */
export function itemsOf(cards: readonly Card[]): readonly LineupItem[] {
  return cards.map(({ product, talking_points, sale_price }) => ({
    product: product.id,
    talking_points: talking_points ?? "",
    sale_price,
  }));
}

/** With a product at the end; unchanged where it is there already, or there is no room. */
export function added(items: readonly LineupItem[], product: string): readonly LineupItem[] {
  if (items.length >= MOST || items.some((item) => item.product === product)) return items;
  return [...items, { product, talking_points: "", sale_price: null }];
}

export function removed(items: readonly LineupItem[], product: string): readonly LineupItem[] {
  return items.filter((item) => item.product !== product);
}

/** With a product so many places further down (up where negative), within the list. */
export function moved(items: readonly LineupItem[], product: string, by: number): readonly LineupItem[] {
  const from = items.findIndex((item) => item.product === product);
  const item = items[from];
  if (item === undefined) return items;
  const rest = removed(items, product);
  const to = Math.min(rest.length, Math.max(0, from + by));
  return to === from ? items : [...rest.slice(0, to), item, ...rest.slice(to)];
}

export function changed(
  items: readonly LineupItem[],
  product: string,
  change: Partial<LineupItem>,
): readonly LineupItem[] {
  return items.map((item) => (item.product === product ? { ...item, ...change } : item));
}
