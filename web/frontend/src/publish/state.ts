/**
 * What somebody who goes live is doing and what comes next, as a pure function: `step(state, event)` gives the next
 * state and the effects to carry out. Time comes in with each event (milliseconds of any monotonic clock).
 *
 *     capture   idle → asking → on ⇄ failed          the camera and the microphone
 *     line      off → connecting → live → ending → off
 *                        ↑___ retrying ←┘             the way to the server
 *
 * Once started, sending goes on until the person stops it: whatever breaks is tried again, later and later up to eight
 * seconds. Only what no trying mends (a wrong key, a feed that others use, an offer that is refused) ends it.
 */

export type Capture = "idle" | "asking" | "on" | "failed";
export type Line = "off" | "connecting" | "live" | "ending" | "retrying";

/** What is wrong with camera and microphone. */
export type CaptureTrouble =
  | "insecure"
  | "unsupported"
  | "denied"
  | "busy"
  | "missing"
  | "lost"
  | "broken"
  /** Something else has the camera for now, as a phone call does; it comes back by itself. */
  | "interrupted";

/** What is wrong with the way to the server. */
export type LineTrouble =
  | "key"
  | "taken"
  | "full"
  | "limited"
  /** No network here. */
  | "offline"
  /** The server does not answer, or the part of it that takes media. */
  | "away"
  /** It answers, but media finds no way to it (UDP). */
  | "path"
  /** It does not take what this browser offers. */
  | "refused"
  /** The connection broke. */
  | "broke";

export interface PublishState {
  readonly capture: Capture;
  readonly captureTrouble: CaptureTrouble | null;
  /** When a lost camera is asked for again. */
  readonly captureAt: number | null;
  readonly line: Line;
  readonly lineTrouble: LineTrouble | null;
  /** When the line came to be as it is. */
  readonly since: number;
  /** When this stream was first live; null before. */
  readonly startedAt: number | null;
  /** How long the last stream was, once it has ended. */
  readonly lasted: number | null;
  /** Attempts since the line last stood for a while. */
  readonly failures: number;
  readonly retryAt: number | null;
  /** When sending ends, unless the person takes it back. */
  readonly endAt: number | null;
  readonly keyed: boolean;
  readonly online: boolean;
  readonly visible: boolean;
  /** 0 to 1: spreads the attempts of many senders after a fault of the server. */
  readonly jitter: number;
}

type CaptureEvent =
  | { readonly type: "ask"; readonly at: number }
  | { readonly type: "captured"; readonly at: number }
  | { readonly type: "uncaptured"; readonly at: number; readonly trouble: CaptureTrouble }
  /** The camera's track ended: it was unplugged, or taken away. */
  | { readonly type: "lost"; readonly at: number }
  | { readonly type: "interrupted"; readonly at: number; readonly interrupted: boolean };
type WillEvent =
  | { readonly type: "keyed"; readonly at: number; readonly keyed: boolean }
  | { readonly type: "start"; readonly at: number }
  | { readonly type: "stop"; readonly at: number }
  /** The stop is taken back. */
  | { readonly type: "keep"; readonly at: number };
type WayEvent =
  | { readonly type: "connected"; readonly at: number }
  /** `wait`: milliseconds that the server asks for. */
  | { readonly type: "failed"; readonly at: number; readonly trouble: LineTrouble; readonly wait?: number }
  | { readonly type: "network"; readonly at: number; readonly online: boolean }
  | { readonly type: "visible"; readonly at: number; readonly visible: boolean }
  /** Comes a few times a second. */
  | { readonly type: "tick"; readonly at: number };
export type PublishEvent = CaptureEvent | WillEvent | WayEvent;

export type Effect =
  | { readonly type: "capture" }
  | { readonly type: "connect" }
  /** Put the new camera into the stream that runs. */
  | { readonly type: "swap" }
  /** Let the connection go, telling the server if it can be told. */
  | { readonly type: "close" };

