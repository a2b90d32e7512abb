import { describe, expect, it } from "vitest";
import {
  canvasOf,
  differing,
  FRESH,
  fitted,
  ladderFor,
  ladderKinds,
  partKind,
  partsOf,
  perSecond,
  type Settings,
  settingsOf,
  wishOf,
} from "../src/staff/settings.ts";

describe("a channel's settings", () => {
  const hand: Settings = {
    ...FRESH,
    width: 960,
    height: 540,
    ladder: [
      { height: 540, bitrate: 1_650_000 },
      { height: 360, bitrate: 700_000 },
    ],
    audio_bitrate: 96_000,
    burn_in: true,
  };

  it("come out as they went in, with what no form shows", () => {
    for (const settings of [FRESH, hand]) expect(settingsOf(wishOf(settings), settings)).toEqual(settings);
    expect(wishOf(hand).ladder).toBe("keep");
    expect(wishOf({ ...hand, ladder: [...ladderFor(canvasOf("960x540"), "30", 2)] }).ladder).toBe("two");
  });

  it("have ladders like the server's own", () => {
    expect(ladderFor(canvasOf("1280x720"), "30", 3)).toEqual([
      { height: 720, bitrate: 2_500_000 },
      { height: 480, bitrate: 1_200_000 },
      { height: 360, bitrate: 700_000 },
    ]);
    expect(ladderFor(canvasOf("720x1280"), "30", 2).map(({ height }) => height)).toEqual([720, 480]);
    expect(ladderFor(canvasOf("1280x720"), "60", 1)[0]?.bitrate).toBeGreaterThan(3_500_000);
  });

  it("offer the present ladder only while it fits the picture", () => {
    expect(ladderKinds(canvasOf("960x540"), "30", hand.ladder)).toContain("keep");
    expect(ladderKinds(canvasOf("640x360"), "30", hand.ladder)).not.toContain("keep");
    const small = fitted({ ...wishOf(hand), canvas: "640x360" }, hand);
    expect(settingsOf(small, hand).ladder).toEqual([]);
    expect(settingsOf(small, hand)).toMatchObject({ width: 640, height: 360 });
  });

  it.each(["24", "25", "30", "50", "60", "30000/1001"])("have parts that divide a GOP at %s", (rate) => {
    const wish = fitted({ ...wishOf(FRESH), rate, partFrames: 7 }, FRESH);
    const { gop_frames: gop, part_frames: part } = settingsOf(wish, FRESH);
    expect(gop % part).toBe(0);
    expect(partsOf(gop, rate)).toContain(part);
    expect(part / perSecond(rate)).toBeGreaterThan(0.15);
    expect(part / perSecond(rate)).toBeLessThan(0.5);
  });

  it("keep a GOP and a part that somebody chose, unless the rate changes", () => {
    const long = { ...FRESH, gop_frames: 60, part_frames: 15 };
    expect(settingsOf(fitted({ ...wishOf(long), canvas: "1920x1080" }, long), long)).toMatchObject({
      gop_frames: 60,
      part_frames: 15,
    });
    expect([6, 10, 15].map((frames) => partKind(frames, "30"))).toEqual(["short", "usual", "long"]);
  });

  it("tell what somebody else changed", () => {
    expect(differing(hand, { ...hand, ladder: [...hand.ladder] })).toEqual([]);
    expect(differing(hand, { ...hand, name: "x", ladder: [] })).toEqual(["name", "ladder"]);
  });
});
