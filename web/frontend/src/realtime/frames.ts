/** The wire format of `/realtime`, version 1: docs/realtime.md. */

export const PROTOCOL = "gachi.v1";
export const VERSION = 1;

export type Doc = Readonly<Record<string, unknown>>;
export type Docs = ReadonlyMap<string, Doc>;
export type Refusal = "unauthenticated" | "forbidden" | "unknown";
type ByTopic<T> = Readonly<Record<string, T>>;
type ByKey<T> = Readonly<Record<string, T>>;

export interface Hello {
  readonly type: "hello";
  readonly v: number;
  /** Names the server process and what this client may see: offsets mean something within it alone. */
  readonly epoch: string;
  readonly role: string | null;
  /** Seconds within which a frame comes, whatever happens. */
  readonly beat: number;
}
export interface Snapshot {
  readonly type: "snapshot";
  readonly offset: number;
  readonly topics: ByTopic<ByKey<Doc>>;
}
export interface Patch {
  readonly type: "patch";
  readonly offset: number;
  readonly resumed?: readonly string[];
  readonly put?: ByTopic<ByKey<Doc>>;
  readonly set?: ByTopic<ByKey<Doc>>;
  readonly gone?: ByTopic<readonly string[]>;
}
export interface Beat {
  readonly type: "beat";
  readonly offset: number;
}
export interface Refused {
  readonly type: "refused";
  readonly topics: ByTopic<Refusal>;
}
export type Frame = Hello | Snapshot | Patch | Beat | Refused;

const TYPES = new Set(["hello", "snapshot", "patch", "beat", "refused"]);

/** The frame in a text; null for a kind that is newer than this page, which loses nothing by passing it over. */
export function frameOf(text: string): Frame | null {
  const frame = JSON.parse(text) as Frame;
  return TYPES.has(frame.type) ? frame : null;
}

/** The documents of one topic after a snapshot. */
export function taken(frame: Snapshot, topic: string): Docs | undefined {
  const docs = frame.topics[topic];
  return docs && new Map(Object.entries(docs));
}

/** The documents of one topic after a patch: the same map where the patch does not touch them. */
export function patched(docs: Docs, frame: Patch, topic: string): Docs {
  const [put, set, gone] = [frame.put?.[topic], frame.set?.[topic], frame.gone?.[topic]];
  if (!put && !set && !gone) return docs;
  const next = new Map(docs);
  for (const [key, doc] of Object.entries(put ?? {})) next.set(key, doc);
  for (const [key, fields] of Object.entries(set ?? {})) next.set(key, { ...next.get(key), ...fields });
  for (const key of gone ?? []) next.delete(key);
  return next;
}
