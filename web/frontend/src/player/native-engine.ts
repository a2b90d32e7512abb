import type { Engine, EngineEvents, Place, Quality, Stretch } from "./engine.ts";

/** Seconds behind the end of what can be sought at which Safari plays live. */
const SAFARI_HOLD_BACK = 3;

/** The browser's own HLS. It picks the rung itself; the choice here is picture or sound alone. */
export class NativeEngine implements Engine {
  readonly name = "native";
  readonly inner = null;
  readonly lines = 0;
  readonly bitrate = 0;
  readonly events: EngineEvents;
  readonly #video: HTMLVideoElement;
  readonly #url: string;
  readonly #live: boolean;
  #life = new AbortController();
  #wanted: Quality["id"] = "auto";

  constructor(video: HTMLVideoElement, url: string, live: boolean, events: EngineEvents) {
    this.#video = video;
    this.#url = url;
    this.#live = live;
    this.events = events;
  }

  open(at: Place | null): void {
    this.destroy();
    this.#life = new AbortController();
    const { signal } = this.#life;
    const video = this.#video;
    video.addEventListener(
      "loadedmetadata",
      () => {
        if (at !== null) this.#returnTo(at);
        this.events.qualities();
        this.events.opened();
      },
      { signal, once: true },
    );
    video.addEventListener(
      "error",
      () => {
        const media = video.error?.code === MediaError.MEDIA_ERR_DECODE;
        this.events.failed(media ? "media" : "network", video.error?.message ?? "");
      },
      { signal },
    );
    video.src = this.#wanted === "audio" ? this.#url.replace(/index\.m3u8/, "audio/index.m3u8") : this.#url;
    video.load();
  }

  #returnTo(at: Place): void {
    const origin = this.programmeAt(0);
    const seconds = at.programme !== null && origin !== null ? (at.programme - origin) / 1000 : at.seconds;
    const stretch = this.stretch;
    if (stretch !== null && seconds >= stretch.start && seconds < stretch.end)
      this.#video.currentTime = seconds;
  }

  /** The element cannot be repaired in place; opening again is all there is. */
  repair(): void {
    const seconds = this.#video.currentTime;
    this.open({ programme: this.programmeAt(seconds), seconds });
  }

  destroy(): void {
    this.#life.abort();
    this.#video.removeAttribute("src");
  }

  readonly qualities: readonly Quality[] = [
    { id: "auto", lines: 0 },
    { id: "audio", lines: 0 },
  ];

  get quality(): Quality["id"] {
    return this.#wanted;
  }

  choose(id: Quality["id"]): void {
    if (id === this.#wanted) return;
    this.#wanted = id;
    this.repair();
    this.events.qualities();
  }

  get stretch(): Stretch | null {
    const { seekable, duration } = this.#video;
    if (!this.#live && Number.isFinite(duration)) return { start: 0, end: duration };
    if (seekable.length === 0) return null;
    const start = seekable.start(0);
    return { start, end: Math.max(start, seekable.end(seekable.length - 1) - SAFARI_HOLD_BACK) };
  }

  get latency(): number | null {
    const { seekable, currentTime } = this.#video;
    return this.#live && seekable.length > 0
      ? Math.max(0, seekable.end(seekable.length - 1) - currentTime)
      : null;
  }

  programmeAt(seconds: number): number | null {
    // Safari's own reading of EXT-X-PROGRAM-DATE-TIME; not in the DOM's types.
    const video: HTMLVideoElement & { getStartDate?: () => Date } = this.#video;
    const origin = video.getStartDate?.().getTime();
    return origin === undefined || Number.isNaN(origin) ? null : origin + seconds * 1000;
  }
}
