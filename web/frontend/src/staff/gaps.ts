import type { components } from "../api/schema.d.ts";
import { language } from "../messages/language.svelte.ts";
import { s } from "../messages/staff/say.svelte.ts";
import { length } from "../time/words.ts";

type Gap = components["schemas"]["Gap"];

/** What of a recording is missing, in words. */
export function gapsIn(gaps: readonly Gap[] | null): string {
  const missing = gaps ?? [];
  if (missing.length === 0) return s("tape.gaps.none");
  const total = missing.reduce((sum, gap) => sum + Date.parse(gap.ends) - Date.parse(gap.starts), 0);
  return s("tape.gaps", { count: missing.length, length: length(total / 1000, language()) });
}
