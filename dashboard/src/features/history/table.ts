/** A table of the history, on screen and as a file. */

/** A cell: numbers are written as they are in files, and rounded on screen. */
export type Cell = string | number | null;

export interface Table {
  columns: readonly string[];
  rows: readonly (readonly Cell[])[];
}
