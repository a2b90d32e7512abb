/** One person going live: carries out what `state.ts` decides, with the browser's devices and the connection. */
import {
  type Captured,
  capture,
  captureTroubleOf,
  handheld,
  mirrored,
  obstacle,
  QUALITIES,
  type Wish,
} from "./capture.ts";
import { keepKey, takeKey } from "./kept.ts";
import { type Effect, initial, type PublishEvent, step, wanted } from "./state.ts";
import { type Counters, type Grade, gradeOf, REMEMBERED, type Reading, read, settled } from "./stats.ts";
import { Wake } from "./wake.ts";
import { WhipError, WhipSession } from "./whip.ts";

const TICK = 250;
/** Milliseconds between two looks at the connection. */
const LOOK = 1_000;
/** Bit rates kept for the graph: a minute. */
const GRAPH = 60;
/** A page that was hidden for longer has probably sent a picture that stood still. */
const AWAY = 3_000;

type Devices = { readonly id: string; readonly label: string }[];
const agent = () => {
  const { userAgent, maxTouchPoints } = navigator;
  const hints = (navigator as { userAgentData?: { mobile?: boolean } }).userAgentData;
  return { userAgent, touchPoints: maxTouchPoints, ...(hints?.mobile ? { mobile: true } : {}) };
};
// "Omit" of a union keeps only what all have in common: each is taken by itself.
type Untimed<E> = E extends { at: number } ? Omit<E, "at"> : never;

export class Broadcast {
  readonly held = handheld(agent());
  key = $state("");
  state = $state.raw(initial({ keyed: false, jitter: Math.random(), at: performance.now() }));
  /** Milliseconds of the state's clock, moved by each tick. */
  now = $state(performance.now());
  stream = $state.raw<MediaStream | null>(null);
  silent = $state(false);
  muted = $state(false);
  mirror = $state(false);
  cameras = $state.raw<Devices>([]);
  microphones = $state.raw<Devices>([]);
  wish = $state.raw<Wish>({
    camera: "",
    microphone: "",
    facing: this.held ? "environment" : "user",
    shape: this.held ? "portrait" : "landscape",
    quality: "normal",
  });
  reading = $state.raw<Reading | null>(null);
  grade = $state<Grade | null>(null);
  rates = $state.raw<readonly number[]>([]);
  /** Seconds that the page was hidden while it sent; null once that was long enough ago. */
  away = $state<number | null>(null);

  #session: WhipSession | null = null;
  /** Counts connections: what comes of an older one is not for us any more. */
  #turn = 0;
  #captures = 0;
  #counters: Counters | null = null;
  #grades: Grade[] = [];
  #hiddenAt: number | null = null;
  #awayUntil = 0;
  #lookedAt = 0;
  readonly #wake = new Wake();

  constructor(readonly feed: string) {
    this.key = takeKey(feed);
    this.state = initial({
      keyed: this.key !== "",
      jitter: Math.random(),
      at: performance.now(),
      online: navigator.onLine,
      trouble: obstacle({
        isSecureContext,
        canCapture: navigator.mediaDevices?.getUserMedia !== undefined,
        canSend: "RTCPeerConnection" in window,
      }),
    });
  }

