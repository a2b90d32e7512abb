import type { Language } from "../messages/index.ts";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * How far `at` is from `now` (both Unix milliseconds), in words: "3분 전", "in 2 hours", "어제". Within a minute it
 * is "방금"/"just now"; past thirty days the date is told instead.
 */
export function relative(at: number, now: number, language: Language): string {
  const seconds = (at - now) / 1000;
  const distance = Math.abs(seconds);
  if (distance < MINUTE) {
    if (language === "ko") return seconds <= 0 ? "방금" : "곧";
    return seconds <= 0 ? "just now" : "in a moment";
  }
  if (distance >= 30 * DAY) return new Intl.DateTimeFormat(language, { dateStyle: "long" }).format(at);
  const words = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  if (distance < HOUR) return words.format(Math.trunc(seconds / MINUTE), "minute");
  if (distance < DAY) return words.format(Math.trunc(seconds / HOUR), "hour");
  return words.format(Math.trunc(seconds / DAY), "day");
}

/** A length or position in seconds as a clock: `0:07`, `12:05`, `1:02:03`. Never negative. */
export function clock(seconds: number): string {
  const whole = Number.isFinite(seconds) ? Math.max(0, Math.floor(seconds)) : 0;
  const two = (n: number) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / HOUR);
  const minutes = Math.floor((whole % HOUR) / MINUTE);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % MINUTE)}` : `${minutes}:${two(whole % MINUTE)}`;
}

/** A length in seconds for reading aloud: "1시간 2분", "3 minutes". Seconds are told below a minute only. */
export function length(seconds: number, language: Language): string {
  const unit = (n: number, name: string) =>
    new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "long" }).format(n);
  const whole = Math.max(0, Math.round(seconds));
  if (whole < MINUTE) return unit(whole, "second");
  const minutes = Math.round(whole / MINUTE);
  const hours = Math.floor(minutes / 60);
  if (hours === 0) return unit(minutes, "minute");
  return minutes % 60 === 0 ? unit(hours, "hour") : `${unit(hours, "hour")} ${unit(minutes % 60, "minute")}`;
}

/** The time of day of `at` (Unix milliseconds) with seconds, as the reader's clock on the wall shows it. */
export function timeOfDay(at: number, language: Language): string {
  return new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit", second: "2-digit" }).format(
    at,
  );
}
