/** Where the log-in page leads back to, carried in its query. */
const NEXT = "next";

/** The log-in page's address, which leads back to `page` (a path with query) afterwards. */
export function loginFor(page: string): string {
  return `/login?${new URLSearchParams({ [NEXT]: page })}`;
}

/**
 * The path that a log-in page's query leads back to; `fallback` where it names none, or a place that is not ours:
 * a link to us must not carry people away. `\` and control characters are what browsers read as something else.
 */
export function returnTo(search: string, fallback = "/"): string {
  const wanted = new URLSearchParams(search).get(NEXT) ?? "";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  if (!/^\/(?![/\\])[^\\\u0000-\u0020]*$/.test(wanted)) return fallback;
  return wanted === "/login" || wanted.startsWith("/login?") ? fallback : wanted;
}
