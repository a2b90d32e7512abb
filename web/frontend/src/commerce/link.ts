const WORD = /^[a-z0-9-]{1,20}$/;

/** The partner's word in a query (`?ch=word`), which goes along with purchase links; null where there is none, or it is no word. */
export function partnerIn(search: string): string | null {
  const word = new URLSearchParams(search).get("ch") ?? "";
  return WORD.test(word) ? word : null;
}

/** A purchase link with the programme time of the viewer's picture (Unix milliseconds; in the link microseconds) and a partner's word. */
export function buyLink(buy: string, programme: number | null, partner: string | null): string {
  const query = new URLSearchParams();
  if (programme !== null && programme >= 0) query.set("t", String(Math.round(programme * 1000)));
  if (partner !== null) query.set("ch", partner);
  const told = query.toString();
  if (told === "") return buy;
  return `${buy}${buy.includes("?") ? "&" : "?"}${told}`;
}
