/** Formats times, shares and counts. */

/** "8 s", "12 min", "3 h 05 min", "2 d 4 h". */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A duration with tenths of a second when it is short: "0.4 s". */
export function pace(ms: number): string {
  return ms % 1000 === 0 || ms > 10_000 ? duration(ms) : `${(ms / 1000).toFixed(1)} s`;
}

/** "just now" below two seconds, else "12 min ago". */
export function ago(ms: number): string {
  return ms < 2_000 ? "just now" : `${duration(ms)} ago`;
}

export function clock(time_ms: number): string {
  return new Date(time_ms).toLocaleTimeString([], { hour12: false });
}

/** The time of day, with the date unless it is today. */
export function moment(time_ms: number, now_ms: number): string {
  const date = new Date(time_ms);
  const today = date.toDateString() === new Date(now_ms).toDateString();
  return today ? clock(time_ms) : `${date.toLocaleDateString()}, ${clock(time_ms)}`;
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
