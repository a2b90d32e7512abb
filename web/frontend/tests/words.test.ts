import { describe, expect, it } from "vitest";
import { clock, length, relative } from "../src/time/words.ts";

const NOW = Date.UTC(2026, 2, 2, 11, 0, 0);
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe("relative", () => {
  it.each([
    [0, "방금", "just now"],
    [-59 * SECOND, "방금", "just now"],
    [59 * SECOND, "곧", "in a moment"],
    [-60 * SECOND, "1분 전", "1 minute ago"],
    [-3 * MINUTE - 59 * SECOND, "3분 전", "3 minutes ago"],
    [5 * MINUTE, "5분 후", "in 5 minutes"],
    [-2 * HOUR, "2시간 전", "2 hours ago"],
    [-DAY, "어제", "yesterday"],
    [DAY, "내일", "tomorrow"],
    [-12 * DAY, "12일 전", "12 days ago"],
    [-40 * DAY, "2026년 1월 21일", "January 21, 2026"],
  ])("%d ms", (distance, ko, en) => {
    expect([relative(NOW + distance, NOW, "ko"), relative(NOW + distance, NOW, "en")]).toEqual([ko, en]);
  });
});

describe("clock", () => {
  it.each([
    [0, "0:00"],
    [7.9, "0:07"],
    [59.999, "0:59"],
    [725, "12:05"],
    [3_723, "1:02:03"],
    [-4, "0:00"],
    [Number.NaN, "0:00"],
    [Number.POSITIVE_INFINITY, "0:00"],
  ])("%d s", (seconds, text) => {
    expect(clock(seconds)).toBe(text);
  });
});

describe("length", () => {
  it.each([
    [42, "42초", "42 seconds"],
    [60, "1분", "1 minute"],
    [3_599, "1시간", "1 hour"],
    [3_720, "1시간 2분", "1 hour 2 minutes"],
  ])("%d s", (seconds, ko, en) => {
    expect([length(seconds, "ko"), length(seconds, "en")]).toEqual([ko, en]);
  });
});