export interface Step {
  readonly state: PublishState;
  readonly effects: readonly Effect[];
}

/** The server gives its own time-outs (8 s for an answer, 15 s for ICE and DTLS) and a little more. */
export const CONNECTING = 26_000;
/** A line that stood for so long was a good one: what breaks it is a new fault. */
export const STEADY = 10_000;
/** Milliseconds in which the end can be taken back. */
export const TAKE_BACK = 4_000;
export const RECAPTURE = 1_500;
/** Attempts on a feed that somebody else uses: after a broken line that may be ourselves, for ten seconds. */
export const TAKEN_TRIES = 4;
const FIRST_RETRY = 500;
const SLOWEST_RETRY = 8_000;

export function initial(options: {
  keyed: boolean;
  jitter: number;
  at: number;
  online?: boolean;
  trouble?: CaptureTrouble | null;
}): PublishState {
  const trouble = options.trouble ?? null;
  return {
    capture: trouble === null ? "idle" : "failed",
    captureTrouble: trouble,
    captureAt: null,
    line: "off",
    lineTrouble: null,
    since: options.at,
    startedAt: null,
    lasted: null,
    failures: 0,
    retryAt: null,
    endAt: null,
    keyed: options.keyed,
    online: options.online ?? true,
    visible: true,
    jitter: options.jitter,
  };
}

/** Milliseconds before attempt `failures + 1`: doubling from half a second to eight, ±25 %. */
export function backOff(failures: number, jitter: number): number {
  return Math.min(SLOWEST_RETRY, FIRST_RETRY * 2 ** failures) * (0.75 + 0.5 * jitter);
}

/** Somebody wants to be live: nothing but they ends it. */
export const wanted = (state: PublishState): boolean => state.line !== "off";

/** Whether pressing start can do something. */
export const startable = (state: PublishState): boolean =>
  state.line === "off" && state.capture === "on" && state.keyed;

const stay = (state: PublishState): Step => ({ state, effects: [] });
const act = (state: PublishState, ...types: Effect["type"][]): Step => ({
  state,
  effects: types.map((type) => ({ type })),
});

function connect(state: PublishState, at: number): Step {
  return act({ ...state, line: "connecting", since: at, retryAt: null }, "connect");
}

/** The next attempt, where there is a network to make it over and something to send. */
function resume(state: PublishState, at: number): Step {
  return state.online && state.capture === "on" ? connect(state, at) : stay(state);
}

function off(state: PublishState, at: number, trouble: LineTrouble | null): PublishState {
  return {
    ...state,
    line: "off",
    lineTrouble: trouble,
    since: at,
    retryAt: null,
    endAt: null,
    failures: 0,
    lasted: state.startedAt === null ? null : at - state.startedAt,
    startedAt: null,
  };
}

/** Whether trying again makes no sense. */
function hopeless(state: PublishState, trouble: LineTrouble): boolean {
  if (trouble === "taken") return state.failures + 1 >= TAKEN_TRIES;
  return trouble === "key" || trouble === "refused";
}

function failed(state: PublishState, event: PublishEvent & { type: "failed" }): Step {
  const { at, trouble } = event;
  if (state.line === "off" || state.line === "retrying") return stay(state);
  // It broke while it was to end: then it has ended.
  if (state.line === "ending") return act(off(state, at, null), "close");
  const steady = state.line === "live" && at - state.since >= STEADY;
  const before = { ...state, failures: steady ? 0 : state.failures };
  if (hopeless(before, trouble)) {
    return act({ ...off(before, at, trouble), keyed: trouble === "key" ? false : state.keyed }, "close");
  }
  const wait = Math.max(backOff(before.failures, state.jitter), event.wait ?? 0);
  const next: PublishState = {
    ...before,
    line: "retrying",
    lineTrouble: state.online ? trouble : "offline",
    since: at,
    failures: before.failures + 1,
    retryAt: at + wait,
  };
  return act(next, "close");
}

