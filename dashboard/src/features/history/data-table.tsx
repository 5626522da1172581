import type { Cell, Table } from "./table";
import { number, say } from "../../shared/language";

/** A table in a frame that scrolls; the first column names the rows. */
export function DataTable({ table, label }: { table: Table; label: string }) {
  return (
    <div
      className="table-frame history-table"
      role="region"
      aria-label={say("data.table", { title: label })}
      tabIndex={0}
    >
      <table>
        <thead>
          <tr>
            {table.columns.map((column, index) => (
              <th key={index} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
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
        </tbody>
      </table>
    </div>
  );
}

function cellText(cell: Cell): string {
  if (cell === null) return "–";
  return typeof cell === "number" ? number(cell) : cell;
}
