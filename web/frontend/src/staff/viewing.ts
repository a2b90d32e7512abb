import type { components } from "../api/schema.d.ts";
import type { StaffKey } from "../messages/staff/index.ts";
import type { Sample } from "./graph.ts";

export type Fared = components["schemas"]["ViewingChannel"];
type Minute = components["schemas"]["ViewingMinute"];

const MINUTE = 60_000;

/** A value over each minute from `since` to `until` (Unix milliseconds); a minute in which nobody reported is 0. */
export function overTime(
  minutes: readonly Minute[],
  since: number,
  until: number,
  value: (minute: Minute) => number,
): readonly Sample[] {
  const known = new Map(minutes.map((minute) => [Date.parse(minute.at), value(minute)]));
  const samples: Sample[] = [];
  for (let at = since; at <= until; at += MINUTE) samples.push({ at, rate: known.get(at) ?? 0 });
  return samples;
}

/** The value below which `share` of what was counted lies, straight between two bounds. Null of nothing. */
export function quantile(
  counts: readonly number[],
  bounds: readonly number[],
  share: number,
): { readonly value: number; readonly beyond: boolean } | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let below = 0;
  for (const [index, bound] of bounds.entries()) {
    const count = counts[index] ?? 0;
    const low = index === 0 ? 0 : (bounds[index - 1] ?? 0);
    if (count > 0 && below + count >= share * total) {
      return { value: low + ((bound - low) * (share * total - below)) / count, beyond: false };
    }
    below += count;
  }
  return { value: bounds.at(-1) ?? 0, beyond: true };
}

/** Counts as heights from 0 to 1, of the highest. */
export function heights(counts: readonly number[]): readonly number[] {
  const most = Math.max(1, ...counts);
  return counts.map((count) => count / most);
}

export interface Stood {
  /** Of the time that viewers watched, 0 to 1. */
  readonly share: number;
  readonly count: number;
}

/** How much of the time pictures stood. */
export function stood(minutes: readonly Minute[]): Stood {
  const sum = (value: (minute: Minute) => number) => minutes.reduce((all, minute) => all + value(minute), 0);
  const stalled = sum((minute) => minute.stalled);
  const whole = stalled + sum((minute) => minute.played);
  return { share: whole === 0 ? 0 : stalled / whole, count: sum((minute) => minute.stalls) };
}

/** Above this share of standing pictures somebody should look (docs/operating.md), and so above these seconds. */
const MANY = 0.005;
const SLOW_START = 3;
const FAR_BEHIND = 5;
/** Below so many starts or figures one unlucky viewer would be the verdict. */
const FEW = 5;

export interface Verdict {
  readonly tone: "ready" | "needs" | "off";
  readonly title: StaffKey;
  readonly next: StaffKey | null;
}

/** How the viewers of a channel fare, in a word, with the next step where they do not fare well. */
export function verdict(fared: Fared, bounds: readonly number[]): Verdict {
  const half = (counts: readonly number[]) => {
    const enough = counts.reduce((sum, count) => sum + count, 0) >= FEW;
    return enough ? (quantile(counts, bounds, 0.5)?.value ?? 0) : 0;
  };
  if (fared.reports === 0) return { tone: "off", title: "viewers.quiet", next: null };
  if (stood(fared.minutes).share > MANY && fared.reports >= FEW) {
    return { tone: "needs", title: "viewers.stalls", next: "viewers.stalls.next" };
  }
  if (half(fared.startup) > SLOW_START) {
    return { tone: "needs", title: "viewers.slow", next: "viewers.slow.next" };
  }
  if (half(fared.latency) > FAR_BEHIND) {
    return { tone: "needs", title: "viewers.late", next: "viewers.late.next" };
  }
  if (fared.watching === 0) return { tone: "off", title: "viewers.quiet", next: null };
  return { tone: "ready", title: "viewers.well", next: null };
}

/** A share as people say it: 0 %, 0.3 %, 12 %. */
export function percent(share: number): string {
  const value = share * 100;
  if (value === 0) return "0%";
  return value < 10 ? `${Math.max(0.1, value).toFixed(1)}%` : `${Math.round(value)}%`;
}
