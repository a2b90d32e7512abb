import Hls, { type ErrorData, ErrorTypes, Events, type LevelDetails } from "hls.js";
import type { Engine, EngineEvents, Place, Quality, Stretch } from "./engine.ts";
import { HLS_CONFIG } from "./hls-config.ts";
import type { Cause } from "./state.ts";
import { type Dated, mediaAt, programmeAt } from "./timeline.ts";

/** Segments at the far end of a live window that are not offered for seeking. */
const SAFE_SEGMENTS = 3;

/** hls.js on one media element. Each `open` takes a new instance: an old one's trouble cannot follow. */
export class HlsEngine implements Engine {
  readonly name = "hls.js";
  readonly events: EngineEvents;
  readonly #video: HTMLVideoElement;
  readonly #url: string;
  #hls: Hls | null = null;
  #wanted: Quality["id"] = "auto";
  #audioUrl: string | null = null;
  #bandwidth = 0;

  constructor(video: HTMLVideoElement, url: string, events: EngineEvents) {
    this.#video = video;
    this.#url = url;
    this.events = events;
  }

  static get usable(): boolean {
    return Hls.isSupported();
  }

  get inner(): unknown {
    return this.#hls;
  }

  open(at: Place | null): void {
    this.destroy();
    const hls = new Hls({
      ...HLS_CONFIG,
      ...(this.#bandwidth > 0 ? { abrEwmaDefaultEstimate: this.#bandwidth } : {}),
      // Programme time is turned into seconds once the playlist is there; a recording starts where it was.
      startPosition: at !== null && at.programme === null ? at.seconds : -1,
    });
    this.#hls = hls;
    hls.on(Events.ERROR, (_, data) => this.#failed(hls, data));
    hls.on(Events.MANIFEST_PARSED, (_, { audioTracks }) => {
      this.#audioUrl ??= audioTracks[0]?.url ?? null;
      if (this.#wanted !== "audio") this.#apply(hls);
      this.events.qualities();
      this.events.opened();
    });
    hls.on(Events.LEVEL_SWITCHED, () => this.events.qualities());
    if (at?.programme != null) this.#returnTo(hls, at.programme);
    hls.loadSource(this.#wanted === "audio" && this.#audioUrl !== null ? this.#audioUrl : this.#url);
    hls.attachMedia(this.#video);
  }

  /** Once the first playlist is there, goes to a programme time, if it is still in the window. */
  #returnTo(hls: Hls, programme: number): void {
    hls.once(Events.LEVEL_UPDATED, (_, { details }) => {
      const seconds = mediaAt(dated(details), programme);
      const live = hls.liveSyncPosition ?? details.edge;
      if (seconds !== null && (!details.live || seconds < live - 1)) this.#video.currentTime = seconds;
    });
  }

  repair(): void {
    this.#hls?.recoverMediaError();
  }

  destroy(): void {
    if (this.#hls === null) return;
    this.#bandwidth = Number.isFinite(this.#hls.bandwidthEstimate) ? this.#hls.bandwidthEstimate : 0;
    this.#hls.destroy();
    this.#hls = null;
  }

  get qualities(): readonly Quality[] {
    const rungs = (this.#hls?.levels ?? [])
      .map((level, index): Quality => ({ id: `rung-${index}`, lines: Math.min(level.width, level.height) }))
      .filter((rung) => rung.lines > 0)
      .sort((a, b) => b.lines - a.lines);
    if (this.#wanted === "audio") return this.#remembered;
    const audio: Quality[] = this.#audioUrl === null ? [] : [{ id: "audio", lines: 0 }];
    this.#remembered = [{ id: "auto", lines: 0 }, ...rungs, ...audio];
    return this.#remembered;
  }
  #remembered: readonly Quality[] = [];

  get quality(): Quality["id"] {
    return this.#wanted;
  }

  get lines(): number {
    const level = this.#hls?.levels[this.#hls.currentLevel];
    return level === undefined ? 0 : Math.min(level.width, level.height);
  }

  get bitrate(): number {
    return this.#hls?.levels[this.#hls.currentLevel]?.bitrate ?? 0;
  }

  choose(id: Quality["id"]): void {
    const reopen = (id === "audio") !== (this.#wanted === "audio");
    this.#wanted = id;
    if (reopen) {
      const seconds = this.#video.currentTime;
      this.open({ programme: this.programmeAt(seconds), seconds });
    } else if (this.#hls !== null) {
      this.#apply(this.#hls);
    }
    this.events.qualities();
  }

  #apply(hls: Hls): void {
    const index = this.#wanted.startsWith("rung-") ? Number(this.#wanted.slice(5)) : -1;
    hls.nextLevel = index < hls.levels.length ? index : -1;
  }

  get stretch(): Stretch | null {
    const details = this.#details;
    if (details === null) return null;
    if (!details.live) return { start: details.fragmentStart, end: details.edge };
    const end = this.#hls?.liveSyncPosition ?? details.edge;
    // The oldest segments leave the window while somebody seeks to them: hls.js would then jump to the live edge.
    const start = details.fragmentStart + SAFE_SEGMENTS * details.targetduration;
    return { start: Math.min(start, end), end };
  }

  get latency(): number | null {
    const latency = this.#hls?.latency ?? 0;
    return this.#details?.live && latency > 0 ? latency : null;
  }

  programmeAt(seconds: number): number | null {
    return this.#details === null ? null : programmeAt(dated(this.#details), seconds);
  }

  get #details(): LevelDetails | null {
    return this.#hls?.latestLevelDetails ?? null;
  }

  #failed(hls: Hls, data: ErrorData): void {
    if (!data.fatal || hls !== this.#hls) return;
    const causes: Partial<Record<ErrorTypes, Cause>> = {
      [ErrorTypes.NETWORK_ERROR]: "network",
      [ErrorTypes.MEDIA_ERROR]: "media",
    };
    this.events.failed(causes[data.type] ?? "other", data.details);
  }
}

function dated(details: LevelDetails): Dated[] {
  const found: Dated[] = [];
  for (const fragment of details.fragments) {
    if (fragment?.programDateTime == null) continue;
    found.push({ start: fragment.start, duration: fragment.duration, programme: fragment.programDateTime });
  }
  return found;
}
