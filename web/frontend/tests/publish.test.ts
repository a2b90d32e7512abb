import { describe, expect, it } from "vitest";
import { catalogues, type PublishKey } from "../src/messages/publish/index.ts";
import { keyIn, publishAddress } from "../src/publish/address.ts";
import {
  capture,
  captureTroubleOf,
  handheld,
  mirrored,
  obstacle,
  videoConstraints,
  type Wish,
} from "../src/publish/capture.ts";
import { levelOf, loudness, share } from "../src/publish/level.ts";
import {
  backOff,
  CONNECTING,
  type Effect,
  initial,
  type LineTrouble,
  type PublishEvent,
  type PublishState,
  RECAPTURE,
  STEADY,
  startable,
  step,
  TAKE_BACK,
  TAKEN_TRIES,
} from "../src/publish/state.ts";
import { gradeOf, type Reading, rateText, read, settled } from "../src/publish/stats.ts";

const NEW = initial({ keyed: true, jitter: 0.5, at: 0 });

/** Runs events one after the other; returns the last state and the types of all effects. */
function run(start: PublishState, ...events: PublishEvent[]): { state: PublishState; effects: string[] } {
  let state = start;
  const effects: Effect[] = [];
  for (const event of events) {
    const next = step(state, event);
    state = next.state;
    effects.push(...next.effects);
  }
  return { state, effects: effects.map(({ type }) => type) };
}

const ready = run(NEW, { type: "ask", at: 1 }, { type: "captured", at: 2 }).state;
const connecting = run(ready, { type: "start", at: 10 }).state;
const live = run(connecting, { type: "connected", at: 100 }).state;
const fail = (at: number, trouble: LineTrouble = "broke"): PublishEvent => ({ type: "failed", at, trouble });

describe("camera and microphone", () => {
  it("are asked for once", () => {
    const { state, effects } = run(NEW, { type: "ask", at: 1 }, { type: "ask", at: 2 });
    expect(state.capture).toBe("asking");
    expect(effects).toEqual(["capture"]);
  });

  it("say what is wrong, and can be asked for again", () => {
    const refused = run(
      NEW,
      { type: "ask", at: 1 },
      { type: "uncaptured", at: 2, trouble: "denied" },
      { type: "tick", at: 60_000 },
    );
    expect(refused.state).toMatchObject({ capture: "failed", captureTrouble: "denied", captureAt: null });
    expect(refused.effects).toEqual(["capture"]);
    expect(run(refused.state, { type: "ask", at: 3 })).toMatchObject({
      effects: ["capture"],
      state: { captureTrouble: null },
    });
  });

  it("come back by themselves while somebody is live, and go into the stream that runs", () => {
    const lost = run(live, { type: "lost", at: 1_000 });
    expect(lost.state).toMatchObject({ line: "live", capture: "failed", captureTrouble: "lost" });
    const again = run(
      lost.state,
      { type: "tick", at: 1_000 + RECAPTURE },
      { type: "uncaptured", at: 3_000, trouble: "missing" },
      { type: "tick", at: 3_000 + RECAPTURE },
      { type: "captured", at: 5_000 },
    );
    expect(again.effects).toEqual(["capture", "capture", "swap"]);
    expect(again.state).toMatchObject({ line: "live", capture: "on", captureTrouble: null });
  });

  it("are not asked for while nobody looks: phones refuse it", () => {
    const hidden = run(live, { type: "lost", at: 1_000 }, { type: "visible", at: 1_001, visible: false });
    const later = run(hidden.state, { type: "tick", at: 9_000 });
    expect(later.effects).toEqual([]);
    const seen: PublishEvent = { type: "visible", at: 9_001, visible: true };
    expect(run(later.state, seen, { type: "tick", at: 9_002 }).effects).toEqual(["capture"]);
  });

  it("tell of a call, until it is over", () => {
    const call = run(live, { type: "interrupted", at: 1, interrupted: true });
    expect(call.state.captureTrouble).toBe("interrupted");
    expect(run(call.state, { type: "interrupted", at: 2, interrupted: false }).state).toEqual(live);
  });
});

