import type { Language } from "../messages/index.ts";

/** Bits per second as people say them: "1.5 Mb/s", "640 kb/s", "0". */
export function bits(perSecond: number): string {
  if (perSecond < 1_000) return "0";
  if (perSecond < 999_500) return `${Math.round(perSecond / 1_000)} kb/s`;
  return `${(perSecond / 1_000_000).toFixed(1)} Mb/s`;
}

/** Bytes in decimal units, three digits at most before the unit: "412 GB", "1.2 GB", "0". */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = Math.max(0, count);
  let step = 0;
  while (value >= 999.5 && step < units.length - 1) {
    value /= 1_000;
    step += 1;
  }
  if (value === 0) return "0";
  return `${value < 10 && step > 1 ? value.toFixed(1) : Math.round(value)} ${units[step]}`;
}

/** Hours and days for an estimate: "41시간", "3 days". Never below an hour. */
export function roughly(hours: number, language: Language): string {
  const unit = (n: number, name: string) =>
    new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "long" }).format(n);
  return hours < 72 ? unit(Math.max(1, Math.floor(hours)), "hour") : unit(Math.floor(hours / 24), "day");
}
