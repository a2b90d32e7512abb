import { describe, expect, it } from "vitest";
import { startsNow, stateOf } from "../src/api/channel.ts";
import { urlOf } from "../src/api/client.ts";
import { engineFor } from "../src/player/engine.ts";
import { HLS_CONFIG, worthRetrying } from "../src/player/hls-config.ts";
import { actionOf } from "../src/player/keys.ts";
import { mediaAt, programmeAt, share, within } from "../src/player/timeline.ts";

const AGENTS = {
  chrome:
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0.0.0 Safari/537.36",
  android:
    "Mozilla/5.0 (Linux; Android 15; SM-S931N) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
  safari:
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
  iphone:
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/134.0 Mobile/15E148 Safari/604.1",
  firefox: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
};

describe("which engine", () => {
  it.each([
    ["chrome", true, true, "hls.js"],
    ["android", true, true, "hls.js"],
    ["safari", true, true, "native"],
    ["iphone", true, true, "native"],
    ["firefox", true, false, "hls.js"],
    ["android", false, true, "native"],
    ["firefox", false, false, null],
  ] as const)("%s, media source %s, native %s", (agent, mediaSource, native, wanted) => {
    expect(engineFor({ userAgent: AGENTS[agent], mediaSource, native })).toBe(wanted);
  });
});

describe("load policies", () => {
  it("keep latency to the playlist and carry over a restart of an origin", () => {
    expect(HLS_CONFIG).toMatchObject({
      lowLatencyMode: true,
      maxLiveSyncPlaybackRate: 1.1,
      backBufferLength: 30,
    });
    expect(HLS_CONFIG).not.toHaveProperty("liveSyncDuration");
    const retry = HLS_CONFIG.playlistLoadPolicy?.default.errorRetry;
    // hls.js counts failures of the picture's and the sound's playlists together.
    expect(((retry?.maxNumRetry ?? 0) / 2) * (retry?.retryDelayMs ?? 0)).toBeGreaterThan(15_000);
  });

  it("soon leave a part alone that died with its worker", () => {
    const retry = HLS_CONFIG.fragLoadPolicy?.default.errorRetry;
    const asksAgain = (code: number, count: number) =>
      retry?.shouldRetry?.(retry, count, false, { url: "", code }, false);
    expect([asksAgain(404, 2), asksAgain(404, 3), asksAgain(503, 10)]).toEqual([true, false, true]);
  });

  it.each([
    [0, true],
    [404, true],
    [429, true],
    [502, true],
    [503, true],
    [400, false],
    [403, false],
    [410, false],
  ])("status %d", (status, wanted) => {
    expect(worthRetrying(status)).toBe(wanted);
  });
});

describe("keys", () => {
  const key = (
    key: string,
    code: string,
    held: Partial<Record<"ctrlKey" | "altKey" | "metaKey", boolean>> = {},
  ) => actionOf({ key, code, ctrlKey: false, altKey: false, metaKey: false, ...held });

  it("are read alike with a Korean layout", () => {
    expect(key("ㅏ", "KeyK")).toEqual(key("k", "KeyK"));
    expect(key("ㅡ", "KeyM")).toEqual({ type: "mute" });
  });

  it("follow the letter, not the place, on other Latin boards", () => {
    expect(key("q", "KeyM")).toBeNull();
  });

  it("leave combinations to the browser", () => {
    expect(key("f", "KeyF", { ctrlKey: true })).toBeNull();
    expect(key("ArrowLeft", "ArrowLeft", { altKey: true })).toBeNull();
  });
});

describe("timeline", () => {
  const dated = [
    { start: 10, duration: 2, programme: 1_000_000 },
    { start: 12, duration: 2, programme: 1_002_000 },
    // A worker's death: 5 s are missing.
    { start: 14, duration: 2, programme: 1_009_000 },
  ];

  it("tells programme time, over a gap too", () => {
    expect([10, 13.5, 14, 15].map((at) => programmeAt(dated, at))).toEqual([
      1_000_000, 1_003_500, 1_009_000, 1_010_000,
    ]);
    expect(programmeAt([], 3)).toBeNull();
  });

  it("finds the way back; inside a gap it is where the picture goes on", () => {
    expect([1_000_000, 1_003_500, 1_006_000, 1_010_000].map((at) => mediaAt(dated, at))).toEqual([
      10, 13.5, 14, 15,
    ]);
    expect([mediaAt(dated, 999_999), mediaAt(dated, 1_011_001)]).toEqual([null, null]);
  });

  it("keeps seeks inside", () => {
    const stretch = { start: 5, end: 15 };
    expect([0, 10, 99].map((at) => within(stretch, at))).toEqual([5, 10, 15]);
    expect([0, 10, 99].map((at) => share(stretch, at))).toEqual([0, 0.5, 1]);
    expect(share({ start: 5, end: 5 }, 5)).toBe(1);
  });
});

describe("API addresses", () => {
  it("are filled in and escaped", () => {
    expect(urlOf("/api/v1/channels/{channel}", { path: { channel: "a/b" } })).toBe("/api/v1/channels/a%2Fb");
    expect(urlOf("/api/v1/shows", { query: { state: "live", limit: 5 } })).toBe(
      "/api/v1/shows?state=live&limit=5",
    );
  });

  it("need all their names", () => {
    expect(() => urlOf("/api/v1/channels/{channel}")).toThrow(TypeError);
  });
});

describe("a channel", () => {
  it("without a worker is paused while it shall be on air, and off air otherwise", () => {
    expect(stateOf({ state: "offline", on_air: true, idle: false })).toBe("slate");
    expect(stateOf({ state: "offline", on_air: false, idle: false })).toBe("offline");
    expect(stateOf({ state: "live", on_air: true, idle: false })).toBe("live");
  });
  it("that rests is off air for those who do not ask for it, and starting for those who do", () => {
    const resting = { state: "offline", on_air: true, idle: true, on_demand: true } as const;
    expect(stateOf(resting)).toBe("offline");
    expect(startsNow(resting)).toBe(true);
    expect(startsNow({ ...resting, on_air: false })).toBe(false);
    expect(startsNow({ ...resting, state: "live" })).toBe(false);
  });
});
