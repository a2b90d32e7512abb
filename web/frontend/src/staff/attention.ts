import { stateOf } from "../api/channel.ts";
import type { Channel, Show } from "../api/client.ts";
import type { components } from "../api/schema.d.ts";
import type { Values } from "../messages/index.ts";
import type { StaffKey } from "../messages/staff/index.ts";
import type { Feed, Iso } from "../realtime/topics.ts";

export type Storage = components["schemas"]["Storage"];

/** Something that a person should see to. */
export interface Concern {
  /** Stays the same while the same thing is wrong. */
  readonly id: string;
  /** `now`: viewers notice. `soon`: they will, if nobody does anything. */
  readonly level: "now" | "soon";
  readonly title: StaffKey;
  readonly next: StaffKey;
  readonly values: Values;
  /** Where on the page it is mended. */
  readonly href: string;
}

export interface Known {
  readonly channels: readonly Channel[];
  readonly feeds: readonly Feed[];
  readonly shows: readonly Show[];
  readonly isos: readonly Iso[];
  readonly storage: Storage | null;
  /** A text of the catalogue in the reader's language. */
  readonly words: (key: StaffKey) => string;
  readonly free: (bytes: number) => string;
}

/** Below this share of the frames that are due a channel counts as too slow. */
export const SLOW = 0.95;
/** So many times the space at which old tape is let go, people are warned. */
const LOW = 3;

export const nameOf = (thing: { readonly id: string; readonly name: string }): string =>
  thing.name || thing.id;

/** Whether a channel runs on demand and nobody asks for it: it is off air on purpose. */
export function resting(channel: Channel & { readonly idle?: boolean }): boolean {
  return channel.on_air && channel.idle === true;
}

export type Run = Channel["state"] | "starting" | "resting";

/** How a channel runs, with the sign that stands for it. */
export function runOf(channel: Channel): { readonly state: Run; readonly tone: "onair" | "needs" | "off" } {
  const off = channel.state === "offline" && channel.on_air;
  const state = off ? (resting(channel) ? "resting" : "starting") : channel.state;
  const tones = { live: "onair", slate: "needs", starting: "needs", resting: "off", offline: "off" } as const;
  return { state, tone: tones[state] };
}

/** What needs a person, the worst first. Empty is the good state. */
export function concerns(known: Known): readonly Concern[] {
  const found = [
    ...known.channels.flatMap((channel) => ofChannel(channel, known)),
    ...known.shows.flatMap((show) => ofShow(show, known.channels)),
    ...known.feeds.flatMap((feed) => ofFeed(feed, known.channels)),
    ...known.isos.flatMap((iso) => ofIso(iso, known.feeds)),
    ...ofDisk(known),
  ];
  return [...found.filter((each) => each.level === "now"), ...found.filter((each) => each.level === "soon")];
}

function ofChannel(channel: Channel, known: Known): Concern[] {
  if (!channel.on_air || resting(channel)) return [];
  const found: Concern[] = [];
  const program = known.feeds.find((feed) => feed.id === channel.program?.feed);
  const tell = (what: "down" | "slate" | "empty" | "freeze" | "backup" | "slow", level: Concern["level"]) =>
    found.push({
      id: `channel.${channel.id}.${what}`,
      level,
      title: `look.channel.${what}`,
      next: `look.channel.${what}.next`,
      values: {
        channel: nameOf(channel),
        feed: program === undefined ? (channel.program?.feed ?? "") : nameOf(program),
        state: known.words(`feed.phase.${program?.state ?? "lost"}`),
        speed: `${(channel.speed ?? 0).toFixed(2)}×`,
      },
      href: `#channel-${channel.id}`,
    });
  const wanted = channel.program?.feed ?? null;
  const shown = channel.picture ?? "";
  const showIsLive = known.shows.some((show) => show.channel === channel.id && show.state === "live");
  if (channel.state === "offline") tell("down", "now");
  else if (wanted === null) {
    if (showIsLive) tell("empty", "now");
  } else if (shown === "slate") tell("slate", "now");
  else if (shown === "freeze") tell("freeze", "now");
  else if (shown !== "" && shown !== wanted) tell("backup", "soon");
  if (
    stateOf(channel) !== "offline" &&
    channel.ready &&
    channel.speed !== null &&
    channel.speed > 0 &&
    channel.speed < SLOW
  ) {
    tell("slow", "now");
  }
  return found;
}

function ofShow(show: Show, channels: readonly Channel[]): Concern[] {
  const channel = channels.find((each) => each.id === show.channel);
  if (show.state !== "live" || channel === undefined || channel.on_air) return [];
  return [
    {
      id: `show.${show.id}.off`,
      level: "now",
      title: "look.show.off",
      next: "look.show.off.next",
      values: { show: show.title, channel: nameOf(channel) },
      href: `#channel-${channel.id}`,
    },
  ];
}

