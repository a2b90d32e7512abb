import { describe, expect, it } from "vitest";
import { contentOf, Tally } from "../src/player/qoe.ts";
import { initial, type Phase, type PlayerState } from "../src/player/state.ts";

const state = (phase: Phase, more: Partial<PlayerState> = {}): PlayerState => ({
  ...initial({ live: true, jitter: 0, at: 0 }),
  phase,
  started: true,
  ...more,
});

describe("what a player tells of itself", () => {
  it("tells the start once, and what was played since", () => {
    const tally = new Tally(1000);
    tally.see(state("loading", { started: false }), 1100);
    tally.see(state("playing"), 1820);
    expect(tally.take(3820)).toEqual({ msd: 820, bsd: [], ec: [], played: 2000 });
    expect(tally.take(4820)).toEqual({ msd: null, bsd: [], ec: [], played: 1000 });
  });

  it("tells each stall that ended, and not the one that stands", () => {
    const tally = new Tally(0);
    tally.see(state("playing"), 100);
    tally.see(state("waiting"), 1100);
    expect(tally.take(1500)).toEqual({ msd: 100, bsd: [], ec: [], played: 1000 });
    tally.see(state("retrying"), 3000);
    tally.see(state("loading"), 3500);
    tally.see(state("playing"), 4100);
    expect(tally.take(4100)).toEqual({ msd: null, bsd: [3000], ec: [], played: 0 });
  });

  it("holds pauses, seeks and hidden pages for no stall", () => {
    const tally = new Tally(0);
    tally.see(state("playing"), 0);
    tally.see(state("paused", { wanted: false }), 1000);
    tally.see(state("waiting"), 2000, true);
    tally.see(state("waiting", { visible: false }), 3000);
    tally.see(state("playing"), 4000);
    expect(tally.take(4000)?.bsd).toEqual([]);
  });

  it("tells failures, and keeps silent where there is nothing to tell", () => {
    const tally = new Tally(0);
    expect(tally.take(1000)).toBeNull();
    tally.failed("network");
    expect(tally.take(2000)).toEqual({ msd: null, bsd: [], ec: ["network"], played: 0 });
    expect(tally.take(3000)).toBeNull();
    for (let n = 0; n < 1000; n += 1) tally.failed("media");
    expect(tally.take(4000)?.ec).toHaveLength(100);
  });

  it("is told of this site's streams alone", () => {
    expect(contentOf("/hls/main/index.m3u8")).toBe("main");
    expect(contentOf("/replays/abc_1/index.m3u8")).toBe("abc_1");
    expect(contentOf("https://elsewhere.example/hls/main/index.m3u8")).toBeNull();
    expect(contentOf("/x")).toBeNull();
  });
});