describe("going live", () => {
  it("takes a camera and a key", () => {
    expect(startable(ready)).toBe(true);
    const keyless = run(ready, { type: "keyed", at: 3, keyed: false }).state;
    for (const state of [NEW, keyless, live]) {
      expect(startable(state)).toBe(false);
      expect(run(state, { type: "start", at: 4 })).toEqual({ state, effects: [] });
    }
  });

  it("connects and is live from then on", () => {
    expect(run(ready, { type: "start", at: 10 }).effects).toEqual(["connect"]);
    expect(live).toMatchObject({ line: "live", startedAt: 100, failures: 0 });
  });

  it("ends after a moment in which that can be taken back", () => {
    const ending = run(live, { type: "stop", at: 5_000 });
    expect(ending.state).toMatchObject({ line: "ending", endAt: 5_000 + TAKE_BACK });
    expect(ending.effects).toEqual([]);
    expect(run(ending.state, { type: "keep", at: 6_000 }).state).toEqual(live);
    const over = run(ending.state, { type: "tick", at: 5_000 + TAKE_BACK });
    expect(over.effects).toEqual(["close"]);
    expect(over.state).toMatchObject({ line: "off", lineTrouble: null, lasted: 4_900 + TAKE_BACK });
    expect(run(over.state, { type: "start", at: 20_000 }).state).toMatchObject({
      line: "connecting",
      lasted: null,
    });
  });

  it("is given up at once where it never came to be", () => {
    expect(run(connecting, { type: "stop", at: 20 })).toMatchObject({
      effects: ["close"],
      state: { line: "off", lasted: null },
    });
  });
});

