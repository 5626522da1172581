/** The range of time in the page's address: `range=7d`, or `from=2026-05-01&to=2026-05-31`. Pure. */
import { say } from "../../shared/language";

export const NAMED = ["today", "yesterday", "7d", "30d"] as const;
type NamedRange = (typeof NAMED)[number];

/** Local days of the site, both included. */
export interface OwnRange {
  from: string;
  to: string;
}
export type Range = NamedRange | OwnRange;

const DAYS_MAX = 92;
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const DAY_MS = 86_400_000;

/** Returns the range in an address, or today if it has none or an invalid one. */
export function rangeOf(query: string): Range {
  const given = new URLSearchParams(query);
  const own = { from: given.get("from") ?? "", to: given.get("to") ?? "" };
  if (own.from && !faultOf(own)) return own;
  return NAMED.find((name) => name === given.get("range")) ?? "today";
}

export function queryOf(range: Range): string {
  return new URLSearchParams(typeof range === "string" ? { range } : { ...range }).toString();
}

/** The range as parameters of the API. */
export function parametersOf(range: Range): Record<string, string> {
  return typeof range === "string" ? { range } : { from_day: range.from, to_day: range.to };
}

/** What is wrong with days that a user chose; "" if nothing is. */
export function faultOf({ from, to }: OwnRange): string {
  if (![from, to].every((day) => DAY.test(day) && !Number.isNaN(Date.parse(day)))) {
    return say("range.missing");
  }
  const days = (Date.parse(to) - Date.parse(from)) / DAY_MS + 1;
  if (days < 1) return say("range.turned");
  if (days > DAYS_MAX) return say("range.long", { days: DAYS_MAX });
  return "";
}
