import { onMount } from "svelte";
import { get } from "../api/client.ts";
import type { components } from "../api/schema.d.ts";

type User = components["schemas"]["User"];

/** What ids are called. Whatever cannot be had, or is gone, keeps its id. Make it while a component is made. */
export class Names {
  users = $state.raw<readonly User[]>([]);
  #known = $state.raw<ReadonlyMap<string, string>>(new Map());

  constructor() {
    onMount(() => {
      const life = new AbortController();
      const asking = { query: { limit: 200 }, signal: life.signal };
      const nothing = { items: [] };
      void Promise.all([
        get("/api/v1/users", asking).catch(() => nothing),
        get("/api/v1/tokens", asking).catch(() => nothing),
        get("/api/v1/channels", asking).catch(() => nothing),
        get("/api/v1/feeds", asking).catch(() => nothing),
        get("/api/v1/shows", asking).catch(() => nothing),
      ]).then(([users, tokens, channels, feeds, shows]) => {
        if (life.signal.aborted) return;
        this.users = users.items;
        const named = [...users.items, ...tokens.items, ...channels.items, ...feeds.items];
        this.#known = new Map([
          ...named.map(({ id, name }): [string, string] => [id, name || id]),
          ...shows.items.map(({ id, title }): [string, string] => [id, title]),
        ]);
      });
      return () => life.abort();
    });
  }

  of(id: string): string | undefined {
    return this.#known.get(id);
  }
}
