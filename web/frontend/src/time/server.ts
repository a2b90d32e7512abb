/**
 * How far the server's clock is from this machine's, which may be wrong by an hour. Each answer's `Date` tells it to a
 * second; several answers, sent at different parts of a second, narrow it down.
 */

/** The server's clock minus this machine's, milliseconds: somewhere between these. */
export interface Bounds {
  readonly low: number;
  readonly high: number;
}

/**
 * The bounds after one more answer: its `Date` header, and when (Unix milliseconds by this machine) it was asked for and
 * came. Where it cannot agree with what was known, this machine's clock was set: it begins anew. Null: no usable header.
 */
export function narrowed(
  known: Bounds | null,
  date: string | null,
  asked: number,
  came: number,
): Bounds | null {
  const told = date === null ? Number.NaN : Date.parse(date);
  if (Number.isNaN(told) || came < asked) return known;
  // The header leaves the fraction of its second out.
  const fresh = { low: told - came, high: told + 1000 - asked };
  if (known === null) return fresh;
  const both = { low: Math.max(known.low, fresh.low), high: Math.min(known.high, fresh.high) };
  return both.low > both.high ? fresh : both;
}

let bounds: Bounds | null = null;

/** Tell of an answer of our server. */
export function hear(date: string | null, asked: number, came: number): void {
  bounds = narrowed(bounds, date, asked, came);
}

/** Unix milliseconds by the server's clock, as far as it is known; this machine's until an answer came. */
export function serverNow(): number {
  return Date.now() + (bounds === null ? 0 : (bounds.low + bounds.high) / 2);
}
