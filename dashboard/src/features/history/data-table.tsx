import type { ReactNode } from "react";

import type { Cell, Table } from "./table";
import { number, say } from "../../shared/language";

/** A table in a frame that scrolls; the first column names the rows. */
export function DataTable({ table, label }: { table: Table; label: string }) {
  return (
    <ScrollingTable columns={table.columns} label={label}>
      {table.rows.map(([first, ...cells], index) => (
        <tr key={index}>
          <th scope="row">{first}</th>
          {cells.map((cell, column) => (
            <td key={column} className={typeof cell === "number" ? "number" : ""}>
              {cellText(cell)}
            </td>
          ))}
        </tr>
      ))}
    </ScrollingTable>
  );
}

interface ScrollingTableProps {
  columns: readonly string[];
  label: string;
  /** The rows. */
  children: ReactNode;
}

/** A table with other rows in a frame that scrolls. */
export function ScrollingTable({ columns, label, children }: ScrollingTableProps) {
  return (
    <div
      className="table-frame history-table"
      role="region"
      aria-label={say("data.table", { title: label })}
      tabIndex={0}
    >
      <table>
        <TableHead columns={columns} />
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

export function TableHead({ columns }: { columns: readonly string[] }) {
  return (
    <thead>
      <tr>
        {columns.map((column, index) => (
          <th key={index} scope="col">
            {column}
          </th>
        ))}
      </tr>
    </thead>
  );
}

function cellText(cell: Cell): string {
  if (cell === null) return "–";
  return typeof cell === "number" ? number(cell) : cell;
}
