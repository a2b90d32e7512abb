import { onMount } from "svelte";
import { ApiError } from "../api/client.ts";
import { Connection, type ConnectionState, type Listener, type Surroundings } from "./connection.ts";
import { type Doc, type Docs, type Frame, patched, type Refusal, taken } from "./frames.ts";
import { REST, type Topic, type Topics } from "./topics.ts";

/**
 * `waiting`: nothing is known yet. `live`: told of each change. `polling`: asked for every few seconds.
 * `stale`: what is shown was true when the connection was lost. `refused`: this log-in may not see it.
 */
export type LiveStatus = "waiting" | "live" | "polling" | "stale" | "refused";

const POLL_EVERY = 5_000;

/** The documents of one topic, reactive. */
export class Live<T> {
  /** By key. A document that did not change stays the same object. */
  items = $state.raw<ReadonlyMap<string, T>>(new Map());
  status = $state<LiveStatus>("waiting");
  /** Why it is refused; null otherwise. */
  refusal = $state<Refusal | null>(null);

  /** Whether `items` is what the server has, or had. */
  get known(): boolean {
    return this.status !== "waiting" && this.status !== "refused";
  }

  /** In order of their keys. */
  get list(): readonly T[] {
    return [...this.items].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item);
  }
}

interface Held {
  readonly live: Live<Doc>;
  readers: number;
  /** Whether to ask by REST where there are no WebSockets. */
  polls: boolean;
  /** Whether `items` is of the present epoch up to the present offset. */
  has: boolean;
}

/** All topics that the page reads, over one connection. */
export class Realtime implements Listener {
  readonly connection: Connection;
  #topics = new Map<Topic, Held>();
  #epoch = "";
  #offset = 0;
  #polling: AbortController | null = null;
  #world: Surroundings;

  constructor(world: Surroundings) {
    this.#world = world;
    this.connection = new Connection(world, this);
  }

  /** Read a topic until the function that is given back is called. Several may read the same. */
  read<K extends Topic>(
    topic: K,
    polls = true,
  ): { readonly live: Live<Topics[K]>; readonly stop: () => void } {
    const held = this.#topics.get(topic) ?? { live: new Live<Doc>(), readers: 0, has: false, polls };
    held.readers += 1;
    held.polls ||= polls;
    if (held.readers === 1) {
      this.#topics.set(topic, held);
      this.connection.subscribe({ [topic]: null });
      this.connection.want();
      if (this.#polling && polls) void this.#ask(topic, this.#polling.signal);
    }
    const stop = () => {
      held.readers -= 1;
      if (held.readers > 0) return;
      this.#topics.delete(topic);
      if (this.#topics.size === 0) this.connection.rest();
      else this.connection.unsubscribe([topic]);
    };
    // The server's documents are what the REST API's schema says.
    return { live: held.live as unknown as Live<Topics[K]>, stop };
  }

  wants(epoch: string): Record<string, number | null> {
    const same = epoch === this.#epoch;
    const wants: Record<string, number | null> = {};
    for (const [topic, held] of this.#topics) {
      held.has &&= same;
      wants[topic] = held.has ? this.#offset : null;
    }
    this.#epoch = epoch;
    return wants;
  }

  frame(frame: Frame): void {
    if (frame.type === "snapshot" || frame.type === "patch" || frame.type === "beat") {
      this.#offset = frame.offset;
    }
    for (const [topic, held] of this.#topics) {
      if (frame.type === "snapshot") this.#settle(held, taken(frame, topic), true);
      else if (frame.type === "patch") {
        if (frame.resumed?.includes(topic)) held.live.status = "live";
        if (held.has) held.live.items = patched(held.live.items, frame, topic);
      } else if (frame.type === "refused") this.#refuse(held, frame.topics[topic]);
    }
  }

  changed(state: ConnectionState): void {
    if (state === "absent" && this.#polling === null) {
      this.#polling = new AbortController();
      void this.#poll(this.#polling.signal);
    } else if (state === "open" || state === "resting") {
      this.#polling?.abort();
      this.#polling = null;
    }
    if (state === "open") return;
    for (const { live } of this.#topics.values()) if (live.status === "live") live.status = "stale";
  }

  #settle(held: Held, docs: Docs | undefined, told: boolean): void {
    if (docs === undefined) return;
    held.live.items = docs;
    held.live.status = told ? "live" : "polling";
    held.live.refusal = null;
    held.has = told;
  }

  #refuse(held: Held, why: Refusal | undefined): void {
    if (why === undefined) return;
    held.live.items = new Map();
    held.live.status = "refused";
    held.live.refusal = why;
    held.has = false;
  }

  async #poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (!this.#world.hidden()) {
        const asked = [...this.#topics].filter(([, { polls }]) => polls);
        await Promise.all(asked.map(([topic]) => this.#ask(topic, signal)));
      }
      await new Promise<void>((resolve) => this.#world.after(POLL_EVERY, resolve));
    }
  }

  async #ask(topic: Topic, signal: AbortSignal): Promise<void> {
    try {
      const items = await REST[topic]?.(signal);
      const held = this.#topics.get(topic);
      if (!held || !items || signal.aborted) return;
      this.#settle(held, new Map(items.map((item) => [item.id, { ...item }])), false);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      const held = this.#topics.get(topic);
      if (!held) return;
      if (error.status === 401) this.#refuse(held, "unauthenticated");
      else if (error.status === 403) this.#refuse(held, "forbidden");
      else if (held.live.known) held.live.status = "stale";
    }
  }
}

function browser(): Surroundings {
  return {
    open: (protocols, heard) => {
      const scheme = location.protocol === "https:" ? "wss" : "ws";
      const socket = new WebSocket(`${scheme}://${location.host}/realtime`, protocols);
      socket.onopen = () => heard.opened();
      socket.onmessage = ({ data }) => heard.text(String(data));
      socket.onclose = () => heard.closed();
      return {
        send: (text) => socket.send(text),
        close: () => {
          socket.onopen = socket.onmessage = socket.onclose = null;
          socket.close();
        },
      };
    },
    after: (milliseconds, call) => {
      const timer = setTimeout(call, milliseconds);
      return () => clearTimeout(timer);
    },
    random: Math.random,
    online: () => navigator.onLine,
    hidden: () => document.hidden,
  };
}

let shared: Realtime | null = null;

function page(): Realtime {
  if (shared) return shared;
  const made = new Realtime(browser());
  const look = () => made.connection.look();
  document.addEventListener("visibilitychange", look);
  for (const event of ["online", "offline"]) window.addEventListener(event, look);
  shared = made;
  return made;
}

/**
 * The documents of a topic, followed while the component that calls this stands (call it while the component is
 * made). All components of a page share one connection. Without `polls` a page that asks by itself where there are no
 * WebSockets spares the second asking.
 */
export function live<K extends Topic>(topic: K, { polls = true } = {}): Live<Topics[K]> {
  const { live, stop } = page().read(topic, polls);
  onMount(() => stop);
  return live;
}

/** After logging in or out: connect with what one may see now. */
export function renew(): void {
  shared?.connection.renew();
}
