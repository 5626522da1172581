/** A table of the history, on screen and as a file. */

import { toCsv } from "../../shared/csv";

/** A cell. Numbers are exact in files and rounded on screen. */
export type Cell = string | number | null;

export interface Table {
  columns: readonly string[];
  rows: readonly (readonly Cell[])[];
}

/** The table as a CSV file. */
export function tableCsv({ columns, rows }: Table): string {
  return toCsv([columns, ...rows]);
}
