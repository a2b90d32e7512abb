import type { Iso } from "../realtime/topics.ts";

/** The recording of a feed that runs; null where there is none. */
export function runningOf(isos: readonly Iso[], feed: string): Iso | null {
  return isos.find((iso) => iso.feed === feed && iso.ended === null) ?? null;
}

/** Those that run first, then the newest. */
export function ordered(isos: readonly Iso[]): readonly Iso[] {
  const last = (iso: Iso) => (iso.ended === null ? "1" : "0") + iso.started;
  return [...isos].sort((a, b) => last(b).localeCompare(last(a)));
}

/** Seconds for which it has run, at `now` in Unix milliseconds; of one that ended, what was recorded. */
export function seconds(iso: Iso, now: number): number {
  return iso.ended === null ? Math.max(0, (now - Date.parse(iso.started)) / 1000) : iso.duration;
}
