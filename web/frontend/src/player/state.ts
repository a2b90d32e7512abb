/**
 * What the player is doing and what it does next, as a pure function: `step(state, event)` gives the next state and
 * the effects to carry out. Time comes in with each event (milliseconds of any monotonic clock).
 *
 *     loading → playing ⇄ waiting → retrying → loading …          paused, blocked: the viewer is asked
 *                                                                  ended, unsupported: nothing more to try
 *
 * A live player never gives up: whatever fails, `retrying` opens the source again, later and later up to ten seconds.
 */

export type Phase =
  | "loading"
  | "playing"
  | "waiting"
  | "paused"
  | "retrying"
  | "blocked"
  | "ended"
  | "unsupported";

export type Channel = "unknown" | "offline" | "slate" | "live";
export type Cause = "network" | "media" | "other";

export interface PlayerState {
  readonly live: boolean;
  readonly phase: Phase;
  /** When the phase began. */
  readonly since: number;
  /** A picture was shown since the page opened. */
  readonly started: boolean;
  /** The viewer wants it to play: true until they pause. */
  readonly wanted: boolean;
  readonly online: boolean;
  readonly visible: boolean;
  readonly channel: Channel;
  /** Attempts since the picture last moved. */
  readonly failures: number;
  readonly retryAt: number | null;
  /** Seconds on the media element's clock, and when that last changed. */
  readonly position: number;
  readonly movedAt: number;
  /** When the last media error was repaired in place. */
  readonly repairedAt: number | null;
  /** 0 to 1, this viewer's own: spreads a crowd's attempts. */
  readonly jitter: number;
}

export type PlayerEvent =
  | { readonly type: "opened"; readonly at: number }
  | { readonly type: "playing"; readonly at: number }
  | { readonly type: "waiting"; readonly at: number }
  | { readonly type: "blocked"; readonly at: number }
  | { readonly type: "ended"; readonly at: number }
  | { readonly type: "unsupported"; readonly at: number }
  | { readonly type: "wanted"; readonly at: number; readonly wanted: boolean }
  | { readonly type: "failed"; readonly at: number; readonly cause: Cause }
  | { readonly type: "network"; readonly at: number; readonly online: boolean }
  | { readonly type: "visible"; readonly at: number; readonly visible: boolean }
  | { readonly type: "channel"; readonly at: number; readonly channel: Channel }
  /** Comes every half second with the media element's time. */
  | { readonly type: "tick"; readonly at: number; readonly position: number };

export type Effect =
  /** Open the source again: at the live edge, or where the viewer was. */
  | { readonly type: "open"; readonly where: "edge" | "here" }
  /** Repair the decoder in place, keeping the source. */
  | { readonly type: "repair" }
  | { readonly type: "play" }
  | { readonly type: "pause" };

export interface Step {
  readonly state: PlayerState;
  readonly effects: readonly Effect[];
}

/** A picture that stands for this long while it should move is opened again. */
export const STALL = 8_000;
/** Opening may take this long: an origin that starts holds playlist requests for some seconds. */
export const OPENING = 15_000;
/** A second media error within this time means that repairing in place does not help. */
export const REPAIR_AGAIN = 10_000;
const FIRST_RETRY = 500;
const SLOWEST_RETRY = 10_000;

export function initial(options: {
  live: boolean;
  jitter: number;
  at: number;
  online?: boolean;
}): PlayerState {
  return {
    live: options.live,
    phase: "loading",
    since: options.at,
    started: false,
    wanted: true,
    online: options.online ?? true,
    visible: true,
    channel: "unknown",
    failures: 0,
    retryAt: null,
    position: 0,
    movedAt: options.at,
    repairedAt: null,
    jitter: options.jitter,
  };
}

/** Milliseconds before attempt `failures + 1`: doubling from half a second to ten, ±25 % by the viewer's jitter. */
export function backOff(failures: number, jitter: number): number {
  return Math.min(SLOWEST_RETRY, FIRST_RETRY * 2 ** failures) * (0.75 + 0.5 * jitter);
}

const stay = (state: PlayerState): Step => ({ state, effects: [] });

function enter(state: PlayerState, phase: Phase, at: number, change: Partial<PlayerState> = {}): PlayerState {
  return { ...state, phase, since: state.phase === phase ? state.since : at, movedAt: at, ...change };
}

/** Done with: no event but the viewer's own brings it back. */
const settled = (state: PlayerState) => state.phase === "ended" || state.phase === "unsupported";

function retry(state: PlayerState, at: number): Step {
  if (settled(state) || state.phase === "retrying") return stay(state);
  const retryAt = at + backOff(state.failures, state.jitter);
  return stay(enter(state, "retrying", at, { retryAt, failures: state.failures + 1 }));
}

