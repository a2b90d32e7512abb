/** One small picture of a replay: where it is on its sheet, and the seconds from the replay's start that it stands for. */
export interface Tile {
  readonly start: number;
  readonly end: number;
  readonly sheet: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const TIMES = /^(?:(\d+):)?(\d\d):(\d\d\.\d{3})\s+-->\s+(?:(\d+):)?(\d\d):(\d\d\.\d{3})/;
const PLACE = /^(.+)#xywh=(?:pixel:)?(\d+),(\d+),(\d+),(\d+)$/;

/** Address of the storyboard beside a replay's playlist. */
export function storyboardOf(playlist: string): string {
  return playlist.replace(/[^/]*(?:\?.*)?$/, "storyboard.vtt");
}

/** The tiles of a WebVTT text in its order; `base` is its address. Cues that are none of ours are left out. */
export function tilesOf(text: string, base: string): readonly Tile[] {
  const tiles: Tile[] = [];
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/);
  if (lines[0]?.startsWith("WEBVTT") !== true) return tiles;
  for (const [index, line] of lines.entries()) {
    const times = TIMES.exec(line);
    const place = times === null ? null : PLACE.exec(lines[index + 1] ?? "");
    if (times === null || place === null) continue;
    const [x = 0, y = 0, width = 0, height = 0] = place.slice(2).map(Number);
    tiles.push({
      start: seconds(times[1], times[2], times[3]),
      end: seconds(times[4], times[5], times[6]),
      sheet: new URL(place[1] ?? "", base).href,
      x,
      y,
      width,
      height,
    });
  }
  return tiles;
}

/** The tile for a moment: the last that begins by then. The first stands for what is before it. */
export function tileAt(tiles: readonly Tile[], moment: number): Tile | null {
  let low = 0;
  let high = tiles.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((tiles[middle]?.start ?? Number.POSITIVE_INFINITY) <= moment) low = middle + 1;
    else high = middle;
  }
  return tiles[Math.max(0, low - 1)] ?? null;
}

/** Fetches a storyboard; no tiles where there is none, or nothing answers. */
export async function fetchTiles(address: string): Promise<readonly Tile[]> {
  try {
    const response = await fetch(address);
    return response.ok ? tilesOf(await response.text(), response.url) : [];
  } catch {
    return []; // offline: it is asked for again later
  }
}

function seconds(hours = "0", minutes = "0", rest = "0"): number {
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(rest);
}
