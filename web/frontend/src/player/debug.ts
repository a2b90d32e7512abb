/** Exposes the player's insides where the address asks for it; returns how to take them away again. */
export function expose(read: () => unknown): () => void {
  if (!new URLSearchParams(location.search).has("debug")) return () => undefined;
  Object.defineProperty(window, "__gachi", { configurable: true, get: read });
  return () => Reflect.deleteProperty(window, "__gachi");
}
