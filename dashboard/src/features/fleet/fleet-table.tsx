import { CardTable, ColumnHead } from "../../shared/card-table";
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
  label: string;
  column?: Column;
  /** Known only from the devices' own reports. */
  reported?: boolean;
}

const HEADS: readonly Head[] = [
  { label: "Name", column: "name" },
  { label: "State", column: "state" },
  { label: "Last picture" },
  { label: "Pace" },
  { label: "Last seen", column: "heard" },
  { label: "Signal", column: "signal", reported: true },
  { label: "Firmware", column: "firmware", reported: true },
  { label: "Dropped", column: "dropped", reported: true },
  { label: "Gate events", column: "waiting", reported: true },
  { label: "Access", reported: true },
];

export function FleetTable({ rows, total, now_ms, withReports, order, onOrder, commands }: Props) {
  if (rows.length === 0) {
    const words = total ? "Nothing matches the filter." : "No cameras or devices yet.";
    return <p className="empty muted">{words}</p>;
  }
  const heads = HEADS.filter((head) => withReports || !head.reported).map(({ label, column }) => {
    if (!column) return <ColumnHead key={label} label={label} />;
    const current = order.column === column;
    return (
      <ColumnHead
        key={label}
        label={label}
        sorted={current ? (order.descending ? "descending" : "ascending") : "none"}
        onSort={() => {
          onOrder({ column, descending: current && !order.descending });
        }}
      />
    );
  });
  return (
    <CardTable label="Cameras and devices" head={heads}>
      {rows.map((row) => (
        <FleetRow key={row.id} row={row} now_ms={now_ms} withReports={withReports} commands={commands} />
      ))}
    </CardTable>
  );
}
