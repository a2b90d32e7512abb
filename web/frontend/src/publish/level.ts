/** How loud a microphone is. Pure. */

/** Below this nothing is heard; the meter begins here. dBFS. */
export const FLOOR = -60;
export type Loudness = "silent" | "low" | "good" | "loud";

/** Root mean square and peak of samples of -1 to 1, in dBFS, not below `FLOOR`. */
export function levelOf(samples: Float32Array): { rms: number; peak: number } {
  let sum = 0;
  let peak = 0;
  for (const sample of samples) {
    sum += sample * sample;
    peak = Math.max(peak, Math.abs(sample));
  }
  const rms = Math.sqrt(sum / Math.max(1, samples.length));
  return { rms: decibel(rms), peak: decibel(peak) };
}

const decibel = (value: number) => Math.max(FLOOR, 20 * Math.log10(Math.max(value, 1e-9)));

/** Where a level stands on the meter, 0 to 1. */
export const share = (level: number): number => Math.min(1, Math.max(0, 1 - level / FLOOR));

/** What is said of the loudest of the last seconds. */
export function loudness(peak: number): Loudness {
  if (peak <= -55) return "silent";
  if (peak < -30) return "low";
  return peak > -1 ? "loud" : "good";
}
