import { CardTable, ColumnHead } from "../../shared/card-table";
import { say, type Key } from "../../shared/language";
import type { AccessCommands } from "./access";
import type { Column, Order, Row } from "./fleet";
import { FleetRow } from "./fleet-row";

interface Props {
  rows: readonly Row[];
  /** How many there are without the filter. */
  total: number;
  now_ms: number;
  /** Whether the devices' own reports are known. */
  withReports: boolean;
  order: Order;
  onOrder: (order: Order) => void;
  commands: AccessCommands;
}

interface Head {
  label: Key;
  column?: Column;
  /** Known only from the devices' own reports. */
  reported?: boolean;
}

const HEADS: readonly Head[] = [
  { label: "column.name", column: "name" },
  { label: "column.state", column: "state" },
  { label: "column.lastPicture" },
  { label: "column.pace" },
  { label: "column.lastSeen", column: "heard" },
  { label: "column.signal", column: "signal", reported: true },
  { label: "column.firmware", column: "firmware", reported: true },
  { label: "column.dropped", column: "dropped", reported: true },
  { label: "column.gateEvents", column: "waiting", reported: true },
  { label: "column.access", reported: true },
];

export function FleetTable({ rows, total, now_ms, withReports, order, onOrder, commands }: Props) {
  if (rows.length === 0) {
    const words = say(total ? "fleet.noMatch" : "fleet.none");
    return <p className="empty muted">{words}</p>;
  }
  const heads = HEADS.filter((head) => withReports || !head.reported).map(({ label, column }) => {
    if (!column) return <ColumnHead key={label} label={say(label)} />;
    const current = order.column === column;
    return (
      <ColumnHead
        key={label}
        label={say(label)}
        sorted={current ? (order.descending ? "descending" : "ascending") : "none"}
        onSort={() => {
          onOrder({ column, descending: current && !order.descending });
        }}
      />
    );
  });
  return (
    <CardTable label={say("fleet.table")} head={heads}>
      {rows.map((row) => (
        <FleetRow key={row.id} row={row} now_ms={now_ms} withReports={withReports} commands={commands} />
      ))}
    </CardTable>
  );
}
