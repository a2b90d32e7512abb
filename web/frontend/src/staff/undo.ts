/**
 * What was done, or is about to be, and can be taken back. Nothing asks "are you sure?": what can be reversed is done
 * at once, and what cannot waits a few seconds. Pure: time is passed in; `undo.svelte.ts` holds the doing.
 */
export interface Entry {
  readonly id: number;
  /** `done`: undoing reverses it. `due`: it is done at `until`, and undoing means never. `told`, `failed`: a notice. */
  readonly kind: "done" | "due" | "told" | "failed";
  /** What it is about: a later entry about the same takes the earlier one's place. */
  readonly about: string;
  readonly text: string;
  /** Unix milliseconds at which it goes. */
  readonly until: number;
}

/** Entries on screen at once. The oldest notice leaves first; what is due never does. */
export const MOST = 4;
export const LASTS = { done: 12_000, due: 5_000, told: 5_000, failed: 20_000 } as const;

/** The entries with a new one. What was `replaced` about the same thing and due will not be done. */
export function added(
  entries: readonly Entry[],
  entry: Entry,
): { entries: readonly Entry[]; replaced: readonly Entry[] } {
  const replaced = entries.filter((other) => other.about === entry.about);
  const kept = [...entries.filter((other) => other.about !== entry.about), entry];
  while (kept.length > MOST) {
    const oldest = kept.findIndex((other) => other.kind !== "due");
    if (oldest < 0) break;
    kept.splice(oldest, 1);
  }
  return { entries: kept, replaced };
}

/** The entries without those whose time is over, and what is now to be done. */
export function elapsed(
  entries: readonly Entry[],
  now: number,
): { entries: readonly Entry[]; due: readonly Entry[] } {
  const over = entries.filter((entry) => entry.until <= now);
  if (over.length === 0) return { entries, due: [] };
  return {
    entries: entries.filter((entry) => entry.until > now),
    due: over.filter((entry) => entry.kind === "due"),
  };
}

/** What Ctrl+Z means: the newest that can be taken back. */
export function newest(entries: readonly Entry[]): Entry | undefined {
  return entries.findLast((entry) => entry.kind === "done" || entry.kind === "due");
}
