/** Writes times in the site's time zone. */
import { currentLocale } from "../../shared/language";

const formats = new Map<string, Intl.DateTimeFormat>();

function write(
  time_ms: number,
  time_zone: string,
  parts: Intl.DateTimeFormatOptions,
  locale = currentLocale(),
): string {
  const key = JSON.stringify([locale, time_zone, parts]);
  let format = formats.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(locale, { timeZone: time_zone, hourCycle: "h23", ...parts });
    formats.set(key, format);
  }
  return format.format(time_ms);
}

/** "14:05" */
export function timeOfDay(time_ms: number, time_zone: string): string {
  return write(time_ms, time_zone, { hour: "2-digit", minute: "2-digit" });
}

/** "14:05:09" */
export function exactTime(time_ms: number, time_zone: string): string {
  return write(time_ms, time_zone, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** "4 May" */
export function dayOf(time_ms: number, time_zone: string): string {
  return write(time_ms, time_zone, { day: "numeric", month: "short" });
}

/** "4 May 14:05" */
export function dayAndTime(time_ms: number, time_zone: string): string {
  return `${dayOf(time_ms, time_zone)} ${timeOfDay(time_ms, time_zone)}`;
}

/** "2026-05-04 14:05:09", for files. */
export function sortableTime(time_ms: number, time_zone: string): string {
  const day = { year: "numeric", month: "2-digit", day: "2-digit" } as const;
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
  // Swedish writes dates as ISO 8601 does.
  return write(time_ms, time_zone, { ...day, ...time }, "sv-SE");
}

/** "2026-05-04", as date inputs write it. */
export function dateOf(time_ms: number, time_zone: string): string {
  return sortableTime(time_ms, time_zone).slice(0, 10);
}