describe("a line that breaks", () => {
  it("is taken up again, later and later, and counted", () => {
    let state = live;
    const waits: number[] = [];
    let at = 1_000;
    for (let attempt = 1; attempt <= 7; attempt++) {
      state = run(state, fail(at, attempt === 1 ? "broke" : "away")).state;
      expect(state).toMatchObject({ line: "retrying", failures: attempt });
      waits.push((state.retryAt ?? 0) - at);
      at = state.retryAt ?? 0;
      expect(run(state, { type: "tick", at: at - 1 }).effects).toEqual([]);
      const next = run(state, { type: "tick", at });
      expect(next.effects).toEqual(["connect"]);
      state = next.state;
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
    expect(run(state, { type: "connected", at }).state).toMatchObject({
      line: "live",
      lineTrouble: null,
      startedAt: 100,
    });
  });

  it("counts anew only after it stood for a while", () => {
    const broken = run(
      live,
      fail(1_000),
      { type: "tick", at: 2_000 },
      { type: "connected", at: 2_100 },
    ).state;
    expect(run(broken, fail(3_000)).state.failures).toBe(2);
    expect(run(broken, fail(2_100 + STEADY)).state.failures).toBe(1);
  });

  it("waits as long as the server asks for", () => {
    const limited = run(connecting, { type: "failed", at: 1_000, trouble: "limited", wait: 30_000 }).state;
    expect(limited.retryAt).toBe(31_000);
  });

  it("waits for the network and then for nothing else", () => {
    const gone = run(live, fail(1_000), { type: "network", at: 1_001, online: false });
    expect(gone.state.lineTrouble).toBe("offline");
    expect(run(gone.state, { type: "tick", at: 60_000 }).effects).toEqual([]);
    expect(run(gone.state, { type: "network", at: 60_001, online: true }).effects).toEqual(["connect"]);
  });

  it("is not taken up without a picture", () => {
    const blind = run(live, { type: "lost", at: 1_000 }, fail(1_100)).state;
    const asked = run(blind, { type: "tick", at: 5_000 });
    expect(asked.effects).toEqual(["capture"]);
    expect(run(asked.state, { type: "tick", at: 5_300 }).effects).toEqual([]);
    const back = run(asked.state, { type: "captured", at: 6_000 }, { type: "tick", at: 6_250 });
    expect(back.effects).toEqual(["swap", "connect"]);
  });

  it("is taken up at once by somebody who looks again", () => {
    const away = run(live, { type: "visible", at: 1, visible: false }, fail(1_000)).state;
    expect(run(away, { type: "visible", at: 1_010, visible: true }).effects).toEqual(["connect"]);
  });

  it("has ended where it was to end", () => {
    const ending = run(live, { type: "stop", at: 1_000 }, fail(1_500));
    expect(ending.state).toMatchObject({ line: "off", lineTrouble: null });
    expect(ending.effects).toEqual(["close"]);
  });

  it("is given up by the clock where nobody answers", () => {
    expect(run(connecting, { type: "tick", at: 10 + CONNECTING })).toMatchObject({
      effects: ["close"],
      state: { line: "retrying", lineTrouble: "path" },
    });
  });

  it("is not tried again with a wrong key, which is asked for", () => {
    const wrong = run(connecting, fail(20, "key"));
    expect(wrong.state).toMatchObject({ line: "off", lineTrouble: "key", keyed: false });
    expect(run(wrong.state, { type: "keyed", at: 30, keyed: true }).state.lineTrouble).toBeNull();
  });

  it("tries a feed that others use for as long as a former session of ours may stand there", () => {
    let state = run(live, fail(1_000)).state;
    const states = [];
    for (let attempt = 0; attempt < TAKEN_TRIES; attempt++) {
      state = run(state, { type: "tick", at: 100_000 * (attempt + 1) }).state;
      state = run(state, fail(100_000 * (attempt + 1), "taken")).state;
      states.push(state.line);
    }
    expect(states.slice(0, 2)).toEqual(["retrying", "retrying"]);
    expect(state).toMatchObject({ line: "off", lineTrouble: "taken", keyed: true });
  });

  it("never answers what comes late", () => {
    expect(run(ready, fail(1), { type: "connected", at: 2 })).toEqual({ state: ready, effects: [] });
  });

  it("spreads the attempts of many", () => {
    expect(backOff(0, 0)).toBe(375);
    expect(backOff(0, 1)).toBe(625);
    expect(backOff(40, 1)).toBe(10_000);
  });
});

describe("capturing", () => {
  const wish: Wish = { camera: "", microphone: "", facing: "user", shape: "portrait", quality: "normal" };

  it("cuts an upright picture of a camera that stands, and turns with a phone", () => {
    expect(videoConstraints(wish, false)).toMatchObject({ width: { ideal: 720 }, height: { ideal: 1280 } });
    expect(videoConstraints(wish, true)).toMatchObject({ width: { ideal: 1280 }, height: { ideal: 720 } });
    expect(videoConstraints({ ...wish, camera: "a" }, false)).toMatchObject({ deviceId: { exact: "a" } });
  });

  it("knows phones and tablets", () => {
    expect(handheld({ userAgent: "Mozilla/5.0 (Linux; Android 14)" })).toBe(true);
    expect(handheld({ userAgent: "Mozilla/5.0 (Macintosh)", touchPoints: 5 })).toBe(true);
    expect(handheld({ userAgent: "Mozilla/5.0 (Macintosh)", touchPoints: 0 })).toBe(false);
    expect(handheld({ userAgent: "Mozilla/5.0 (Windows NT 10.0)", touchPoints: 10 })).toBe(false);
  });

  it("mirrors who looks at themselves, and nothing that is shown to others", () => {
    expect(mirrored("user", "", true)).toBe(true);
    expect(mirrored("environment", "", true)).toBe(false);
    expect(mirrored(undefined, "FaceTime HD", false)).toBe(true);
    expect(mirrored(undefined, "OBS Virtual Camera", false)).toBe(false);
    expect(mirrored(undefined, "", true)).toBe(false);
  });

  it("puts refusals into words", () => {
    const names = ["NotAllowedError", "NotReadableError", "NotFoundError", "TypeError"];
    expect(names.map((name) => captureTroubleOf({ name }))).toEqual(["denied", "busy", "missing", "broken"]);
    expect(obstacle({ isSecureContext: false, canCapture: false, canSend: true })).toBe("insecure");
    expect(obstacle({ isSecureContext: true, canCapture: false, canSend: true })).toBe("unsupported");
    expect(obstacle({ isSecureContext: true, canCapture: true, canSend: true })).toBeNull();
  });

  it("takes other devices for those that are gone, and goes without a microphone", async () => {
    const asked: MediaStreamConstraints[] = [];
    const devices = {
      getUserMedia: async (constraints: MediaStreamConstraints) => {
        asked.push(constraints);
        if (asked.length === 1) throw Object.assign(new Error(), { name: "OverconstrainedError" });
        if (constraints.audio !== false) throw Object.assign(new Error(), { name: "NotFoundError" });
        return "stream";
      },
    } as unknown as MediaDevices;
    const got = await capture(devices, { ...wish, camera: "gone" }, false);
    expect(got).toEqual({ stream: "stream", silent: true });
    expect(asked.map(({ audio }) => audio !== false)).toEqual([true, true, false]);
    expect(asked[1]?.video).toMatchObject({ facingMode: { ideal: "user" } });
  });

  it("does not ask twice where the person said no", async () => {
    const no = Object.assign(new Error(), { name: "NotAllowedError" });
    const devices = { getUserMedia: () => Promise.reject(no) } as unknown as MediaDevices;
    await expect(capture(devices, wish, false)).rejects.toBe(no);
  });
});

describe("the network's state", () => {
  const good: Reading = {
    bitrate: 2_000_000,
    rate: 30,
    source: 30,
    loss: 0,
    delay: 40,
    limit: "none",
    width: 1280,
    height: 720,
  };

  it("comes from what was sent between two looks", () => {
    const report = (at: number, bytes: number, frames: number) => [
      { type: "outbound-rtp", kind: "video", timestamp: at, bytesSent: bytes, framesEncoded: frames },
      { type: "outbound-rtp", kind: "audio", timestamp: at, bytesSent: at * 4 },
      { type: "remote-inbound-rtp", kind: "video", fractionLost: 0.02, roundTripTime: 0.05 },
      { type: "media-source", kind: "video", framesPerSecond: 31 },
      { type: "candidate-pair", bytesSent: 9 },
    ];
    const first = read(report(1_000, 0, 0), null);
    expect(first.reading).toBeNull();
    const second = read(report(3_000, 500_000, 60), first.counters);
    expect(second.reading).toMatchObject({
      bitrate: 2_032_000,
      rate: 30,
      loss: 0.02,
      delay: 50,
      limit: "none",
    });
    expect(read([], second.counters).reading).toBeNull();
  });

  it.each<[Partial<Reading>, string]>([
    [{}, "good"],
    [{ loss: null, delay: null }, "good"],
    [{ loss: 0.05 }, "weak"],
    [{ loss: 0.2 }, "bad"],
    [{ delay: 600 }, "weak"],
    [{ rate: 4 }, "bad"],
    [{ rate: 15 }, "weak"],
    [{ rate: 14, source: 15 }, "good"],
    [{ rate: 0, source: null }, "good"],
    [{ limit: "bandwidth", bitrate: 500_000 }, "weak"],
    [{ limit: "none", bitrate: 500_000 }, "good"],
    [{ bitrate: 90_000 }, "bad"],
  ])("%j is %s", (change, grade) => {
    expect(gradeOf({ ...good, ...change })).toBe(grade);
  });

  it("does not change for one bad second", () => {
    expect(settled([])).toBeNull();
    expect(settled(["good", "good", "bad", "good", "good"])).toBe("good");
    expect(settled(["good", "good", "bad", "weak", "bad"])).toBe("weak");
  });

  it("is told in units that people know", () => {
    expect([2_340_000, 843_000, 0].map(rateText)).toEqual(["2.3 Mb/s", "840 kb/s", "0 kb/s"]);
  });
});

describe("loudness", () => {
  it("is measured in decibels", () => {
    expect(levelOf(new Float32Array(64)).rms).toBe(-60);
    expect(levelOf(Float32Array.from({ length: 64 }, () => 0.5)).peak).toBeCloseTo(-6.02, 1);
    expect([share(-60), share(-30), share(0)]).toEqual([0, 0.5, 1]);
    expect([-60, -40, -12, 0].map(loudness)).toEqual(["silent", "low", "good", "loud"]);
  });
});

describe("the address", () => {
  it("carries the key where no server sees it", () => {
    const url = new URL(publishAddress("https://live.example", "cam-1", "a b&c=#"));
    expect(url.pathname + url.search).toBe("/publish/cam-1");
    expect(keyIn(url.hash)).toBe("a b&c=#");
    expect(publishAddress("https://live.example", "cam-1")).toBe("https://live.example/publish/cam-1");
    expect(keyIn("")).toBe("");
  });
});

describe("texts", () => {
  it("say something in both languages, with the same values", () => {
    const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
    for (const key of Object.keys(catalogues.ko) as PublishKey[]) {
      expect(catalogues.ko[key].trim(), key).not.toBe("");
      expect(catalogues.en[key], key).not.toMatch(/[가-힣]/);
      expect(names(catalogues.en[key]), key).toEqual(names(catalogues.ko[key]));
    }
  });
});
