import { type Frame, frameOf, PROTOCOL, VERSION } from "./frames.ts";

/** What a connection needs of the browser; a test brings its own. */
export interface Surroundings {
  open(protocols: string[], heard: Heard): Socket;
  /** Calls back after so many milliseconds; gives what takes the call back. */
  after(milliseconds: number, call: () => void): () => void;
  /** 0 to 1. */
  random(): number;
  online(): boolean;
  hidden(): boolean;
}
export interface Socket {
  send(text: string): void;
  close(): void;
}
/** What a socket tells. Nothing is told after `close`. */
export interface Heard {
  opened(): void;
  text(text: string): void;
  closed(): void;
}

/** What is told to who owns the topics. */
export interface Listener {
  /** A frame came. */
  frame(frame: Frame): void;
  /** How the connection stands changed. */
  changed(state: ConnectionState): void;
  /** What to subscribe to: each topic with the offset that is known of it, or null. */
  wants(epoch: string): Readonly<Record<string, number | null>>;
}

/**
 * `resting`: nobody wants anything, or the page is not seen. `absent`: WebSockets cannot be had here (a proxy in
 * between, a server that has enough of us): ask by REST; it is tried again now and then.
 */
export type ConnectionState = "resting" | "connecting" | "open" | "waiting" | "absent";

const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 30_000;
/** Failures in a row after which WebSockets count as not to be had. */
const ATTEMPTS = 3;
/** The same where one was had before: a server that restarts is given half a minute. */
const ATTEMPTS_AGAIN = 6;
const TRY_AGAIN = 60_000;
/** A connection that does not open is given up: some proxies swallow the upgrade and answer nothing. */
const OPENING = 10_000;
/** A page that is not seen keeps its connection so long, then lets it go; it is resumed when it is seen again. */
const HIDDEN_FOR = 60_000;
/** Missed beats until a connection counts as dead. */
const BEATS = 2.5;
const FIRST_BEAT = 20;

/** One WebSocket to `/realtime` that is kept up while it is wanted. */
export class Connection {
  #world: Surroundings;
  #listener: Listener;
  #socket: Socket | null = null;
  #state: ConnectionState = "resting";
  #wanted = false;
  #epoch = "";
  #beat = FIRST_BEAT;
  #failures = 0;
  #most = ATTEMPTS;
  #timer: () => void = () => undefined;
  #hiding: () => void = () => undefined;

  constructor(world: Surroundings, listener: Listener) {
    this.#world = world;
    this.#listener = listener;
  }

  /** Connect, and stay connected until `rest`. */
  want(): void {
    this.#wanted = true;
    if (this.#state === "resting") this.#connect();
  }

  /** Nobody needs it any more. */
  rest(): void {
    this.#wanted = false;
    this.#drop("resting");
  }

  /** Begin anew, with the log-in as it is now. */
  renew(): void {
    this.#drop("resting");
    this.#failures = 0;
    if (this.#wanted) this.#connect();
  }

  /** The network came or went, or the page is seen or is not. */
  look(): void {
    this.#hiding();
    if (!this.#wanted) return;
    if (!this.#world.online()) {
      this.#drop("waiting");
    } else if (this.#world.hidden()) {
      this.#hiding = this.#world.after(HIDDEN_FOR, () => this.#drop("resting"));
    } else if (this.#socket === null && this.#state !== "absent") {
      this.#connect();
    }
  }

  /** Subscribe to these too, each with the offset that is known of it. */
  subscribe(topics: Readonly<Record<string, number | null>>): void {
    if (this.#state !== "open" || Object.keys(topics).length === 0) return;
    this.#socket?.send(JSON.stringify({ type: "subscribe", epoch: this.#epoch, topics }));
  }

  unsubscribe(topics: readonly string[]): void {
    if (this.#state === "open") this.#socket?.send(JSON.stringify({ type: "unsubscribe", topics }));
  }

  #connect(): void {
    this.#timer();
    if (!this.#world.online() || this.#world.hidden()) {
      this.#become(this.#world.online() ? "resting" : "waiting");
      return;
    }
    // While it is tried again, what is asked for by REST goes on being asked for.
    if (this.#state !== "absent") this.#become("connecting");
    this.#timer = this.#world.after(OPENING, () => this.#lost());
    this.#socket = this.#world.open([PROTOCOL], {
      opened: () => this.#listen(),
      text: (text) => this.#hear(text),
      closed: () => this.#lost(),
    });
  }

  #hear(text: string): void {
    const frame = frameOf(text);
    this.#listen();
    if (frame?.type === "hello") {
      if (frame.v !== VERSION) {
        this.#giveUp();
        return;
      }
      this.#beat = frame.beat;
      this.#failures = 0;
      this.#most = ATTEMPTS_AGAIN;
      // Asked with the epoch of before: the server sees by it whether the offsets still mean something.
      const before = this.#epoch;
      this.#epoch = frame.epoch;
      this.#become("open");
      const topics = this.#listener.wants(frame.epoch);
      this.#socket?.send(JSON.stringify({ type: "subscribe", epoch: before, topics }));
    }
    if (frame) this.#listener.frame(frame);
  }

  #listen(): void {
    this.#timer();
    this.#timer = this.#world.after(this.#beat * BEATS * 1_000, () => this.#lost());
  }

  #lost(): void {
    this.#failures += 1;
    if (this.#state !== "open" && this.#failures >= this.#most) {
      this.#giveUp();
      return;
    }
    this.#drop("waiting");
    const most = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (this.#failures - 1));
    // All of many viewers lose a server in the same instant: they must not come back in one.
    this.#timer = this.#world.after(most * (0.2 + 0.8 * this.#world.random()), () => this.#connect());
  }

  #giveUp(): void {
    this.#drop("absent");
    this.#timer = this.#world.after(TRY_AGAIN * (1 + this.#world.random()), () => this.#connect());
  }

  #drop(state: ConnectionState): void {
    this.#timer();
    this.#hiding();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#become(state);
  }

  #become(state: ConnectionState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#listener.changed(state);
  }
}
