/**
 * What a screen reader is told of the card on the picture. It must not babble over the host's voice: one message in five
 * seconds at most, and what came meanwhile is told in one. Pure: time is passed in (milliseconds of any clock).
 */

/** What is on the picture now, as far as it is spoken of. */
export interface Seen {
  /** Null: no card. */
  readonly product: string | null;
  readonly out: boolean;
  /** The id of its time sale, once that ends soon. */
  readonly ending: string | null;
}

export interface News {
  readonly kind: "shown" | "out" | "back" | "ending";
  readonly product: string;
}

export interface Announcing {
  readonly seen: Seen;
  /** Sales of which it was said that they end soon. */
  readonly told: readonly string[];
  readonly pending: readonly News[];
  readonly spoke: number;
}

/** Milliseconds between two messages at least. */
export const QUIET = 5_000;
/** Sales that are remembered: a show has few at a time. */
const REMEMBERED = 50;

export const SILENT: Announcing = {
  seen: { product: null, out: false, ending: null },
  told: [],
  pending: [],
  spoke: Number.NEGATIVE_INFINITY,
};

function newsOf(before: Seen, now: Seen, told: readonly string[]): News[] {
  const { product } = now;
  if (product === null) return [];
  const news: News[] = [];
  const fresh = before.product !== product;
  if (fresh) news.push({ kind: "shown", product });
  if (now.out && (fresh || !before.out)) news.push({ kind: "out", product });
  if (!fresh && !now.out && before.out) news.push({ kind: "back", product });
  if (!now.out && now.ending !== null && !told.includes(now.ending)) news.push({ kind: "ending", product });
  return news;
}

/** What is said together: of the product that is on the picture alone, each thing once, sold out and back again not at all. */
function merged(pending: readonly News[], news: readonly News[], product: string | null): News[] {
  const all = [...pending, ...news].filter((each) => each.product === product);
  const last = all.findLast((each) => each.kind === "out" || each.kind === "back");
  const both = all.some((each) => each.kind === "out") && all.some((each) => each.kind === "back");
  const kept = all.filter((each, i) => {
    if (each.kind === "out" || each.kind === "back") return each === last && !both;
    return all.findIndex((other) => other.kind === each.kind) === i;
  });
  return kept;
}

/** The next state; what is to be said now, together; and in how many milliseconds to ask again (null: when something changes). */
export function announced(
  state: Announcing,
  seen: Seen,
  now: number,
): { readonly state: Announcing; readonly say: readonly News[]; readonly wait: number | null } {
  const news = newsOf(state.seen, seen, state.told);
  const pending = merged(state.pending, news, seen.product);
  const ending = news.some((each) => each.kind === "ending") ? seen.ending : null;
  const told = ending === null ? state.told : [...state.told, ending].slice(-REMEMBERED);
  const rest = state.spoke + QUIET - now;
  if (pending.length === 0) return { state: { ...state, seen, told, pending }, say: [], wait: null };
  if (rest > 0) return { state: { ...state, seen, told, pending }, say: [], wait: rest };
  return { state: { seen, told, pending: [], spoke: now }, say: pending, wait: null };
}
