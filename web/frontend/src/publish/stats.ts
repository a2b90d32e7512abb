/** What the connection carries and how well, from `getStats()`. Pure: reports in, readings out. */

export type Grade = "good" | "weak" | "bad";

/** Counters of one report, to compare the next one with. */
export interface Counters {
  /** Milliseconds. */
  readonly at: number;
  readonly bytes: number;
  readonly frames: number;
}

export interface Reading {
  /** Bits a second, sound and picture with repeats. */
  readonly bitrate: number;
  /** Pictures a second that were sent. */
  readonly rate: number;
  /** Pictures a second that the camera gives: fewer in dim light, which is no fault of the network; null while unknown. */
  readonly source: number | null;
  /** Share of packets that did not arrive, 0 to 1; null while the server has not told. */
  readonly loss: number | null;
  /** Milliseconds to the server and back; null while unknown. */
  readonly delay: number | null;
  /** What holds the picture's quality down. */
  readonly limit: "none" | "cpu" | "bandwidth";
  readonly width: number;
  readonly height: number;
}

/** Fields of the dictionaries of webrtc-stats that are read here. */
interface Entry {
  readonly type?: string;
  readonly kind?: string;
  readonly timestamp?: number;
  readonly bytesSent?: number;
  readonly framesEncoded?: number;
  readonly fractionLost?: number;
  readonly roundTripTime?: number;
  readonly qualityLimitationReason?: string;
  readonly frameWidth?: number;
  readonly frameHeight?: number;
  readonly framesPerSecond?: number;
}

const limits = (reason: string | undefined): Reading["limit"] =>
  reason === "cpu" || reason === "bandwidth" ? reason : "none";

/** The counters of a report, and what happened since `before`; no reading for the first one. */
export function read(
  entries: readonly unknown[],
  before: Counters | null,
): { counters: Counters; reading: Reading | null } {
  const all = entries as readonly Entry[];
  const out = all.filter(({ type }) => type === "outbound-rtp");
  const video = out.find(({ kind }) => kind === "video");
  const far = all.find(({ type, kind }) => type === "remote-inbound-rtp" && kind === "video");
  const camera = all.find(({ type, kind }) => type === "media-source" && kind === "video");
  const counters: Counters = {
    at: Math.max(0, ...out.map(({ timestamp }) => timestamp ?? 0)),
    bytes: out.reduce((sum, { bytesSent }) => sum + (bytesSent ?? 0), 0),
    frames: video?.framesEncoded ?? 0,
  };
  const seconds = before === null ? 0 : (counters.at - before.at) / 1000;
  if (before === null || seconds <= 0) return { counters, reading: null };
  const reading: Reading = {
    bitrate: (Math.max(0, counters.bytes - before.bytes) * 8) / seconds,
    rate: Math.max(0, counters.frames - before.frames) / seconds,
    source: camera?.framesPerSecond ?? null,
    loss: far?.fractionLost ?? null,
    delay: far?.roundTripTime === undefined ? null : far.roundTripTime * 1000,
    limit: limits(video?.qualityLimitationReason),
    width: video?.frameWidth ?? 0,
    height: video?.frameHeight ?? 0,
  };
  return { counters, reading };
}

/** How good that is for whoever watches. */
export function gradeOf(reading: Reading): Grade {
  const { bitrate, limit } = reading;
  const kept = reading.source ? reading.rate / reading.source : 1;
  const loss = reading.loss ?? 0;
  const delay = reading.delay ?? 0;
  if (loss > 0.1 || delay > 1_000 || kept < 0.4 || bitrate < 100_000) return "bad";
  if (loss > 0.03 || delay > 400 || kept < 0.7 || (limit === "bandwidth" && bitrate < 600_000)) return "weak";
  return "good";
}

const ORDER: readonly Grade[] = ["good", "weak", "bad"];
/** Grades that the shown one is the middle of: one bad second is no bad network. */
export const REMEMBERED = 5;

/** The middle one of the last grades. */
export function settled(grades: readonly Grade[]): Grade | null {
  const ranks = grades.slice(-REMEMBERED).map((grade) => ORDER.indexOf(grade));
  ranks.sort((a, b) => a - b);
  return ORDER[ranks[Math.floor(ranks.length / 2)] ?? -1] ?? null;
}

/** A bit rate in words: `2.3 Mb/s`, `840 kb/s`. */
export function rateText(bitrate: number): string {
  if (bitrate >= 1_000_000) return `${(bitrate / 1_000_000).toFixed(1)} Mb/s`;
  return `${Math.round(bitrate / 10_000) * 10} kb/s`;
}
