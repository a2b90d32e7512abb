import type { Cause } from "./state.ts";

/** A choice of picture. `auto` follows the network; `audio` has no picture. */
export interface Quality {
  readonly id: "auto" | "audio" | `rung-${number}`;
  /** Pixels of the shorter side; 0 for auto and audio. */
  readonly lines: number;
}

/** The stretch that can be sought, in seconds of the media element's clock. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

export interface EngineEvents {
  /** The source is understood; playing may begin. */
  opened(): void;
  /** It cannot go on by itself. */
  failed(cause: Cause, why: string): void;
  /** Qualities, or the one that plays, changed. */
  qualities(): void;
}

/** What turns a playlist into a picture on a media element: hls.js, or the browser itself. */
export interface Engine {
  readonly name: "hls.js" | "native";
  readonly events: EngineEvents;
  /**
   * Opens the source afresh; an earlier one is dropped. `at` is programme time (Unix milliseconds) where there is
   * one, else seconds; null is the live edge, or the start of a recording.
   */
  open(at: Place | null): void;
  repair(): void;
  destroy(): void;
  readonly qualities: readonly Quality[];
  readonly quality: Quality["id"];
  /** Lines of the rung that plays; 0 where unknown. */
  readonly lines: number;
  /** Bits per second of that rung; 0 where unknown. */
  readonly bitrate: number;
  choose(id: Quality["id"]): void;
  /** Null before the first playlist. For live, `end` is the place where live viewing is, not the last byte. */
  readonly stretch: Stretch | null;
  /** Seconds from the end of the playlist to the picture; null where unknown. */
  readonly latency: number | null;
  /** Programme time in Unix milliseconds at a media time; null where the playlist does not tell. */
  programmeAt(seconds: number): number | null;
  /** For the debug handle alone. */
  readonly inner: unknown;
}

/** Where the viewer is: in programme time, which survives a reopened source, else in seconds. */
export interface Place {
  readonly programme: number | null;
  readonly seconds: number;
}

export interface Abilities {
  readonly userAgent: string;
  /** Media Source Extensions, or the managed kind of iPhones. */
  readonly mediaSource: boolean;
  /** What the media element says of `application/vnd.apple.mpegurl`. */
  readonly native: boolean;
}

/**
 * Safari plays LL-HLS itself, with less battery and with AirPlay. Other browsers that claim HLS (recent Chromium,
 * Android) lag far behind the live edge with it, so they get hls.js where it can run.
 */
export function engineFor(abilities: Abilities): "hls.js" | "native" | null {
  const safari =
    /\bversion\/[\d.]+.*\bsafari\//i.test(abilities.userAgent) &&
    !/chrom(e|ium)|android|crios|fxios|edg|opr\//i.test(abilities.userAgent);
  const apple = safari || /\b(iphone|ipad|ipod)\b/i.test(abilities.userAgent);
  if (apple && abilities.native) return "native";
  if (abilities.mediaSource) return "hls.js";
  return abilities.native ? "native" : null;
}
