import {
  type Engine,
  type EngineEvents,
  engineFor,
  type Place,
  type Quality,
  type Stretch,
} from "./engine.ts";
import type { KeyAction } from "./keys.ts";
import { Beacon, Tally } from "./qoe.ts";
import { smallUntilSeen } from "./small.ts";
import { type Channel, type Effect, initial, type Notice, notice, type PlayerEvent, step } from "./state.ts";
import { AT_LIVE, behind, within } from "./timeline.ts";

const TICK = 500;
const KEPT_VOLUME = "gachi.volume";

export interface Source {
  readonly url: string;
  readonly live: boolean;
}

function keptVolume(): number {
  try {
    const kept = Number(localStorage.getItem(KEPT_VOLUME) ?? "1");
    return kept > 0 && kept <= 1 ? kept : 1;
  } catch {
    return 1; // storage is forbidden in this frame
  }
}

/** Joins the pure state to a media element and an engine: carries out effects, and tells the view what it sees. */
export class PlayerController {
  notice = $state.raw<Notice | null>(null);
  /** The viewer wants it to play. */
  wanted = $state(true);
  started = $state(false);
  muted = $state(true);
  volume = $state(keptVolume());
  position = $state(0);
  stretch = $state.raw<Stretch | null>(null);
  latency = $state.raw<number | null>(null);
  qualities = $state.raw<readonly Quality[]>([]);
  quality = $state.raw<Quality["id"]>("auto");
  lines = $state(0);
  /** Waiting for the picture after a seek: the place the viewer chose, shown until it is reached. */
  seeking = $state.raw<number | null>(null);
  /** The picture that stood last, while the source is opened again. */
  still = $state.raw<string | null>(null);

  readonly source: Source;
  readonly #video: HTMLVideoElement;
  #state = initial({ live: true, jitter: 0, at: 0 });
  #engine: Engine | null = null;
  readonly #life = new AbortController();
  readonly #tally = new Tally(performance.now());
  /** The last twenty failures, for the debug handle. */
  #trouble: readonly string[] = [];

  constructor(video: HTMLVideoElement, source: Source) {
    this.source = source;
    this.#video = video;
    const at = performance.now();
    this.#state = initial({ live: source.live, jitter: Math.random(), at, online: navigator.onLine });
  }