function tick(state: PublishState, at: number): Step {
  if (state.captureAt !== null && at >= state.captureAt && state.visible) {
    return act({ ...state, captureAt: null, capture: "asking" }, "capture");
  }
  if (state.line === "ending" && state.endAt !== null && at >= state.endAt) {
    return act(off(state, at, null), "close");
  }
  if (state.line === "retrying" && state.retryAt !== null && at >= state.retryAt) return resume(state, at);
  if (state.line === "connecting" && at - state.since >= CONNECTING) {
    return failed(state, { type: "failed", at, trouble: "path" });
  }
  return stay(state);
}

function uncaptured(state: PublishState, trouble: CaptureTrouble, at: number): Step {
  // A camera that went away in the middle of a stream is waited for; one that was never there needs a person.
  const waiting = wanted(state) && trouble !== "denied" && trouble !== "unsupported";
  const captureAt = waiting ? at + RECAPTURE : null;
  return stay({ ...state, capture: "failed", captureTrouble: trouble, captureAt });
}

/** Events of camera and microphone. */
function devices(state: PublishState, event: CaptureEvent): Step {
  switch (event.type) {
    case "ask":
      if (state.capture === "asking") return stay(state);
      return act({ ...state, capture: "asking", captureTrouble: null, captureAt: null }, "capture");
    case "captured": {
      const next: PublishState = { ...state, capture: "on", captureTrouble: null, captureAt: null };
      return wanted(state) ? act(next, "swap") : stay(next);
    }
    case "uncaptured":
      return uncaptured(state, event.trouble, event.at);
    case "lost":
      return stay({ ...state, capture: "failed", captureTrouble: "lost", captureAt: event.at + RECAPTURE });
    case "interrupted":
      if (state.capture !== "on") return stay(state);
      return stay({ ...state, captureTrouble: event.interrupted ? "interrupted" : null });
  }
}

/** What the person wants. */
function will(state: PublishState, event: WillEvent): Step {
  const { at } = event;
  switch (event.type) {
    case "keyed": {
      const lineTrouble = state.lineTrouble === "key" ? null : state.lineTrouble;
      return stay({ ...state, keyed: event.keyed, lineTrouble });
    }
    case "start":
      if (!startable(state)) return stay(state);
      return connect({ ...state, lineTrouble: null, failures: 0, startedAt: null, lasted: null }, at);
    case "stop":
      if (state.line === "live") return stay({ ...state, line: "ending", endAt: at + TAKE_BACK });
      return state.line === "off" ? stay(state) : act(off(state, at, null), "close");
    case "keep":
      return stay(state.line === "ending" ? { ...state, line: "live", endAt: null } : state);
  }
}

/** What becomes of the way to the server. */
function way(state: PublishState, event: WayEvent): Step {
  const { at } = event;
  switch (event.type) {
    case "connected": {
      if (state.line !== "connecting") return stay(state);
      const startedAt = state.startedAt ?? at;
      return stay({ ...state, line: "live", lineTrouble: null, since: at, startedAt });
    }
    case "failed":
      return failed(state, event);
    case "network": {
      const next = { ...state, online: event.online };
      if (state.line !== "retrying") return stay(next);
      if (!event.online) return stay({ ...next, lineTrouble: "offline" });
      return state.online ? stay(next) : resume(next, at);
    }
    case "visible": {
      const next = { ...state, visible: event.visible };
      // Somebody looks again: they do not sit out the rest of a back-off.
      const back = event.visible && !state.visible && state.line === "retrying";
      return back ? resume(next, at) : stay(next);
    }
    case "tick":
      return tick(state, at);
  }
}

/** The next state and what to do. */
export function step(state: PublishState, event: PublishEvent): Step {
  switch (event.type) {
    case "ask":
    case "captured":
    case "uncaptured":
    case "lost":
    case "interrupted":
      return devices(state, event);
    case "keyed":
    case "start":
    case "stop":
    case "keep":
      return will(state, event);
    default:
      return way(state, event);
  }
}
