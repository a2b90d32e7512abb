import { describe, expect, it } from "vitest";
import { drawn } from "../src/staff/graph.ts";
import { type Fared, heights, overTime, percent, quantile, stood, verdict } from "../src/staff/viewing.ts";

describe("how viewers fare", () => {
  const bounds = [0.25, 0.5, 1, 1.5, 2, 3, 5, 8, 13, 30];
  const minute = (at: string, viewers: number, stalled: number, played = 60) => ({
    at,
    viewers,
    played,
    stalled,
    stalls: stalled > 0 ? 1 : 0,
    latency: null,
  });
  const counts = (index: number, count = 10) => bounds.concat(0).map((_, i) => (i === index ? count : 0));
  const fared: Fared = {
    channel: "main",
    watching: 3,
    reports: 10,
    minutes: [minute("2026-03-02T11:00:00Z", 3, 0)],
    startup: counts(2),
    latency: counts(3),
    rungs: [],
    errors: {},
  };

  it("is drawn over every minute, those without viewers too", () => {
    const since = Date.parse("2026-03-02T10:58:00Z");
    const until = since + 3 * 60_000;
    const samples = overTime([minute("2026-03-02T11:00:00.000000Z", 4, 0)], since, until, (it) => it.viewers);
    expect(samples.map(({ rate }) => rate)).toEqual([0, 0, 4, 0]);
    const { line } = drawn(samples, until, 90, 10, { span: until - since, hole: 120_000, top: 5 });
    expect(line).toBe("M0 10L30 10L60 2L90 10");
  });

  it("says within which time the half lies, and when that is more than is counted", () => {
    expect(quantile(counts(2), bounds, 0.5)).toEqual({ value: 0.75, beyond: false });
    expect(quantile(counts(10), bounds, 0.5)).toEqual({ value: 30, beyond: true });
    expect(quantile(counts(10, 0), bounds, 0.5)).toBeNull();
    expect(heights([1, 4, 0])).toEqual([0.25, 1, 0]);
  });

  it("tells the share of time that pictures stood", () => {
    expect(stood([minute("a", 1, 6, 54), minute("b", 1, 0, 60)])).toEqual({ share: 0.05, count: 1 });
    expect(stood([])).toEqual({ share: 0, count: 0 });
    expect([0, 0.0002, 0.034, 0.5].map(percent)).toEqual(["0%", "0.1%", "3.4%", "50%"]);
  });

  it("has one verdict, the worst, and none of a single unlucky viewer", () => {
    const of = (change: Partial<Fared>) => verdict({ ...fared, ...change }, bounds).title;
    expect(of({})).toBe("viewers.well");
    expect(of({ minutes: [minute("a", 3, 6)], startup: counts(8) })).toBe("viewers.stalls");
    expect(of({ startup: counts(8) })).toBe("viewers.slow");
    expect(of({ startup: counts(8, 2) })).toBe("viewers.well");
    expect(of({ latency: counts(8) })).toBe("viewers.late");
    expect(of({ watching: 0 })).toBe("viewers.quiet");
    expect(of({ reports: 0 })).toBe("viewers.quiet");
    expect(of({ reports: 2, minutes: [minute("a", 1, 6)] })).toBe("viewers.well");
  });
});
