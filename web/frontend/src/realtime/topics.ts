import { type Channel, get, type Show } from "../api/client.ts";
import type { components } from "../api/schema.d.ts";
import type { Cards } from "../commerce/types.ts";

export type Feed = components["schemas"]["Feed"];
export type Iso = components["schemas"]["Iso"];
export type Job = components["schemas"]["Job"];

/** Whether the process that owns a topic answers: what is shown of it may be old while `fresh` is false. */
export interface Source {
  readonly fresh: boolean;
}

/** What `/realtime` tells: documents by key, in the shape in which the REST API gives them. */
export interface Topics {
  /** By id; without a role from `host` up what staff alone may see is null, as in the REST API. */
  channels: Channel;
  /** From role `host` up. */
  feeds: Feed;
  /** From role `staff` up: recordings of feeds, those that run and the newest that ended; without parts and gaps. */
  isos: Iso;
  /** Live ones, planned ones, and the newest that ended. */
  shows: Show;
  /** From role `host` up: what runs, and the newest that ended. */
  jobs: Job;
  /** By show: the products of live ones; talking points from role `host` up. */
  cards: Cards;
  /** By topic. */
  sources: Source;
}

export type Topic = keyof Topics;

type Ask = (signal: AbortSignal) => Promise<readonly { readonly id: string }[]>;

const PAGE = { query: { limit: 200 } };

/** Where WebSockets cannot be had: the request that gives the same documents. Null where there is none. */
export const REST: Readonly<Record<Topic, Ask | null>> = {
  channels: async (signal) => (await get("/api/v1/channels", { signal, ...PAGE })).items,
  feeds: async (signal) => (await get("/api/v1/feeds", { signal, ...PAGE })).items,
  shows: async (signal) => (await get("/api/v1/shows", { signal, ...PAGE })).items,
  isos: async (signal) => (await get("/api/v1/isos", { signal, ...PAGE })).items,
  jobs: null,
  cards: null,
  sources: null,
};
