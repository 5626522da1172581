/** Formats times, shares and counts. */
import { currentLocale, say } from "./language";

/** "8 s", "12 min", "3 h 05 min", "2 d 4 h". */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return say("time.s", { s: seconds });
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return say("time.min", { min: minutes });
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return say("time.h", { h: hours, min: String(minutes % 60).padStart(2, "0") });
  return say("time.d", { d: Math.floor(hours / 24), h: hours % 24 });
}

/** A duration with tenths of a second when it is short: "0.4 s". */
export function pace(ms: number): string {
  return ms % 1000 === 0 || ms > 10_000 ? duration(ms) : say("time.s", { s: decimal(ms / 1000) });
}

/** "just now" below two seconds, else "12 min ago". */
export function ago(ms: number): string {
  return ms < 2_000 ? say("now") : say("ago", { age: duration(ms) });
}

export function clock(time_ms: number): string {
  return new Date(time_ms).toLocaleTimeString(currentLocale(), { timeStyle: "medium", hourCycle: "h23" });
}

/** "30 Nov 2026, 14:05:09", in the browser's time zone. */
export function dateAndTime(time_ms: number): string {
  const style = { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" } as const;
  return new Date(time_ms).toLocaleString(currentLocale(), style);
}

/** The time of day, with the date unless it is today. */
export function moment(time_ms: number, now_ms: number): string {
  const date = new Date(time_ms);
  const today = date.toDateString() === new Date(now_ms).toDateString();
  return today
    ? clock(time_ms)
    : `${date.toLocaleDateString(currentLocale(), { dateStyle: "medium" })}, ${clock(time_ms)}`;
}

export function percent(share: number): string {
  return say("percent", { percent: Math.round(share * 100) });
}

/** "A1, A2 and A3". */
export function listed(names: readonly string[]): string {
  if (names.length < 2) return names.join("");
  return say("list", { first: names.slice(0, -1).join(", "), last: names.at(-1) ?? "" });
}

/** With a capital letter, to begin a sentence. */
export function capital(words: string): string {
  return words.charAt(0).toLocaleUpperCase(currentLocale()) + words.slice(1);
}

/** With a small letter, to continue a sentence. */
export function small(words: string): string {
  return words.charAt(0).toLocaleLowerCase(currentLocale()) + words.slice(1);
}

/** Always with one decimal place: "1.0". */
function decimal(value: number): string {
  const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return new Intl.NumberFormat(currentLocale(), digits).format(value);
}
