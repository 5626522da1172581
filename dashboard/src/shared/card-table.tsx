import type { ReactNode } from "react";

import "./table.css";

/** In some browsers a table whose parts are blocks loses its meaning, so its roles are written out. */
const ROLES = {
  table: { role: "table" },
  group: { role: "rowgroup" },
  row: { role: "row" },
  columnHead: { role: "columnheader" },
  rowHead: { role: "rowheader" },
  cell: { role: "cell" },
} as const;

/** A plain table that becomes one card for each row on a phone. `head`: its cells. */
export function CardTable({
  label,
  head,
  children,
}: {
  label: string;
  head: ReactNode;
  children: ReactNode;
}) {
  return (
    <div className="table-frame">
      <table {...ROLES.table} className="cards" aria-label={label}>
        <thead {...ROLES.group}>
          <tr {...ROLES.row}>{head}</tr>
        </thead>
        <tbody {...ROLES.group}>{children}</tbody>
      </table>
    </div>
  );
}

export function CardRow({ className = "", children }: { className?: string; children: ReactNode }) {
  return (
    <tr {...ROLES.row} className={className}>
      {children}
    </tr>
  );
}

export function RowHead({ children }: { children: ReactNode }) {
  return (
    <th {...ROLES.rowHead} scope="row">
      {children}
    </th>
  );
}

/** `label`: the column's name, which a card shows before the value. */
export function Cell({ label, children }: { label: string; children: ReactNode }) {
  return (
    <td {...ROLES.cell} data-label={label}>
      {children}
    </td>
  );
}

interface HeadProps {
  label: string;
  /** How the table is sorted by this column. Omit it if it cannot be. */
  sorted?: "ascending" | "descending" | "none";
  onSort?: () => void;
}

export function ColumnHead({ label, sorted, onSort }: HeadProps) {
  return (
    <th {...ROLES.columnHead} scope="col" aria-sort={sorted}>
      {onSort ? (
        <button type="button" className="sort" onClick={onSort}>
          {label}
          <span aria-hidden="true">{{ ascending: " ↑", descending: " ↓", none: "" }[sorted ?? "none"]}</span>
        </button>
      ) : (
        label
      )}
    </th>
  );
}
