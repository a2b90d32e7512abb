import { keyIn } from "./address.ts";

/** The stream key of a feed, kept for this tab alone: it outlives a reload and not the tab. */
const nameOf = (feed: string) => `gachi.publish.${feed}.key`;

/** The key that the address brings, or the one kept. It is taken out of the address bar, where others could read it. */
export function takeKey(feed: string): string {
  const given = keyIn(location.hash);
  if (given !== "") {
    history.replaceState(history.state, "", location.pathname + location.search);
    keepKey(feed, given);
    return given;
  }
  try {
    return sessionStorage.getItem(nameOf(feed)) ?? "";
  } catch {
    return ""; // storage is forbidden: the key is typed
  }
}

export function keepKey(feed: string, key: string): void {
  try {
    sessionStorage.setItem(nameOf(feed), key);
  } catch {
    // As above: it then lasts for this page.
  }
}