/** Opens the source now. Where the viewer had sought back, they stay; after repeated failures the edge is safer. */
function open(state: PlayerState, at: number): Step {
  const where = state.live && (!state.started || state.failures > 2) ? "edge" : "here";
  return { state: enter(state, "loading", at, { retryAt: null }), effects: [{ type: "open", where }] };
}

function failed(state: PlayerState, cause: Cause, at: number): Step {
  if (settled(state)) return stay(state);
  const repairable = state.repairedAt === null || at - state.repairedAt > REPAIR_AGAIN;
  if (cause === "media" && repairable) {
    return { state: enter(state, "waiting", at, { repairedAt: at }), effects: [{ type: "repair" }] };
  }
  return retry(state, at);
}

function tick(state: PlayerState, at: number, position: number): Step {
  if (state.phase === "retrying") {
    return state.retryAt !== null && at >= state.retryAt && state.online ? open(state, at) : stay(state);
  }
  if (position !== state.position) {
    const moved = { ...state, position, movedAt: at };
    // Half a second of moving picture is one tick; only a picture that moves clears the count.
    return stay(state.phase === "playing" ? { ...moved, failures: 0 } : moved);
  }
  const expected = state.wanted && state.visible;
  const standing = at - state.movedAt;
  if (expected && (state.phase === "playing" || state.phase === "waiting") && standing >= STALL)
    return retry(state, at);
  if (expected && state.phase === "loading" && standing >= OPENING) return retry(state, at);
  return stay(state);
}

function wanted(state: PlayerState, want: boolean, at: number): Step {
  const next = { ...state, wanted: want };
  if (state.phase === "unsupported" || state.phase === "retrying") return stay(next);
  if (!want) {
    const pausable = state.phase === "playing" || state.phase === "waiting" || state.phase === "loading";
    return { state: pausable ? enter(next, "paused", at) : next, effects: [{ type: "pause" }] };
  }
  const idle = state.phase === "paused" || state.phase === "blocked" || state.phase === "ended";
  return { state: idle ? enter(next, "waiting", at) : next, effects: [{ type: "play" }] };
}

function channel(state: PlayerState, now: Channel, at: number): Step {
  const next = { ...state, channel: now };
  const back = state.channel === "offline" && (now === "live" || now === "slate");
  // Back on air: those who wait for it do not sit out their back-off.
  return back && (state.phase === "retrying" || state.phase === "ended") ? open(next, at) : stay(next);
}

/** The next state and what to do. */
export function step(state: PlayerState, event: PlayerEvent): Step {
  const { at } = event;
  switch (event.type) {
    case "opened":
      return { state, effects: state.wanted ? [{ type: "play" }] : [] };
    case "playing":
      return stay(
        settled(state) && state.phase === "unsupported"
          ? state
          : enter(state, "playing", at, { started: true }),
      );
    case "waiting":
      return stay(
        state.phase === "playing" ? enter(state, "waiting", at, { movedAt: state.movedAt }) : state,
      );
    case "blocked":
      return stay(settled(state) ? state : enter(state, "blocked", at));
    case "ended":
      return stay(state.phase === "unsupported" ? state : enter(state, "ended", at));
    case "unsupported":
      return stay(enter(state, "unsupported", at));
    case "wanted":
      return wanted(state, event.wanted, at);
    case "failed":
      return failed(state, event.cause, at);
    case "network": {
      const next = { ...state, online: event.online };
      return event.online && !state.online && state.phase === "retrying" ? open(next, at) : stay(next);
    }
    case "visible":
      // Browsers stop pictures that nobody sees: the watch starts anew.
      return stay({ ...state, visible: event.visible, movedAt: at });
    case "channel":
      return channel(state, event.channel, at);
    case "tick":
      return tick(state, at, event.position);
  }
}

export type Notice =
  | "starting"
  | "waiting"
  | "slate"
  | "offline"
  | "ended"
  | "network"
  | "retrying"
  | "blocked"
  | "unsupported";

/** A hitch shorter than this is not spoken of. */
const HITCH = 700;

/** What there is to say while no picture moves. */
function delay(state: PlayerState, off: boolean, at: number): Notice | null {
  if (!state.online) return "network";
  if (off) return "offline";
  if (!state.started && state.live) return "starting";
  if (state.phase === "retrying" ? state.failures > 1 || !state.started : state.failures > 1)
    return "retrying";
  const hitch = state.started && state.phase === "waiting" && at - state.since < HITCH;
  return hitch ? null : "waiting";
}

/** What the viewer is told, or null while the picture speaks for itself. */
export function notice(state: PlayerState, at: number): Notice | null {
  const off = state.live && state.channel === "offline";
  switch (state.phase) {
    case "unsupported":
    case "blocked":
    case "ended":
      return state.phase;
    case "playing":
      return state.live && state.channel === "slate" ? "slate" : null;
    case "paused":
      return null;
    default:
      return delay(state, off, at);
  }
}
