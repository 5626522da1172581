/** Local days of a site. Pure. */
import { dateOf, sortableTime } from "./times";

const DAY_MS = 86_400_000;

/** A range of time from `from_ms` up to, but not including, `to_ms`. */
export interface Span {
  from_ms: number;
  to_ms: number;
}

/** A local day ("2026-05-04") as a range of time; 23 or 25 hours where clocks change. */
export function dayOf(date: string, time_zone: string): Span {
  return { from_ms: midnight(date, time_zone), to_ms: midnight(following(date), time_zone) };
}

/** The first and the last local day of a range. */
export function daysOf({ from_ms, to_ms }: Span, time_zone: string): { from: string; to: string } {
  return { from: dateOf(from_ms, time_zone), to: dateOf(to_ms - 1, time_zone) };
}

function midnight(date: string, time_zone: string): number {
  const wanted_ms = Date.parse(`${date}T00:00:00Z`);
  // The offset at the guess may be that of the other side of a clock change, so it is corrected once.
  const guess_ms = wanted_ms - offset(wanted_ms, time_zone);
  return wanted_ms - offset(guess_ms, time_zone);
}

/** What the local clock is ahead of UTC. */
function offset(time_ms: number, time_zone: string): number {
  return Date.parse(`${sortableTime(time_ms, time_zone).replace(" ", "T")}Z`) - time_ms;
}

function following(date: string): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + DAY_MS).toISOString().slice(0, 10);
}