  /** Begins. Ends with `stop`. */
  async start(): Promise<void> {
    const { signal } = this.#life;
    const video = this.#video;
    video.muted = true;
    video.volume = this.volume;
    const on = (target: EventTarget, name: string, act: () => void) =>
      target.addEventListener(name, act, { signal });
    on(video, "playing", () => this.#playing());
    on(video, "waiting", () => this.#dispatch({ type: "waiting", at: performance.now() }));
    on(video, "ended", () => this.#dispatch({ type: "ended", at: performance.now() }));
    on(video, "pause", () => this.#pausedByBrowser());
    on(video, "volumechange", () => this.#heard());
    on(video, "seeked", () => {
      this.seeking = null;
      this.#look();
    });
    on(window, "online", () => this.#dispatch({ type: "network", at: performance.now(), online: true }));
    on(window, "offline", () => this.#dispatch({ type: "network", at: performance.now(), online: false }));
    on(document, "visibilitychange", () =>
      this.#dispatch({ type: "visible", at: performance.now(), visible: !document.hidden }),
    );
    const timer = setInterval(() => this.#tick(), TICK);
    signal.addEventListener("abort", () => clearInterval(timer));
    new Beacon(this.#tally, this.source, () => ({
      latency: this.#engine?.latency ?? null,
      lines: this.#engine?.lines ?? 0,
      bitrate: this.#engine?.bitrate ?? 0,
    })).start(signal);
    await this.#fetchEngine();
  }

  stop(): void {
    this.#life.abort();
    this.#engine?.destroy();
    this.#engine = null;
  }

  /** Fetches the player's library, again and again: a lost chunk must not cost the show. */
  async #fetchEngine(): Promise<void> {
    const native = this.#video.canPlayType("application/vnd.apple.mpegurl") !== "";
    const mediaSource = "MediaSource" in window || "ManagedMediaSource" in window;
    const kind = engineFor({ userAgent: navigator.userAgent, native, mediaSource });
    const events: EngineEvents = {
      opened: () => this.#dispatch({ type: "opened", at: performance.now() }),
      failed: (cause, why) => {
        this.#trouble = [...this.#trouble.slice(-19), `${cause}: ${why}`];
        this.#tally.failed(cause);
        this.#dispatch({ type: "failed", at: performance.now(), cause });
      },
      qualities: () => this.#choices(),
    };
    for (let wait = 500; kind !== null && !this.#life.signal.aborted; wait = Math.min(10_000, wait * 2)) {
      try {
        this.#engine = await engineOf(kind, this.#video, this.source, events);
        break;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
    if (this.#life.signal.aborted) {
      this.#engine?.destroy();
    } else if (this.#engine === null) {
      this.#dispatch({ type: "unsupported", at: performance.now() });
    } else {
      this.#engine.open(null);
    }
  }

  /** What the API says of the channel. */
  tell(channel: Channel): void {
    if (channel !== this.#state.channel) this.#dispatch({ type: "channel", at: performance.now(), channel });
  }

  /** The show is over: the picture stops with it. */
  end(): void {
    this.still ??= picture(this.#video);
    this.#dispatch({ type: "ended", at: performance.now() });
    this.#engine?.destroy();
  }

  toggle(): void {
    this.#dispatch({
      type: "wanted",
      at: performance.now(),
      wanted: !this.wanted || this.notice === "blocked" || this.notice === "ended",
    });
  }

  mute(muted: boolean): void {
    this.#video.muted = muted;
    if (!muted && this.volume === 0) this.loud(0.5);
  }

  loud(volume: number): void {
    this.#video.volume = Math.min(1, Math.max(0, volume));
    this.#video.muted = this.#video.volume === 0;
  }

  seek(seconds: number): void {
    if (this.stretch === null) return;
    this.seeking = within(this.stretch, seconds);
    this.#video.currentTime = this.seeking;
    this.#look();
  }

  /** To the live place (playing on from there), or to the end of a recording. */
  toEnd(): void {
    if (this.stretch === null) return;
    this.seek(this.stretch.end);
    if (this.source.live && !this.wanted) this.toggle();
  }

  choose(id: Quality["id"]): void {
    this.#engine?.choose(id);
  }

  /** Carries out a key's action; false for what concerns the view alone. */
  act(action: KeyAction): boolean {
    switch (action.type) {
      case "toggle":
        this.toggle();
        return true;
      case "mute":
        this.mute(!this.muted);
        return true;
      case "seek":
        this.seek((this.seeking ?? this.position) + action.seconds);
        return true;
      case "volume":
        this.loud((this.muted ? 0 : this.volume) + action.change);
        return true;
      case "start":
        if (this.stretch !== null) this.seek(this.stretch.start);
        return true;
      case "end":
        this.toEnd();
        return true;
      default:
        return false;
    }
  }

  get atLive(): boolean {
    return this.source.live && this.stretch !== null && behind(this.stretch, this.position) < AT_LIVE;
  }

  programmeAt(seconds: number): number | null {
    return this.#engine?.programmeAt(seconds) ?? null;
  }

  /** Programme time of the picture that stands now, Unix milliseconds; null while it is not known. */
  get programme(): number | null {
    return this.programmeAt(this.#video.currentTime);
  }

  /** Milliseconds of this machine's clock in which so many of programme pass; null while the picture stands. */
  lasts(programme: number): number | null {
    const { paused, playbackRate } = this.#video;
    return paused || playbackRate <= 0 ? null : programme / playbackRate;
  }

  /** The viewer goes to another page: a picture that plays goes on above it, where the browser lets it. */
  async small(): Promise<void> {
    if (this.started && this.wanted) await smallUntilSeen(this.#video, this.#life.signal);
  }

  /** What benches and end-to-end tests read. */
  get debug() {
    const wall = this.programmeAt(this.#video.currentTime);
    return {
      engine: this.#engine?.name ?? null,
      hls: this.#engine?.inner ?? null,
      video: this.#video,
      state: this.#state,
      notice: this.notice,
      trouble: this.#trouble,
      latency: this.#engine?.latency ?? null,
      /** Seconds from programme time to this machine's clock. */
      wallLatency: wall === null ? null : (Date.now() - wall) / 1000,
      atLive: this.atLive,
      stretch: this.stretch,
    };
  }

  #dispatch(event: PlayerEvent): void {
    if (this.#life.signal.aborted) return;
    const { state, effects } = step(this.#state, event);
    this.#state = state;
    // Before the effects: playing from before the window goes to its end, which asks to play where it is not wanted yet.
    this.wanted = state.wanted;
    this.started = state.started;
    for (const effect of effects) this.#carryOut(effect);
    this.wanted = this.#state.wanted;
    this.started = this.#state.started;
    this.notice = notice(this.#state, performance.now());
    this.#tally.see(this.#state, performance.now(), this.seeking !== null);
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case "open":
        this.#reopen(effect.where);
        break;
      case "repair":
        this.#engine?.repair();
        void this.#play();
        break;
      case "play":
        if (this.source.live && this.#beforeStretch()) this.toEnd();
        void this.#play();
        break;
      case "pause":
        this.#video.pause();
        break;
    }
  }

  /** Paused for longer than the window reaches back: what was there is gone. */
  #beforeStretch(): boolean {
    return (
      this.stretch !== null && this.#video.currentTime > 0 && this.#video.currentTime < this.stretch.start
    );
  }

  #reopen(where: "edge" | "here"): void {
    if (this.#engine === null) return; // still being fetched; it opens by itself
    const seconds = this.#video.currentTime;
    const stay = where === "here" && this.started && !this.atLive;
    const place: Place | null = stay ? { programme: this.programmeAt(seconds), seconds } : null;
    this.still ??= this.started ? picture(this.#video) : null;
    this.#engine.open(place);
  }

  async #play(): Promise<void> {
    try {
      await this.#video.play();
    } catch (error) {
      // AbortError: another load came between; its own `opened` plays again.
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError") return;
      if (this.#video.muted) this.#dispatch({ type: "blocked", at: performance.now() });
      else {
        this.#video.muted = true;
        await this.#play();
      }
    }
  }

  #playing(): void {
    this.still = null;
    this.#dispatch({ type: "playing", at: performance.now() });
    this.#look();
  }

  /** A pause that we did not order: headphones pulled out, a media key, picture-in-picture. */
  #pausedByBrowser(): void {
    const ours = !this.#state.wanted || this.#video.ended || document.hidden;
    if (!ours && this.#state.phase === "playing") {
      this.#dispatch({ type: "wanted", at: performance.now(), wanted: false });
    }
  }

  #heard(): void {
    this.muted = this.#video.muted;
    this.volume = this.#video.volume;
    try {
      if (this.volume > 0) localStorage.setItem(KEPT_VOLUME, String(this.volume));
    } catch {
      // Storage is forbidden in this frame: the volume lasts for this page.
    }
  }

  #choices(): void {
    this.qualities = this.#engine?.qualities ?? [];
    this.quality = this.#engine?.quality ?? "auto";
    this.lines = this.#engine?.lines ?? 0;
  }

  #tick(): void {
    // A browser may resume by itself (media keys, picture-in-picture).
    if (!this.#video.paused && !this.#state.wanted) {
      this.#dispatch({ type: "wanted", at: performance.now(), wanted: true });
    }
    this.#dispatch({ type: "tick", at: performance.now(), position: this.#video.currentTime });
    this.#look();
  }

  #look(): void {
    this.stretch = this.#engine?.stretch ?? null;
    this.position = this.#video.currentTime;
    this.latency = this.#engine?.latency ?? null;
    this.lines = this.#engine?.lines ?? 0;
  }
}

async function engineOf(
  kind: "hls.js" | "native",
  video: HTMLVideoElement,
  source: Source,
  events: EngineEvents,
): Promise<Engine | null> {
  if (kind === "native") {
    const { NativeEngine } = await import("./native-engine.ts");
    return new NativeEngine(video, source.url, source.live, events);
  }
  const { HlsEngine } = await import("./hls-engine.ts");
  return HlsEngine.usable ? new HlsEngine(video, source.url, events) : null;
}

/** The picture on a media element as a data URL; null where there is none or the browser keeps it to itself. */
function picture(video: HTMLVideoElement): string | null {
  if (video.videoWidth === 0) return null;
  const canvas = document.createElement("canvas");
  canvas.width = Math.min(video.videoWidth, 640);
  canvas.height = Math.round((canvas.width * video.videoHeight) / video.videoWidth);
  try {
    canvas.getContext("2d")?.drawImage(video, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/jpeg", 0.8);
  } catch {
    return null; // a source of another site without CORS
  }
}
