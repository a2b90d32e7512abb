/**
 * The address that somebody opens to go live to a feed. The stream key stands in the fragment, which browsers keep to
 * themselves: it is in no request, no log and no Referer.
 */
export function publishAddress(origin: string, feed: string, key = ""): string {
  const page = `${origin}/publish/${encodeURIComponent(feed)}`;
  return key === "" ? page : `${page}#key=${encodeURIComponent(key)}`;
}

/** The stream key in a fragment (`#key=…`); empty where there is none. */
export function keyIn(fragment: string): string {
  return new URLSearchParams(fragment.replace(/^#/, "")).get("key")?.trim() ?? "";
}
