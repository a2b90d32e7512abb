import { onMount } from "svelte";
import { ApiError } from "../api/client.ts";
import { session } from "../session/session.svelte.ts";

interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

/** A list of the API, page after page. Make it while a component is made. */
export class Paged<T extends { readonly id: string }> {
  items = $state.raw<readonly T[]>([]);
  /** `waiting` until the first answer; `failed` when the newest request was none, whatever is in `items`. */
  status = $state<"waiting" | "ready" | "failed">("waiting");
  busy = $state(false);
  #next = $state<string | null>(null);
  #asking = new AbortController();
  readonly #ask: (cursor: string, signal: AbortSignal) => Promise<Page<T>>;

  constructor(ask: (cursor: string, signal: AbortSignal) => Promise<Page<T>>) {
    this.#ask = ask;
    onMount(() => {
      const life = new AbortController();
      window.addEventListener("online", () => this.status === "failed" && void this.load(), {
        signal: life.signal,
      });
      void this.load();
      return () => {
        life.abort();
        this.#asking.abort();
      };
    });
  }

  /** Whether there is a page behind. */
  get more(): boolean {
    return this.#next !== null;
  }

  get(id: string | null | undefined): T | undefined {
    return this.items.find((item) => item.id === id);
  }

  /** From the beginning; what was asked for before does not count any more. */
  load(): Promise<void> {
    return this.#turn("", []);
  }

  /** The next page. */
  async follow(): Promise<void> {
    if (this.#next !== null && !this.busy) await this.#turn(this.#next, this.items);
  }

  /** The server answered with this one. */
  put(item: T): T {
    const known = this.items.some((other) => other.id === item.id);
    this.items = known
      ? this.items.map((other) => (other.id === item.id ? item : other))
      : [...this.items, item];
    return item;
  }

  /** The server said that it is gone. */
  gone(id: string): void {
    this.items = this.items.filter((item) => item.id !== id);
  }

  async #turn(cursor: string, before: readonly T[]): Promise<void> {
    this.#asking.abort();
    const asking = new AbortController();
    this.#asking = asking;
    this.busy = true;
    try {
      const page = await this.#ask(cursor, asking.signal);
      // What was changed on this page meanwhile is not doubled.
      const known = new Set(before.map((item) => item.id));
      this.items = [...before, ...page.items.filter((item) => !known.has(item.id))];
      this.#next = page.next;
      this.status = "ready";
    } catch (error) {
      if (asking.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      await session.ended(error);
      this.status = "failed";
    } finally {
      if (this.#asking === asking) this.busy = false;
    }
  }
}
