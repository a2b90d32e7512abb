import { afterEach, describe, expect, it, vi } from "vitest";
import { fetchTiles, storyboardOf, tileAt, tilesOf } from "../src/player/storyboard.ts";

const BASE = "https://tv.example/replays/s1/storyboard.vtt";
const TEXT = `WEBVTT

00:00:00.000 --> 00:00:06.000
storyboard-0.jpg#xywh=0,0,160,90

00:00:06.000 --> 00:00:10.500
storyboard-0.jpg#xywh=160,90,160,90

01:06:20.000 --> 01:06:40.000
storyboard-1.jpg#xywh=1440,810,160,90
`;

describe("a storyboard's text", () => {
  it("says where each picture is", () => {
    const tiles = tilesOf(TEXT, BASE);
    expect(tiles).toHaveLength(3);
    expect(tiles[1]).toEqual({
      start: 6,
      end: 10.5,
      sheet: "https://tv.example/replays/s1/storyboard-0.jpg",
      x: 160,
      y: 90,
      width: 160,
      height: 90,
    });
    expect(tiles[2]).toMatchObject({ start: 3980, end: 4000, x: 1440, y: 810 });
  });

  it("may have other line ends, names of cues, and times without hours", () => {
    const text =
      "\uFEFFWEBVTT made by hand\r\n\r\n1\r\n00:05.000 --> 00:10.000\r\na.jpg#xywh=pixel:1,2,3,4\r\n";
    expect(tilesOf(text, BASE)).toMatchObject([{ start: 5, end: 10, x: 1, y: 2, width: 3, height: 4 }]);
  });

  it.each(["", "<!doctype html>", "WEBVTT\n\n00:00.000 --> 00:05.000\nWords that are spoken\n", "WEBVTT"])(
    "gives nothing for %j",
    (text) => expect(tilesOf(text, BASE)).toEqual([]),
  );

  it("is beside the playlist", () => {
    expect(storyboardOf("/replays/s1/index.m3u8")).toBe("/replays/s1/storyboard.vtt");
    expect(storyboardOf("/replays/s1/index.m3u8?a=/b")).toBe("/replays/s1/storyboard.vtt");
  });
});

describe("which picture", () => {
  const tiles = tilesOf(TEXT, BASE);
  it.each([
    [-1, 0],
    [0, 0],
    [5.999, 0],
    [6, 6],
    [3000, 6],
    [3980, 3980],
    [9e9, 3980],
  ])("at %d s is the one of %d s", (moment, start) => expect(tileAt(tiles, moment)?.start).toBe(start));

  it("is none of none", () => expect(tileAt([], 3)).toBeNull());
});

describe("fetching", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("takes what is there, and nothing for none", async () => {
    const there = { ok: true, url: BASE, text: async () => TEXT };
    vi.stubGlobal(
      "fetch",
      vi
        .fn()
        .mockResolvedValueOnce(there)
        .mockResolvedValueOnce({ ok: false })
        .mockRejectedValueOnce(new TypeError("offline")),
    );
    expect(await fetchTiles("/a")).toHaveLength(3);
    expect(await fetchTiles("/a")).toEqual([]);
    expect(await fetchTiles("/a")).toEqual([]);
  });
});
