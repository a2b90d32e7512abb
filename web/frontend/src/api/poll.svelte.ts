import { onMount, untrack } from "svelte";
import { ApiError } from "./client.ts";

const EVERY = 5_000;
const SLOWEST = 30_000;
const SELDOM = 60_000;

function pause(failures: number, seldom: boolean): number {
  if (failures === 0) return seldom ? SELDOM : EVERY;
  return Math.min(SLOWEST, EVERY * 2 ** (failures - 1));
}

/** What a page knows of something that changes on the server. */
export class Polled<T> {
  /** The newest answer; kept when a later request fails. */
  value = $state.raw<T | null>(null);
  /** Why the newest request failed; null when it worked. */
  error = $state.raw<ApiError | null>(null);
  #refresh: () => void = () => undefined;

  /** While `seldom` holds, what matters is told in another way, and is asked for once a minute only. */
  constructor(ask: (signal: AbortSignal) => Promise<T>, seldom: () => boolean = () => false) {
    onMount(() => this.#run(ask, seldom));
    $effect(() => {
      if (!seldom()) untrack(() => this.#refresh());
    });
  }

  /** Asks now instead of at the next turn. */
  refresh(): void {
    this.#refresh();
  }

  /** Asks every five seconds while the page is seen; slower while it fails; at once when it is seen again. */
  #run(ask: (signal: AbortSignal) => Promise<T>, seldom: () => boolean): () => void {
    const life = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let asking = false;
    let failures = 0;
    const turn = async () => {
      clearTimeout(timer);
      if (asking || document.hidden || life.signal.aborted) return;
      asking = true;
      try {
        this.value = await ask(life.signal);
        this.error = null;
        failures = 0;
      } catch (error) {
        if (life.signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        this.error = error;
        failures += 1;
      } finally {
        asking = false;
      }
      timer = setTimeout(turn, pause(failures, seldom()));
    };
    this.#refresh = () => void turn();
    document.addEventListener("visibilitychange", this.#refresh, { signal: life.signal });
    window.addEventListener("online", this.#refresh, { signal: life.signal });
    void turn();
    return () => {
      life.abort();
      clearTimeout(timer);
    };
  }
}
