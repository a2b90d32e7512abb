import type { Cause, PlayerState } from "./state.ts";

/**
 * What a player tells of itself, with the keys of CMCD (CTA-5004): how long the start took, stalls, latency, rung,
 * errors. Collected here, sent by `Beacon` each half minute and when the page leaves. No name, no address, nothing that lasts
 * longer than the page.
 */
export interface Report {
  readonly sid: string;
  readonly cid: string;
  readonly st: "l" | "v";
  readonly msd: number | null;
  readonly ltc: number | null;
  readonly br: number | null;
  readonly bsd: readonly number[];
  readonly ec: readonly Cause[];
  readonly played: number;
  readonly lines: number;
}

/** What the server takes of one value, and of one list: see the API's document. */
const MOST_MS = 600_000;
const MOST_ITEMS = 100;

const ms = (value: number) => Math.round(Math.min(MOST_MS, Math.max(0, value)));

/** Counts what happens between two reports. Times are milliseconds of any monotonic clock. */
export class Tally {
  readonly #opened: number;
  #startup: number | null = null;
  #told = false;
  #since: number | null = null;
  #stalledAt: number | null = null;
  #played = 0;
  #stalls: number[] = [];
  #errors: Cause[] = [];

  constructor(at: number) {
    this.#opened = at;
  }

  /** The player's state after each event; `seeking` while the picture is awaited at a place that the viewer chose. */
  see(state: PlayerState, at: number, seeking = false): void {
    const moves = state.phase === "playing";
    if (moves && this.#startup === null) this.#startup = at - this.#opened;
    this.#count(at, moves);
    // A viewer's pause or seek, or a page that nobody sees, is no stall.
    const stands =
      !seeking &&
      state.started &&
      state.wanted &&
      state.visible &&
      (state.phase === "waiting" || state.phase === "loading" || state.phase === "retrying");
    if (stands) this.#stalledAt ??= at;
    else if (this.#stalledAt !== null) {
      if (moves) this.#stalls = [...this.#stalls, ms(at - this.#stalledAt)].slice(-MOST_ITEMS);
      this.#stalledAt = null;
    }
  }

  failed(cause: Cause): void {
    this.#errors = [...this.#errors, cause].slice(-MOST_ITEMS);
  }

  #count(at: number, moves: boolean): void {
    if (this.#since !== null) this.#played += at - this.#since;
    this.#since = moves ? at : null;
  }

  /** What was counted since the last time, for a report; null where there is nothing to tell. */
  take(at: number): Pick<Report, "msd" | "bsd" | "ec" | "played"> | null {
    this.#count(at, this.#since !== null);
    const msd = this.#told || this.#startup === null ? null : ms(this.#startup);
    const told = { msd, bsd: this.#stalls, ec: this.#errors, played: ms(this.#played) };
    if (msd === null && told.bsd.length === 0 && told.ec.length === 0 && told.played === 0) return null;
    this.#told ||= msd !== null;
    this.#stalls = [];
    this.#errors = [];
    this.#played = 0;
    return told;
  }
}

/** Milliseconds between reports: some bytes a second for each viewer. */
export const EVERY = 30_000;
const PATH = "/api/v1/qoe";

export interface Look {
  /** Seconds behind the end of a live playlist. */
  readonly latency: number | null;
  readonly lines: number;
  /** Bits per second of the rung; 0 where unknown. */
  readonly bitrate: number;
}

/** What is being watched, from the address of its playlist: `/hls/main/…`, `/replays/{show}/…`. Null for others' streams. */
export function contentOf(url: string): string | null {
  return /^\/(?:hls|replays)\/([A-Za-z0-9][\w-]{0,79})\//.exec(url)?.[1] ?? null;
}

/** Sends a tally's reports. A lost one is lost: nothing waits for an answer. */
export class Beacon {
  readonly #tally: Tally;
  readonly #look: () => Look;
  readonly #source: { readonly url: string; readonly live: boolean };
  readonly #session = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");

  constructor(tally: Tally, source: { readonly url: string; readonly live: boolean }, look: () => Look) {
    this.#tally = tally;
    this.#source = source;
    this.#look = look;
  }

  /** Begins; ends, with a last report, when the signal aborts. */
  start(signal: AbortSignal): void {
    const timer = setInterval(() => this.send(), EVERY);
    // The last moment that phones give: they end pages without a word.
    document.addEventListener("visibilitychange", () => document.hidden && this.send(), { signal });
    signal.addEventListener("abort", () => {
      clearInterval(timer);
      this.send();
    });
  }

  send(): void {
    const cid = contentOf(this.#source.url);
    const told = cid === null ? null : this.#tally.take(performance.now());
    if (cid === null || told === null) return;
    const { latency, lines, bitrate } = this.#look();
    const report: Report = {
      sid: this.#session,
      cid,
      st: this.#source.live ? "l" : "v",
      ltc: latency === null ? null : ms(latency * 1000),
      br: bitrate > 0 ? Math.round(bitrate / 1000) : null,
      lines,
      ...told,
    };
    const body = new Blob([JSON.stringify({ reports: [report] })], { type: "application/json" });
    navigator.sendBeacon?.(PATH, body);
  }
}
