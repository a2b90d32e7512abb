import type { Moment } from "./types.ts";

/** A moment with its programme time in Unix milliseconds. */
export interface Placed extends Moment {
  readonly at: number;
}

/** The moments in order of programme time; of several at one time the last told holds. */
export function placed(moments: readonly Moment[]): readonly Placed[] {
  return moments
    .map((moment) => ({ ...moment, at: Date.parse(moment.time) }))
    .filter(({ at }) => !Number.isNaN(at))
    .sort((a, b) => a.at - b.at);
}

/** How many moments are not after a programme time. */
function passed(line: readonly Placed[], programme: number): number {
  let low = 0;
  let high = line.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((line[middle]?.at ?? Number.POSITIVE_INFINITY) <= programme) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What is on the picture at a programme time; null before the first moment, and while the time is not known. */
export function shownAt(line: readonly Placed[], programme: number | null): Placed | null {
  return programme === null ? null : (line[passed(line, programme) - 1] ?? null);
}

/** Milliseconds of programme until something else is on the picture; null where nothing follows. */
export function untilNext(line: readonly Placed[], programme: number | null): number | null {
  if (programme === null) return null;
  const next = line[passed(line, programme)];
  return next === undefined ? null : next.at - programme;
}

/**
 * The moment that tells what a product cost in the broadcast: its last one up to a programme time, else its first.
 * Null where it was never on the picture.
 */
export function pricedAt(line: readonly Placed[], product: string, programme: number | null): Placed | null {
  const own = line.filter((moment) => moment.product === product && moment.price !== null);
  const before = programme === null ? undefined : own.findLast(({ at }) => at <= programme);
  return before ?? own[0] ?? null;
}
