import { CardRow, CardTable, Cell, ColumnHead, RowHead } from "../../shared/card-table";
import { moment } from "../../shared/format";
import { dwellWords, entryWords } from "./inside-table";
import { PlateCell } from "./plate-cell";
import { driftWords, endWords, type Stay } from "./stays";

const HEADS = ["End", "Why", "Entry", "Lasted", "Gates", "Plate"];

/** Stays that ended lately, newest first, each with the reason. */
export function EndedTable({ stays, now_ms }: { stays: readonly Stay[]; now_ms: number }) {
  if (stays.length === 0) return <p className="empty muted">No stay has ended yet.</p>;
  return (
    <CardTable
      label="Ended stays"
      head={HEADS.map((label) => (
        <ColumnHead key={label} label={label} />
      ))}
    >
      {stays.map((stay) => (
        <CardRow key={stay.session_id}>
          <RowHead>{moment(stay.exit_at_ms ?? stay.time_ms, now_ms)}</RowHead>
          <Cell label="Why">{endWords(stay)}</Cell>
          <Cell label="Entry">{entryWords(stay, now_ms)}</Cell>
          <Cell label="Lasted">{dwellWords(stay, now_ms)}</Cell>
          <Cell label="Gates">{[stay.entry_gate_id ?? "–", stay.exit_gate_id ?? "–"].join(" to ")}</Cell>
          <Cell label="Plate">
            <PlateCell stay={stay} />
          </Cell>
        </CardRow>
      ))}
    </CardTable>
  );
}

/** Reports that the gates' count is wrong, newest first. */
export function DriftList({ reports, now_ms }: { reports: readonly Stay[]; now_ms: number }) {
  if (reports.length === 0) return <p className="empty muted">The gates reported no drift.</p>;
  return (
    <ol className="drift">
      {reports.map((report) => (
        <li key={report.session_id}>
          <time className="muted small" dateTime={new Date(report.time_ms).toISOString()}>
            {moment(report.time_ms, now_ms)}
          </time>{" "}
          {driftWords(report)}
        </li>
      ))}
    </ol>
  );
}
