import { clock } from "../time/words.ts";
import type { Sale } from "./types.ts";

/** A sale that ends within this many milliseconds ends soon. */
export const SOON = 60_000;
/** What is told of a product is called old when it is older than this many milliseconds. */
export const OLD = 60_000;

/** Milliseconds that a sale has left at `now` (Unix milliseconds of the server's clock); never below 0. */
export function left(sale: Pick<Sale, "ends">, now: number): number {
  return Math.max(0, Date.parse(sale.ends) - now);
}

/** Those as a clock, `2:13`. A second that has begun counts: it says 0:00 when the sale is over, and not before. */
export function countdown(milliseconds: number): string {
  return clock(Math.ceil(milliseconds / 1000));
}

/** Whether it runs and ends soon. */
export function endsSoon(sale: Pick<Sale, "ends">, now: number): boolean {
  const rest = left(sale, now);
  return rest > 0 && rest <= SOON;
}

/** How old, in milliseconds, what is told of a product is; null while it is fresh. */
export function oldness(seen: string, now: number): number | null {
  const age = now - Date.parse(seen);
  return age > OLD ? age : null;
}
