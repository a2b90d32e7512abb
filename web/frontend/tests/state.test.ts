import { describe, expect, it } from "vitest";
import {
  backOff,
  type Effect,
  initial,
  notice,
  OPENING,
  type PlayerEvent,
  type PlayerState,
  REPAIR_AGAIN,
  STALL,
  step,
} from "../src/player/state.ts";

const NEW = initial({ live: true, jitter: 0.5, at: 0 });

/** Runs events one after the other; returns the last state and all effects. */
function run(start: PlayerState, ...events: PlayerEvent[]): { state: PlayerState; effects: Effect[] } {
  let state = start;
  const effects: Effect[] = [];
  for (const event of events) {
    const next = step(state, event);
    state = next.state;
    effects.push(...next.effects);
  }
  return { state, effects };
}

const playing = run(
  NEW,
  { type: "opened", at: 100 },
  { type: "playing", at: 300 },
  { type: "tick", at: 500, position: 1 },
).state;

describe("starting", () => {
  it("plays as soon as the source is understood", () => {
    const { state, effects } = run(NEW, { type: "opened", at: 100 }, { type: "playing", at: 300 });
    expect(effects).toEqual([{ type: "play" }]);
    expect(state).toMatchObject({ phase: "playing", started: true });
  });

  it("does not play what the viewer paused meanwhile", () => {
    const { effects } = run(NEW, { type: "wanted", at: 50, wanted: false }, { type: "opened", at: 100 });
    expect(effects).toEqual([{ type: "pause" }]);
  });

  it("opens again, at the edge, when nothing came for long", () => {
    const late = run(NEW, { type: "tick", at: OPENING, position: 0 });
    expect(late.state.phase).toBe("retrying");
    expect(run(late.state, { type: "tick", at: OPENING + 2_000, position: 0 }).effects).toEqual([
      { type: "open", where: "edge" },
    ]);
  });

  it("asks for a tap where even muted playing is refused, and plays on it", () => {
    const { state } = run(NEW, { type: "opened", at: 100 }, { type: "blocked", at: 110 });
    expect(notice(state, 200)).toBe("blocked");
    expect(run(state, { type: "wanted", at: 300, wanted: true }).effects).toEqual([{ type: "play" }]);
  });
});

describe("the watch on a standing picture", () => {
  it("lets a picture stand for less than the limit", () => {
    expect(run(playing, { type: "tick", at: 500 + STALL - 1, position: 1 }).state.phase).toBe("playing");
  });

  it("opens the source again where the viewer is", () => {
    const stood = run(playing, { type: "tick", at: 500 + STALL, position: 1 });
    expect(stood.state.phase).toBe("retrying");
    expect(run(stood.state, { type: "tick", at: 500 + STALL + 501, position: 1 }).effects).toEqual([
      { type: "open", where: "here" },
    ]);
  });

  it("also counts the time spent waiting for data", () => {
    const { state } = run(
      playing,
      { type: "waiting", at: 600 },
      { type: "tick", at: 500 + STALL, position: 1 },
    );
    expect(state.phase).toBe("retrying");
  });

  it.each([
    ["paused", { type: "wanted", at: 600, wanted: false }],
    ["hidden", { type: "visible", at: 600, visible: false }],
  ] as const)("leaves a %s picture alone", (_, event) => {
    expect(run(playing, event, { type: "tick", at: 600 + 10 * STALL, position: 1 }).state.phase).not.toBe(
      "retrying",
    );
  });

  it("begins anew when the page is seen again", () => {
    const { state } = run(
      playing,
      { type: "visible", at: 600, visible: false },
      { type: "visible", at: 100_000, visible: true },
      { type: "tick", at: 100_500, position: 1 },
    );
    expect(state.phase).toBe("playing");
  });
});

