import { csvTime, toCsv } from "../../shared/csv";
import { say, type Key } from "../../shared/language";
import { stateWords, type Row } from "./fleet";

const HEAD: readonly Key[] = [
  "csv.id",
  "csv.name",
  "csv.state",
  "csv.problems",
  "csv.since",
  "csv.lastSeen",
  "csv.every",
  "csv.interval",
  "csv.signal",
  "csv.firmware",
  "csv.dropped",
  "csv.waiting",
];

/** The rows as they are on screen. */
export function fleetCsv(rows: readonly Row[]): string {
  const cells = rows.map((row) => {
    const { id, name, problems, heard_ms, camera, seen, device } = row;
    return [
      id,
      name,
      stateWords(row),
      problems.map(({ kind, words }) => `${kind}: ${words}`).join("; "),
      csvTime(problems[0]?.since_ms),
      csvTime(heard_ms),
      seen?.analysed_every_ms,
      camera?.interval_ms,
      device?.rssi_dbm,
      device?.firmware,
      device?.frames_dropped,
      device?.gate_events_waiting,
    ];
  });
  return toCsv([HEAD.map((key) => say(key)), ...cells]);
}
