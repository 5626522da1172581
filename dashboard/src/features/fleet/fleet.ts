/** The cameras and devices of a lot as the rows of a table. Pure. */
import { currentLocale, say } from "../../shared/language";
import type { Live } from "../../shared/live";
import type { CameraView, DeviceView } from "../../shared/views";
import { diagnose, heardAtMs, newestFirmware, type Member, type Problem } from "./diagnosis";
import { problemEntry, PROBLEMS, problemWords, URGENCY, type ProblemEntry } from "./problems";

export interface Row extends Member {
  problems: readonly Problem[];
  heard_ms: number | null;
}

export type Column = "state" | "name" | "signal" | "firmware" | "dropped" | "waiting" | "heard";
export interface Order {
  column: Column;
  descending: boolean;
}

const NATURAL = new Intl.Collator("en", { numeric: true });

/** One row for each camera and device. `devices` is null until somebody asked for their reports. */
export function fleetRows(
  cameras: readonly CameraView[],
  sightings: Live["sightings"],
  devices: readonly DeviceView[] | null,
  now_ms: number,
): Row[] {
  const context = { now_ms, newestFirmware: newestFirmware(devices ?? []) };
  const reports = new Map((devices ?? []).map((device) => [device.device_id, device]));
  const views = new Map(cameras.map((camera) => [camera.camera_id, camera]));
  const ids = [...new Set([...views.keys(), ...reports.keys()])];
  const rows = ids.map((id): Row => {
    const camera = views.get(id) ?? null;
    const short = id.split("/")[1] ?? id;
    const name = camera && camera.name !== id ? camera.name : short;
    const member: Member = { id, name, camera, seen: sightings[id], device: reports.get(id) ?? null };
    return { ...member, problems: diagnose(member, context), heard_ms: heardAtMs(member) };
  });
  return sortRows(rows, { column: "state", descending: false });
}

/** Returns the rows in this order. Equal rows (for the state, those without a problem) are sorted
 * by name: 1, 2, 10. */
export function sortRows(rows: readonly Row[], { column, descending }: Order): Row[] {
  const sign = descending ? -1 : 1;
  return rows.toSorted((a, b) => sign * compare(a, b, column) || byName(a, b));
}

function byName(a: Row, b: Row): number {
  return NATURAL.compare(a.name, b.name) || NATURAL.compare(a.id, b.id);
}

/** What each column is sorted by. A value that is not known counts as 0, or as the lowest. */
const SORTED_BY: Readonly<Record<Column, (row: Row) => number | string>> = {
  state: urgency,
  name: (row) => row.name,
  signal: ({ device }) => device?.rssi_dbm ?? 0,
  firmware: ({ device }) => device?.firmware ?? "",
  dropped: ({ device }) => device?.frames_dropped ?? -1,
  waiting: ({ device }) => device?.gate_events_waiting ?? -1,
  heard: (row) => row.heard_ms ?? 0,
};

function compare(a: Row, b: Row, column: Column): number {
  const [first, second] = [SORTED_BY[column](a), SORTED_BY[column](b)];
  if (typeof first === "number" && typeof second === "number") return first - second;
  return NATURAL.compare(String(first), String(second));
}

function urgency(row: Row): number {
  const first = row.problems[0];
  return first ? (URGENCY.get(first.kind) ?? 0) : URGENCY.size;
}

/** Whether the row contains every word of the filter, in any case. */
export function matches(row: Row, filter: string): boolean {
  const titles = row.problems.map((problem) => `${problemWords("title", problem.kind)} ${problem.words}`);
  const text = [row.id, row.name, row.device?.firmware, stateWords(row), ...titles]
    .join(" ")
    .toLocaleLowerCase(currentLocale());
  return filter
    .toLocaleLowerCase(currentLocale())
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** The state in a few words: the most urgent problem or, without one, how it works. */
export function stateWords({ problems, camera, device }: Row): string {
  const first = problems[0];
  if (first) return problemWords("title", first.kind);
  if (camera) return say(device?.polled ? "fleet.polled" : "fleet.online");
  return say(device?.state === "online" ? "fleet.online" : "fleet.noReport");
}

export interface Group {
  entry: ProblemEntry;
  rows: readonly Row[];
}

/** The rows by problem, the most urgent problem first: what to do, and where. */
export function problemGroups(rows: readonly Row[]): Group[] {
  return PROBLEMS.map((entry) => ({
    entry,
    rows: rows.filter((row) => row.problems.some((problem) => problem.kind === entry.kind)),
  })).filter((group) => group.rows.length > 0);
}

/** "4 of 12 need attention: 1 broken, 3 poor"; says if none do. */
export function summaryWords(rows: readonly Row[]): string {
  if (rows.length === 0) return say("fleet.none");
  const levels = rows.flatMap(({ problems }) => (problems[0] ? [problemEntry(problems[0].kind).level] : []));
  if (levels.length === 0) return say("fleet.fine", { number: rows.length });
  const broken = levels.filter((level) => level === "broken").length;
  const parts = [
    broken > 0 && say("fleet.broken", { count: broken }),
    levels.length > broken && say("fleet.poor", { count: levels.length - broken }),
  ];
  return say("fleet.summary", {
    number: levels.length,
    total: rows.length,
    which: parts.filter(Boolean).join(", "),
  });
}
