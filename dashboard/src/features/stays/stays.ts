/** Vehicles' stays in order and in words. Pure. */
import { csvTime, toCsv } from "../../shared/csv";
import type { SessionChanged } from "../../shared/events";
import { say } from "../../shared/language";

export type Stay = SessionChanged;

export function isOverstay(stay: Stay): boolean {
  return stay.kind === "overstay";
}

/** Overstays first; then, and among them, the longest stay first. */
export function insideFirst(stays: readonly Stay[]): Stay[] {
  return stays.toSorted(
    (a, b) => Number(isOverstay(b)) - Number(isOverstay(a)) || (a.entry_at_ms ?? 0) - (b.entry_at_ms ?? 0),
  );
}

/** How long a stay lasted, or has lasted; null if its entry is not known. */
export function dwellMs(stay: Stay, now_ms: number): number | null {
  const { entry_at_ms, exit_at_ms, kind, time_ms } = stay;
  if (typeof entry_at_ms !== "number") return null;
  const ended_ms = exit_at_ms ?? (kind === "corrected" ? time_ms : now_ms);
  return Math.max(0, ended_ms - entry_at_ms);
}

/** The gate where it came in, which is unknown after a recount. */
export function gateWords(stay: Stay): string {
  return stay.entry_gate_id ?? say(stay.reason === "recount" ? "inside.byRecount" : "state.unknown");
}

const ENDINGS = [
  "plate",
  "plate-near",
  "oldest",
  "maximum-stay",
  "empty-time",
  "recount",
  "entered-again",
  "too-many-open",
] as const;

/** Why a stay ended. */
export function endWords({ kind, reason }: Stay): string {
  const code = ENDINGS.find((each) => each === reason);
  if (code) return say(`ending.${code}`);
  return kind === "closed" ? say("ending.exit") : (reason?.replaceAll("-", " ") ?? say("ending.other"));
}

/** What a report of gate drift means. */
export function driftWords({ reason, number_in, capacity }: Stay): string {
  if (reason === "exit-without-entry") return say("drift.exit");
  if (typeof number_in !== "number" || typeof capacity !== "number") return say("drift.full");
  return say("drift.entry", { inside: number_in, capacity });
}

/** Returns the ended stays. An exit without an entry is not a stay but a report of drift. */
export function endedStays(stays: readonly Stay[]): Stay[] {
  return stays.filter((stay) => stay.reason !== "exit-without-entry");
}

/** Explains what a recount would do, or "" if the number is the same. */
export function recountWords(inside: number, counted: number): string {
  if (!Number.isInteger(counted) || counted < 0) return "";
  if (counted < inside) {
    return say("recount.fewer", { count: inside - counted });
  }
  return counted > inside ? say("recount.more", { count: counted - inside }) : "";
}

/** Rows as a CSV file. Plates are never in it. */
export function staysCsv(stays: readonly Stay[], now_ms: number): string {
  const head = [
    say("csv.stay"),
    say("csv.entry"),
    say("csv.entryGate"),
    say("csv.exit"),
    say("csv.exitGate"),
    say("csv.seconds"),
    say("csv.state"),
    say("csv.reason"),
  ];
  const rows = stays.map((stay) => {
    const dwell_ms = dwellMs(stay, now_ms);
    return [
      stay.session_id,
      csvTime(stay.entry_at_ms),
      stay.entry_gate_id,
      csvTime(stay.exit_at_ms),
      stay.exit_gate_id,
      dwell_ms === null ? null : Math.round(dwell_ms / 1000),
      stay.kind,
      stay.reason,
    ];
  });
  return toCsv([head, ...rows]);
}