  /** Runs until the returned function is called. */
  run(): () => void {
    const ends = new AbortController();
    const { signal } = ends;
    const timer = setInterval(() => this.#tick(), TICK);
    window.addEventListener("online", () => this.#do({ type: "network", online: true }), { signal });
    window.addEventListener("offline", () => this.#do({ type: "network", online: false }), { signal });
    document.addEventListener("visibilitychange", () => this.#seen(), { signal });
    window.addEventListener("pagehide", () => this.#session?.close(true), { signal });
    window.addEventListener(
      "pageshow",
      (event) => event.persisted && this.#do({ type: "failed", trouble: "broke" }),
      { signal },
    );
    window.addEventListener("beforeunload", (event) => wanted(this.state) && event.preventDefault(), {
      signal,
    });
    // An address that is pasted over this one does not load the page anew.
    window.addEventListener("hashchange", () => this.type(takeKey(this.feed)), { signal });
    navigator.mediaDevices?.addEventListener?.("devicechange", () => void this.#list(), { signal });
    return () => {
      ends.abort();
      clearInterval(timer);
      this.#session?.close();
      this.#release();
      this.#wake.want(false);
    };
  }

  ask = () => this.#do({ type: "ask" });
  start = () => this.#do({ type: "start" });
  stop = () => this.#do({ type: "stop" });
  keep = () => this.#do({ type: "keep" });

  /** The key as typed. */
  type(key: string): void {
    this.key = key.trim();
    keepKey(this.feed, this.key);
    this.#do({ type: "keyed", keyed: this.key !== "" });
  }

  mute(muted: boolean): void {
    this.muted = muted;
    for (const track of this.stream?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  /** Other devices, another shape; a running stream goes on with them. */
  choose(change: Partial<Wish>): void {
    this.wish = { ...this.wish, ...change };
    if (change.quality !== undefined) void this.#session?.limit(QUALITIES[change.quality].bitrate);
    if (this.stream !== null) this.ask();
  }

  /** The next camera: on phones the other way round, else the next of the list. */
  flip(): void {
    const facing = this.wish.facing === "user" ? "environment" : "user";
    const others = this.cameras.map(({ id }) => id);
    const now = this.stream?.getVideoTracks()[0]?.getSettings().deviceId ?? "";
    const next = others[(others.indexOf(now) + 1) % Math.max(1, others.length)] ?? "";
    this.choose(this.held ? { facing, camera: "" } : { camera: next });
  }

  #do(event: Untimed<PublishEvent>): void {
    const { state, effects } = step(this.state, { ...event, at: performance.now() } as PublishEvent);
    this.state = state;
    this.now = performance.now();
    for (const effect of effects) this.#carryOut(effect);
    this.#wake.want(state.capture === "on" || wanted(state));
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case "capture":
        void this.#capture();
        break;
      case "connect":
        void this.#connect();
        break;
      case "swap":
        for (const track of this.stream?.getTracks() ?? []) void this.#session?.swap(track);
        break;
      case "close":
        this.#turn++;
        this.#session?.close();
        this.#session = null;
        this.#forget();
        break;
    }
  }

  async #capture(): Promise<void> {
    const turn = ++this.#captures;
    // Phones open one camera at a time.
    this.#release();
    try {
      const captured = await capture(navigator.mediaDevices, this.wish, this.held);
      if (turn !== this.#captures) {
        for (const track of captured.stream.getTracks()) track.stop();
        return;
      }
      this.#take(captured);
      this.#do({ type: "captured" });
      await this.#list();
    } catch (error) {
      if (turn === this.#captures) this.#do({ type: "uncaptured", trouble: captureTroubleOf(error) });
    }
  }

  #take({ stream, silent }: Captured): void {
    this.stream = stream;
    this.silent = silent;
    this.mute(this.muted);
    for (const track of stream.getTracks()) {
      track.onended = () => this.stream === stream && this.#do({ type: "lost" });
    }
    const [video] = stream.getVideoTracks();
    if (video === undefined) return;
    // A face is better smooth, and the encoder is told so.
    video.contentHint = "motion";
    video.onmute = () => this.stream === stream && this.#do({ type: "interrupted", interrupted: true });
    video.onunmute = () => this.stream === stream && this.#do({ type: "interrupted", interrupted: false });
    this.mirror = mirrored(video.getSettings().facingMode, video.label, this.held);
  }

  #release(): void {
    const tracks = this.stream?.getTracks() ?? [];
    this.stream = null;
    for (const track of tracks) track.stop();
  }

  async #list(): Promise<void> {
    const all = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    const of = (kind: MediaDeviceKind) =>
      all
        .filter((device) => device.kind === kind && device.deviceId !== "")
        .map(({ deviceId, label }) => ({ id: deviceId, label }));
    this.cameras = of("videoinput");
    this.microphones = of("audioinput");
  }

  async #connect(): Promise<void> {
    const turn = ++this.#turn;
    const ours = () => turn === this.#turn;
    this.#session?.close();
    this.#session = null;
    this.#forget();
    try {
      const session = await WhipSession.open({
        url: new URL(`/whip/${encodeURIComponent(this.feed)}`, location.href).href,
        key: this.key,
        tracks: this.stream?.getTracks() ?? [],
        bitrate: QUALITIES[this.wish.quality].bitrate,
        codecs: RTCRtpSender.getCapabilities?.("video")?.codecs ?? null,
        makePeer: (configuration) => new RTCPeerConnection(configuration),
        fetch: (input, init) => fetch(input, init),
        onconnected: () => ours() && this.#do({ type: "connected" }),
        onbroken: (trouble) => ours() && this.#do({ type: "failed", trouble }),
      });
      if (ours()) this.#session = session;
      else session.close();
      // The camera may have been changed while the server was asked.
      if (ours()) for (const track of this.stream?.getTracks() ?? []) void session.swap(track);
    } catch (error) {
      if (!ours()) return;
      const failure = error instanceof WhipError ? error : new WhipError("refused");
      this.#do({ type: "failed", trouble: failure.trouble, wait: failure.wait });
    }
  }

  #forget(): void {
    this.#counters = null;
    this.#grades = [];
    this.reading = null;
    this.grade = null;
  }

  #tick(): void {
    this.now = performance.now();
    if (this.away !== null && this.now > this.#awayUntil) this.away = null;
    this.#do({ type: "tick" });
    if (this.now - this.#lookedAt < LOOK) return;
    this.#lookedAt = this.now;
    void this.#look();
  }

  async #look(): Promise<void> {
    const session = this.#session;
    if (session === null || (this.state.line !== "live" && this.state.line !== "ending")) return;
    const report = await session.stats().catch(() => null);
    if (report === null || session !== this.#session) return;
    const entries: unknown[] = [];
    // Older Safaris have no iterator on it.
    report.forEach((entry: unknown) => {
      entries.push(entry);
    });
    const { counters, reading } = read(entries, this.#counters);
    this.#counters = counters;
    if (reading === null) return;
    this.reading = reading;
    this.rates = [...this.rates, reading.bitrate].slice(-GRAPH);
    this.#grades = [...this.#grades, gradeOf(reading)].slice(-REMEMBERED);
    this.grade = settled(this.#grades);
  }

  #seen(): void {
    const visible = document.visibilityState === "visible";
    this.#do({ type: "visible", visible });
    if (!visible) {
      this.#hiddenAt = performance.now();
      return;
    }
    void this.#wake.renew();
    const gone = this.#hiddenAt === null ? 0 : performance.now() - this.#hiddenAt;
    this.#hiddenAt = null;
    if (gone > AWAY && wanted(this.state)) {
      this.away = Math.round(gone / 1000);
      this.#awayUntil = performance.now() + 12_000;
    }
  }
}
