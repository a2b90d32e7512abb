import type { Stretch } from "./engine.ts";

/** Within this many seconds of the live place a viewer counts as watching live. */
export const AT_LIVE = 3;

/** Seconds that a viewer is behind the place where live viewing is. */
export function behind(stretch: Stretch, position: number): number {
  return Math.max(0, stretch.end - position);
}

/** A wanted place, kept inside what can be sought. */
export function within(stretch: Stretch, seconds: number): number {
  return Math.min(stretch.end, Math.max(stretch.start, seconds));
}

/** How far along the stretch a place is, 0 to 1; 1 for an empty stretch (nothing to seek in: that is live). */
export function share(stretch: Stretch, seconds: number): number {
  const span = stretch.end - stretch.start;
  return span <= 0 ? 1 : (within(stretch, seconds) - stretch.start) / span;
}

/** One stretch of a playlist with a known start in programme time. */
export interface Dated {
  readonly start: number;
  readonly duration: number;
  /** Programme time of `start`, Unix milliseconds. */
  readonly programme: number;
}

/** Programme time at a media time: the last dated stretch that begins before it tells; gaps run on from there. */
export function programmeAt(dated: readonly Dated[], seconds: number): number | null {
  let low = 0;
  let high = dated.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((dated[middle]?.start ?? Number.POSITIVE_INFINITY) <= seconds) low = middle + 1;
    else high = middle;
  }
  const found = dated[Math.max(0, low - 1)];
  return found === undefined ? null : found.programme + (seconds - found.start) * 1000;
}

/** Media time of a programme time: the inverse; a time inside a gap gives where the picture goes on. */
export function mediaAt(dated: readonly Dated[], programme: number): number | null {
  const first = dated[0];
  if (first === undefined || programme < first.programme) return null;
  for (const item of dated) {
    const into = (programme - item.programme) / 1000;
    if (into < 0) return item.start;
    if (into < item.duration) return item.start + into;
  }
  return null;
}