describe("trouble", () => {
  it("waits longer from time to time, never more than ten seconds and a quarter", () => {
    const waits = Array.from({ length: 12 }, (_, n) => backOff(n, 0.5));
    expect(waits.slice(0, 5)).toEqual([500, 1_000, 2_000, 4_000, 8_000]);
    expect(Math.max(...Array.from({ length: 40 }, (_, n) => backOff(n, 1)))).toBe(12_500);
    expect(backOff(3, 0)).toBe(3_000);
  });

  it("never gives up, however long the source is gone", () => {
    let state = playing;
    let opened = 0;
    for (let at = 1_000; at < 3_600_000; at += 500) {
      const tick = run(state, { type: "tick", at, position: 1 });
      state = tick.state;
      if (tick.effects.some((effect) => effect.type === "open")) {
        opened += 1;
        state = run(state, { type: "failed", at, cause: "network" }).state;
      }
    }
    expect(opened).toBeGreaterThan(3_600 / 14);
    expect(run(state, { type: "playing", at: 3_600_000 }).state.phase).toBe("playing");
  });

  it("counts failures until the picture moves, not until it was promised", () => {
    const failed = run(playing, { type: "failed", at: 1_000, cause: "network" }).state;
    const back = run(failed, { type: "tick", at: 2_000, position: 1 }, { type: "playing", at: 2_200 }).state;
    expect(back.failures).toBe(1);
    expect(run(back, { type: "tick", at: 2_500, position: 1.3 }).state.failures).toBe(0);
  });

  it("repairs a media error in place once, then opens again", () => {
    const first = run(playing, { type: "failed", at: 1_000, cause: "media" });
    expect(first.effects).toEqual([{ type: "repair" }]);
    const soon = run(first.state, { type: "failed", at: 1_000 + REPAIR_AGAIN, cause: "media" });
    expect([soon.effects, soon.state.phase]).toEqual([[], "retrying"]);
    const later = run(first.state, { type: "failed", at: 1_001 + REPAIR_AGAIN, cause: "media" });
    expect(later.effects).toEqual([{ type: "repair" }]);
  });

  it("holds attempts while offline and makes one the moment the network is back", () => {
    const off = run(
      playing,
      { type: "network", at: 900, online: false },
      { type: "failed", at: 1_000, cause: "network" },
      { type: "tick", at: 60_000, position: 1 },
    );
    expect(off.effects).toEqual([]);
    expect(notice(off.state, 60_000)).toBe("network");
    expect(run(off.state, { type: "network", at: 60_100, online: true }).effects).toEqual([
      { type: "open", where: "here" },
    ]);
  });

  it("opens at once when the channel is back on air", () => {
    const off = run(
      playing,
      { type: "channel", at: 800, channel: "offline" },
      { type: "failed", at: 1_000, cause: "network" },
    );
    expect(notice(off.state, 1_100)).toBe("offline");
    expect(run(off.state, { type: "channel", at: 1_200, channel: "live" }).effects).toEqual([
      { type: "open", where: "here" },
    ]);
  });

  it("goes to the edge after several attempts in place", () => {
    const tried = { ...playing, phase: "retrying" as const, failures: 3, retryAt: 2_000 };
    expect(run(tried, { type: "tick", at: 2_000, position: 1 }).effects).toEqual([
      { type: "open", where: "edge" },
    ]);
  });

  it("does not stir after the end", () => {
    const { state, effects } = run(
      playing,
      { type: "ended", at: 1_000 },
      { type: "failed", at: 1_100, cause: "network" },
      { type: "tick", at: 100_000, position: 1 },
    );
    expect([state.phase, effects]).toEqual(["ended", []]);
  });
});

describe("what the viewer is told", () => {
  it("is nothing while it plays", () => {
    expect(notice(playing, 600)).toBeNull();
  });

  it("is that the show gets ready before the first picture of a live channel", () => {
    expect(notice(NEW, 100)).toBe("starting");
    expect(notice({ ...NEW, live: false }, 100)).toBe("waiting");
  });

  it("is not a word about a hitch, but one about a wait", () => {
    const hitch = run(playing, { type: "waiting", at: 1_000 }).state;
    expect(notice(hitch, 1_500)).toBeNull();
    expect(notice(hitch, 1_700)).toBe("waiting");
  });

  it("is that it connects again only once the first attempt failed", () => {
    const once = run(playing, { type: "failed", at: 1_000, cause: "network" }).state;
    expect(notice(once, 1_100)).toBe("waiting");
    const twice = run(
      once,
      { type: "tick", at: 2_000, position: 1 },
      { type: "failed", at: 2_100, cause: "network" },
    ).state;
    expect(notice(twice, 2_200)).toBe("retrying");
  });

  it("is the slate's promise while the channel has no picture", () => {
    expect(notice(run(playing, { type: "channel", at: 900, channel: "slate" }).state, 1_000)).toBe("slate");
  });
});
