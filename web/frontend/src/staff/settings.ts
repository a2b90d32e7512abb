import type { components } from "../api/schema.d.ts";

export type Settings = components["schemas"]["ChannelSettings"];
export type Rung = components["schemas"]["Rung"];

export interface Canvas {
  readonly width: number;
  readonly height: number;
}

/** What is offered, landscape first. A channel keeps another size that it was given by the API. */
export const CANVASES: readonly Canvas[] = [
  { width: 1920, height: 1080 },
  { width: 1280, height: 720 },
  { width: 960, height: 540 },
  { width: 640, height: 360 },
  { width: 1080, height: 1920 },
  { width: 720, height: 1280 },
  { width: 540, height: 960 },
  { width: 360, height: 640 },
];
export const RATES = ["24", "25", "30", "50", "60"] as const;
/** Seconds. */
export const WINDOWS = [0, 300, 900, 1800, 3600, 7200, 14_400] as const;
export const IDLES = [30, 60, 300, 900] as const;
/** As the server's (media/node/spec.py), fastest first. */
export const PRESETS = ["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] as const;

export type LadderKind = "auto" | "keep" | "three" | "two" | "one";

/** What a person chooses; the rest of the settings stays. */
export interface Wish {
  name: string;
  /** `1280x720`. */
  canvas: string;
  rate: string;
  ladder: LadderKind;
  partFrames: number;
  dvrSeconds: number;
  preset: string;
  onDemand: boolean;
  idleSeconds: number;
}

export const canvasKey = ({ width, height }: Canvas): string => `${width}x${height}`;

export function canvasOf(key: string): Canvas {
  const [width = 1280, height = 720] = key.split("x").map(Number);
  return { width, height };
}

/** Pictures a second of `30` or `30000/1001`; 30 where it is neither. */
export function perSecond(rate: string): number {
  const [over = 30, under = 1] = rate.split("/").map(Number);
  const value = over / under;
  return Number.isFinite(value) && value > 0 ? value : 30;
}

/** The offered values, with the present one among them. */
export function among<T>(offered: readonly T[], present: T): readonly T[] {
  return offered.includes(present) ? offered : [present, ...offered];
}

const LINES = [2160, 1440, 1080, 720, 480, 360, 240, 144];
const COUNTS = { three: 3, two: 2, one: 1 } as const;

/**
 * The ladder of so many rungs for a canvas: its own lines first, then familiar ones at most four fifths of those above, with
 * bits that grow slower than pixels and pictures do. The same measure as the server's own choice (media/encode/auto.py).
 */
export function ladderFor(canvas: Canvas, rate: string, count: number): readonly Rung[] {
  const top = Math.min(canvas.width, canvas.height);
  const lines = [top];
  for (const each of LINES) {
    const above = lines.at(-1) ?? top;
    if (lines.length < count && each <= above * 0.8) lines.push(each);
  }
  return lines.map((height) => {
    const pixels = canvas.width * canvas.height * (height / top) ** 2;
    const bits = 2_500_000 * (pixels / (1280 * 720)) ** 0.9 * (perSecond(rate) / 30) ** 0.6;
    return { height, bitrate: Math.max(100_000, Math.round(bits / 50_000) * 50_000) };
  });
}

/** The rungs that a choice means; empty where the server chooses. */
export function rungsOf(
  kind: LadderKind,
  canvas: Canvas,
  rate: string,
  present: readonly Rung[],
): readonly Rung[] {
  if (kind === "auto") return [];
  return kind === "keep" ? present : ladderFor(canvas, rate, COUNTS[kind]);
}

/** The ladders that can be chosen: the present one only while it fits the canvas and is none of the others. */
export function ladderKinds(canvas: Canvas, rate: string, present: readonly Rung[]): readonly LadderKind[] {
  const offered = (["three", "two", "one"] as const).filter(
    (kind) => ladderFor(canvas, rate, COUNTS[kind]).length === COUNTS[kind],
  );
  const same = offered.some((kind) => equal(ladderFor(canvas, rate, COUNTS[kind]), present));
  const fits = present.length > 0 && (present[0]?.height ?? 0) <= Math.min(canvas.width, canvas.height);
  return ["auto", ...(fits && !same ? (["keep"] as const) : []), ...offered];
}

/** Which of the choices the present ladder is. */
function kindOf(canvas: Canvas, rate: string, present: readonly Rung[]): LadderKind {
  if (present.length === 0) return "auto";
  const kinds = ladderKinds(canvas, rate, present);
  if (kinds.includes("keep")) return "keep";
  return kinds.find((kind) => equal(rungsOf(kind, canvas, rate, present), present)) ?? "auto";
}

/** Frames in one GOP of a second. */
const gopOf = (rate: string) => Math.round(perSecond(rate));

/** Parts that can be chosen, in frames: what divides a GOP and lasts a sixth of a second to a second. */
export function partsOf(gop: number, rate: string): readonly number[] {
  const all = Array.from({ length: gop }, (_, i) => i + 1).filter((frames) => gop % frames === 0);
  const seconds = (frames: number) => frames / perSecond(rate);
  const fit = all.filter((frames) => seconds(frames) >= 0.16 && seconds(frames) <= 1.01);
  return fit.length > 0 ? fit : [gop];
}

/** How a part of so many frames compares: `usual` lies around a third of a second. */
export function partKind(frames: number, rate: string): "short" | "usual" | "long" {
  const seconds = frames / perSecond(rate);
  if (seconds < 0.3) return "short";
  return seconds < 0.45 ? "usual" : "long";
}

export function wishOf(settings: Settings): Wish {
  const canvas = { width: settings.width, height: settings.height };
  return {
    name: settings.name,
    canvas: canvasKey(canvas),
    rate: settings.rate,
    ladder: kindOf(canvas, settings.rate, settings.ladder),
    partFrames: settings.part_frames,
    dvrSeconds: settings.dvr_seconds,
    preset: settings.preset,
    onDemand: settings.on_demand,
    idleSeconds: settings.idle_seconds,
  };
}

/** The wish with what no longer fits put right, after a change of canvas or rate. */
export function fitted(wish: Wish, base: Settings): Wish {
  const canvas = canvasOf(wish.canvas);
  const ladder = ladderKinds(canvas, wish.rate, base.ladder).includes(wish.ladder) ? wish.ladder : "auto";
  const parts = partsOf(gopFor(wish, base), wish.rate);
  const third = perSecond(wish.rate) / 3;
  const nearest = parts.reduce((best, each) =>
    Math.abs(each - third) < Math.abs(best - third) ? each : best,
  );
  return { ...wish, ladder, partFrames: parts.includes(wish.partFrames) ? wish.partFrames : nearest };
}

/** A GOP stays as it was given unless the rate changes. */
export function gopFor(wish: Wish, base: Settings): number {
  return wish.rate === base.rate ? base.gop_frames : gopOf(wish.rate);
}

/** The whole settings, with the wish in them and the rest of `base`. */
export function settingsOf(wish: Wish, base: Settings): Settings {
  const canvas = canvasOf(wish.canvas);
  return {
    ...base,
    name: wish.name.trim(),
    ...canvas,
    rate: wish.rate,
    ladder: [...rungsOf(wish.ladder, canvas, wish.rate, base.ladder)],
    gop_frames: gopFor(wish, base),
    part_frames: wish.partFrames,
    dvr_seconds: wish.dvrSeconds,
    preset: wish.preset,
    on_demand: wish.onDemand,
    idle_seconds: wish.idleSeconds,
  };
}

/** What a new channel begins with: the API's own defaults, and a ladder that fits whatever machine this is. */
export const FRESH: Settings = {
  name: "",
  width: 1280,
  height: 720,
  rate: "30",
  ladder: [],
  audio_bitrate: 128_000,
  gop_frames: 30,
  part_frames: 10,
  segment_gops: 2,
  dvr_seconds: 1800,
  preset: "veryfast",
  burn_in: false,
  on_demand: false,
  idle_seconds: 60,
};

/** Names of the settings in which two differ. */
export function differing(one: Settings, other: Settings): readonly (keyof Settings)[] {
  return (Object.keys(one) as (keyof Settings)[]).filter((key) => !equal(one[key], other[key]));
}

function equal(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
