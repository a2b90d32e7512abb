import { describe, expect, it } from "vitest";
import { type Bounds, narrowed } from "../src/time/server.ts";

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 2, 2, 11);
/** What a server says whose clock is `ahead` of ours, asked at `asked` with a round trip of `trip`, answering in its middle. */
const header = (asked: number, trip: number, ahead: number) =>
  new Date(asked + trip / 2 + ahead).toUTCString();

describe("the server's clock", () => {
  it("is known to a second and the way there and back after one answer", () => {
    const found = narrowed(null, header(NOW, 80, HOUR), NOW, NOW + 80);
    expect(found?.low).toBeLessThanOrEqual(HOUR);
    expect(found?.high).toBeGreaterThanOrEqual(HOUR);
    expect((found?.high ?? 0) - (found?.low ?? 0)).toBe(1080);
  });

  it("is known better after several, and what is true never leaves the bounds", () => {
    let known: Bounds | null = null;
    for (let i = 0; i < 40; i++) {
      const asked = NOW + i * 5_137;
      known = narrowed(known, header(asked, 60, -HOUR), asked, asked + 60);
      expect(known?.low).toBeLessThanOrEqual(-HOUR);
      expect(known?.high).toBeGreaterThanOrEqual(-HOUR);
    }
    expect((known?.high ?? 0) - (known?.low ?? 0)).toBeLessThan(200);
  });

  it("begins anew when this machine's clock is set", () => {
    const before = narrowed(null, header(NOW, 80, 0), NOW, NOW + 80);
    const after = narrowed(before, header(NOW, 80, HOUR), NOW, NOW + 80);
    expect(after?.low).toBeGreaterThan(HOUR - 2_000);
  });

  it("passes over answers without a time", () => {
    const known = { low: 1, high: 2 };
    expect(narrowed(known, null, NOW, NOW)).toBe(known);
    expect(narrowed(known, "yesterday", NOW, NOW)).toBe(known);
    expect(narrowed(known, header(NOW, 0, 0), NOW + 10, NOW)).toBe(known);
  });
});
