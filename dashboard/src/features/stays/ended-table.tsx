import { CardRow, CardTable, Cell, ColumnHead, RowHead } from "../../shared/card-table";
import { moment } from "../../shared/format";
import { say, type Key } from "../../shared/language";
import { dwellWords, entryWords } from "./inside-table";
import { PlateCell } from "./plate-cell";
import { driftWords, endWords, type Stay } from "./stays";

const HEADS: readonly Key[] = [
  "column.end",
  "column.why",
  "column.entry",
  "column.lasted",
  "column.gates",
  "column.plate",
];

/** Recently ended stays, newest first, each with the reason. */
export function EndedTable({ stays, now_ms }: { stays: readonly Stay[]; now_ms: number }) {
  if (stays.length === 0) return <p className="empty muted">{say("ended.none")}</p>;
  return (
    <CardTable
      label={say("ended.table")}
      head={HEADS.map((head) => (
        <ColumnHead key={head} label={say(head)} />
      ))}
    >
      {stays.map((stay) => (
        <CardRow key={stay.session_id}>
          <RowHead>{moment(stay.exit_at_ms ?? stay.time_ms, now_ms)}</RowHead>
          <Cell label={say("column.why")}>{endWords(stay)}</Cell>
          <Cell label={say("column.entry")}>{entryWords(stay, now_ms)}</Cell>
          <Cell label={say("column.lasted")}>{dwellWords(stay, now_ms)}</Cell>
          <Cell label={say("column.gates")}>
            {say("ended.gates", { entry: stay.entry_gate_id ?? "–", exit: stay.exit_gate_id ?? "–" })}
          </Cell>
          <Cell label={say("column.plate")}>
            <PlateCell stay={stay} />
          </Cell>
        </CardRow>
      ))}
    </CardTable>
  );
}

/** Reports that the gates' count is wrong, newest first. */
export function DriftList({ reports, now_ms }: { reports: readonly Stay[]; now_ms: number }) {
  if (reports.length === 0) return <p className="empty muted">{say("drift.none")}</p>;
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
