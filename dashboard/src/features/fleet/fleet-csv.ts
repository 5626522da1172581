import { csvTime, toCsv } from "../../shared/csv";
import { stateWords, type Row } from "./fleet";

const HEAD = [
  "id",
  "name",
  "state",
  "problems",
  "since (UTC)",
  "last seen (UTC)",
  "analysed every ms",
  "interval ms",
  "signal dBm",
  "firmware",
  "pictures dropped",
  "gate events waiting",
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
  return toCsv([HEAD, ...cells]);
}
