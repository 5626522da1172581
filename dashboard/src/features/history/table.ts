/** A table of the history, on screen and as a file. */

/** A cell. Numbers are exact in files and rounded on screen. */
export type Cell = string | number | null;

export interface Table {
  columns: readonly string[];
  rows: readonly (readonly Cell[])[];
}
