import { onMount, untrack } from "svelte";
import { SvelteMap } from "svelte/reactivity";
import { ApiError, type Channel, get, type Show } from "../api/client.ts";
import { language } from "../messages/language.svelte.ts";
import { s } from "../messages/staff/say.svelte.ts";
import { Live, live } from "../realtime/live.svelte.ts";
import type { Feed, Iso, Job } from "../realtime/topics.ts";
import { session } from "../session/session.svelte.ts";
import { concerns, type Storage } from "./attention.ts";
import { joined, type Sample } from "./graph.ts";
import { bytes } from "./units.ts";

/** Documents that the server told, and over them what it answered to this page's own changes a moment ago. */
export class Table<T extends { readonly id: string }> {
  readonly told: Live<T>;
  /** An answer holds until the server tells something newer of the same thing. */
  #answered = new SvelteMap<string, { readonly doc: T | null; readonly over: T | undefined }>();

  constructor(told: Live<T>) {
    this.told = told;
  }

  list = $derived.by<readonly T[]>(() => {
    const items = new Map(this.told.items);
    for (const [id, { doc, over }] of this.#answered) {
      if (items.get(id) !== over) continue;
      if (doc === null) items.delete(id);
      else items.set(id, doc);
    }
    return [...items.values()];
  });

  get(id: string | null | undefined): T | undefined {
    return id == null ? undefined : this.list.find((item) => item.id === id);
  }

  /** The server answered with this. */
  answered(doc: T): T {
    this.#answered.set(doc.id, { doc, over: this.told.items.get(doc.id) });
    return doc;
  }

  /** The server said that it is gone. */
  gone(id: string): void {
    this.#answered.set(id, { doc: null, over: this.told.items.get(id) });
  }
}

const DISK_EVERY = 30_000;
const JOBS_EVERY = 1_500;

/** Everything that the page shows. Make it while a component is made. */
export class Board {
  readonly channels = new Table<Channel>(live("channels"));
  readonly feeds = new Table<Feed>(live("feeds"));
  readonly shows = new Table<Show>(live("shows"));
  /** Nothing below staff, who alone may see them. */
  readonly isos = new Table<Iso>(session.may("staff") ? live("isos") : new Live<Iso>());
  readonly jobs = new Table<Job>(live("jobs"));
  readonly #sources = live("sources");
  storage = $state.raw<Storage | null>(null);
  storageFailed = $state(false);
  /** Bit rates by feed, as long as this page is open. */
  readonly rates = new SvelteMap<string, readonly Sample[]>();
  /** Unix milliseconds of when something was told last. */
  heard = $state(Date.now());

  constructor() {
    $effect(() => {
      const feeds = this.feeds.told.items;
      untrack(() => this.#remember(feeds));
    });
    $effect(() => {
      // Read what marks news, so that this runs with each of them.
      void [this.channels.told.items, this.feeds.told.items, this.shows.told.items];
      this.heard = Date.now();
    });
    onMount(() => {
      const stops = [
        every(DISK_EVERY, (signal) => this.#askDisk(signal)),
        every(JOBS_EVERY, (signal) => this.#askJobs(signal)),
      ];
      return () => {
        for (const stop of stops) stop();
      };
    });
  }

  get waiting(): boolean {
    return [this.channels, this.feeds, this.shows].some((table) => table.told.status === "waiting");
  }

  get stale(): boolean {
    return [this.channels, this.feeds, this.shows].some((table) => table.told.status === "stale");
  }

  /** Topics whose owner does not answer. */
  get silent(): readonly string[] {
    return [...this.#sources.items].filter(([, source]) => !source.fresh).map(([topic]) => topic);
  }

  readonly concerns = $derived.by(() =>
    concerns({
      channels: this.channels.list,
      feeds: this.feeds.list,
      shows: this.shows.list,
      isos: this.isos.list,
      storage: this.storage,
      words: s,
      free: bytes,
    }),
  );

  exportOf(recording: string | null): Job | undefined {
    return this.jobs.list.find((job) => job.recording === recording && job.kind === "export");
  }

  #remember(feeds: ReadonlyMap<string, Feed>): void {
    const at = Date.now();
    for (const [id, feed] of feeds) {
      if (feed.state === "live" || feed.state === "stalled") {
        this.rates.set(id, joined(this.rates.get(id) ?? [], { at, rate: feed.bitrate }));
      }
    }
    for (const id of this.rates.keys()) if (!feeds.has(id)) this.rates.delete(id);
  }

  async #askDisk(signal: AbortSignal): Promise<void> {
    if (!session.may("staff")) return;
    try {
      this.storage = await get("/api/v1/storage", { signal, language: language() });
      this.storageFailed = false;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.storageFailed = true;
    }
  }

  /** Where jobs are not told, those that run are asked for. */
  async #askJobs(signal: AbortSignal): Promise<void> {
    if (this.jobs.told.status === "live") return;
    for (const job of this.jobs.list.filter((each) => each.state === "queued" || each.state === "running")) {
      try {
        this.jobs.answered(await get("/api/v1/jobs/{job}", { path: { job: job.id }, signal }));
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
      }
    }
  }
}

/** Asks at once and then every so many milliseconds while the page is seen; gives what ends it. */
function every(milliseconds: number, ask: (signal: AbortSignal) => Promise<void>): () => void {
  const life = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const turn = async () => {
    try {
      if (!document.hidden) await ask(life.signal);
    } catch (error) {
      if (!life.signal.aborted) throw error;
    } finally {
      if (!life.signal.aborted) timer = setTimeout(() => void turn(), milliseconds);
    }
  };
  void turn();
  return () => {
    life.abort();
    clearTimeout(timer);
  };
}