function ofFeed(feed: Feed, channels: readonly Channel[]): Concern[] {
  const on = channels.filter((channel) => channel.on_air);
  const href = `#feed-${feed.id}`;
  const values = { feed: nameOf(feed) };
  // What the program's own feed does is told with its channel.
  if (on.some((channel) => channel.program?.feed === feed.id)) return [];
  if (feed.state === "stalled" || feed.state === "failed") {
    const next: StaffKey =
      feed.state === "stalled" ? "feed.next.stalled" : `feed.next.failed.${pushed(feed) ? "push" : "pull"}`;
    return [{ id: `feed.${feed.id}`, level: "soon", title: `look.feed.${feed.state}`, next, values, href }];
  }
  const backs = on.find((channel) => channel.program?.backup === feed.id);
  if (backs === undefined || feed.state === "live") return [];
  return [
    {
      id: `feed.${feed.id}.backup`,
      level: "soon",
      title: "look.feed.backup",
      next: "look.feed.backup.next",
      values: { ...values, channel: nameOf(backs) },
      href,
    },
  ];
}

function ofIso(iso: Iso, feeds: readonly Feed[]): Concern[] {
  if (iso.state !== "trouble") return [];
  const feed = feeds.find((each) => each.id === iso.feed);
  return [
    {
      id: `iso.${iso.id}`,
      level: "soon",
      title: "look.iso",
      next: "look.iso.next",
      values: { feed: feed === undefined ? iso.feed : nameOf(feed), reason: iso.reason },
      href: "#isos",
    },
  ];
}

function ofDisk({ storage, free }: Known): Concern[] {
  if (storage === null || storage.min_free === 0 || storage.free >= storage.min_free * LOW) return [];
  const what = storage.free < storage.min_free ? "full" : "low";
  return [
    {
      id: `disk.${what}`,
      level: what === "full" ? "now" : "soon",
      title: `look.disk.${what}`,
      next: `look.disk.${what}.next`,
      values: { free: free(storage.free) },
      href: "#disk",
    },
  ];
}

const PULLED: ReadonlySet<string> = new Set(["file", "test", "rtsp"]);

/** Whether somebody sends this feed to us; the others we fetch or make. */
export function pushed(feed: Pick<Feed, "kind">): boolean {
  return !PULLED.has(feed.kind);
}

/** What to do about the state of a feed; null where nothing needs to be done. */
export function nextStep(feed: Feed): StaffKey | null {
  const side = pushed(feed) ? "push" : "pull";
  switch (feed.state) {
    case "live":
      return null;
    case "connecting":
    case "stalled":
      return `feed.next.${feed.state}`;
    default:
      return `feed.next.${feed.state}.${side}`;
  }
}

const CLOCK = /clock runs at (\S+) times real time/;

/** What the server says of a feed, in the reader's language where its words are known; null where it says nothing. */
export function said(feed: Pick<Feed, "reason">): { key: StaffKey; values: Values } | null {
  const clock = CLOCK.exec(feed.reason);
  if (clock) return { key: "feed.clock", values: { rate: clock[1] ?? "" } };
  return feed.reason === "" ? null : { key: "feed.said", values: { reason: feed.reason } };
}

/**
 * What is on program once `feed` is chosen. A feed cannot be its own backup: when the backup is put on air, what it
 * takes the place of stands by for it.
 */
export function chosen(
  program: Channel["program"],
  feed: string | null,
): { feed: string | null; backup: string | null } {
  const backup = program?.backup ?? null;
  return { feed, backup: feed !== null && backup === feed ? (program?.feed ?? null) : backup };
}

const WHY: Readonly<Record<string, StaffKey>> = {
  off: "channel.why.off",
  frozen: "channel.why.frozen",
  lost: "channel.why.lost",
  waiting: "channel.why.waiting",
  "sound only": "channel.why.sound",
  backup: "channel.why.backup",
  "its worker is starting": "channel.why.starting",
};

/** Why viewers do not see the feed that is on program; null while they do. */
export function whyNot(channel: Channel, feed: string): { key: StaffKey; values: Values } | null {
  const reason = channel.reason ?? "";
  if (resting(channel)) return { key: "channel.why.resting", values: {} };
  if (!channel.on_air || (channel.program?.feed != null && channel.picture === channel.program.feed))
    return null;
  if (channel.program?.feed === null && channel.picture === "slate")
    return { key: "channel.why.off", values: {} };
  const key = WHY[reason];
  if (key !== undefined) return { key, values: { feed } };
  if (reason !== "") return { key: "channel.why.other", values: { reason } };
  // A worker that has just begun gives no reason; the picture itself tells.
  if (channel.picture === "slate") return { key: "channel.why.waiting", values: { feed } };
  return channel.picture ? { key: "channel.why.backup", values: { feed } } : null;
}
